import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import type { Effect } from '../../src/core/effect.ts';
import { isDatabaseAway, openDatabase } from '../../src/database/database.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { openLog } from '../../src/log.ts';
import { openQueue } from '../../src/queue/prisma.ts';
import type { Queue } from '../../src/queue/queue.ts';
import { announce, insertEffects } from '../../src/queue/rows.ts';
import { startWorker } from '../../src/queue/worker.ts';
import { openStore } from '../../src/store/prisma.ts';
import { migrationsDir } from '../../test/support/database.ts';

/** The queues of bench/queue.ts behind one interface. Each has a database of its own and a pool of `concurrency`. */
export interface BenchedQueue {
  /** One row, in one call and one commit; it goes into lane `lane`. */
  enqueue(number: number, lane: number): Promise<unknown>;
  /** Starts working on what is there; `onDone` is called when a row is done and committed. */
  work(onDone: () => void): Promise<{ stop(): Promise<void> }>;
  close(): Promise<void>;
}

export type OpenQueue = (url: string, concurrency: number) => Promise<BenchedQueue>;

const TRIES = 24;
let ids = 0;
const newId = () => `bench-${String(++ids).padStart(12, '0')}`;
const log = openLog('error', process.stderr);

/** Events: a lane is a subject, whose events are handled in order and one at a time. */
export const openEvents: OpenQueue = (url, concurrency) =>
  openOurs(url, concurrency, (queue) => ({
    enqueue: (number, lane) =>
      queue.push([
        { source: 'own', event: { key: `row:${number}`, event: { kind: 'hook.noted', hook: `lane${lane}` } } },
      ]),
  }));

/** Effects: one of a lane at a time, spaced by nothing. */
export const openEffects: OpenQueue = (url, concurrency) =>
  openOurs(url, concurrency, (_, prisma) => ({
    enqueue: (number, lane) =>
      prisma.$transaction(async (client) => {
        const effect: Effect = {
          kind: 'check.report',
          runId: 'r',
          checkId: String(number),
          installation: `github:${lane}`,
        };
        await insertEffects(client, [{ effect }], { newId });
        await announce(client);
      }),
  }));

type Prisma = Awaited<ReturnType<typeof openDatabase>>['prisma'];

async function openOurs(
  url: string,
  concurrency: number,
  enqueuer: (queue: Queue, prisma: Prisma) => Pick<BenchedQueue, 'enqueue'>,
): Promise<BenchedQueue> {
  const database = await openDatabase({ url, dataDir: '.', poolSize: concurrency });
  await applyMigrations(database, migrationsDir);
  const { prisma } = database;
  const now = () => new Date();
  const queue = openQueue(prisma, { newId, storeOn: (client) => openStore(client, now) });
  return {
    ...enqueuer(queue, prisma),
    work: async (onDone) => {
      const worker = startWorker({
        queue,
        worker: 'bench',
        handleEvent: (row) => queue.handle(row, async () => ({ events: [], effects: [] })).then(onDone),
        performEffect: (row) => queue.completeEffect(row, { events: [] }).then(onDone),
        isAway: isDatabaseAway,
        log,
        random: Math.random,
        now,
        eventsAtOnce: concurrency,
        effectsAtOnce: concurrency,
        leaseMs: 30_000,
        idleMs: 5_000,
      });
      return { stop: () => worker.stop(5_000) };
    },
    close: async () => {
      await prisma.$executeRaw`TRUNCATE event, sighting, effect, lane`;
      await database.close();
    },
  };
}

/** In the order of each key and one of it at a time: its policy `key_strict_fifo`. A fetch takes `concurrency` rows, and
 *  while fetches are full there is no pause between them. */
export const openPgBoss: OpenQueue = async (url, concurrency) => {
  const boss = new PgBoss({ connectionString: url, max: concurrency, supervise: false, schedule: false });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  const name = 'bench';
  await boss.createQueue(name, { policy: 'key_strict_fifo', retryLimit: TRIES, retryBackoff: true });
  return {
    enqueue: (number, lane) => boss.send(name, { number }, { singletonKey: `lane${lane}` }),
    work: async (onDone) => {
      const options = { batchSize: concurrency, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 };
      await boss.work(name, options, async (jobs) => {
        for (const _ of jobs) onDone();
      });
      return { stop: () => boss.offWork(name, { wait: true }) };
    },
    close: () => boss.stop({ graceful: false }),
  };
};

/** One of a named queue at a time. `batched`: jobs are taken, and ended, several in a statement, as its page on
 *  performance advises. */
const openGraphile =
  (batched: boolean): OpenQueue =>
  async (url, concurrency) => {
    const pgPool = new pg.Pool({ connectionString: url, max: concurrency });
    const isClosing = (error: Error) => pgPool.ending || console.error(error);
    pgPool.on('error', isClosing);
    // It wants both to have a listener.
    pgPool.on('connect', (client) => client.on('error', isClosing));
    const logger = new Logger(() => () => undefined);
    const utils = await makeWorkerUtils({ pgPool, logger });
    await utils.migrate();
    return {
      enqueue: (number, lane) => utils.addJob('bench', { number }, { queueName: `lane${lane}`, maxAttempts: TRIES }),
      work: async (onDone) => {
        const batching = { localQueue: { size: concurrency + 1 }, completeJobBatchDelay: 0 };
        const runner = await run({
          pgPool,
          logger,
          concurrency,
          noHandleSignals: true,
          pollInterval: 500,
          preset: { worker: batched ? batching : {} },
          taskList: { bench: async () => undefined },
        });
        runner.events.on('job:complete', onDone);
        return { stop: () => runner.stop() };
      },
      close: async () => {
        await utils.release();
        await pgPool.end();
      },
    };
  };

export const openGraphileWorker = openGraphile(false);
export const openGraphileBatched = openGraphile(true);
