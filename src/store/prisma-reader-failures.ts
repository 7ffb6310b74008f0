import { branchSubject } from '../core/event.ts';
import { type EarlierOutcome, newsOf } from '../core/failure-news.ts';
import type { Sight } from '../core/sight.ts';
import type { OtherFailure, Unreadable } from '../core/testlog-files.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { RunRow } from '../site/reader.ts';
import type { FailedTest, FailureDetails, OtherTrouble, RunFailures } from '../site/reader-tests.ts';
import { andAll } from './conditions.ts';
import { seenAmong } from './sight-sql.ts';
import { seenReadings } from './sight-sql-tests.ts';

/**
 * What failed in a run that may be seen, and how the same files did before: of the same change, and where it would be
 * merged. Runs that may not be seen were not there: nothing is told by them, and none is named.
 */

/** Failed files that are told; more than that is one cause, not many. */
const MOST_FILES = 100;
/** And failures of them, over all jobs. */
const MOST_FAILURES = 400;
/** How many earlier runs of a job are looked at. */
const MOST_EARLIER = 30;

interface StoredFailure {
  readingId: number;
  fileId: number;
  jobId: number;
  file: string;
  job: string;
  platform: string;
  attemptId: string;
  ofJob: string | null;
  attempt: number | null;
  at: Date;
  flapped: boolean;
  details: FailureDetails;
}

export async function readFailures(
  prisma: PrismaClient,
  sight: Sight,
  run: Pick<RunRow, 'id' | 'subject'>,
): Promise<RunFailures> {
  const readings = await readingsOf(prisma, run.id);
  if (readings.length === 0) return { files: [], isCut: false, runs: [], others: [] };
  const failures = await failuresIn(prisma, readings);
  const shown = [...new Set(failures.map(({ fileId }) => fileId))].slice(0, MOST_FILES);
  const told = failures.slice(0, MOST_FAILURES).filter(({ fileId }) => shown.includes(fileId));
  const main = await mainBranch(prisma, run.id);
  const past = await pastOf(prisma, sight, run, { main: main?.subject, failures: told });
  const files = told.map((failure) => failedTest(failure, past));
  return {
    files,
    runs: await runsNamed(prisma, sight, files),
    mainBranch: main?.name,
    isCut: readings.reduce((sum, { failed }) => sum + failed, 0) > told.length,
    others: readings.flatMap(otherTrouble),
  };
}

async function runsNamed(prisma: PrismaClient, sight: Sight, files: FailedTest[]): Promise<RunFailures['runs']> {
  const named = files.flatMap(({ news }) => (news.kind === 'since' ? [news.runId] : []));
  const ids = [...(await seenAmong(prisma, sight, [...new Set(named)]))];
  const select = { id: true, sha: true, createdAt: true } as const;
  return ids.length === 0 ? [] : await prisma.run.findMany({ where: { id: { in: ids } }, select });
}

interface StoredReading {
  id: number;
  job: string;
  attemptId: string;
  ofJob: string | null;
  attempt: number | null;
  verdict: string | null;
  failed: number;
  unreadable: Unreadable[] | null;
  otherFailures: OtherFailure[] | null;
}

/** Runs have some dozens; one that has more is not read to its end. */
const MOST_READINGS = 500;

const readingsOf = (prisma: PrismaClient, runId: string) => prisma.$queryRaw<StoredReading[]>`
  SELECT reading.id, job.name AS job, reading.attempt_id AS "attemptId", attempt.job_id AS "ofJob",
    attempt.number AS attempt, attempt.verdict, reading.failed, reading.unreadable, reading.other_failures AS "otherFailures"
  FROM test_reading AS reading JOIN test_job AS job ON job.id = reading.job_id
  LEFT JOIN attempt ON attempt.id = reading.attempt_id
  WHERE reading.run_id = ${runId} ORDER BY job.name, reading.id LIMIT ${MOST_READINGS}`;

const failuresIn = (prisma: PrismaClient, readings: StoredReading[]) => prisma.$queryRaw<StoredFailure[]>`
  SELECT failure.reading_id AS "readingId", failure.file_id AS "fileId", failure.job_id AS "jobId", file.name AS file,
    job.name AS job, job.platform, reading.attempt_id AS "attemptId", attempt.job_id AS "ofJob",
    attempt.number AS attempt, reading.at, failure.flapped, failure.details
  FROM test_failure AS failure
  JOIN test_reading AS reading ON reading.id = failure.reading_id
  JOIN test_file AS file ON file.id = failure.file_id
  JOIN test_job AS job ON job.id = failure.job_id
  LEFT JOIN attempt ON attempt.id = reading.attempt_id
  WHERE failure.reading_id = ANY(${readings.map(({ id }) => id)}::int[])
  ORDER BY file.name, job.name, failure.reading_id LIMIT ${MOST_FAILURES + 1}`;

/** Of an attempt that passed it is no trouble that its log tells of tests in a way that is not understood. */
function otherTrouble({ failed, unreadable, otherFailures, ...reading }: StoredReading): OtherTrouble[] {
  if (reading.verdict === 'passed' || (!unreadable && !otherFailures)) return [];
  const { job, attemptId, ofJob, attempt } = reading;
  const place = { job, attemptId, jobId: ofJob ?? undefined, attempt: attempt ?? undefined };
  return [{ ...place, failed, unreadable: unreadable ?? [], otherFailures: otherFailures ?? [] }];
}

/** Where a pull request would land, else the default branch. */
async function mainBranch(prisma: PrismaClient, runId: string): Promise<{ name: string; subject: string } | undefined> {
  const [found] = await prisma.$queryRaw<{ repositoryKey: string; name: string | null }[]>`
    SELECT run.repository_key AS "repositoryKey", COALESCE(run.base_ref, repository.default_branch) AS name
    FROM run LEFT JOIN repository ON repository.key = run.repository_key WHERE run.id = ${runId}`;
  if (!found?.name) return undefined;
  const name = found.name.replace(/^refs\/heads\//, '');
  return { name, subject: branchSubject(found.repositoryKey, `refs/heads/${name}`) };
}

/** Earlier readings of a job, newest first, and what failed in them. */
interface Past {
  earlier: Map<number, PastReading[]>;
  main: Map<number, PastReading[]>;
  hasFailed(readingId: number, fileId: number): boolean;
  hasPassed(readingId: number, fileId: number): boolean;
}

interface PastReading {
  id: number;
  jobId: number;
  runId: string;
}

/** Enough for news of every failure, in four queries. */
async function pastOf(
  prisma: PrismaClient,
  sight: Sight,
  run: Pick<RunRow, 'id' | 'subject'>,
  { main, failures }: { main: string | undefined; failures: StoredFailure[] },
): Promise<Past> {
  const jobs = [...new Set(failures.map(({ jobId }) => jobId))];
  const first = Math.min(...failures.map(({ readingId }) => readingId));
  const before = Prisma.sql`reading.id < ${first}`;
  const earlier = jobs.length > 0 ? await pastReadings(prisma, sight, run, { subject: run.subject, jobs, before }) : [];
  const isOther = main !== undefined && main !== run.subject && jobs.length > 0;
  const there = isOther ? await pastReadings(prisma, sight, run, { subject: main, jobs, most: 1 }) : [];
  const readings = [...earlier, ...there].map(({ id }) => id);
  const files = [...new Set(failures.map(({ fileId }) => fileId))];
  const failed = await prisma.$queryRaw<Mark[]>`
    SELECT reading_id AS "readingId", file_id AS "fileId" FROM test_failure
    WHERE reading_id = ANY(${readings}::int[]) AND file_id = ANY(${files}::int[])`;
  // What has not failed in the newest one has passed, or did not run.
  const newest = [...earlier.filter(isFirstOfItsJob), ...there].map(({ id }) => id);
  const passed = await prisma.$queryRaw<Mark[]>`
    SELECT reading.id AS "readingId", file AS "fileId" FROM test_reading AS reading, unnest(reading.passed) AS file
    WHERE reading.id = ANY(${newest}::int[]) AND file = ANY(${files}::int[])`;
  const [failedMarks, passedMarks] = [new Set(failed.map(markOf)), new Set(passed.map(markOf))];
  return {
    earlier: Map.groupBy(earlier, ({ jobId }) => jobId),
    main: Map.groupBy(there, ({ jobId }) => jobId),
    hasFailed: (readingId, fileId) => failedMarks.has(markOf({ readingId, fileId })),
    hasPassed: (readingId, fileId) => passedMarks.has(markOf({ readingId, fileId })),
  };
}

interface Mark {
  readingId: number;
  fileId: number;
}

const markOf = ({ readingId, fileId }: Mark): string => `${readingId}_${fileId}`;

const isFirstOfItsJob = (reading: PastReading, at: number, all: PastReading[]): boolean =>
  at === 0 || all[at - 1]!.jobId !== reading.jobId;

/** What cannot be relied on tells nothing about the files that it does not name. */
const pastReadings = (
  prisma: PrismaClient,
  sight: Sight,
  run: Pick<RunRow, 'id'>,
  {
    subject,
    jobs,
    before = Prisma.sql`true`,
    most = MOST_EARLIER,
  }: { subject: string; jobs: number[]; before?: Prisma.Sql; most?: number },
) => prisma.$queryRaw<PastReading[]>`
  SELECT newest.* FROM unnest(${jobs}::int[]) AS job (id)
  CROSS JOIN LATERAL (
    SELECT reading.id, reading.job_id AS "jobId", reading.run_id AS "runId" FROM test_reading AS reading
    WHERE reading.subject = ${subject} AND reading.job_id = job.id AND ${before} AND reading.run_id <> ${run.id}
      AND reading.unreadable IS NULL AND (reading.failed > 0 OR cardinality(reading.passed) > 0)
      ${andAll(seenReadings(sight))}
    ORDER BY reading.id DESC LIMIT ${most}) AS newest
  ORDER BY "jobId", newest.id DESC`;

function failedTest(failure: StoredFailure, past: Past): FailedTest {
  const { fileId, jobId, ofJob, attempt, file, job, platform, attemptId, at, flapped, details } = failure;
  const outcome = ({ id, runId }: PastReading): EarlierOutcome => ({
    runId,
    failed: past.hasFailed(id, fileId),
    passed: past.hasPassed(id, fileId),
  });
  const earlier = (past.earlier.get(jobId) ?? []).map(outcome);
  const main = (past.main.get(jobId) ?? []).map(outcome)[0];
  return {
    ...{ file, job, platform, attemptId, at, flapped, details },
    jobId: ofJob ?? undefined,
    attempt: attempt ?? undefined,
    line: details.line,
    news: newsOf(earlier, main, { isAll: earlier.length < MOST_EARLIER }),
    main,
  };
}
