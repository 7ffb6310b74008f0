/**
 * Rows per second through our queue, beside pg-boss and graphile-worker (`npm run bench:queue`): the same PostgreSQL, the
 * same number of rows in the same number of lanes, the same concurrency and pool, retries on, handlers that do nothing.
 *
 * - enqueue: one row per call and commit, `CONCURRENCY` calls at a time
 * - complete: from the start of a worker on the filled queue to the commit of the last row's end
 *
 * Ours are two queues: events, which handlers take, and effects, which touch the world. (Effects are enqueued here in
 * transactions of their own; in the bot they come with the end of an event, which is why only the ratio of events counts
 * for enqueueing.) graphile-worker is measured twice: as it comes, and batched, which its page on performance advises for
 * many short jobs. pg-boss takes and ends `CONCURRENCY` rows in a statement.
 *
 * RCB_BENCH_ROWS changes the number of rows.
 */
import { createServerDatabase } from '../test/support/database.ts';
import { interleaved, median, round, say, tell } from './support/figures.ts';
import {
  type OpenQueue,
  openEffects,
  openEvents,
  openGraphileBatched,
  openGraphileWorker,
  openPgBoss,
} from './support/queues.ts';
import { serverSettings, serverUrl, versionOf } from './support/server.ts';

const ROWS = Number(process.env['RCB_BENCH_ROWS'] ?? 2_000);
const LANES = 300;
const CONCURRENCY = 10;
const ROUNDS = 3;
const DEADLINE_MS = 20_000;

interface Measured {
  enqueue: number;
  complete: number;
}

async function measure(open: OpenQueue): Promise<Measured> {
  const database = await createServerDatabase(serverUrl());
  try {
    const queue = await open(database.url, CONCURRENCY);
    try {
      const enqueue = await rate(() => enqueueAll(queue.enqueue));
      return { enqueue, complete: await rate(() => workAll(queue.work)) };
    } finally {
      await queue.close();
    }
  } finally {
    await database.drop();
  }
}

async function rate(work: () => Promise<() => Promise<void>>): Promise<number> {
  const begun = performance.now();
  const afterwards = await work();
  const seconds = (performance.now() - begun) / 1_000;
  await afterwards();
  return ROWS / seconds;
}

async function enqueueAll(enqueue: (number: number, lane: number) => Promise<unknown>) {
  let next = 0;
  const one = async () => {
    for (let number = next++; number < ROWS; number = next++) await enqueue(number, number % LANES);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, one));
  return async () => undefined;
}

async function workAll(work: (onDone: () => void) => Promise<{ stop(): Promise<void> }>) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let done = 0;
  const timer = setTimeout(() => reject(new Error(`Only ${done} of ${ROWS} rows in ${DEADLINE_MS} ms.`)), DEADLINE_MS);
  const working = await work(() => {
    done += 1;
    if (done === ROWS) resolve();
  });
  await promise.finally(() => clearTimeout(timer));
  return () => working.stop();
}

const postgres = await serverSettings(serverUrl());
const measured = await interleaved(
  {
    rcbEvents: () => measure(openEvents),
    rcbEffects: () => measure(openEffects),
    pgBoss: () => measure(openPgBoss),
    graphileWorker: () => measure(openGraphileWorker),
    graphileBatched: () => measure(openGraphileBatched),
  },
  ROUNDS,
);

const figure = (name: keyof typeof measured, what: keyof Measured) => {
  say(`${name} ${what}: ${measured[name].map((each) => round(each[what])).join(', ')} rows/s`);
  return median(measured[name].map((each) => each[what]));
};
const PEERS = ['pgBoss', 'graphileWorker', 'graphileBatched'] as const;
const figures = (what: keyof Measured) => {
  const names = Object.keys(measured) as (keyof typeof measured)[];
  const rates = Object.fromEntries(names.map((name) => [name, figure(name, what)])) as Record<
    (typeof names)[0],
    number
  >;
  const [slower, faster] = [rates.pgBoss, rates.graphileWorker].sort((one, other) => one - other) as [number, number];
  const compare = (rate: number) => Object.fromEntries(PEERS.map((peer) => [peer, round(rate / rates[peer])]));
  return {
    rowsPerSecond: Object.fromEntries(names.map((name) => [name, round(rates[name])])),
    ratio: { events: compare(rates.rcbEvents), effects: compare(rates.rcbEffects) },
    toSlowerPeer: { events: round(rates.rcbEvents / slower), effects: round(rates.rcbEffects / slower) },
    toFasterPeer: { events: round(rates.rcbEvents / faster), effects: round(rates.rcbEffects / faster) },
  };
};
tell('queue', {
  enqueue: figures('enqueue'),
  complete: figures('complete'),
  rows: ROWS,
  lanes: LANES,
  concurrency: CONCURRENCY,
  rounds: ROUNDS,
  postgres,
  versions: { 'pg-boss': versionOf('pg-boss'), 'graphile-worker': versionOf('graphile-worker') },
});
