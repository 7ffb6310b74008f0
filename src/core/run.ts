import { attemptId, attemptNumber, type BuildObservation, type JobObservation, verdictOf } from './build.ts';
import { checkContent, checkName, jobsOf, RUN_CHECK } from './check.ts';
import type { Effect } from './effect.ts';
import type { JsonOf, KeptOutput, RunEvent, RunRequest } from './event.ts';
import { messages } from './messages.ts';
import type { Attempt, Build, Check, Job, Run, RunVerdict, Verdict } from './model.ts';

/**
 * The life of a run: `waiting` → `resolving` → `packing` → `building` → `finished`.
 *
 * `startRun` and `advance` are the only places that move it. A finished run never opens again; what still arrives for
 * it is kept for the record (jobs, logs) and changes neither its verdict nor its checks.
 */
export interface RunStep {
  run: Run;
  effects: Effect[];
}

/** What a step may use besides its arguments. `backends`: the names that serve this repository and branch. */
export interface RunContext {
  now: Date;
  newId(): string;
  backends: string[];
}

export function startRun(id: string, request: RunRequest, context: RunContext): RunStep {
  const { change } = request;
  const run: Run = {
    id,
    repository: request.repository,
    change,
    subject: request.subject,
    ...beginning(request, context.now),
    trigger: request.trigger,
    previousId: request.previousId,
    sources: [
      {
        id: context.newId(),
        repository: request.repository,
        sha: change.sha,
        ref: change.kind === 'pull-request' ? `refs/pull/${change.number}/head` : change.ref,
        baseSha: change.kind === 'pull-request' ? change.base.sha : undefined,
        changed: true,
        why:
          change.kind === 'pull-request'
            ? messages.why.pullRequestHead(change.number)
            : messages.why.head(change.ref.replace(/^refs\/heads\//, '')),
      },
    ],
    builds: [],
    checks: request.repository.installation ? [{ id: context.newId(), name: RUN_CHECK }] : [],
    createdAt: context.now,
  };
  const effects: Effect[] = run.state === 'resolving' ? [{ kind: 'sources.resolve', runId: id }] : [];
  return { run, effects: [...effects, ...reports(run)] };
}

/** What is never tested ends at once, without a verdict: a check that stayed queued would block a required one. */
function beginning({ hold }: RunRequest, now: Date): Pick<Run, 'state' | 'why' | 'finishedAt'> {
  if (!hold) return { state: 'resolving' };
  return hold.until === 'never'
    ? { state: 'finished', why: hold.why, finishedAt: now }
    : { state: 'waiting', why: hold.why };
}

export function advance(run: Run, event: Exclude<RunEvent, { kind: 'run.requested' }>, context: RunContext): RunStep {
  const reacted = react(run, event, context);
  const step = { ...reacted, run: withNewChecks(reacted.run, run) };
  // The checks of a run that has ended say how it ended: a completed check is not written again for late results.
  return run.state === 'finished' ? step : { run: step.run, effects: [...step.effects, ...reports(step.run, run)] };
}

function react(run: Run, event: Exclude<RunEvent, { kind: 'run.requested' }>, context: RunContext): RunStep {
  switch (event.kind) {
    case 'sources.resolved':
      return onResolved(run, event);
    case 'source.packed':
      return onPacked(run, event, context);
    case 'sources.failed':
      return run.state === 'finished' ? still(run) : finish(run, 'error', event.why, context);
    case 'build.started':
      return onStarted(run, event);
    case 'build.refused':
      return onRefused(run, event, context);
    case 'build.observed':
      return onObserved(run, event, context);
    case 'run.ended':
      return onEnded(run, event, context);
    case 'check.reported':
      return onReported(run, event);
    case 'check.refused':
      return still(withCheck(run, event.checkId, { error: event.why }));
    case 'effect.failed':
      return onEffectFailed(run, event, context);
  }
}

const still = (run: Run): RunStep => ({ run, effects: [] });

function onResolved(run: Run, event: Extract<RunEvent, { kind: 'sources.resolved' }>): RunStep {
  if (run.state !== 'resolving') return still(run);
  const title = run.change.title || event.title;
  const next: Run = { ...run, state: 'packing', why: undefined, change: { ...run.change, title } };
  return { run: next, effects: packEffects(next) };
}

const packEffects = (run: Run): Effect[] =>
  run.sources.map((source) => ({
    kind: 'source.pack',
    runId: run.id,
    sourceId: source.id,
    repositoryKey: source.repository.key,
  }));

function onPacked(run: Run, event: Extract<RunEvent, { kind: 'source.packed' }>, context: RunContext): RunStep {
  const sources = run.sources.map((source) =>
    source.id === event.sourceId ? { ...source, archive: event.archive } : source,
  );
  const packed: Run = { ...run, sources, why: clearedWhy(run) };
  if (run.state !== 'packing' || sources.some((source) => !source.archive)) return still(packed);
  if (context.backends.length === 0) return finish(packed, undefined, messages.noBackend, context);
  const builds = context.backends.map(
    (backend): Build => ({
      id: context.newId(),
      backend,
      state: 'queued',
      attempt: 1,
      earlierAttempts: 0,
      jobs: [],
      createdAt: context.now,
    }),
  );
  return { run: { ...packed, state: 'building', builds }, effects: builds.map((build) => startEffect(run, build)) };
}

const startEffect = (run: Run, build: Build): Effect => ({ kind: 'build.start', runId: run.id, buildId: build.id });

function onStarted(run: Run, event: Extract<RunEvent, { kind: 'build.started' }>): RunStep {
  const build = currentBuild(run, event);
  if (!build || build.state === 'finished') return still(run);
  const next = withBuild(run, { ...build, externalId: event.externalId, url: event.url });
  // It was ended while its start was under way: nobody else knows yet that there is something to cancel.
  const kind = run.state === 'finished' ? 'build.cancel' : 'build.follow';
  const effects: Effect[] = [{ kind, runId: run.id, buildId: build.id }];
  if (kind === 'build.cancel') effects.push({ kind: 'build.follow', runId: run.id, buildId: build.id });
  return { run: { ...next, why: clearedWhy(next) }, effects };
}

/** A passing trouble is over; the reason of an end, or of a wait, stays. */
const clearedWhy = (run: Run): string | undefined =>
  run.state === 'finished' || run.state === 'waiting' ? run.why : undefined;

function onRefused(run: Run, event: Extract<RunEvent, { kind: 'build.refused' }>, context: RunContext): RunStep {
  const build = currentBuild(run, event);
  if (!build || build.state === 'finished') return still(run);
  return settle(withBuild(run, endBuild(build, event.verdict, event.why, context.now)), context);
}

function onObserved(run: Run, event: Extract<RunEvent, { kind: 'build.observed' }>, context: RunContext): RunStep {
  const build = currentBuild(run, event);
  if (!build || build.state === 'finished') return still(run);
  const { observation } = event;
  if (observation.state === 'lost') return onLost(run, build, observation.why, context);
  const jobs = mergeJobs(build, observation.jobs, event.kept, context);
  const observed: Build = { ...build, state: observation.state, jobs, why: observation.why };
  const ended = observation.state === 'finished' ? endOf(observed, observation, context.now) : observed;
  const next = settle(withChecks({ ...withBuild(run, ended), why: clearedWhy(run) }, context), context);
  return ended.state === 'finished'
    ? { run: next.run, effects: [...next.effects, ...releaseEffects(run, build)] }
    : next;
}

function endOf(build: Build, observation: Exclude<JsonOf<BuildObservation>, { state: 'lost' }>, now: Date): Build {
  // A job whose end was never told must not look like anything but an error.
  const jobs = build.jobs.map((job) =>
    job.state === 'finished' ? job : endJob(job, 'error', messages.untoldEnd, now),
  );
  const verdict = verdictOf([...jobs, observation]);
  const why = observation.why ?? (jobs.length === 0 ? messages.noJobs : undefined);
  return { ...build, jobs, state: 'finished', verdict, why, finishedAt: now };
}

/** What is archived, or lost, may go at the backend. */
const releaseEffects = (run: Run, { id, externalId }: Build): Effect[] =>
  externalId === undefined ? [] : [{ kind: 'build.release', runId: run.id, buildId: id, externalId }];

/** What the infrastructure lost gets one new attempt; a second loss is the end. */
function onLost(run: Run, build: Build, why: string, context: RunContext): RunStep {
  if (build.attempt > 1 || run.state === 'finished') {
    const said = build.attempt > 1 ? messages.lostAgain(why) : why;
    return settle(withBuild(run, endBuild(build, 'error', said, context.now)), context);
  }
  // The attempts end; the jobs are queued again, so that no check is completed that would have to be reopened.
  const jobs = build.jobs.map((job) => requeued(endJob(job, 'error', why, context.now)));
  const again: Build = {
    ...build,
    attempt: build.attempt + 1,
    state: 'queued',
    externalId: undefined,
    url: undefined,
    why,
    earlierAttempts: Math.max(build.attempt, ...build.jobs.map((job) => job.attempt)),
    jobs,
  };
  return { run: withBuild(run, again), effects: [startEffect(run, again), ...releaseEffects(run, build)] };
}

const requeued = (job: Job): Job => ({ ...job, state: 'queued', verdict: undefined, why: undefined, timedOut: false });

function onEnded(run: Run, event: Extract<RunEvent, { kind: 'run.ended' }>, context: RunContext): RunStep {
  if (run.state === 'finished') return still(run);
  const ended: Run = {
    ...run,
    state: 'finished',
    verdict: event.by,
    why: event.why,
    supersededBySha: event.sha,
    finishedAt: context.now,
  };
  return { run: ended, effects: cancelEffects(run) };
}

const cancelEffects = (run: Run): Effect[] =>
  run.builds
    .filter((build) => build.state !== 'finished')
    .map((build) => ({ kind: 'build.cancel', runId: run.id, buildId: build.id }));

function onReported(run: Run, event: Extract<RunEvent, { kind: 'check.reported' }>): RunStep {
  const { externalId, reported } = event;
  return still(withCheck(run, event.checkId, { externalId, reported, error: undefined }));
}

function onEffectFailed(run: Run, event: Extract<RunEvent, { kind: 'effect.failed' }>, context: RunContext): RunStep {
  const what = messages.effects[event.effect] ?? event.effect;
  const said = event.retryAt ? messages.retrying(what, event.why, event.retryAt) : messages.givenUp(what, event.why);
  if (event.effect === 'check.report') {
    return still(withCheck(run, event.target.replace(/^check:/, ''), { error: said }));
  }
  // Neither a wait for a maintainer nor the other builds hang on what is tidied up.
  if (run.state === 'finished' || run.state === 'waiting' || TIDYING.has(event.effect)) return still(run);
  if (event.retryAt) return { run: { ...run, why: said }, effects: [] };
  const build = run.builds.find((each) => event.target === `build:${each.id}`);
  if (!build) return finish(run, 'error', said, context);
  // One backend that gives up takes nothing from what the others find.
  const cancel: Effect = { kind: 'build.cancel', runId: run.id, buildId: build.id };
  const next = settle(withBuild({ ...run, why: undefined }, endBuild(build, 'error', said, context.now)), context);
  return { run: next.run, effects: [...(build.externalId ? [cancel] : []), ...next.effects] };
}

const TIDYING = new Set<string>(['build.release', 'build.cancel']);

/** End the run when its last build has ended. */
function settle(run: Run, context: RunContext): RunStep {
  if (run.state !== 'building' || run.builds.some((build) => build.state !== 'finished')) return still(run);
  const verdict = verdictOf(run.builds);
  const why =
    verdict === 'passed' ? undefined : run.builds.find((build) => build.why && build.verdict === verdict)?.why;
  return finish(run, verdict, why, context);
}

function finish(run: Run, verdict: RunVerdict | undefined, why: string | undefined, context: RunContext): RunStep {
  const ended: Run = { ...run, state: 'finished', verdict, why, finishedAt: context.now };
  return { run: ended, effects: cancelEffects(run) };
}

/** A report for every check that now says something else than before; the report itself reads what to say. */
function reports(run: Run, before?: Run): Effect[] {
  const { installation } = run.repository;
  if (!installation) return [];
  return run.checks
    .filter((check) => !before || said(run, check) !== said(before, check))
    .map((check) => ({ kind: 'check.report', runId: run.id, checkId: check.id, installation }));
}

const said = (run: Run, check: Check): string | undefined =>
  run.checks.some((each) => each.id === check.id) ? JSON.stringify(checkContent(run, check, '')) : undefined;

/** The build that an event speaks of, unless it speaks of an attempt that is over. */
const currentBuild = (run: Run, event: { buildId: string; attempt: number }): Build | undefined =>
  run.builds.find((build) => build.id === event.buildId && build.attempt === event.attempt);

const withBuild = (run: Run, build: Build): Run => ({
  ...run,
  builds: run.builds.map((each) => (each.id === build.id ? build : each)),
});

const withCheck = (run: Run, id: string, facts: { externalId?: string; reported?: string; error?: string }): Run => ({
  ...run,
  checks: run.checks.map((check) => (check.id === id ? { ...check, ...facts } : check)),
});

/** A check for every job that became known; none appears on a run that has ended. */
function withChecks(run: Run, context: RunContext): Run {
  if (run.checks.length === 0 || run.state === 'finished') return run;
  const known = new Set(run.checks.map((check) => check.jobId));
  const added = jobsOf(run)
    .filter((job) => !known.has(job.id))
    .map((job) => ({ id: context.newId(), jobId: job.id, name: checkName(job.name) }));
  return added.length ? { ...run, checks: [...run.checks, ...added] } : run;
}

/** A job that runs again gets a new check: GitHub never reopens a completed one. */
function withNewChecks(run: Run, before: Run): Run {
  const wasFinished = new Set(jobsOf(before).flatMap((job) => (job.state === 'finished' ? [job.id] : [])));
  const again = new Set(
    jobsOf(run).flatMap((job) => (job.state !== 'finished' && wasFinished.has(job.id) ? [job.id] : [])),
  );
  if (again.size === 0) return run;
  const forget = { externalId: undefined, reported: undefined };
  const checks = run.checks.map((check) => (check.jobId && again.has(check.jobId) ? { ...check, ...forget } : check));
  return { ...run, checks };
}

function endBuild(build: Build, verdict: Verdict, why: string, now: Date): Build {
  const jobs = build.jobs.map((job) => (job.state === 'finished' ? job : endJob(job, verdict, why, now)));
  return { ...build, jobs, state: 'finished', verdict, why, finishedAt: now };
}

function endJob(job: Job, verdict: Verdict, why: string, now: Date): Job {
  const attempts = job.attempts.map((attempt) =>
    attempt.number === job.attempt && attempt.state !== 'finished'
      ? { ...attempt, state: 'finished' as const, verdict, why, finishedAt: now }
      : attempt,
  );
  return { ...job, attempts, state: 'finished', verdict, why };
}

function mergeJobs(build: Build, observed: JsonOf<JobObservation>[], kept: KeptOutput[], context: RunContext): Job[] {
  const jobs = new Map(build.jobs.map((job) => [job.externalName, job]));
  for (const seen of observed) {
    const job = jobs.get(seen.name) ?? newJob(build, seen, context);
    const output = kept.find((each) => each.externalName === seen.name && each.number === attemptNumber(build, seen));
    jobs.set(seen.name, mergeJob(job, build, seen, output));
  }
  return [...jobs.values()];
}

const newJob = (build: Build, seen: { name: string }, context: RunContext): Job => ({
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
