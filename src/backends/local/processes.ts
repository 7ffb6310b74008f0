import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { killCgroup, pidsIn } from './cgroup.ts';

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

/** What marks a build's processes. Everywhere: the session that its command leads, and an environment entry that they
 *  inherit. The second finds those that made a session of their own; the first those that cleared their environment; who
 *  does both escapes. What a sandbox adds cannot be left: a pid namespace, a user, control groups. */
export interface BuildMark {
  session?: number;
  /** `RCB_BUILD=…` */
  environmentEntry?: string;
  /** As /proc/<pid>/ns/pid names it. The session is bubblewrap's own then, outside of it. */
  pidNamespace?: string;
  uid?: number;
  /** Directories. */
  cgroups?: string[];
}

interface ProcessState {
  state: string;
  session: number;
  threads: number;
  startTime: string;
  residentPages: number;
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
  refuseToMarkAll(mark);
  const grouped = new Set((mark.cgroups ?? []).flatMap(pidsIn));
  return everyPid().filter((pid) => pid > 1 && pid !== process.pid && belongsTo(pid, mark, grouped));
}

/** What a mark fits is killed: one that fits everybody's processes, by a mistake of ours, must do nothing at all. */
function refuseToMarkAll({ session, environmentEntry, pidNamespace, uid, cgroups = [] }: BuildMark): void {
  const isWide =
    (session !== undefined && session <= 1) ||
    (environmentEntry !== undefined && !/^\w+=./.test(environmentEntry)) ||
    (uid !== undefined && !(uid > 0)) ||
    (pidNamespace !== undefined && pidNamespace === pidNamespaceOf(process.pid)) ||
    cgroups.some((directory) => !/\/rcb-[^/]+$/.test(directory));
  if (isWide) throw new Error('a mark of processes that others have, too: nothing is ended by it');
}

export function hasProcessesOf(uid: number): boolean {
  return processesOf({ uid }).length > 0;
}

/** Send a signal to all processes of a build, first to the command's group in one go: what it forks meanwhile gets it too.
 *  But bubblewrap, which would take all with it at once, gets none but SIGKILL. */
export function signalBuild(mark: BuildMark, signal: NodeJS.Signals): void {
  const pids = processesOf(mark);
  if (mark.pidNamespace !== undefined && signal !== 'SIGKILL') {
    for (const pid of pids) if (pidNamespaceOf(pid) === mark.pidNamespace) send(pid, signal);
    return;
  }
  if (signal === 'SIGKILL') for (const directory of mark.cgroups ?? []) killCgroup(directory);
  if (mark.session !== undefined && pids.some((pid) => readState(pid)?.session === mark.session))
    send(-mark.session, signal);
  for (const pid of pids) send(pid, signal);
}

/** What a list of processes holds now: tasks, threads included, and bytes of memory. */
export function burdenOf(pids: number[]): { tasks: number; residentBytes: number } {
  const states = pids.flatMap((pid) => readState(pid) ?? []);
  return {
    tasks: states.reduce((sum, { threads }) => sum + threads, 0),
    residentBytes: states.reduce((sum, { residentPages }) => sum + residentPages, 0) * pageBytes,
  };
}

/** Bytes of memory of these processes, what several share counted once (`Pss` of proc(5)). Costs the kernel a walk through
 *  their pages. Of a process that does not let itself be looked into all counts. */
export function memoryOf(pids: number[]): number {
  return pids.reduce((sum, pid) => sum + (proportionalBytes(pid) ?? burdenOf([pid]).residentBytes), 0);
}

function proportionalBytes(pid: number): number | undefined {
  const found = /^Pss:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? '');
  return found ? Number(found[1]) * 1024 : undefined;
}

/** As /proc names the pid namespace of a process. */
export function pidNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined; // It ended meanwhile, or is somebody else's.
  }
}

/** On every architecture that Debian runs node on, but arm64 kernels with large pages: there a limit bites earlier. */
const pageBytes = 4096;

function everyPid(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function belongsTo(pid: number, mark: BuildMark, grouped: Set<number>): boolean {
  const found = readState(pid);
  if (!found || hasEnded(found)) return false;
  if (found.session === mark.session || grouped.has(pid)) return true;
  if (mark.uid !== undefined && usersOf(pid).includes(mark.uid)) return true;
  if (mark.pidNamespace !== undefined && pidNamespaceOf(pid) === mark.pidNamespace) return true;
  return mark.environmentEntry !== undefined && environmentOf(pid).includes(mark.environmentEntry);
}

/** Real, effective, saved and file system user. From `status`, which a process cannot close as it can `environ`. */
function usersOf(pid: number): number[] {
  const line = /^Uid:\s+(.*)$/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1];
  return line?.split(/\s+/).map(Number) ?? [];
}

function readState(pid: number): ProcessState | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in brackets, and may hold blanks and brackets itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '',
    session: Number(fields[3]),
    threads: Number(fields[17]),
    startTime: fields[19] ?? '',
    residentPages: Number(fields[21]),
  };
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
