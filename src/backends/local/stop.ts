import { setTimeout as sleep } from 'node:timers/promises';
import { type BuildMark, processesOf, signalBuild } from './processes.ts';

/** Used by the supervisor too: nothing but node's own modules here. */

/** End all processes of a build: SIGTERM, `graceMs` later SIGKILL; without grace SIGKILL at once. */
export async function endProcesses(mark: BuildMark, graceMs: number): Promise<void> {
  if (graceMs > 0 && processesOf(mark).length > 0) signalBuild(mark, 'SIGTERM');
  if (await areGone(mark, graceMs)) return;
  // Again and again: what forks faster than it is listed is not hit the first time. What a signal cannot end (a process
  // in an endless wait for a disk) must not keep the build from ending.
  for (let round = 0; round < 50; round++) {
    signalBuild(mark, 'SIGKILL');
    if (await areGone(mark, 100)) return;
  }
}

async function areGone(mark: BuildMark, withinMs: number): Promise<boolean> {
  for (let waitedMs = 0; processesOf(mark).length > 0; waitedMs += 20) {
    if (waitedMs >= withinMs) return false;
    await sleep(20);
  }
  return true;
}
