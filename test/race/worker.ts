/**
 * One worker process of the race: the real queue and the real worker loop, with handlers that write down what they do.
 * Run as: node --import ./skewed-clock.ts worker.ts NAME. Ends on SIGTERM; prints "ready" when it works.
 */
import { monotonicFactory } from 'ulid';
import type { Effect } from '../../src/core/effect.ts';
import type { Event } from '../../src/core/event.ts';
import { isDatabaseAway, openDatabase } from '../../src/database/database.ts';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import { openLog } from '../../src/log.ts';
import { openQueue } from '../../src/queue/prisma.ts';
import type { Claimed } from '../../src/queue/queue.ts';
import { CHANNEL } from '../../src/queue/rows.ts';
import { startWorker, TryLater } from '../../src/queue/worker.ts';
import type { Store } from '../../src/store/store.ts';
import { effectFails, fateOf, isSilent, isSpaced, LEASE_MS, SPACING_MS, workMs } from './plan.ts';

const name = process.argv[2]!;
const log = openLog('warn', process.stderr);
const database = await openDatabase({ url: process.env.RCB_RACE_DATABASE_URL!, dataDir: '.', poolSize: 10, log });
const { prisma } = database;
const newId = monotonicFactory();
// The race's handlers write to a table of their own, in the transaction that the queue gives to a store.
const storeOn = (client: Prisma.TransactionClient) => client as unknown as Store;
const queue = openQueue(prisma, { newId: () => newId().toLowerCase(), storeOn });

class Refused extends Error {
  readonly retry = false;
}

const work = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function handleEvent(row: Claimed<Event>): Promise<void> {
  if (isSilent(row.key)) return await handleSilently(row);
  await queue.handle(row, async (store) => {
    const client = store as unknown as Prisma.TransactionClient;
    const [before] = await client.$queryRaw<{ at: string; open: boolean }[]>`
      SELECT clock_timestamp()::text AS at, EXISTS (SELECT 1 FROM race_opened) AS open`;
    await work(workMs(row.key));
    const fate = fateOf(row.key);
    if (fate === 'parked' && !before!.open) throw new Refused('a person has to look at it');
    if (fate === 'later' && row.tries <= 2) throw new TryLater('not yet');
    if (fate === 'fails' && row.tries === 1) throw new Error('it failed');
    await client.$executeRaw`
      INSERT INTO race_handled (id, key, subject, worker, tries, started_at, ended_at)
      VALUES (${row.id}, ${row.key}, ${row.order}, ${name}, ${row.tries}, ${before!.at}::timestamptz, clock_timestamp())`;
    return { effects: [], events: [] };
  });
}

/** Written down by a trigger (run.ts), in the statement that ends it. */
const handleSilently = (row: Claimed<Event>): Promise<void> =>
  queue.handle(row, async () => {
    await work(workMs(row.key));
    return { effects: [], events: [{ kind: 'hook.noted', hook: `follow-${row.key}` }] };
  });

/** Reads the newest wish, as every effect does; what it saw is written down outside any transaction. */
async function performEffect(row: Claimed<Effect>): Promise<void> {
  await prisma.$executeRaw`
    INSERT INTO race_performed (id, fence, target, lane, worker, started_at, version)
    SELECT ${row.id}, ${row.fence}, target, ${row.order}, ${name}, clock_timestamp(), version
    FROM race_wish WHERE target = ${row.key}`;
  await work(workMs(row.key));
  if (effectFails(row.key) && row.tries === 1) throw new Error('the world did not answer');
  await prisma.$executeRaw`
    UPDATE race_performed SET ended_at = clock_timestamp() WHERE id = ${row.id} AND fence = ${row.fence}`;
  await queue.completeEffect(row, {
    events: [{ key: `outcome:${row.id}:${row.fence}`, event: { kind: 'hook.noted', hook: `outcome-${row.key}` } }],
    spacingMs: isSpaced(row.order) ? SPACING_MS : undefined,
  });
}

const worker = startWorker({
  queue,
  worker: name,
  handleEvent,
  performEffect,
  isAway: isDatabaseAway,
  log,
  random: Math.random,
  now: () => new Date(),
  eventsAtOnce: 8,
  effectsAtOnce: 8,
  leaseMs: LEASE_MS,
  idleMs: 1_000,
});
const unlisten = await database.listen(CHANNEL, () => worker.wake());
process.stdout.write('ready\n');

process.once('SIGTERM', async () => {
  await unlisten();
  await worker.stop(5_000);
  await database.close();
});
