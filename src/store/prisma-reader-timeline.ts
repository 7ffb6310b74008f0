import { runSubject } from '../core/event.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { RunRow, Timeline } from '../site/reader.ts';

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
  const rows = found.slice(0, limit).map((line) => ({
    key: line.key,
    kind: line.kind,
    state: line.state,
    at: line.created_at,
    error: line.error ?? undefined,
    payload: line.payload ?? undefined,
  }));
  return { rows: rows.toReversed(), isCut: found.length > limit };
}
