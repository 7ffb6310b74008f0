import type { Effect } from '../core/effect.ts';
import { type Event, type PollSource, tickSubject } from '../core/event.ts';
import { isUniqueViolation } from '../database/database.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { Store } from '../store/store.ts';
import { claimEffectRows, claimEventRows } from './claim.ts';
import { type Ends, endInTransaction, openEnds } from './end.ts';
import { lazyTransaction } from './lazy.ts';
import { deliveries, facts } from './ledger.ts';
import { openPush } from './push.ts';
import {
  type Claimed,
  type Completion,
  type Cursor,
  type Failure,
  type Follow,
  LeaseLost,
  type Pushed,
  type Queue,
  type Told,
} from './queue.ts';
import { announce, type ClaimedRow, claimedOf, databaseNow, insertEvents, ownEvent, type RowIds } from './rows.ts';

type Client = Prisma.TransactionClient;

const MOST_CONFLICTS = 10;
/** A row that is due but locked by somebody else must not make an idle worker ask all the time. */
const SOONEST_MS = 20;

/** What the queue needs from outside: our own ids, and how a store is bound to a transaction. */
export interface QueueOptions extends RowIds {
  storeOn(client: Prisma.TransactionClient): Store;
}

/** The queue in the tables `event`, `sighting`, `effect` and `lane`. */
export function openQueue(prisma: PrismaClient, options: QueueOptions): Queue {
  const ids: RowIds = options;
  const ends = openEnds(prisma, ids);
  return {
    push: openPush(prisma, ids, (told) => pushKnown(prisma, told, ids)),
    tick: (source, everyMs) => prisma.$transaction((client) => tick(client, source, everyMs, ids)),
    facts: (keys) => facts(prisma, keys),
    deliveries: (ids) => deliveries(prisma, ids),
    claimEvents: (claim) => claimed<Event>('event', () => claimEventRows(prisma, claim)),
    claimEffects: (claim) => claimed<Effect>('effect', () => claimEffectRows(prisma, claim)),
    handle: (row, work) => handle(prisma, row, work, options, ends),
    renew: (rows, leaseMs) => renew(prisma, rows, leaseMs),
    fail: (row, failure) => againOnConflict(() => prisma.$transaction((client) => fail(client, row, failure, ids))),
    completeEffect: (row, completion) =>
      isPlain(completion)
        ? ends.effect({ row, ...completion })
        : againOnConflict(() => prisma.$transaction((client) => complete(client, row, completion, ids))),
    restLane: (lane, forMs, why) => restLane(prisma, lane, forMs, why),
    restart: (id) => restart(prisma, id),
    untilNext: (mostMs) => untilNext(prisma, mostMs),
  };
}

/** An event whose handler wrote nothing ends together with others; else its end is the last of its transaction. */
async function handle(
  prisma: PrismaClient,
  row: Claimed<Event>,
  work: (store: Store) => Promise<Follow>,
  options: QueueOptions,
  ends: Ends,
): Promise<void> {
  const transaction = lazyTransaction(prisma, options.storeOn);
  let follow: Follow;
  try {
    follow = await work(transaction.store);
  } catch (error) {
    await transaction.rollback(error);
    throw error;
  }
  if (transaction.isOpen()) await transaction.commit((client) => endInTransaction(client, { row, follow }, options));
  else await ends.event({ row, follow });
}

/** The long way, for what may be known: look, and add a sighting. */
async function pushKnown(prisma: PrismaClient, told: Told[], ids: RowIds): Promise<Pushed[]> {
  return prisma.$transaction(async (client) => {
    const now = await databaseNow(client);
    const pushed: Pushed[] = [];
    for (const each of told) pushed.push(await pushOne(client, each, ids, now));
    if (pushed.some((each) => !each.known)) await announce(client);
    return pushed;
  });
}

/** Ticks that are kept of each source: enough to see in the database that its clock goes. */
const TICKS_KEPT = 5;

async function tick(client: Client, source: PollSource, everyMs: number, ids: RowIds): Promise<void> {
  const now = await databaseNow(client);
  // The nearest start: an instance whose clock is a little ahead of the database's does not tell the interval before.
  const at = new Date(Math.round(now.getTime() / everyMs) * everyMs);
  const event: Event = { kind: 'tick', source, at: at.toISOString(), everyMs };
  const key = `tick:${source}:${at.getTime() / 1_000}`;
  const stored = await insertEvents(client, [ownEvent({ key, event })], ids);
  if (stored.size === 0) return;
  const old = new Date(now.getTime() - TICKS_KEPT * everyMs);
  await client.event.deleteMany({ where: { subject: tickSubject(source), createdAt: { lt: old }, state: 'done' } });
  await announce(client);
}

async function pushOne(client: Client, told: Told, ids: RowIds, now: Date): Promise<Pushed> {
  const { key } = told.event;
  if (told.delivery !== undefined) {
    const seen = await client.sighting.findUnique({ where: { delivery: told.delivery }, select: { id: true } });
    if (seen) return { key, known: true };
  }
  const id = (await insertEvents(client, [told], ids)).get(key);
  const known = id === undefined;
  const event = known ? await client.event.findUniqueOrThrow({ where: { key } }) : { id, hookAt: now, pollAt: now };
  if (told.source !== 'own') {
    await client.sighting.createMany({
      data: [{ id: ids.newId(), eventId: event.id, source: told.source, delivery: told.delivery, at: now }],
      skipDuplicates: true,
    });
    if (told.source === 'hook' && !event.hookAt) await client.event.update({ where: { key }, data: { hookAt: now } });
    if (told.source === 'poll' && !event.pollAt) await client.event.update({ where: { key }, data: { pollAt: now } });
  }
  return { key, known };
}

/** Two claims that do not see each other can both want one subject: the partial unique index on running rows lets one
 *  win, and the loser looks again, because the other subjects that it wanted are still there. */
async function claimed<T extends Event | Effect>(
  table: 'event' | 'effect',
  claim: () => Promise<ClaimedRow[]>,
): Promise<Claimed<T>[]> {
  return (await againOnConflict(claim)).map((row) => claimedOf<T>(table, row));
}

/** Do it again when another transaction took the key that this one wanted between its look and its write. */
async function againOnConflict<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isUniqueViolation(error) || tries === MOST_CONFLICTS) throw error;
    }
  }
}

/** A row that somebody holds locked, most likely its own end, is not waited for: it is still leased, for a while. */
async function renew(prisma: PrismaClient, rows: Claimed<Event | Effect>[], leaseMs: number): Promise<Set<string>> {
  const leases = rows.map(({ table, id, fence }) => ({ table, id, fence }));
  const held = await prisma.$queryRaw<{ id: string }[]>`
    WITH lease AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(leases)}::jsonb) AS own ("table" text, id text, fence int)
    ), event_free AS (
      SELECT e.id FROM event e JOIN lease USING (id, fence) WHERE "table" = 'event' AND state = 'running'
      FOR UPDATE OF e SKIP LOCKED
    ), effect_free AS (
      SELECT e.id FROM effect e JOIN lease USING (id, fence) WHERE "table" = 'effect' AND state = 'running'
      FOR UPDATE OF e SKIP LOCKED
    ), events AS (
      UPDATE event SET lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
      WHERE id IN (SELECT id FROM event_free)
    ), effects AS (
      UPDATE effect SET lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
      WHERE id IN (SELECT id FROM effect_free)
    )
    SELECT e.id FROM event e JOIN lease USING (id, fence) WHERE "table" = 'event' AND state = 'running'
    UNION ALL SELECT e.id FROM effect e JOIN lease USING (id, fence) WHERE "table" = 'effect' AND state = 'running'`;
  return new Set(held.map(({ id }) => id));
}

async function fail(client: Client, row: Claimed<Event | Effect>, failure: Failure, ids: RowIds): Promise<void> {
  const now = await databaseNow(client);
  const nextAt = failure.afterMs === undefined ? undefined : new Date(now.getTime() + failure.afterMs);
  const where = { id: row.id, fence: row.fence, state: 'running' };
  const tries = failure.uncounted ? row.tries - 1 : row.tries;
  const data = { state: nextAt ? 'pending' : 'parked', error: failure.error, leaseUntil: null, tries };
  const { count } =
    row.table === 'event'
      ? await client.event.updateMany({ where, data: { ...data, retryAt: nextAt ?? null } })
      : nextAt
        ? await putBack(client, row as Claimed<Effect>, { tries, error: failure.error, dueAt: nextAt })
        : await client.effect.updateMany({ where, data });
  if (count !== 1) throw new LeaseLost(row);
  await insertEvents(client, (failure.events ?? []).map(ownEvent), ids);
  await announce(client);
}

/** Put an effect back as pending. While it ran, a newer wish for the same target may have been stored: that one stands
 *  for both, waits as long as this one would have, and this row is done. */
async function putBack(
  client: Client,
  row: Claimed<Effect>,
  next: { tries: number; error: string | null; dueAt: Date },
): Promise<{ count: number }> {
  const where = { id: row.id, fence: row.fence, state: 'running' };
  const newer = await client.effect.findFirst({ where: { kind: row.value.kind, target: row.key, state: 'pending' } });
  if (!newer) return client.effect.updateMany({ where, data: { ...next, state: 'pending', leaseUntil: null } });
  if (next.error !== null) {
    const dueAt = new Date(Math.max(next.dueAt.getTime(), newer.dueAt.getTime()));
    await client.effect.update({ where: { id: newer.id }, data: { ...next, dueAt } });
  }
  return client.effect.updateMany({ where, data: { state: 'done', leaseUntil: null, error: next.error } });
}

/** It ends, and tells what came of it; most do. */
const isPlain = ({ told, cursors, forget, againMs }: Completion): boolean =>
  !told?.length && !cursors?.length && !forget && againMs === undefined;

async function complete(client: Client, row: Claimed<Effect>, completion: Completion, ids: RowIds): Promise<void> {
  const now = await databaseNow(client);
  const { count } =
    completion.againMs === undefined
      ? await client.effect.updateMany({
          where: { id: row.id, fence: row.fence, state: 'running' },
          data: { state: 'done', doneAt: now, leaseUntil: null, error: null },
        })
      : await putBack(client, row, { tries: 0, error: null, dueAt: new Date(now.getTime() + completion.againMs) });
  if (count !== 1) throw new LeaseLost(row);
  if (completion.forget) await client.effect.deleteMany({ where: { id: row.id, state: 'done' } });
  for (const told of completion.told ?? []) await pushOne(client, told, ids, now);
  for (const cursor of completion.cursors ?? []) await moveCursor(client, cursor, now);
  await insertEvents(client, completion.events.map(ownEvent), ids);
  if (completion.spacingMs) await restLane(client, row.order, completion.spacingMs, 'spacing');
  await announce(client);
}

async function moveCursor(client: Client, { name, value }: Cursor, movedAt: Date): Promise<void> {
  const data = { value: value as Prisma.InputJsonObject, movedAt };
  await client.cursor.upsert({ where: { name }, create: { name, ...data }, update: data });
}

/** A rest is only ever lengthened: a spacing of a second must not end a rest of a minute. */
async function restLane(client: Client | PrismaClient, lane: string, forMs: number, why: string): Promise<void> {
  await client.$executeRaw`
    INSERT INTO lane (name, not_before_at, why)
    VALUES (${lane}, clock_timestamp() + ${forMs} * interval '1 millisecond', ${why})
    ON CONFLICT (name) DO UPDATE SET not_before_at = EXCLUDED.not_before_at, why = EXCLUDED.why
    WHERE lane.not_before_at < EXCLUDED.not_before_at`;
}

async function restart(prisma: PrismaClient, id: string): Promise<boolean> {
  return prisma.$transaction(async (client) => {
    const now = await databaseNow(client);
    const events = await client.event.updateMany({
      where: { OR: [{ id }, { key: id }], state: 'parked' },
      data: { state: 'pending', tries: 0, retryAt: null, error: null },
    });
    const effects = await client.effect.updateMany({
      where: { id, state: 'parked' },
      data: { state: 'pending', tries: 0, dueAt: now, error: null },
    });
    if (events.count + effects.count > 0) await announce(client);
    return events.count + effects.count > 0;
  });
}

async function untilNext(prisma: PrismaClient, mostMs: number): Promise<number> {
  const [row] = await prisma.$queryRaw<{ ms: number | null }[]>`
    SELECT (EXTRACT(EPOCH FROM min(at) - clock_timestamp()) * 1000)::float8 AS ms FROM (
      SELECT min(due_at) AS at FROM event WHERE state = 'pending' AND due_at > now()
      UNION ALL SELECT min(retry_at) FROM event WHERE state = 'pending' AND retry_at > now()
      UNION ALL SELECT min(lease_until) FROM event WHERE state = 'running'
      UNION ALL SELECT min(due_at) FROM effect WHERE state = 'pending' AND due_at > now()
      UNION ALL SELECT min(GREATEST(e.lease_until, l.not_before_at)) FROM effect e
        LEFT JOIN lane l ON l.name = e.lane WHERE e.state = 'running'
      UNION ALL SELECT min(l.not_before_at) FROM lane l WHERE l.not_before_at > now()
        AND EXISTS (SELECT 1 FROM effect e WHERE e.lane = l.name AND e.state = 'pending')
    ) AS soonest`;
  return Math.min(mostMs, Math.max(SOONEST_MS, row?.ms ?? mostMs));
}
