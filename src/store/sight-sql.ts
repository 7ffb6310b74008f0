import { hiddenKeys, type Sight, seesAll } from '../core/sight.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { andAll } from './conditions.ts';

/** What is hidden from somebody, as conditions. Where nothing is hidden there are none, and queries cost what they did. */

/** Of `run`: it is of no repository that is hidden, and was not tested with one. */
export function seenRuns(sight: Sight): Prisma.Sql[] {
  if (seesAll(sight)) return [];
  const keys = hiddenKeys(sight);
  return [
    Prisma.sql`(run.repository_key <> ALL(${keys}) AND NOT EXISTS (
      SELECT FROM source WHERE source.run_id = run.id AND source.repository_key = ANY(${keys})))`,
  ];
}

export const andSeenRuns = (sight: Sight): Prisma.Sql => andAll(seenRuns(sight));

/** Which of these runs are seen. Not by Prisma's `none`, which gathers every hidden run of the house to ask about one. */
export async function seenAmong(prisma: PrismaClient, sight: Sight, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0 || seesAll(sight)) return new Set(ids);
  const rows = await prisma.$queryRaw<{ id: string }[]>`
    SELECT run.id FROM run WHERE run.id = ANY(${ids}) ${andSeenRuns(sight)}`;
  return new Set(rows.map(({ id }) => id));
}

export const isSeen = async (prisma: PrismaClient, sight: Sight, runId: string): Promise<boolean> =>
  (await seenAmong(prisma, sight, [runId])).has(runId);
