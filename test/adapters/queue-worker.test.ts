/** The worker's own promises, over a queue that is told what to answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { Effect } from '../../src/core/effect.ts';
import type { Event } from '../../src/core/event.ts';
import { type Claimed, type Failure, LeaseLost, type Queue } from '../../src/queue/queue.ts';
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
