/**
 * Reading a commit's tree out of a mirror: its entries in git's order (the bytes of the whole path), checked, and the
 * blobs' bytes, from two git processes that live as long as the reading does. Nothing is held that grows with the tree.
 */
import type { Readable } from 'node:stream';
import type { Git, GitProcess } from './git.ts';
import { SourceError } from './sources.ts';

export interface TreeEntry {
  kind: 'file' | 'executable' | 'symlink' | 'submodule';
  /** The blob, or the submodule's commit. */
  id: string;
  path: Buffer;
}

export interface BlobBytes {
  entry: TreeEntry;
  size: number;
  /** To be read to its end before the next entry is asked for. Empty for a submodule. */
  chunks: AsyncIterable<Buffer>;
}

export interface TreeSource {
  git: Git;
  gitDir: string;
  sha: string;
  /** For messages: `owner/name at SHA`. */
  title: string;
  signal: AbortSignal;
}

/** No file system takes a longer one. */
const MAX_PATH = 32 * 1024;
/** So many blobs are asked for at once: enough to keep git busy, and little enough to fit into a pipe unread. */
const BATCH = 256;

const MODES: Record<string, TreeEntry['kind']> = {
  '100644': 'file',
  '100664': 'file', // Very old gits wrote it.
  '100755': 'executable',
  '120000': 'symlink',
  '160000': 'submodule',
};

/** The entries for which `wanted` says yes, with their bytes. */
export async function* readTree(
  source: TreeSource,
  wanted: (entry: TreeEntry) => boolean,
): AsyncGenerator<BlobBytes, void, void> {
  const blobs = source.git.start([`--git-dir=${source.gitDir}`, 'cat-file', '--batch'], source);
  const reader = new ByteReader(blobs.stdout);
  try {
    for await (const batch of inBatches(listTree(source), wanted)) {
      const withBytes = batch.filter((entry) => entry.kind !== 'submodule');
      blobs.stdin.write(withBytes.map((entry) => `${entry.id}\n`).join(''));
      for (const entry of batch) yield* entry.kind === 'submodule' ? [emptyOf(entry)] : blobOf(source, reader, entry);
    }
    blobs.stdin.end();
  } catch (error) {
    source.signal.throwIfAborted();
    throw error;
  } finally {
    blobs.stop();
  }
}

async function* blobOf(source: TreeSource, reader: ByteReader, entry: TreeEntry): AsyncGenerator<BlobBytes> {
  const answer = await reader.line(200);
  const [id, type, digits] = answer?.split(' ') ?? [];
  if (id !== entry.id || type !== 'blob' || !/^\d+$/.test(digits ?? '')) {
    source.signal.throwIfAborted();
    throw damaged(source, `git gave ${JSON.stringify(answer ?? 'nothing')} for ${shownPath(entry.path)}`);
  }
  const size = Number(digits);
  yield { entry, size, chunks: reader.chunks(size) };
  await reader.skip(1); // A newline.
}

function emptyOf(entry: TreeEntry): BlobBytes {
  return { entry, size: 0, chunks: (async function* () {})() };
}

async function* inBatches(
  entries: AsyncIterable<TreeEntry>,
  wanted: (entry: TreeEntry) => boolean,
): AsyncGenerator<TreeEntry[]> {
  let batch: TreeEntry[] = [];
  for await (const entry of entries) {
    if (wanted(entry)) batch.push(entry);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Every entry below the commit's tree. A tree that no honest git writes throws `bad-tree`. */
export async function* listTree(source: TreeSource): AsyncGenerator<TreeEntry, void, void> {
  const args = [`--git-dir=${source.gitDir}`, 'ls-tree', '-r', '-z', '--full-tree', source.sha];
  const listing = source.git.start(args, source);
  listing.stdin.end();
  const order = new PathOrder();
  try {
    for await (const line of splitAtNul(source, listing.stdout)) {
      const entry = parseEntry(source, line);
      const fault = pathFault(entry.path) ?? order.faultOf(entry.path);
      if (fault) throw new SourceError('bad-tree', `${source.title} cannot be packed: ${fault}`);
      yield entry;
    }
    await checkEnd(source, listing);
  } finally {
    listing.stop();
  }
}

async function checkEnd(source: TreeSource, listing: GitProcess): Promise<void> {
  const { code, stderr } = await listing.ended;
  source.signal.throwIfAborted();
  if (code !== 0) throw damaged(source, stderr.trim().slice(-300));
}

function damaged(source: TreeSource, why: string): SourceError {
  const what = `${source.title} cannot be read from its mirror: ${why}`;
  return new SourceError('commit-missing', `${what}. Remove ${source.gitDir}; it is fetched anew when it is needed.`);
}

async function* splitAtNul(source: TreeSource, stream: Readable): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0, start); end !== -1; end = bytes.indexOf(0, start)) {
      yield bytes.subarray(start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > MAX_PATH) {
      throw new SourceError('bad-tree', `${source.title} cannot be packed: a path is longer than ${MAX_PATH} bytes`);
    }
  }
}

/** `MODE TYPE ID\tPATH`. */
function parseEntry(source: TreeSource, line: Buffer): TreeEntry {
  const tab = line.indexOf('\t');
  const [mode = '', , id = ''] = line.subarray(0, tab).toString('latin1').split(' ');
  const path = Buffer.from(line.subarray(tab + 1));
  const kind = MODES[mode];
  if (kind) return { kind, id, path };
  throw new SourceError('bad-tree', `${source.title} cannot be packed: ${shownPath(path)} has the mode ${mode}`);
}

/** Why unpacking the path could reach beyond the directory, or make it a repository. On Windows `\` separates as well. */
export function pathFault(path: Buffer): string | undefined {
  const parts = path.toString('latin1').split(/[/\\]/);
  const dangerous = parts.find((part) => part === '.' || part === '..' || part.toLowerCase() === '.git');
  if (dangerous !== undefined) return `the path ${shownPath(path)} has a component ${dangerous}`;
  if (path[0] === 0x2f || path.includes('//') || path.at(-1) === 0x2f || path.length === 0) {
    return `the path ${shownPath(path)} has an empty component`;
  }
}

/** Finds a path that comes twice, and one that is below a file or a symlink (through which it would be written). */
export class PathOrder {
  private last: Buffer = Buffer.alloc(0);
  /** The paths so far that the next one may begin with: in ascending order these are all that matter. */
  private readonly beginnings: Buffer[] = [];

  faultOf(path: Buffer): string | undefined {
    if (Buffer.compare(this.last, path) >= 0) return `its tree is not in order at ${shownPath(path)}`;
    this.last = path;
    while (this.beginnings.length > 0 && !beginsWith(path, this.beginnings.at(-1)!)) this.beginnings.pop();
    const above = this.beginnings.find((beginning) => path[beginning.length] === 0x2f);
    if (above) return `${shownPath(above)} is both a file and a directory`;
    this.beginnings.push(path);
  }
}

function beginsWith(path: Buffer, beginning: Buffer): boolean {
  return path.subarray(0, beginning.length).equals(beginning);
}

/** Quoted, cut, and without bytes that would do something to a terminal. */
export function shownPath(path: Buffer): string {
  return JSON.stringify(path.subarray(0, 200).toString());
}

/** Lines and counted bytes, in turn, from one stream. */
class ByteReader {
  private readonly source: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.source = stream[Symbol.asyncIterator]();
  }

  /** Without its newline; undefined at the end of the stream, or when it is longer than `max`. */
  async line(max: number): Promise<string | undefined> {
    let end = this.rest.indexOf('\n');
    while (end === -1 && this.rest.length <= max && (await this.more())) end = this.rest.indexOf('\n');
    if (end === -1 || end > max) return undefined;
    const line = this.rest.toString('latin1', 0, end);
    this.rest = this.rest.subarray(end + 1);
    return line;
  }

  async *chunks(size: number): AsyncGenerator<Buffer, void, void> {
    for (let left = size; left > 0; ) {
      if (this.rest.length === 0 && !(await this.more())) throw new Error('git ended in the middle of a blob');
      const chunk = this.rest.subarray(0, left);
      this.rest = this.rest.subarray(chunk.length);
      left -= chunk.length;
      yield chunk;
    }
  }

  async skip(size: number): Promise<void> {
    for await (const _ of this.chunks(size));
  }

  private async more(): Promise<boolean> {
    const { done, value } = await this.source.next();
    if (done) return false;
    this.rest = this.rest.length === 0 ? value : Buffer.concat([this.rest, value]);
    return true;
  }
}
