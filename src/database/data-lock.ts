/**
 * The lock on the data directory. PGlite has none: two processes open one directory, and the commits of one vanish.
 *
 * The lock is a file `lock.N` that names its holder, and the highest N counts. A taker reads the highest; when its
 * holder is gone, the taker links a complete file `lock.N+1` into place (of several takers one succeeds), looks whether
 * there is a higher one still (it was overtaken while it slept), and only then removes the lower ones. A released lock stays
 * as a file that says so, so that numbers never start again while somebody is still looking at an old one. The
 * highest file is never removed before a higher one exists: that is what makes two holders impossible.
 */
import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, readlink, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** A holder that we cannot look at (another container, another boot) is alive while it touches its file. */
const TOUCH_MS = 4_000;
const SILENCE_MS = 20_000;

const Holder = z.object({
  /** null: released. */
  pid: z.number().int().positive().nullable(),
  /** Start of the process in clock ticks since boot: a pid that is used again is another process. */
  startedAt: z.string(),
  /** Boot and pid namespace in which the pid means something. */
  world: z.string(),
});
type Holder = z.infer<typeof Holder>;

export interface DirectoryLock {
  release(): Promise<void>;
}

/** Takes the lock or throws, naming the process that has it. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const me: Holder = { pid: process.pid, startedAt: await startOf(process.pid), world: await thisWorld() };
  for (;;) {
    const highest = await highestNumber(directory);
    if (highest > 0) await refuseWhenHeld(directory, highest, me.world);
    const mine = join(directory, `lock.${highest + 1}`);
    if (!(await linkInPlace(directory, mine, me))) continue; // Another process was faster: look again.
    if ((await highestNumber(directory)) > highest + 1) {
      await rm(mine, { force: true });
      continue;
    }
    await removeLower(directory, highest + 1);
    return held(directory, mine, me);
  }
}

function held(directory: string, path: string, me: Holder): DirectoryLock {
  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined); // The directory was removed: nobody is left to be told.
  }, TOUCH_MS).unref();
  return {
    release: async () => {
      clearInterval(touch);
      const temporary = await writeTemporary(directory, { ...me, pid: null });
      await rename(temporary, path);
    },
  };
}

async function refuseWhenHeld(directory: string, number: number, world: string): Promise<void> {
  const path = join(directory, `lock.${number}`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return; // Overtaken; linking ours will show that.
  const holder = parseHolder(text, path);
  if (holder.pid === null) return;
  const advice = 'stop it, or set DATABASE_URL or another RCB_DATA_DIR';
  if (holder.world === world) {
    if ((await startOf(holder.pid)) !== holder.startedAt) return;
    throw new Error(`${directory} is in use by process ${holder.pid}; ${advice}.`);
  }
  const silence = Date.now() - (await stat(path)).mtimeMs;
  if (silence > SILENCE_MS) return;
  throw new Error(
    `${directory} is in use by process ${holder.pid} of another container or machine, which was alive ${Math.max(0, Math.round(silence / 1000))} seconds ago; ${advice}. If it was killed just now, try again in ${SILENCE_MS / 1000} seconds.`,
  );
}

function parseHolder(text: string, path: string): Holder {
  try {
    return Holder.parse(JSON.parse(text));
  } catch (cause) {
    // Ours appear complete or not at all, so this one was damaged, or is not ours.
    throw new Error(`The lock file ${path} cannot be read. If no other RCB uses this directory, remove the file.`, {
      cause,
    });
  }
}

/** False when there is such a file already. */
async function linkInPlace(directory: string, path: string, holder: Holder): Promise<boolean> {
  const temporary = await writeTemporary(directory, holder);
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeTemporary(directory: string, holder: Holder): Promise<string> {
  const path = join(directory, `.lock-${process.pid}-${randomBytes(6).toString('hex')}`);
  await writeFile(path, `${JSON.stringify(holder)}\n`, { flag: 'wx', mode: 0o600 });
  return path;
}

async function lockNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names.flatMap((name) => (/^lock\.\d{1,15}$/.test(name) ? [Number(name.slice('lock.'.length))] : []));
}

async function highestNumber(directory: string): Promise<number> {
  return Math.max(0, ...(await lockNumbers(directory)));
}

async function removeLower(directory: string, number: number): Promise<void> {
  for (const each of await lockNumbers(directory)) {
    if (each < number) await rm(join(directory, `lock.${each}`), { force: true });
  }
}

/** '' when there is no such process. Field 22 of /proc/PID/stat; the name before it may contain anything. */
async function startOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (line !== undefined) {
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    const isZombie = fields[0] === 'Z' || fields[0] === 'X';
    return isZombie ? '' : (fields[19] ?? '');
  }
  return process.platform !== 'linux' && isRunning(pid) ? 'running' : '';
}

/** Where there is no /proc: the pid alone must do. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function thisWorld(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return `${boot.trim()} ${namespace}`;
}
