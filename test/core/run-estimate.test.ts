import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimateRest, paceOf, type TimedJob } from '../../src/core/run-estimate.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const running = (forMs: number, medianMs?: number): TimedJob => ({ state: 'running', startedAt: ago(forMs), medianMs });
const queued = (medianMs?: number): TimedJob => ({ state: 'queued', medianMs });
const finished: TimedJob = { state: 'finished', medianMs: 1 };

const CASES: [what: string, jobs: TimedJob[], left: number | undefined, untimed: number, late: number][] = [
  ['nothing', [], undefined, 0, 0],
  ['all have ended', [finished, finished], undefined, 0, 0],
  ['the longest that is left counts', [running(40, 100), running(10, 50), finished], 60, 0, 0],
  ['a queued one takes its whole time', [running(40, 100), queued(90)], 90, 0, 0],
  ['what was never timed is in no estimate', [running(40), queued()], undefined, 2, 0],
  ['what is over its time is late, and has nothing left', [running(160, 100)], 0, 0, 1],
  ['a clock that was set back takes nothing away', [running(-500, 100)], 100, 0, 0],
];
for (const [what, jobs, leftMs, untimed, late] of CASES) {
  test(what, () => {
    const done = jobs.filter(({ state }) => state === 'finished').length;
    assert.deepEqual(estimateRest(jobs, NOW), { finished: done, all: jobs.length, leftMs, untimed, late });
  });
}

test('a duration is compared with its median in words only where it differs much', () => {
  assert.equal(paceOf(160_000, 100_000), 'slower');
  assert.equal(paceOf(140_000, 100_000), 'usual');
  assert.equal(paceOf(60_000, 100_000), 'faster');
  assert.equal(paceOf(9_000, 1_000), 'usual', 'seconds are no news');
});
