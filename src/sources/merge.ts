/**
 * Head merged with base, as it would land: a commit of the bot's own in the mirror, made without a work tree. Its bytes
 * depend on the two commits only, so that every instance makes the same one; a keep ref holds it.
 */
import type { Mirror } from './mirror.ts';
import { type Merged, SourceError, type WantedMerge } from './sources.ts';

const MOST_FILES = 100;
const NOBODY = 'RCB <rcb@invalid>';
/** What git's merge finds must not depend on the machine. In a bare mirror no attributes are read, so no merge drivers. */
const CONFIG = { 'merge.renames': 'true', 'merge.directoryRenames': 'conflict', 'merge.renameLimit': '7000' };

export async function ensureMerged(mirror: Mirror, wanted: WantedMerge, signal: AbortSignal): Promise<Merged> {
  const base = await mirror.ensureCommit(wanted.base, signal);
  const head = await mirror.ensureCommit(wanted.head, signal);
  const ancestor = await mirror.local(['merge-base', '--is-ancestor', base.sha, head.sha], signal);
  if (ancestor.code === 0) return { kind: 'head-contains-base', sha: head.sha, tree: head.tree };
  const merged = await mergeTrees(mirror, base.sha, head.sha, signal);
  if (merged.kind === 'conflict') return merged;
  const bytes = await commitBytes(mirror, merged.tree, base.sha, head.sha, signal);
  const args = ['hash-object', '-t', 'commit', '-w', '--stdin'];
  const made = await mirror.must(args, signal, { input: bytes });
  const sha = made.stdout.toString().trim();
  await mirror.keep(sha, signal);
  return { kind: 'merged', sha, tree: merged.tree };
}

type TreeMerge = { kind: 'tree'; tree: string } | Extract<Merged, { kind: 'conflict' }>;

async function mergeTrees(mirror: Mirror, base: string, head: string, signal: AbortSignal): Promise<TreeMerge> {
  const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', base, head];
  const result = await mirror.local(args, signal, { config: CONFIG, maxOutput: 16 * 1024 * 1024 });
  const [tree = '', ...names] = result.stdout.toString().split('\0').filter(Boolean);
  if (result.code === 0) return { kind: 'tree', tree };
  if (result.code === 1) return { kind: 'conflict', files: names.slice(0, MOST_FILES), count: names.length };
  if (/unrelated histories/.test(result.stderr)) return { kind: 'conflict', files: [], count: 0 };
  const words = `${mirror.origin.name}: ${head} cannot be merged with ${base}`;
  const kind = /No space left|Disk quota/.test(result.stderr) ? 'full' : 'unreachable';
  throw new SourceError(kind, `${words}: ${result.stderr.trim().slice(-300)}. It is tried again.`);
}

/** The head's author; the later one's time. */
async function commitBytes(
  mirror: Mirror,
  tree: string,
  base: string,
  head: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const parts = [tree, base, head].map((id, index) => `${index === 0 ? 'tree' : 'parent'} ${id}\n`);
  const [ours, theirs] = [await headerOf(mirror, base, signal), await headerOf(mirror, head, signal)];
  const time = Math.max(ours.time, theirs.time);
  const message = `Merge ${head} into ${base}\n`;
  const people = `author ${theirs.author} ${time} +0000\ncommitter ${NOBODY} ${time} +0000\n`;
  return Buffer.from(`${parts.join('')}${people}\n${message}`, 'latin1');
}

/** Names as bytes: an old commit's need not be UTF-8. */
async function headerOf(mirror: Mirror, sha: string, signal: AbortSignal): Promise<{ author: string; time: number }> {
  const raw = (await mirror.must(['cat-file', 'commit', sha], signal)).stdout.toString('latin1');
  const header = raw.slice(0, raw.indexOf('\n\n'));
  const author = /^author ([^<>\n]+ <[^<>\n]*>) /m.exec(header)?.[1] ?? NOBODY;
  const time = Number(/^committer .*> (\d{1,12}) [+-]\d+$/m.exec(header)?.[1] ?? 0);
  return { author, time };
}
