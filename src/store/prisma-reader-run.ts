import type { RunState, RunVerdict, Trigger } from '../core/model.ts';
import type { Sight } from '../core/sight.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { RunRow } from '../site/reader.ts';
import type { JobMedian, NeighbourRun, Neighbours, RunPageReader } from '../site/reader-run.ts';
import { seenAmong } from './sight-sql.ts';

export const runPageReader = (prisma: PrismaClient, sight: Sight): RunPageReader => ({
  medians: (run) => readMedians(prisma, run),
  neighbours: (run) => readNeighbours(prisma, sight, run),
});

/** Of so many runs durations are taken: enough for a median, and few enough for a page. */
const RUNS_TIMED = 40;
const MOST_ATTEMPTS = 20_000;

/** Attempts that passed, in the runs just before; the index of (repository, id) leads to these. */
async function readMedians(
  prisma: PrismaClient,
  { id, repository }: Pick<RunRow, 'id' | 'repository'>,
): Promise<Map<string, JobMedian>> {
  const found = await prisma.$queryRaw<{ name: string; seconds: number; attempts: bigint }[]>`
    SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)::float8 AS seconds, count(*) AS attempts
    FROM (
      SELECT job.name, EXTRACT(EPOCH FROM attempt.finished_at - attempt.started_at) AS seconds
      FROM (
        SELECT id FROM run WHERE repository = ${repository} AND id < ${id} AND state = 'finished'
        ORDER BY id DESC LIMIT ${RUNS_TIMED}
      ) AS recent
      JOIN build ON build.run_id = recent.id
      JOIN job ON job.build_id = build.id
      JOIN attempt ON attempt.job_id = job.id
      WHERE attempt.verdict = 'passed' AND attempt.finished_at >= attempt.started_at
      LIMIT ${MOST_ATTEMPTS}
    ) AS timed
    GROUP BY name`;
  return new Map(found.map(({ name, seconds, attempts }) => [name, { ms: seconds * 1000, of: Number(attempts) }]));
}

const MOST_OF_COMMIT = 5;
/** A commit that was tested more often than that is found at its newest runs only. */
const MOST_READ = 50;

async function readNeighbours(
  prisma: PrismaClient,
  sight: Sight,
  { id, subject, sha }: Pick<RunRow, 'id' | 'subject' | 'sha'>,
): Promise<Neighbours> {
  const [earlier, later, sameCommit] = await Promise.all([
    prisma.run.findFirst({ where: { subject, id: { lt: id } }, orderBy: { id: 'desc' }, select: NEIGHBOUR }),
    prisma.run.findFirst({ where: { subject, id: { gt: id } }, orderBy: { id: 'asc' }, select: NEIGHBOUR }),
    prisma.run.findMany({
      where: { sha, subject: { not: subject } },
      orderBy: { id: 'desc' },
      take: MOST_READ,
      select: { ...NEIGHBOUR, subject: true },
    }),
  ]);
  const beside = [earlier, later].filter((run) => run !== null);
  const seen = await seenAmong(
    prisma,
    sight,
    [...beside, ...sameCommit].map((run) => run.id),
  );
  return {
    earlier: earlier && seen.has(earlier.id) ? neighbour(earlier) : undefined,
    later: later && seen.has(later.id) ? neighbour(later) : undefined,
    // A commit may be in a private repository, too.
    sameCommit: newestOfEach(sameCommit.filter((run) => seen.has(run.id)))
      .slice(0, MOST_OF_COMMIT)
      .map(neighbour),
  };
}

/** Of each pull request or branch the newest; they come newest first. */
function newestOfEach<T extends { subject: string }>(runs: T[]): T[] {
  const seen = new Set<string>();
  return runs.filter(({ subject }) => !seen.has(subject) && seen.add(subject));
}

const NEIGHBOUR = {
  id: true,
  sha: true,
  repository: true,
  number: true,
  ref: true,
  state: true,
  verdict: true,
  trigger: true,
  createdAt: true,
} as const satisfies Prisma.RunSelect;

const neighbour = (run: Prisma.RunGetPayload<{ select: typeof NEIGHBOUR }>): NeighbourRun => ({
  ...{ id: run.id, sha: run.sha, repository: run.repository, ref: run.ref, createdAt: run.createdAt },
  number: run.number ?? undefined,
  state: run.state as RunState,
  verdict: (run.verdict as RunVerdict | null) ?? undefined,
  trigger: run.trigger as Trigger,
});
