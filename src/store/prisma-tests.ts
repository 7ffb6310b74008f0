import { type Tally, tallied, weekOf } from '../core/flapper-tally.ts';
import { repositoryOfSubject } from '../core/sight.ts';
import { keepable } from '../core/testlog-keepable.ts';
import type { TestReading } from '../core/testlog-kept.ts';
import type { Prisma } from '../generated/prisma/client.ts';

/**
 * Stores what was read of the tests of an attempt, once, and what follows from it: which failures are flaps, and the sums
 * by week and over all time that pages read. Pages never count results: there are tens of millions.
 *
 * Readings of different runs change the same sums, in orders that nobody can choose. So one is stored after the other,
 * over all instances: the lock is held until the end of the transaction, some hundredths of a second.
 */
export async function saveTests(client: Client, reading: TestReading): Promise<void> {
  await client.$executeRaw`SELECT pg_advisory_xact_lock(${TESTS_LOCK})`;
  // The bot may have died before it could note that this was done.
  const { attemptId } = reading;
  if (await client.testReading.findUnique({ where: { attemptId }, select: { id: true } })) return;
  const told = await numbered(client, { ...reading, tests: keepable(reading.tests) });
  const flaps = await evidence(client, told);
  const { id } = await client.testReading.create({ data: readingRow(told), select: { id: true } });
  await insertFailures(client, id, told, flaps.own);
  await markFlapped(client, flaps.earlier);
  await addWeeks(client, told, flaps);
  await addTallies(client, told, flaps);
}

type Client = Prisma.TransactionClient;

/** Ours, as 72707369 is of the migrations. */
const TESTS_LOCK = 72707370;

/** A reading whose job and files are rows. */
interface Told {
  reading: TestReading;
  jobId: number;
  /** Ascending. */
  passed: number[];
  /** With what is known of each. */
  failed: Map<number, object>;
}

async function numbered(client: Client, reading: TestReading): Promise<Told> {
  const { passed, failed } = reading.tests;
  const numbers = await fileNumbers(client, [...passed, ...failed.map(({ name }) => name)]);
  return {
    reading,
    jobId: await jobNumber(client, reading),
    passed: passed.map((name) => numbers.get(name)!).sort((one, other) => one - other),
    failed: new Map(
      failed.map(({ name, outcome: _, ...details }) => [numbers.get(name)!, details] satisfies [number, object]),
    ),
  };
}

async function jobNumber(client: Client, { job: name, platform, subject }: TestReading): Promise<number> {
  const repositoryKey = await recordOf(client, subject);
  const where = { name_repositoryKey: { name, repositoryKey } };
  const known = await client.testJob.findUnique({ where, select: { id: true } });
  const data = { name, platform, repositoryKey };
  return (known ?? (await client.testJob.create({ data, select: { id: true } }))).id;
}

/** Sums are for whoever may see all that is in them: each private repository has a record of its own. */
async function recordOf(client: Client, subject: string): Promise<string> {
  const key = repositoryOfSubject(subject);
  const isPrivate = key !== undefined && (await client.repository.count({ where: { key, private: true } })) > 0;
  return isPrivate ? key : PUBLIC;
}

/** The record of all public repositories. */
const PUBLIC = '';

async function fileNumbers(client: Client, names: string[]): Promise<Map<string, number>> {
  const rows = await client.$queryRaw<{ id: number; name: string }[]>`
    SELECT id, name FROM test_file WHERE name = ANY(${names})`;
  const numbers = new Map(rows.map(({ id, name }) => [name, id]));
  const missing = names.filter((name) => !numbers.has(name));
  if (missing.length === 0) return numbers;
  const added = await client.$queryRaw<{ id: number; name: string }[]>`
    INSERT INTO test_file (name) SELECT * FROM unnest(${missing}::text[]) RETURNING id, name`;
  for (const { id, name } of added) numbers.set(name, id);
  return numbers;
}

const readingRow = ({ reading, jobId, passed, failed }: Told): Prisma.TestReadingUncheckedCreateInput => {
  const { attemptId, runId, subject, sourceSet, at, tests } = reading;
  return {
    attemptId,
    runId,
    subject,
    jobId,
    sourceSet,
    at,
    passed,
    failed: failed.size,
    ...(tests.unreadable.length > 0 && { unreadable: asJson(tests.unreadable) }),
    ...(tests.otherFailures.length > 0 && { otherFailures: asJson(tests.otherFailures) }),
  };
};

/** Without what is undefined. */
const asJson = (value: unknown): Prisma.InputJsonValue => JSON.parse(JSON.stringify(value));

/** An earlier failure that has turned out to be a flap. */
interface EarlierFlap {
  readingId: number;
  fileId: number;
  at: Date;
}

interface Flaps {
  /** Files that failed now and passed before. */
  own: Set<number>;
  earlier: EarlierFlap[];
}

/** Readings of the same commits in the same job differ by chance only. */
async function evidence(client: Client, { reading, jobId, passed, failed }: Told): Promise<Flaps> {
  const { sourceSet } = reading;
  const own = await client.$queryRaw<{ file: number }[]>`
    SELECT DISTINCT file FROM test_reading, unnest(passed) AS file
    WHERE source_set = ${sourceSet} AND job_id = ${jobId} AND file = ANY(${[...failed.keys()]}::int[])`;
  const earlier = await client.$queryRaw<EarlierFlap[]>`
    SELECT failure.reading_id AS "readingId", failure.file_id AS "fileId", reading.at
    FROM test_reading AS reading JOIN test_failure AS failure ON failure.reading_id = reading.id
    WHERE reading.source_set = ${sourceSet} AND reading.job_id = ${jobId} AND NOT failure.flapped
      AND failure.file_id = ANY(${passed}::int[])`;
  return { own: new Set(own.map(({ file }) => file)), earlier };
}

async function insertFailures(client: Client, readingId: number, told: Told, flapped: Set<number>): Promise<void> {
  if (told.failed.size === 0) return;
  const data = [...told.failed].map(([fileId, details]) => ({
    readingId,
    fileId,
    jobId: told.jobId,
    flapped: flapped.has(fileId),
    details: asJson(details),
  }));
  await client.testFailure.createMany({ data });
}

async function markFlapped(client: Client, flaps: EarlierFlap[]): Promise<void> {
  if (flaps.length === 0) return;
  await client.$executeRaw`
    UPDATE test_failure SET flapped = true
    FROM unnest(${flaps.map(({ readingId }) => readingId)}::int[], ${flaps.map(({ fileId }) => fileId)}::int[])
      AS flap (reading_id, file_id)
    WHERE test_failure.reading_id = flap.reading_id AND test_failure.file_id = flap.file_id`;
}

async function addWeeks(client: Client, told: Told, { own, earlier }: Flaps): Promise<void> {
  const week = weekOf(told.reading.at);
  await client.$executeRaw`
    INSERT INTO test_week AS kept (file_id, job_id, week, passed, failed, flapped)
    SELECT file, ${told.jobId}::int, ${week}::date, 1, 0, 0 FROM unnest(${told.passed}::int[]) AS file
    ON CONFLICT (file_id, job_id, week) DO UPDATE SET passed = kept.passed + 1`;
  const failed = [...told.failed.keys()];
  if (failed.length > 0)
    await client.$executeRaw`
      INSERT INTO test_week AS kept (file_id, job_id, week, passed, failed, flapped)
      SELECT file, ${told.jobId}::int, ${week}::date, 0, 1, (file = ANY(${[...own]}::int[]))::int
      FROM unnest(${failed}::int[]) AS file
      ON CONFLICT (file_id, job_id, week)
      DO UPDATE SET failed = kept.failed + 1, flapped = kept.flapped + excluded.flapped`;
  if (earlier.length > 0)
    await client.$executeRaw`
      UPDATE test_week AS kept SET flapped = kept.flapped + told.flaps
      FROM (
        SELECT file_id, week, count(*)::int AS flaps
        FROM unnest(${earlier.map(({ fileId }) => fileId)}::int[], ${earlier.map(({ at }) => weekOf(at))}::date[])
          AS flap (file_id, week)
        GROUP BY file_id, week
      ) AS told
      WHERE kept.file_id = told.file_id AND kept.job_id = ${told.jobId} AND kept.week = told.week`;
}

/** Tallies are for files that have failed; how often another one has run, the weeks know when it fails first. */
async function addTallies(client: Client, told: Told, { own, earlier }: Flaps): Promise<void> {
  const { jobId } = told;
  const all = [...told.passed, ...told.failed.keys()];
  const before = new Map((await talliesOf(client, jobId, all)).map((row) => [row.fileId, row]));
  const fresh = [...told.failed.keys()].filter((fileId) => !before.has(fileId));
  const runs = fresh.length > 0 ? await runsOf(client, jobId, fresh) : new Map<number, number>();
  const flapsOf = Map.groupBy(earlier, ({ fileId }) => fileId);
  const rows = [...before.keys(), ...fresh].flatMap((fileId) => {
    const failedAt = told.failed.has(fileId) ? told.reading.at : undefined;
    const flaps = [...(flapsOf.get(fileId) ?? []).map(({ at }) => at), ...(own.has(fileId) ? [told.reading.at] : [])];
    const next = tallied(before.get(fileId), (runs.get(fileId) ?? 1) - 1, { failedAt, flaps });
    return next ? [{ ...next, fileId }] : [];
  });
  if (rows.length > 0) await putTallies(client, jobId, rows);
}

interface FileTally extends Tally {
  fileId: number;
}

async function talliesOf(client: Client, jobId: number, files: number[]): Promise<FileTally[]> {
  const rows = await client.$queryRaw<(Omit<FileTally, 'lastFlappedAt'> & { lastFlappedAt: Date | null })[]>`
    SELECT file_id AS "fileId", runs, failed, flapped, first_failed_at AS "firstFailedAt",
      last_failed_at AS "lastFailedAt", last_flapped_at AS "lastFlappedAt", at_least AS "atLeast"
    FROM test_tally WHERE job_id = ${jobId} AND file_id = ANY(${files}::int[])`;
  return rows.map((row) => ({ ...row, lastFlappedAt: row.lastFlappedAt ?? undefined }));
}

async function runsOf(client: Client, jobId: number, files: number[]): Promise<Map<number, number>> {
  const rows = await client.$queryRaw<{ file: number; runs: number }[]>`
    SELECT file_id AS file, sum(passed + failed)::int AS runs
    FROM test_week WHERE job_id = ${jobId} AND file_id = ANY(${files}::int[]) GROUP BY file_id`;
  return new Map(rows.map(({ file, runs }) => [file, runs]));
}

async function putTallies(client: Client, jobId: number, rows: FileTally[]): Promise<void> {
  await client.$executeRaw`
    INSERT INTO test_tally AS kept (file_id, job_id, runs, failed, flapped, first_failed_at, last_failed_at,
      last_flapped_at, at_least)
    SELECT "fileId", ${jobId}::int, runs, failed, flapped, "firstFailedAt", "lastFailedAt", "lastFlappedAt", "atLeast"
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS row ("fileId" int, runs int, failed int, flapped int,
      "firstFailedAt" timestamptz, "lastFailedAt" timestamptz, "lastFlappedAt" timestamptz, "atLeast" float8)
    ON CONFLICT (file_id, job_id) DO UPDATE SET runs = excluded.runs, failed = excluded.failed,
      flapped = excluded.flapped, first_failed_at = excluded.first_failed_at,
      last_failed_at = excluded.last_failed_at, last_flapped_at = excluded.last_flapped_at,
      at_least = excluded.at_least`;
}
