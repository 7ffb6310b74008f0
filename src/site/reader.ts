import type { MergeDecision, MergeRequest } from '../core/merge-request.ts';
import type { Progress, RunManifest, RunState, RunVerdict, Trigger, Verdict } from '../core/model.ts';
import type { RunFlappers } from '../core/run-flappers.ts';
import type { PrivateRepository, Sight } from '../core/sight.ts';
import type { ButtonReader } from './reader-buttons.ts';
import type { LogRows } from './reader-log.ts';
import type { RunPageReader } from './reader-run.ts';
import type { RunsReader } from './reader-runs.ts';
import type { ServiceReader } from './reader-service.ts';
import type { TestsReader } from './reader-tests.ts';

/** PORT. What there is to be read depends on who reads. */
export interface Readers {
  /** What is of repositories that are hidden is not there: not in lists, not by its id, not by its sha256. */
  seenBy(sight: Sight): Reader;
  /** All there are. */
  privates(): Promise<PrivateRepository[]>;
}

/**
 * PORT. What pages and JSON read of the store: plain rows, newest first, paged by key and never by offset.
 * Only reading: a button inserts an event and nothing else.
 */
export interface Reader extends ButtonReader, RunsReader, TestsReader, LogRows, RunPageReader, ServiceReader {
  listRuns(filter: RunFilter, page: Page): Promise<Listed<RunRow>>;
  /** Whole runs, for the JSON list: a fixed number of queries per page, not one set per run. */
  listRunDetails(filter: RunFilter, page: Page): Promise<Listed<RunDetails>>;
  run(id: string): Promise<RunDetails | undefined>;
  /** Of a run that is there: whether it is not hidden. */
  maySee(runId: string): Promise<boolean>;
  /** Earlier and later runs of the same change subject, newest first, without the run itself. */
  runsOfSubject(subject: string, limit: number): Promise<RunRow[]>;
  /** What was told of a run, and of its change between the run before it and the run after it: the newest `limit`, oldest
   *  first. */
  timeline(run: Pick<RunRow, 'id' | 'subject'>, limit: number): Promise<Timeline>;
  /** The wishes to merge a pull request, newest first. */
  mergeWishes(subject: string, limit: number): Promise<MergeWishRow[]>;
  /** A job of a run, with its attempts; undefined when the run has no such job. */
  job(runId: string, jobId: string): Promise<{ run: RunRow; job: JobRow } | undefined>;
  /** Which run's source archive has this sha256, for the download's file name. */
  sourceByArchive(sha256: string): Promise<{ repository: string; sha: string; size: number } | undefined>;
  artifactBySha256(sha256: string): Promise<{ name: string; size: number } | undefined>;
  listFacts(filter: FactFilter, page: Page): Promise<Listed<FactRow>>;
  fact(key: string): Promise<FactDetails | undefined>;
  /** Effects that wait or were given up, for the ledger page. */
  listEffects(state: 'pending' | 'running' | 'parked', limit: number): Promise<EffectRow[]>;
  /** Repositories, branches: for the filters. */
  repositories(): Promise<RepositoryRow[]>;
  installations(): Promise<InstallationRow[]>;
  counts(): Promise<QueueCounts>;
  /** Facts that were first told since then, by who told them. */
  factTotals(since: Date): Promise<FactTotals>;
  /** What waits because much has to be done, not because something is wrong. */
  waiting(): Promise<Waiting>;
  /** How far the lists of each watched repository were read. */
  polls(): Promise<Polls>;
  measures(): Promise<Measures>;
}

/** Hooks from which nothing follows are in `noted` only: they would hide how the others come. */
export interface FactTotals {
  hookOnly: number;
  /** Lost hooks, repaired. */
  pollOnly: number;
  both: number;
  noted: number;
  /** From a fact to its telling, where its time is known. */
  lagByHook?: Lag;
  lagByPollOnly?: Lag;
  /** There were more facts: this is of the newest so many. */
  cutAt?: number;
}

/** In seconds; `facts`: of how many. */
export interface Lag {
  p50: number;
  p99: number;
  facts: number;
}

export interface Waiting {
  /** Runs that an absence left, and that begin one after the other. */
  catchUp: number;
  /** Builds that may not start yet. */
  held: number;
}

export interface Polls {
  repositories: PollRow[];
  /** Every hook that the forge says it sent before this is settled. Absent: not looked at yet. */
  deliveriesUntil?: Date;
}

export interface PollRow {
  key: string;
  name: string;
  /** Absent: a plain git repository, or one that the App is not installed on. */
  installation?: { account: string; state: string; served: boolean };
  /** When all its lists were last read. */
  lookedAt?: Date;
  /** Why they cannot be read, since when. */
  trouble?: { why: string; since: Date };
}

/** For the metrics. */
export interface Measures {
  queue: { table: string; state: string; kind: string; rows: number }[];
  /** Age of the oldest row that is due, 0 when there is none. */
  oldestSeconds: number;
  /** Rows that are due and were tried before. */
  retrying: number;
  /** `lane`: the kind of the lane (`write`, `mirror`, `build`). */
  lanes: { lane: string; state: string; rows: number }[];
  /** Facts that were first told in the last hour. */
  facts: FactTotals;
  waiting: Waiting;
  /** Of the repositories that were not looked at for longest: seconds since the last look, or since it first failed. */
  lookAges: { repository: string; seconds: number }[];
  pollsInTrouble: number;
  builds: { backend: string; state: string; builds: number }[];
}

export interface Page {
  /** Rows older than this id. */
  before?: string;
  /** 1 to 200 */
  limit: number;
}

export interface Listed<T> {
  rows: T[];
  /** Give it as `before` to get what follows; absent on the last page. */
  next?: string;
}

export interface RunFilter {
  repository?: string;
  number?: number;
  sha?: string;
  state?: RunState;
  verdict?: RunVerdict;
  ref?: string;
  /** A login, in any case. */
  author?: string;
  /** Has a build there. */
  backend?: string;
  /** Words, or their beginnings, of title, ref, author and number; or the start of a sha. */
  text?: string;
}

export interface RunRow {
  id: string;
  repository: string;
  kind: 'pull-request' | 'commit';
  number?: number;
  ref: string;
  sha: string;
  title: string;
  author?: string;
  fork: boolean;
  subject: string;
  state: RunState;
  verdict?: RunVerdict;
  why?: string;
  trigger: Trigger;
  previousId?: string;
  supersededBySha?: string;
  createdAt: Date;
  finishedAt?: Date;
  /** Jobs by verdict, for the list: `{ passed: 3, running: 1 }`. */
  jobs: Record<string, number>;
}

export interface RunDetails extends RunRow {
  base?: { ref: string; sha: string };
  sources: SourceRow[];
  builds: BuildRow[];
  checks: CheckRow[];
  /** How the commits were chosen, beside the sources' own reasons. */
  manifest?: RunManifest;
  /** Known flappers among what failed, and what was made of them. */
  flappers?: RunFlappers;
  /** The run of `previousId`, unless it was removed. Not in lists. */
  previous?: LinkedRun;
  /** The run that has this one as `previousId`, if any. Not in lists. */
  next?: LinkedRun;
}

export type LinkedRun = Pick<RunRow, 'id' | 'state' | 'verdict' | 'trigger' | 'createdAt'>;

export interface Timeline {
  rows: TimelineRow[];
  /** There is more before the first of them. */
  isCut: boolean;
}

export interface TimelineRow {
  key: string;
  kind: string;
  /** pending, running, done, parked */
  state: string;
  /** When it was stored. */
  at: Date;
  error?: string;
  /** The event; absent when it is too long for a line, or was removed. */
  payload?: unknown;
  /** It is something that we did, an effect: no fact, and in no ledger. */
  isEffect?: true;
}

/** A `{merge on success}`. `commentId`: `description`, or a comment's. */
export interface MergeWishRow
  extends Pick<MergeRequest, 'id' | 'commentId' | 'headSha' | 'baseRef' | 'askedAt' | 'state' | 'call'> {
  requester: string;
  /** The last one. */
  decision?: MergeDecision;
  updatedAt: Date;
}

export interface SourceRow {
  id: string;
  repository: string;
  sha: string;
  ref?: string;
  base?: string;
  /** The pull request whose head it is. */
  pullRequest?: number;
  /** The head merged with its base: what is packed. */
  merged?: { sha: string; tree: string };
  /** What `git describe` says, where the archive carries it. */
  version?: string;
  changed: boolean;
  why: string;
  /** `removedAt`: by retention; the digests stay, the bytes are gone. */
  archive?: { sha256: string; size: number; tarSha256: string; removedAt?: Date };
}

export interface BuildRow {
  id: string;
  backend: string;
  state: Progress;
  verdict?: Verdict;
  why?: string;
  url?: string;
  attempt: number;
  createdAt: Date;
  finishedAt?: Date;
  jobs: JobRow[];
}

export interface JobRow {
  id: string;
  name: string;
  state: Progress;
  verdict?: Verdict;
  why?: string;
  timedOut: boolean;
  attempt: number;
  /** Newest first. */
  attempts: AttemptRow[];
}

export interface AttemptRow {
  id: string;
  number: number;
  state: Progress;
  verdict?: Verdict;
  why?: string;
  startedAt?: Date;
  finishedAt?: Date;
  log?: { bytes: number; lines: number; sha256?: string };
  /** By retention. */
  logRemovedAt?: Date;
  artifacts: ArtifactRow[];
}

export interface ArtifactRow {
  /** A path with forward slashes. */
  name: string;
  size: number;
  sha256: string;
  /** By retention. */
  removedAt?: Date;
}

export interface CheckRow {
  id: string;
  name: string;
  jobId?: string;
  externalId?: string;
  error?: string;
}

/** Without any of them: what was told from outside. With one: also what our own effects and handlers told. */
export interface FactFilter {
  subject?: string;
  state?: 'pending' | 'running' | 'done' | 'parked';
  kind?: string;
  told?: 'hook' | 'poll' | 'both';
  /** `hidden`: without the hooks from which nothing follows. */
  noted?: 'shown' | 'hidden';
}

export interface FactRow {
  id: string;
  key: string;
  kind: string;
  subject: string;
  state: string;
  tries: number;
  error?: string;
  createdAt: Date;
  occurredAt?: Date;
  hookAt?: Date;
  pollAt?: Date;
  doneAt?: Date;
}

export interface FactDetails extends FactRow {
  payload?: unknown;
  raw?: string;
  rawSha256?: string;
  sightings: { source: string; delivery?: string; at: Date }[];
}

export interface EffectRow {
  id: string;
  kind: string;
  target: string;
  lane: string;
  state: string;
  tries: number;
  error?: string;
  dueAt: Date;
  createdAt: Date;
}

export interface RepositoryRow {
  key: string;
  name: string;
  defaultBranch?: string;
  state: string;
  why?: string;
}

export interface InstallationRow {
  key: string;
  account: string;
  state: string;
  served: boolean;
}

export interface QueueCounts {
  events: Record<string, number>;
  effects: Record<string, number>;
  /** Of the oldest pending row that is due. */
  oldestPendingAt?: Date;
}
