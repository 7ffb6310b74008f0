import type { EffectOf } from '../core/effect.ts';
import { resolvedOf } from '../core/event.ts';
import type { Run, RunManifest, Source } from '../core/model.ts';
import { inStack, isSameName, stackOf } from '../core/stack.ts';
import { type ExtraTree, type PackOptions, type Remote, SourceError } from '../sources/sources.ts';
import type { Performed, World } from './effect.ts';
import { done } from './effect.ts';
import { type Chosen, chooseCommits, readerFor } from './manifest.ts';

/** From a run's change to its source archives. */

/** Fetch the commits of the manifest into the mirrors. What an absence left comes in turn, and not while so much is built
 *  that it would have to wait all the same. */
export async function resolveSources(
  effect: EffectOf<'sources.resolve'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const run = await world.store.run(effect.runId);
  if (run?.state !== 'resolving') return done;
  const turnMs = effect.catchUp ? 60_000 / world.limits.catchUpRunsPerMinute : undefined;
  if (turnMs !== undefined && (await world.store.countBuilding()) >= world.limits.building) {
    return { events: [], againMs: turnMs, spacingMs: turnMs };
  }
  const resolved = await orFailed(effect.runId, async () => {
    const chosen = run.manifest ? given(run, run.manifest) : await chooseCommits(run, world, signal);
    if (chosen.kind === 'failed') {
      return { events: [{ ...chosen, kind: 'sources.failed', runId: run.id }] };
    }
    // A fetch that fails is told of the run as a whole, before anything is packed.
    for (const { repository, sha, ref, changed } of chosen.sources) {
      if (changed && !run.manifest) continue;
      const remote = await world.forge(repository).remote(repository, signal);
      await world.sources.ensureCommit(remote, { sha, ref }, signal);
    }
    const { title, sources, manifest } = chosen;
    return { events: [{ kind: 'sources.resolved', runId: run.id, title, sources, manifest }] };
  });
  return { ...resolved, spacingMs: turnMs };
}

/** The same commits as the run before. */
const given = ({ change, sources }: Run, manifest: RunManifest): Chosen => ({
  kind: 'chosen',
  title: change.title,
  sources: sources.map(resolvedOf),
  manifest,
});

const VERSIONS = '20*';

export async function packSource(
  effect: EffectOf<'source.pack'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const run = await world.store.run(effect.runId);
  const source = run?.sources.find((each) => each.id === effect.sourceId);
  if (run?.state !== 'packing' || !source || source.archive) return done;
  return orFailed(effect.runId, async () => {
    const { repository, merged } = source;
    const remote = await world.forge(repository).remote(repository, signal);
    const sha = merged?.sha ?? source.sha;
    if (merged) await remerge(run, source, remote, world, signal);
    const release = inStack(stackOf(world.serving.stacks, run.repository.name), repository.name)?.release;
    const isDescribed = release?.version === 'describe';
    const version = isDescribed ? await world.sources.describe(remote, sha, VERSIONS, signal) : undefined;
    const options: PackOptions = {
      topDirectory: `${repository.name.split('/').at(-1)}-${version ?? sha.slice(0, 10)}`,
      omit: [...(release?.omit ?? [])],
      manifest: release?.manifest ?? false,
      trees: await treesFor(run, repository.name, world, signal),
      submodules: world.submodules,
      ...(version !== undefined && { version }),
    };
    const packed = await world.sources.pack(remote, sha, options, signal);
    const { sha256, size, tarSha256 } = packed;
    const archive = { sha256, size, tarSha256 };
    return { events: [{ kind: 'source.packed', runId: run.id, sourceId: source.id, archive, version }] };
  });
}

/** A merge is in no remote: where the mirror was lost, or is another instance's, it is made again, with the same sha. */
async function remerge(run: Run, source: Source, remote: Remote, world: World, signal: AbortSignal): Promise<void> {
  const { change } = run;
  if (change.kind !== 'pull-request' || source.baseSha === undefined) return;
  const head = { sha: source.sha, ref: source.ref };
  const base = { sha: source.baseSha, ref: `refs/heads/${change.base.ref}` };
  await world.sources.ensureMerged(remote, { head, base }, signal);
}

async function treesFor(run: Run, into: string, world: World, signal: AbortSignal): Promise<ExtraTree[]> {
  const reader = readerFor(run, world, signal);
  const trees: ExtraTree[] = [];
  for (const { path, repository: name, sha, ref, ...tree } of run.manifest?.trees ?? []) {
    if (!isSameName(tree.into, into)) continue;
    const repository = await reader.repositoryOf(name);
    trees.push({ path, sha, ref, remote: await world.forge(repository).remote(repository, signal) });
  }
  return trees;
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
