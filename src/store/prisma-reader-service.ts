import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { RETENTION_CURSOR } from '../core/retention.ts';
import type { Sight } from '../core/sight.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import {
  type BackendMeasures,
  type HeldRun,
  MOST_BUILDS,
  type Rest,
  type RetentionStand,
  type ServiceReader,
} from '../site/reader-service.ts';
import { readPollTroubles, STARTED_AFTER_MS } from './prisma-measures.ts';
import { andSeenRuns, seenRuns } from './sight-sql.ts';

/** What the service page reads. Each query is bounded by the newest builds, or by what waits. */

export const serviceReader = (prisma: PrismaClient, sight: Sight, clock: Clock): ServiceReader => ({
  backendMeasures: (since) => readBackendMeasures(prisma, sight, since),
  heldRuns: (limit) => readHeldRuns(prisma, sight, clock.now(), limit),
  rests: (limit) => readRests(prisma, clock.now(), limit),
  pollTroubles: () => readPollTroubles(prisma),
  retention: () => readRetention(prisma),
});

/** The newest events of so many builds of a back-end tell when it answered last. */
const ASKED_BUILDS = 10;

async function readBackendMeasures(
  prisma: PrismaClient,
  sight: Sight,
  since: Date,
): Promise<Map<string, BackendMeasures>> {
  const [builds, answers, effects] = await Promise.all([
    readBuilds(prisma, since),
    readAnswers(prisma),
    readNextLooks(prisma, sight),
  ]);
  const measures = new Map<string, BackendMeasures>();
  const of = (backend: string) => {
    const known = measures.get(backend) ?? { ended: 0, errors: 0, running: 0, waiting: 0 };
    measures.set(backend, known);
    return known;
  };
  for (const { backend, ended, errors, running, p50, p90, builds: count } of builds) {
    const queued = p50 === null || p90 === null ? undefined : { p50, p90, builds: Number(count) };
    Object.assign(of(backend), { ended: Number(ended), errors: Number(errors), running: Number(running), queued });
  }
  for (const { backend, at } of answers) of(backend).answeredAt = at;
  for (const { backend, next, waiting, why, tries } of effects) {
    const trouble = why === null ? undefined : { why, tries: tries ?? 0 };
    Object.assign(of(backend), { nextAt: next ?? undefined, waiting: Number(waiting), trouble });
  }
  return measures;
}

interface BuildSums {
  backend: string;
  ended: bigint;
  errors: bigint;
  running: bigint;
  builds: bigint;
  p50: number | null;
  p90: number | null;
}

/** A build that is not the newest of hundreds does not count, whenever it ended. */
const readBuilds = (prisma: PrismaClient, since: Date) => prisma.$queryRaw<BuildSums[]>`
  WITH newest AS (SELECT id, backend, state, created_at FROM build ORDER BY id DESC LIMIT ${MOST_BUILDS}),
  sums AS (
    SELECT newest.id, newest.backend, newest.state, newest.created_at,
      count(*) FILTER (WHERE attempt.finished_at >= ${since}) AS ended,
      count(*) FILTER (WHERE attempt.finished_at >= ${since} AND attempt.verdict = 'error') AS errors,
      min(attempt.started_at) AS started_at
    FROM newest LEFT JOIN job ON job.build_id = newest.id LEFT JOIN attempt ON attempt.job_id = job.id
    GROUP BY newest.id, newest.backend, newest.state, newest.created_at)
  SELECT backend, sum(ended)::bigint AS ended, sum(errors)::bigint AS errors,
    count(*) FILTER (WHERE state = 'running') AS running,
    count(*) FILTER (WHERE started_at >= ${since}) AS builds,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM started_at - created_at))
      FILTER (WHERE started_at >= ${since})::float8 AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM started_at - created_at))
      FILTER (WHERE started_at >= ${since})::float8 AS p90
  FROM sums GROUP BY backend`;

const readAnswers = (prisma: PrismaClient) => prisma.$queryRaw<{ backend: string; at: Date }[]>`
  WITH newest AS (
    SELECT id, run_id, backend, row_number() OVER (PARTITION BY backend ORDER BY id DESC) AS place
    FROM (SELECT id, run_id, backend FROM build ORDER BY id DESC LIMIT ${MOST_BUILDS}) AS recent)
  SELECT backend, max(told.created_at) AS at
  FROM newest JOIN LATERAL (
    SELECT created_at FROM event
    WHERE subject = 'run:' || newest.run_id AND kind IN ('build.started', 'build.observed', 'build.retried')
      AND payload->>'buildId' = newest.id
    ORDER BY due_at DESC, seq DESC LIMIT 1) AS told ON true
  WHERE place <= ${ASKED_BUILDS} GROUP BY backend`;

interface NextLook {
  backend: string;
  next: Date | null;
  waiting: bigint;
  why: string | null;
  tries: number | null;
}

/** Effects name a back-end, or a build of it. What failed may name what a hidden run is of. */
const readNextLooks = (prisma: PrismaClient, sight: Sight) => prisma.$queryRaw<NextLook[]>`
  SELECT backend, min(due_at) AS next, count(*) FILTER (WHERE kind = 'build.start') AS waiting,
    (array_agg(error ORDER BY due_at) FILTER (WHERE error IS NOT NULL))[1] AS why,
    max(tries) FILTER (WHERE error IS NOT NULL) AS tries
  FROM (
    SELECT COALESCE(effect.payload->>'backend', build.backend) AS backend,
      effect.kind, effect.due_at, effect.tries, CASE WHEN ${seenOf(sight)} THEN effect.error END AS error
    FROM effect LEFT JOIN build ON build.id = effect.payload->>'buildId' LEFT JOIN run ON run.id = build.run_id
    WHERE effect.state IN ('pending', 'running') AND effect.kind LIKE 'build.%') AS looks
  WHERE backend IS NOT NULL GROUP BY backend`;

const seenOf = (sight: Sight): Prisma.Sql => Prisma.join([Prisma.sql`true`, ...seenRuns(sight)], ' AND ');

interface StoredHeld {
  run_id: string;
  title: string;
  repository: string;
  backend: string | null;
  why: string | null;
  since: Date;
}

/** Builds that may not start yet, and runs that wait for a word. */
async function readHeldRuns(prisma: PrismaClient, sight: Sight, now: Date, limit: number): Promise<HeldRun[]> {
  const longSince = new Date(now.getTime() - STARTED_AFTER_MS);
  const rows = await prisma.$queryRaw<StoredHeld[]>`
    SELECT run.id AS run_id, title, repository, held.backend, COALESCE(held.error, run.why) AS why, held.since
    FROM (
      SELECT build.run_id, build.backend, effect.error, effect.created_at AS since
      FROM effect JOIN build ON build.id = effect.payload->>'buildId'
      WHERE effect.state = 'pending' AND effect.kind = 'build.start' AND effect.created_at < ${longSince}
      UNION ALL (
        SELECT id, NULL, NULL, created_at FROM run WHERE state = 'waiting' ${andSeenRuns(sight)}
        ORDER BY id DESC LIMIT ${limit})
    ) AS held JOIN run ON run.id = held.run_id ${andSeenRuns(sight)}
    ORDER BY held.since LIMIT ${limit}`;
  return rows.map(({ run_id, title, repository, backend, why, since }) => ({
    ...{ runId: run_id, title, repository, since },
    backend: backend ?? undefined,
    why: why ?? undefined,
  }));
}

/** The pause between two writes is no rest that somebody asked for. */
const SPACING = 'spacing';

async function readRests(prisma: PrismaClient, now: Date, limit: number): Promise<Rest[]> {
  const rows = await prisma.lane.findMany({
    where: { notBeforeAt: { gt: now }, why: { not: SPACING } },
    orderBy: { notBeforeAt: 'desc' },
    take: limit,
  });
  return rows.map(({ name, notBeforeAt, why }) => ({ lane: name, until: notBeforeAt, why: why ?? '' }));
}

/** Written by whichever version swept last. */
const instant = z.iso.datetime().transform((text) => new Date(text));
const sweptOf = z.record(z.string(), z.object({ count: z.number(), bytes: z.number() }));
const retentionOf = z.object({
  step: z.string().optional(),
  beganAt: instant.optional(),
  last: z.object({ endedAt: instant, swept: sweptOf, trouble: z.array(z.string()) }).optional(),
});

async function readRetention(prisma: PrismaClient): Promise<RetentionStand | undefined> {
  const { data } = retentionOf.safeParse(
    (await prisma.cursor.findUnique({ where: { name: RETENTION_CURSOR } }))?.value,
  );
  if (!data) return undefined;
  const { step, beganAt, last } = data;
  return {
    beganAt: step === undefined ? undefined : beganAt,
    last: last && { ...last, swept: Object.entries(last.swept).map(([kind, sum]) => ({ kind, ...sum })) },
  };
}
