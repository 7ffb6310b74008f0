import type { KnownFlapper } from '../core/flapper.ts';
import type { Sight } from '../core/sight.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import { whereAll } from './conditions.ts';
import { andSeenRuns, seenRuns } from './sight-sql.ts';

/** Runs that are looked through, newest first, and entries that are told of them. */
const MOST_RUNS = 2_000;
const MOST_ENTRIES = 1_000;

/** The entries that judgements of failures name, the newest version of each: `core/run-flappers.ts`, `RunFlappers`. */
export async function readListed(
  prisma: PrismaClient,
  sight: Sight,
  where: { runId: string } | { since: Date },
): Promise<KnownFlapper[]> {
  const runs =
    'runId' in where
      ? Prisma.sql`SELECT id, flappers FROM run WHERE id = ${where.runId} ${andSeenRuns(sight)}`
      : Prisma.sql`SELECT id, flappers FROM (SELECT id, flappers, created_at FROM run ${whereAll(seenRuns(sight))}
          ORDER BY id DESC LIMIT ${MOST_RUNS}) AS newest WHERE created_at >= ${where.since}`;
  const rows = await prisma.$queryRaw<{ entry: KnownFlapper }[]>`
    SELECT entry FROM (
      SELECT DISTINCT ON (entry->>'name', entry->>'repository', entry->'platforms') run.id, entry
      FROM (${runs}) AS run, jsonb_path_query(run.flappers, '$.judged[*].files[*].**{0 to 1}.entry') AS entry
      WHERE run.flappers IS NOT NULL
      ORDER BY entry->>'name', entry->>'repository', entry->'platforms', run.id DESC) AS named
    ORDER BY id DESC LIMIT ${MOST_ENTRIES}`;
  return rows.map(({ entry }) => entry);
}
