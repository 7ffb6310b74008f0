/** How long what runs may still take, from how long the same jobs took when they passed. */
export interface TimedJob {
  state: 'queued' | 'running' | 'finished';
  startedAt?: Date;
  /** Of earlier passed attempts of the same job, in milliseconds; absent: it never passed. */
  medianMs?: number;
}

export interface Estimate {
  finished: number;
  all: number;
  /** Until the last job ends, were the queued ones to start now; absent when nothing is known or nothing is left. */
  leftMs?: number;
  /** Unfinished jobs that were never timed: they are in no estimate. */
  untimed: number;
  /** Running jobs that take longer than half again their median. */
  late: number;
}

const LATE = 1.5;

export function estimateRest(jobs: readonly TimedJob[], now: Date): Estimate {
  const unfinished = jobs.filter(({ state }) => state !== 'finished');
  const timed = unfinished.filter(({ medianMs }) => medianMs !== undefined);
  const lefts = timed.map((job) => Math.max(0, job.medianMs! - elapsed(job, now)));
  return {
    finished: jobs.length - unfinished.length,
    all: jobs.length,
    leftMs: lefts.length > 0 ? Math.max(...lefts) : undefined,
    untimed: unfinished.length - timed.length,
    late: timed.filter((job) => elapsed(job, now) > LATE * job.medianMs!).length,
  };
}

const elapsed = ({ state, startedAt }: TimedJob, now: Date): number =>
  state === 'running' && startedAt ? Math.max(0, now.getTime() - startedAt.getTime()) : 0;

/** Against its median: said only where the difference is worth a word. */
export function paceOf(durationMs: number, medianMs: number): 'usual' | 'slower' | 'faster' {
  if (Math.abs(durationMs - medianMs) < LEAST_DIFFERENCE_MS) return 'usual';
  return durationMs > LATE * medianMs ? 'slower' : durationMs < medianMs / LATE ? 'faster' : 'usual';
}

const LEAST_DIFFERENCE_MS = 10_000;
