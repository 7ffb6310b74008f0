import { createHash } from 'node:crypto';
import type { Build, Job, Progress, Verdict } from './model.ts';

/** What a backend tells of a build at one moment. */
export type BuildObservation =
  | { state: 'lost'; why: string }
  | {
      state: Progress;
      /** Equal digests: nothing to tell. Covers states, not log growth. */
      digest: string;
      /** A build-level failure that no job tells (it could not be unpacked, there was nothing to run). */
      why?: string;
      /** Of the build as a whole, where no job can tell it. Without it, and without jobs, there was nothing to run. */
      verdict?: Verdict;
      jobs: JobObservation[];
    };

export interface JobRef {
  /** Unique within the build, stable over attempts; shown as `<backend> / <name>`. */
  name: string;
  attempt: number;
}

export interface JobObservation extends JobRef {
  state: Progress;
  verdict?: Verdict;
  /** Words for people: `exit status 2`, `silent for 600 s`, `killed by SIGKILL`. */
  why?: string;
  /** A deadline passed: reported as `timed_out`. */
  timedOut?: boolean;
  /** It did not end by itself, in words: `killed by SIGKILL`. */
  killed?: string;
  /** Names of the steps that failed, where a job has steps and their logs begin with their names. */
  failedSteps?: string[];
  startedAt?: Date;
  finishedAt?: Date;
  /** Bytes of output so far, if known: tells whether reading the log is worth it. */
  logBytes?: number;
}

/** The verdict of many: the tests' fault weighs more than the infrastructure's, and nothing at all is not a pass. */
export function verdictOf(jobs: Pick<Job, 'verdict'>[]): Verdict | undefined {
  const verdicts = new Set(jobs.map((job) => job.verdict));
  return (['failed', 'error', 'cancelled', 'passed'] as const).find((verdict) => verdicts.has(verdict));
}

/** Does an observation say anything that our rows do not? */
export function tellsNews(build: Build, observation: BuildObservation): boolean {
  if (observation.state === 'lost' || observation.state !== build.state || observation.why !== build.why) return true;
  return observation.jobs.some((seen) => {
    const job = build.jobs.find((each) => each.externalName === seen.name);
    const attempt = job?.attempts.find((each) => each.number === attemptNumber(build, seen));
    return (
      attempt?.state !== seen.state || (seen.state === 'finished' && attempt.verdict !== (seen.verdict ?? 'error'))
    );
  });
}

/** A backend counts attempts within one build of its own; a build that was started anew goes on counting. */
export const attemptNumber = (build: Pick<Build, 'earlierAttempts'>, seen: { attempt: number }): number =>
  build.earlierAttempts + seen.attempt;

/** Known before the row is: the log of an attempt is archived before its verdict is told. */
export const attemptId = (buildId: string, externalName: string, number: number): string =>
  `${buildId}-${createHash('sha256').update(externalName).digest('hex').slice(0, 12)}-${number}`;
