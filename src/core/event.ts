import type { BuildObservation } from './build.ts';
import type { Hold } from './change.ts';
import type { Author, Change, RepositoryRef, SourceArchive, Trigger } from './model.ts';

/**
 * Every fact that RCB acts on, as one typed union. The upper half comes from outside, parsed at the border; the lower
 * half is what our own effects and handlers tell. All of it is JSON: an event is a row.
 *
 * Facts about a moving thing (a head, a title) are *hints*: they make an effect read the live state, and only what was
 * *seen* moves ours. So a late, doubled or reordered hook can do no harm.
 */
export type Event =
  | { kind: 'branch.hinted'; repository: RepositoryRef; ref: string; sha: string | null }
  /** There at our first look at its repository: known from now on, and tested when it moves. */
  | { kind: 'branch.noted'; repository: RepositoryRef; ref: string; sha: string }
  | { kind: 'pull-request.hinted'; repository: RepositoryRef; number: number; action: string; told: PullRequestFacts }
  | { kind: 'comment.told'; repository: RepositoryRef; comment: CommentFacts }
  | { kind: 'check.rerequested'; repository: RepositoryRef; request: CheckRequest }
  | { kind: 'installation.told'; installation: InstallationFacts }
  | { kind: 'repository.told'; repository: RepositoryRef; change: RepositoryChange }
  /** Signed, and of no use to us (a label was set): kept, so that every delivery is in the ledger. */
  | { kind: 'hook.noted'; hook: string; what?: string }
  /** Signed, and not understood: parked with the raw payload, for a person. */
  | { kind: 'hook.unread'; hook: string; why: string }
  /** The clock's: an interval of a poll begins. `at`: its start, ISO 8601. In no ledger. */
  | { kind: 'tick'; source: PollSource; at: string; everyMs: number }
  // What effects saw and did.
  | { kind: 'branch.seen'; subject: string; repository: RepositoryRef; look: Look; snapshot: BranchSnapshot }
  | { kind: 'pull-request.seen'; subject: string; repository: RepositoryRef; look: Look; snapshot: PullRequestSnapshot }
  /** What was to be read is not there, or not for us to read. */
  | { kind: 'change.unreadable'; subject: string; repository: RepositoryRef; why: string }
  | { kind: 'repository.noted'; repository: RepositoryRef; facts: RepositoryFacts }
  | ({ runId: string } & RunEvent);

/** What a run is told, in its own subject. */
export type RunEvent =
  | { kind: 'run.requested'; request: RunRequest }
  | { kind: 'run.ended'; by: 'superseded' | 'cancelled'; sha?: string; why: string }
  | { kind: 'sources.resolved'; title: string; author?: Author }
  | { kind: 'source.packed'; sourceId: string; archive: SourceArchive }
  | { kind: 'sources.failed'; why: string }
  | { kind: 'build.started'; buildId: string; attempt: number; externalId: string; url?: string }
  | { kind: 'build.refused'; buildId: string; attempt: number; verdict: 'error' | 'cancelled'; why: string }
  | {
      kind: 'build.observed';
      buildId: string;
      attempt: number;
      observation: JsonOf<BuildObservation>;
      kept: KeptOutput[];
    }
  | { kind: 'check.reported'; checkId: string; externalId: string; reported: string }
  | { kind: 'check.refused'; checkId: string; why: string }
  /** An effect of this run failed and will be tried again (`retryAt`), or was given up. */
  | { kind: 'effect.failed'; effect: string; target: string; why: string; retryAt?: string };

/** A value as its row holds it: times are ISO 8601 text. */
export type JsonOf<T> = T extends Date
  ? string
  : T extends (infer U)[]
    ? JsonOf<U>[]
    : T extends object
      ? { [K in keyof T]: JsonOf<T[K]> }
      : T;

export const toJson = <T>(value: T): JsonOf<T> => JSON.parse(JSON.stringify(value)) as JsonOf<T>;

export interface RunRequest {
  repository: RepositoryRef;
  change: Change;
  subject: string;
  trigger: Trigger;
  previousId?: string;
  /** Set: the run does not begin at once. */
  hold?: Hold;
}

/** What the archive keeps of one attempt of a job, after `build.follow` copied it. */
export interface KeptOutput {
  externalName: string;
  number: number;
  log?: { bytes: number; lines: number; sha256?: string };
  artifacts: { name: string; size: number; sha256: string }[];
}

/** One look at live state that a hint asked for. */
export interface Look {
  /** Key of the hint's event. */
  toldBy: string;
  /** The sha that the hint spoke of; null for a deletion, absent when it spoke of none. */
  hinted?: string | null;
  /** 1 for the first. GitHub's API may for a moment answer older state than its hook told. */
  number: number;
}

export interface BranchSnapshot {
  ref: string;
  /** null: there is no such branch (any more). */
  sha: string | null;
  title: string;
  author?: Author;
  repositoryName: string;
  defaultBranch: string;
  private: boolean;
}

export interface PullRequestSnapshot {
  number: number;
  title: string;
  state: 'open' | 'closed' | 'merged';
  draft: boolean;
  /** `repositoryKey` is null when the fork was deleted or is private: still a fork. */
  head: { ref: string; sha: string; repositoryKey: string | null };
  base: { ref: string; sha: string };
  author: Author;
  /** Asked only for forks: may the author write, and was a pull request of theirs merged before? */
  standing?: { canWrite: boolean; hasMerged: boolean };
  repositoryKey: string;
  repositoryName: string;
  defaultBranch: string;
  private: boolean;
}

/** What a hook, or later a list, tells of a pull request: enough to know whether it says anything new. */
export interface PullRequestFacts {
  headSha: string;
  baseRef: string;
  title: string;
  state: 'open' | 'closed' | 'merged';
  draft: boolean;
}

export interface CommentFacts {
  id: string;
  /** Of the pull request or issue. */
  number: number;
  onPullRequest: boolean;
  action: 'created' | 'edited' | 'deleted';
  author: Author & { bot: boolean };
  /** Who did the action. */
  sender: Author;
  body: string;
  updatedAt: string;
}

export interface CheckRequest {
  action: 'rerequested' | 'requested' | 'requested_action';
  of: 'check_run' | 'check_suite';
  id: string;
  externalId?: string;
  headSha: string;
  identifier?: string;
  sender: Author;
}

export interface InstallationFacts {
  /** `github:<id>` */
  key: string;
  account: string;
  accountId: string;
  action: string;
  repositoriesAdded: { key: string; name: string; private: boolean }[];
  repositoriesRemoved: { key: string; name: string }[];
}

export interface RepositoryChange {
  action: string;
  defaultBranch: string;
  private: boolean;
}

export interface RepositoryFacts {
  state: 'watched' | 'refused' | 'removed';
  why?: string;
  defaultBranch?: string;
  private?: boolean;
}

/** What is looked at again and again, in case its hooks were lost. */
export type PollSource = 'github' | 'azure' | 'obs' | 'git';

export type EventKind = Event['kind'];
export type EventOf<K extends EventKind> = Extract<Event, { kind: K }>;

export const branchSubject = (repositoryKey: string, ref: string): string => `branch:${repositoryKey}:${ref}`;
export const pullRequestSubject = (repositoryKey: string, number: number): string =>
  `pull-request:${repositoryKey}#${number}`;
export const repositorySubject = (key: string): string => `repository:${key}`;
export const installationSubject = (key: string): string => `installation:${key}`;
export const tickSubject = (source: PollSource): string => `tick:${source}`;
export const runSubject = (runId: string): string => `run:${runId}`;

/** What an event is ordered by. */
export function subjectOf(event: Event): string {
  switch (event.kind) {
    case 'branch.hinted':
    case 'branch.noted':
      return branchSubject(event.repository.key, event.ref);
    case 'pull-request.hinted':
      return pullRequestSubject(event.repository.key, event.number);
    case 'comment.told':
      return pullRequestSubject(event.repository.key, event.comment.number);
    case 'check.rerequested':
    case 'repository.noted':
    case 'repository.told':
      return repositorySubject(event.repository.key);
    case 'installation.told':
      return installationSubject(event.installation.key);
    case 'tick':
      return tickSubject(event.source);
    case 'hook.noted':
    case 'hook.unread':
      return `hook:${event.hook}`;
    case 'branch.seen':
    case 'pull-request.seen':
    case 'change.unreadable':
      return event.subject;
    default:
      return runSubject(event.runId);
  }
}

/** An event on its way into the queue. `key`: two tellings of one fact have one key. */
export interface NewEvent {
  key: string;
  event: Event;
  occurredAt?: Date;
}
