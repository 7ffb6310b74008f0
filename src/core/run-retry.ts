import { attemptNumber, type BuildObservation, type JobObservation, type JobRef, verdictOf } from './build.ts';
import type { JsonOf } from './event.ts';
import type { Build, Job, Run } from './model.ts';

/**
 * Jobs that run again within the build they are of, at the same backend. It is the one way in which a finished run opens
 * again: its verdict was made of attempts that are not the last ones any more. Somebody asks for it (`{re-test failed}`),
 * or presses the button on the backend's own page, and we find attempts that we did not know.
 */

/** `retry`: these builds run their failed jobs again. `whole`: a backend cannot, or none knows of a failed job. */
export type RetryDecision = { do: 'retry'; buildIds: string[] } | { do: 'whole' };

/** `canRetry`: does this backend, by its name, run single jobs again? */
export function decideRetry(run: Run, canRetry: (backend: string) => boolean): RetryDecision {
  const failed = run.builds.filter(({ verdict }) => verdict !== 'passed');
  const isOver = run.state === 'finished' && (run.verdict === 'failed' || run.verdict === 'error');
  const canAll = failed.every((build) => build.externalId && canRetry(build.backend) && failedJobs(build).length > 0);
  if (!isOver || failed.length === 0 || !canAll) return { do: 'whole' };
  return { do: 'retry', buildIds: failed.map(({ id }) => id) };
}

/** Somebody asks for one job. No backend runs a job that passed once more, and those that run failed ones again run all of
 *  the build's: the other builds stay as they are. */
export function decideJobRetry(run: Run, jobId: string, canRetry: (backend: string) => boolean): RetryDecision {
  const build = run.builds.find(({ jobs }) => jobs.some(({ id }) => id === jobId));
  const hasFailed = build && failedJobs(build).some(({ id }) => id === jobId);
  const can = hasFailed && build.externalId !== undefined && canRetry(build.backend);
  return can && mayReopen(run) ? { do: 'retry', buildIds: [build.id] } : { do: 'whole' };
}

/** Somebody may yet ask for the failed jobs of this build, for `keepMs` after its end. `isNewest`: no run of its change
 *  came after it. */
export function mayRunAgain(
  run: Pick<Run, 'state' | 'verdict'>,
  build: Pick<Build, 'verdict' | 'finishedAt'>,
  { isNewest, keepMs, now }: { isNewest: boolean; keepMs: number; now: Date },
): boolean {
  const hasFailed = build.verdict === 'failed' || build.verdict === 'error';
  const isOpen = run.state !== 'finished' || mayReopen(run);
  return isNewest && hasFailed && isOpen && now.getTime() - (build.finishedAt?.getTime() ?? 0) < keepMs;
}

const failedJobs = (build: Build): Job[] => build.jobs.filter(({ verdict }) => verdict !== 'passed');

/** The run is open again, its other builds untouched. GitHub reopens no completed check: `rcb` becomes a new one. */
export function reopened(run: Run): Run {
  const checks = run.checks.map((check) =>
    check.jobId === undefined ? { ...check, externalId: undefined, reported: undefined } : check,
  );
  const flappers = run.flappers && { ...run.flappers, noRerun: undefined };
  return { ...run, checks, flappers, state: 'building', verdict: undefined, why: undefined, finishedAt: undefined };
}

export const openBuild = (build: Build): Build => ({
  ...build,
  state: 'queued',
  verdict: undefined,
  why: undefined,
  finishedAt: undefined,
});

/** Its failed jobs await an attempt that the backend has not told of yet. */
export function awaitingRetry(build: Build): Build {
  const jobs = build.jobs.map((job) => (job.verdict === 'passed' ? job : awaiting(job)));
  return { ...openBuild(build), jobs };
}

/** All of its jobs failed, and its backend can only start it as a whole: its attempts go on counting. */
export function startingAnew(build: Build): Build {
  const earlierAttempts = Math.max(build.attempt, ...build.jobs.map(({ attempt }) => attempt));
  const jobs = build.jobs.map((job) => awaiting(job, earlierAttempts + 1));
  const { attempt } = build;
  return { ...openBuild(build), attempt: attempt + 1, earlierAttempts, externalId: undefined, url: undefined, jobs };
}

const awaiting = (job: Job, attempt = job.attempt + 1): Job => ({
  ...job,
  attempt,
  state: 'queued',
  verdict: undefined,
  why: undefined,
  timedOut: false,
});

export const isAwaited = ({ attempt, attempts }: Job): boolean =>
  attempts.length > 0 && attempts.every(({ number }) => number < attempt);

/** Nobody runs it again: what is known of it is how it ended. */
export function asKnown(job: Job): Job {
  const newest = job.attempts.at(-1);
  if (!newest || !isAwaited(job)) return job;
  const { number: attempt, state, verdict, why, timedOut } = newest;
  return { ...job, attempt, state, verdict, why, timedOut };
}

/** The attempts that are not good enough, as the backend counts them: for `Backend.ensureRetried`. */
export const notGoodEnough = (build: Build): JobRef[] =>
  build.jobs
    .filter(isAwaited)
    .map(({ externalName, attempt }) => ({ name: externalName, attempt: attempt - 1 - build.earlierAttempts }));

type Observed = BuildObservation | JsonOf<BuildObservation>;

/** The backend has been asked to run jobs again, and still tells how they ended the time before. Of a build that was
 *  started anew nothing was told before. */
export function isStale(build: Build, observation: Observed): boolean {
  if (observation.state !== 'finished') return false;
  const awaited = build.jobs.filter((job) => isAwaited(job) && job.attempt > build.earlierAttempts + 1);
  return awaited.length > 0 && !awaited.some((job) => observation.jobs.some((seen) => isNewer(build, job, seen)));
}

const isNewer = (build: Build, job: Job, seen: Pick<JobObservation, 'name' | 'attempt'>): boolean =>
  seen.name === job.externalName && attemptNumber(build, seen) >= job.attempt;

/** Somebody had jobs of a finished build run again: there are attempts that we do not know. */
export function isRunAgain(build: Build, observation: Observed): boolean {
  if (build.state !== 'finished' || observation.state === 'lost') return false;
  return build.jobs.some((job) =>
    observation.jobs.some((seen) => seen.name === job.externalName && attemptNumber(build, seen) > job.attempt),
  );
}

/** A run that something else ended (a newer head, a person) stays ended. */
export const mayReopen = ({ state, verdict }: Pick<Run, 'state' | 'verdict'>): boolean =>
  state === 'finished' && (verdict === 'failed' || verdict === 'error' || verdict === 'passed');

/** The backend does not run it again: what was found before still holds. */
export function retryRefused(build: Build, why: string, now: Date): Build {
  const jobs = build.jobs.map(asKnown);
  return { ...build, jobs, state: 'finished', verdict: verdictOf(jobs) ?? 'error', why, finishedAt: now };
}
