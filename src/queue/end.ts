import type { Effect } from '../core/effect.ts';
import type { Event, NewEvent } from '../core/event.ts';
import { grouped } from '../database/group.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { type Claimed, type Follow, LeaseLost } from './queue.ts';
import {
  announceIf,
  insertTold,
  insertWishes,
  newRow,
  ownEvent,
  type RowIds,
  toldTable,
  wishRow,
  wishTable,
} from './rows.ts';

/**
 * Ends rows together with what follows from them, in one statement for all that end at the same time. Of a row whose
 * lease was lost nothing is stored, and its worker gets LeaseLost; the others of its batch do not notice.
 */
export interface EndedEvent {
  row: Claimed<Event>;
  follow: Follow;
}

export interface EndedEffect {
  row: Claimed<Effect>;
  events: NewEvent[];
  /** Its lane may be used again after this long. */
  spacingMs?: number;
}

export interface Ends {
  event(ended: EndedEvent): Promise<void>;
  effect(ended: EndedEffect): Promise<void>;
}

/** Each end is a commit, which those who end at the same time share. */
export function openEnds(prisma: PrismaClient, ids: RowIds): Ends {
  return {
    event: inGroups((ended) => endEvents(prisma, ended, ids)),
    effect: inGroups((ended) => endEffects(prisma, ended, ids)),
  };
}

/** End an event as the last statement of its handler's transaction: whoever lost the lease rolls everything back. */
export async function endInTransaction(client: Prisma.TransactionClient, ended: EndedEvent, ids: RowIds) {
  const held = await endEvents(client, [ended], ids);
  if (held.size === 0) throw new LeaseLost(ended.row);
}

function inGroups<Ended extends { row: Claimed<Event | Effect> }>(
  end: (ended: Ended[]) => Promise<Set<string>>,
): (ended: Ended) => Promise<void> {
  const endTogether = grouped(async (ended: Ended[]) => {
    const held = await end(ended);
    return ended.map(({ row }) => held.has(leaseOf(row)));
  });
  return async (ended) => {
    if (!(await endTogether(ended))) throw new LeaseLost(ended.row);
  };
}

/** A worker may end a row twice: with the lease that it lost, and with the one that it got later. */
const leaseOf = ({ id, fence }: Claimed<unknown>): string => `${id}:${fence}`;

const IS_HELD = Prisma.sql`lease IN (SELECT lease FROM ended)`;

/** Answers the leases that were still held. */
async function endEvents(client: Prisma.TransactionClient, ended: EndedEvent[], ids: RowIds): Promise<Set<string>> {
  const leases = ended.map(({ row: { id, fence } }) => ({ id, fence }));
  const told = toldRows(
    ended.map(({ row, follow }) => ({
      row,
      events: follow.events.map((event, at) => ({ key: `${row.id}:${at}`, event })),
    })),
    ids,
  );
  const wishes = ended.flatMap(({ row, follow }) =>
    follow.effects.map(({ afterMs, ...effect }) => ({
      ...wishRow({ effect: effect as Effect, afterMs }, ids),
      lease: leaseOf(row),
    })),
  );
  const held = await client.$queryRaw<{ lease: string }[]>`
    WITH ended AS (
      UPDATE event SET state = 'done', done_at = clock_timestamp(), lease_until = NULL, retry_at = NULL, error = NULL
      FROM jsonb_to_recordset(${JSON.stringify(leases)}::jsonb) AS own (id text, fence int)
      WHERE event.id = own.id AND event.fence = own.fence AND event.state = 'running'
      RETURNING event.id || ':' || event.fence AS lease
    ), ${toldTable(told)}, stored AS (${insertTold(IS_HELD)}), ${wishTable(wishes)}, wished AS (${insertWishes(IS_HELD)})
    SELECT lease, ${announceIf(told.length > 0, 'event')} AS events, ${announceIf(wishes.length > 0, 'effect')} AS effects
    FROM ended`;
  return new Set(held.map(({ lease }) => lease));
}

async function endEffects(client: Prisma.TransactionClient, ended: EndedEffect[], ids: RowIds): Promise<Set<string>> {
  const leases = ended.map(({ row: { id, fence }, spacingMs = 0 }) => ({ id, fence, spacing: spacingMs }));
  const told = toldRows(ended, ids);
  const held = await client.$queryRaw<{ lease: string }[]>`
    WITH ended AS (
      UPDATE effect SET state = 'done', done_at = clock_timestamp(), lease_until = NULL, error = NULL
      FROM jsonb_to_recordset(${JSON.stringify(leases)}::jsonb) AS own (id text, fence int, spacing float8)
      WHERE effect.id = own.id AND effect.fence = own.fence AND effect.state = 'running'
      RETURNING effect.id || ':' || effect.fence AS lease, effect.lane, own.spacing
    ), ${toldTable(told)}, stored AS (${insertTold(IS_HELD)}), rested AS (
      INSERT INTO lane (name, not_before_at, why)
      SELECT lane, clock_timestamp() + spacing * interval '1 millisecond', 'spacing' FROM ended
      WHERE spacing > 0 ORDER BY lane
      ON CONFLICT (name) DO UPDATE SET not_before_at = EXCLUDED.not_before_at, why = EXCLUDED.why
      WHERE lane.not_before_at < EXCLUDED.not_before_at
    )
    SELECT lease, ${announceIf(told.length > 0, 'event')} AS events, ${announceIf(LANE_GOES_ON, 'effect')} AS effects
    FROM ended`;
  return new Set(held.map(({ lease }) => lease));
}

/** The worker that ends a row looks for the next by itself; where it is busy otherwise, another one may. */
const LANE_GOES_ON = Prisma.sql`
  EXISTS (SELECT 1 FROM ended e JOIN effect next ON next.lane = e.lane AND next.state = 'pending' WHERE e.spacing = 0)`;

function toldRows(ended: { row: Claimed<unknown>; events: NewEvent[] }[], ids: RowIds) {
  const told = ended.flatMap(({ row, events }) => events.map((event) => ({ event, lease: leaseOf(row) })));
  return told.map(({ event, lease }, place) => ({ ...newRow(ownEvent(event), place, ids), lease }));
}
