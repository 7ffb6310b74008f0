import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createOnce, isThere, readIfThere } from './files.ts';
import type { SupervisedJob } from './job.ts';

const supervisorProgram = fileURLToPath(new URL('./supervisor.ts', import.meta.url));
const startWithinMs = 30_000;

/** Start a supervisor for the job and let go of it: it and its command go on when this process dies. Resolves when some
 *  supervisor has this build; throws when this one could not start. */
export async function launchSupervisor(node: string, directory: string, job: SupervisedJob): Promise<void> {
  const work = join(directory, `w${job.claim}`);
  const jobFile = join(work, 'job.json');
  await mkdir(join(job.scratch, 'home'), { mode: 0o700 });
  await mkdir(join(job.scratch, 'tmp'), { mode: 0o700 });
  await createOnce(jobFile, JSON.stringify(job));
  const complaints = await open(join(directory, 'supervisor.log'), 'a', 0o600);
  try {
    const child = spawn(node, [supervisorProgram, directory, jobFile], {
      cwd: directory,
      env: { PATH: '/usr/bin:/bin' }, // The bot's own environment has its secrets, and any build could read them there.
      detached: true,
      stdio: ['ignore', 'ignore', complaints.fd],
    });
    child.unref();
    await hasStarted(child, directory);
  } finally {
    await complaints.close();
  }
}

async function hasStarted(child: ChildProcess, directory: string): Promise<void> {
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = `it ended with ${signal ?? `exit status ${code}`}`;
  });
  for (let waitedMs = 0; waitedMs < startWithinMs; waitedMs += 10) {
    const why = ended; // Before looking: a supervisor may start, do all its work and end between two looks.
    if (await isThere(join(directory, 'supervisor.json'))) return;
    if (why !== undefined) throw new Error(`${why} ${await lastWordsOf(directory)}`.trim());
    await sleep(10);
  }
  child.kill('SIGKILL');
  throw new Error(`it did not start within ${startWithinMs / 1000} s`);
}

async function lastWordsOf(directory: string): Promise<string> {
  return ((await readIfThere(join(directory, 'supervisor.log'))) ?? '').slice(-500);
}
