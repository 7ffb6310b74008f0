import { type Effect, laneOf, targetOf } from '../core/effect.ts';
import { type Event, type NewEvent, subjectOf } from '../core/event.ts';
import { Prisma } from '../generated/prisma/client.ts';
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

/** An event's row as JSON, for `toldTable`. */
export const newRow = (told: Told, place: number, ids: RowIds) => ({
  place,
  id: ids.newId(),
  key: told.event.key,
  kind: told.event.event.kind,
  subject: subjectOf(told.event.event),
  payload: told.event.event,
  raw: told.raw,
  raw_sha256: told.rawSha256,
  state: told.parked === undefined ? (told.done ? 'done' : 'pending') : 'parked',
  error: told.parked,
  occurred_at: told.event.occurredAt,
  source: told.source,
  delivery: told.delivery,
});

/** Rows as the table `told`, from which `INSERT_TOLD` inserts. Its `now` is the start of the statement's millisecond: a
 *  row is never due in the future. `lease` and `sighting` are for those who need them. */
export const toldTable = (rows: (ReturnType<typeof newRow> & { lease?: string; sighting?: string })[]): Prisma.Sql =>
  Prisma.sql`told AS MATERIALIZED (
    SELECT *, date_trunc('milliseconds', statement_timestamp()) AS now
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS row (
      place int, lease text, id text, sighting text, key text, kind text, subject text, payload jsonb, raw text,
      raw_sha256 text, state text, error text, occurred_at timestamptz, source text, delivery text))`;

/** In the order told; a known key is left as it is. */
export const insertTold = (where = Prisma.sql`true`): Prisma.Sql => Prisma.sql`
  INSERT INTO event (id, key, kind, subject, payload, raw, raw_sha256, state, error, due_at, created_at, done_at,
    occurred_at, hook_at, poll_at)
  SELECT id, key, kind, subject, payload, raw, raw_sha256, state, error, now, now,
    CASE WHEN state = 'done' THEN now END, occurred_at,
    CASE WHEN source = 'hook' THEN now END, CASE WHEN source = 'poll' THEN now END
  FROM told WHERE ${where} ORDER BY place
  ON CONFLICT (key) DO NOTHING RETURNING id, key`;

/** Insert events; answers the id of each that was new, by its key. */
export async function insertEvents(client: Client, told: Told[], ids: RowIds): Promise<Map<string, string>> {
  if (told.length === 0) return new Map();
  const rows = told.map((each, place) => newRow(each, place, ids));
  const stored = await client.$queryRaw<{ id: string; key: string }[]>`WITH ${toldTable(rows)} ${insertTold()}`;
  return new Map(stored.map(({ id, key }) => [key, id]));
}

export const ownEvent = (event: NewEvent): Told => ({ event, source: 'own' });

/** An effect that is wanted, `afterMs` from now, as JSON for `wishTable`. */
export const wishRow = ({ effect, afterMs = 0 }: Wish, ids: RowIds) => ({
  id: ids.newId(),
  kind: effect.kind,
  target: targetOf(effect),
  lane: laneOf(effect),
  payload: effect,
  after: afterMs,
});

export interface Wish {
  effect: Effect;
  afterMs?: number;
}

/** Wishes as the table `wish`, in the order in which they were made, from which `insertWishes` inserts. */
export const wishTable = (rows: (ReturnType<typeof wishRow> & { lease?: string })[]): Prisma.Sql =>
  Prisma.sql`wish AS MATERIALIZED (
    SELECT *, statement_timestamp() AS now
    FROM jsonb_to_recordset(${JSON.stringify(rows.map((row, place) => ({ ...row, place })))}::jsonb) AS row (
      place int, lease text, id text, kind text, target text, lane text, payload jsonb, after float8))`;

/**
 * One that is pending already for its kind and target stands for both: its time counts, and the newer payload. Such a
 * row is *locked* by the wish that met it (`DO UPDATE`, not `DO NOTHING`): it cannot be claimed before this transaction
 * commits, or it would read the target's state from before it, and nobody would be left to bring the new one about.
 * Several wishes for one target in one statement come out as if they had been made one after the other. Two statements
 * that wish for the same targets lock them in the same order.
 */
export const insertWishes = (where = Prisma.sql`true`): Prisma.Sql => Prisma.sql`
  INSERT INTO effect (id, kind, target, lane, payload, state, due_at, created_at)
  SELECT DISTINCT ON (kind, target) id, kind, target, lane,
    last_value(payload) OVER (PARTITION BY kind, target ORDER BY place
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING),
    'pending', now + after * interval '1 millisecond', now
  FROM wish WHERE ${where} ORDER BY kind, target, place
  ON CONFLICT (kind, target) WHERE state = 'pending' DO UPDATE
      SET payload = EXCLUDED.payload, due_at = LEAST(effect.due_at, EXCLUDED.due_at)`;

export async function insertEffects(client: Client, wishes: Wish[], ids: RowIds): Promise<void> {
  if (wishes.length === 0) return;
  const rows = wishes.map((wish) => wishRow(wish, ids));
  await client.$executeRaw`WITH ${wishTable(rows)} ${insertWishes()}`;
}

/** Tell idle workers, here and in other instances, once this transaction commits. */
export async function announce(client: Client): Promise<void> {
  await client.$executeRaw`SELECT pg_notify(${CHANNEL}, '')`;
}

/** The same as a column of another statement; it names the table where there is something to do. */
export const announceIf = (condition: boolean | Prisma.Sql, table: 'event' | 'effect'): Prisma.Sql =>
  Prisma.sql`CASE WHEN ${condition} THEN (SELECT pg_notify(${CHANNEL}, ${table})::text) END`;

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
