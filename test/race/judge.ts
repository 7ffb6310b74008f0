/** What must be true after the race, asked of the database. Each answers the number of offences. */
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { SPACING_MS } from './plan.ts';

type Count = { n: bigint }[];

export interface Offences {
  'events lost': number;
  'events doubled': number;
  'events out of order': number;
  'events of one subject at a time': number;
  'events that follow lost or doubled': number;
  'effects lost': number;
  'effects of one lane at a time': number;
  'effects too close in a spaced lane': number;
  'outcomes lost or doubled': number;
  'wishes that were never brought about': number;
  'pending effects that were not one': number;
  deadlocks: number;
}

export async function judge(prisma: PrismaClient, expected: { events: number; targets: number }): Promise<Offences> {
  const count = async (rows: Promise<Count>) => Number((await rows)[0]!.n);
  const handled = await count(prisma.$queryRaw<Count>`
    SELECT count(DISTINCT key) AS n FROM race_handled WHERE key LIKE 'race:%'`);
  const performed = await count(prisma.$queryRaw<Count>`
    SELECT count(DISTINCT target) AS n FROM race_performed WHERE ended_at IS NOT NULL`);
  return {
    'events lost': expected.events - handled,
    'events doubled': await count(prisma.$queryRaw<Count>`
      SELECT count(*) - count(DISTINCT key) AS n FROM race_handled`),
    'events out of order': await count(outOfOrder(prisma)),
    'events of one subject at a time': await count(prisma.$queryRaw<Count>`
      SELECT count(*) AS n FROM (SELECT started_at, max(ended_at) OVER (PARTITION BY subject ORDER BY started_at, ended_at
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM race_handled) AS each
      WHERE started_at < before`),
    'events that follow lost or doubled': await count(prisma.$queryRaw<Count>`
      SELECT count(*) AS n FROM race_handled h
      WHERE h.key ~ '^race:.*[369]$' AND (SELECT count(*) FROM race_handled f WHERE f.key = h.id || ':0') <> 1`),
    'effects lost': expected.targets - performed,
    'effects of one lane at a time': await count(lanesOverlap(prisma)),
    'effects too close in a spaced lane': await count(tooClose(prisma)),
    'outcomes lost or doubled': await count(prisma.$queryRaw<Count>`
      SELECT count(*) AS n FROM (
        SELECT e.id, e.error, count(h.key) AS told FROM effect e
        LEFT JOIN race_handled h ON h.key LIKE 'outcome:%' AND split_part(h.key, ':', 2) = e.id
        GROUP BY e.id, e.error) AS each
      -- One that failed while a newer wish for its target waited has no outcome of its own: that wish stands for both.
      WHERE told > 1 OR (told = 0 AND error IS NULL)`),
    'wishes that were never brought about': await count(prisma.$queryRaw<Count>`
      SELECT count(*) AS n FROM race_wish w
      WHERE NOT EXISTS (SELECT 1 FROM race_performed p
                        WHERE p.target = w.target AND p.version = w.version AND p.ended_at IS NOT NULL)`),
    'pending effects that were not one': await count(prisma.$queryRaw<Count>`
      SELECT count(*) AS n FROM race_wish w
      WHERE NOT together AND (SELECT count(*) FROM effect e WHERE e.target = w.target) > w.version
         OR together AND (SELECT count(*) FROM effect e WHERE e.target = w.target) <> 1`),
    deadlocks: await count(prisma.$queryRaw<Count>`
      SELECT deadlocks AS n FROM pg_stat_database WHERE datname = current_database()`),
  };
}

/** In order is by (due_at, seq): as they came, or as they became due. A row whose transaction committed after a later
 *  one was first claimed could not be known to the claim; what was parked and started again has left the order. */
const outOfOrder = (prisma: PrismaClient) => prisma.$queryRaw<Count>`
  WITH handled AS (
    SELECT h.id, h.subject, h.started_at, e.due_at, e.seq, t.at AS told_at,
      (SELECT min(at) FROM race_claimed c WHERE c.id = h.id) AS claimed_at
    FROM race_handled h JOIN event e ON e.id = h.id JOIN race_told t ON t.key = h.key
    WHERE NOT EXISTS (SELECT 1 FROM race_parked p WHERE p.id = h.id))
  SELECT count(*) AS n FROM handled late JOIN handled early USING (subject)
  WHERE (late.due_at, late.seq) < (early.due_at, early.seq)
    AND late.started_at > early.started_at AND late.told_at < early.claimed_at`;

/** The end of one that was killed, or that failed, is not known: it counts as a moment. */
const lanesOverlap = (prisma: PrismaClient) => prisma.$queryRaw<Count>`
  SELECT count(*) AS n FROM (
    SELECT started_at, max(COALESCE(ended_at, started_at)) OVER (PARTITION BY lane ORDER BY started_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM race_performed) AS each
  WHERE started_at < before`;

/** After each that was completed; one that ended and was killed before it could say so is performed again. */
const tooClose = (prisma: PrismaClient) => prisma.$queryRaw<Count>`
  SELECT count(*) AS n FROM (
    SELECT p.lane, p.started_at, lag(p.ended_at) OVER w AS before, lag(p.fence = e.fence) OVER w AS completed
    FROM race_performed p JOIN effect e ON e.id = p.id
    WINDOW w AS (PARTITION BY p.lane ORDER BY p.started_at)) AS each
  WHERE right(lane, 1) IN ('0', '5') AND completed AND started_at < before + ${SPACING_MS} * interval '1 millisecond'`;
