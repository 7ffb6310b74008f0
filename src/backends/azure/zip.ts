import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type Entry, fromFdPromise, getFileNameLowLevel, type ZipFile } from 'yauzl';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { BackendError } from '../backend.ts';

/**
 * A zip from outside. It is never unpacked: its files are listed, and read one by one as bytes, so no name in it reaches
 * a disk. Sizes are those that it declares: a declared size over the limits keeps a file from being listed, and yauzl
 * breaks off where a file turns out to have another one. So a bomb costs no more than what is allowed anyway.
 */
export interface Zip {
  files: ZipEntry[];
  /** What is in it and will not be read, and why. */
  refused: { name: string; why: string }[];
  read(name: string): Promise<Readable>;
  /** Streams that were given out go on to their ends. */
  close(): void;
}

export interface ZipEntry {
  name: string;
  size: number;
}

export interface ZipLimits {
  maxFiles: number;
  /** Of all files together, unpacked. */
  maxBytes: number;
  /** Of the zip itself. */
  maxZipBytes: number;
}

const MOST_REFUSALS = 100;
const MOST_NAME_BYTES = 1_000;

/** Takes the stream to its end, in a file without a name. Throws ZipError when it is no zip, or too large. */
export async function openZip(body: Readable, limits: ZipLimits, signal: AbortSignal): Promise<Zip> {
  const file = await unnamedFile();
  let zip: ZipFile | undefined;
  try {
    await take(body, file, limits.maxZipBytes, signal);
    // Names are checked by us: one bad name must not cost the others.
    zip = await fromFdPromise(file.fd, { autoClose: false, decodeStrings: false });
    const { entries, refused } = await filesIn(zip, limits);
    for (const [name, entry] of entries) {
      const why = await whyDamaged(zip, entry, signal);
      if (why === undefined) continue;
      entries.delete(name);
      refused.push({ name, why });
    }
    return zipOver(zip, file, entries, refused);
  } catch (error) {
    await file.close();
    if (error instanceof ZipError || error instanceof BackendError || signal.aborted) throw error;
    throw new ZipError(words.badZip((error as Error).message), { cause: error });
  }
}

export class ZipError extends Error {}

/** Removed as soon as it is open: nothing is left behind, whatever happens to the process. */
async function unnamedFile(): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'rcb-zip-'));
  try {
    return await open(join(directory, 'zip'), 'wx+', 0o600);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function take(body: Readable, file: FileHandle, maxBytes: number, signal: AbortSignal): Promise<void> {
  let bytes = 0;
  for await (const chunk of body) {
    signal.throwIfAborted();
    bytes += (chunk as Buffer).length;
    if (bytes > maxBytes) throw new ZipError(words.tooMuch(Math.floor(maxBytes / 2 ** 20)));
    await file.write(chunk as Buffer);
  }
}

async function filesIn(zip: ZipFile, limits: ZipLimits) {
  const entries = new Map<string, Entry>();
  const refused: Zip['refused'] = [];
  let bytes = 0;
  for await (const entry of zip.eachEntry()) {
    const name = nameOf(entry);
    if (name.endsWith('/')) continue;
    const why =
      whyNot(name, entry) ??
      (entries.has(name) ? words.twice : undefined) ??
      (entries.size >= limits.maxFiles ? words.tooMany(limits.maxFiles) : undefined) ??
      (bytes + entry.uncompressedSize > limits.maxBytes
        ? words.tooMuch(Math.floor(limits.maxBytes / 2 ** 20))
        : undefined);
    if (why === undefined) {
      entries.set(name, entry);
      bytes += entry.uncompressedSize;
    } else {
      refused.push({ name, why });
      if (refused.length >= MOST_REFUSALS) break;
    }
  }
  return { entries, refused };
}

/** Unpacked once to see that it is what it says: who reads it later has nobody left to tell. */
async function whyDamaged(zip: ZipFile, entry: Entry, signal: AbortSignal): Promise<string | undefined> {
  let sum = 0;
  try {
    for await (const chunk of await zip.openReadStreamPromise(entry)) {
      signal.throwIfAborted();
      sum = crc32(chunk as Buffer, sum);
    }
  } catch (error) {
    signal.throwIfAborted();
    return words.damaged((error as Error).message);
  }
  return sum === entry.crc32 ? undefined : words.damaged('wrong checksum');
}

/** Backslashes of old .NET zips become slashes. */
const nameOf = (entry: Entry): string =>
  getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);

function whyNot(name: string, entry: Entry): string | undefined {
  if (!isPlainPath(name)) return words.badName;
  if (!isRegular(entry)) return words.symlink;
  return entry.canDecodeFileData() ? undefined : words.locked;
}

export function isPlainPath(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > MOST_NAME_BYTES || /[\0-\x1f\x7f\\]|^[a-z]:/i.test(name)) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** The upper half of the attributes is a Unix mode where the zip was made on Unix; 0 where it was not told. */
function isRegular({ externalFileAttributes, versionMadeBy }: Entry): boolean {
  const UNIX = [3, 19];
  const kind = (externalFileAttributes >>> 16) & 0o170000;
  return !UNIX.includes(versionMadeBy >>> 8) || kind === 0 || kind === 0o100000;
}

function zipOver(zip: ZipFile, file: FileHandle, entries: Map<string, Entry>, refused: Zip['refused']): Zip {
  let readers = 0;
  let isClosed = false;
  const closeWhenUnread = () => {
    // A failure to close says nothing to anybody: the file has no name, and was read.
    if (isClosed && readers === 0) file.close().catch(() => {});
  };
  return {
    files: [...entries].map(([name, { uncompressedSize }]) => ({ name, size: uncompressedSize })),
    refused,
    async read(name) {
      const entry = entries.get(name);
      if (!entry || isClosed) throw new ZipError(words.noSuchArtifact(name));
      readers += 1;
      const stream = await zip.openReadStreamPromise(entry).catch((error: Error) => {
        readers -= 1;
        throw new ZipError(words.badZip(error.message), { cause: error });
      });
      stream.once('close', () => {
        readers -= 1;
        closeWhenUnread();
      });
      return stream;
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      closeWhenUnread();
    },
  };
}
