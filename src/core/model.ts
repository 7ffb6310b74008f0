import type { Manifest } from './matching.ts';
import type { RunFlappers } from './run-flappers.ts';

/**
 * The field's nouns as values. Shapes only: decisions are in the files beside this one.
 * Ids are our own opaque, sortable strings; foreign ids are text.
 */

/** A job's end: `failed` is the tests' fault, `error` the infrastructure's (lost agent, unparsable answer). */
export type Verdict = 'passed' | 'failed' | 'error' | 'cancelled';
export type RunVerdict = Verdict | 'superseded';

export type RunState = 'waiting' | 'resolving' | 'packing' | 'building' | 'finished';
/** Of a build, a job and an attempt. */
export type Progress = 'queued' | 'running' | 'finished';

export type Trigger = 'push' | 'pull-request' | 'command' | 'button' | 'partner' | 'flapper' | 'reconciliation';

/** `key`: `github:<numeric id>`; survives renames. `name`: `owner/name`, for showing and for URLs. */
export interface RepositoryRef {
  key: string;
  name: string;
  /** The installation through which it is read and written; absent: read anonymously, never written. */
  installation?: string;
}

export interface Author {
  id: string;
  login: string;
}

/** What is tested. `ref` of a commit is `refs/heads/main`; of a pull request its head branch's short name. */
export type Change =
  | { kind: 'commit'; ref: string; sha: string; title: string; author?: Author }
  | {
      kind: 'pull-request';
      number: number;
      ref: string;
      sha: string;
      title: string;
      author: Author;
      /** The head is in another repository, or in one that is gone. */
      fork: boolean;
      base: { ref: string; sha: string };
    };

/** One test of a change, with everything below it. */
export interface Run {
  id: string;
  repository: RepositoryRef;
  change: Change;
  /** `pull-request:github:1#7` or `branch:github:1:refs/heads/main`: whom the run reports to. */
  subject: string;
  state: RunState;
  verdict?: RunVerdict;
  /** Words for people: why it waits, why it ended so. */
  why?: string;
  trigger: Trigger;
  previousId?: string;
  supersededBySha?: string;
  sources: Source[];
  /** How its commits were chosen, once they are. */
  manifest?: RunManifest;
  /** Known flappers among what failed, and what was made of them. */
  flappers?: RunFlappers;
  builds: Build[];
  checks: Check[];
  createdAt: Date;
  finishedAt?: Date;
}

/** One line of the manifest. */
export interface Source {
  id: string;
  repository: RepositoryRef;
  sha: string;
  ref?: string;
  baseSha?: string;
  /** Its number, when it is a pull request's head. */
  pullRequest?: number;
  /** The head merged with its base: what is packed, and is in no remote. Absent: `sha` is. */
  merged?: { sha: string; tree: string };
  /** What `git describe` says, where the archive carries it. */
  version?: string;
  changed: boolean;
  /** Why this commit, in words. */
  why: string;
  archive?: SourceArchive;
}

/** What a manifest says beside the commits. `pinText`: of a pin that could not be followed, what its file says. */
export type RunManifest = Pick<Manifest, 'trees' | 'partners' | 'notes' | 'matching'> & { pinText?: string };

/** `sha256`/`size` of the .tar.gz, in hex and bytes; `tarSha256` is the archive's identity. */
export interface SourceArchive {
  sha256: string;
  size: number;
  tarSha256: string;
}

export interface Build {
  id: string;
  backend: string;
  state: Progress;
  verdict?: Verdict;
  why?: string;
  externalId?: string;
  url?: string;
  /** Raised when the whole build is started anew because the infrastructure lost it. */
  attempt: number;
  /** Attempts of its jobs before it was started anew: their numbers go on. */
  earlierAttempts: number;
  jobs: Job[];
  createdAt: Date;
  finishedAt?: Date;
}

export interface Job {
  id: string;
  /** `<backend> / <name>`, unique within the run. */
  name: string;
  /** The backend's own name for it. */
  externalName: string;
  state: Progress;
  verdict?: Verdict;
  why?: string;
  timedOut?: boolean;
  /** The newest first execution is 1. */
  attempt: number;
  attempts: Attempt[];
}

/** One execution of a job. Its id names its log in the archive. */
export interface Attempt {
  id: string;
  number: number;
  state: Progress;
  verdict?: Verdict;
  why?: string;
  timedOut?: boolean;
  startedAt?: Date;
  finishedAt?: Date;
  log?: { bytes: number; lines: number; sha256?: string };
  artifacts: Artifact[];
}

export interface Artifact {
  name: string;
  size: number;
  sha256: string;
}

/** A GitHub check run that mirrors a job, or, without `jobId`, the run as a whole (named `rcb`). */
export interface Check {
  id: string;
  jobId?: string;
  name: string;
  /** GitHub's id, once it was created. */
  externalId?: string;
  /** Digest of what was last written there: equal means nothing to write. */
  reported?: string;
  /** Why it could not be written, for the page. */
  error?: string;
}
