import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { LogId } from './archive.ts';

/**
 * Where everything lies under the archive's directory:
 *
 * ```
 * blobs/ab/cdef….zst    a blob, one zstd frame and a footer with its size · cdef….raw: kept as it is
 * logs/yz/<id>.frames   full frames of a log, zstd, one after the other: `zstdcat` prints it
 * logs/yz/<id>.index    one line per full frame, and one that says that the log has ended
 * logs/yz/<id>.tail     small frames, newer than the last full one; `zstdcat` prints it too
 * tmp/                  what is being written; a file that is renamed away from here is whole
 * ```
 *
 * Names from outside become paths here and nowhere else, so this is where they are checked.
 */
export interface Layout {
  readonly root: string;
  readonly blobs: string;
  readonly logs: string;
  readonly tmp: string;
  blob(sha256: string): BlobPaths;
  log(id: LogId): LogPaths;
  /** A new name on every call. */
  temporary(): string;
}

export interface BlobPaths {
  directory: string;
  zstd: string;
  plain: string;
}

export interface LogPaths {
  id: LogId;
  directory: string;
  frames: string;
  index: string;
  tail: string;
}

const sha256Pattern = /^[0-9a-f]{64}$/;
const logIdPattern = /^[a-z0-9-]{1,64}$/;

export function diskLayout(root: string): Layout {
  const blobs = join(root, 'blobs');
  const logs = join(root, 'logs');
  const tmp = join(root, 'tmp');
  return {
    root,
    blobs,
    logs,
    tmp,
    blob(sha256) {
      assertSha256(sha256);
      const directory = join(blobs, sha256.slice(0, 2));
      const stem = join(directory, sha256.slice(2));
      return { directory, zstd: `${stem}.zst`, plain: `${stem}.raw` };
    },
    log(id) {
      assertLogId(id);
      // The end of an id, because sortable ids begin with the time and would all share a directory.
      const directory = join(logs, id.slice(-2).padStart(2, '0'));
      const stem = join(directory, id);
      return { id, directory, frames: `${stem}.frames`, index: `${stem}.index`, tail: `${stem}.tail` };
    },
    temporary: () => join(tmp, randomUUID()),
  };
}

function assertSha256(sha256: string): void {
  if (typeof sha256 !== 'string' || !sha256Pattern.test(sha256)) {
    throw new TypeError(`A blob is named by 64 lower-case hexadecimal digits, not by ${quoted(sha256)}.`);
  }
}

function assertLogId(id: LogId): void {
  if (typeof id !== 'string' || !logIdPattern.test(id)) {
    throw new TypeError(`A log is named by 1 to 64 of a-z, 0-9 and "-", not by ${quoted(id)}.`);
  }
}

function quoted(name: unknown): string {
  return JSON.stringify(String(name).slice(0, 80));
}
