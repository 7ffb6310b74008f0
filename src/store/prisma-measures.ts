import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Measures, QueueCounts } from '../site/reader.ts';

/** What the metrics say of the database, in a handful of queries that the indexes answer. */
export async function readMeasures(prisma: PrismaClient): Promise<Measures> {
  const queue = await prisma.$queryRaw<{ table: string; state: string; kind: string; rows: bigint }[]>`
    SELECT 'event' AS "table", state, kind, count(*) AS rows FROM event
      WHERE state IN ('pending', 'running', 'parked') GROUP BY state, kind
    UNION ALL SELECT 'effect', state, kind, count(*) FROM effect
      WHERE state IN ('pending', 'running', 'parked') GROUP BY state, kind`;
  const [waiting] = await prisma.$queryRaw<{ oldest: number | null; retrying: bigint }[]>`
    SELECT EXTRACT(EPOCH FROM clock_timestamp() - min(due_at))::float8 AS oldest,
           count(*) FILTER (WHERE tries > 0) AS retrying
    FROM (SELECT due_at, tries FROM event WHERE state = 'pending' AND due_at <= clock_timestamp()
          UNION ALL SELECT due_at, tries FROM effect WHERE state = 'pending' AND due_at <= clock_timestamp()) AS due`;
  const lanes = await prisma.$queryRaw<{ lane: string; state: string; rows: bigint }[]>`
    SELECT split_part(lane, ':', 1) AS lane, state, count(*) AS rows FROM effect
      WHERE state IN ('pending', 'running') GROUP BY 1, 2`;
  const lags = await prisma.$queryRaw<{ source: string; p50: number; p99: number }[]>`
    SELECT source, percentile_cont(0.5) WITHIN GROUP (ORDER BY lag)::float8 AS p50,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY lag)::float8 AS p99
    FROM (SELECT s.source, EXTRACT(EPOCH FROM s.at - e.occurred_at) AS lag FROM sighting s JOIN event e ON e.id = s.event_id
          WHERE e.occurred_at IS NOT NULL AND s.at > clock_timestamp() - interval '1 hour') AS seen
    GROUP BY source`;
  const builds = await prisma.build.groupBy({ by: ['backend', 'state'], _count: true });
  return {
    queue: queue.map(({ table, state, kind, rows }) => ({ table, state, kind, rows: Number(rows) })),
    oldestSeconds: Math.max(0, waiting?.oldest ?? 0),
    retrying: Number(waiting?.retrying ?? 0),
    lanes: lanes.map(({ lane, state, rows }) => ({ lane, state, rows: Number(rows) })),
    lags,
    builds: builds.map(({ backend, state, _count }) => ({ backend, state, builds: _count })),
  };
}

/** Unfinished rows only: they are few and indexed, while what is done grows without end. */
export async function readCounts(prisma: PrismaClient, now: Date): Promise<QueueCounts> {
  const state = { in: ['pending', 'running', 'parked'] };
  const due = {
    where: { state: 'pending', dueAt: { lte: now } },
    orderBy: { dueAt: 'asc' },
    select: { dueAt: true },
  } as const;
  const [events, effects, event, effect] = await Promise.all([
    prisma.event.groupBy({ by: ['state'], where: { state }, _count: true }),
    prisma.effect.groupBy({ by: ['state'], where: { state }, _count: true }),
    prisma.event.findFirst(due),
    prisma.effect.findFirst(due),
  ]);
  const oldest = [event, effect].filter((row) => row !== null).map((row) => row.dueAt.getTime());
  return {
    events: byState(events),
    effects: byState(effects),
    oldestPendingAt: oldest.length > 0 ? new Date(Math.min(...oldest)) : undefined,
  };
}

const byState = (groups: { state: string; _count: number }[]): Record<string, number> =>
  Object.fromEntries(groups.map((group) => [group.state, group._count]));
