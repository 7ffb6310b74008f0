import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCgroupParents, sweepCgroups } from './cgroup.ts';
import { statusFd } from './confine.ts';
import { confine, nameGroups, scratchRootPrefix, tidyUp } from './confinement.ts';
import { removeTree, wordsFor } from './files.ts';
import type { BuildLimits, CgroupParent, Isolation, Sandbox } from './job.ts';
import { endProcesses } from './stop.ts';
import { buildUsers, holdUser, isMapped } from './users.ts';

/** What this machine offers to keep builds apart: found out by doing it, not by asking for versions. */

export interface Isolating {
  /** `auto`: the strongest that works. Another one is taken, or the backend is not opened. */
  sandbox: 'auto' | Isolation;
  /** For changes of the repository's own people. */
  network: 'on' | 'off';
  /** The backend's state directory, and whatever else builds must not see. */
  hidden: string[];
}

export interface Isolated {
  trusted: Sandbox;
  /** Undefined: changes from outside are refused, and why. */
  untrusted: Sandbox | undefined;
  whyNotUntrusted: string;
  /** For the site. */
  note: string;
}

/** Throws an Error whose message says what is missing when what was asked for cannot be had. */
export async function isolate(asked: Isolating): Promise<Isolated> {
  const cgroups = findCgroupParents();
  sweepCgroups(cgroups);
  const wanted = asked.sandbox === 'auto' ? (['bubblewrap', 'user', 'plain'] as const) : [asked.sandbox];
  const reasons: string[] = [];
  for (const isolation of wanted) {
    const tried = await tryIsolation(isolation, cgroups, asked.hidden);
    if (typeof tried !== 'string') return isolated(asked, tried, reasons);
    reasons.push(`${isolation}: ${tried}`);
  }
  throw new Error(`sandbox: ${asked.sandbox} cannot be had here. ${reasons.join('; ')}`);
}

/** Make the directory in which scratch directories for users without a way into the state directory are made, unless it is
 *  there. Ours, and nobody can list it. */
export async function ensureScratchRoot(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) throw new Error(`${path} is somebody else's`);
  await chmod(path, 0o711);
}

/** The same for the same state directory, whoever opens it. */
export function scratchRootOf(dir: string): string {
  const name = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  return join(tmpdir(), `${scratchRootPrefix}${name}`);
}

function isolated(asked: Isolating, found: Sandbox, reasons: string[]): Isolated {
  const canCutNetwork = found.isolation === 'bubblewrap' || found.hasNamespaces;
  if (asked.network === 'off' && !canCutNetwork) {
    throw new Error(`network: off needs bubblewrap, or root with network namespaces. ${reasons.join('; ')}`);
  }
  const whyNotUntrusted =
    found.isolation === 'plain'
      ? 'a plain process group is for trusted repositories only, and this change comes from outside; it needs a sandbox'
      : 'this change comes from outside, and this machine cannot keep it from the network; it needs bubblewrap';
  return {
    trusted: { ...found, network: asked.network },
    untrusted: found.isolation !== 'plain' && canCutNetwork ? { ...found, network: 'off' } : undefined,
    whyNotUntrusted: whyNotUntrusted + hint(reasons),
    note: noteOn(found, asked, canCutNetwork) + hint(reasons),
  };
}

function hint(reasons: string[]): string {
  return reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
}

function noteOn(found: Sandbox, { network }: Isolating, canCutNetwork: boolean): string {
  if (found.isolation === 'plain') return `plain process group: trusted repositories only; ${limitsNote(found)}`;
  const parts = [
    found.isolation === 'bubblewrap' ? 'bubblewrap' : 'no namespaces',
    found.users ? 'a user of its own for each build' : "the bot's own user",
    `network ${network}`,
    canCutNetwork ? 'off for forks' : 'forks are refused',
    limitsNote(found),
  ];
  return parts.join(', ');
}

function limitsNote({ cgroups }: Sandbox): string {
  const by = (has: boolean) => (has ? 'by control group' : 'by looking');
  return `memory ${by(cgroups.some(({ memory }) => memory))}, processes ${by(cgroups.some(({ pids }) => pids))}`;
}

/** The sandbox, or why it does not work. */
async function tryIsolation(
  isolation: Isolation,
  cgroups: CgroupParent[],
  hidden: string[],
): Promise<Sandbox | string> {
  const base = { isolation, network: 'off', hasNamespaces: false, isSealed: false, hidden, cgroups } as const;
  const canGroup = cgroups.length > 0 && (await probed({ ...base, isolation: 'plain' })) === undefined;
  const grouped = canGroup ? base : { ...base, cgroups: [] };
  if (isolation === 'plain') return grouped;
  const isRoot = process.getuid?.() === 0;
  if (isolation === 'user' && !isRoot) return 'only root can become another user';
  if (isRoot && !isMapped(buildUsers)) return `the users from ${buildUsers.first} on do not exist in this container`;
  const users = isRoot ? { users: buildUsers } : {};
  if (isolation === 'user')
    return await strongest([
      { ...grouped, ...users, hasNamespaces: true },
      { ...grouped, ...users },
    ]);
  return await strongest([
    { ...grouped, ...users, isSealed: true },
    { ...grouped, ...users },
  ]);
}

/** The first that works; why the last did not. */
async function strongest(sandboxes: Sandbox[]): Promise<Sandbox | string> {
  let why = '';
  for (const sandbox of sandboxes) {
    const trouble = await probed(sandbox);
    if (trouble === undefined) return sandbox;
    why = trouble;
  }
  return why;
}

/** Run a small build in it that checks where it is. Undefined: it works. */
async function probed(sandbox: Sandbox): Promise<string | undefined> {
  const [ours, scratch] = await Promise.all(
    ['rcb-probe-', scratchRootPrefix].map((name) => mkdtemp(join(tmpdir(), name))),
  );
  if (ours === undefined || scratch === undefined) return 'there is no temporary directory';
  const user = sandbox.users && (await holdUser(sandbox.users, process.pid));
  const groups = nameGroups(sandbox.cgroups, ours);
  try {
    if (sandbox.users && !user) return 'all users for builds are in use';
    return await probeIn(ours, scratch, { sandbox, uid: user?.uid, groups });
  } catch (error) {
    return wordsFor(error);
  } finally {
    await tidyUp({ isolation: 'plain' }, undefined, groups);
    user?.release();
    await Promise.all([removeTree(ours), removeTree(scratch)]);
  }
}

async function probeIn(
  ours: string,
  scratch: string,
  { sandbox, uid, groups }: { sandbox: Sandbox; uid: number | undefined; groups: string[] },
): Promise<string | undefined> {
  const secret = join(ours, 'secret');
  await writeFile(secret, 'secret', { mode: 0o600 });
  for (const name of ['source', 'home', 'tmp']) await mkdir(join(scratch, name));
  const checks =
    sandbox.isolation === 'plain' ? 'true' : 'test "$(id -u)" = "$0" && ! cat "$1" && ! touch /usr/rcb-probe';
  const { argv } = await confine({
    job: {
      argv: ['/bin/sh', '-c', `exec 2>/dev/null; ${checks}`, String(uid ?? process.getuid?.()), secret],
      directory: '/',
      scratch,
      sandbox,
      limits: probeLimits,
    },
    uid,
    groupNames: groups,
    work: ours,
  });
  return await whyItFails(argv);
}

/** What it says itself, when it does. It is ended with all of its session, however it went. */
async function whyItFails([program = '', ...args]: string[]): Promise<string | undefined> {
  const child = spawn(program, args, {
    cwd: '/',
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let words = '';
  child.stderr?.on('data', (bytes) => {
    words += bytes;
  });
  child.stdio[statusFd]?.on('error', () => undefined); // Nobody listens.
  const timer = setTimeout(() => child.kill('SIGKILL'), probeWithinMs);
  const end = await endOf(child, program);
  clearTimeout(timer);
  if (child.pid !== undefined) await endProcesses({ session: child.pid }, 0);
  child.stderr?.destroy();
  child.stdio[statusFd]?.destroy();
  if (end === undefined) return undefined;
  return words.trim().split('\n').at(-1)?.slice(0, 200) || end;
}

function endOf(child: ChildProcess, program: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ENOENT' ? `${program} is not installed` : error.message),
    );
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : `${program} ended with ${signal ?? code}`));
  });
}

const probeWithinMs = 10_000;
const probeLimits: BuildLimits = { memoryBytes: 2 ** 30, processes: 64, diskBytes: 2 ** 30 };
