import { maySeeSubject, runOfSubject, type Sight, seesAll } from '../core/sight.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type { FactDetails, FactFilter, FactRow, FactTotals, Lag, Listed, Page } from '../site/reader.ts';
import { seenAmong } from './sight-sql.ts';

/** The ledger's facts, as the site reads them. */

/** Of these at most the totals are made: a page must not cost more the busier we are. */
const MOST_COUNTED = 100_000;

/** Told from outside, and nothing follows from it. */
const NOTED = 'hook.noted';

const FACT = {
  id: true,
  key: true,
  kind: true,
  subject: true,
  state: true,
  tries: true,
  error: true,
  createdAt: true,
  occurredAt: true,
  hookAt: true,
  pollAt: true,
  doneAt: true,
} as const satisfies Prisma.EventSelect;

type StoredFact = Prisma.EventGetPayload<{ select: typeof FACT }>;

const maybe = <T>(value: T | null): T | undefined => value ?? undefined;

/** Somebody from whom much is hidden gets shorter pages, instead of one that looks for ever. */
const MOST_LOOKS = 10;

export async function listFacts(
  prisma: PrismaClient,
  sight: Sight,
  filter: FactFilter,
  { before, limit }: Page,
): Promise<Listed<FactRow>> {
  const rows: FactRow[] = [];
  let next = before;
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    const found = await nextFacts(prisma, filter, { before: next, limit });
    const seen = await seenFacts(prisma, sight, found.rows);
    const shown = seen.slice(0, limit - rows.length);
    rows.push(...shown);
    next = shown.length < seen.length ? shown.at(-1)!.id : found.next;
    if (next === undefined || rows.length === limit) break;
  }
  return next === undefined ? { rows } : { rows, next };
}

async function nextFacts(prisma: PrismaClient, filter: FactFilter, { before, limit }: Page): Promise<Listed<FactRow>> {
  const found = await prisma.event.findMany({
    where: { AND: [before === undefined ? {} : { id: { lt: before } }, ...factsWhere(filter)] },
    orderBy: { id: 'desc' },
    // One row more than asked tells whether there is a next page.
    take: limit + 1,
    select: FACT,
  });
  const rows = found.slice(0, limit).map(factRow);
  return found.length > limit ? { rows, next: rows.at(-1)?.id } : { rows };
}

async function seenFacts<T extends { subject: string }>(prisma: PrismaClient, sight: Sight, facts: T[]): Promise<T[]> {
  if (seesAll(sight)) return facts;
  const runs = await seenAmong(
    prisma,
    sight,
    facts.flatMap(({ subject }) => runOfSubject(subject) ?? []),
  );
  return facts.filter(({ subject }) => maySeeSubject(sight, subject, (runId) => runs.has(runId)));
}

function factsWhere({ subject, state, kind, told, noted }: FactFilter): Prisma.EventWhereInput[] {
  // Ticks are the clock's, not facts; a parked one is stuck, and what is stuck must be seen.
  const noTicks = { OR: [{ NOT: { key: { startsWith: 'tick:' } } }, { state: 'parked' }] };
  const fromOutside = { OR: [{ hookAt: { not: null } }, { pollAt: { not: null } }, { state: 'parked' }] };
  const isNarrowed = subject !== undefined || state !== undefined || kind !== undefined;
  return [
    { subject, state, kind },
    noTicks,
    told ? TOLD_BY[told] : isNarrowed ? {} : fromOutside,
    noted === 'hidden' ? { kind: { not: NOTED } } : {},
  ];
}

const TOLD_BY: Record<NonNullable<FactFilter['told']>, Prisma.EventWhereInput> = {
  hook: { hookAt: { not: null }, pollAt: null },
  poll: { hookAt: null, pollAt: { not: null } },
  both: { hookAt: { not: null }, pollAt: { not: null } },
};

function factRow(fact: StoredFact): FactRow {
  return {
    id: fact.id,
    key: fact.key,
    kind: fact.kind,
    subject: fact.subject,
    state: fact.state,
    tries: fact.tries,
    error: maybe(fact.error),
    createdAt: fact.createdAt,
    occurredAt: maybe(fact.occurredAt),
    hookAt: maybe(fact.hookAt),
    pollAt: maybe(fact.pollAt),
    doneAt: maybe(fact.doneAt),
  };
}

export async function readFact(prisma: PrismaClient, sight: Sight, key: string): Promise<FactDetails | undefined> {
  const fact = await prisma.event.findUnique({
    where: { key },
    include: { sightings: { orderBy: { at: 'asc' }, take: 200 } },
  });
  if (!fact || (await seenFacts(prisma, sight, [fact])).length === 0) return undefined;
  return {
    ...factRow(fact),
    payload: maybe(fact.payload),
    raw: maybe(fact.raw),
    rawSha256: maybe(fact.rawSha256),
    sightings: fact.sightings.map(({ source, delivery, at }) => ({ source, delivery: maybe(delivery), at })),
  };
}

interface CountedFacts {
  counted: bigint;
  noted: bigint;
  hook_only: bigint;
  poll_only: bigint;
  both: bigint;
  hook_p50: number | null;
  hook_p99: number | null;
  hook_facts: bigint;
  poll_p50: number | null;
  poll_p99: number | null;
  poll_facts: bigint;
}

/** One look at the newest facts, through the index on `created_at` of what was told from outside. A telling that is
 *  dated before its fact (clocks differ, GitHub's times are whole seconds) was at once. */
export async function readFactTotals(prisma: PrismaClient, since: Date): Promise<FactTotals> {
  const [row] = await prisma.$queryRaw<CountedFacts[]>`
    SELECT count(*) AS counted,
      count(*) FILTER (WHERE is_noted) AS noted,
      count(*) FILTER (WHERE NOT is_noted AND poll_at IS NULL) AS hook_only,
      count(*) FILTER (WHERE NOT is_noted AND hook_at IS NULL) AS poll_only,
      count(*) FILTER (WHERE NOT is_noted AND hook_at IS NOT NULL AND poll_at IS NOT NULL) AS both,
      percentile_cont(0.5) WITHIN GROUP (ORDER BY hook_lag)::float8 AS hook_p50,
      percentile_cont(0.99) WITHIN GROUP (ORDER BY hook_lag)::float8 AS hook_p99,
      count(hook_lag) AS hook_facts,
      percentile_cont(0.5) WITHIN GROUP (ORDER BY poll_lag)::float8 AS poll_p50,
      percentile_cont(0.99) WITHIN GROUP (ORDER BY poll_lag)::float8 AS poll_p99,
      count(poll_lag) AS poll_facts
    FROM (
      SELECT hook_at, poll_at, is_noted,
        CASE WHEN NOT is_noted AND hook_late IS NOT NULL THEN GREATEST(0, hook_late) END AS hook_lag,
        CASE WHEN NOT is_noted AND hook_at IS NULL AND poll_late IS NOT NULL THEN GREATEST(0, poll_late) END AS poll_lag
      FROM (
        SELECT hook_at, poll_at, kind = ${NOTED} AS is_noted,
          EXTRACT(EPOCH FROM hook_at - occurred_at)::float8 AS hook_late,
          EXTRACT(EPOCH FROM poll_at - occurred_at)::float8 AS poll_late
        FROM event
        WHERE created_at >= ${since}::timestamptz AND (hook_at IS NOT NULL OR poll_at IS NOT NULL)
        ORDER BY created_at DESC LIMIT ${MOST_COUNTED}) AS newest) AS told`;
  const { counted, noted, hook_only, poll_only, both, ...lags } = row!;
  return {
    hookOnly: Number(hook_only),
    pollOnly: Number(poll_only),
    both: Number(both),
    noted: Number(noted),
    lagByHook: lagOf(lags.hook_p50, lags.hook_p99, lags.hook_facts),
    lagByPollOnly: lagOf(lags.poll_p50, lags.poll_p99, lags.poll_facts),
    cutAt: Number(counted) === MOST_COUNTED ? MOST_COUNTED : undefined,
  };
}

const lagOf = (p50: number | null, p99: number | null, facts: bigint): Lag | undefined =>
  p50 === null || p99 === null ? undefined : { p50: inWholeMs(p50), p99: inWholeMs(p99), facts: Number(facts) };

const inWholeMs = (seconds: number): number => Math.round(seconds * 1000) / 1000;
