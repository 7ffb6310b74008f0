/** Small looks into commits that were fetched. */
import type { Mirror } from './mirror.ts';
import { type FileRead, SourceError, type TouchedFiles } from './sources.ts';
import { pathFault } from './tree.ts';

const MAX_LISTED = 16 * 1024 * 1024;
const OTHERS: Record<string, Exclude<FileRead['kind'], 'file' | 'too-large'>> = {
  '120000': 'symlink',
  '040000': 'directory',
  '160000': 'submodule',
};

export async function readFile(
  mirror: Mirror,
  sha: string,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<FileRead> {
  await mirror.mustHold(sha, signal);
  // Git would list what is in `a` for `a/`, and complain about `..`.
  if (path.includes('\0') || pathFault(Buffer.from(path))) return { kind: 'missing' };
  const listing = ['--literal-pathspecs', 'ls-tree', '-z', '-l', '--full-tree', sha, '--', path];
  const listed = await mirror.must(listing, signal);
  const [mode = '', , id = '', size = ''] = listed.stdout.toString('latin1').split('\t')[0]!.split(/ +/);
  if (mode === '') return { kind: 'missing' };
  const other = OTHERS[mode];
  if (other) return { kind: other };
  if (!(Number(size) <= maxBytes)) return { kind: 'too-large', size: Number(size) };
  const blob = await mirror.must(['cat-file', 'blob', id], signal, { maxOutput: maxBytes });
  return { kind: 'file', bytes: blob.stdout };
}

export async function touchedFiles(
  mirror: Mirror,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<TouchedFiles> {
  for (const sha of [from, to]) await mirror.mustHold(sha, signal);
  const flags = ['-r', '-z', '--name-only', '--no-renames', '--no-ext-diff'];
  const since = await mirror.local(['merge-base', from, to], signal);
  // Nothing in common: all that is different.
  const start = since.code === 0 ? since.stdout.toString().trim() : from;
  const differing = await mirror.local(['diff-tree', ...flags, start, to], signal, { maxOutput: MAX_LISTED });
  if (differing.code !== 0) {
    const words = `${mirror.origin.name} cannot be compared between ${from} and ${to}`;
    throw new SourceError('unreachable', `${words}: ${differing.stderr.trim().slice(-300)}`);
  }
  const complete = differing.stdout.length < MAX_LISTED;
  const files = differing.stdout.toString().split('\0');
  files.pop(); // Behind the last NUL: nothing, or half a name.
  return { files, complete };
}
