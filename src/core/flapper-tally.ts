import { flapRate } from './flapper.ts';

/**
 * How a test file did in a job, over all its runs. A failure is a *flap* when the file also passed in that job with the
 * same commits: an attempt before, or a re-test afterwards.
 */
export interface Tally {
  runs: number;
  failed: number;
  flapped: number;
  firstFailedAt: Date;
  lastFailedAt: Date;
  lastFlappedAt?: Date;
  /** Lower end of the interval of its rate of flaps, 0 to 1: one flap in one run is less than ten in a hundred. */
  atLeast: number;
}

/** What one reading adds. `failedAt`: when it failed in it; `flaps`: times of failures that have turned out to be flaps,
 *  of this reading or of earlier ones. */
export interface TallyStep {
  failedAt?: Date;
  flaps: Date[];
}

/** One run more. `earlierRuns`: those before the first failure. Undefined: it has never failed, and needs no tally. */
export function tallied(before: Tally | undefined, earlierRuns: number, step: TallyStep): Tally | undefined {
  const { failedAt, flaps } = step;
  const failedTimes = [before?.firstFailedAt, before?.lastFailedAt, failedAt].filter((at) => at !== undefined);
  if (failedTimes.length === 0) return undefined;
  const runs = (before?.runs ?? earlierRuns) + 1;
  const flapped = (before?.flapped ?? 0) + flaps.length;
  return {
    runs,
    failed: (before?.failed ?? 0) + (failedAt ? 1 : 0),
    flapped,
    firstFailedAt: earliest(failedTimes),
    lastFailedAt: latest(failedTimes),
    lastFlappedAt:
      flapped === 0 ? undefined : latest([before?.lastFlappedAt, ...flaps].filter((at) => at !== undefined)),
    atLeast: flapRate(flapped, runs).low,
  };
}

const earliest = (times: Date[]): Date => new Date(Math.min(...times.map((at) => at.getTime())));
const latest = (times: Date[]): Date => new Date(Math.max(...times.map((at) => at.getTime())));

/** Monday of its week in UTC, as `2026-11-16`. */
export function weekOf(at: Date): string {
  const daysSinceMonday = (at.getUTCDay() + 6) % 7;
  return new Date(at.getTime() - daysSinceMonday * 86_400_000).toISOString().slice(0, 10);
}
