import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotEmpty, type SeedCommand, seedAll } from '../../prisma/seed-command.ts';
import { seedHistory } from '../../prisma/seed-history.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
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
    assert.deepEqual([counts['attempt'], counts['"check"']], [jobs, jobs + 120]);
    const { prisma } = world!.database;
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
