import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { lstat, open, opendir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import picomatch from 'picomatch';
import { type ArtifactRef, BackendError } from '../backend.ts';
import { codeOf, unlessMissing } from './files.ts';

/** Which files of a finished job are kept: by glob, below the changed source's top; at most so many, and so large together. */
export interface ArtifactLimits {
  globs: string[];
  maxFiles: number;
  maxBytes: number;
}

/** A tree larger than that is not searched to its end. */
const maxVisited = 500_000;

/** In the order of their names; what does not fit any more is left out. A build writes these names: nothing is followed. */
export async function listArtifacts(top: string, limits: ArtifactLimits): Promise<ArtifactRef[]> {
  const isWanted = matcher(limits);
  const found: ArtifactRef[] = [];
  for await (const name of filesBelow(top)) {
    if (!isWanted(name)) continue;
    const stat = await unlessMissing(lstat(join(top, name)));
    if (stat?.isFile()) found.push({ name, size: stat.size });
  }
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  return whatFits(found, limits);
}

/** A file that listArtifacts would list. Throws BackendError `refused` for anything else. */
export async function readArtifact(top: string, name: string, limits: ArtifactLimits): Promise<Readable> {
  if (!isInside(name) || !matcher(limits)(name)) throw refusal(name);
  const handle = await openInside(top, name);
  const size = (await handle.stat()).size;
  if (size > limits.maxBytes) {
    await handle.close();
    throw new BackendError('refused', `the artifact '${name}' has ${size} bytes, the limit is ${limits.maxBytes}`);
  }
  if (size > 0) return handle.createReadStream({ start: 0, end: size - 1 });
  await handle.close();
  return Readable.from([]);
}

/** `O_NOFOLLOW` looks at the last part only; where the file really is tells about the others. */
async function openInside(top: string, name: string): Promise<FileHandle> {
  const handle = await openPlain(join(top, name), name);
  const [isFile, real, realTop] = await Promise.all([
    handle.stat().then((stat) => stat.isFile()),
    readlink(`/proc/self/fd/${handle.fd}`),
    realpath(top),
  ]);
  if (isFile && real === join(realTop, name)) return handle;
  await handle.close();
  throw refusal(name);
}

async function openPlain(path: string, name: string): Promise<FileHandle> {
  try {
    // O_NONBLOCK: opening a named pipe would wait for a writer.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(codeOf(error) ?? '')) throw refusal(name);
    throw error;
  }
}

function refusal(name: string): BackendError {
  return new BackendError('refused', `the build left no artifact '${name}'`);
}

function whatFits(found: ArtifactRef[], limits: ArtifactLimits): ArtifactRef[] {
  const kept: ArtifactRef[] = [];
  let bytes = 0;
  for (const artifact of found) {
    if (kept.length >= limits.maxFiles) break;
    if (bytes + artifact.size > limits.maxBytes) continue;
    bytes += artifact.size;
    kept.push(artifact);
  }
  return kept;
}

function matcher(limits: ArtifactLimits): (name: string) => boolean {
  return picomatch(limits.globs, { dot: true });
}

function isInside(name: string): boolean {
  return name !== '' && !name.includes('\0') && !name.split('/').some((part) => ['', '.', '..'].includes(part));
}

/** Regular files only, and directories that are no symbolic links. */
async function* filesBelow(top: string): AsyncGenerator<string> {
  const waiting = [''];
  let visited = 0;
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const entries = await unlessMissing(opendir(join(top, directory)));
    if (!entries) continue;
    for await (const entry of entries) {
      if (++visited > maxVisited) return;
      const name = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory()) waiting.push(name);
      if (entry.isFile()) yield name;
    }
  }
}
