import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline, Readable, Transform, type TransformCallback } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { type Entry, fromFdPromise, getFileNameLowLevel, type ZipFile } from 'yauzl';
import { ArchiveError } from '../archive/archive.ts';
import { archiveFilesMessages as words } from '../core/messages-archive-files.ts';

/**
 * The inside of a zip or tar that a build of strangers left. It is never unpacked: entries are listed, and one of them is
 * read as a stream of bytes. No name in it reaches a disk; a zip, which has to be read from its end, lies in a file
 * without a name meanwhile. Everything is bounded: bytes, entries, and by `signal` the time.
 */
export interface FileList {
  entries: FileEntry[];
  /** Why the list is not whole. */
  cut?: string;
}

/** `index`: its place in the archive, which is what names it: two entries may have one path. */
export interface FileEntry {
  index: number;
  path: string;
  size: number;
  /** It cannot be read: a link, encrypted. In words. */
  unreadable?: string;
}

export interface FileLimits {
  maxEntries: number;
  /** Of the archive as it is. */
  maxBytes: number;
  /** Of a tar, unpacked. */
  maxUnpackedBytes: number;
}

export const FILE_LIMITS: FileLimits = { maxEntries: 50_000, maxBytes: 1_000_000_000, maxUnpackedBytes: 1_500_000_000 };

/** It cannot be looked into; the message is for the reader of the page. */
export class NoArchive extends Error {}

export interface OpenedFile {
  entry: FileEntry;
  bytes: Readable;
}

/** Takes `body` as far as it needs it, and destroys it. */
export function listFiles(body: Readable, limits: FileLimits, signal: AbortSignal): Promise<FileList> {
  return reading(body, signal, async (kind, bytes) =>
    kind === 'zip' ? listZip(bytes, limits, signal) : listTar(bytes, kind, limits, signal),
  );
}

/** undefined: there is no entry at this place. `signal` bounds the search for it, not the reading of what was found. */
export function openFile(
  body: Readable,
  index: number,
  limits: FileLimits,
  signal: AbortSignal,
): Promise<OpenedFile | undefined> {
  return reading(body, signal, async (kind, bytes) =>
    kind === 'zip' ? openInZip(bytes, index, limits, signal) : openInTar(bytes, kind, index, limits, signal),
  );
}

type Kind = 'zip' | 'tar.gz' | 'tar';

async function reading<T>(
  body: Readable,
  signal: AbortSignal,
  read: (kind: Kind, bytes: Readable) => Promise<T>,
): Promise<T> {
  const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const stop = () => void body.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    const head = await firstBytes(iterator);
    const kind = kindOf(head);
    if (!kind) throw new NoArchive(words.notAnArchive);
    return await read(kind, Readable.from(rejoined(head, iterator), { objectMode: false }));
  } catch (error) {
    body.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** As many as tell what it is: a tar says so at byte 257. */
const HEAD_BYTES = 512;

async function firstBytes(iterator: AsyncIterator<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  while (size < HEAD_BYTES) {
    const { value, done } = await iterator.next();
    if (done) break;
    pieces.push(value);
    size += value.length;
  }
  return Buffer.concat(pieces);
}

async function* rejoined(head: Buffer, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  yield* { [Symbol.asyncIterator]: () => iterator };
}

function kindOf(head: Buffer): Kind | undefined {
  if (/^PK(?:\x03\x04|\x05\x06)/.test(head.toString('latin1', 0, 4))) return 'zip';
  if (head[0] === 0x1f && head[1] === 0x8b) return 'tar.gz';
  return head.toString('latin1', 257, 262) === 'ustar' ? 'tar' : undefined;
}

// Zip

async function listZip(body: Readable, limits: FileLimits, signal: AbortSignal): Promise<FileList> {
  const { zip, file } = await openZip(body, limits, signal);
  try {
    const entries: FileEntry[] = [];
    let index = 0;
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      if (index >= limits.maxEntries) return { entries, cut: words.cutEntries(limits.maxEntries) };
      const listed = zipEntry(entry, index++);
      if (listed) entries.push(listed);
    }
    return { entries };
  } catch (error) {
    throw unreadable(error, signal);
  } finally {
    await file.close();
  }
}

async function openInZip(
  body: Readable,
  wanted: number,
  limits: FileLimits,
  signal: AbortSignal,
): Promise<OpenedFile | undefined> {
  const { zip, file } = await openZip(body, limits, signal);
  try {
    let index = 0;
    for await (const each of zip.eachEntry()) {
      signal.throwIfAborted();
      if (index++ < wanted) continue;
      const entry = zipEntry(each, wanted);
      if (!entry) break;
      if (entry.unreadable) throw new NoArchive(words.notAFile(entry.unreadable));
      const bytes = await zip.openReadStreamPromise(each);
      bytes.once('close', () => void file.close());
      return { entry, bytes };
    }
  } catch (error) {
    await file.close();
    throw unreadable(error, signal);
  }
  await file.close();
  return undefined;
}

async function openZip(
  body: Readable,
  limits: FileLimits,
  signal: AbortSignal,
): Promise<{ zip: ZipFile; file: FileHandle }> {
  const file = await unnamedFile();
  try {
    let size = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      size += chunk.length;
      if (size > limits.maxBytes) throw new NoArchive(words.tooLarge(limits.maxBytes));
      await file.write(chunk);
    }
    // One bad name must not cost the others: names are only shown.
    return { file, zip: await fromFdPromise(file.fd, { autoClose: false, decodeStrings: false }) };
  } catch (error) {
    await file.close();
    throw unreadable(error, signal);
  }
}

/** Removed as soon as it is open: nothing is left behind, whatever happens to the process. */
async function unnamedFile(): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'rcb-look-'));
  try {
    return await open(join(directory, 'zip'), 'wx+', 0o600);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** undefined: a directory. */
function zipEntry(entry: Entry, index: number): FileEntry | undefined {
  const path = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
  if (path.endsWith('/')) return undefined;
  return { index, path, size: entry.uncompressedSize, ...whyNot(entry) };
}

function whyNot(entry: Entry): Pick<FileEntry, 'unreadable'> {
  if (entry.isEncrypted()) return { unreadable: words.encrypted };
  return entry.canDecodeFileData() ? {} : { unreadable: words.compressed };
}

// Tar

async function listTar(body: Readable, kind: Kind, limits: FileLimits, signal: AbortSignal): Promise<FileList> {
  const entries: FileEntry[] = [];
  const walk = walkTar(body, kind, limits, signal);
  try {
    let index = 0;
    for await (const entry of walk) {
      if (index >= limits.maxEntries) return { entries, cut: words.cutEntries(limits.maxEntries) };
      const listed = tarEntry(entry.header, index++);
      if (listed) entries.push(listed);
      entry.resume();
    }
    return { entries };
  } catch (error) {
    const fault = unreadable(error, signal, limits);
    // What was read is worth showing; a compressed text that is no tar has nothing to show.
    if (entries.length === 0 || !(fault instanceof NoArchive)) throw fault;
    const isTooMuch = error instanceof TooMuch;
    return { entries, cut: isTooMuch ? words.cutBytes(limits.maxUnpackedBytes) : words.cutBroken(messageOf(error)) };
  } finally {
    body.destroy();
    walk.destroy();
  }
}

async function openInTar(
  body: Readable,
  kind: Kind,
  wanted: number,
  limits: FileLimits,
  signal: AbortSignal,
): Promise<OpenedFile | undefined> {
  const walk = walkTar(body, kind, limits, signal);
  const end = () => {
    body.destroy();
    walk.destroy();
  };
  try {
    let index = 0;
    // By hand: leaving a `for await` would end the walk, and with it the file that was found.
    const each = walk[Symbol.asyncIterator]();
    for (let next = await each.next(); !next.done; next = await each.next()) {
      if (index++ < wanted) {
        next.value.resume();
        continue;
      }
      const entry = tarEntry(next.value.header, wanted);
      if (!entry) break;
      if (entry.unreadable) throw new NoArchive(words.notAFile(entry.unreadable));
      const bytes = Readable.from(next.value, { objectMode: false });
      bytes.once('close', end);
      return { entry, bytes };
    }
  } catch (error) {
    end();
    throw unreadable(error, signal, limits);
  }
  end();
  return undefined;
}

function walkTar(body: Readable, kind: Kind, limits: FileLimits, signal: AbortSignal): ReturnType<typeof extract> {
  const walk = extract();
  const counted = new Counted(limits.maxUnpackedBytes, signal);
  // A fault reaches whoever walks; this callback only keeps it from being nobody's.
  const ended = (error: Error | null | undefined) => void (error && walk.destroy(error));
  if (kind === 'tar.gz') pipeline(body, createGunzip(), counted, walk, ended);
  else pipeline(body, counted, walk, ended);
  return walk;
}

class TooMuch extends Error {}

class Counted extends Transform {
  #left: number;
  readonly #signal: AbortSignal;
  constructor(most: number, signal: AbortSignal) {
    super();
    this.#left = most;
    this.#signal = signal;
  }
  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#left -= chunk.length;
    if (this.#signal.aborted) done(this.#signal.reason as Error);
    else if (this.#left < 0) done(new TooMuch());
    else done(null, chunk);
  }
}

/** undefined: a directory, or a header for what follows. */
function tarEntry({ name, size = 0, type, linkname }: Header, index: number): FileEntry | undefined {
  if (type === 'directory' || name.endsWith('/')) return undefined;
  if (type === 'file' || type === 'contiguous-file' || type == null) return { index, path: name, size };
  const unreadable = type === 'symlink' || type === 'link' ? words.link(linkname ?? '?') : words.special;
  return { index, path: name, size: 0, unreadable };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What the archive's own adapter says, and what was aborted, is not the file's fault. */
function unreadable(error: unknown, signal: AbortSignal, limits?: FileLimits): unknown {
  if (error instanceof NoArchive || error instanceof ArchiveError) return error;
  if (signal.aborted) return signal.reason;
  if (error instanceof TooMuch) return new NoArchive(words.tooLarge(limits!.maxUnpackedBytes));
  return new NoArchive(words.unreadable(messageOf(error).replace(/\.+$/, '')));
}
