import { type Backend, BackendError, type BuildOrder } from '../backends/backend.ts';
import { attemptNumber, type BuildObservation, type JobObservation, tellsNews } from '../core/build.ts';
import type { EffectOf } from '../core/effect.ts';
import { type Event, type KeptOutput, toJson } from '../core/event.ts';
import { messages } from '../core/messages.ts';
import type { Build, Run } from '../core/model.ts';
import { isRunAgain, isStale, mayRunAgain, notGoodEnough } from '../core/run-retry.ts';
import { holdsForeignCode } from '../core/trust.ts';
import { done, type Performed, type World } from './effect.ts';
import { readLists } from './flappers.ts';
import { keepOutput } from './logs.ts';

/** How long one performance follows a build before it gives its place back, and how long it waits for one answer. */
const FOLLOW_MS = 15_000;
const WAIT_MS = 2_000;

export async function startBuild(
  effect: EffectOf<'build.start'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const found = await findBuild(effect, world);
  if (!found || found.build.state === 'finished' || found.build.externalId) return done;
  const { run, build } = found;
  const refused = (verdict: 'error' | 'cancelled', why: string): Performed => ({
    events: [{ kind: 'build.refused', runId: run.id, buildId: build.id, attempt: build.attempt, verdict, why }],
  });
  if (run.state === 'finished') return refused('cancelled', 'the run had ended before the build was started');
  const backend = world.backend(build.backend);
  if (!backend) return refused('error', `rcb.yaml names no backend ${build.backend} any more`);
  if (backend.findObserved) {
    const started = await findObserved(backend, run, build, world, signal);
    if (started) return { events: [started] };
    const isLate = world.now().getTime() - run.createdAt.getTime() > OBSERVE_HOURS * HOUR_MS;
    if (isLate) return refused('cancelled', messages.notObserved(OBSERVE_HOURS));
    return { events: [], againMs: Math.max(OBSERVE_EVERY_MS, backend.followEveryMs ?? 0) };
  }
  if ((await world.store.countBuilding(run.id)) >= world.limits.building) return held(run, build, world);
  try {
    const { externalId, url } = await backend.ensureStarted(await orderOf(run, build, world), signal);
    const { attempt } = build;
    return { events: [{ kind: 'build.started', runId: run.id, buildId: build.id, attempt, externalId, url }] };
  } catch (error) {
    if (error instanceof BackendError && !error.retry) return refused('error', error.message);
    throw error;
  }
}

const HOUR_MS = 3_600_000;
/** How long others may take to start a build of a commit, and how old it may be when we hear of the commit. */
const OBSERVE_HOURS = 2;
const OBSERVE_EVERY_MS = 30_000;

/** The build that others have started. One that belongs to another run of the commit is not this one's. */
async function findObserved(backend: Backend, run: Run, build: Build, world: World, signal: AbortSignal) {
  const { change, repository, createdAt } = run;
  const at = change.kind === 'commit' ? { ref: change.ref } : { pullRequest: change.number };
  const since = new Date(createdAt.getTime() - OBSERVE_HOURS * HOUR_MS);
  const found = await backend.findObserved!({ repository: repository.name, sha: change.sha, since, ...at }, signal);
  for (const { externalId, url } of found) {
    if (await world.store.buildAt(backend.name, externalId)) continue;
    const { id: buildId, attempt } = build;
    return { kind: 'build.started', runId: run.id, buildId, attempt, externalId, url } as const;
  }
  return undefined;
}

const HELD_MS = 5_000;

/** Its run says so, once. */
function held(run: Run, build: Build, { limits }: World): Performed {
  const why = messages.tooManyBuilding(limits.building);
  const event = { kind: 'build.held', runId: run.id, buildId: build.id, why } as const;
  return { events: run.why === why ? [] : [event], againMs: HELD_MS };
}

async function orderOf(run: Run, build: Build, world: World): Promise<BuildOrder> {
  // One that is public may be in the archive for this run alone: then its address is not for everybody, either.
  const isPrivate = await world.store.holdPrivate(run.sources.map(({ repository }) => repository.key));
  return {
    key: `${build.id}-${build.attempt}`,
    runId: run.id,
    repository: run.repository.name,
    untrusted: holdsForeignCode(run),
    sources: run.sources.map(({ repository, changed, sha, archive, version }) => ({
      repository: repository.name,
      changed,
      sha,
      sha256: archive!.sha256,
      size: archive!.size,
      url: world.archiveUrl(archive!.sha256, isPrivate),
      version,
    })),
  };
}

/**
 * Follow a build for a while: copy what its jobs print into the archive, and tell what changed. The log and the
 * artifacts of a finished job are kept before its verdict is told. Where looking is dear it is one look, and back again
 * later: dozens of such builds must not hold the places of all the others.
 */
export async function followBuild(
  effect: EffectOf<'build.follow'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const found = await findBuild(effect, world);
  const backend = found && world.backend(found.build.backend);
  if (!found || found.build.state === 'finished' || !found.build.externalId || !backend) return done;
  return await atItsHost(backend, world, () => follow(backend, found, world, signal));
}

async function follow(backend: Backend, { run, build }: Found, world: World, signal: AbortSignal): Promise<Performed> {
  const { followEveryMs } = backend;
  const againMs = followEveryMs ?? 0;
  const until = world.now().getTime() + FOLLOW_MS;
  let seen: string | undefined;
  do {
    const options = { seen, waitMs: followEveryMs === undefined ? WAIT_MS : 0 };
    const observation = await backend.observe(build.externalId!, options, signal);
    const news = isStale(build, observation)
      ? undefined
      : await newsOf(backend, run, build, observation, world, signal);
    if (news) return { events: [news], againMs: isOver(observation) ? undefined : againMs };
    seen = observation.state === 'lost' ? undefined : observation.digest;
  } while (followEveryMs === undefined && world.now().getTime() < until && !signal.aborted);
  return { events: [], againMs };
}

/** What was printed is kept, whether or not there is anything to tell. */
async function newsOf(
  backend: Backend,
  run: Run,
  build: Build,
  observation: BuildObservation,
  world: World,
  signal: AbortSignal,
): Promise<Event | undefined> {
  const kept = observation.state === 'lost' ? [] : await keepOutputs(backend, build, observation.jobs, world, signal);
  if (!tellsNews(build, observation)) return undefined;
  const failed = kept.flatMap(({ tests }) => tests?.failed ?? []);
  const listed = failed.length > 0 ? await readLists(run, failed, world, signal) : undefined;
  return { ...observed(run, build, observation, kept), listed };
}

/** Look once and at once. Of a build that has ended only one thing is news: that somebody has it run again. */
export async function lookAtBuild(
  effect: EffectOf<'build.look'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const found = await findBuild(effect, world);
  const backend = found && world.backend(found.build.backend);
  if (!found?.build.externalId || !backend) return done;
  return await atItsHost(backend, world, () => lookOnce(backend, found, world, signal));
}

async function lookOnce(
  backend: Backend,
  { run, build }: Found,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  backend.expectNews?.(build.externalId!);
  const hasEnded = build.state === 'finished';
  try {
    const observation = await backend.observe(build.externalId!, { waitMs: 0 }, signal);
    if (hasEnded ? !isRunAgain(build, observation) : isStale(build, observation)) return done;
    const news = await newsOf(backend, run, build, observation, world, signal);
    return { events: news ? [news] : [] };
  } catch (error) {
    // Who follows it meets the same trouble, and says so.
    if (error instanceof BackendError && !hasEnded) return done;
    throw error;
  }
}

/** Have its failed jobs run again. */
export async function retryBuild(
  effect: EffectOf<'build.retry'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const found = await findBuild(effect, world);
  if (!found?.build.externalId || found.build.state === 'finished') return done;
  const { run, build } = found;
  const after = notGoodEnough(build);
  if (after.length === 0) return done;
  const about = { runId: run.id, buildId: build.id, attempt: build.attempt };
  try {
    const backend = world.backend(build.backend);
    if (!backend?.ensureRetried) throw new BackendError('refused', messages.cannotRetry(build.backend));
    return await atItsHost(backend, world, async () => {
      await backend.ensureRetried!(build.externalId!, after, signal);
      return { events: [{ kind: 'build.retried', ...about }] };
    });
  } catch (error) {
    if (!(error instanceof BackendError) || error.retry) throw error;
    return { events: [{ kind: 'build.refused', ...about, verdict: 'error', why: error.message }] };
  }
}

const isOver = (observation: BuildObservation): boolean =>
  observation.state === 'lost' || observation.state === 'finished';

const observed = (run: Run, build: Build, observation: BuildObservation, kept: KeptOutput[]) =>
  ({
    kind: 'build.observed',
    runId: run.id,
    buildId: build.id,
    attempt: build.attempt,
    observation: toJson(observation),
    kept,
  }) as const;

async function keepOutputs(
  backend: Backend,
  build: Build,
  jobs: JobObservation[],
  world: World,
  signal: AbortSignal,
): Promise<KeptOutput[]> {
  const kept: KeptOutput[] = [];
  for (const job of jobs) {
    const before = build.jobs
      .find((each) => each.externalName === job.name)
      ?.attempts.find((each) => each.number === attemptNumber(build, job));
    // Archived and told before: it does not change any more.
    if (job.state === 'queued' || before?.state === 'finished') continue;
    kept.push(await keepOutput(backend, build, job, world, signal));
  }
  return kept;
}

export async function cancelBuild(
  effect: EffectOf<'build.cancel'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const found = await findBuild(effect, world);
  // Whatever our row says: a build that was given up goes on at its backend until somebody stops it.
  if (!found?.build.externalId) return done;
  const { backend: name, externalId } = found.build;
  const backend = world.backend(name);
  if (!backend) return done;
  return await atItsHost(backend, world, async () => {
    await backend.ensureCancelled(externalId, signal);
    return done;
  });
}

/** A build that may be run again is let rest there instead; `backend.sweep` releases it when its time is over. */
export async function releaseBuild(effect: EffectOf<'build.release'>, world: World): Promise<Performed> {
  const found = await findBuild(effect, world);
  const backend = found && world.backend(found.build.backend);
  if (!found || !backend) return done;
  const { run, build } = found;
  const { externalId } = effect;
  const isCurrent = build.externalId === externalId;
  // Running again, its next end says what becomes of it.
  if (isCurrent && build.state !== 'finished') return done;
  const mayRest = isCurrent && (await isKept(run, build, world));
  return await atItsHost(backend, world, async () => {
    await (mayRest ? backend.rest?.(externalId) : backend.release(externalId));
    return done;
  });
}

/** Its backend keeps it, in case somebody asks for its failed jobs. */
export async function isKept(run: Run, build: Build, { backend, store, now }: World): Promise<boolean> {
  const keepMs = backend(build.backend)?.keepFailedMs;
  if (keepMs === undefined) return false;
  const newest = (await store.pullRequest(run.subject))?.runId ?? (await store.branch(run.subject))?.runId;
  return mayRunAgain(run, build, { isNewest: newest === run.id, keepMs, now: now() });
}

/** Where others have all the places that its host may take, it comes back. */
async function atItsHost({ host }: Backend, world: World, work: () => Promise<Performed>): Promise<Performed> {
  return (await world.places.at(host, work)) ?? { events: [], againMs: CROWDED_MS };
}

const CROWDED_MS = 1_000;

interface Found {
  run: Run;
  build: Build;
}

async function findBuild(effect: { runId: string; buildId: string }, world: World): Promise<Found | undefined> {
  const run = await world.store.run(effect.runId);
  const build = run?.builds.find((each) => each.id === effect.buildId);
  return run && build && { run, build };
}
