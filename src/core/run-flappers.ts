import { attemptNumber, verdictOf } from './build.ts';
import { branchOf } from './change.ts';
import type { Effect } from './effect.ts';
import type { EventOf, KeptOutput } from './event.ts';
import {
  decideRerun,
  type FailureJudgement,
  type FileJudgement,
  type JobPlace,
  judgeFailure,
  type KnownFlapper,
  type RerunDecision,
} from './flapper.ts';
import { matchesAny } from './globs.ts';
import { flapperMessages } from './messages-flappers.ts';
import type { Build, Job, Run } from './model.ts';
import { type PolicyRule, policyFor } from './policy.ts';
import { awaitingRetry, startingAnew } from './run-retry.ts';
import type { TestFile } from './testlog.ts';
import { testsBySteps } from './testlog-attempt.ts';

/**
 * Flappers in the life of a run.
 *
 * Each failed attempt is judged when its end is told. What failed by known flappers only is held: its check says so and is
 * not completed, until all builds of the run have ended. Failed nothing else, these jobs run again, once per run, and the
 * run never was red; else a re-run would be of no use, all of them count as failed, and the run says why. How the first
 * attempt failed stays with the run for good.
 */
export interface RunFlappers {
  /** Oldest first. Only attempts that a list has something to say about. */
  judged: JudgedAttempt[];
  /** Mistakes in the lists: while there are any nothing is a flapper. */
  faults: string[];
  rerun?: Rerun;
  /** Why there was none, when the run ended. */
  noRerun?: NoRerun;
}

/** Of files and obstacles the first ones. */
export interface JudgedAttempt extends FailureJudgement {
  jobId: string;
  job: string;
  attempt: number;
  decision: RerunDecision;
}

export interface Rerun {
  jobs: RerunJob[];
  files: string[];
}

/** `attempt`: the one that failed. `inPlace`: within its build at the backend; else the whole build began anew. */
export interface RerunJob {
  jobId: string;
  attempt: number;
  inPlace: boolean;
}

export type NoRerun = { because: 'others-failed'; jobs: string[] } | Exclude<RerunDecision, { rerun: true }>;

/** Of the lists in repositories: entries that name a failed file of this event. */
export interface ListedFlappers {
  known: KnownFlapper[];
  faults: string[];
}

/** `known`: of rcb.yaml. `retries`: can this backend run single jobs again? */
export interface FlapperRules {
  known: readonly KnownFlapper[];
  offFor: readonly string[];
  rules: readonly PolicyRule[];
  retries(backend: string): boolean;
}

export interface FlapperContext {
  now: Date;
  flappers?: FlapperRules;
}

const mostShown = 20;

/** The run, with what is to be said of the attempts whose ends this event tells. */
export function withJudgements(run: Run, build: Build, event: EventOf<'build.observed'>, context: FlapperContext): Run {
  const { observation, kept, listed } = event;
  if (!context.flappers || observation.state === 'lost' || run.state !== 'building') return run;
  const before = run.flappers ?? { judged: [], faults: [] };
  const judged: JudgedAttempt[] = [];
  for (const job of build.jobs) {
    const output = kept.find(({ externalName, number }) => externalName === job.externalName && number === job.attempt);
    const seen = observation.jobs.find((each) => isOf(build, job, each));
    const isNews = job.state === 'finished' && job.verdict !== 'passed' && !judgementOf(run, job);
    if (!isNews || !output || !seen) continue;
    const judgement = judge(run, build, { job, output, seen, listed }, context.flappers, context.now);
    if (judgement) judged.push(judgement);
  }
  const faults = [...new Set([...before.faults, ...(listed?.faults ?? [])])].slice(0, mostShown);
  if (judged.length === 0 && faults.length === before.faults.length) return run;
  return { ...run, flappers: { ...before, judged: [...before.judged, ...judged], faults } };
}

type Seen = Extract<EventOf<'build.observed'>['observation'], { jobs: unknown }>['jobs'][number];

const isOf = (build: Build, job: Job, seen: Seen): boolean =>
  seen.name === job.externalName && attemptNumber(build, seen) === job.attempt;

interface Attempted {
  job: Job;
  output: KeptOutput;
  seen: Seen;
  listed?: ListedFlappers;
}

function judge(
  run: Run,
  build: Build,
  { job, output, seen, listed }: Attempted,
  rules: FlapperRules,
  now: Date,
): JudgedAttempt | undefined {
  if (!output.tests) return undefined;
  const { verdict, timedOut } = job;
  const { killed, failedSteps } = seen;
  const known = listed?.faults.length ? [] : [...rules.known, ...(listed?.known ?? [])];
  const place: JobPlace = { platform: job.externalName, day: now.toISOString().slice(0, 10) };
  const tests = testsBySteps(output.tests, failedSteps);
  const judgement = judgeFailure({ verdict, timedOut, killed, failedSteps }, tests, known, place);
  if (!judgement.files.some(isListed)) return undefined;
  const decision = decideRerun(judgement, {
    rules: rules.rules,
    branch: branchOf(run.change),
    repository: run.repository.name,
    offFor: rules.offFor,
    rerunsOfRun: run.flappers?.rerun ? 1 : 0,
    canRerun: rules.retries(build.backend) || build.jobs.length === 1,
  });
  const { isFlapperOnly, files, obstacles } = judgement;
  return {
    jobId: job.id,
    job: job.name,
    attempt: job.attempt,
    isFlapperOnly,
    files: files.slice(0, mostShown).map(brief),
    obstacles: obstacles.slice(0, mostShown),
    decision,
  };
}

/** An entry names it, whether or not it holds here and today. */
const isListed = (judged: FileJudgement): boolean => judged.isKnown || 'entry' in judged.reason;

const brief = (judged: FileJudgement): FileJudgement => ({ ...judged, file: briefFile(judged.file) });

const briefFile = (file: TestFile): TestFile => ({
  ...file,
  failed: file.failed.slice(0, mostShown),
  todoPassed: [],
  parseErrors: file.parseErrors.slice(0, 3),
});

export const judgementOf = (run: Run, job: Pick<Job, 'id' | 'attempt'>): JudgedAttempt | undefined =>
  run.flappers?.judged.findLast(({ jobId, attempt }) => jobId === job.id && attempt === job.attempt);

/** It may run again when the other jobs have ended: until then nobody should call it failed. */
export const isHeld = (run: Run, job: Job): boolean =>
  run.state !== 'finished' &&
  job.state === 'finished' &&
  !run.flappers?.rerun &&
  judgementOf(run, job)?.decision.rerun === true;

/** The job's attempt is the one that was made because flappers had failed the one before, or a later one. */
export const rerunOf = ({ flappers }: Pick<Run, 'flappers'>, job: Pick<Job, 'id' | 'attempt'>): RerunJob | undefined =>
  flappers?.rerun?.jobs.find(({ jobId, attempt }) => jobId === job.id && attempt < job.attempt);

/** What has ended goes on, by our own wish, under the same id at its backend. */
export const isAgainInPlace = (run: Run, { id, externalId }: Build): boolean =>
  run.builds.some((build) => build.id === id && build.state !== 'finished' && build.externalId === externalId);

/** How often it was started because the infrastructure lost it, or for the first time. */
export const startsOf = (run: Run, { attempt, jobs }: Build): number =>
  attempt - (jobs.some((job) => rerunOf(run, job)?.inPlace === false) ? 1 : 0);

/** Jobs that passed, and not at their first attempt: flappers had failed that. */
export const flappedJobs = (run: Run): Job[] =>
  run.builds.flatMap(({ jobs }) => jobs).filter((job) => job.verdict === 'passed' && rerunOf(run, job));

/** What had failed of them. */
export const flappedFiles = (run: Run): string[] =>
  flappedJobs(run).length > 0 ? (run.flappers?.rerun?.files ?? []) : [];

/** What a run does whose builds have ended and failed: run again what flappers failed, or end, and why. Undefined:
 *  flappers have nothing to do with it. */
export function afterFailure(
  run: Run,
  builds: readonly Build[],
  context: FlapperContext,
): { run: Run; effects: Effect[] } | { noRerun: NoRerun } | undefined {
  const decision = context.flappers && decideForRun(run, builds, context.flappers);
  if (!decision || 'because' in decision) return decision && { noRerun: decision };
  const { retries } = context.flappers!;
  const failed = builds.filter(({ verdict }) => verdict !== 'passed');
  const jobs = failed.flatMap((build) =>
    failedJobs(build)
      .filter((job) => judgementOf(run, job)?.isFlapperOnly)
      .map(({ id, attempt }) => ({ jobId: id, attempt, inPlace: retries(build.backend) })),
  );
  const rerun: Rerun = { jobs, files: decision.files };
  const again = new Map(
    failed.map((build) => [build.id, retries(build.backend) ? awaitingRetry(build) : startingAnew(build)]),
  );
  return {
    run: {
      ...run,
      why: flapperMessages.rerunning(decision.files),
      flappers: { ...run.flappers!, rerun },
      builds: run.builds.map((build) => again.get(build.id) ?? build),
    },
    effects: failed.map(({ id, backend }): Effect => {
      const about = { runId: run.id, buildId: id };
      return retries(backend) ? { kind: 'build.retry', ...about } : { kind: 'build.start', ...about, backend };
    }),
  };
}

const failedJobs = (build: Build): Job[] => build.jobs.filter(({ verdict }) => verdict !== 'passed');

function decideForRun(
  run: Run,
  builds: readonly Build[],
  { retries, rules }: FlapperRules,
): { files: string[] } | NoRerun | undefined {
  const failed = builds.filter(({ verdict }) => verdict !== 'passed');
  const jobs = failed.flatMap(failedJobs);
  const judged = jobs.map((job) => judgementOf(run, job));
  if (judged.every((each) => !each)) return undefined;
  if (!judged.some((each) => each?.isFlapperOnly)) return { rerun: false, because: 'not-flappers-only' };
  // Those that may fail keep nothing from running again.
  const { optional } = policyFor(rules, branchOf(run.change));
  const others = [
    ...jobs.filter(({ name }, at) => !judged[at]?.isFlapperOnly && !matchesAny(optional, name)).map(({ name }) => name),
    // The backend itself had trouble, of which no job knows.
    ...failed.filter((build) => build.verdict !== verdictOf(build.jobs)).map(({ backend }) => backend),
  ];
  if (others.length > 0) return { because: 'others-failed', jobs: others.slice(0, mostShown) };
  // An attempt that nobody made is known as the one before, which was to be run again.
  if (run.flappers?.rerun) return { rerun: false, because: 'run-before' };
  const decisions = judged.flatMap((each) => (each?.isFlapperOnly ? each.decision : []));
  const denied = decisions.find((decision) => !decision.rerun);
  if (denied) return denied as NoRerun;
  // What has passed there would run again, too.
  const isWhole = failed.every((build) => retries(build.backend) || failedJobs(build).length === build.jobs.length);
  if (!isWhole) return { rerun: false, because: 'backend-cannot' };
  return { files: [...new Set(decisions.flatMap((decision) => (decision.rerun ? decision.files : [])))] };
}
