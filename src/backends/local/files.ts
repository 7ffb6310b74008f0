import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { chmod, link, lstat, open, readdir, readFile, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Files that several processes agree by: created whole or not at all, once, never changed afterwards.
 * Used by the adapter and by the supervisor: nothing but node's own modules here.
 */

/** Create a file whole and durable, unless it exists. False: it existed, and was left as it is. */
export async function createOnce(path: string, text: string): Promise<boolean> {
  const aside = `${path}.${randomUUID()}.new`;
  try {
    const handle = await open(aside, 'wx', 0o600);
    await writeAndClose(handle, text);
    return await publish(aside, path);
  } catch (error) {
    await unlink(aside).catch(() => undefined); // It may not have come into being; what happened is thrown below.
    throw error;
  }
}

/** Give a finished file its name, unless that name is taken: `link`, unlike `rename`, never overwrites. */
export async function publish(aside: string, path: string): Promise<boolean> {
  const isFirst = await link(aside, path).then(
    () => true,
    (error) => (codeOf(error) === 'EEXIST' ? false : Promise.reject(error)),
  );
  await unlink(aside);
  if (isFirst) await syncDirectory(dirname(path));
  return isFirst;
}

export async function writeAndClose(handle: FileHandle, text: string): Promise<void> {
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A new name in a directory survives a power cut only once the directory itself is synced. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file's text, or undefined when it is not there. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return unlessMissing(readFile(path, 'utf8'));
}

/** The file's size in bytes, 0 when it is not there. */
export async function sizeOf(path: string): Promise<number> {
  return (await unlessMissing(lstat(path)))?.size ?? 0;
}

export async function isThere(path: string): Promise<boolean> {
  return (await unlessMissing(lstat(path))) !== undefined;
}

/** Names in a directory; none when it is not there. */
export async function namesIn(path: string): Promise<string[]> {
  return (await unlessMissing(readdir(path))) ?? [];
}

export async function unlessMissing<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Remove a tree whatever its modes are (builds leave read-only directories behind, Go's module cache does), and however
 *  deep it is: names may be longer than a path can be, for which `rm` knows a way. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 2 });
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EACCES' || code === 'EPERM') await makeRemovable(path);
    else if (code !== 'ENAMETOOLONG') throw error;
    await promisify(execFile)('rm', ['-rf', '--', path], { env: { PATH: '/usr/bin:/bin' } });
  }
}

async function makeRemovable(directory: string): Promise<void> {
  if (Buffer.byteLength(directory) > longestPath) return;
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeRemovable(join(directory, entry.name));
  }
}

/** PATH_MAX, with room for a name. */
const longestPath = 4096 - 256;

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** An I/O fault in words for people; a full disk is said plainly. */
export function wordsFor(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk of the scratch directory is full';
  return error instanceof Error ? error.message : String(error);
}
