import type { BranchSnapshot, PullRequestSnapshot } from '../../core/event.ts';
import type { Author, RepositoryRef } from '../../core/model.ts';
import { mayWrite } from '../../core/permission.ts';
import type { GitHubClient } from './client.ts';
import { authorOf, githubKey } from './fields.ts';
import { permissionIn } from './permission.ts';
import { askIn, callerFor, type FoundRepository, findRepository, pullQuestion } from './repository.ts';
import { branchAnswer, countAnswer, pullAnswer } from './schema.ts';

export const firstLine = (message: string | undefined): string => (message ?? '').split('\n')[0]!.slice(0, 500);

export async function readBranch(
  client: GitHubClient,
  repository: RepositoryRef,
  ref: string,
  signal: AbortSignal,
): Promise<BranchSnapshot | undefined> {
  const found = await findRepository(client, repository, signal);
  if (!found) return undefined;
  const branch = ref.replace(/^refs\/heads\//, '');
  const question = {
    route: 'GET /repos/{owner}/{repo}/branches/{branch}',
    parameters: { ...found.at, branch },
    schema: branchAnswer,
    about: `${found.name} ${branch}`,
  };
  const head = await client.ask(callerFor(repository), question, signal);
  return {
    ref,
    sha: head?.commit.sha ?? null,
    title: firstLine(head?.commit.commit.message),
    author: head?.commit.author ?? undefined,
    repositoryName: found.name,
    defaultBranch: found.defaultBranch,
    private: found.private,
  };
}

export async function readPullRequest(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  signal: AbortSignal,
): Promise<(PullRequestSnapshot & { body: string }) | undefined> {
  const questionIn = ({ at, name }: FoundRepository) => ({
    ...pullQuestion(at, number),
    schema: pullAnswer,
    about: `${name}#${number}`,
  });
  const read = await askIn(client, repository, questionIn, signal);
  if (!read) return undefined;
  const { found, value: pull } = read;
  const { ref, sha, repo } = pull.head;
  const head = { ref, sha, repositoryKey: repo ? githubKey(repo.id) : null };
  const { id, login } = authorOf(pull.user);
  const author = { id, login };
  const isFork = head.repositoryKey !== repository.key;
  return {
    number,
    title: pull.title,
    body: pull.body ?? '',
    state: pull.merged ? 'merged' : pull.state,
    draft: pull.draft,
    head,
    base: { ref: pull.base.ref, sha: pull.base.sha },
    author,
    standing: isFork ? await readStanding(client, repository, found, author, signal) : undefined,
    repositoryKey: repository.key,
    repositoryName: found.name,
    defaultBranch: found.defaultBranch,
    private: found.private,
  };
}

/** Who nobody knows has no standing. */
async function readStanding(
  client: GitHubClient,
  repository: RepositoryRef,
  found: FoundRepository,
  author: Author,
  signal: AbortSignal,
): Promise<PullRequestSnapshot['standing']> {
  const { name } = found;
  const { login } = author;
  const canWrite = mayWrite(await permissionIn(client, repository, found, author, signal));
  if (canWrite) return { canWrite, hasMerged: false };
  const search = {
    route: 'GET /search/issues',
    parameters: { q: `repo:${name} is:pr is:merged author:${login}`, per_page: 1, advanced_search: 'true' },
    schema: countAnswer,
    about: `${login} in ${name}`,
  };
  const merged = await client.ask(callerFor(repository), search, signal);
  return { canWrite, hasMerged: (merged?.total_count ?? 0) > 0 };
}
