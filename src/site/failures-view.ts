import type { Archive, LogLine } from '../archive/archive.ts';
import type { KnownFlapper } from '../core/flapper.ts';
import type { JobRow, RunDetails } from './reader.ts';
import type { FailedTest, RunFailures } from './reader-tests.ts';

/** What failed in a run, with the lines around it from the archived logs: bounded, whatever the logs are. */
export interface FailuresView {
  failures: RunFailures;
  /** Lines around a failure, by `excerptKey`. */
  excerpts: ReadonlyMap<string, LogLine[]>;
  /** The last lines of failed jobs in whose logs no failed test was found. */
  tails: LogTail[];
  known: readonly KnownFlapper[];
}

export interface LogTail {
  job: JobRow;
  attempt: number;
  lines: LogLine[];
}

/** One excerpt for each of the first files; the others have their links. */
const MOST_EXCERPTS = 15;
const LINES_BEFORE = 3;
const LINES = 14;
const MOST_TAILS = 5;
const TAIL_LINES = 12;
const LINE_BYTES = 2_000;

type Logs = Pick<Archive, 'readLog'>;

export const excerptKey = ({ attemptId, line }: Pick<FailedTest, 'attemptId' | 'line'>): string =>
  `${attemptId}:${line}`;

/** Undefined: nothing failed, or nothing is known yet. */
export async function failuresView(
  run: RunDetails,
  failures: RunFailures,
  known: readonly KnownFlapper[],
  archive: Logs,
): Promise<FailuresView | undefined> {
  const excerpts = new Map<string, LogLine[]>();
  for (const failed of firstOfEachFile(failures.files).slice(0, MOST_EXCERPTS)) {
    excerpts.set(excerptKey(failed), await excerptOf(failed, archive));
  }
  const tails = await tailsOf(run, failures, archive);
  const isSilent = failures.files.length === 0 && failures.others.length === 0 && tails.length === 0;
  return isSilent ? undefined : { failures, excerpts, tails, known };
}

/** The failure that a file is shown by: the first whose place in a log is known. */
export function firstOfEachFile(files: readonly FailedTest[]): FailedTest[] {
  const groups = [...Map.groupBy(files, ({ file }) => file).values()];
  return groups.flatMap((own) => own.find(({ line }) => line !== undefined) ?? []);
}

async function excerptOf({ attemptId, line = 1 }: FailedTest, archive: Logs): Promise<LogLine[]> {
  const log = await archive.readLog(attemptId);
  if (!log || line > log.lines) return [];
  return await log.lineRange(Math.max(1, line - LINES_BEFORE), LINES, LINE_BYTES);
}

async function tailsOf(run: RunDetails, { files, others }: RunFailures, archive: Logs): Promise<LogTail[]> {
  const explained = new Set([...files, ...others.filter(hasLines)].map(({ attemptId }) => attemptId));
  const jobs = run.builds.flatMap((build) => build.jobs).filter(({ verdict }) => verdict === 'failed');
  const silent = jobs.filter(({ attempts: [newest] }) => newest?.log && !explained.has(newest.id));
  const tails: LogTail[] = [];
  for (const job of silent.slice(0, MOST_TAILS)) {
    const newest = job.attempts[0]!;
    const log = await archive.readLog(newest.id);
    if (!log || log.lines === 0) continue;
    const lines = await log.lineRange(Math.max(1, log.lines - TAIL_LINES + 1), TAIL_LINES, LINE_BYTES);
    tails.push({ job, attempt: newest.number, lines });
  }
  return tails;
}

const hasLines = ({ otherFailures }: RunFailures['others'][number]): boolean => otherFailures.length > 0;
