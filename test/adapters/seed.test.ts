import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedDatabase } from '../../prisma/seed.ts';
import { NotEmpty, type SeedCommand, seedAll } from '../../prisma/seed-command.ts';
import { seedHistory } from '../../prisma/seed-history.ts';
import { TEST_FILES } from '../../prisma/seed-tests.ts';
import type { TestReading } from '../../src/core/testlog-kept.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { saveTests } from '../../src/store/prisma-tests.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { NOW, siteOf } from './site-fakes.ts';

const YEAR_MS = 365 * 86_400_000;
const from = new Date(NOW.getTime() - YEAR_MS);

const history = (world: TestDatabase, seed = 7) => seedHistory(world.database, { runs: 120, seed, from, until: NOW });

async function withDatabases(count: number, work: (...worlds: TestDatabase[]) => Promise<void>): Promise<void> {
  const worlds = await Promise.all(Array.from({ length: count }, testDatabase));
  try {
    await work(...worlds);
  } finally {
    for (const world of worlds) await world.close();
  }
}

test('the same seed gives the same rows, another one others; both reach back a year', () =>
  withDatabases(2, async (one, other) => {
    const rowsOf = async ({ database: { prisma } }: TestDatabase) => ({
      runs: await prisma.run.findMany({ orderBy: { id: 'asc' } }),
      attempts: await prisma.attempt.findMany({ orderBy: { id: 'asc' } }),
    });
    await history(one);
    const first = await rowsOf(one);
    await history(other, 8);
    assert.notDeepEqual((await rowsOf(other)).runs, first.runs);
    await other.database.prisma.run.deleteMany();
    await other.database.prisma.pullRequest.deleteMany();
    await other.database.prisma.event.deleteMany();
    await history(other);
    assert.deepEqual(await rowsOf(other), first);
    assert.equal(first.runs.length, 120);
    assert.equal(first.runs[0]!.createdAt.getTime(), from.getTime());
    assert.ok(first.runs.every((run, index) => index === 0 || run.createdAt >= first.runs[index - 1]!.createdAt));
  }));

test('some twenty jobs a run, each with attempt and check, and every page of them can be shown', () =>
  withDatabases(1, async (world) => {
    const counts = await history(world!);
    assert.equal(counts['run'], 120);
    assert.equal(counts['source'], 360);
    const jobs = counts['job']!;
    assert.ok(jobs / 120 > 19 && jobs / 120 < 21, `${jobs} jobs`);
    const { prisma } = world!.database;
    const again = await prisma.job.count({ where: { attempt: 2 } });
    assert.deepEqual([counts['attempt'], counts['"check"']], [jobs + again, jobs + 120]);
    const { get, faults } = siteOf(createPrismaReader(prisma, { now: () => NOW }));
    const runs = await prisma.run.findMany({ select: { id: true } });
    for (const { id } of runs.filter((_, index) => index % 7 === 0)) {
      assert.equal((await get(`/runs/${id}`)).status, 200, id);
    }
    for (const path of ['/?limit=200', '/ledger', '/service', '/feed.atom']) {
      assert.equal((await get(path)).status, 200, path);
    }
    assert.deepEqual(faults, []);
  }));

test('what a run says of its jobs is what became of them', () =>
  withDatabases(1, async (world) => {
    await history(world!);
    const reader = createPrismaReader(world!.database.prisma, { now: () => NOW });
    const { rows } = await reader.listRuns({}, { limit: 200 });
    for (const { id, verdict, jobs } of rows) {
      assert.equal((jobs['failed'] ?? 0) > 0, verdict === 'failed', id);
      assert.equal((jobs['error'] ?? 0) > 0, verdict === 'error', id);
    }
    const verdicts = new Set(rows.map(({ verdict }) => verdict));
    assert.deepEqual(verdicts, new Set(['passed', 'failed', 'error', 'cancelled', 'superseded']));
  }));

test('flappers, files, and what failed in a run have something to show', () =>
  withDatabases(1, async (world) => {
    const { prisma } = world!.database;
    // The samples are of the last five days.
    const until = new Date(NOW.getTime() - 5 * 86_400_000);
    await seedHistory(world!.database, { runs: 120, seed: 7, from, until });
    await seedDatabase(prisma, undefined, { now: NOW });
    const { get, text, faults } = siteOf(createPrismaReader(prisma, { now: () => NOW }));
    assert.match(await text('/flappers'), /kill\.t.*class="spark"/s);
    const failed = await prisma.testFailure.findFirstOrThrow({ where: { flapped: false }, include: { file: true } });
    assert.match(await text(`/flappers/file?name=${failed.file.name}`), /class="spark"/);
    const told = await prisma.testReading.findMany({ where: { failed: { gt: 0 } }, distinct: ['runId'] });
    for (const { runId } of told) assert.match(await text(`/runs/${runId}`), /id="failures"/, runId);
    // Of the samples, whose logs are read: a failure, a flap, and a log that was torn off.
    const samples = await prisma.run.findMany({ orderBy: { id: 'desc' }, take: 40, select: { id: true } });
    const ofSamples = await prisma.testReading.findMany({
      where: { runId: { in: samples.map(({ id }) => id) } },
      include: { failures: { include: { file: true } } },
    });
    const files = (flapped: boolean) =>
      new Set(
        ofSamples.flatMap(({ failures }) =>
          failures.filter((each) => each.flapped === flapped).map(({ file }) => file.name),
        ),
      );
    // The flapper failed, too, where the second attempt has not ended.
    assert.deepEqual(files(false), new Set(['t/spec/S32-list/permutations.t', 't/spec/S17-procasync/kill.t']));
    assert.deepEqual(files(true), new Set(['t/spec/S17-procasync/kill.t']));
    assert.ok(ofSamples.some(({ unreadable }) => JSON.stringify(unreadable)?.includes('truncated')));
    assert.ok(
      ofSamples.every(({ failed, passed, unreadable }) => unreadable || failed + passed.length === TEST_FILES.length),
    );
    assert.equal((await get('/flappers?show=failed&sort=last')).status, 200);
    assert.deepEqual(faults, []);
  }));

test('the sums of a seed are those that the bot keeps when it stores the same readings', () =>
  withDatabases(2, async (seeded, real) => {
    await seedHistory(seeded!.database, { runs: 60, seed: 7, from, until: NOW });
    const { prisma } = seeded!.database;
    const readings = await prisma.testReading.findMany({
      orderBy: { id: 'asc' },
      include: { job: true, failures: { include: { file: true } } },
    });
    assert.ok(readings.length > 50 && readings.some(({ failures }) => failures.some(({ flapped }) => flapped)));
    const names = new Map((await prisma.testFile.findMany()).map(({ id, name }) => [id, name]));
    for (const { job, failures, passed, unreadable, ...reading } of readings) {
      const failed = failures.map(({ file, details }) => ({
        ...(details as object),
        name: file.name,
        outcome: 'failed',
      }));
      const tests = {
        passed: passed.map((id) => names.get(id)!),
        failed,
        unreadable: unreadable ?? [],
        otherFailures: [],
      };
      const told = { ...reading, job: job.name, platform: job.platform, tests } as unknown as TestReading;
      await real!.database.prisma.$transaction((client) => saveTests(client, told));
    }
    assert.deepEqual(await sumsOf(seeded!), await sumsOf(real!));
  }));

/** By names: numbers are given in the order in which files are seen. */
async function sumsOf({ database: { prisma } }: TestDatabase) {
  const include = { file: true, job: true } as const;
  const byName = <T extends { file: { name: string }; job: { name: string; platform: string } }>(rows: T[]) =>
    rows
      .map(({ file, job, ...row }) => ({ ...row, fileId: file.name, jobId: `${job.name} ${job.platform}` }))
      .map((row) => JSON.stringify(row, Object.keys(row).sort()))
      .sort();
  const failures = await prisma.testFailure.findMany({ include: { ...include, reading: true } });
  return {
    weeks: byName(await prisma.testWeek.findMany({ include })),
    tallies: byName(await prisma.testTally.findMany({ include })),
    failures: byName(
      failures.map(({ reading, details, readingId: _, ...row }) => ({
        ...row,
        of: reading.attemptId,
        is: JSON.stringify(details),
      })),
    ),
  };
}

test('a database with rows is left alone, unless it is forced', () =>
  withDatabases(1, async (world) => {
    const said: string[] = [];
    const seed = (change: Partial<SeedCommand> = {}) =>
      seedAll(world!.database, {
        ...{ runs: 3, seed: 7, now: NOW, force: false, dataDir: world!.dataDir, say: (line) => void said.push(line) },
        ...change,
      });
    const { prisma } = world!.database;
    await prisma.event.create({
      data: { id: 'own', key: 'own', kind: 'x', subject: 'x', state: 'done', dueAt: NOW, createdAt: NOW },
    });
    const refused = (words: RegExp) => (error: Error) => error instanceof NotEmpty && words.test(error.message);
    await assert.rejects(seed(), refused(/has runs or facts already\. Nothing was written; --force adds/));
    assert.equal(await prisma.run.count(), 0);
    await seed({ force: true });
    assert.match(said.at(-1)!, /3 samples/);
    assert.equal(await prisma.run.count(), 3);
    await assert.rejects(seed({ force: true }), refused(/was seeded before/));
    assert.equal(await prisma.run.count(), 3);
  }));
