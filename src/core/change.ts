import type { BranchSnapshot, Look, PassedCommit, PullRequestSnapshot } from './event.ts';
import { matchesAny } from './globs.ts';
import type { KnownHead } from './merge-head.ts';
import { messages } from './messages.ts';
import type { Change } from './model.ts';
import type { Policy } from './policy.ts';

/** Our last knowledge of a branch; its newest run is what the next move supersedes. */
export interface Branch {
  subject: string;
  repositoryKey: string;
  ref: string;
  sha: string | null;
  generation: number;
  toldBy?: string;
  runId?: string;
}

export interface PullRequest {
  subject: string;
  repositoryKey: string;
  number: number;
  title: string;
  state: 'open' | 'closed' | 'merged';
  draft: boolean;
  headRef: string;
  headSha: string;
  headRepositoryKey: string | null;
  fork: boolean;
  baseRef: string;
  baseSha: string;
  author: { id: string; login: string };
  generation: number;
  toldBy?: string;
  runId?: string;
  /** Those that it had, oldest first, the last twenty. */
  heads: KnownHead[];
  /** The head that a maintainer has allowed to be tested. */
  allowedSha?: string;
}

/** Why a run does not begin at once. `until: 'never'`: it ends without having run. */
export interface Hold {
  until: 'maintainer' | 'never';
  why: string;
}

/** What a look at a moving thing means. `end`: the run so far is over; `start`: a new one begins. */
export interface ChangeDecision {
  because: 'unmoved' | 'moved' | 'gone' | 'closed' | 'base-changed' | 'not-watched' | 'new';
  end?: { by: 'superseded' | 'cancelled'; sha?: string; why: string };
  /** `hold`: the run waits for a maintainer's word, for this reason. */
  start?: { change: Change; hold?: Hold };
  /** The commits that came with it, newest first, where each is tested. */
  alsoStart?: Change[];
}

export const shortRef = (ref: string): string => ref.replace(/^refs\/heads\//, '');

/** The branch whose rules hold for a change: of a pull request its base. */
export const branchOf = (change: Change): string =>
  change.kind === 'pull-request' ? change.base.ref : shortRef(change.ref);

/** The default branch is always watched, others when a glob of `watch:` names them. */
export function isWatched(ref: string, defaultBranch: string, watch: string[]): boolean {
  const branch = shortRef(ref);
  return branch === defaultBranch || matchesAny(watch, branch);
}

export function decideBranch(
  known: Branch | undefined,
  seen: BranchSnapshot,
  watch: string[],
  commits: Policy['commits'] = 'latest',
): ChangeDecision {
  if (known && known.sha === seen.sha) return { because: 'unmoved' };
  if (seen.sha === null) {
    return { because: 'gone', end: { by: 'cancelled', why: messages.branchDeleted } };
  }
  const end = { by: 'superseded', sha: seen.sha, why: messages.supersededWhy(seen.sha) } as const;
  if (!isWatched(seen.ref, seen.defaultBranch, watch)) return { because: 'not-watched', end };
  const because = known ? 'moved' : 'new';
  if (seen.tested) return { because, end };
  const commitOf = ({ sha, title, author }: PassedCommit): Change => ({
    kind: 'commit',
    ref: seen.ref,
    sha,
    title,
    author,
  });
  const start = { change: commitOf({ ...seen, sha: seen.sha }) };
  if (commits === 'latest') return { because, end, start };
  return { because, start, alsoStart: (seen.passed ?? []).map(commitOf).reverse() };
}

export function decidePullRequest(
  known: PullRequest | undefined,
  seen: PullRequestSnapshot,
  policy: Policy,
): ChangeDecision {
  if (seen.state !== 'open') {
    const why = seen.state === 'merged' ? messages.pullRequestMerged : messages.pullRequestClosed;
    return { because: 'closed', end: { by: 'cancelled', why } };
  }
  const isAllowed = known !== undefined && known.allowedSha === seen.head.sha;
  const start = { change: changeOf(seen), ...(!isAllowed && { hold: holdOf(seen, policy) }) };
  if (known?.state !== 'open') return { because: 'new', ...(!seen.tested && { start }) };
  if (known.headSha !== seen.head.sha) {
    const sha = seen.head.sha;
    const end = { by: 'superseded', sha, why: messages.supersededWhy(sha) } as const;
    return { because: 'moved', end, ...(!seen.tested && { start }) };
  }
  if (known.baseRef !== seen.base.ref) {
    const why = messages.baseChanged(known.baseRef, seen.base.ref);
    return { because: 'base-changed', end: { by: 'cancelled', why }, start };
  }
  return { because: 'unmoved' };
}

/** Why this pull request's test has to wait for a maintainer, if it has to. Only forks can: who may push a branch to the
 *  repository itself is trusted with its tests. */
export function holdOf(seen: PullRequestSnapshot, policy: Policy): Hold | undefined {
  if (!isFork(seen)) return undefined;
  const ask: Hold = { until: 'maintainer', why: messages.forkAsk };
  switch (policy.forks) {
    case 'test':
      return undefined;
    case 'never':
      return { until: 'never', why: messages.forkNever };
    case 'ask':
      return seen.standing?.canWrite ? undefined : ask;
    case 'ask-new':
      return seen.standing?.canWrite || seen.standing?.hasMerged ? undefined : ask;
  }
}

/** A head repository that is gone or private (null) is still a fork, never "the same repository" (GitHub's pull_request
 *  payload). */
export const isFork = (seen: Pick<PullRequestSnapshot, 'head' | 'repositoryKey'>): boolean =>
  seen.head.repositoryKey !== seen.repositoryKey;

function changeOf(seen: PullRequestSnapshot): Change {
  return {
    kind: 'pull-request',
    number: seen.number,
    ref: seen.head.ref,
    sha: seen.head.sha,
    title: seen.title,
    author: seen.author,
    fork: isFork(seen),
    base: seen.base,
  };
}

/** A hint spoke of a state that live reading does not show: it may be older than the state, or GitHub's API may lag
 *  behind its hooks. A few more looks tell; after that, polling is the net. Answers milliseconds, or undefined. */
export function lookAgainMs(decision: ChangeDecision, look: Look, seenSha: string | null): number | undefined {
  const isDoubtful = decision.because === 'unmoved' && look.hinted !== undefined && look.hinted !== seenSha;
  return isDoubtful && look.number < LOOKS ? 1_000 * 3 ** look.number : undefined;
}

const LOOKS = 3;
