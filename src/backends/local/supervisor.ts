import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readFileSync, statfsSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Burden } from './burden.ts';
import { statusFd } from './confine.ts';
import { type Confinement, confine, nameGroups, tidyUp } from './confinement.ts';
import { createOnce, publish, writeAndClose } from './files.ts';
import type { SupervisedJob } from './job.ts';
import { type End, outcomeOf } from './outcome.ts';
import { type BuildMark, identify } from './processes.ts';
import { watchBubblewrap } from './status.ts';
import { endProcesses } from './stop.ts';
import { type HeldUser, holdUser } from './users.ts';

/**
 * A program of its own: `node supervisor.ts <build directory> <job file>`. Runs one command, outlives the bot.
 *
 * The command writes straight into the log file: as fast as the kernel can, in no memory of ours, and nothing waits for a
 * pipe that a forgotten daemon holds open. So the limits are looked after by looking: every 100 ms at the log's size and
 * at the `cancel` file. What was printed beyond the limit within that time is cut off at the end.
 */

const lookEveryMs = 100;
/** Below this a write is likely to fail, and so is the build. */
const fullDiskBytes = 1 << 20;
/** Enough for any exit.json. */
const reservedBytes = 4096;

interface Supervision {
  directory: string;
  job: SupervisedJob;
  user?: HeldUser;
  /** Names of control groups that are not there yet. */
  cgroups: string[];
  startedAt: Date;
  /** Why the command is being stopped; the first reason counts. */
  stop?: End;
  wake: () => void;
  woken: Promise<void>;
}

async function main(directory: string, jobFile: string): Promise<void> {
  const job: SupervisedJob = JSON.parse(readFileSync(jobFile, 'utf8'));
  const startedAt = new Date();
  const reserve = await reserveExitFile(dirname(jobFile));
  const { users, cgroups: parents } = job.sandbox;
  const user = users && (await holdUser(users, process.pid));
  const cgroups = nameGroups(parents, directory);
  // Two bots may have prepared this build, one after the other's death. Only the first supervisor runs it.
  const me = { ...identify(process.pid), claim: job.claim, job: job.name, startedAt, uid: user?.uid, cgroups };
  if (!(await createOnce(join(directory, 'supervisor.json'), JSON.stringify(me)))) return;
  if (existsSync(join(directory, 'exit.json'))) return; // Given up on before it started.

  let wake = () => {};
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const supervision: Supervision = { directory, job, user, cgroups, startedAt, wake, woken };
  stopOnSignals(supervision);
  const end = await superviseCommand(supervision).catch((error): End => ({ how: 'not-started', why: error.message }));
  await writeExitFile(reserve, supervision, end);
}

async function superviseCommand(supervision: Supervision): Promise<End> {
  if (isCancelled(supervision)) return { how: 'cancelled' };
  const { job, user } = supervision;
  if (job.sandbox.users && !user) return { how: 'not-confined', why: 'all users for builds are in use' };
  const log = openSync(join(supervision.directory, 'log'), 'a', 0o600);
  try {
    const end = await superviseConfined(supervision, log);
    return cutLog(log, job.outputLimitBytes) ?? end;
  } finally {
    closeSync(log);
  }
}

async function superviseConfined(supervision: Supervision, log: number): Promise<End> {
  const { job, user, cgroups, directory } = supervision;
  const work = join(directory, `w${job.claim}`);
  let confinement: Confinement;
  try {
    confinement = await confine({ job, uid: user?.uid, groupNames: cgroups, work });
  } catch (error) {
    return { how: 'not-confined', why: error instanceof Error ? error.message : String(error) };
  }
  try {
    return await runCommand(supervision, confinement, log);
  } finally {
    await tidyUp(job.sandbox, user?.uid, cgroups).catch(complain);
    user?.release();
  }
}

async function runCommand(supervision: Supervision, confinement: Confinement, log: number): Promise<End> {
  const { job, directory } = supervision;
  const [program = '', ...args] = confinement.argv;
  const isWrapped = job.sandbox.isolation === 'bubblewrap';
  // `detached`: a session and a group of its own (setsid), which it can be killed by.
  const child = spawn(program, args, {
    cwd: '/',
    env: job.environment,
    detached: true,
    stdio: ['ignore', log, log, ...(isWrapped ? (['pipe'] as const) : [])],
  });
  const status = watchBubblewrap(isWrapped ? child.stdio[statusFd] : undefined);
  const ended = endOf(child);
  const mark = markOf(supervision, child.pid);
  void status.pidNamespace.then((name) => {
    mark.pidNamespace = name;
  });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  // Only of use to who has to tidy up after this supervisor's death. The command runs already: a full disk must not keep
  // it from being looked after.
  if (identity) await createOnce(join(directory, 'command.json'), JSON.stringify(identity)).catch(complain);

  const burden = new Burden(mark, job.limits, confinement.cgroups, confinement.scratch);
  const looking = lookAfter(supervision, burden, log);
  const first = await Promise.race([ended, supervision.woken]);
  clearInterval(looking);
  // Also after a command that ended by itself: what it left in the background must not outlive it.
  await endProcesses(mark, supervision.stop && isFlood(supervision.stop) ? 0 : job.killGraceMs);
  if (!first) return supervision.stop ?? (await ended);
  if (first.how === 'exited' && first.code === 0) return first;
  if (!(await status.hasStarted)) return { how: 'not-confined', why: 'see the log' };
  return (await burden.lookBack()) ?? noticeFullDisk(directory, first);
}

function markOf({ job, user, cgroups }: Supervision, session: number | undefined): BuildMark {
  return { session, environmentEntry: job.environmentEntry, uid: user?.uid, cgroups };
}

/** Who takes without end gets no grace: it would take more meanwhile. */
function isFlood({ how }: End): boolean {
  return ['too-much-output', 'too-much-memory', 'too-many-processes', 'too-much-disk'].includes(how);
}

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ how: 'not-started', why: error.message }));
    child.once('exit', (code, signal) =>
      resolve(signal ? { how: 'killed', signal } : { how: 'exited', code: code ?? 0 }),
    );
  });
}

/** Watch the clock, the log, the limits and the `cancel` file until one of them says stop. */
function lookAfter(supervision: Supervision, burden: Burden, log: number): NodeJS.Timeout {
  const { job } = supervision;
  const start = performance.now();
  let size = 0;
  let lastOutput = start;
  return setInterval(() => {
    const now = performance.now();
    const newSize = fstatSync(log).size;
    if (newSize !== size) lastOutput = now;
    size = newSize;
    if (isCancelled(supervision)) stop(supervision, { how: 'cancelled' });
    else if (size > job.outputLimitBytes)
      stop(supervision, { how: 'too-much-output', limitBytes: job.outputLimitBytes });
    else if (now - start > job.timeoutS * 1000) stop(supervision, { how: 'too-long', seconds: job.timeoutS });
    else if (now - lastOutput > job.silenceS * 1000) stop(supervision, { how: 'silent', seconds: job.silenceS });
    else {
      const overrun = burden.look();
      if (overrun) stop(supervision, overrun);
    }
  }, lookEveryMs);
}

function stop(supervision: Supervision, end: End): void {
  supervision.stop ??= end;
  supervision.wake();
}

function isCancelled(supervision: Supervision): boolean {
  return existsSync(join(supervision.directory, 'cancel'));
}

/** An administrator, or systemd stopping the whole unit: end the build in order, and say so. */
function stopOnSignals(supervision: Supervision): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => stop(supervision, { how: 'supervisor-stopped', signal }));
  }
  process.on('SIGHUP', () => {}); // A terminal that closes is no reason.
}

/** A command may print too much and end before anybody looks. */
function cutLog(log: number, limitBytes: number): End | undefined {
  if (fstatSync(log).size <= limitBytes) return undefined;
  ftruncateSync(log, limitBytes);
  return { how: 'too-much-output', limitBytes };
}

/** A build that failed while the disk was full failed because of that, whatever it says itself. */
function noticeFullDisk(directory: string, end: End): End {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < fullDiskBytes ? { how: 'disk-full' } : end;
}

/** Into supervisor.log. */
function complain(error: unknown): void {
  console.error(error);
}

/** Take the room for exit.json now: it must be possible to write it when the disk is full. */
async function reserveExitFile(directory: string): Promise<{ handle: FileHandle; path: string }> {
  const path = join(directory, 'exit.json.reserved');
  const handle = await open(path, 'w', 0o600);
  await handle.write(Buffer.alloc(reservedBytes, ' '), 0, reservedBytes, 0);
  await handle.sync();
  return { handle, path };
}

async function writeExitFile(
  reserve: { handle: FileHandle; path: string },
  supervision: Supervision,
  end: End,
): Promise<void> {
  const { job, startedAt, directory } = supervision;
  const record = JSON.stringify({ job: job.name, ...outcomeOf(end), startedAt, finishedAt: new Date() });
  // Blanks after JSON are JSON: so the room is used as it is, and never given back before the text is in it.
  await writeAndClose(reserve.handle, record.padEnd(reservedBytes));
  await publish(reserve.path, join(directory, 'exit.json'));
}

await main(process.argv[2] ?? '', process.argv[3] ?? '');
