import { type Backend, BackendError, type BuildOrder } from '../backends/backend.ts';
import { attemptNumber, type BuildObservation, type JobObservation, tellsNews } from '../core/build.ts';
import type { EffectOf } from '../core/effect.ts';
import { type KeptOutput, toJson } from '../core/event.ts';
import type { Build, Run } from '../core/model.ts';
import { done, type Performed, type World } from './effect.ts';
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
  try {
    const { externalId, url } = await backend.ensureStarted(orderOf(run, build, world), signal);
    const { attempt } = build;
    return { events: [{ kind: 'build.started', runId: run.id, buildId: build.id, attempt, externalId, url }] };
  } catch (error) {
    if (error instanceof BackendError && !error.retry) return refused('error', error.message);
    throw error;
  }
}

function orderOf(run: Run, build: Build, world: World): BuildOrder {
  return {
    key: `${build.id}-${build.attempt}`,
    runId: run.id,
    repository: run.repository.name,
    untrusted: run.change.kind === 'pull-request' && run.change.fork,
    sources: run.sources.map(({ repository, changed, sha, archive }) => ({
      repository: repository.name,
      changed,
      sha,
      sha256: archive!.sha256,
      size: archive!.size,
      url: `${world.publicUrl}/archive/${archive!.sha256}`,
    })),
  };
}

/**
 * Follow a build for a while: copy what its jobs print into the archive, and tell what changed. The log and the
 * artifacts of a finished job are kept before its verdict is told.
 */
export async function followBuild(
  effect: EffectOf<'build.follow'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const found = await findBuild(effect, world);
  const backend = found && world.backend(found.build.backend);
  if (!found || found.build.state === 'finished' || !found.build.externalId || !backend) return done;
  const { run, build } = found;
  const until = world.now().getTime() + FOLLOW_MS;
  let seen: string | undefined;
  do {
    const observation = await backend.observe(build.externalId!, { seen, waitMs: WAIT_MS }, signal);
    const kept = observation.state === 'lost' ? [] : await keepOutputs(backend, build, observation.jobs, world, signal);
    if (tellsNews(build, observation)) {
      return { events: [observed(run, build, observation, kept)], againMs: isOver(observation) ? undefined : 0 };
    }
    seen = observation.state === 'lost' ? undefined : observation.digest;
  } while (world.now().getTime() < until && !signal.aborted);
  return { events: [], againMs: 0 };
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
    kept.push(await keepOutput(backend, build, job, world.archive, signal));
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
  await world.backend(found.build.backend)?.ensureCancelled(found.build.externalId, signal);
  return done;
}

export async function releaseBuild(effect: EffectOf<'build.release'>, world: World): Promise<Performed> {
  const found = await findBuild(effect, world);
  if (found) await world.backend(found.build.backend)?.release(effect.externalId);
  return done;
}

async function findBuild(
  effect: { runId: string; buildId: string },
  world: World,
): Promise<{ run: Run; build: Build } | undefined> {
  const run = await world.run(effect.runId);
  const build = run?.builds.find((each) => each.id === effect.buildId);
  return run && build && { run, build };
}
