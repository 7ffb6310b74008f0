import { attemptId, attemptNumber, type JobObservation } from './build.ts';
import type { JsonOf, KeptOutput } from './event.ts';
import type { Attempt, Build, Job, Verdict } from './model.ts';
import { isAwaited } from './run-retry.ts';

/** The jobs of a build: what an observation says of them, beside what is known. `newId`: for those that are new. */

export function endBuild(build: Build, verdict: Verdict, why: string, now: Date): Build {
  const jobs = build.jobs.map((job) => (job.state === 'finished' ? job : endJob(job, verdict, why, now)));
  return { ...build, jobs, state: 'finished', verdict, why, finishedAt: now };
}

export function endJob(job: Job, verdict: Verdict, why: string, now: Date): Job {
  const attempts = job.attempts.map((attempt) =>
    attempt.number === job.attempt && attempt.state !== 'finished'
      ? { ...attempt, state: 'finished' as const, verdict, why, finishedAt: now }
      : attempt,
  );
  return { ...job, attempts, state: 'finished', verdict, why };
}

export function mergeJobs(
  build: Build,
  observed: JsonOf<JobObservation>[],
  kept: KeptOutput[],
  context: { newId(): string },
): Job[] {
  const jobs = new Map(build.jobs.map((job) => [job.externalName, job]));
  for (const seen of observed) {
    const job = jobs.get(seen.name) ?? newJob(build, seen, context);
    const output = kept.find((each) => each.externalName === seen.name && each.number === attemptNumber(build, seen));
    jobs.set(seen.name, mergeJob(job, build, seen, output));
  }
  return [...jobs.values()];
}

const newJob = (build: Build, seen: { name: string }, context: { newId(): string }): Job => ({
  id: context.newId(),
  name: `${build.backend} / ${seen.name}`,
  externalName: seen.name,
  state: 'queued',
  attempt: 1,
  attempts: [],
});

function mergeJob(job: Job, build: Build, seen: JsonOf<JobObservation>, output: KeptOutput | undefined): Job {
  const number = attemptNumber(build, seen);
  const before = job.attempts.find((attempt) => attempt.number === number);
  const attempt: Attempt = {
    id: attemptId(build.id, seen.name, number),
    number,
    ...(before?.state === 'finished' ? endOfAttempt(before) : progressOf(seen)),
    startedAt: date(seen.startedAt) ?? before?.startedAt,
    finishedAt: date(seen.finishedAt) ?? before?.finishedAt,
    log: output?.log ?? before?.log,
    artifacts: output?.artifacts ?? before?.artifacts ?? [],
  };
  const attempts = [...job.attempts.filter((each) => each.number !== number), attempt].sort(
    (one, other) => one.number - other.number,
  );
  const newest = attempts.at(-1)!;
  // Asked to run again, and not there yet.
  if (isAwaited(job) && newest.number < job.attempt) return { ...job, attempts };
  return {
    ...job,
    attempts,
    attempt: newest.number,
    state: newest.state,
    verdict: newest.verdict,
    why: newest.why,
    timedOut: newest.timedOut,
  };
}

/** An observation can be older than what is known: what is over stays over. */
const endOfAttempt = ({ state, verdict, why, timedOut }: Attempt) => ({ state, verdict, why, timedOut });

/** A finished job without a verdict is a backend's bug: it must not look like anything but an error. */
function progressOf(seen: JsonOf<JobObservation>): Pick<Attempt, 'state' | 'verdict' | 'why' | 'timedOut'> {
  if (seen.state !== 'finished') return { state: seen.state };
  const verdict = seen.verdict ?? 'error';
  return { state: 'finished', verdict, why: seen.why, timedOut: seen.timedOut ?? false };
}

const date = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text));

/** It runs again. */
export const requeued = (job: Job): Job => ({
  ...job,
  state: 'queued',
  verdict: undefined,
  why: undefined,
  timedOut: false,
});
