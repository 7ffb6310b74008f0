import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildLimits, CgroupParent } from './job.ts';

/**
 * Control groups (cgroups(7)), both versions: a limit for all processes of a build together, and a list of them that no
 * process can leave. Used by the supervisor too: nothing but node's own modules here.
 */

/** Where groups may be made: a list with one entry per hierarchy, empty where there is none that is ours to use. */
export function findCgroupParents(root = '/sys/fs/cgroup', own = '/proc/self/cgroup'): CgroupParent[] {
  const lines = (readText(own) ?? '').split('\n').filter(Boolean);
  return lines.flatMap((line) => parentIn(root, line) ?? []).filter(({ memory, pids }) => memory || pids);
}

/** The groups of one build; `name` is new. What the kernel refuses is thrown, and nothing is left of it. */
export function makeCgroups(parents: CgroupParent[], name: string, limits: BuildLimits): CgroupParent[] {
  const made: CgroupParent[] = [];
  try {
    for (const parent of parents) {
      const group = { ...parent, directory: join(parent.directory, name) };
      mkdirSync(group.directory);
      made.push(group);
      limit(group, limits);
    }
    return made;
  } catch (error) {
    removeCgroups(made.map(({ directory }) => directory));
    throw error;
  }
}

/** What crashes left. A group's name ends with the pid of who made it: while that lives, an empty group is a new one. */
export function sweepCgroups(parents: CgroupParent[]): void {
  for (const { directory } of parents) {
    for (const name of readdirSync(directory)) {
      const pid = /^rcb-.*-(\d+)$/.exec(name)?.[1];
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeGroup(join(directory, name));
    }
  }
}

/** Those that are empty. False: one is not yet. */
export function removeCgroups(directories: string[]): boolean {
  return directories.map(removeGroup).every(Boolean);
}

/** The pids in a group; none when it is gone. */
export function pidsIn(directory: string): number[] {
  return (readText(join(directory, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number);
}

/** All at once, what they fork meanwhile included; version 1 cannot. */
export function killCgroup(directory: string): void {
  try {
    writeFileSync(join(directory, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch {
    return; // Who calls this sends signals as well.
  }
}

/** Which limit the kernel had to enforce, if any. */
export function overrunOf(group: CgroupParent): 'memory' | 'processes' | undefined {
  const oom = group.version === 2 ? 'memory.events' : 'memory.oom_control';
  if (group.memory && countIn(join(group.directory, oom), 'oom_kill') > 0) return 'memory';
  if (group.pids && countIn(join(group.directory, 'pids.events'), 'max') > 0) return 'processes';
  return undefined;
}

/** Version 1: `8:pids:/path`; version 2: `0::/path`. */
function parentIn(root: string, line: string): CgroupParent | undefined {
  const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
  const isOld = controllers !== '';
  if (isOld && !/^(memory|pids)(,|$)/.test(controllers)) return undefined;
  const place = ownPlace(path);
  if (place === undefined) return undefined;
  return isOld ? parentV1(join(root, controllers, place), controllers) : parentV2(join(root, place));
}

/**
 * Only where it is ours: at the top of the hierarchy as we see it (a container, a machine without systemd), or in a unit
 * that systemd delegated to us. It did when we are in a group below a unit's own (`Delegate=yes`, `DelegateSubgroup=`).
 * In anybody else's groups we make nothing, though root could: https://systemd.io/CGROUP_DELEGATION
 */
function ownPlace(path: string): string | undefined {
  if (path === '/') return path;
  return /\.(service|scope)\/[^/]+$/.test(path) ? dirname(path) : undefined;
}

function parentV1(directory: string, controllers: string): CgroupParent | undefined {
  if (!isWritable(directory)) return undefined;
  const names = controllers.split(',');
  return { directory, version: 1, memory: names.includes('memory'), pids: names.includes('pids') };
}

/** A group with processes of its own cannot hand on its controllers: then the kernel refuses, and there is none. */
function parentV2(directory: string): CgroupParent | undefined {
  const offered = wordsIn(join(directory, 'cgroup.controllers')).filter((name) => name === 'memory' || name === 'pids');
  if (offered.length === 0 || !isWritable(directory)) return undefined;
  const control = join(directory, 'cgroup.subtree_control');
  const missing = offered.filter((name) => !wordsIn(control).includes(name));
  try {
    if (missing.length > 0) writeFileSync(control, missing.map((name) => `+${name}`).join(' '));
  } catch {
    return undefined;
  }
  return { directory, version: 2, memory: offered.includes('memory'), pids: offered.includes('pids') };
}

function limit(group: CgroupParent, limits: BuildLimits): void {
  const write = (name: string, value: number) => writeFileSync(join(group.directory, name), String(value));
  if (group.pids) write('pids.max', limits.processes);
  if (!group.memory) return;
  write(group.version === 2 ? 'memory.max' : 'memory.limit_in_bytes', limits.memoryBytes);
  try {
    // Otherwise what goes beyond is swapped. The files are missing where swap is not counted.
    if (group.version === 2) write('memory.swap.max', 0);
    else write('memory.memsw.limit_in_bytes', limits.memoryBytes);
  } catch {
    return;
  }
}

function removeGroup(directory: string): boolean {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) removeGroup(join(directory, entry.name));
    }
    rmdirSync(directory);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
}

/** Lines like `oom_kill 2`. */
function countIn(path: string, name: string): number {
  const line = (readText(path) ?? '').split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? 0);
}

function wordsIn(path: string): string[] {
  return (readText(path) ?? '').split(/\s+/).filter(Boolean);
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
