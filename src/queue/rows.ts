import { type Effect, laneOf, targetOf } from '../core/effect.ts';
import { type Event, type NewEvent, subjectOf } from '../core/event.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import type { Claimed, Told } from './queue.ts';

/** The channel on which a commit tells idle workers that there is something to do. */
export const CHANNEL = 'rcb_queue';

type Client = Prisma.TransactionClient;

/** What inserts need from outside: our own ids. Times are the database's. */
export interface RowIds {
  newId(): string;
}

/** The database's clock decides: instances may disagree about the time, rows must not. */
export async function databaseNow(client: Client): Promise<Date> {
  const [row] = await client.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp()::timestamptz(3) AS now`;
  return row!.now;
}

/** Insert events from handlers and effects; a known key is left as it is. */
export async function insertEvents(client: Client, events: NewEvent[], ids: RowIds): Promise<void> {
  if (events.length === 0) return;
  const now = await databaseNow(client);
  await client.event.createMany({
    data: events.map((event) => eventRow({ event, source: 'own' }, ids, now)),
    skipDuplicates: true,
  });
}

export function eventRow(told: Told, ids: RowIds, now: Date): Prisma.EventCreateManyInput {
  const { key, event, occurredAt } = told.event;
  const state = told.parked === undefined ? (told.done ? 'done' : 'pending') : 'parked';
  return {
    id: ids.newId(),
    key,
    kind: event.kind,
    subject: subjectOf(event),
    payload: event as unknown as Prisma.InputJsonValue,
    raw: told.raw,
    rawSha256: told.rawSha256,
    state,
    error: told.parked,
    dueAt: now,
    createdAt: now,
    doneAt: state === 'done' ? now : undefined,
    occurredAt,
    hookAt: told.source === 'hook' ? now : undefined,
    pollAt: told.source === 'poll' ? now : undefined,
  };
}

/** Insert effects, each `afterMs` from now; one that is pending already for its kind and target stands for both.
 *  `ON CONFLICT` on the partial unique index (kind, target) where pending: Prisma's skipDuplicates says just that. */
export async function insertEffects(
  client: Client,
  effects: { effect: Effect; afterMs?: number }[],
  ids: RowIds,
): Promise<void> {
  if (effects.length === 0) return;
  const now = await databaseNow(client);
  await client.effect.createMany({
    data: effects.map(({ effect, afterMs = 0 }) => ({
      id: ids.newId(),
      kind: effect.kind,
      target: targetOf(effect),
      lane: laneOf(effect),
      payload: effect as unknown as Prisma.InputJsonValue,
      state: 'pending',
      dueAt: new Date(now.getTime() + afterMs),
      createdAt: now,
    })),
    skipDuplicates: true,
  });
}

/** Tell idle workers, here and in other instances, once this transaction commits. */
export async function announce(client: Client): Promise<void> {
  await client.$executeRaw`SELECT pg_notify(${CHANNEL}, '')`;
}

export interface ClaimedRow {
  id: string;
  key: string;
  order: string;
  payload: Event | Effect;
  tries: number;
  fence: number;
}

export const claimedOf = <T extends Event | Effect>(table: 'event' | 'effect', row: ClaimedRow): Claimed<T> => ({
  table,
  id: row.id,
  key: row.key,
  order: row.order,
  value: row.payload as T,
  tries: row.tries,
  fence: row.fence,
});
