import { grouped } from '../database/group.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { Pushed, Told } from './queue.ts';
import { announceIf, insertTold, newRow, type RowIds, toldTable } from './rows.ts';

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

/** Which of them were new, and are stored now. */
async function insertNew(prisma: PrismaClient, told: Told[], ids: RowIds): Promise<Set<Told>> {
  const first = firstOfEach(told);
  const rows = first.map((each, place) => ({ ...newRow(each, place, ids), sighting: ids.newId() }));
  const wakes = rows.some((row) => row.state === 'pending');
  const stored = await prisma.$queryRaw<{ place: number }[]>`
    WITH ${toldTable(rows)}, stored AS (${insertTold(DELIVERY_IS_NEW)}), seen AS (
      INSERT INTO sighting (id, event_id, source, delivery, at)
      SELECT sighting, id, source, delivery, now FROM told WHERE source <> 'own' AND id IN (SELECT id FROM stored)
      ON CONFLICT (delivery) DO NOTHING
    )
    SELECT place, ${announceIf(wakes, 'event')} AS woken FROM stored JOIN told USING (id)`;
  return new Set(stored.map(({ place }) => first[place]!));
}

const DELIVERY_IS_NEW = Prisma.sql`
  delivery IS NULL OR NOT EXISTS (SELECT 1 FROM sighting s WHERE s.delivery = told.delivery)`;

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
