import type { Verdict } from '../core/model.ts';
import type { ArchiveUse } from '../core/retention.ts';
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts';
import type { Leaving, Page, RetentionStore, StoredArchive, StoredOutput, StoredPayload } from './store.ts';

/** What retention looks at. Each look costs what is still kept, not what was ever removed: see the partial indexes. */
export function openRetentionStore(prisma: PrismaClient): RetentionStore {
  return {
    archives: (before, leavingArtifacts, page) => archives(prisma, before, leavingArtifacts, page),
    artifacts: (before, page) => artifacts(prisma, before, page),
    logs: (before, page) => logs(prisma, before, page),
    payloads: (before, page) => payloads(prisma, before, page),
    named: (sha256s, leaving) => named(prisma, sha256s, leaving),
    countEffects: (before) => prisma.effect.count({ where: oldEffect(before) }),
    archivesRemoved: async (sha256s, at) => {
      const where = { archiveSha256: { in: sha256s }, archiveRemovedAt: null };
      await prisma.source.updateMany({ where, data: { archiveRemovedAt: at } });
    },
    artifactsRemoved: async (ids, at) => {
      await prisma.artifact.updateMany({ where: { id: { in: ids } }, data: { removedAt: at } });
    },
    logsRemoved: async (ids, at) => {
      await prisma.attempt.updateMany({ where: { id: { in: ids } }, data: { logRemovedAt: at } });
    },
    removePayloads: async (ids) => {
      const data = { payload: Prisma.DbNull, raw: null, rawSha256: null };
      await prisma.event.updateMany({ where: { id: { in: ids }, state: 'done' }, data });
    },
    removeSessions: async (begunBefore, usedBefore) => {
      const over = [{ createdAt: { lt: begunBefore } }, { usedAt: { lt: usedBefore } }];
      await prisma.session.deleteMany({ where: { OR: over } });
    },
    removeEffects: async (before, limit) => (await prisma.effect.deleteMany({ where: oldEffect(before), limit })).count,
    mirrored: ({ after = '', limit }) => prisma.$queryRaw<{ key: string; name: string }[]>`
      SELECT key, max(name) AS name FROM (
        SELECT key, name FROM repository UNION SELECT repository_key, repository FROM source
      ) AS known WHERE key > ${after} GROUP BY key ORDER BY key LIMIT ${limit}`,
    neededCommits: () => neededCommits(prisma),
  };
}

/** `due_at`: it is in the index, and a row is done after it was due. */
const oldEffect = (before: Date) => ({ state: 'done', dueAt: { lt: before }, doneAt: { lt: before } });

async function named(prisma: PrismaClient, sha256s: string[], leaving: Leaving): Promise<Set<string>> {
  const rows = await prisma.$queryRaw<{ sha256: string }[]>`
    SELECT asked.sha256 FROM unnest(${sha256s}::text[]) AS asked (sha256) WHERE
      EXISTS (SELECT 1 FROM source s WHERE s.archive_sha256 = asked.sha256 AND s.archive_removed_at IS NULL
        AND s.archive_sha256 <> ALL (${leaving.sources}::text[]))
      OR EXISTS (SELECT 1 FROM artifact a WHERE a.sha256 = asked.sha256 AND a.removed_at IS NULL
        AND a.id <> ALL (${leaving.artifacts}::text[]))
      OR EXISTS (SELECT 1 FROM event e WHERE e.raw_sha256 = asked.sha256 AND e.id <> ALL (${leaving.events}::text[]))`;
  return new Set(rows.map(({ sha256 }) => sha256));
}

/** An attempt whose end was never told ended with its run. */
const ENDED = Prisma.sql`COALESCE(t.finished_at, r.finished_at)`;
const ITS_RUN = Prisma.sql`JOIN job j ON j.id = t.job_id JOIN build b ON b.id = j.build_id JOIN run r ON r.id = b.run_id`;

/** Whose word keeps a run for ever. */
export const OPERATOR = 'operator';
const IS_KEPT = Prisma.sql`EXISTS (SELECT 1 FROM run_keep k WHERE k.run_id = r.id AND k.source = ${OPERATOR})`;

interface UseRow {
  id: string;
  size: bigint | null;
  repository: string;
  sha: string;
  run_id: string;
  finished_at: Date | null;
  of_pull: boolean;
  of_branch: boolean;
  artifacts: boolean;
  kept: boolean;
}

/** An archive may be in thousands of runs (a pinned neighbour): those that are alike are one row. */
async function archives(
  prisma: PrismaClient,
  before: Date,
  leavingArtifacts: string[],
  { after = '', limit }: Page,
): Promise<StoredArchive[]> {
  const rows = await prisma.$queryRaw<UseRow[]>`
    WITH page AS MATERIALIZED (
      SELECT DISTINCT s.archive_sha256 FROM source s JOIN run r ON r.id = s.run_id
      WHERE s.archive_sha256 > ${after} AND s.archive_sha256 IS NOT NULL AND s.archive_removed_at IS NULL
        AND r.finished_at < ${before}
      ORDER BY 1 LIMIT ${limit}
    ), used AS MATERIALIZED (
      SELECT s.archive_sha256 AS id, s.archive_size AS size, s.repository, s.sha, r.id AS run_id,
        CASE WHEN r.state = 'finished' THEN r.finished_at END AS finished_at,
        EXISTS (SELECT 1 FROM pull_request p WHERE p.subject = r.subject AND p.run_id = r.id AND p.state = 'open')
          AS of_pull,
        EXISTS (SELECT 1 FROM branch b WHERE b.subject = r.subject AND b.run_id = r.id AND b.sha IS NOT NULL)
          AS of_branch,
        EXISTS (SELECT 1 FROM build b JOIN job j ON j.build_id = b.id JOIN attempt t ON t.job_id = j.id
          JOIN artifact a ON a.attempt_id = t.id WHERE b.run_id = r.id AND a.removed_at IS NULL
            AND a.id <> ALL (${leavingArtifacts}::text[])) AS artifacts,
        ${IS_KEPT} AS kept
      FROM page JOIN source s USING (archive_sha256) JOIN run r ON r.id = s.run_id
      WHERE s.archive_removed_at IS NULL
    )
    SELECT DISTINCT ON (id, finished_at IS NULL, of_pull, of_branch, artifacts, kept) used.*
    FROM used ORDER BY id, finished_at IS NULL, of_pull, of_branch, artifacts, kept, finished_at DESC, run_id DESC`;
  const found = new Map<string, StoredArchive>();
  for (const { id, size, repository, sha, ...use } of rows) {
    const archive = found.get(id) ?? { id, size: Number(size), repository, sha, uses: [] };
    archive.uses.push(useOf(use));
    found.set(id, archive);
  }
  return [...found.values()];
}

const useOf = (row: Omit<UseRow, 'id' | 'size' | 'repository' | 'sha'>): ArchiveUse => ({
  runId: row.run_id,
  finishedAt: row.finished_at ?? undefined,
  isNewestOfOpenPullRequest: row.of_pull,
  isNewestOfBranch: row.of_branch,
  hasArtifacts: row.artifacts,
  isKept: row.kept,
});

interface OutputRow {
  id: string;
  run_id: string;
  name: string;
  size: bigint;
  sha256: string | null;
  is_finished: boolean;
  finished_at: Date | null;
  verdict: Verdict | null;
  judged_before: 'passed' | 'failed' | null;
  newest_pass: boolean;
  ref: string | null;
  version: string | null;
  linked: boolean;
  kept: boolean;
}

const outputOf = (row: OutputRow): StoredOutput => ({
  id: row.id,
  runId: row.run_id,
  name: row.name,
  size: Number(row.size),
  sha256: row.sha256 ?? undefined,
  isRunFinished: row.is_finished,
  finishedAt: row.finished_at ?? undefined,
  verdict: row.verdict ?? undefined,
  judgedBefore: row.judged_before ?? undefined,
  isNewestPass: row.newest_pass,
  ref: row.ref ?? undefined,
  version: row.version ?? undefined,
  isLinked: row.linked,
  isKept: row.kept,
});

/** What its value hangs on. Ids of runs grow with time; of one job in one run the later attempt has the higher number. */
const FACTS = Prisma.sql`
  r.state = 'finished' AS is_finished, ${ENDED} AS finished_at, t.verdict,
  CASE WHEN t.verdict = 'failed' THEN (
    SELECT ot.verdict FROM run o JOIN build ob ON ob.run_id = o.id JOIN job oj ON oj.build_id = ob.id
      JOIN attempt ot ON ot.job_id = oj.id
    WHERE o.subject = r.subject AND o.id <= r.id AND (o.id < r.id OR ot.number < t.number) AND oj.name = j.name
      AND ot.verdict IN ('passed', 'failed')
    ORDER BY o.id DESC, ot.number DESC LIMIT 1) END AS judged_before,
  COALESCE(t.verdict = 'passed', false) AND NOT EXISTS (
    SELECT 1 FROM run o JOIN build ob ON ob.run_id = o.id JOIN job oj ON oj.build_id = ob.id
      JOIN attempt ot ON ot.job_id = oj.id
    WHERE o.subject = r.subject AND o.id >= r.id AND (o.id > r.id OR ot.number > t.number) AND oj.name = j.name
      AND ot.verdict = 'passed') AS newest_pass,
  CASE WHEN r.kind = 'commit' THEN r.ref END AS ref,
  (SELECT s.version FROM source s WHERE s.run_id = r.id AND s.changed LIMIT 1) AS version,
  EXISTS (SELECT 1 FROM run_keep k WHERE k.run_id = r.id AND k.source <> ${OPERATOR}) AS linked, ${IS_KEPT} AS kept`;

async function artifacts(prisma: PrismaClient, before: Date, { after = '', limit }: Page): Promise<StoredOutput[]> {
  const rows = await prisma.$queryRaw<OutputRow[]>`
    SELECT a.id, r.id AS run_id, j.name || ': ' || a.name AS name, a.size, a.sha256, ${FACTS}
    FROM artifact a JOIN attempt t ON t.id = a.attempt_id ${ITS_RUN}
    WHERE a.id > ${after} AND a.removed_at IS NULL AND ${ENDED} < ${before}
    ORDER BY a.id LIMIT ${limit}`;
  return rows.map(outputOf);
}

async function logs(prisma: PrismaClient, before: Date, { after = '', limit }: Page): Promise<StoredOutput[]> {
  const rows = await prisma.$queryRaw<OutputRow[]>`
    SELECT t.id, r.id AS run_id, j.name, t.log_bytes AS size, NULL AS sha256, ${FACTS}
    FROM attempt t ${ITS_RUN}
    WHERE t.id > ${after} AND t.log_removed_at IS NULL AND t.log_bytes IS NOT NULL AND ${ENDED} < ${before}
    ORDER BY t.id LIMIT ${limit}`;
  return rows.map(outputOf);
}

interface EventRow {
  seq: bigint;
  id: string;
  key: string;
  state: string;
  done_at: Date | null;
  created_at: Date;
  size: number;
  raw_sha256: string | null;
  has_payload: boolean;
}

/** By `seq`, which grows with time: the window ends where rows are too young to be done long ago. */
async function payloads(prisma: PrismaClient, before: Date, { after = '0', limit }: Page) {
  const rows = await prisma.$queryRaw<EventRow[]>`
    SELECT e.seq, e.id, e.key, e.state, e.done_at, e.created_at, e.raw_sha256,
      COALESCE(pg_column_size(e.payload), 0) + COALESCE(pg_column_size(e.raw), 0) AS size,
      (e.payload IS NOT NULL OR e.raw IS NOT NULL OR e.raw_sha256 IS NOT NULL) AS has_payload
    FROM event e WHERE e.seq > ${BigInt(after)} ORDER BY e.seq LIMIT ${limit}`;
  const last = rows.at(-1);
  const isEnd = !last || rows.length < limit || last.created_at >= before;
  const old = rows.filter((row) => row.has_payload && (row.done_at ?? row.created_at) < before);
  return { rows: old.map(payloadOf), next: isEnd ? undefined : String(last.seq) };
}

const payloadOf = (row: EventRow): StoredPayload => ({
  id: row.id,
  key: row.key,
  size: row.size,
  state: row.state,
  doneAt: row.done_at ?? undefined,
  rawSha256: row.raw_sha256 ?? undefined,
});

async function neededCommits(prisma: PrismaClient): Promise<string[]> {
  const rows = await prisma.$queryRaw<{ sha: string }[]>`
    WITH needing AS MATERIALIZED (
      SELECT r.id, r.sha, r.base_sha, r.manifest FROM run r
      WHERE r.state <> 'finished' OR EXISTS (SELECT 1 FROM source s
        WHERE s.run_id = r.id AND s.archive_sha256 IS NOT NULL AND s.archive_removed_at IS NULL)
    ), needed (sha) AS (
      SELECT unnest(ARRAY[head_sha, base_sha]) FROM pull_request WHERE state = 'open'
      UNION SELECT unnest(ARRAY[sha, base_sha]) FROM needing
      UNION SELECT unnest(ARRAY[s.sha, s.base_sha, s.merged_sha]) FROM needing JOIN source s ON s.run_id = needing.id
      UNION SELECT tree ->> 'sha' FROM needing CROSS JOIN LATERAL jsonb_array_elements(
        CASE WHEN jsonb_typeof(manifest -> 'trees') = 'array' THEN manifest -> 'trees' ELSE '[]' END) AS tree
    ) SELECT sha FROM needed WHERE sha IS NOT NULL`;
  return rows.map(({ sha }) => sha);
}
