import type { OtherFailure, TestFile, Unreadable } from './testlog-files.ts';

/** What is kept of the tests of one attempt: every file's outcome, and of the failed ones all that is known. */
export interface AttemptTests {
  /** Names of the files that passed, as many as are kept. */
  passed: string[];
  /** How many passed beside these. */
  passedBeside?: number;
  failed: TestFile[];
  /** Why the results cannot be relied on; empty: they can. */
  unreadable: Unreadable[];
  otherFailures: OtherFailure[];
  /** Where steps begin in the log, in order; absent: it tells none. */
  steps?: LogStep[];
}

/** `line`: from 1. */
export interface LogStep {
  name: string;
  line: number;
}

/** The tests of one attempt in its place: what is stored, once per attempt. */
export interface TestReading {
  attemptId: string;
  runId: string;
  /** The change's: a pull request or a branch. */
  subject: string;
  /** `<backend> / <name>`. */
  job: string;
  /** What globs of platforms are held against: the job's name at its backend. */
  platform: string;
  /** Digest of the commits that were tested: runs of one source set differ by chance only. */
  sourceSet: string;
  at: Date;
  tests: AttemptTests;
}
