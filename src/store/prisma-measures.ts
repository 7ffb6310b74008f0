import { z } from 'zod';
import { CATCH_UP_LANE } from '../core/effect.ts';
import { pollCursorName, TROUBLE_CURSOR } from '../core/poll.ts';
import { hiddenKeys, type Sight } from '../core/sight.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Measures, PollRow, Polls, QueueCounts, Waiting } from '../site/reader.ts';
import type { PollTroubleRow } from '../site/reader-service.ts';
import { UNDONE } from './conditions.ts';
import { readFactTotals } from './prisma-ledger.ts';

const HOUR_MS = 3_600_000;

/** What the metrics say of the database, in a handful of queries that the indexes answer. */
export async function readMeasures(prisma: PrismaClient, sight: Sight, now: Date): Promise<Measures> {
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
  const builds = await prisma.build.groupBy({ by: ['backend', 'state'], _count: true });
  const [{ repositories }, troubles] = await Promise.all([readPolls(prisma, sight), readPollTroubles(prisma)]);
  return {
    queue: queue.map(({ table, state, kind, rows }) => ({ table, state, kind, rows: Number(rows) })),
    oldestSeconds: Math.max(0, waiting?.oldest ?? 0),
    retrying: Number(waiting?.retrying ?? 0),
    lanes: lanes.map(({ lane, state, rows }) => ({ lane, state, rows: Number(rows) })),
    facts: await readFactTotals(prisma, new Date(now.getTime() - HOUR_MS)),
    waiting: await readWaiting(prisma, now),
    lookAges: lookAges(repositories, now),
    pollsInTrouble: troubles.length + repositories.filter(({ trouble }) => trouble !== undefined).length,
    builds: builds.map(({ backend, state, _count }) => ({ backend, state, builds: _count })),
  };
}

/** A series for each repository, but not for each of thousands. */
const MOST_LOOKS = 200;

/** One that was never read counts from when that was first tried. */
const lookAges = (repositories: PollRow[], now: Date): Measures['lookAges'] =>
  repositories
    .flatMap(({ name, lookedAt, trouble }) => {
      const since = lookedAt ?? trouble?.since;
      return since ? [{ repository: name, seconds: Math.max(0, now.getTime() - since.getTime()) / 1000 }] : [];
    })
    .sort((one, other) => other.seconds - one.seconds)
    .slice(0, MOST_LOOKS);

/** A build's start takes a moment; what takes longer, and did not fail, was put back until others have ended. */
export const STARTED_AFTER_MS = 10_000;

export async function readWaiting(prisma: PrismaClient, now: Date): Promise<Waiting> {
  const longSince = new Date(now.getTime() - STARTED_AFTER_MS);
  const [catchUp, held] = await Promise.all([
    prisma.effect.count({ where: { lane: CATCH_UP_LANE, state: 'pending' } }),
    prisma.effect.count({
      where: { kind: 'build.start', state: 'pending', error: null, createdAt: { lt: longSince } },
    }),
  ]);
  return { catchUp, held };
}

/** More than that is not read on one page. */
const LISTED = 500;
const DELIVERIES = 'deliveries';

export async function readPolls(prisma: PrismaClient, sight: Sight): Promise<Polls> {
  const watched = await prisma.repository.findMany({
    where: { state: 'watched', key: { notIn: hiddenKeys(sight) } },
    orderBy: { name: 'asc' },
    take: LISTED,
    select: { key: true, name: true, installation: true },
  });
  const [cursors, installations] = await Promise.all([
    prisma.cursor.findMany({ where: { name: { in: [DELIVERIES, ...watched.map(({ key }) => pollCursorName(key))] } } }),
    prisma.installation.findMany({
      where: { key: { in: watched.flatMap(({ installation }) => installation ?? []) } },
      select: { key: true, account: true, state: true, served: true },
    }),
  ]);
  const told = new Map(cursors.map(({ name, value }) => [name, value]));
  const byKey = new Map(installations.map(({ key, ...installation }) => [key, installation]));
  return {
    repositories: watched.map(({ key, name, installation }) => {
      const read = cursorOf.safeParse(told.get(pollCursorName(key)));
      return { key, name, installation: byKey.get(installation ?? ''), ...(read.success && read.data) };
    }),
    deliveriesUntil: deliveriesOf.safeParse(told.get(DELIVERIES)).data?.until,
  };
}

/** Written by whichever version looked last. */
const instant = z.iso.datetime().transform((text) => new Date(text));
const cursorOf = z.object({
  lookedAt: instant.optional(),
  trouble: z.object({ why: z.string(), since: instant }).optional(),
});
const deliveriesOf = z.object({ until: instant.optional() });

const troubleOf = z.object({ why: z.string(), since: instant });

const MOST_TROUBLES = 100;

export async function readPollTroubles(prisma: PrismaClient): Promise<PollTroubleRow[]> {
  const rows = await prisma.cursor.findMany({
    where: { name: { startsWith: TROUBLE_CURSOR } },
    orderBy: { name: 'asc' },
    take: MOST_TROUBLES,
  });
  return rows.flatMap(({ name, value }) => {
    const { data } = troubleOf.safeParse(value);
    return data ? [{ poll: name.slice(TROUBLE_CURSOR.length), ...data }] : [];
  });
}

export async function readCounts(prisma: PrismaClient, now: Date): Promise<QueueCounts> {
  const due = {
    where: { state: 'pending', dueAt: { lte: now } },
    orderBy: { dueAt: 'asc' },
    select: { dueAt: true },
  } as const;
  const [events, effects, event, effect] = await Promise.all([
    prisma.event.groupBy({ by: ['state'], where: { state: UNDONE }, _count: true }),
    prisma.effect.groupBy({ by: ['state'], where: { state: UNDONE }, _count: true }),
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
