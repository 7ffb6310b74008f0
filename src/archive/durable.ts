import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ArchiveError } from './archive.ts';

/** The few ways in which the archive touches the disk. "Durable" means: after a power cut, too. */

/** What is named in a directory is durable only when the directory is. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function ensureDirectory(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  if (made) await syncDirectory(dirname(made));
}

/** Write all of it; a single `write` may write less when the disk runs full. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Make `bytes` the end of the file, from `position` on, durably; whatever was there is cut off first. */
export async function writeEnd(path: string, position: number, bytes: Uint8Array): Promise<void> {
  const { handle, created } = await openOrCreate(path);
  try {
    if ((await handle.stat()).size > position) await handle.truncate(position);
    await writeAll(handle, bytes, position);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  if (created) await syncDirectory(dirname(path));
}

async function openOrCreate(path: string): Promise<{ handle: FileHandle; created: boolean }> {
  try {
    return { handle: await open(path, 'r+'), created: false };
  } catch (error) {
    if (!isMissing(error)) throw error;
    return { handle: await open(path, 'w+'), created: true };
  }
}

/** Replace a small file as a whole, durably. Who has the old one open keeps reading the old one. */
export async function replaceFile(path: string, temporary: string, bytes: Uint8Array): Promise<void> {
  try {
    const handle = await open(temporary, 'wx');
    try {
      await writeAll(handle, bytes, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** The bytes from `position` on; fewer than `length` when the file ends before. */
export async function readAt(path: string, position: number, length: number): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    return await readFrom(handle, position, length);
  } finally {
    await handle.close();
  }
}

export async function readFrom(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** Any fault of the disk as an ArchiveError. `what` completes "… could not be …": "The log x could not be written". */
export function asArchiveError(error: unknown, what: string): ArchiveError {
  if (error instanceof ArchiveError) return error;
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ArchiveError(
      'full',
      `${what}: the archive's disk is full. Free space there; asking again will then help.`,
      {
        cause: error,
      },
    );
  }
  if (code === 'ENOENT') return new ArchiveError('missing', `${what}: it is not in the archive.`, { cause: error });
  const why = error instanceof Error ? error.message : String(error);
  return new ArchiveError('io', `${what}: ${why}`, { cause: error });
}

/** Run `work`; its faults come out as ArchiveErrors. A TypeError or RangeError is the caller's mistake and stays. */
export async function translated<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === undefined && !(error instanceof ArchiveError)) throw error;
    throw asArchiveError(error, what);
  }
}
