import { mayPoll } from '../core/budget.ts';
import { isWatched } from '../core/change.ts';
import type { EffectOf } from '../core/effect.ts';
import type { CommentFacts, Event, ListedPullRequest } from '../core/event.ts';
import { messages } from '../core/messages.ts';
import type { RepositoryRef } from '../core/model.ts';
import {
  branchNews,
  type CommentFact,
  commentFacts,
  commentNews,
  firstLookKey,
  keysToLookUp,
  newestOf,
  overlapped,
  type PollCursor,
  pollCursorName,
  pullRequestKeys,
  pullRequestNews,
  wasAbsent,
} from '../core/poll.ts';
import { isPlain, watchedBranches } from '../core/serving.ts';
import { type BranchList, ForgeError } from '../forge/forge.ts';
import type { Told } from '../queue/queue.ts';
import type { Repository } from '../store/store.ts';
import type { Performed, World } from './effect.ts';

type Poll = EffectOf<'poll.repository'>;

/**
 * Compare the lists of a repository with what we know of it: the net under the hooks. What it saw and how far it read
 * are stored in one transaction. A list that cannot be read is said at its cursor and read again in the next interval;
 * it is never parked, because the next tick stands for this one.
 */
export async function pollRepository(effect: Poll, world: World, signal: AbortSignal): Promise<Performed> {
  const { repository } = effect;
  if (!mayPoll(world.budget(repository.installation), effect.turn, world.now())) return { events: [], forget: true };
  const name = pollCursorName(repository.key);
  const cursor = (await world.store.cursor(name)) as PollCursor | undefined;
  try {
    const seen = await lookAt(effect, cursor, world, signal);
    return { ...seen, cursors: [{ name, value: { ...seen.cursor } }], forget: true };
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    const since = cursor?.trouble?.since ?? world.now().toISOString();
    const value = { ...cursor, trouble: { why: error.message, since } };
    return { events: [], cursors: [{ name, value }], forget: true };
  }
}

interface Seen {
  events: Event[];
  told: Told[];
  cursor: PollCursor;
}

async function lookAt(effect: Poll, cursor: PollCursor | undefined, world: World, signal: AbortSignal): Promise<Seen> {
  const { repository } = effect;
  const lookedAt = world.now().toISOString();
  const catchUp = wasAbsent(cursor, effect.everyMs, world.now());
  const listed = await world.forge(repository).listBranches(repository, signal);
  const stored = await world.store.repository(repository.key);
  if (!listed) return { events: stored?.state === 'removed' ? [] : [gone(repository)], told: [], cursor: { lookedAt } };
  const branches = await branchesTold(repository, listed, catchUp, world);
  const pulls = await pullRequestsTold(repository, cursor, catchUp, world, signal);
  const comments = await commentsTold(repository, cursor, lookedAt, world, signal);
  const events = branches.firstLook ? [] : cameBack(repository, stored, listed.defaultBranch);
  const next: PollCursor = {
    lookedAt,
    pullRequests: newestOf([cursor?.pullRequests, ...pulls.listed.map(({ updatedAt }) => updatedAt)]) ?? lookedAt,
    comments: newestOf([cursor?.comments, ...comments.listed.map(({ updatedAt }) => updatedAt)]) ?? lookedAt,
    commentsFrom: comments.from,
  };
  return { events, told: [...branches.told, ...pulls.told, ...comments.told], cursor: next };
}

async function branchesTold(repository: RepositoryRef, listed: BranchList, catchUp: boolean, world: World) {
  const { key } = repository;
  const watch = watchedBranches(key, world.serving);
  const isOurs = ({ ref }: { ref: string }) => isWatched(ref, listed.defaultBranch, watch);
  const heads = listed.branches.filter(isOurs);
  const known = (await world.store.branches(key)).filter(isOurs);
  const facts = await world.facts(keysToLookUp(key, known, heads));
  // A plain repository may have any number of branches, and all are watched: there only the default one is taken up.
  const takesUp = (ref: string) => !isPlain(key) || ref === `refs/heads/${listed.defaultBranch}`;
  const news = branchNews(key, takesUp, known, heads, facts);
  const firstLook = !facts.some((fact) => fact.key === firstLookKey(key));
  const told: Told[] = [
    ...news.noted.map((fact) => notedFact(repository, fact)),
    ...[...news.told, ...news.confirmed].map(({ key: factKey, ref, sha }) =>
      seenFact(factKey, { kind: 'branch.hinted', repository, ref, sha, ...caughtUp(catchUp, repository) }),
    ),
    // Last: its key says that all the others were stored.
    ...(firstLook ? [firstLookFact(repository, listed.defaultBranch)] : []),
  ];
  return { told, firstLook };
}

async function pullRequestsTold(
  repository: RepositoryRef,
  cursor: PollCursor | undefined,
  catchUp: boolean,
  world: World,
  signal: AbortSignal,
): Promise<{ told: Told[]; listed: ListedPullRequest[] }> {
  const since = cursor?.pullRequests === undefined ? undefined : overlapped(cursor.pullRequests);
  const listed = (await world.forge(repository).listPullRequests(repository, since, signal)) ?? [];
  if (listed.length === 0) return { told: [], listed };
  const numbers = listed.map(({ number }) => number);
  const known = await world.store.pullRequests(repository.key, numbers);
  const news = pullRequestNews(repository.key, known, listed, await world.facts(pullRequestKeys(known)));
  const told = [...news.told, ...news.confirmed].map(({ key, told: { number, updatedAt, ...facts } }) =>
    seenFact(
      key,
      {
        kind: 'pull-request.hinted',
        repository,
        number,
        action: 'polled',
        told: facts,
        ...caughtUp(catchUp, repository),
      },
      updatedAt,
    ),
  );
  return { told, listed };
}

/** Of comments from before our first look nobody expects that they are obeyed now. */
async function commentsTold(
  repository: RepositoryRef,
  cursor: PollCursor | undefined,
  lookedAt: string,
  world: World,
  signal: AbortSignal,
): Promise<{ told: Told[]; listed: CommentFacts[]; from: string }> {
  const from = cursor?.commentsFrom ?? lookedAt;
  if (cursor?.comments === undefined) return { told: [], listed: [], from };
  const since = overlapped(cursor.comments);
  const listed = (await world.forge(repository).listComments(repository, since, signal)) ?? [];
  const oldest = new Date(Math.max(since.getTime(), Date.parse(from)));
  const facts = await world.facts(commentFacts(repository.key, oldest, listed).map(({ key }) => key));
  const news = commentNews(repository.key, oldest, listed, facts);
  return { told: news.map((fact) => commentFact(repository, fact)), listed, from };
}

/** Plain repositories have no checks that could say "tested already", and no herd of pull requests. */
const caughtUp = (catchUp: boolean, { key }: RepositoryRef): { catchUp?: true } =>
  catchUp && !isPlain(key) ? { catchUp } : {};

/** `delivery`: while a fact is not handled yet each poll sees it anew, and one sighting is enough. */
const seenFact = (key: string, event: Event, occurredAt?: string): Told => ({
  source: 'poll',
  delivery: `poll:${key}`,
  event: { key, event, occurredAt: occurredAt === undefined ? undefined : new Date(occurredAt) },
});

const commentFact = (repository: RepositoryRef, { key, comment }: CommentFact): Told =>
  seenFact(key, { kind: 'comment.told', repository, comment }, comment.updatedAt);

const notedFact = (repository: RepositoryRef, { key, ref, sha }: { key: string; ref: string; sha: string }): Told => ({
  source: 'own',
  event: { key, event: { kind: 'branch.noted', repository, ref, sha } },
});

const watched = (repository: RepositoryRef, defaultBranch: string): Event => ({
  kind: 'repository.noted',
  repository,
  facts: { state: 'watched', defaultBranch },
});

const firstLookFact = (repository: RepositoryRef, defaultBranch: string): Told => ({
  source: 'own',
  event: { key: firstLookKey(repository.key), event: watched(repository, defaultBranch) },
});

const gone = (repository: RepositoryRef): Event => ({
  kind: 'repository.noted',
  repository,
  facts: { state: 'removed', why: isPlain(repository.key) ? messages.repositoryGone : messages.uninstalled },
});

/** Its directory was away for a while (a mount, a move), or another branch is the default one now. */
function cameBack(repository: RepositoryRef, stored: Repository | undefined, defaultBranch: string): Event[] {
  const isAsKnown = stored?.state === 'watched' && (stored.defaultBranch ?? '') === defaultBranch;
  return isAsKnown ? [] : [watched(repository, defaultBranch)];
}
