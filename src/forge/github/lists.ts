import type { CommentFacts, ListedPullRequest } from '../../core/event.ts';
import type { RepositoryRef } from '../../core/model.ts';
import { isSha } from '../../core/ref.ts';
import { type BranchList, type Commit, ForgeError } from '../forge.ts';
import type { GitHubClient, Page, Question } from './client.ts';
import { authorOf, githubKey } from './fields.ts';
import { parameterOf } from './links.ts';
import { firstLine } from './reads.ts';
import { callerFor, findRepository } from './repository.ts';
import { branchPage, commentPage, comparison, pullPage } from './schema.ts';

/**
 * What polls read. The address of a first page never changes: as long as nothing moved all of it is answered with 304,
 * and costs nothing. So there is no `since=` in them; lists come newest change first, and are read as far as is needed.
 */

const PER_PAGE = 100;
const MOST_PAGES = 100;

type Pages<T> = (page: number) => Promise<Page<T[]> | undefined>;

function pagesOf<T>(
  client: GitHubClient,
  repository: RepositoryRef,
  question: Question<T[]>,
  signal: AbortSignal,
): Pages<T> {
  return (page) => {
    const parameters = { ...question.parameters, per_page: PER_PAGE, page };
    return client.askPage(callerFor(repository), { ...question, parameters }, signal);
  };
}

/** Page after page as long as `goesOn` says so of the last of each; undefined: the list is not there. */
async function readPages<T>(ask: Pages<T>, about: string, goesOn: (last: T) => boolean): Promise<T[] | undefined> {
  const all: T[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const listed = (await ask(page))?.value;
    if (!listed) return undefined;
    all.push(...listed);
    if (listed.length < PER_PAGE || !goesOn(listed.at(-1)!)) return all;
  }
  throw tooMany(about);
}

const tooMany = (about: string) => new ForgeError('refused', `There are more than ${MOST_PAGES * PER_PAGE} ${about}`);

/**
 * From the last page to the first: what leaves the list meanwhile moves the others forward, to pages that are still to
 * be read, and nothing is missed. What is met twice is there twice.
 */
async function readBackwards<T>(ask: Pages<T>, about: string): Promise<T[] | undefined> {
  const first = await ask(1);
  if (!first) return undefined;
  const last = Number(parameterOf(first.links['last'], 'page') ?? 1);
  if (!(last > 1)) return first.value;
  if (last > MOST_PAGES) throw tooMany(about);
  const all: T[] = [];
  for (let page = last; page >= 1; page -= 1) {
    const listed = await ask(page);
    if (!listed) return undefined;
    all.unshift(...listed.value);
  }
  return all;
}

export async function listBranches(
  client: GitHubClient,
  repository: RepositoryRef,
  signal: AbortSignal,
): Promise<BranchList | undefined> {
  const found = await findRepository(client, repository, signal);
  if (!found) return undefined;
  const about = `branches of ${found.name}`;
  const question = {
    route: 'GET /repos/{owner}/{repo}/branches',
    parameters: found.at,
    schema: branchPage,
    about,
  };
  const listed = await readPages(pagesOf(client, repository, question, signal), about, () => true);
  if (!listed) return undefined;
  const branches = listed.map(({ name, commit }) => ({ ref: `refs/heads/${name}`, sha: commit.sha }));
  return { defaultBranch: found.defaultBranch, branches };
}

export async function listPullRequests(
  client: GitHubClient,
  repository: RepositoryRef,
  since: Date | undefined,
  signal: AbortSignal,
): Promise<ListedPullRequest[] | undefined> {
  const found = await findRepository(client, repository, signal);
  if (!found) return undefined;
  const about = `pull requests of ${found.name}`;
  const ask = (order: Record<string, string>) =>
    pagesOf(
      client,
      repository,
      { route: 'GET /repos/{owner}/{repo}/pulls', parameters: { ...found.at, ...order }, schema: pullPage, about },
      signal,
    );
  const listed = since
    ? await readPages(
        ask({ state: 'all', sort: 'updated', direction: 'desc' }),
        about,
        ({ updated_at }) => Date.parse(updated_at) >= since.getTime(),
      )
    : await readBackwards(ask({ state: 'open', sort: 'created', direction: 'asc' }), about);
  const pulls = listed?.map((pull) => listedPullRequest(repository, pull));
  return pulls && newestFirst(pulls, ({ number }) => number);
}

function listedPullRequest(
  repository: RepositoryRef,
  {
    number,
    title,
    state,
    merged_at: mergedAt,
    draft,
    updated_at,
    user,
    head,
    base,
  }: (typeof pullPage)['_output'][number],
): ListedPullRequest {
  const { id, login } = authorOf(user);
  // A fork that was deleted is null, and still a fork.
  const fork = !head.repo || githubKey(head.repo.id) !== repository.key;
  return {
    number,
    headSha: head.sha,
    baseRef: base.ref,
    title,
    state: mergedAt ? 'merged' : state,
    draft,
    head: { ref: head.ref, fork, author: { id, login } },
    updatedAt: updated_at,
  };
}

export async function listComments(
  client: GitHubClient,
  repository: RepositoryRef,
  since: Date,
  signal: AbortSignal,
): Promise<CommentFacts[] | undefined> {
  const found = await findRepository(client, repository, signal);
  if (!found) return undefined;
  const about = `comments in ${found.name}`;
  const question = {
    route: 'GET /repos/{owner}/{repo}/issues/comments',
    parameters: { ...found.at, sort: 'updated', direction: 'desc' },
    schema: commentPage,
    about,
  };
  const listed = await readPages(
    pagesOf(client, repository, question, signal),
    about,
    ({ updated_at }) => Date.parse(updated_at) >= since.getTime(),
  );
  return listed && newestFirst(listed.map(commentFacts), ({ id }) => id);
}

/** As its hook would have told it, with the very values: both make one key. */
function commentFacts(comment: (typeof commentPage)['_output'][number]): CommentFacts {
  const { id, body, updated_at: updatedAt } = comment;
  const [, kind, number] = /\/(pull|issues)\/(\d+)/.exec(comment.html_url)!;
  const author = authorOf(comment.user);
  const isNew = comment.created_at === updatedAt;
  return {
    id,
    number: Number(number),
    onPullRequest: kind === 'pull',
    action: isNew ? 'created' : 'edited',
    author,
    ...(isNew ? { sender: { id: author.id, login: author.login } } : {}),
    body: body ?? '',
    updatedAt,
  };
}

/** Each once, as it was when it was last met. */
function newestFirst<T extends { updatedAt: string }>(listed: T[], keyOf: (item: T) => unknown): T[] {
  const newest = new Map<unknown, T>();
  for (const item of listed) {
    const known = newest.get(keyOf(item));
    if (!known || known.updatedAt <= item.updatedAt) newest.set(keyOf(item), item);
  }
  return [...newest.values()].sort((one, other) => Date.parse(other.updatedAt) - Date.parse(one.updatedAt));
}

/** Asked without pages: then GitHub answers the newest 250, oldest first (docs.github.com, "Compare two commits"). */
export async function listCommits(
  client: GitHubClient,
  repository: RepositoryRef,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<Commit[] | undefined> {
  if (!isSha(from) || !isSha(to)) return undefined;
  const found = await findRepository(client, repository, signal);
  if (!found) return undefined;
  const question = {
    route: 'GET /repos/{owner}/{repo}/compare/{basehead}',
    parameters: { ...found.at, basehead: `${from}...${to}` },
    schema: comparison,
    about: `${found.name} from ${from} to ${to}`,
    keep: false,
  };
  const answer = await client.ask(callerFor(repository), question, signal);
  return answer?.commits.map(({ sha, commit, author }) => ({
    sha,
    title: firstLine(commit.message),
    ...(author ? { author } : {}),
  }));
}
