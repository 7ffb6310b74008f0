/** The worker's own promises, over a queue that is told what to answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { Effect } from '../../src/core/effect.ts';
import type { Event } from '../../src/core/event.ts';
import { type Claimed, type Failure, LeaseLost, type Queue } from '../../src/queue/queue.ts';
import { NotBegun, Turns } from '../../src/queue/turns.ts';
import { startWorker, type Worker, type WorkerOptions } from '../../src/queue/worker.ts';
import { until } from '../support/until.ts';

const effectRow = (over: Partial<Claimed<Effect>> = {}): Claimed<Effect> => ({
  table: 'effect',
  id: 'e1',
  key: 'build:b1',
  order: 'build.cancel:build:b1',
  value: { kind: 'build.cancel', runId: 'r1', buildId: 'b1' },
  tries: 1,
  fence: 1,
  ...over,
});

interface Told {
  failed: { row: Claimed<Event | Effect>; failure: Failure }[];
  renewed: string[];
  logged: string[];
}

function scripted(claims: Claimed<Effect>[][], over: Partial<Queue>, options: Partial<WorkerOptions>): [Worker, Told] {
  const told: Told = { failed: [], renewed: [], logged: [] };
  const queue = {
    claimEvents: async () => [],
    claimEffects: async () => claims.shift() ?? [],
    renew: async (rows: Claimed<Event | Effect>[]) => {
      told.renewed.push(...rows.map((row) => `${row.id}:${row.fence}`));
      return new Set(rows.map((row) => row.id));
    },
    fail: async (row: Claimed<Event | Effect>, failure: Failure) => void told.failed.push({ row, failure }),
    untilNext: async (mostMs: number) => mostMs,
    ...over,
  } as Queue;
  const worker = startWorker({
    queue,
    worker: 'w',
    handleEvent: async () => undefined,
    performEffect: async () => undefined,
    isAway: () => false,
    log: pino({ level: 'warn' }, { write: (line: string) => void told.logged.push(JSON.parse(line).msg) }),
    random: () => 0.5,
    now: () => new Date(0),
    eventsAtOnce: 2,
    effectsAtOnce: 2,
    leaseMs: 60,
    idleMs: 20,
    ...options,
  });
  return [worker, told];
}

test('an effect whose lease was lost is told to end, and its row is left to whoever has it now', async () => {
  let reason: unknown;
  const [worker, told] = scripted(
    [[effectRow()]],
    { renew: async () => new Set() },
    {
      performEffect: async (_row, signal) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        signal.addEventListener('abort', () => resolve());
        await promise;
        reason = signal.reason;
        throw new Error('aborted in the middle');
      },
    },
  );
  await until(() => reason !== undefined);
  await worker.stop(1_000);
  assert.ok(reason instanceof LeaseLost);
  assert.deepEqual(told.failed, []);
  assert.match(told.logged.join(), /Lost the lease of a row/);
});

test('a row that this worker claimed again, its own lease having ended, is worked on once', async () => {
  const signals: AbortSignal[] = [];
  const [worker, told] = scripted(
    [[effectRow()], [effectRow({ fence: 2, tries: 2 })]],
    {},
    {
      performEffect: (row, signal) => {
        signals.push(signal);
        return new Promise((resolve) => {
          if (row.fence === 1) signal.addEventListener('abort', () => resolve());
          else stopSecond = resolve;
        });
      },
    },
  );
  let stopSecond = () => {};
  await until(() => signals.length === 2);
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [true, false],
  );
  told.renewed.length = 0;
  await until(() => told.renewed.includes('e1:2'));
  stopSecond();
  await worker.stop(1_000);
});

test('a row whose worker died each time is parked at last, and not begun again', async () => {
  let begun = 0;
  const [worker, told] = scripted(
    [[effectRow({ tries: 25, fence: 25 })]],
    {},
    {
      performEffect: async () => {
        begun += 1;
      },
    },
  );
  await until(() => told.failed.length > 0);
  await worker.stop(1_000);
  assert.equal(begun, 0);
  const { failure } = told.failed[0]!;
  assert.equal(failure.afterMs, undefined);
  assert.match(failure.error, /begun 24 times .* never came to an end/);
  assert.equal(failure.events?.[0]?.event.kind, 'effect.failed');
});

test('a stopped worker ends what runs: it is put back at once, and not counted', async () => {
  const begun = Promise.withResolvers<void>();
  const [worker, told] = scripted(
    [[effectRow()]],
    {},
    {
      performEffect: (_row, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          begun.resolve();
        }),
    },
  );
  await begun.promise;
  await worker.stop(0);
  assert.deepEqual(
    told.failed.map(({ failure }) => [failure.afterMs, failure.uncounted]),
    [[0, true]],
  );
});

const eventRow = (id: string): Claimed<Event> => ({
  table: 'event',
  id,
  key: id,
  order: `hook:${id}`,
  value: { kind: 'hook.noted', hook: id },
  tries: 1,
  fence: 1,
});

test('a worker that is stopped gives back what it claimed ahead, and ends what it began', async () => {
  const end = Promise.withResolvers<void>();
  const begun: string[] = [];
  const claims = [[eventRow('quick')], ['a', 'b', 'c', 'd'].map(eventRow)];
  const [worker, told] = scripted(
    [],
    { claimEvents: async () => claims.shift() ?? [] },
    {
      handleEvent: async (row) => {
        begun.push(row.id);
        if (row.id !== 'quick') await end.promise;
      },
    },
  );
  await until(() => begun.length === 3);
  const stopped = worker.stop(10_000);
  await until(() => told.failed.length === 2);
  end.resolve();
  await stopped;
  assert.deepEqual(begun, ['quick', 'a', 'b']);
  assert.deepEqual(
    told.failed.map(({ row, failure }) => [row.id, failure.afterMs, failure.uncounted]),
    [
      ['c', 0, true],
      ['d', 0, true],
    ],
  );
});

test('the leases of rows that were claimed ahead are renewed, and a lost one is not begun', async () => {
  const end = Promise.withResolvers<void>();
  const begun: string[] = [];
  const claims = [['a', 'b', 'c', 'd'].map(eventRow)];
  const renewed = new Set<string>();
  const [worker, told] = scripted(
    [],
    {
      claimEvents: async () => claims.shift() ?? [],
      renew: async (rows) => {
        for (const { id } of rows) renewed.add(id);
        return new Set(rows.map(({ id }) => id).filter((id) => id !== 'c'));
      },
    },
    {
      handleEvent: async (row) => {
        begun.push(row.id);
        await end.promise;
      },
    },
  );
  await until(() => told.logged.includes('Lost the lease of a row'));
  end.resolve();
  await until(() => begun.includes('d'));
  await worker.stop(1_000);
  assert.deepEqual([...renewed].sort(), ['a', 'b', 'c', 'd']);
  assert.deepEqual(begun, ['a', 'b', 'd']);
  assert.deepEqual(told.failed, []);
});

test('only where there is something new is looked', async () => {
  let events = 0;
  let effects = 0;
  const [worker] = scripted(
    [],
    {
      claimEvents: async () => {
        events += 1;
        return [];
      },
      claimEffects: async () => {
        effects += 1;
        return [];
      },
    },
    { idleMs: 3_600_000 },
  );
  await until(() => effects === 1);
  worker.wake('effect');
  await until(() => effects === 2);
  assert.equal(events, 1);
  worker.wake('');
  await until(() => effects === 3 && events === 2);
  await worker.stop(1_000);
});

test('quick work is claimed ahead, slow work is not', async () => {
  let now = 0;
  const turns = new Turns(4, () => now);
  const never = new AbortController().signal;
  const last = async (ms: number) => {
    await turns.take(async () => {
      now += ms;
    }, never);
  };
  assert.equal(turns.room(), 4, 'nothing is known yet');
  await last(10);
  assert.equal(turns.room(), 12, 'twice as many begin within 20 ms');
  for (let time = 0; time < 50; time += 1) await last(1);
  assert.equal(turns.room(), 16, 'at most four times as many');
  for (let time = 0; time < 50; time += 1) await last(1_000);
  assert.equal(turns.room(), 4);
});

test('few rows more are not worth a claim while others wait for their turn', async () => {
  const turns = new Turns(2, () => 0);
  const never = new AbortController().signal;
  await turns.take(async () => undefined, never);
  assert.equal(turns.room(), 8);
  const ends: (() => void)[] = [];
  const work = () => new Promise<void>((resolve) => ends.push(resolve));
  const all = Array.from({ length: 5 }, () => turns.take(work, never));
  assert.equal(turns.room(), 0, 'three more are not worth it');
  ends.shift()!();
  await all[0];
  await until(() => ends.length === 2);
  assert.equal(turns.room(), 4, 'half of it is');
  turns.close();
  for (const end of ends) end();
  const states = await Promise.allSettled(all);
  const reasons = states.map((state) => (state.status === 'rejected' ? state.reason : undefined));
  assert.deepEqual(
    reasons.map((reason) => reason instanceof NotBegun),
    [false, false, false, true, true],
  );
});

test('what waits for its turn too long is given back, and nothing more is claimed ahead', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const turns = new Turns(1, () => 0);
  const never = new AbortController().signal;
  await turns.take(async () => undefined, never);
  const end = Promise.withResolvers<void>();
  const slow = turns.take(() => end.promise, never);
  const waits = turns.take(async () => assert.fail('it is somebody else’s by now'), never);
  context.mock.timers.tick(500);
  await assert.rejects(waits, NotBegun);
  assert.equal(turns.room(), 0);
  end.resolve();
  await slow;
});
