import { execFile } from 'node:child_process';
import { readdirSync, type Stats, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { overrunOf } from './cgroup.ts';
import type { BuildLimits, CgroupParent } from './job.ts';
import type { End } from './outcome.ts';
import { type BuildMark, burdenOf, memoryOf, processesOf } from './processes.ts';

/**
 * What a build lies on the machine with, against its limits. The kernel enforces them where it was told to (control
 * groups, prlimit); but it tells nobody, or knows them per process only: so the supervisor looks, adds up and names the
 * reason. Nothing but node's own modules here.
 */

const processesEveryMs = 250;
const leastDiskEveryMs = 500;
/** A tree of a million files is not to be walked all the time. */
const diskRest = 8;
/** Longer than that the supervisor is not to be kept from its other looks. */
const openFilesWithinMs = 100;

export class Burden {
  readonly #mark: BuildMark;
  readonly #limits: BuildLimits;
  readonly #cgroups: CgroupParent[];
  readonly #scratch: string[];
  #nextProcesses = 0;
  #nextDisk = performance.now() + leastDiskEveryMs;
  #isMeasuring = false;
  #diskEnd: End | undefined;

  constructor(mark: BuildMark, limits: BuildLimits, cgroups: CgroupParent[], scratch: string[]) {
    this.#mark = mark;
    this.#limits = limits;
    this.#cgroups = cgroups;
    this.#scratch = scratch;
  }

  /** The limit that is passed now, if any. Cheap enough for every 100 ms. */
  look(): End | undefined {
    const now = performance.now();
    if (now >= this.#nextDisk && !this.#isMeasuring) void this.#measureDisk();
    return this.#overrun() ?? this.#diskEnd ?? (now >= this.#nextProcesses ? this.#lookAtProcesses() : undefined);
  }

  /** After the command's own end: a limit that explains it. */
  async lookBack(): Promise<End | undefined> {
    const overrun = this.#overrun();
    if (overrun) return overrun;
    return (await diskUsage(this.#scratch)) >= this.#limits.diskBytes * almost ? this.#tooMuchDisk() : undefined;
  }

  #overrun(): End | undefined {
    for (const group of this.#cgroups) {
      const overrun = overrunOf(group);
      if (overrun === 'memory') return this.#tooMuchMemory();
      if (overrun === 'processes') return this.#tooManyProcesses();
    }
    return undefined;
  }

  #lookAtProcesses(): End | undefined {
    const start = performance.now();
    const pids = processesOf(this.#mark);
    const { tasks, residentBytes } = burdenOf(pids);
    const hasTooMuch = residentBytes > this.#limits.memoryBytes && memoryOf(pids) > this.#limits.memoryBytes;
    // Listing is work, the more the more there are: a tenth of the time at most.
    this.#nextProcesses = performance.now() + Math.max(processesEveryMs, 10 * (performance.now() - start));
    if (hasTooMuch) return this.#tooMuchMemory();
    return tasks >= this.#limits.processes ? this.#tooManyProcesses() : undefined;
  }

  async #measureDisk(): Promise<void> {
    this.#isMeasuring = true;
    const start = performance.now();
    try {
      const bytes = (await diskUsage(this.#scratch)) + openButUnlinked(processesOf(this.#mark));
      if (bytes > this.#limits.diskBytes) this.#diskEnd = this.#tooMuchDisk();
    } finally {
      const took = performance.now() - start;
      this.#nextDisk = performance.now() + Math.max(leastDiskEveryMs, diskRest * took);
      this.#isMeasuring = false;
    }
  }

  #tooMuchMemory(): End {
    return { how: 'too-much-memory', limitBytes: this.#limits.memoryBytes };
  }

  #tooManyProcesses(): End {
    return { how: 'too-many-processes', limit: this.#limits.processes };
  }

  #tooMuchDisk(): End {
    return { how: 'too-much-disk', limitBytes: this.#limits.diskBytes };
  }
}

/** A file that stopped at the limit is a little below it. */
const almost = 0.99;

/** Bytes on disk. `du`, because it walks trees that are deeper than a path can name. Files come and go meanwhile: what it
 *  complains about does not count. */
async function diskUsage(directories: string[]): Promise<number> {
  const args = [
    '-n',
    '10',
    'du',
    '--summarize',
    '--one-file-system',
    '--block-size=1',
    '--total',
    '--',
    ...directories,
  ];
  const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };
  const { stdout } = await promisify(execFile)('nice', args, { env: environment, maxBuffer: 1 << 24 }).catch(
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }),
  );
  return Number(/^(\d+)\ttotal$/m.exec(stdout)?.[1] ?? 0);
}

/** Files without a name take room as long as somebody has them open. */
function openButUnlinked(pids: number[]): number {
  const deadline = performance.now() + openFilesWithinMs;
  const sizes = new Map<string, number>();
  for (const pid of pids) {
    for (const path of openFilesOf(pid)) {
      if (performance.now() > deadline) return sum(sizes);
      const found = statOf(path);
      if (found?.isFile() && found.nlink === 0) sizes.set(`${found.dev}:${found.ino}`, found.blocks * 512);
    }
  }
  return sum(sizes);
}

function openFilesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  } catch {
    return []; // It ended meanwhile, or cannot be looked into.
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined; // As above.
  }
}

function sum(sizes: Map<string, number>): number {
  return [...sizes.values()].reduce((total, size) => total + size, 0);
}
