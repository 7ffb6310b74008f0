import type { Sight } from '../core/sight.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { Page, RunFilter } from '../site/reader.ts';
import type { RunChange } from '../site/reader-runs.ts';
import { whereAll } from './conditions.ts';
import { seenRuns } from './sight-sql.ts';

/**
 * Which runs a list shows. Every condition has an index that also gives the order (migration runs_list); words and the
 * start of a sha are looked up in two indexes at once.
 */
export async function listRunIds(prisma: PrismaClient, sight: Sight, filter: RunFilter, page: Page): Promise<string[]> {
  const before = page.before === undefined ? [] : [Prisma.sql`run.id < ${page.before}`];
  const where = whereAll([...before, ...conditionsOf(filter), ...seenRuns(sight)]);
  const rows = await prisma.$queryRaw<{ id: string }[]>`
    SELECT run.id FROM run ${where} ORDER BY run.id DESC LIMIT ${page.limit}`;
  return rows.map(({ id }) => id);
}

function conditionsOf(filter: RunFilter): Prisma.Sql[] {
  const { repository, number, sha, state, verdict, ref, author, backend, text } = filter;
  return [
    repository !== undefined && Prisma.sql`run.repository = ${repository}`,
    number !== undefined && Prisma.sql`run.number = ${number}`,
    sha !== undefined && shaIs(sha),
    state !== undefined && Prisma.sql`run.state = ${state}`,
    verdict !== undefined && Prisma.sql`run.verdict = ${verdict}`,
    ref !== undefined && Prisma.sql`run.ref IN (${Prisma.join(refForms(ref))})`,
    author !== undefined && Prisma.sql`lower(run.author_login) = lower(${author})`,
    backend !== undefined &&
      Prisma.sql`EXISTS (SELECT FROM build WHERE build.backend = ${backend} AND build.run_id = run.id)`,
    text !== undefined && hasWords(text),
  ].filter((condition) => condition !== false);
}

/** A whole sha, or the start of one; as a range, because an index serves that under any collation. */
const shaIs = (sha: string): Prisma.Sql =>
  sha.length >= 40 ? Prisma.sql`run.sha = ${sha}` : Prisma.sql`(run.sha >= ${sha} AND run.sha < ${`${sha}g`})`;

/** A commit's ref is stored in full, a pull request's is short; people write either. */
const refForms = (ref: string): string[] => (ref.startsWith('refs/') ? [ref] : [ref, `refs/heads/${ref}`]);

const LOOKS_LIKE_SHA = /^[0-9a-f]{4,64}$/;

function hasWords(text: string): Prisma.Sql {
  const words = Prisma.sql`run_words(run.title, run.ref, run.author_login, run.number) @@ search_query(${text})`;
  const sha = text.trim().toLowerCase();
  return LOOKS_LIKE_SHA.test(sha) ? Prisma.sql`(${words} OR ${shaIs(sha)})` : words;
}

/** The back-ends that ever had a build: from one to the next in the index, not through all builds. */
export async function listBackendNames(prisma: PrismaClient): Promise<string[]> {
  const rows = await prisma.$queryRaw<{ backend: string }[]>`
    WITH RECURSIVE known(backend) AS (
      SELECT min(backend) FROM build
      UNION ALL SELECT (SELECT min(build.backend) FROM build WHERE build.backend > known.backend)
      FROM known WHERE known.backend IS NOT NULL
    ) SELECT backend FROM known WHERE backend IS NOT NULL LIMIT 100`;
  return rows.map(({ backend }) => backend);
}

export async function countJobsOf(
  prisma: PrismaClient,
  runIds: string[],
): Promise<Map<string, Record<string, number>>> {
  if (runIds.length === 0) return new Map();
  const rows = await prisma.$queryRaw<{ run: string; jobs: Record<string, number> }[]>`
    SELECT run_id AS run, jsonb_object_agg(word, jobs) AS jobs FROM (
      SELECT build.run_id, COALESCE(job.verdict, job.state) AS word, count(*)::int AS jobs
      FROM build JOIN job ON job.build_id = build.id
      WHERE build.run_id = ANY(${runIds}) GROUP BY 1, 2
    ) AS counted GROUP BY run_id`;
  return new Map(rows.map(({ run, jobs }) => [run, jobs]));
}

/** Not `max()` of Prisma's: that reads the whole table. */
export async function readLastChange(prisma: PrismaClient): Promise<Date | undefined> {
  const last = await prisma.run.findFirst({ orderBy: { changedAt: 'desc' }, select: { changedAt: true } });
  return last?.changedAt;
}

export const listChanges = (
  prisma: PrismaClient,
  sight: Sight,
  since: Date,
  limit: number,
): Promise<RunChange[]> => prisma.$queryRaw`
  SELECT run.id, run.changed_at AS "changedAt" FROM run
  ${whereAll([Prisma.sql`run.changed_at > ${since}`, ...seenRuns(sight)])}
  ORDER BY run.changed_at LIMIT ${limit}`;
