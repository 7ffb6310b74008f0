import { branchSubject } from '../core/event.ts';
import type { RunVerdict } from '../core/model.ts';
import { hiddenKeys, type Sight } from '../core/sight.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { Page } from '../site/reader.ts';
import type { BranchState } from '../site/reader-runs.ts';
import { andSeenRuns, seenAmong } from './sight-sql.ts';

/** What became of branches: the default ones of a stack, the failures on them, and the state of a single one. */

const VERDICTS = ['passed', 'failed', 'error'] as const;

/** A branch's newest runs may all be superseded by a flood of pushes: further back nobody looks. */
const LOOKED_BACK = 100;

const named = (repositories: readonly string[]): Prisma.Sql =>
  Prisma.sql`lower(repository.name) IN (${Prisma.join(repositories.map((name) => name.toLowerCase()))})`;

export async function listDefaultBranchRunIds(
  prisma: PrismaClient,
  sight: Sight,
  repositories: readonly string[],
  { before, limit }: Page,
): Promise<string[]> {
  const ids = await newestOfEach(prisma, sight, repositories, { before, limit });
  return ids.slice(0, limit);
}

/** One for each repository that has any. */
export const listNewestVerdictIds = (
  prisma: PrismaClient,
  sight: Sight,
  repositories: readonly string[],
): Promise<string[]> =>
  newestOfEach(prisma, sight, repositories, {
    among: LOOKED_BACK,
    condition: Prisma.sql`run.verdict IN (${Prisma.join(VERDICTS)})`,
    limit: 1,
  });

interface NewestAsked {
  /** Only runs that are older. */
  before?: string;
  /** How many of these are looked at; default all. */
  among?: number;
  condition?: Prisma.Sql;
  /** Of each branch. */
  limit: number;
}

/**
 * Newest first, of the default branches of these repositories. A query for each branch, by its name, and the newest found by
 * the index alone before more is asked of them: a plan made for any branch does not see that a main one has thousands of
 * runs, and reads and sorts them.
 */
async function newestOfEach(
  prisma: PrismaClient,
  sight: Sight,
  repositories: readonly string[],
  { before, among, condition = Prisma.sql`true`, limit }: NewestAsked,
): Promise<string[]> {
  if (repositories.length === 0) return [];
  const branches = await prisma.$queryRaw<{ key: string; branch: string }[]>`
    SELECT key, default_branch AS branch FROM repository WHERE ${named(repositories)} AND default_branch IS NOT NULL`;
  const older = before === undefined ? Prisma.sql`true` : Prisma.sql`id < ${before}`;
  const found = await Promise.all(
    branches.map(
      ({ key, branch }) => prisma.$queryRaw<{ id: string }[]>`
        SELECT run.id FROM (
          SELECT id FROM run WHERE subject = ${branchSubject(key, `refs/heads/${branch}`)} AND ${older}
          ORDER BY id DESC LIMIT ${among ?? null}::bigint
        ) AS newest JOIN run ON run.id = newest.id
        WHERE ${condition} ${andSeenRuns(sight)} ORDER BY run.id DESC LIMIT ${limit}`,
    ),
  );
  const ids = found.flat().map(({ id }) => id);
  return ids.sort().reverse();
}

/**
 * Newest first, of the default branches of all repositories, or of one: each gives as many as a page needs, by its index, and
 * of those the newest are taken. The condition is that of the partial index, word by word.
 */
export async function listFailureIds(
  prisma: PrismaClient,
  sight: Sight,
  repository: string | undefined,
  limit: number,
): Promise<string[]> {
  const of = repository === undefined ? Prisma.sql`true` : named([repository]);
  const rows = await prisma.$queryRaw<{ id: string }[]>`
    SELECT newest.id FROM repository
    CROSS JOIN LATERAL (
      SELECT run.id FROM run
      WHERE run.subject = 'branch:' || repository.key || ':refs/heads/' || repository.default_branch
        AND run.kind = 'commit' AND run.verdict IN ('failed', 'error') ${andSeenRuns(sight)}
      ORDER BY run.id DESC LIMIT ${limit}
    ) AS newest
    WHERE ${of} AND default_branch IS NOT NULL
    ORDER BY newest.id DESC LIMIT ${limit}`;
  return rows.map(({ id }) => id);
}

export async function readBranchState(
  prisma: PrismaClient,
  sight: Sight,
  name: string,
  asked?: string,
): Promise<BranchState | undefined> {
  // Not Prisma's comparison, for which an underscore is any character.
  const [repository] = await prisma.$queryRaw<{ key: string; defaultBranch: string | null }[]>`
    SELECT key, default_branch AS "defaultBranch" FROM repository
    WHERE lower(name) = lower(${name}) AND key <> ALL(${hiddenKeys(sight)}) AND state <> 'removed'
    ORDER BY updated_at DESC LIMIT 1`;
  const branch = asked ?? repository?.defaultBranch;
  if (!repository || !branch) return undefined;
  const found = await prisma.run.findMany({
    where: { subject: branchSubject(repository.key, `refs/heads/${branch}`) },
    orderBy: { id: 'desc' },
    take: LOOKED_BACK,
    select: { id: true, state: true, verdict: true },
  });
  const seen = await seenAmong(
    prisma,
    sight,
    found.map(({ id }) => id),
  );
  const runs = found.filter(({ id }) => seen.has(id));
  if (runs.length === 0) return undefined;
  const newest = runs.find(({ verdict }) => isTold(verdict));
  return {
    branch,
    verdict: newest?.verdict as BranchState['verdict'],
    isRunning: runs[0]!.state !== 'finished',
  };
}

const isTold = (verdict: string | null): verdict is Extract<RunVerdict, 'passed' | 'failed' | 'error'> =>
  VERDICTS.some((word) => word === verdict);
