import { dayOf, type FileRecord, type ListRecord } from '../core/flapper-suggest.ts';
import { matchesAny } from '../core/globs.ts';
import type { Sight } from '../core/sight.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { Listed } from '../site/reader.ts';
import type {
  FailureDetails,
  FailureLink,
  FlapperFilter,
  FlapperPage,
  FlapperRow,
  TestFileRecord,
  WeekCounts,
} from '../site/reader-tests.ts';
import { andAll, whereAll } from './conditions.ts';
import { hiddenPasses, seenFailures, seenPlaces, seenSubjects } from './sight-sql-tests.ts';

/** The record of test files, from the sums that `saveTests` keeps: a page costs what it shows. */

interface StoredTally {
  fileId: number;
  jobId: number;
  name: string;
  job: string;
  platform: string;
  repository: string | null;
  runs: number;
  failed: number;
  flapped: number;
  firstFailedAt: Date;
  lastFailedAt: Date;
  lastFlappedAt: Date | null;
  atLeast: number;
}

/** Of `job`: whose record it is, by name; null: that of all public ones. */
const REPOSITORY = Prisma.sql`(SELECT COALESCE((SELECT name FROM repository WHERE key = job.repository_key), job.repository_key)
  WHERE job.repository_key <> '') AS repository`;
const TALLY = Prisma.sql`tally.file_id AS "fileId", tally.job_id AS "jobId", file.name, job.name AS job, job.platform,
  ${REPOSITORY}, tally.runs, tally.failed, tally.flapped, tally.first_failed_at AS "firstFailedAt",
  tally.last_failed_at AS "lastFailedAt", tally.last_flapped_at AS "lastFlappedAt", tally.at_least AS "atLeast"`;
const TALLIES = Prisma.sql`test_tally AS tally JOIN test_file AS file ON file.id = tally.file_id
  JOIN test_job AS job ON job.id = tally.job_id`;

/** How many of its newest failures a row links to. */
const NEWEST = 3;

export async function listFlappers(
  prisma: PrismaClient,
  sight: Sight,
  filter: FlapperFilter,
  { sort, before, limit, since }: FlapperPage,
): Promise<Listed<FlapperRow>> {
  const order = sort === 'rate' ? Prisma.sql`tally.at_least` : Prisma.sql`tally.last_failed_at`;
  const from = before === undefined ? [] : [beforeKey(order, sort, before)];
  const where = [...filtersOf(filter), ...from, ...seenTallies(sight)];
  const found = await prisma.$queryRaw<StoredTally[]>`
    SELECT ${TALLY} FROM ${TALLIES}
    WHERE ${where.length > 0 ? Prisma.join(where, ' AND ') : Prisma.sql`true`}
    ORDER BY ${order} DESC, tally.file_id DESC, tally.job_id DESC LIMIT ${limit + 1}`;
  const shown = found.slice(0, limit);
  const weeks = await weeksOf(prisma, shown, since);
  const failures = await newestFailures(prisma, sight, shown, NEWEST);
  const rows = shown.map((row) => ({
    ...recordOf(row),
    job: row.job,
    weeks: weeks.get(placeOf(row)) ?? [],
    newest: failures.get(placeOf(row)) ?? [],
  }));
  return found.length > limit ? { rows, next: keyOf(shown.at(-1)!, sort) } : { rows };
}

const seenTallies = (sight: Sight): Prisma.Sql[] => seenPlaces(sight, Prisma.sql`tally.file_id`);

function filtersOf({ file, platform, all }: FlapperFilter): Prisma.Sql[] {
  const has = (column: Prisma.Sql, part: string) => Prisma.sql`strpos(lower(${column}), lower(${part})) > 0`;
  return [
    ...(all ? [] : [Prisma.sql`tally.flapped > 0`]),
    ...(file === undefined ? [] : [has(Prisma.sql`file.name`, file)]),
    ...(platform === undefined ? [] : [has(Prisma.sql`job.name`, platform)]),
  ];
}

/** `0.25_17_3`, or with a time in milliseconds: what the page was sorted by, and whose it was. */
const keyOf = (row: StoredTally, sort: FlapperPage['sort']): string =>
  [sort === 'rate' ? row.atLeast : row.lastFailedAt.getTime(), row.fileId, row.jobId].join('_');

function beforeKey(order: Prisma.Sql, sort: FlapperPage['sort'], before: string): Prisma.Sql {
  const [value = 0, fileId, jobId] = before.split('_').map(Number);
  const bound = sort === 'rate' ? Prisma.sql`${value}::float8` : Prisma.sql`${new Date(value)}::timestamptz`;
  return Prisma.sql`(${order}, tally.file_id, tally.job_id) < (${bound}, ${fileId}::int, ${jobId}::int)`;
}

const recordOf = ({ name, platform, repository, lastFlappedAt, ...row }: StoredTally): FileRecord => {
  const { runs, failed, flapped, firstFailedAt, lastFailedAt, atLeast } = row;
  const last = lastFlappedAt ?? undefined;
  return {
    name,
    platform,
    ...ofRepository({ repository }),
    tally: { runs, failed, flapped, firstFailedAt, lastFailedAt, lastFlappedAt: last, atLeast },
  };
};

const ofRepository = ({ repository }: Pick<StoredTally, 'repository'>): Pick<FileRecord, 'repository'> =>
  repository === null ? {} : { repository };

interface Place {
  fileId: number;
  jobId: number;
}

const placeOf = ({ fileId, jobId }: Place): string => `${fileId}_${jobId}`;

/** Places as a table. */
const placesTable = (places: readonly Place[]): Prisma.Sql => Prisma.sql`unnest(
  ${places.map(({ fileId }) => fileId)}::int[], ${places.map(({ jobId }) => jobId)}::int[]) AS place (file_id, job_id)`;

async function weeksOf(
  prisma: PrismaClient,
  places: readonly Place[],
  since: Date,
): Promise<Map<string, WeekCounts[]>> {
  const rows = await prisma.$queryRaw<(Place & Omit<WeekCounts, 'week'> & { week: Date })[]>`
    SELECT kept.file_id AS "fileId", kept.job_id AS "jobId", week, passed, failed, flapped
    FROM ${placesTable(places)} JOIN test_week AS kept USING (file_id, job_id)
    WHERE week >= ${dayOf(since)}::date ORDER BY week`;
  const counts = rows.map(({ week, passed, failed, flapped, ...place }) => ({
    place: placeOf(place),
    counts: { week: dayOf(week), passed, failed, flapped },
  }));
  return grouped(counts.map((each) => [each.place, each.counts]));
}

function grouped<T>(pairs: [string, T][]): Map<string, T[]> {
  const groups = Map.groupBy(pairs, ([place]) => place);
  return new Map([...groups].map(([place, own]) => [place, own.map(([, value]) => value)]));
}

interface StoredFailure extends Place {
  runId: string;
  ofJob: string | null;
  attempt: number | null;
  at: Date;
  flapped: boolean;
  line: number | null;
}

/** Of each place, through the index of its failures. */
async function newestFailures(
  prisma: PrismaClient,
  sight: Sight,
  places: readonly Place[],
  most: number,
): Promise<Map<string, FailureLink[]>> {
  const rows = await prisma.$queryRaw<StoredFailure[]>`
    SELECT place.file_id AS "fileId", place.job_id AS "jobId", reading.run_id AS "runId", attempt.job_id AS "ofJob",
      attempt.number AS attempt, reading.at, newest.flapped, (newest.details->>'line')::int AS line
    FROM ${placesTable(places)}
    CROSS JOIN LATERAL (
      SELECT * FROM test_failure AS failure
      WHERE failure.file_id = place.file_id AND failure.job_id = place.job_id ${andAll(seenFailures(sight))}
      ORDER BY failure.reading_id DESC LIMIT ${most}) AS newest
    JOIN test_reading AS reading ON reading.id = newest.reading_id
    LEFT JOIN attempt ON attempt.id = reading.attempt_id
    ORDER BY reading.at DESC, newest.reading_id DESC`;
  return grouped(rows.map((row) => [placeOf(row), linkOf(row)]));
}

export const linkOf = ({
  runId,
  ofJob,
  attempt,
  at,
  flapped,
  line,
}: Omit<StoredFailure, keyof Place>): FailureLink => ({
  runId,
  jobId: ofJob ?? undefined,
  attempt: attempt ?? undefined,
  line: line ?? undefined,
  at,
  flapped,
});

export async function readTestFile(
  prisma: PrismaClient,
  sight: Sight,
  name: string,
  since: Date,
  most: number,
): Promise<TestFileRecord | undefined> {
  const file = await prisma.testFile.findUnique({ where: { name } });
  if (!file) return undefined;
  const jobs = await jobsOfFile(prisma, sight, file.id, since);
  const failures = await failuresOfFile(prisma, sight, file.id, most);
  return jobs.length === 0 && failures.length === 0 ? undefined : { name, jobs, failures };
}

interface StoredPlace extends Place, Pick<StoredTally, 'job' | 'platform' | 'repository' | 'runs'> {}

async function jobsOfFile(
  prisma: PrismaClient,
  sight: Sight,
  fileId: number,
  since: Date,
): Promise<TestFileRecord['jobs']> {
  const runs = await prisma.$queryRaw<StoredPlace[]>`
    SELECT kept.file_id AS "fileId", job.id AS "jobId", job.name AS job, job.platform, ${REPOSITORY},
      sum(passed + failed)::int AS runs
    FROM test_week AS kept JOIN test_job AS job ON job.id = kept.job_id
    WHERE kept.file_id = ${fileId} GROUP BY kept.file_id, job.id ${havingSeen(sight, fileId)}
    ORDER BY job.name, job.id LIMIT ${MOST_JOBS}`;
  const tallies = await prisma.$queryRaw<StoredTally[]>`
    SELECT ${TALLY} FROM ${TALLIES} WHERE tally.file_id = ${fileId}`;
  const weeks = await weeksOf(prisma, runs, since);
  const tallyOf = new Map(tallies.map((row) => [row.jobId, recordOf(row).tally]));
  return runs.map((row) => ({
    job: row.job,
    platform: row.platform,
    ...ofRepository(row),
    runs: row.runs,
    weeks: weeks.get(placeOf(row)) ?? [],
    tally: tallyOf.get(row.jobId),
  }));
}

/** Of a file that has only passed in a job something is left, if not all of it is hidden. */
function havingSeen(sight: Sight, fileId: number): Prisma.Sql {
  const hidden = hiddenPasses(sight, fileId);
  if (!hidden) return Prisma.empty;
  return Prisma.sql`HAVING sum(passed + failed) > ${hidden} ${andAll(seenPlaces(sight, Prisma.sql`${fileId}::int`))}`;
}

const MOST_JOBS = 200;

async function failuresOfFile(
  prisma: PrismaClient,
  sight: Sight,
  fileId: number,
  most: number,
): Promise<TestFileRecord['failures']> {
  // Each job's newest through its own part of the index, then the newest of these.
  const rows = await prisma.$queryRaw<(StoredFailure & ToldFailure)[]>`
    SELECT newest.file_id AS "fileId", newest.job_id AS "jobId", job.name AS job, ${REPOSITORY}, reading.run_id AS "runId",
      attempt.job_id AS "ofJob", attempt.number AS attempt, reading.at, newest.flapped,
      (newest.details->>'line')::int AS line, newest.details
    FROM test_job AS job
    CROSS JOIN LATERAL (
      SELECT * FROM test_failure AS failure
      WHERE failure.file_id = ${fileId} AND failure.job_id = job.id ${andAll(seenFailures(sight))}
      ORDER BY failure.reading_id DESC LIMIT ${most}) AS newest
    JOIN test_reading AS reading ON reading.id = newest.reading_id
    LEFT JOIN attempt ON attempt.id = reading.attempt_id
    ORDER BY reading.at DESC, newest.reading_id DESC LIMIT ${most}`;
  return rows.map((row) => ({ ...linkOf(row), job: row.job, ...ofRepository(row), details: row.details }));
}

interface ToldFailure extends Pick<StoredTally, 'job' | 'repository'> {
  details: FailureDetails;
}

export async function recentFlaps(
  prisma: PrismaClient,
  sight: Sight,
  since: Date,
  limit: number,
): Promise<FileRecord[]> {
  const rows = await prisma.$queryRaw<StoredTally[]>`
    SELECT ${TALLY} FROM ${TALLIES} WHERE tally.flapped > 0 AND tally.last_flapped_at >= ${since} ${andAll(seenTallies(sight))}
    ORDER BY tally.at_least DESC, tally.file_id DESC, tally.job_id DESC LIMIT ${limit}`;
  return rows.map(recordOf);
}

/** Names that globs are held against; more are only in a record that somebody floods. */
const MOST_NAMES = 20_000;

export async function listRecord(
  prisma: PrismaClient,
  sight: Sight,
  names: readonly string[],
  lately: Date,
): Promise<ListRecord> {
  if (names.length === 0) return { running: [], gone: [], lastFlapped: new Map() };
  const files = await namedFiles(prisma, names);
  const ids = files.map(({ id }) => id);
  const seen = await prisma.$queryRaw<{ fileId: number; isRunning: boolean; jobsRan: boolean }[]>`
    SELECT ran.file_id AS "fileId", bool_or(ran.last >= ${dayOf(lately)}::date) AS "isRunning",
      bool_or(job.ran) AS "jobsRan"
    FROM (SELECT file_id, job_id, max(week) + 6 AS last FROM test_week
      WHERE file_id = ANY(${ids}::int[]) GROUP BY file_id, job_id) AS ran
    JOIN (SELECT id, repository_key, EXISTS (SELECT 1 FROM test_reading AS reading WHERE reading.job_id = test_job.id
        AND reading.at >= ${lately} AND cardinality(reading.passed) > 0 ${andAll(seenSubjects(sight))}) AS ran
      FROM test_job) AS job ON job.id = ran.job_id
    ${whereAll(seenPlaces(sight, Prisma.sql`ran.file_id`))}
    GROUP BY ran.file_id`;
  const flapped = await prisma.$queryRaw<{ fileId: number; last: Date }[]>`
    SELECT tally.file_id AS "fileId", max(tally.last_flapped_at) AS last
    FROM test_tally AS tally JOIN test_job AS job ON job.id = tally.job_id
    WHERE tally.file_id = ANY(${ids}::int[]) AND tally.flapped > 0 ${andAll(seenTallies(sight))} GROUP BY tally.file_id`;
  const nameOf = new Map(files.map(({ id, name }) => [id, name]));
  return {
    running: seen.filter(({ isRunning }) => isRunning).map(({ fileId }) => nameOf.get(fileId)!),
    gone: seen.filter(({ isRunning, jobsRan }) => !isRunning && jobsRan).map(({ fileId }) => nameOf.get(fileId)!),
    lastFlapped: new Map(flapped.map(({ fileId, last }) => [nameOf.get(fileId)!, dayOf(last)])),
    recordedSince: await recordedSince(prisma, sight),
  };
}

async function recordedSince(prisma: PrismaClient, sight: Sight): Promise<string | undefined> {
  const [first] = await prisma.$queryRaw<{ at: Date }[]>`
    SELECT reading.at FROM test_reading AS reading ${whereAll(seenSubjects(sight))} ORDER BY reading.id LIMIT 1`;
  return first && dayOf(first.at);
}

async function namedFiles(prisma: PrismaClient, names: readonly string[]): Promise<{ id: number; name: string }[]> {
  const globs = names.filter((name) => /[*?[\]{}()!]/.test(name));
  const plain = await prisma.testFile.findMany({ where: { name: { in: [...names] } } });
  if (globs.length === 0) return plain;
  const all = await prisma.testFile.findMany({ orderBy: { id: 'asc' }, take: MOST_NAMES });
  const known = new Set(plain.map(({ id }) => id));
  return [...plain, ...all.filter(({ id, name }) => !known.has(id) && matchesAny(globs, name))];
}
