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

/** An event's row as JSON, for `jsonb_to_recordset`: times are the statement's. */
export const newRow = (told: Told, place: number, ids: RowIds) => ({
  place,
  id: ids.newId(),
  key: told.event.key,
  kind: told.event.event.kind,
  subject: subjectOf(told.event.event),
  payload: told.event.event,
  raw: told.raw,
  raw_sha256: told.rawSha256,
  state: stateOf(told),
  error: told.parked,
  occurred_at: told.event.occurredAt,
});

const stateOf = (told: Pick<Told, 'parked' | 'done'>): 'pending' | 'done' | 'parked' =>
  told.parked === undefined ? (told.done ? 'done' : 'pending') : 'parked';

export function eventRow(told: Told, ids: RowIds, now: Date): Prisma.EventCreateManyInput {
  const { key, event, occurredAt } = told.event;
  const state = stateOf(told);
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

/**
 * Insert effects, each `afterMs` from now; one that is pending already for its kind and target stands for both. Such a
 * row is *locked* by the wish that met it (`DO UPDATE`, not `DO NOTHING`): it cannot be claimed before this transaction
 * commits, or it would read the target's state from before it, and nobody would be left to bring the new one about.
 */
export async function insertEffects(
  client: Client,
  effects: { effect: Effect; afterMs?: number }[],
  ids: RowIds,
): Promise<void> {
  if (effects.length === 0) return;
  const wishes = new Map<string, object>();
  for (const { effect, afterMs = 0 } of effects) {
    const target = targetOf(effect);
    const name = `${effect.kind} ${target}`;
    const row = { id: ids.newId(), kind: effect.kind, target, lane: laneOf(effect), payload: effect, after: afterMs };
    if (!wishes.has(name)) wishes.set(name, row);
  }
  // Two transactions that wish for the same targets lock them in the same order.
  await client.$executeRaw`
    INSERT INTO effect (id, kind, target, lane, payload, state, due_at, created_at)
    SELECT id, kind, target, lane, payload, 'pending',
      statement_timestamp() + after * interval '1 millisecond', statement_timestamp()
    FROM jsonb_to_recordset(${JSON.stringify([...wishes.values()])}::jsonb)
      AS wish (id text, kind text, target text, lane text, payload jsonb, after float8)
    ORDER BY kind, target
    ON CONFLICT (kind, target) WHERE state = 'pending' DO UPDATE SET payload = EXCLUDED.payload`;
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
