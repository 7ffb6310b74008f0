import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { ArchiveError, type Blob, type PutOptions } from './archive.ts';
import {
  asArchiveError,
  ensureDirectory,
  isMissing,
  readFrom,
  syncDirectory,
  translated,
  writeAll,
} from './durable.ts';
import type { BlobPaths, Layout } from './layout.ts';
import { maskStream, type SecretPatterns } from './mask.ts';

/**
 * Blobs on disk. Compressed: one zstd frame, then a footer with the size, as a frame that zstd tools skip. Plain: the
 * bytes. What was stored in one form is not stored again in the other.
 */
export interface DiskBlobs {
  put(bytes: Readable | Uint8Array, options?: PutOptions): Promise<Blob>;
  stat(sha256: string, use?: 'use'): Promise<Blob | undefined>;
  get(sha256: string): Promise<Readable>;
  remove(sha256: string, options?: { unusedForMs?: number }): Promise<boolean>;
}

export function diskBlobs(layout: Layout, patterns: () => SecretPatterns): DiskBlobs {
  return {
    put: (bytes, options = {}) => putBlob(layout, bytes, options, patterns),
    stat: (sha256, use) =>
      translated(`Blob ${sha256} could not be looked up`, () =>
        use ? useBlob(layout, sha256) : statBlob(layout, sha256),
      ),
    get: (sha256) => translated(`Blob ${sha256} could not be read`, () => getBlob(layout, sha256)),
    remove: (sha256, { unusedForMs = 0 } = {}) =>
      translated(`Blob ${sha256} could not be removed`, () => removeBlob(layout, sha256, unusedForMs)),
  };
}

const pieceSize = 256 * 1024;
// RFC 8878, 3.1.2: a skippable frame of 8 bytes; in it, the size of the blob.
const footerStart = Buffer.from([0x5c, 0x2a, 0x4d, 0x18, 8, 0, 0, 0]);
const footerLength = footerStart.length + 8;

async function putBlob(
  layout: Layout,
  bytes: Readable | Uint8Array,
  options: PutOptions,
  patterns: () => SecretPatterns,
): Promise<Blob> {
  if (bytes instanceof Uint8Array && !options.mask) {
    const known = await findSame(layout, bytes, options.maxBytes);
    if (known) return known;
  }
  const source = new SourceBytes(bytes, options.maxBytes);
  const temporary = layout.temporary();
  try {
    const chunks = options.mask ? maskStream(patterns(), source.chunks()) : source.chunks();
    const blob = await writeAside(temporary, chunks, options.keep ?? 'zstd');
    await keepBlob(layout, temporary, blob, options.keep ?? 'zstd');
    return blob;
  } catch (error) {
    if (bytes instanceof Readable) bytes.destroy();
    await rm(temporary, { force: true });
    // What is wrong with the source is not the archive's to explain.
    throw source.fault ?? asArchiveError(error, 'A blob could not be stored');
  }
}

/** The blob with these bytes, if it is stored already: then nothing is compressed or written. */
async function findSame(layout: Layout, bytes: Uint8Array, maxBytes: number | undefined): Promise<Blob | undefined> {
  const hash = createHash('sha256');
  for await (const chunk of new SourceBytes(bytes, maxBytes).chunks()) {
    hash.update(chunk);
    await nextTurn(); // Hashing a large archive must not hold up the site.
  }
  const sha256 = hash.digest('hex');
  return translated('A blob could not be stored', async () => {
    const known = await useBlob(layout, sha256).catch(ifCorrupt);
    // Who stored it may have died between the renaming and this.
    if (known) await syncDirectory(layout.blob(sha256).directory);
    return known;
  });
}

/** A damaged blob is as good as none when its bytes are at hand. */
function ifCorrupt(error: unknown): undefined {
  if (error instanceof ArchiveError && error.kind === 'corrupt') return undefined;
  throw error;
}

/** The bytes of a source in small pieces, counted; remembers whether it was the source that failed. */
class SourceBytes {
  fault: unknown;
  private readonly bytes: Readable | Uint8Array;
  private readonly maxBytes: number;
  private size = 0;

  constructor(bytes: Readable | Uint8Array, maxBytes = Number.POSITIVE_INFINITY) {
    this.bytes = bytes;
    this.maxBytes = maxBytes;
  }

  async *chunks(): AsyncGenerator<Uint8Array, void> {
    try {
      if (this.bytes instanceof Uint8Array) yield* this.pieces(this.bytes);
      else
        for await (const chunk of this.bytes)
          yield* this.pieces(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    } catch (error) {
      this.fault = error;
      throw error;
    }
  }

  private *pieces(bytes: Uint8Array): Generator<Uint8Array, void> {
    this.size += bytes.length;
    if (this.size > this.maxBytes) {
      throw new ArchiveError(
        'too-large',
        `A blob has more than the ${this.maxBytes} bytes allowed; nothing was stored.`,
      );
    }
    for (let at = 0; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize);
  }
}

async function writeAside(path: string, chunks: AsyncIterable<Uint8Array>, keep: 'zstd' | 'plain'): Promise<Blob> {
  const hash = createHash('sha256');
  let size = 0;
  const hashed = async function* () {
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  const handle = await open(path, 'wx');
  try {
    const length = await writeThrough(handle, hashed(), keep);
    if (keep === 'zstd') await writeAll(handle, footer(size), length);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { sha256: hash.digest('hex'), size };
}

/** Returns how many bytes it wrote. */
async function writeThrough(handle: FileHandle, chunks: AsyncIterable<Uint8Array>, keep: 'zstd' | 'plain') {
  let length = 0;
  const sink = async (parts: AsyncIterable<Uint8Array>) => {
    for await (const part of parts) {
      await writeAll(handle, part, length);
      length += part.length;
    }
  };
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  if (keep === 'plain') await sink(chunks);
  else await pipeline(chunks, createZstdCompress({ chunkSize: pieceSize, params }), sink);
  return length;
}

function footer(size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(size));
  return Buffer.concat([footerStart, bytes]);
}

/** Renaming over the same blob is harmless, and replaces one that was damaged. */
async function keepBlob(layout: Layout, temporary: string, blob: Blob, keep: 'zstd' | 'plain'): Promise<void> {
  const paths = layout.blob(blob.sha256);
  await ensureDirectory(paths.directory);
  const other = keep === 'zstd' ? paths.plain : paths.zstd;
  if (await touch(other)) await rm(temporary);
  else await rename(temporary, keep === 'zstd' ? paths.zstd : paths.plain);
  await syncDirectory(paths.directory);
}

/** The time of a file tells when its blob was put or used last. False when it is not there. */
async function touch(path: string): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(path, now, now);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function statBlob(layout: Layout, sha256: string): Promise<Blob | undefined> {
  const stored = await openBlob(layout.blob(sha256), sha256);
  if (!stored) return undefined;
  await stored.handle.close();
  return { sha256, size: stored.size };
}

async function useBlob(layout: Layout, sha256: string): Promise<Blob | undefined> {
  const found = await statBlob(layout, sha256);
  const { zstd, plain } = layout.blob(sha256);
  return found && ((await touch(zstd)) || (await touch(plain))) ? found : undefined;
}

/** `length`: of the bytes that are to be read from the file. */
interface StoredBlob {
  handle: FileHandle;
  keep: 'zstd' | 'plain';
  length: number;
  size: number;
}

async function openBlob(paths: BlobPaths, sha256: string): Promise<StoredBlob | undefined> {
  const zstd = await openIfThere(paths.zstd);
  const handle = zstd ?? (await openIfThere(paths.plain));
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    if (!zstd) return { handle, keep: 'plain', length: size, size };
    return { handle, keep: 'zstd', length: size - footerLength, size: await readFooter(handle, size, sha256) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function readFooter(handle: FileHandle, fileSize: number, sha256: string): Promise<number> {
  const bytes = await readFrom(handle, Math.max(0, fileSize - footerLength), footerLength);
  const size = bytes.length === footerLength ? Number(bytes.readBigUInt64LE(footerStart.length)) : Number.NaN;
  if (!Number.isSafeInteger(size) || !bytes.subarray(0, footerStart.length).equals(footerStart)) {
    throw corruptBlob(sha256);
  }
  return size;
}

async function getBlob(layout: Layout, sha256: string): Promise<Readable> {
  const stored = await openBlob(layout.blob(sha256), sha256);
  if (!stored) throw new ArchiveError('missing', `Blob ${sha256} is not in the archive.`);
  const { handle, keep, length, size } = stored;
  const verified = new VerifiedBlob(sha256, size);
  if (length <= 0) {
    await handle.close();
    return verified.end();
  }
  const file = handle.createReadStream({ start: 0, end: length - 1, highWaterMark: pieceSize });
  const steps = keep === 'plain' ? [file, verified] : [file, createZstdDecompress({ chunkSize: pieceSize }), verified];
  // Its outcome is `verified`'s own: that one is destroyed with the fault of any step, and closes all when it is.
  pipeline(steps).catch(() => undefined);
  return verified;
}

async function removeBlob(layout: Layout, sha256: string, unusedForMs: number): Promise<boolean> {
  const { zstd, plain } = layout.blob(sha256);
  const isGone = await removeUnused(layout, zstd, unusedForMs);
  return (await removeUnused(layout, plain, unusedForMs)) && isGone;
}

async function removeUnused(layout: Layout, path: string, unusedForMs: number): Promise<boolean> {
  const isUsed = async (file: string) => Date.now() - (await stat(file)).mtimeMs < unusedForMs;
  const aside = layout.temporary();
  try {
    if (await isUsed(path)) return false;
    await rename(path, aside);
    if (await isUsed(aside)) {
      // In that very moment. Who put the same bytes meanwhile does not mind.
      await rename(aside, path);
      return false;
    }
    await rm(aside);
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}

function corruptBlob(sha256: string, cause?: unknown): ArchiveError {
  return new ArchiveError('corrupt', `Blob ${sha256} is not what was stored; it was damaged on disk.`, { cause });
}

/** Passes the bytes on and ends only when they were what they should be. */
class VerifiedBlob extends Transform {
  private readonly sha256: string;
  private readonly expected: number;
  private readonly hash = createHash('sha256');
  private seen = 0;

  constructor(sha256: string, expected: number) {
    super({ readableHighWaterMark: pieceSize });
    this.sha256 = sha256;
    this.expected = expected;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.hash.update(chunk);
    this.seen += chunk.length;
    if (this.seen > this.expected) done(corruptBlob(this.sha256));
    else done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const isRight = this.seen === this.expected && this.hash.digest('hex') === this.sha256;
    done(isRight ? null : corruptBlob(this.sha256));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    done(error && this.explained(error));
  }

  private explained(error: Error & { code?: unknown }): Error {
    // zlib's codes; a reader who gave up is no fault of the archive's.
    if (typeof error.code === 'string' && /^(Z|ZSTD)_/.test(error.code)) return corruptBlob(this.sha256, error);
    if (error instanceof ArchiveError || error.name === 'AbortError' || error.code === undefined) return error;
    return asArchiveError(error, `Blob ${this.sha256} could not be read`);
  }
}
