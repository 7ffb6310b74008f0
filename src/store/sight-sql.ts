import { hiddenKeys, type Sight, seesAll } from '../core/sight.ts';
import { Prisma } from '../generated/prisma/client.ts';

/** What is hidden from somebody, as conditions. Where nothing is hidden there are none, and queries cost what they did. */

/** Of `run`: it is of no repository that is hidden, and was not tested with one. */
export const seenRuns = (sight: Sight): Prisma.Sql[] => {
  if (seesAll(sight)) return [];
  const keys = hiddenKeys(sight);
  return [
    Prisma.sql`(run.repository_key <> ALL(${keys}) AND NOT EXISTS (
      SELECT FROM source WHERE source.run_id = run.id AND source.repository_key = ANY(${keys})))`,
  ];
};

export const andSeenRuns = (sight: Sight): Prisma.Sql =>
  seesAll(sight) ? Prisma.empty : Prisma.sql`AND ${seenRuns(sight)[0]!}`;

/** The same for Prisma's own queries. */
export function whereSeen(sight: Sight): Prisma.RunWhereInput {
  if (seesAll(sight)) return {};
  const keys = hiddenKeys(sight);
  return { repositoryKey: { notIn: keys }, sources: { none: { repositoryKey: { in: keys } } } };
}
