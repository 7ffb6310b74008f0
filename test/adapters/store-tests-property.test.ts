import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { flapRate } from '../../src/core/flapper.ts';
import { weekOf } from '../../src/core/flapper-tally.ts';
import type { TestReading } from '../../src/core/testlog-kept.ts';
import { openStore } from '../../src/store/prisma.ts';
import { later, NOW } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { aReading, tests } from '../support/readings.ts';

/** Whatever is stored in whatever order: the sums are those that somebody would count from the results. */

let stored: TestDatabase;
before(async () => {
  stored = await testDatabase();
});
after(() => stored.close());

const FILES = ['t/a.t', 't/b.t', 't/c.t'];
type Outcome = 'passed' | 'failed' | 'absent';
interface Told {
  job: string;
  sourceSet: string;
  day: number;
  outcomes: Outcome[];
}

const told: fc.Arbitrary<Told> = fc.record({
  job: fc.constantFrom('azure / A', 'azure / B'),
  sourceSet: fc.constantFrom('s1', 's2', 's3'),
  day: fc.integer({ min: -20, max: 0 }),
  outcomes: fc.array(fc.constantFrom<Outcome>('passed', 'failed', 'absent'), { minLength: 3, maxLength: 3 }),
});

const withOutcome = ({ outcomes }: Told, wanted: Outcome): string[] => FILES.filter((_, at) => outcomes[at] === wanted);
const at = ({ day }: Told): Date => later(day * 86_400);
const readingOf = (each: Told, number: number): TestReading =>
  aReading({
    attemptId: `attempt-${number}`,
    job: each.job,
    sourceSet: each.sourceSet,
    at: at(each),
    tests: tests(withOutcome(each, 'passed'), withOutcome(each, 'failed')),
  });

/** Counted from all results, as nobody could who has millions. */
function counted(all: Told[]) {
  const results = all.flatMap((each) =>
    FILES.flatMap((file, index) => {
      const outcome = each.outcomes[index]!;
      const isFlap =
        outcome === 'failed' &&
        all.some((o) => o.job === each.job && o.sourceSet === each.sourceSet && o.outcomes[index] === 'passed');
      return outcome === 'absent' ? [] : [{ file, job: each.job, at: at(each), outcome, isFlap }];
    }),
  );
  const sums = (own: typeof results) => ({
    passed: own.filter(({ outcome }) => outcome === 'passed').length,
    failed: own.filter(({ outcome }) => outcome === 'failed').length,
    flapped: own.filter(({ isFlap }) => isFlap).length,
  });
  const byWeek = Map.groupBy(results, (each) => `${each.file} ${each.job} ${weekOf(each.at)}`);
  const byPlace = Map.groupBy(results, (each) => `${each.file} ${each.job}`);
  return {
    weeks: Object.fromEntries([...byWeek].map(([week, own]) => [week, sums(own)])),
    tallies: Object.fromEntries(
      [...byPlace].flatMap(([place, own]) => {
        const { failed, flapped } = sums(own);
        if (failed === 0) return [];
        const times = (which: typeof results) => which.map((each) => each.at.getTime());
        const failures = times(own.filter(({ outcome }) => outcome === 'failed'));
        const flaps = times(own.filter(({ isFlap }) => isFlap));
        const first = Math.min(...failures);
        const last = Math.max(...failures);
        const lastFlap = flaps.length > 0 ? Math.max(...flaps) : undefined;
        const atLeast = flapRate(flapped, own.length).low;
        return [[place, { runs: own.length, failed, flapped, first, last, lastFlap, atLeast }]];
      }),
    ),
  };
}

async function kept() {
  const { prisma } = stored.database;
  const include = { file: true, job: true } as const;
  const weeks = await prisma.testWeek.findMany({ include });
  const tallies = await prisma.testTally.findMany({ include });
  return {
    weeks: Object.fromEntries(
      weeks.map(({ file, job, week, passed, failed, flapped }) => [
        `${file.name} ${job.name} ${week.toISOString().slice(0, 10)}`,
        { passed, failed, flapped },
      ]),
    ),
    tallies: Object.fromEntries(
      tallies.map(({ file, job, runs, failed, flapped, firstFailedAt, lastFailedAt, lastFlappedAt, atLeast }) => {
        const [first, last, lastFlap] = [firstFailedAt, lastFailedAt, lastFlappedAt].map((time) => time?.getTime());
        return [`${file.name} ${job.name}`, { runs, failed, flapped, first, last, lastFlap, atLeast }];
      }),
    ),
  };
}

test('sums by week and over all time are those of the results', async () => {
  const { prisma } = stored.database;
  await fc.assert(
    fc.asyncProperty(fc.array(told, { maxLength: 12 }), async (all) => {
      await prisma.$executeRaw`TRUNCATE test_file, test_job, test_reading, test_failure, test_week, test_tally`;
      await prisma.$transaction(async (client) => {
        const store = openStore(client, () => NOW);
        for (const [number, each] of all.entries()) await store.saveTests(readingOf(each, number));
      });
      assert.deepEqual(await kept(), counted(all));
    }),
    { numRuns: 12 },
  );
});
