import type { MarkedLine } from '../core/log-line.ts';
import type { AttemptRow, JobRow, RunRow } from './reader.ts';

/** PORT, a part of `Reader`. What the page of a log reads beside the log. */
export interface LogRows {
  /** The job of the same name in the newest run before this one in which it passed: of the same pull request or branch,
   *  or of the branch that a pull request goes to. */
  lastGreen(runId: string, jobName: string): Promise<GreenJob | undefined>;
  /** The failed tests of an attempt, where its log tells of them; empty while they are not known. */
  failedTests(attemptId: string): Promise<MarkedLine[]>;
}

/** `attempt`: the newest one that passed. */
export interface GreenJob {
  run: RunRow;
  job: JobRow;
  attempt: AttemptRow;
}
