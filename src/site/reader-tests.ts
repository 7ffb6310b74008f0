import type { EarlierOutcome, FailureNews } from '../core/failure-news.ts';
import type { KnownFlapper } from '../core/flapper.ts';
import type { FileRecord, ListRecord } from '../core/flapper-suggest.ts';
import type { TestFile } from '../core/testlog-files.ts';
import type { AttemptTests } from '../core/testlog-kept.ts';
import type { Listed, RunRow } from './reader.ts';

/** PORT. What pages read of tests: sums that were kept while results were stored, never the results themselves. */
export interface TestsReader {
  /** Test files that have failed in a job, one row for each file and job. */
  listFlappers(filter: FlapperFilter, page: FlapperPage): Promise<Listed<FlapperRow>>;
  /** Every job in which the file ran, and its newest failures; undefined when no such file was ever seen. */
  testFile(name: string, since: Date, failures: number): Promise<TestFileRecord | undefined>;
  /** All that flapped since then, the most certain first: for suggestions. */
  recentFlaps(since: Date, limit: number): Promise<FileRecord[]>;
  /** What the record tells about the entries of a list. `names`: paths and globs; a file has not run lately when no job
   *  ran it since `lately`. */
  listRecord(names: readonly string[], lately: Date): Promise<ListRecord>;
  /** Entries of repositories' own lists, as they counted when failures were judged: of one run, or of all since then. */
  listedFlappers(where: { runId: string } | { since: Date }): Promise<KnownFlapper[]>;
  /** What failed in a run, by file; bounded. */
  failuresOf(run: Pick<RunRow, 'id' | 'subject'>): Promise<RunFailures>;
}

export interface FlapperFilter {
  /** A part of the file's path. */
  file?: string;
  /** A part of the job's name. */
  platform?: string;
  /** Those that failed without a flap, too. */
  all?: boolean;
}

export interface FlapperPage {
  /** `rate`: by what the rate is at least. Both descend. */
  sort: 'rate' | 'last';
  before?: string;
  limit: number;
  /** From when on weeks are told. */
  since: Date;
}

export interface FlapperRow extends FileRecord {
  job: string;
  /** Oldest first; weeks without a run are absent. */
  weeks: WeekCounts[];
  /** Newest first. */
  newest: FailureLink[];
}

/** `week`: its Monday. */
export interface WeekCounts {
  week: string;
  passed: number;
  failed: number;
  flapped: number;
}

/** Where a failure was. */
export interface FailureLink {
  runId: string;
  /** Absent when the run was removed. */
  jobId?: string;
  attempt?: number;
  line?: number;
  at: Date;
  flapped: boolean;
}

export interface TestFileRecord {
  name: string;
  jobs: (Pick<FlapperRow, 'job' | 'platform' | 'repository' | 'weeks'> & {
    runs: number;
    tally?: FileRecord['tally'];
  })[];
  failures: (FailureLink & { job: string; repository?: string; details: FailureDetails })[];
}

export type FailureDetails = Omit<TestFile, 'name' | 'outcome'>;

export interface RunFailures {
  /** By file, then by job. */
  files: FailedTest[];
  /** The branch that `main` of a failed test is about: the base's of a pull request, else the default one. */
  mainBranch?: string;
  /** There are more failed files than these. */
  isCut: boolean;
  /** Those that the news name. */
  runs: Pick<RunRow, 'id' | 'sha' | 'createdAt'>[];
  /** Attempts of which something beside test files is told. */
  others: OtherTrouble[];
}

export interface FailedTest extends Omit<FailureLink, 'runId'> {
  file: string;
  job: string;
  platform: string;
  attemptId: string;
  details: FailureDetails;
  news: FailureNews;
  /** What its newest reading there told; absent: there is none, or the run itself is of that branch. */
  main?: EarlierOutcome;
}

export interface OtherTrouble extends Pick<AttemptTests, 'unreadable' | 'otherFailures'> {
  job: string;
  attemptId: string;
  jobId?: string;
  attempt?: number;
  /** How many test files failed in it. */
  failed: number;
}
