import { type BuildObservation, verdictOf } from './build.ts';
import { RUN_CHECK } from './check.ts';
import type { Effect } from './effect.ts';
import type { JsonOf, RunEvent, RunRequest } from './event.ts';
import { messages } from './messages.ts';
import { flapperMessages } from './messages-flappers.ts';
import type { Build, Run, RunVerdict } from './model.ts';
import { pullRequestRef } from './ref.ts';
import { reports, withCheck, withChecks, withNewChecks } from './run-checks.ts';
import {
  afterFailure,
  type FlapperRules,
  flappedFiles,
  isAgainInPlace,
  type NoRerun,
  startsOf,
  withJudgements,
} from './run-flappers.ts';
import { endBuild, endJob, mergeJobs, requeued } from './run-jobs.ts';
import {
  asKnown,
  awaitingRetry,
  isAwaited,
  isRunAgain,
  isStale,
  mayReopen,
  openBuild,
  reopened,
  retryRefused,
} from './run-retry.ts';

/**
 * The life of a run: `waiting` → `resolving` → `packing` → `building` → `finished`.
 *
 * `startRun` and `advance` are the only places that move it. A finished run opens again only where its own failed jobs
 * run again (run-retry.ts); what else arrives for it is kept for the record (jobs, logs) and changes neither its verdict
 * nor its checks.
 *
 * A backend that only observes shows what others have built of the change: on the page. It has no checks, and no say in
 * the verdict, nor can it be cancelled; unless all backends of the run observe: then the verdict is theirs, and the run
 * writes no check at all.
 */
export interface RunStep {
  run: Run;
  effects: Effect[];
}

/** What a step may use besides its arguments. `backends`: the names that serve this change; `noBackend`: why none does;
 *  `observing`: those of all that only observe. `isNewest`: it is the newest run of its change. */
export interface RunContext {
  now: Date;
  newId(): string;
  backends: string[];
  noBackend?: string;
  observing?: string[];
  isNewest?: boolean;
  /** Absent: nothing is a flapper. */
  flappers?: FlapperRules;
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
    manifest: request.given?.manifest,
    sources: request.given?.sources.map((source) => ({ ...source, id: context.newId() })) ?? [
      {
        id: context.newId(),
        repository: request.repository,
        sha: change.sha,
        ref: change.kind === 'pull-request' ? pullRequestRef(change.number) : change.ref,
        baseSha: change.kind === 'pull-request' ? change.base.sha : undefined,
        changed: true,
        why:
          change.kind === 'pull-request'
            ? messages.why.pullRequestHead(change.number)
            : messages.why.head(change.ref.replace(/^refs\/heads\//, '')),
      },
    ],
    builds: [],
    checks: request.repository.installation && !isPageOnly(context) ? [{ id: context.newId(), name: RUN_CHECK }] : [],
    createdAt: context.now,
  };
  const resolve: Effect = { kind: 'sources.resolve', runId: id, ...(request.catchUp && { catchUp: true }) };
  const effects: Effect[] = run.state === 'resolving' ? [resolve] : [];
  return { run, effects: [...effects, ...reports(run)] };
}

/** What is never tested ends at once, without a verdict: a check that stayed queued would block a required one. */
function beginning({ hold, catchUp }: RunRequest, now: Date): Pick<Run, 'state' | 'why' | 'finishedAt'> {
  if (!hold) return { state: 'resolving', why: catchUp && messages.catchingUp };
  return hold.until === 'never'
    ? { state: 'finished', why: hold.why, finishedAt: now }
    : { state: 'waiting', why: hold.why };
}

export function advance(run: Run, event: Exclude<RunEvent, { kind: 'run.requested' }>, context: RunContext): RunStep {
  const open = openAgain(run, event, context);
  const reacted = react(open, event, context);
  // Nobody follows what has begun again by itself.
  if (open !== run && event.kind === 'build.observed') reacted.effects.push(followEffect(run, event.buildId));
  const step = { ...reacted, run: withNewChecks(reacted.run, run) };
  // The checks of a run that has ended say how it ended: a completed check is not written again for late results.
  return open.state === 'finished' ? step : { run: step.run, effects: [...step.effects, ...reports(step.run, run)] };
}

/** The run as the event finds it: open again, where its failed jobs are to run again or do so already. */
function openAgain(run: Run, event: Parameters<typeof advance>[1], { isNewest }: RunContext): Run {
  if (!isNewest || !mayReopen(run)) return run;
  if (event.kind === 'run.retried') {
    const builds = run.builds.map((each) => (event.buildIds.includes(each.id) ? awaitingRetry(each) : each));
    return { ...reopened(run), builds };
  }
  const build = event.kind === 'build.observed' ? currentBuild(run, event) : undefined;
  const isAgain = event.kind === 'build.observed' && build && isRunAgain(build, event.observation);
  return build && isAgain ? withBuild(reopened(run), openBuild(build)) : run;
}

/** All that its backends do is to observe. */
const isPageOnly = ({ backends, observing = [] }: RunContext): boolean =>
  backends.length > 0 && backends.every((name) => observing.includes(name));

const isObserved = ({ backend }: Build, { observing = [] }: RunContext): boolean => observing.includes(backend);

/** The builds whose ends are the run's. */
function deciding(builds: Build[], context: RunContext): Build[] {
  const own = builds.filter((build) => !isObserved(build, context));
  return own.length > 0 ? own : builds;
}

function react(run: Run, event: Exclude<RunEvent, { kind: 'run.requested' }>, context: RunContext): RunStep {
  switch (event.kind) {
    case 'sources.resolved':
      return onResolved(run, event, context);
    case 'source.packed':
      return onPacked(run, event, context);
    case 'sources.failed':
      return run.state === 'finished'
        ? still(run)
        : finish({ ...run, manifest: event.manifest }, 'error', event.why, context);
    case 'run.noted':
      return still(withNotes(run, event.notes));
    case 'build.started':
      return onStarted(run, event);
    case 'run.released':
      return run.state === 'waiting'
        ? { run: { ...run, state: 'resolving', why: undefined }, effects: [{ kind: 'sources.resolve', runId: run.id }] }
        : still(run);
    case 'build.held':
      return run.state === 'building' ? { run: { ...run, why: event.why }, effects: [] } : still(run);
    case 'build.refused':
      return onRefused(run, event, context);
    case 'run.retried':
      return { run, effects: run.state === 'building' ? event.buildIds.map((id) => retryEffect(run, id)) : [] };
    case 'build.retried':
      return onRetried(run, event);
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

function onResolved(run: Run, event: Extract<RunEvent, { kind: 'sources.resolved' }>, context: RunContext): RunStep {
  if (run.state !== 'resolving') return still(run);
  const title = run.change.title || event.title;
  // A run has one of each repository. What it has already, the change itself or all that it was given, goes on.
  const idOf = (key: string) => run.sources.find(({ repository }) => repository.key === key)?.id;
  const sources = event.sources.map((source) => ({ ...source, id: idOf(source.repository.key) ?? context.newId() }));
  const { manifest } = event;
  const next: Run = { ...run, state: 'packing', why: undefined, change: { ...run.change, title }, sources, manifest };
  return { run: next, effects: packEffects(next) };
}

function withNotes(run: Run, notes: string[]): Run {
  const { manifest } = run;
  // Until its commits are chosen, who chooses them sees for himself.
  if (!manifest) return run;
  const added = notes.filter((note) => !manifest.notes.includes(note));
  return added.length === 0 ? run : { ...run, manifest: { ...manifest, notes: [...manifest.notes, ...added] } };
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
    source.id === event.sourceId ? { ...source, archive: event.archive, version: event.version } : source,
  );
  const packed: Run = { ...run, sources, why: clearedWhy(run) };
  if (run.state !== 'packing' || sources.some((source) => !source.archive)) return still(packed);
  if (context.backends.length === 0) return finish(packed, undefined, context.noBackend ?? messages.noBackend, context);
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

const retryEffect = (run: Run, buildId: string): Effect => ({ kind: 'build.retry', runId: run.id, buildId });
const followEffect = (run: Run, buildId: string): Effect => ({ kind: 'build.follow', runId: run.id, buildId });

function onRetried(run: Run, event: Extract<RunEvent, { kind: 'build.retried' }>): RunStep {
  const build = currentBuild(run, event);
  return { run, effects: build && build.state !== 'finished' ? [followEffect(run, build.id)] : [] };
}

const startEffect = (run: Run, { id, backend }: Build): Effect => ({
  kind: 'build.start',
  runId: run.id,
  buildId: id,
  backend,
});

function onStarted(run: Run, event: Extract<RunEvent, { kind: 'build.started' }>): RunStep {
  const build = currentBuild(run, event);
  if (!build || build.state === 'finished') return still(run);
  const next = withBuild(run, { ...build, externalId: event.externalId, url: event.url, why: undefined });
  // It was ended while its start was under way: nobody else knows yet that there is something to cancel.
  const kind = run.state === 'finished' ? 'build.cancel' : 'build.follow';
  const effects: Effect[] = [{ kind, runId: run.id, buildId: build.id }];
  if (kind === 'build.cancel') effects.push(followEffect(run, build.id));
  return { run: { ...next, why: clearedWhy(next) }, effects };
}

/** A passing trouble is over; the reason of an end, or of a wait, stays, and so does what another build waits for. */
const clearedWhy = (run: Run): string | undefined =>
  run.state === 'finished' || run.state === 'waiting'
    ? run.why
    : run.builds.find((build) => build.state !== 'finished' && build.why)?.why;

function onRefused(run: Run, event: Extract<RunEvent, { kind: 'build.refused' }>, context: RunContext): RunStep {
  const build = currentBuild(run, event);
  if (!build || build.state === 'finished') return still(run);
  const ended = build.jobs.some(isAwaited)
    ? retryRefused(build, event.why, context.now)
    : endBuild(build, event.verdict, event.why, context.now);
  return settle(withBuild(run, ended), context);
}

function onObserved(run: Run, event: Extract<RunEvent, { kind: 'build.observed' }>, context: RunContext): RunStep {
  const build = currentBuild(run, event);
  const { observation } = event;
  if (!build || build.state === 'finished' || isStale(build, observation)) return still(run);
  if (observation.state === 'lost') return onLost(run, build, observation.why, context);
  const jobs = mergeJobs(build, observation.jobs, event.kept, context);
  const observed: Build = { ...build, state: observation.state, jobs, why: observation.why };
  const ended = observation.state === 'finished' ? endOf(observed, observation, context.now) : observed;
  const seen = withJudgements(withBuild(run, ended), ended, { ...event, runId: run.id }, context);
  const own = seen.builds.filter((each) => !isObserved(each, context));
  const next = settle(withChecks({ ...seen, why: clearedWhy(seen) }, own, context), context);
  const isOver = ended.state === 'finished' && !isAgainInPlace(next.run, build);
  return isOver ? { run: next.run, effects: [...next.effects, ...releaseEffects(run, build)] } : next;
}

function endOf(build: Build, observation: Exclude<JsonOf<BuildObservation>, { state: 'lost' }>, now: Date): Build {
  // A job whose end was never told must not look like anything but an error.
  const jobs = build.jobs
    .map(asKnown)
    .map((job) => (job.state === 'finished' ? job : endJob(job, 'error', messages.untoldEnd, now)));
  const verdict = verdictOf([...jobs, observation]);
  const why = observation.why ?? (jobs.length === 0 ? messages.noJobs : undefined);
  return { ...build, jobs, state: 'finished', verdict, why, finishedAt: now };
}

/** What is archived, or lost, may go at the backend. */
const releaseEffects = (run: Run, { id, externalId }: Build): Effect[] =>
  externalId === undefined ? [] : [{ kind: 'build.release', runId: run.id, buildId: id, externalId }];

/** What the infrastructure lost gets one new attempt, unless it was not ours; a second loss is the end. */
function onLost(run: Run, build: Build, why: string, context: RunContext): RunStep {
  if (startsOf(run, build) > 1 || run.state === 'finished' || isObserved(build, context)) {
    const said = startsOf(run, build) > 1 ? messages.lostAgain(why) : why;
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
  return { run: ended, effects: cancelEffects(run, context) };
}

const cancelEffects = (run: Run, context: RunContext): Effect[] =>
  run.builds
    .filter((build) => build.state !== 'finished' && !isObserved(build, context))
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
  const build = run.builds.find((each) => event.target === `build:${each.id}`);
  if (event.retryAt) {
    const held = build && build.state !== 'finished' ? withBuild(run, { ...build, why: said }) : run;
    return { run: { ...held, why: said }, effects: [] };
  }
  if (!build) return finish(run, 'error', said, context);
  // One backend that gives up takes nothing from what the others find.
  const cancel: Effect = { kind: 'build.cancel', runId: run.id, buildId: build.id };
  const next = settle(withBuild({ ...run, why: undefined }, endBuild(build, 'error', said, context.now)), context);
  return { run: next.run, effects: [...(build.externalId ? [cancel] : []), ...next.effects] };
}

const TIDYING = new Set<string>(['build.release', 'build.cancel']);

/** End the run when its last build has ended; or have what flappers failed run again. */
function settle(run: Run, context: RunContext): RunStep {
  const builds = deciding(run.builds, context);
  if (run.state !== 'building' || builds.some((build) => build.state !== 'finished')) return still(run);
  const verdict = verdictOf(builds);
  const again = verdict === 'failed' ? afterFailure(run, builds, context) : undefined;
  if (again && 'effects' in again) return again;
  const why = builds.find((build) => build.why && build.verdict === verdict)?.why;
  if (again) return finish(withNoRerun(run, again.noRerun), verdict, withWhy(why, again.noRerun), context);
  const flapped = flappedFiles(run);
  const passed = flapped.length > 0 ? flapperMessages.passedOnSecondAttempt(flapped) : undefined;
  return finish(run, verdict, verdict === 'passed' ? passed : why, context);
}

const withNoRerun = (run: Run, noRerun: NoRerun): Run =>
  run.flappers ? { ...run, flappers: { ...run.flappers, noRerun } } : run;

const withWhy = (why: string | undefined, noRerun: NoRerun): string =>
  [why, flapperMessages.noRerunOfRun(noRerun)].filter(Boolean).join('; ');

function finish(run: Run, verdict: RunVerdict | undefined, why: string | undefined, context: RunContext): RunStep {
  const ended: Run = { ...run, state: 'finished', verdict, why, finishedAt: context.now };
  return { run: ended, effects: cancelEffects(run, context) };
}

/** The build that an event speaks of, unless it speaks of an attempt that is over. */
const currentBuild = (run: Run, event: { buildId: string; attempt: number }): Build | undefined =>
  run.builds.find((build) => build.id === event.buildId && build.attempt === event.attempt);

const withBuild = (run: Run, build: Build): Run => ({
  ...run,
  builds: run.builds.map((each) => (each.id === build.id ? build : each)),
});
