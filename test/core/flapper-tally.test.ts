import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flapRate } from '../../src/core/flapper.ts';
import { type Tally, tallied, weekOf } from '../../src/core/flapper-tally.ts';
import { keepable } from '../../src/core/testlog-keepable.ts';
import { later, NOW } from '../support/builders.ts';
import { aFailure, tests } from '../support/readings.ts';

test('weeks begin on Monday, in UTC', () => {
  const weeks: [string, string][] = [
    ['2026-11-16T00:00:00.000Z', '2026-11-16'],
    ['2026-11-15T23:59:59.999Z', '2026-11-09'],
    ['2026-11-22T23:59:59.999Z', '2026-11-16'],
    ['2027-01-01T12:00:00.000Z', '2026-12-28'],
    ['2024-03-01T00:00:00.000Z', '2024-02-26'],
  ];
  for (const [at, week] of weeks) assert.equal(weekOf(new Date(at)), week, at);
});

test('a file that has never failed needs no tally', () => {
  assert.equal(tallied(undefined, 10, { flaps: [] }), undefined);
});

test('a tally begins with the first failure, and knows the runs before', () => {
  const first = tallied(undefined, 9, { failedAt: NOW, flaps: [] })!;
  assert.deepEqual(first, {
    runs: 10,
    failed: 1,
    flapped: 0,
    firstFailedAt: NOW,
    lastFailedAt: NOW,
    lastFlappedAt: undefined,
    atLeast: 0,
  } satisfies Tally);
});

test('a pass can tell flaps of earlier failures; readings need not come in the order of their times', () => {
  const first = tallied(undefined, 0, { failedAt: NOW, flaps: [] })!;
  const second = tallied(first, 0, { failedAt: later(-60), flaps: [] })!;
  const third = tallied(second, 0, { flaps: [NOW, later(-60)] })!;
  assert.deepEqual(third, {
    runs: 3,
    failed: 2,
    flapped: 2,
    firstFailedAt: later(-60),
    lastFailedAt: NOW,
    lastFlappedAt: NOW,
    atLeast: flapRate(2, 3).low,
  } satisfies Tally);
  assert.deepEqual(tallied(third, 0, { failedAt: NOW, flaps: [later(-30)] })?.lastFlappedAt, NOW);
});

test('what cannot be stored is left out and noted, and the rest is bounded', () => {
  const many = Array.from({ length: 12_000 }, (_, at) => `t/${at}.t`);
  const ranges = Array.from({ length: 500 }, (_, at) => ({ from: 2 * at, to: 2 * at }));
  const failure = aFailure('t/bad.t', { failed: ranges, parseErrors: Array(50).fill('x'.repeat(1_000)) });
  const kept = keepable({
    ...tests(many, [failure]),
    otherFailures: Array(50).fill({ line: 1, text: 'a\0b' }),
  });
  assert.equal(kept.passed.length + kept.failed.length, 10_000);
  assert.deepEqual(kept.unreadable, [{ because: 'too-much', detail: '2001 files are not kept' }]);
  assert.deepEqual([kept.failed[0]!.failed.length, kept.failed[0]!.parseErrors.length], [100, 20]);
  assert.ok(kept.failed[0]!.parseErrors.every((text) => Buffer.byteLength(text) <= 300));
  assert.deepEqual(kept.otherFailures, Array(20).fill({ line: 1, text: 'a\uFFFDb' }));
});

test('what can be stored is stored as it is', () => {
  const given = tests(['t/a.t', 't/ä ö.t'], ['t/b.t']);
  assert.deepEqual(keepable(given), given);
});
