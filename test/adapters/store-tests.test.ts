import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { TestReading } from '../../src/core/testlog-kept.ts';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { openStore } from '../../src/store/prisma.ts';
import { later, NOW } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { aFailure, aReading, tests } from '../support/readings.ts';

const DAY = 86_400;

describe('the tests of attempts', () => {
  let stored: TestDatabase;
  let prisma: PrismaClient;
  let count = 0;
  before(async () => {
    stored = await testDatabase();
    prisma = stored.database.prisma;
  });
  after(() => stored.close());
  beforeEach(async () => {
    await prisma.$executeRaw`TRUNCATE test_file, test_job, test_reading, test_failure, test_week, test_tally, repository`;
  });

  const save = (change: Partial<TestReading> = {}): Promise<void> => {
    count += 1;
    const reading = aReading({ attemptId: `attempt-${count}`, ...change });
    return prisma.$transaction((client) => openStore(client, () => NOW).saveTests(reading));
  };

  /** `t/a.t: 3 runs, 1 failed, 1 flapped`, of files that have failed. */
  const tallies = async (): Promise<string[]> => {
    const rows = await prisma.testTally.findMany({
      include: { file: true, job: true },
      orderBy: [{ file: { name: 'asc' } }, { job: { name: 'asc' } }],
    });
    return rows.map(
      ({ file, runs, failed, flapped }) => `${file.name}: ${runs} runs, ${failed} failed, ${flapped} flapped`,
    );
  };

  const weeks = async (): Promise<string[]> => {
    const rows = await prisma.testWeek.findMany({
      include: { file: true },
      orderBy: [{ file: { name: 'asc' } }, { week: 'asc' }],
    });
    return rows.map(
      ({ file, week, passed, failed, flapped }) =>
        `${file.name} ${week.toISOString().slice(0, 10)}: ${passed} passed, ${failed} failed, ${flapped} flapped`,
    );
  };

  test('every result is kept: passes as numbers, failures with what is known of them', async () => {
    const failure = aFailure('t/b.t', {
      exit: undefined,
      signal: 'SEGV',
      failed: [{ from: 1, to: 4 }],
      failedCount: 4,
    });
    const otherFailures = [{ line: 9, text: 'make: *** [all] Error 2' }];
    await save({ tests: { ...tests(['t/c.t', 't/a.t'], [failure]), otherFailures } });
    const reading = await prisma.testReading.findFirstOrThrow({
      include: { job: true, failures: { include: { file: true } } },
    });
    const passed = await prisma.testFile.findMany({ where: { id: { in: reading.passed } }, orderBy: { name: 'asc' } });
    assert.deepEqual([reading.job.name, reading.job.platform], ['azure / Lin_MVM', 'Lin_MVM']);
    assert.deepEqual([reading.failed, reading.unreadable, reading.otherFailures], [1, null, otherFailures]);
    assert.deepEqual(
      passed.map(({ name }) => name),
      ['t/a.t', 't/c.t'],
    );
    assert.deepEqual(
      reading.failures.map(({ file, flapped }) => [file.name, flapped]),
      [['t/b.t', false]],
    );
    const { name: _, outcome: __, exit: ___, ...details } = failure;
    assert.deepEqual(reading.failures[0]!.details, details);
  });

  test('an attempt that is told again changes nothing', async () => {
    await save({ attemptId: 'again' });
    const before = [await tallies(), await weeks()];
    await save({ attemptId: 'again', tests: tests(['t/b.t'], ['t/a.t']) });
    assert.deepEqual([await tallies(), await weeks()], before);
    assert.equal(await prisma.testReading.count(), 1);
    assert.equal(await prisma.testFailure.count(), 1);
  });

  test('a failure after a pass of the same commits in the same job is a flap', async () => {
    await save({ tests: tests(['t/a.t', 't/b.t']) });
    await save({ tests: tests(['t/a.t'], ['t/b.t']) });
    assert.deepEqual(await tallies(), ['t/b.t: 2 runs, 1 failed, 1 flapped']);
  });

  test('a pass makes flaps of the failures before it, each once, in the weeks in which they were', async () => {
    const lastWeek = new Date('2026-11-15T23:59:00Z');
    await save({ at: lastWeek, tests: tests(['t/a.t'], ['t/b.t']) });
    await save({ tests: tests(['t/a.t'], ['t/b.t']) });
    assert.deepEqual(await tallies(), ['t/b.t: 2 runs, 2 failed, 0 flapped']);
    await save({ tests: tests(['t/a.t', 't/b.t']) });
    await save({ tests: tests(['t/a.t', 't/b.t']) });
    assert.deepEqual(await tallies(), ['t/b.t: 4 runs, 2 failed, 2 flapped']);
    assert.deepEqual(await weeks(), [
      't/a.t 2026-11-09: 1 passed, 0 failed, 0 flapped',
      't/a.t 2026-11-16: 3 passed, 0 failed, 0 flapped',
      't/b.t 2026-11-09: 0 passed, 1 failed, 1 flapped',
      't/b.t 2026-11-16: 2 passed, 1 failed, 1 flapped',
    ]);
    assert.equal(await prisma.testFailure.count({ where: { flapped: true } }), 2);
    const { lastFlappedAt } = await prisma.testTally.findFirstOrThrow();
    assert.deepEqual(lastFlappedAt, NOW);
  });

  test('other commits and other jobs are no evidence', async () => {
    await save({ tests: tests([], ['t/b.t']) });
    await save({ tests: tests(['t/b.t']), sourceSet: 'set2' });
    await save({ tests: tests(['t/b.t']), job: 'azure / Win_MVM', platform: 'Win_MVM' });
    assert.deepEqual(await tallies(), ['t/b.t: 2 runs, 1 failed, 0 flapped']);
    assert.equal(await prisma.testFailure.count({ where: { flapped: true } }), 0);
  });

  test('a tally counts the runs before the first failure, of its own job only', async () => {
    for (const sourceSet of ['1', '2', '3']) await save({ sourceSet, tests: tests(['t/b.t']) });
    await save({ sourceSet: '4', job: 'obs / rakudo', tests: tests(['t/b.t']) });
    await save({ sourceSet: '5', at: later(DAY), tests: tests([], ['t/b.t']) });
    await save({ sourceSet: '6', at: later(2 * DAY), tests: tests(['t/b.t']) });
    assert.deepEqual(await tallies(), ['t/b.t: 5 runs, 1 failed, 0 flapped']);
    const { firstFailedAt, lastFailedAt, lastFlappedAt, atLeast } = await prisma.testTally.findFirstOrThrow();
    assert.deepEqual([firstFailedAt, lastFailedAt, lastFlappedAt, atLeast], [later(DAY), later(DAY), null, 0]);
  });

  test('names that no database takes are left out, and it is noted; the rest is kept', async () => {
    const odd = ['t/\0.t', '', `t/${'x'.repeat(600)}.t`, 't/\uD800.t'];
    const failure = aFailure('t/ok.t', { parseErrors: ['a \0 in it'], signal: '\uD800' });
    await save({ tests: tests([...odd, 't/good.t'], [failure, aFailure(odd[0]!)]) });
    const names = (await prisma.testFile.findMany({ orderBy: { name: 'asc' } })).map(({ name }) => name);
    assert.deepEqual(names, ['t/good.t', 't/ok.t']);
    const { unreadable } = await prisma.testReading.findFirstOrThrow();
    assert.deepEqual(unreadable, [{ because: 'too-much', detail: '4 files are not kept' }]);
  });

  test('a file that is told as passed and as failed has failed', async () => {
    await save({ tests: tests(['t/a.t', 't/b.t'], ['t/a.t', 't/a.t']) });
    assert.deepEqual(await tallies(), ['t/a.t: 1 runs, 1 failed, 0 flapped']);
  });

  test('an attempt without any test is kept, and so are fourteen hundred files', async () => {
    await save({ tests: tests([]) });
    const names = Array.from({ length: 1_400 }, (_, at) => `t/spec/S${at}.t`);
    await save({ tests: tests(names.slice(30), names.slice(0, 30)) });
    await save({ tests: tests(names) });
    assert.equal(await prisma.testWeek.count(), 1_400);
    assert.equal(await prisma.testTally.count({ where: { flapped: 1, runs: 2 } }), 30);
  });

  test('what is stored at the same time is counted as if one came after the other', async () => {
    const flaky = (at: number) => (at % 2 ? tests(['t/a.t'], ['t/b.t']) : tests(['t/b.t'], ['t/a.t']));
    await Promise.all(Array.from({ length: 8 }, (_, at) => save({ tests: flaky(at) })));
    assert.deepEqual(await tallies(), ['t/a.t: 8 runs, 4 failed, 4 flapped', 't/b.t: 8 runs, 4 failed, 4 flapped']);
    assert.deepEqual(await weeks(), [
      't/a.t 2026-11-16: 4 passed, 4 failed, 4 flapped',
      't/b.t 2026-11-16: 4 passed, 4 failed, 4 flapped',
    ]);
  });

  const SECRET = 'github:7';
  const known = (isPrivate: boolean) =>
    openStore(prisma, () => NOW).saveRepository({
      ...{ key: SECRET, name: 'acme/secret', defaultBranch: 'main', state: 'watched' },
      private: isPrivate,
    });
  const saveSecret = (change: Partial<TestReading> = {}) => save({ subject: `pull-request:${SECRET}#3`, ...change });

  /** `: 3 runs, 1 failed, 1 flapped`, or with the key of a private repository before the colon. */
  const records = async (): Promise<string[]> => {
    const rows = await prisma.testTally.findMany({
      include: { job: true },
      orderBy: { job: { repositoryKey: 'asc' } },
    });
    return rows.map(
      ({ job, runs, failed, flapped }) => `${job.repositoryKey}: ${runs} runs, ${failed} failed, ${flapped} flapped`,
    );
  };

  test('the same job in a public and in a private repository: two records, and neither is evidence for the other', async () => {
    await known(true);
    await save({ tests: tests(['t/b.t']) });
    await saveSecret({ tests: tests([], ['t/b.t']) });
    assert.deepEqual(await records(), ['github:7: 1 runs, 1 failed, 0 flapped']);
    await saveSecret({ subject: `branch:${SECRET}:refs/heads/main`, tests: tests(['t/b.t']) });
    await save({ tests: tests([], ['t/b.t']) });
    await save({ sourceSet: 'other', tests: tests([], ['t/b.t']) });
    assert.deepEqual(await records(), [': 3 runs, 2 failed, 1 flapped', 'github:7: 2 runs, 1 failed, 1 flapped']);
    assert.deepEqual((await weeks()).sort(), [
      't/b.t 2026-11-16: 1 passed, 1 failed, 1 flapped',
      't/b.t 2026-11-16: 1 passed, 2 failed, 1 flapped',
    ]);
    const jobs = await prisma.testJob.findMany({ select: { name: true }, distinct: ['name'] });
    assert.deepEqual(jobs, [{ name: 'azure / Lin_MVM' }]);
  });

  test('a reading is of the record that its repository has when it is stored', async () => {
    await known(false);
    await saveSecret({ sourceSet: '1', tests: tests([], ['t/b.t']) });
    await known(true);
    for (const sourceSet of ['2', '3']) await saveSecret({ sourceSet, tests: tests([], ['t/b.t']) });
    await known(false);
    await saveSecret({ sourceSet: '4', tests: tests([], ['t/b.t']) });
    assert.deepEqual(await records(), [': 2 runs, 2 failed, 0 flapped', 'github:7: 2 runs, 2 failed, 0 flapped']);
  });

  test('of a repository that is not known it is public, as its run is', async () => {
    await saveSecret({ tests: tests([], ['t/b.t']) });
    assert.deepEqual(await records(), [': 1 runs, 1 failed, 0 flapped']);
  });

  test('what its transaction takes back is not there', async () => {
    await assert.rejects(
      prisma.$transaction(async (client) => {
        await openStore(client, () => NOW).saveTests(aReading({ attemptId: 'never' }));
        throw new Error('the bot stumbles');
      }),
      /stumbles/,
    );
    assert.equal(await prisma.testReading.count(), 0);
    assert.equal(await prisma.testWeek.count(), 0);
  });
});
