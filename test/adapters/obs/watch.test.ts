import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ObsTime } from '../../../src/backends/obs/time.ts';
import { type Asked, Watch } from '../../../src/backends/obs/watch.ts';
import { never, until } from '../../contracts/backend.ts';

/** Time that passes when told to; who sleeps then wakes. */
function handTime() {
  let ms = 0;
  let sleepers: { at: number; wake: () => void }[] = [];
  const time: ObsTime = {
    now: () => new Date(ms),
    monotonicMs: () => ms,
    sleep: (more, signal) =>
      new Promise((resolve, reject) => {
        sleepers.push({ at: ms + more, wake: resolve });
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
  };
  const pass = (more: number) => {
    ms += more;
    const due = sleepers.filter(({ at }) => at <= ms);
    sleepers = sleepers.filter(({ at }) => at > ms);
    for (const { wake } of due) wake();
  };
  return { time, pass };
}

interface Request {
  oldState: string | undefined;
  waitMs: number;
  answer(asked: Asked | Error): Promise<void>;
}

function watching() {
  const { time, pass } = handTime();
  const requests: Request[] = [];
  const watch = new Watch({
    ask: (oldState, waitMs) =>
      new Promise((resolve, reject) => {
        requests.push({
          oldState,
          waitMs,
          answer: async (asked) => {
            if (asked instanceof Error) reject(asked);
            else resolve(asked);
            await new Promise(setImmediate);
          },
        });
      }),
    time,
    pollMs: 30_000,
    changeMs: 3_000,
    settleMs: 10_000,
  });
  return { watch, requests, pass };
}

const list = (state: string): Asked => ({ state, results: [] });

describe('the watch over a project', () => {
  test('many who look are one request, and who gives up does not end it', async () => {
    const { watch, requests } = watching();
    const stop = new AbortController();
    const one = watch.latest(stop.signal);
    const other = watch.latest(never);
    stop.abort();
    await assert.rejects(one);
    await requests[0]!.answer(list('a'));
    assert.deepEqual(await other, { list: list('a'), answers: 1 });
    assert.equal(requests.length, 1);
  });

  test('while nothing changes, one request lasts the interval; nobody looks, nobody asks', async () => {
    const { watch, requests, pass } = watching();
    const first = watch.latest(never);
    await requests[0]!.answer(list('a'));
    await first;
    pass(3_000);
    watch.settle(false);
    assert.deepEqual([requests.length, requests[1]?.oldState, requests[1]?.waitMs], [2, 'a', 30_000]);
    for (let looks = 0; looks < 20; looks += 1) watch.settle(false);
    assert.equal(requests.length, 2);
    pass(30_000);
    await requests[1]!.answer('same');
    assert.equal(requests.length, 2);
    watch.settle(false);
    assert.equal(requests.length, 3);
  });

  test('a change is followed by the next request after a short time only', async () => {
    const { watch, requests, pass } = watching();
    const first = watch.latest(never);
    await requests[0]!.answer(list('a'));
    await first;
    watch.settle(false);
    assert.equal(requests.length, 1);
    pass(2_999);
    watch.settle(false);
    assert.equal(requests.length, 1);
    pass(1);
    watch.settle(false);
    assert.equal(requests.length, 2);
  });

  test('a server that does not wait is polled, unless a hint came', async () => {
    const { watch, requests, pass } = watching();
    const first = watch.latest(never);
    await requests[0]!.answer(list('a'));
    await first;
    pass(3_000);
    watch.settle(false);
    await requests[1]!.answer(list('a'));
    pass(29_999);
    watch.settle(false);
    assert.equal(requests.length, 2);
    watch.hint();
    watch.settle(false);
    assert.equal(requests.length, 3);
  });

  test('what settles is heard again, from a server that waits as well', async () => {
    const { watch, requests, pass } = watching();
    const first = watch.latest(never);
    await requests[0]!.answer(list('a'));
    await first;
    pass(3_000);
    watch.settle(true);
    assert.deepEqual([requests[1]?.oldState, requests[1]?.waitMs], ['a', 10_000]);
    pass(10_000);
    await requests[1]!.answer('same');
    watch.settle(true);
    assert.equal(requests[2]?.oldState, undefined, 'it is to say it, not to keep silent');
    await requests[2]!.answer(list('a'));
    assert.equal((await watch.latest(never)).answers, 2);
  });

  test('a server that keeps silent is not believed for ever', async () => {
    const { watch, requests, pass } = watching();
    const first = watch.latest(never);
    await requests[0]!.answer(list('a'));
    await first;
    for (let round = 1; round <= 10; round += 1) {
      pass(30_000);
      watch.settle(false);
      assert.equal(requests[round]?.oldState, 'a');
      await requests[round]!.answer('same');
    }
    pass(30_000);
    watch.settle(false);
    assert.equal(requests[11]?.oldState, undefined);
  });

  test('a failure reaches who looks next, and then it is asked again', async () => {
    const { watch, requests, pass } = watching();
    const first = watch.latest(never);
    const failed = assert.rejects(first, /broken/);
    await requests[0]!.answer(new Error('broken'));
    await failed;
    pass(3_000);
    const second = watch.latest(never);
    await until('it is asked', () => requests.length === 2);
    await requests[1]!.answer(list('a'));
    assert.equal((await second).answers, 1);
  });

  test('closed, it ends those who wait', async () => {
    const { watch } = watching();
    const waiting = assert.rejects(watch.latest(never), /not followed any more/);
    watch.close();
    await waiting;
  });
});
