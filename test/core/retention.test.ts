import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ArchiveUse,
  decideArchive,
  decideOutput,
  decideRow,
  type Keep,
  oldBefore,
} from '../../src/core/retention.ts';
import { later, NOW } from '../support/builders.ts';

const DAY = 86_400;
const KEEP = 60 * DAY * 1_000;
const daysAgo = (days: number): Date => later(-days * DAY);

const aUse = (change: Partial<ArchiveUse> = {}): ArchiveUse => ({
  runId: 'run1',
  finishedAt: daysAgo(61),
  isNewestOfOpenPullRequest: false,
  isNewestOfBranch: false,
  hasArtifacts: false,
  ...change,
});

const stays = (because: string, runId = 'run1') => ({ goes: false, because, runId });

const archives: [title: string, uses: ArchiveUse[], decision: object, keep?: Keep][] = [
  ['old, and nobody needs it', [aUse()], { goes: true, endedAt: daysAgo(61) }],
  ['younger than is kept', [aUse({ finishedAt: daysAgo(59) })], stays('young')],
  ['of exactly that age', [aUse({ finishedAt: daysAgo(60) })], stays('young')],
  ['kept for ever', [aUse()], stays('forever'), 'forever'],
  ['its run has not ended', [aUse({ finishedAt: undefined })], stays('unfinished')],
  ['of an open pull request', [aUse({ isNewestOfOpenPullRequest: true })], stays('newest-of-open-pull-request')],
  ['of a branch', [aUse({ isNewestOfBranch: true })], stays('newest-of-branch')],
  ['its artifacts are kept', [aUse({ hasArtifacts: true })], stays('artifacts-kept')],
  [
    'shared, and one run needs it',
    [aUse(), aUse({ runId: 'run2', isNewestOfBranch: true }), aUse()],
    stays('newest-of-branch', 'run2'),
  ],
  [
    'shared, and one run is young',
    [aUse(), aUse({ runId: 'run2', finishedAt: daysAgo(2) }), aUse({ finishedAt: daysAgo(90) })],
    stays('young', 'run2'),
  ],
  [
    'shared, and all are old',
    [aUse({ finishedAt: daysAgo(90) }), aUse({ finishedAt: daysAgo(70) })],
    { goes: true, endedAt: daysAgo(70) },
  ],
];
for (const [title, uses, decision, keep = KEEP] of archives) {
  test(`a source archive: ${title}`, () => assert.deepEqual(decideArchive(uses, keep, NOW), decision));
}

const outputs: [title: string, decision: object, expected: object][] = [
  [
    'old',
    decideOutput({ isRunFinished: true, finishedAt: daysAgo(61) }, KEEP, NOW),
    { goes: true, endedAt: daysAgo(61) },
  ],
  [
    'young',
    decideOutput({ isRunFinished: true, finishedAt: daysAgo(1) }, KEEP, NOW),
    { goes: false, because: 'young' },
  ],
  [
    'old, of a run that goes on',
    decideOutput({ isRunFinished: false, finishedAt: daysAgo(61) }, KEEP, NOW),
    { goes: false, because: 'unfinished' },
  ],
  ['without an end', decideOutput({ isRunFinished: true }, KEEP, NOW), { goes: false, because: 'unfinished' }],
  [
    'of logs that are kept for ever',
    decideOutput({ isRunFinished: true, finishedAt: daysAgo(9_999) }, 'forever', NOW),
    { goes: false, because: 'forever' },
  ],
];
for (const [title, decision, expected] of outputs) {
  test(`output of an attempt: ${title}`, () => assert.deepEqual(decision, expected));
}

const rows: [state: string, doneAt: Date | undefined, expected: object][] = [
  ['done', daysAgo(61), { goes: true, endedAt: daysAgo(61) }],
  ['done', daysAgo(59), { goes: false, because: 'young' }],
  ['pending', undefined, { goes: false, because: 'unfinished' }],
  ['running', daysAgo(61), { goes: false, because: 'unfinished' }],
  ['parked', daysAgo(61), { goes: false, because: 'waits-for-a-person' }],
];
for (const [state, doneAt, expected] of rows) {
  test(`a row that is ${state}, ended ${doneAt?.toISOString() ?? 'never'}`, () =>
    assert.deepEqual(decideRow({ state, doneAt }, KEEP, NOW), expected));
}

test('nothing is old where things are kept for ever', () => {
  assert.equal(oldBefore('forever', NOW), undefined);
  assert.deepEqual(oldBefore(KEEP, NOW), daysAgo(60));
});

const anyUse: fc.Arbitrary<ArchiveUse> = fc.record({
  runId: fc.stringMatching(/^[a-z]{4}$/),
  finishedAt: fc.option(fc.integer({ min: 0, max: 200 }).map(daysAgo), { nil: undefined, freq: 6 }),
  isNewestOfOpenPullRequest: fc.boolean(),
  isNewestOfBranch: fc.boolean(),
  hasArtifacts: fc.boolean(),
});
/** Mostly needed by nobody, or hardly an archive would ever go. */
const quietUse = anyUse.map((use) => aUse({ runId: use.runId, finishedAt: use.finishedAt ?? daysAgo(100) }));
const anyUses = fc.array(fc.oneof({ weight: 6, arbitrary: quietUse }, anyUse), { minLength: 1, maxLength: 6 });
const anyKeep: fc.Arbitrary<Keep> = fc.oneof(
  fc.integer({ min: 0, max: 150 }).map((days) => days * DAY * 1_000),
  fc.constant('forever' as const),
);

test('an archive goes if and only if it would go for each of its runs alone', () => {
  let gone = 0;
  fc.assert(
    fc.property(anyUses, anyKeep, (uses, keep) => {
      const decision = decideArchive(uses, keep, NOW);
      if (decision.goes) gone += 1;
      assert.equal(
        decision.goes,
        uses.every((use) => decideArchive([use], keep, NOW).goes),
      );
    }),
    { numRuns: 500, seed: 16 },
  );
  assert.ok(gone > 50 && gone < 450, `${gone} of 500 went`);
});

test('what stays names a run that refers to it; the order of the runs does not matter', () => {
  fc.assert(
    fc.property(anyUses, anyKeep, (uses, keep) => {
      const decision = decideArchive(uses, keep, NOW);
      if (!decision.goes) assert.ok(uses.some(({ runId }) => runId === decision.runId));
      assert.equal(decideArchive(uses.toReversed(), keep, NOW).goes, decision.goes);
    }),
    { numRuns: 300, seed: 16 },
  );
});

test('what went goes later as well, and with a shorter time', () => {
  fc.assert(
    fc.property(anyUses, fc.integer({ min: 0, max: 150 }), fc.integer({ min: 0, max: 50 }), (uses, days, more) => {
      const keep = days * DAY * 1_000;
      if (!decideArchive(uses, keep, NOW).goes) return;
      assert.ok(decideArchive(uses, keep, later(more * DAY)).goes);
      assert.ok(decideArchive(uses, Math.max(0, days - more) * DAY * 1_000, NOW).goes);
    }),
    { numRuns: 300, seed: 16 },
  );
});
