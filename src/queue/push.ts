import { grouped } from '../database/group.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Pushed, Told } from './queue.ts';
import { CHANNEL, newRow, type RowIds } from './rows.ts';

/**
 * Stores what is told. One statement stores what is new, which nearly everything is, of all who tell at the same time.
 * What it leaves alone (a known key, a known delivery, the second of two in one batch) goes the long way, `pushKnown`.
 */
export function openPush(
  prisma: PrismaClient,
  ids: RowIds,
  pushKnown: (told: Told[]) => Promise<Pushed[]>,
): (told: Told[]) => Promise<Pushed[]> {
  const storeNew = grouped(async (tellings: Told[][]) => {
    const stored = await insertNew(prisma, tellings.flat(), ids);
    return tellings.map((told) => told.filter((each) => !stored.has(each)));
  });
  return async (told) => {
    const rest = told.length > 0 ? await storeNew(told) : [];
    const later = rest.length > 0 ? await pushKnown(rest) : [];
    const known = new Map(rest.map((each, index) => [each, later[index]!]));
    return told.map((each) => known.get(each) ?? { key: each.event.key, known: false });
  };
}

/** Which of them were new, and are stored now. A row is due from the start of its millisecond: never in the future. */
async function insertNew(prisma: PrismaClient, told: Told[], ids: RowIds): Promise<Set<Told>> {
  const first = firstOfEach(told);
  const rows = first.map((each, place) => ({
    ...newRow(each, place, ids),
    sighting: ids.newId(),
    source: each.source,
    delivery: each.delivery,
  }));
  const wakes = rows.some((row) => row.state === 'pending');
  const stored = await prisma.$queryRaw<{ place: number }[]>`
    WITH told AS MATERIALIZED (
      SELECT *, date_trunc('milliseconds', statement_timestamp()) AS now
      FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS row (
        place int, id text, sighting text, key text, kind text, subject text, payload jsonb, raw text, raw_sha256 text,
        state text, error text, occurred_at timestamptz, source text, delivery text)
    ), stored AS (
      INSERT INTO event (id, key, kind, subject, payload, raw, raw_sha256, state, error, due_at, created_at, done_at,
        occurred_at, hook_at, poll_at)
      SELECT id, key, kind, subject, payload, raw, raw_sha256, state, error, now, now,
        CASE WHEN state = 'done' THEN now END, occurred_at,
        CASE WHEN source = 'hook' THEN now END, CASE WHEN source = 'poll' THEN now END
      FROM told
      WHERE delivery IS NULL OR NOT EXISTS (SELECT 1 FROM sighting s WHERE s.delivery = told.delivery)
      ORDER BY place
      ON CONFLICT (key) DO NOTHING RETURNING id
    ), seen AS (
      INSERT INTO sighting (id, event_id, source, delivery, at)
      SELECT sighting, id, source, delivery, now FROM told WHERE source <> 'own' AND id IN (SELECT id FROM stored)
      ON CONFLICT (delivery) DO NOTHING
    )
    SELECT place, CASE WHEN ${wakes} THEN (SELECT pg_notify(${CHANNEL}, '')::text) END AS woken
    FROM stored JOIN told USING (id)`;
  return new Set(stored.map(({ place }) => first[place]!));
}

/** Two of one key or delivery in one statement cannot see each other. */
function firstOfEach(told: Told[]): Told[] {
  const keys = new Set<string>();
  const deliveries = new Set<string>();
  return told.filter(({ event: { key }, delivery }) => {
    if (keys.has(key) || (delivery !== undefined && deliveries.has(delivery))) return false;
    keys.add(key);
    if (delivery !== undefined) deliveries.add(delivery);
    return true;
  });
}
