import type { BuildObservation } from './build.ts';
import type { PressCommand } from './button.ts';
import type { Hold } from './change.ts';
import type { Command, Commands } from './command.ts';
import type { PartnerNews } from './match-partners.ts';
import type { CallOutcome, MergeFacts } from './merge-request.ts';
import type { Author, Change, RepositoryRef, RunManifest, Source, SourceArchive, Trigger } from './model.ts';
import type { Permission } from './permission.ts';
import type { ListedFlappers } from './run-flappers.ts';
import type { AttemptTests } from './testlog-kept.ts';

/**
 * Every fact that RCB acts on, as one typed union. The upper half comes from outside, parsed at the border; the lower
 * half is what our own effects and handlers tell. All of it is JSON: an event is a row.
 *
 * Facts about a moving thing (a head, a title) are *hints*: they make an effect read the live state, and only what was
 * *seen* moves ours. So a late, doubled or reordered hook can do no harm.
 */
export type Event =
  | { kind: 'branch.hinted'; repository: RepositoryRef; ref: string; sha: string | null; catchUp?: true }
  /** There at our first look at its repository: known from now on, and tested when it moves. */
  | { kind: 'branch.noted'; repository: RepositoryRef; ref: string; sha: string }
  | {
      kind: 'pull-request.hinted';
      repository: RepositoryRef;
      number: number;
      action: string;
      told: PullRequestFacts;
      catchUp?: true;
    }
  | { kind: 'comment.told'; repository: RepositoryRef; comment: CommentFacts }
  | { kind: 'check.rerequested'; repository: RepositoryRef; request: CheckRequest }
  /** On a run's page, by somebody who is logged in; what he may is not known yet. */
  | {
      kind: 'button.pressed';
      subject: string;
      repository: RepositoryRef;
      runId: string;
      command: PressCommand;
      actor: Author;
    }
  | { kind: 'installation.told'; installation: InstallationFacts }
  | { kind: 'repository.told'; repository: RepositoryRef; change: RepositoryChange }
  /** A build of one of these backends may have changed. `subject`: `build:azure:acme/123`. `at`: told first, ISO 8601. */
  | { kind: 'build.hinted'; subject: string; backends: string[]; externalId: string; at: string }
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
  /** Somebody asks something of us, as it is now, and what he may do. */
  | {
      kind: 'command.seen';
      subject: string;
      repository: RepositoryRef;
      source: CommandSource;
      commands: Command[];
      unknown: string[];
      actor: Author;
      permission: Permission;
    }
  /** What the merge gate has to know, read for one wish. */
  | { kind: 'merge.seen'; subject: string; repository: RepositoryRef; requestId: string; facts: SeenMergeFacts }
  | {
      kind: 'merge.called';
      subject: string;
      repository: RepositoryRef;
      requestId: string;
      count: number;
      outcome: CallOutcome;
      said?: string;
    }
  /** What waits for a run of this change may go on. */
  | { kind: 'change.tested'; subject: string; repository: RepositoryRef; runId: string }
  | { kind: 'repository.noted'; repository: RepositoryRef; facts: RepositoryFacts }
  /** Something moved among the pull requests of one branch name in a stack. `subject`: `match:raku:fix-gc`. */
  | { kind: 'match.told'; subject: string; repository: RepositoryRef; branch: string }
  /** The partners that a pull request's run was tested with are not those that it would have now. */
  | { kind: 'partners.seen'; subject: string; repository: RepositoryRef; runId: string; news: PartnerNews[] }
  | ({ runId: string } & RunEvent);

/** What a run is told, in its own subject. */
export type RunEvent =
  | { kind: 'run.requested'; request: RunRequest }
  | { kind: 'run.ended'; by: 'superseded' | 'cancelled'; sha?: string; why: string }
  | { kind: 'sources.resolved'; title: string; sources: ResolvedSource[]; manifest: RunManifest }
  | { kind: 'source.packed'; sourceId: string; archive: SourceArchive; version?: string }
  | { kind: 'sources.failed'; why: string; manifest?: RunManifest }
  /** What its readers should know, beside its verdict. */
  | { kind: 'run.noted'; notes: string[] }
  | { kind: 'build.started'; buildId: string; attempt: number; externalId: string; url?: string }
  /** A maintainer allows what `policy.forks` held back. */
  | { kind: 'run.released'; by: string }
  /** It may not start yet: too many are building. */
  | { kind: 'build.held'; buildId: string; why: string }
  | { kind: 'build.refused'; buildId: string; attempt: number; verdict: 'error' | 'cancelled'; why: string }
  /** Somebody asks for the failed jobs of these builds again, and their backends can. */
  | { kind: 'run.retried'; buildIds: string[]; by: string }
  /** The backend was asked to run failed jobs again. */
  | { kind: 'build.retried'; buildId: string; attempt: number }
  | {
      kind: 'build.observed';
      buildId: string;
      attempt: number;
      observation: JsonOf<BuildObservation>;
      kept: KeptOutput[];
      /** What the repositories' own lists say of the tests that failed. */
      listed?: ListedFlappers;
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
  /** The same commits again: nothing is chosen anew. */
  given?: { sources: ResolvedSource[]; manifest: RunManifest };
  /** One of many that are taken up after an absence: it begins when its turn comes. */
  catchUp?: true;
}

/** Where a command stands. `at`: when it was given, ISO 8601; of a button its event's key. `runId`: it was on the page of
 *  this run, where its answer is shown. `jobId`: it is about this job alone. */
export type CommandSource =
  | { kind: 'comment'; number: number; id: string; at: string }
  | { kind: 'description'; number: number; headSha: string }
  | { kind: 'button'; at: string; runId?: string; jobId?: string };

/** `MergeFacts` without what the database knows. */
export type SeenMergeFacts = Omit<MergeFacts, 'now' | 'run' | 'policy'>;

/** A line of the manifest before it is a row. */
export type ResolvedSource = Omit<Source, 'id' | 'archive' | 'version'>;

export const resolvedOf = ({ id: _, archive: __, version: ___, ...source }: Source): ResolvedSource => source;

/** What the archive keeps of one attempt of a job, after `build.follow` copied it. */
export interface KeptOutput {
  externalName: string;
  number: number;
  log?: { bytes: number; lines: number; sha256?: string };
  artifacts: { name: string; size: number; sha256: string }[];
  /** Of a finished attempt, when it tells any. */
  tests?: AttemptTests;
}

/** One look at live state that a hint asked for. */
export interface Look {
  /** Key of the hint's event. */
  toldBy: string;
  /** The sha that the hint spoke of; null for a deletion, absent when it spoke of none. */
  hinted?: string | null;
  /** 1 for the first. GitHub's API may for a moment answer older state than its hook told. */
  number: number;
  /** Found after an absence: what has a verdict already is not tested again. */
  catchUp?: true;
}

/** A commit that came between two looks. */
export interface PassedCommit {
  sha: string;
  title: string;
  author?: Author;
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
  /** Oldest first: the commits between the head that we knew and this one, where each is to be tested. */
  passed?: PassedCommit[];
  /** It has a verdict already; asked only after an absence. */
  tested?: boolean;
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
  /** Its head has a verdict already; asked only after an absence. */
  tested?: boolean;
  /** What its description asks for. */
  asks?: Commands;
}

/** What a hook, or later a list, tells of a pull request: enough to know whether it says anything new. */
export interface PullRequestFacts {
  headSha: string;
  baseRef: string;
  title: string;
  state: 'open' | 'closed' | 'merged';
  draft: boolean;
}

/** A pull request in a list: what its hooks would have told. */
export interface ListedPullRequest extends PullRequestFacts {
  number: number;
  /** Absent where a hook tells, not a list. */
  head?: { ref: string; fork: boolean; author: Author };
  /** ISO 8601. */
  updatedAt: string;
}

export interface CommentFacts {
  id: string;
  /** Of the pull request or issue. */
  number: number;
  onPullRequest: boolean;
  action: 'created' | 'edited' | 'deleted';
  author: Author & { bot: boolean };
  /** Who did the action; absent: a poll saw an edit, and cannot know. */
  sender?: Author;
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

/** What is looked at again and again, in case its hooks were lost; `house`: what we keep, in case it is old. */
export type PollSource = 'github' | 'azure' | 'obs' | 'git' | 'house';

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
    case 'build.hinted':
    case 'button.pressed':
    case 'branch.seen':
    case 'match.told':
    case 'partners.seen':
    case 'command.seen':
    case 'merge.seen':
    case 'merge.called':
    case 'change.tested':
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
