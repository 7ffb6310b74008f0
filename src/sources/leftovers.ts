/** Files of a mirror that are not git's business: what a killed git left behind, and how large all of it is. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const LEFT_BEHIND = /\.lock$|^objects\/pack\/(tmp_|\.tmp-)/;

/**
 * Remove what a killed git left behind: lock files, and packs it was writing. What is younger than a fetch may take
 * could belong to a live one. Returns how many were removed.
 */
export async function removeStaleFiles(mirror: string, olderThanMs: number): Promise<number> {
  const names = [...(await filesBelow(mirror, '', false)), ...(await filesBelow(mirror, 'refs', true))];
  names.push(...(await filesBelow(mirror, 'objects/pack', false)));
  let removed = 0;
  for (const name of names.filter((name) => LEFT_BEHIND.test(name))) {
    if ((await ageOf(join(mirror, name))) < olderThanMs) continue;
    await rm(join(mirror, name), { force: true });
    removed += 1;
  }
  return removed;
}

/** In milliseconds since its last change; of a file that is not there, -1. */
export async function ageOf(path: string): Promise<number> {
  const file = await stat(path).catch(ignoreMissing);
  return file ? Math.max(0, Date.now() - file.mtimeMs) : -1;
}

export async function bytesBelow(mirror: string): Promise<number> {
  let bytes = 0;
  for (const name of await filesBelow(mirror, 'objects', true)) {
    bytes += (await stat(join(mirror, name)).catch(ignoreMissing))?.size ?? 0;
  }
  return bytes;
}

export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(ignoreMissing))?.isDirectory() ?? false;
}

export function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

async function filesBelow(mirror: string, folder: string, recursive: boolean): Promise<string[]> {
  const names = await readdir(join(mirror, folder), { recursive }).catch(ignoreMissing);
  return (names ?? []).map((name) => join(folder, name));
}
