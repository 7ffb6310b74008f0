/** Longer names would not fit into the index of the ledger's keys. */
const MOST_BYTES = 500;

/** A branch's full name by the rules of git-check-ref-format(1), and one that we can store: well-formed and not endless. */
export function isBranchRef(text: string): boolean {
  if (!text.startsWith('refs/heads/') || Buffer.byteLength(text) > MOST_BYTES) return false;
  if (!text.isWellFormed() || text.includes('\uFFFD')) return false;
  if (/[\0-\x20\x7f~^:?*[\\]|\.\.|@\{/.test(text) || text.endsWith('.')) return false;
  return text.split('/').every((part) => part && !part.startsWith('.') && !part.endsWith('.lock'));
}

/** Where the base repository has the head of a pull request, be it of a fork or not (GitHub). */
export const pullRequestRef = (number: number): string => `refs/pull/${number}/head`;

/** In lower-case hex, SHA-1 or SHA-256. */
export const isSha = (text: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
