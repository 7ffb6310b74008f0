import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { UserRange } from './job.ts';
import { hasProcessesOf } from './processes.ts';

/**
 * Users for builds: plain numbers, nobody's account, one for each build at a time on this machine. A number is held by an
 * abstract Unix socket of its name (unix(7)): the kernel gives it to one process only, and back when that process ends,
 * however it ends. Used by the supervisor too: nothing but node's own modules here.
 */

/** Neither Debian's package users nor systemd's dynamic ones live here (https://systemd.io/UIDS-GIDS). */
export const buildUsers: UserRange = { first: 61_000, count: 180 };

export interface HeldUser {
  uid: number;
  release(): void;
}

/** Some user that nobody holds and that runs nothing. `start` spreads the choices. Undefined: all are in use. */
export async function holdUser(range: UserRange, start: number): Promise<HeldUser | undefined> {
  for (let step = 0; step < range.count; step++) {
    const uid = range.first + ((start + step) % range.count);
    const held = await holdThis(uid);
    if (!held) continue;
    // Left by a build whose supervisor died, and not ended yet: whoever ends that is not to meet us.
    if (!hasProcessesOf(uid)) return held;
    held.release();
  }
  return undefined;
}

/** Undefined: another build has that user now. */
export async function holdThis(uid: number): Promise<HeldUser | undefined> {
  const server = createServer().unref();
  return (await listens(server, `\0rcb-build-user-${uid}`)) ? { uid, release: () => server.close() } : undefined;
}

/** Whether the kernel knows that number: in a container's user namespace most do not exist. */
export function isMapped({ first, count }: UserRange, uidMap = '/proc/self/uid_map'): boolean {
  const lines = readFileSync(uidMap, 'utf8').trim().split('\n');
  const maps = lines.map((line) => line.trim().split(/\s+/).map(Number));
  return maps.some(([from = 0, , length = 0]) => from <= first && first + count <= from + length);
}

function listens(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ path }, () => resolve(true));
  });
}
