import { z } from 'zod';
import { runSubject } from '../core/event.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { RunRow, Timeline, TimelineRow } from '../site/reader.ts';

/** Longer ones (as stored, compressed) are told by their kind alone: a page must not cost more than it shows. */
const MOST_BYTES = 8_000;

interface StoredLine {
  key: string;
  kind: string;
  state: string;
  created_at: Date;
  error: string | null;
  payload: unknown;
}

/**
 * The events of a run, and those of its change from the run before it to the run after it, in one look at the index of
 * (subject, due_at). A change has many runs: what led to this one is what was told since the one before began.
 */
export async function readTimeline(
  prisma: PrismaClient,
  { id, subject }: Pick<RunRow, 'id' | 'subject'>,
  limit: number,
): Promise<Timeline> {
  const found = await prisma.$queryRaw<StoredLine[]>`
    SELECT key, kind, state, created_at, error,
      CASE WHEN pg_column_size(payload) <= ${MOST_BYTES} THEN payload END AS payload
    FROM event
    WHERE subject = ${runSubject(id)} OR (subject = ${subject}
      AND due_at >= COALESCE((
        SELECT created_at FROM run WHERE subject = ${subject} AND id < ${id} ORDER BY id DESC LIMIT 1), '-infinity')
      AND due_at < COALESCE((
        SELECT created_at FROM run WHERE subject = ${subject} AND id > ${id} ORDER BY id LIMIT 1), 'infinity'))
    ORDER BY due_at DESC, seq DESC LIMIT ${limit + 1}`;
  const told = found.slice(0, limit).map(timelineRow).toReversed();
  const said = (await readAnswers(prisma, id, subject, told, limit)).map((line) => ({
    ...timelineRow(line),
    isEffect: true as const,
  }));
  const rows = [...told, ...said].sort((one, other) => one.at.getTime() - other.at.getTime()).slice(-limit);
  return { rows, isCut: found.length > limit || told.length + said.length > limit };
}

const timelineRow = (line: StoredLine): TimelineRow => ({
  key: line.key,
  kind: line.kind,
  state: line.state,
  at: line.created_at,
  error: line.error ?? undefined,
  payload: line.payload ?? undefined,
});

/** An answer comes soon; and the index must not be read up to now for a run of last year. */
const ANSWERED_WITHIN = '2 days';

/**
 * What we said to those who asked, while this run was the newest of its pull request. Reactions are found by what they
 * are on, answers among what was written to the installation meanwhile.
 */
async function readAnswers(
  prisma: PrismaClient,
  id: string,
  subject: string,
  told: TimelineRow[],
  limit: number,
): Promise<StoredLine[]> {
  const pull = /^pull-request:(.+)#(\d+)$/.exec(subject);
  if (!pull || told.length === 0) return [];
  const [, key, number] = pull;
  const reactions = [`#${number}`, ...told.flatMap(({ payload }) => commentOf(payload))].map(
    (on) => `reaction:${key}:${on}`,
  );
  const since = told[0]!.at;
  return prisma.$queryRaw<StoredLine[]>`
    WITH this AS (
      SELECT COALESCE(installation, repository_key) AS writer, COALESCE((
          SELECT created_at FROM run WHERE subject = ${subject} AND id > ${id} ORDER BY id LIMIT 1),
        COALESCE(finished_at, created_at) + ${ANSWERED_WITHIN}::interval) AS until
      FROM run WHERE id = ${id})
    SELECT effect.id AS key, kind, state, created_at, error, payload FROM effect, this
    WHERE target = ANY(${reactions}) AND kind = 'comment.react' AND created_at >= ${since} AND created_at < until
    UNION ALL (
      SELECT effect.id, kind, state, created_at, error,
        CASE WHEN pg_column_size(payload) <= ${MOST_BYTES} THEN payload END
      FROM effect, this
      WHERE lane = 'write:' || writer AND state IN ('pending', 'running', 'done', 'parked')
        AND due_at >= ${since} AND due_at < until
        AND kind = 'comment.answer' AND starts_with(target, ${`answer:${key}#${number}:`})
      ORDER BY due_at DESC LIMIT ${limit})`;
}

/** As stored, maybe by another version. */
const aboutComment = z.object({
  comment: z.object({ id: z.string() }).optional(),
  source: z.object({ id: z.string().optional() }).optional(),
});

function commentOf(payload: unknown): string[] {
  const { comment, source } = aboutComment.safeParse(payload).data ?? {};
  const id = comment?.id ?? source?.id;
  return id === undefined ? [] : [id];
}
