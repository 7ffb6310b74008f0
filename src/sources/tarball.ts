/**
 * A composition as a .tar.gz, the same bytes each time: entries in the order of their paths' bytes, owner and group 0
 * without names, the committer's time, modes 0644, 0755 and (symlinks) 0777. As in `git archive` there is an entry for
 * each directory that has something in it, and a submodule that was not put in is an empty directory. Unlike there, and
 * as in release scripts that list what is tracked, `export-ignore` and `export-subst` are not looked at: what is tracked
 * is what is tested, and `omit` says what to leave out. Line ends are as committed. Git LFS pointers stay pointers.
 */
import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Archive, ArchiveError, type Blob } from '../archive/archive.ts';
import { type Composition, compose, type PlacedTree } from './composition.ts';
import { type PackedSource, type PackOptions, SourceError } from './sources.ts';
import { tarEnd, tarHeader, tarPadding } from './tar.ts';
import { type BlobBytes, shownPath, type TreeEntry, type TreeSource } from './tree.ts';

/** What is packed, and the time that its entries get. */
export interface PackSource extends TreeSource {
  committedAt: Date;
}

/** Small entries are gathered into pieces of this size: one turn of the compressor's thread for each. */
const PIECE = 256 * 1024;
/** Linux' own limit. */
const MAX_TARGET = 4095;
const GZIP = { level: 6 };
/** In byte 9 of its header zlib names the system that it was compiled for: make it Unix everywhere. */
const GZIP_SYSTEM = { at: 9, value: 3 };

export async function packTree(
  source: PackSource,
  options: PackOptions,
  archive: Pick<Archive, 'put'>,
  placed: PlacedTree[] = [],
): Promise<PackedSource> {
  const tar = new TarOfTree(source, options, compose(source, options, placed));
  const gzip = createGzip(GZIP);
  // A failure reaches whoever reads the compressed stream, too: that is the archive, and then us.
  const packing = pipeline(Readable.from(tar.pieces(), { objectMode: false }), gzip).catch(() => {});
  const compressed = Readable.from(withFixedSystem(gzip), { objectMode: false });
  try {
    const blob = await archive.put(compressed, { keep: 'plain' });
    await packing;
    return { ...blobOf(blob), ...tar.summary() };
  } catch (error) {
    const first = tar.failure ?? error; // Looked at before the streams are destroyed, which is a failure as well.
    gzip.destroy();
    compressed.destroy();
    await packing;
    source.signal.throwIfAborted();
    throw packError(source, first);
  }
}

function blobOf({ sha256, size }: Blob): Blob {
  return { sha256, size };
}

function packError(source: PackSource, error: unknown): unknown {
  if (!(error instanceof ArchiveError)) return error;
  const kind = error.kind === 'too-large' ? 'too-large' : 'full';
  return new SourceError(kind, `The archive of ${source.title} cannot be stored: ${error.message}`, { cause: error });
}

async function* withFixedSystem(gzip: Readable): AsyncGenerator<Buffer> {
  let position = 0;
  for await (const chunk of gzip as AsyncIterable<Buffer>) {
    const at = GZIP_SYSTEM.at - position;
    if (at >= 0 && at < chunk.length) chunk[at] = GZIP_SYSTEM.value;
    position += chunk.length;
    yield chunk;
  }
}

/** The tar, as it is read from the mirror, with its size and digest counted on the way. */
class TarOfTree {
  /** Why it could not be made. A stream that reads the pieces may wrap or replace the error. */
  failure: unknown;
  private readonly source: PackSource;
  private readonly options: PackOptions;
  private readonly content: Composition;
  private readonly hash: Hash = createHash('sha256');
  private readonly top: Buffer;
  private readonly mtime: number;
  private size = 0;
  private files = 0;
  /** The directory that was entered last. */
  private directory: Buffer = Buffer.alloc(0);

  constructor(source: PackSource, options: PackOptions, content: Composition) {
    this.source = source;
    this.options = options;
    this.content = content;
    this.top = Buffer.from(parseTopDirectory(options.topDirectory));
    this.mtime = Math.floor(source.committedAt.getTime() / 1000);
  }

  summary(): Pick<PackedSource, 'tarSha256' | 'tarSize' | 'files'> {
    return { tarSha256: this.hash.digest('hex'), tarSize: this.size, files: this.files };
  }

  async *pieces(): AsyncGenerator<Buffer, void, void> {
    try {
      yield* gathered(this.counted());
    } catch (error) {
      // Whoever reads has had enough, and says why.
      if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') this.failure = error;
      throw error;
    }
  }

  private async *counted(): AsyncGenerator<Buffer, void, void> {
    for await (const bytes of this.entries()) {
      this.size += bytes.length;
      this.checkSize(0);
      this.hash.update(bytes);
      yield bytes;
    }
    const end = tarEnd(this.size);
    this.size += end.length;
    this.hash.update(end);
    yield end;
  }

  private async *entries(): AsyncGenerator<Buffer, void, void> {
    yield this.directoryHeader(this.top);
    this.directory = this.top;
    for await (const blob of this.content.read()) {
      this.checkSize(blob.size); // Before a large blob is read, not after.
      const path = Buffer.concat([this.top, Buffer.from('/'), blob.entry.path]);
      yield* this.directoriesAbove(path);
      yield* this.entryOf(path, blob);
    }
  }

  private async *entryOf(path: Buffer, { entry, size, chunks }: BlobBytes): AsyncGenerator<Buffer, void, void> {
    if (entry.kind === 'submodule') {
      yield this.directoryHeader(path);
      return;
    }
    this.files += 1;
    if (entry.kind === 'symlink') {
      const target = await this.symlinkTarget(entry, size, chunks);
      yield tarHeader({ type: 'symlink', path, mode: 0o777, size: 0, mtime: this.mtime, target });
      return;
    }
    const mode = entry.kind === 'executable' ? 0o755 : 0o644;
    yield tarHeader({ type: 'file', path, mode, size, mtime: this.mtime });
    yield* chunks;
    yield tarPadding(size);
  }

  private async symlinkTarget(entry: TreeEntry, size: number, chunks: AsyncIterable<Buffer>): Promise<Buffer> {
    const bad = (why: string) =>
      new SourceError('bad-tree', `${this.source.title} cannot be packed: the symlink ${shownPath(entry.path)} ${why}`);
    if (size === 0 || size > MAX_TARGET) throw bad(`has a target of ${size} bytes`);
    const target = Buffer.concat(await Array.fromAsync(chunks));
    if (target.includes(0)) throw bad('has a target with a NUL');
    return target;
  }

  /** Headers of the directories between the last entry's and this one's. In the order of paths each comes up once. */
  private *directoriesAbove(path: Buffer): Generator<Buffer> {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const above = path.subarray(0, slash);
      const entered = this.directory.length >= slash && this.directory.subarray(0, slash).equals(above);
      if (entered && (this.directory.length === slash || this.directory[slash] === 0x2f)) continue;
      yield this.directoryHeader(above);
    }
    this.directory = Buffer.from(path.subarray(0, path.lastIndexOf('/')));
  }

  private directoryHeader(path: Buffer): Buffer {
    return tarHeader({ type: 'directory', path, mode: 0o755, size: 0, mtime: this.mtime });
  }

  private checkSize(coming: number): void {
    const { maxBytes } = this.options;
    if (maxBytes === undefined || this.size + coming <= maxBytes) return;
    const limit = `${(maxBytes / 1e6).toFixed(1)} MB`;
    const what = `${this.source.title} is larger than ${limit} when unpacked`;
    throw new SourceError('too-large', `${what}, so it is not packed. Raise the limit, or omit files.`);
  }
}

/** Small pieces joined, large ones passed on as they are. */
async function* gathered(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    size += piece.length;
    if (size < PIECE) continue;
    yield Buffer.concat(waiting, size);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting, size);
}

/** One directory's name that every unpacker takes as it is. */
function parseTopDirectory(name: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.+~@=-]{0,99}$/.test(name)) return name;
  throw new SourceError(
    'bad-tree',
    `${JSON.stringify(name.slice(0, 120))} cannot name the top directory of an archive`,
  );
}
