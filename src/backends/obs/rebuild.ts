import { createHash } from 'node:crypto';
import { obsMessages } from '../../core/messages-obs.ts';
import { BackendError, type JobObservation, type JobRef } from '../backend.ts';
import type { Following } from './follow.ts';
import { isRunning, type ObsJob } from './judge.ts';
import { isStarted, type StartedMark } from './mark.ts';
import type { ObsTime } from './time.ts';

export interface RebuildParts {
  externalId: string;
  following: Following;
  time: ObsTime;
  /** A command to OBS about a job. */
  command(cmd: 'rebuild' | 'restartbuild', job: ObsJob, signal: AbortSignal): Promise<void>;
}

export interface Rebuild {
  /** The same key asks once. */
  key: string;
  isWanted(job: ObsJob, told: JobObservation | undefined): boolean;
  /** Whoever asks knows that all has ended; else that is looked at. */
  hasEnded: boolean;
}

/**
 * Jobs of a started build once more. It is written down first, with the newest build of each before, so that what comes
 * after is theirs; then OBS is asked. Who was killed in between asks again, of what the scheduler has not taken up.
 */
export async function buildAgain(parts: RebuildParts, rebuild: Rebuild, signal: AbortSignal): Promise<void> {
  const { following, externalId } = parts;
  const mark = await following.place.read(signal);
  if (!mark || !isStarted(mark)) throw new BackendError('refused', obsMessages.notThere(externalId));
  if (mark.cancelled) throw new BackendError('refused', obsMessages.wasCancelled(externalId));
  // Another process may have been asked before.
  if ((await following.mark(signal))?.rebuilds.length !== mark.rebuilds.length) following.marked(mark);
  if (!mark.rebuilds.some(({ key }) => key === rebuild.key)) await writeRebuild(parts, mark, rebuild, signal);
  for (const { job, told, code } of await following.jobs(signal)) {
    // What the scheduler has taken up need not be asked for again.
    if (job.attempt > 1 && told?.state !== 'finished' && AT_REST.has(code)) await parts.command('rebuild', job, signal);
  }
  following.hint();
}

/** What has no job because it needs another one begins by itself when that one is there. */
const AT_REST: ReadonlySet<string> = new Set(['succeeded', 'failed', 'broken', 'disabled']);

async function writeRebuild(
  { following, time, command }: RebuildParts,
  mark: StartedMark,
  { key, isWanted, hasEnded }: Rebuild,
  signal: AbortSignal,
): Promise<void> {
  const jobs = await following.jobs(signal);
  if (!hasEnded && jobs.some(({ told }) => told && told.state !== 'finished')) {
    throw new BackendError('busy', obsMessages.notEnded);
  }
  const wanted = jobs.filter(({ job, told }) => isWanted(job, told));
  if (wanted.length === 0) return;
  const before: StartedMark['rebuilds'][number]['before'] = {};
  for (const { job } of wanted) before[job.name] = await following.newest(job, signal);
  const next = { ...mark, rebuilds: [...mark.rebuilds, { key, at: time.now().toISOString(), before }] };
  await following.place.write(next, true, signal);
  following.marked(next);
  // It had ended for us, because its time was up: its worker may have died, and it stands as building for ever.
  for (const { job, code } of wanted) if (isRunning(code)) await command('restartbuild', job, signal);
}

/** The same attempts are replaced once. */
export function retryKey(after: JobRef[]): string {
  const refs = after.map(({ name, attempt }) => `${name}#${attempt}`).sort();
  return `retry-${createHash('sha256').update(refs.join('\n')).digest('hex').slice(0, 20)}`;
}
