import { readdirSync, readFileSync } from 'node:fs';

/**
 * Who is alive, from Linux's /proc (proc(5)). Synchronous: /proc never waits for a disk, and a list of processes is worth
 * the less the longer it takes to make. Used by the supervisor too: nothing but node's own modules here.
 */

/** Tells a process from a later one with the same pid. `startTime` is in clock ticks since the boot named by `bootId`. */
export interface ProcessIdentity {
  pid: number;
  startTime: string;
  bootId: string;
}

/** What marks a build's processes: the session that its command leads, and an environment entry that they inherit. The
 *  second finds those that made a session of their own; the first those that cleared their environment. */
export interface BuildMark {
  session?: number;
  /** `RCB_BUILD=…` */
  environmentEntry: string;
}

interface ProcessState {
  state: string;
  session: number;
  startTime: string;
}

/** Undefined when there is no such process, or it has ended and nobody has asked for its status yet. */
export function identify(pid: number): ProcessIdentity | undefined {
  const found = readState(pid);
  return found && !hasEnded(found) ? { pid, startTime: found.startTime, bootId: bootId() } : undefined;
}

export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** The living processes of a build. Zombies do not count: where pid 1 reaps nobody (containers) they stay for ever. */
export function processesOf(mark: BuildMark): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => pid !== process.pid && belongsTo(pid, mark));
}

/** Send a signal to all processes of a build, first to the command's group in one go: what it forks meanwhile gets it too. */
export function signalBuild(mark: BuildMark, signal: NodeJS.Signals): void {
  const pids = processesOf(mark);
  if (mark.session !== undefined && pids.some((pid) => readState(pid)?.session === mark.session))
    send(-mark.session, signal);
  for (const pid of pids) send(pid, signal);
}

function belongsTo(pid: number, mark: BuildMark): boolean {
  const found = readState(pid);
  if (!found || hasEnded(found)) return false;
  return found.session === mark.session || environmentOf(pid).includes(mark.environmentEntry);
}

function readState(pid: number): ProcessState | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in brackets, and may hold blanks and brackets itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', session: Number(fields[3]), startTime: fields[19] ?? '' };
}

function hasEnded(found: ProcessState): boolean {
  return found.state === 'Z' || found.state === 'X';
}

function environmentOf(pid: number): string[] {
  return readProc(`/proc/${pid}/environ`)?.split('\0') ?? [];
}

function bootId(): string {
  return readProc('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

/** Undefined: the process ended meanwhile, or is somebody else's. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself (ESRCH), or is not ours (EPERM): there is nothing to stop.
  }
}
