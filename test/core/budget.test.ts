import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayPoll } from '../../src/core/budget.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const later = new Date('2026-11-21T12:30:00Z');

const share = (remaining: number, resetAt?: Date) =>
  Array.from({ length: 8 }, (_, turn) => mayPoll({ remaining, limit: 5_000, resetAt }, turn, NOW)).filter(Boolean)
    .length;

for (const [remaining, polls] of [
  [5_000, 8],
  [2_500, 8],
  [2_499, 4],
  [1_250, 4],
  [1_249, 2],
  [500, 2],
  [499, 0],
  [0, 0],
] as const) {
  test(`with ${remaining} of 5,000 left, ${polls} of 8 polls are made`, () =>
    assert.equal(share(remaining, later), polls));
}

test('a budget that was renewed since, or that nobody knows, is no reason to wait', () => {
  assert.equal(share(0, new Date('2026-11-21T11:59:00Z')), 8);
  assert.equal(mayPoll(undefined, 1, NOW), true);
});
