import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeCgroups, removeCgroups } from './cgroup.ts';
import { accountFiles, confinedArgv } from './confine.ts';
import type { CgroupParent, Sandbox, SupervisedJob } from './job.ts';

/**
 * What a build's sandbox needs besides a command line: made before the command, removed after it. Used by the supervisor
 * and by who tidies up after one: nothing but node's own modules here.
 */

export interface Confinement {
  argv: string[];
  cgroups: CgroupParent[];
  /** The directories that the build may write to. */
  scratch: string[];
}

/** One group per parent; the name is new on this machine, and tells whose it is. */
export function nameGroups(parents: CgroupParent[], directory: string): string[] {
  return parents.map((parent) => join(parent.directory, `rcb-${basename(directory)}-${process.pid}`));
}

/** `work`: the directory of the job's claim, which is the bot's own. Throws what the machine refuses. */
export async function confine(build: {
  job: Pick<SupervisedJob, 'argv' | 'directory' | 'scratch' | 'sandbox' | 'limits'>;
  uid?: number;
  groupNames: string[];
  work: string;
}): Promise<Confinement> {
  const { job, uid, groupNames, work } = build;
  const { sandbox, limits, scratch } = job;
  const directories = ['source', 'home', 'tmp'].map((name) => join(scratch, name));
  if (sandbox.isolation === 'bubblewrap') await writeAccounts(work, uid ?? process.getuid?.() ?? 0);
  if (uid !== undefined) await giveTo(uid, sandbox.isolation === 'user' ? [scratch] : directories);
  const name = basename(groupNames[0] ?? '');
  const cgroups = makeCgroups(sandbox.cgroups, name, limits);
  const argv = confinedArgv({
    ...{ argv: job.argv, directory: job.directory, scratch, sandbox, limits, uid, accounts: work },
    cgroups: cgroups.map(({ directory }) => directory),
    grouped: { memory: cgroups.some(({ memory }) => memory), processes: cgroups.some(({ pids }) => pids) },
  });
  return { argv, cgroups, scratch: directories };
}

/** When no process is left. Where a build saw the machine's own temporary directories, its user's files go from there. */
export async function tidyUp(
  sandbox: Pick<Sandbox, 'isolation'>,
  uid: number | undefined,
  cgroups: string[],
): Promise<void> {
  if (sandbox.isolation === 'user' && uid !== undefined) await removeLeftovers(uid);
  // A killed process leaves its group a moment after it is gone from everywhere else.
  for (let round = 0; round < 50 && !removeCgroups(cgroups); round++) await sleep(20);
}

const sharedDirectories = ['/tmp', '/var/tmp', '/dev/shm', '/run/lock', '/dev/mqueue'];

/** `find` ends with 1 when something vanished meanwhile, or a directory is not there: both are fine. */
async function removeLeftovers(uid: number): Promise<void> {
  const scratch = ['-name', `${scratchRootPrefix}*`, '-prune', '-o'];
  const args = [...sharedDirectories, '-xdev', ...scratch, '-user', String(uid)];
  // -delete means -depth, with which -prune does nothing; rm is given what is found at the top.
  await promisify(execFile)('find', [...args, '-prune', '-exec', 'rm', '-rf', '--', '{}', '+']).catch(
    (error: { code?: unknown }) => {
      if (error.code !== 1) throw error;
    },
  );
}

/** Below the system's temporary directory: scratch directories of builds whose user has no way into the bot's own. */
export const scratchRootPrefix = 'rcb-scratch-';

async function writeAccounts(work: string, uid: number): Promise<void> {
  const files = accountFiles(uid);
  await Promise.all([
    writeFile(join(work, 'passwd'), files.passwd, { mode: 0o644 }),
    writeFile(join(work, 'group'), files.group, { mode: 0o644 }),
  ]);
}

/** No process of the build is there yet that could exchange a directory for a link; and none is followed. */
async function giveTo(uid: number, directories: string[]): Promise<void> {
  await promisify(execFile)('chown', ['-hR', `${uid}:${uid}`, '--', ...directories], {
    env: { PATH: '/usr/bin:/bin' },
  });
}
