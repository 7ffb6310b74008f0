import type { MergeDecision, MergeRequest } from '../core/merge-request.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { MergeWishRow } from '../site/reader.ts';

/** The wishes to merge a pull request, as its run's page reads them. */
export async function listMergeWishes(prisma: PrismaClient, subject: string, limit: number): Promise<MergeWishRow[]> {
  const rows = await prisma.mergeRequest.findMany({ where: { subject }, orderBy: { id: 'desc' }, take: limit });
  return rows.map((row) => ({
    id: row.id,
    requester: row.requester,
    commentId: row.commentId,
    headSha: row.headSha,
    baseRef: row.baseRef,
    askedAt: row.askedAt,
    state: row.state as MergeRequest['state'],
    call: callOf(row.call),
    decision: (row.decision as MergeDecision | null) ?? undefined,
    updatedAt: row.updatedAt,
  }));
}

/** In a row a time is text. */
function callOf(stored: unknown): MergeRequest['call'] {
  const call = stored as (Omit<NonNullable<MergeRequest['call']>, 'at'> & { at: string }) | null;
  return call ? { ...call, at: new Date(call.at) } : undefined;
}
