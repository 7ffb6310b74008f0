import type { Progress, RunState, RunVerdict, Trigger, Verdict } from '../core/model.ts';

/**
 * PORT. What pages and JSON read of the store: plain rows, newest first, paged by key and never by offset.
 * Only reading: a button inserts an event and nothing else.
 */
export interface Reader {
  listRuns(filter: RunFilter, page: Page): Promise<Listed<RunRow>>;
  /** Whole runs, for the JSON list: a fixed number of queries per page, not one set per run. */
  listRunDetails(filter: RunFilter, page: Page): Promise<Listed<RunDetails>>;
  run(id: string): Promise<RunDetails | undefined>;
  /** Earlier and later runs of the same change subject, newest first, without the run itself. */
  runsOfSubject(subject: string, limit: number): Promise<RunRow[]>;
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
  measures(): Promise<Measures>;
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
  /** From a fact to its telling, in seconds, over the last hour. */
  lags: { source: string; p50: number; p99: number }[];
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
  /** The run that has this one as `previousId`, if any. */
  nextId?: string;
}

export interface SourceRow {
  repository: string;
  sha: string;
  ref?: string;
  base?: string;
  changed: boolean;
  why: string;
  archive?: { sha256: string; size: number; tarSha256: string };
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
  artifacts: { name: string; size: number; sha256: string }[];
}

export interface CheckRow {
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
