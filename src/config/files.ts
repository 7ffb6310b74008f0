import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';

/** What the configuration reads from disk. Small files only. */
export interface Files {
  /** The file's first `limit` bytes at most, undefined when there is none; throws when it cannot be read. */
  read(path: string, limit: number): Uint8Array | undefined;
}

/** Files on disk; relative paths start in `directory`. */
export function diskFiles(directory: string): Files {
  return {
    read(path, limit) {
      const descriptor = openIfThere(resolve(directory, path));
      if (descriptor === undefined) return undefined;
      try {
        return readUpTo(descriptor, limit);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function readUpTo(descriptor: number, limit: number): Uint8Array {
  const chunks: Buffer[] = [];
  let left = limit;
  while (left > 0) {
    const chunk = Buffer.alloc(Math.min(left, 65_536));
    const length = readSync(descriptor, chunk);
    if (length === 0) break;
    chunks.push(chunk.subarray(0, length));
    left -= length;
  }
  return Buffer.concat(chunks);
}

/** Why a file could not be read, in words. */
export function readFailure(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const words: Record<string, string> = {
    EACCES: 'a file that may not be read (permission denied)',
    EPERM: 'a file that may not be read (operation not permitted)',
    EISDIR: 'a directory',
    ENOTDIR: 'a path that leads through something that is no directory',
    ELOOP: 'a symbolic link that leads in a circle',
    ENAMETOOLONG: 'a path that is too long',
  };
  return (
    words[code ?? ''] ?? `a file that cannot be read (${code ?? (error instanceof Error ? error.message : error)})`
  );
}
