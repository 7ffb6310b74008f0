import type { EffectOf } from '../core/effect.ts';
import { type CommitFacts, SourceError } from '../sources/sources.ts';
import type { Performed, World } from './effect.ts';
import { done } from './effect.ts';

/** From a run's change to its source archives. */

/** Fetch the commits of the manifest into the mirrors. */
export async function resolveSources(
  effect: EffectOf<'sources.resolve'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const run = await world.run(effect.runId);
  if (run?.state !== 'resolving') return done;
  return orFailed(effect.runId, async () => {
    let changed: CommitFacts | undefined;
    for (const { repository, sha, ref, changed: isChanged } of run.sources) {
      const remote = await world.forge(repository).remote(repository, signal);
      const facts = await world.sources.ensureCommit(remote, { sha, ref }, signal);
      if (isChanged) changed = facts;
    }
    return { events: [{ kind: 'sources.resolved', runId: run.id, title: changed?.title ?? '' }] };
  });
}

export async function packSource(
  effect: EffectOf<'source.pack'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const run = await world.run(effect.runId);
  const source = run?.sources.find((each) => each.id === effect.sourceId);
  if (run?.state !== 'packing' || !source || source.archive) return done;
  return orFailed(effect.runId, async () => {
    const { repository, sha } = source;
    const remote = await world.forge(repository).remote(repository, signal);
    const topDirectory = `${repository.name.split('/').at(-1)}-${sha.slice(0, 10)}`;
    const packed = await world.sources.pack(remote, sha, { topDirectory }, signal);
    const { sha256, size, tarSha256 } = packed;
    const archive = { sha256, size, tarSha256 };
    return { events: [{ kind: 'source.packed', runId: run.id, sourceId: source.id, archive }] };
  });
}

/** What no later try can mend ends the run, with the reason; the rest is the worker's to try again. */
async function orFailed(runId: string, work: () => Promise<Performed>): Promise<Performed> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SourceError && !error.retry) {
      return { events: [{ kind: 'sources.failed', runId, why: error.message }] };
    }
    throw error;
  }
}
