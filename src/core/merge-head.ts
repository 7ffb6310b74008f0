/** A head of a pull request, in the order in which they came; a head that came back is there twice. */
export interface KnownHead {
  sha: string;
  /** When the ledger first saw it there, by hook or poll. */
  seenAt: Date;
}

/** A page that is open shows a push within seconds; hooks are late, and GitHub's clock is not ours. */
const AROUND_MS = 30_000;

/**
 * The head that whoever wrote a comment could see. A comment's payload names none: it is the newest that the ledger
 * proves older than the comment. When the head moved around that time, or nothing is known from before: `unclear`.
 */
export function boundHead(commentedAt: Date, heads: readonly KnownHead[]): string | 'unclear' {
  const at = commentedAt.getTime();
  const isAround = heads.some(({ seenAt }) => Math.abs(seenAt.getTime() - at) < AROUND_MS);
  const before = heads.filter(({ seenAt }) => seenAt.getTime() <= at - AROUND_MS);
  return isAround ? 'unclear' : (before.at(-1)?.sha ?? 'unclear');
}
