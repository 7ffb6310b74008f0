/** What the service page reads beside the queue and the polls of repositories. */
export interface ServiceReader {
  /** How each back-end has done with its newest builds since then, by its name. */
  backendMeasures(since: Date): Promise<ReadonlyMap<string, BackendMeasures>>;
  /** Runs that may not go on yet, the longest held first. */
  heldRuns(limit: number): Promise<HeldRun[]>;
  /** Lanes that somebody outside asked to rest, and until when. */
  rests(limit: number): Promise<Rest[]>;
  /** Polls that cannot read: of the App itself, and of back-ends. */
  pollTroubles(): Promise<PollTroubleRow[]>;
  /** How retention stands; undefined: it never began. */
  retention(): Promise<RetentionStand | undefined>;
}

/** Of at most `MOST_BUILDS` builds in all. */
export interface BackendMeasures {
  /** Attempts of jobs that ended, and those of them that the infrastructure ended. */
  ended: number;
  errors: number;
  /** From asking for a build to the start of its first job, in seconds; of how many builds. */
  queued?: { p50: number; p90: number; builds: number };
  /** Builds that run, and that wait to be started. */
  running: number;
  waiting: number;
  /** When it last told something of a build. */
  answeredAt?: Date;
  /** When a build of it is looked at or started next. */
  nextAt?: Date;
  /** Of what is tried again: the newest failure. */
  trouble?: { why: string; tries: number };
}

export const MOST_BUILDS = 300;

export interface HeldRun {
  runId: string;
  title: string;
  repository: string;
  /** Absent: all of it waits. */
  backend?: string;
  why?: string;
  since: Date;
}

export interface Rest {
  lane: string;
  until: Date;
  why: string;
}

/** `poll`: `deliveries`, `installations`, `builds:azure`, `leftovers:obs`. */
export interface PollTroubleRow {
  poll: string;
  why: string;
  since: Date;
}

export interface RetentionStand {
  /** A sweep is under way since then. */
  beganAt?: Date;
  last?: {
    endedAt: Date;
    swept: { kind: string; count: number; bytes: number }[];
    trouble: string[];
  };
}
