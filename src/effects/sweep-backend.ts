import { BackendError } from '../backends/backend.ts';
import type { EffectOf } from '../core/effect.ts';
import { isKept } from './builds.ts';
import { nothingSeen, orNextTime, type Performed, type World } from './effect.ts';

/** Longer than anything takes from being made there to being known here. */
const LEFT_OVER_MS = 24 * 3_600_000;

/**
 * What a crash, or a build that was given up, left at a backend that deletes nothing by itself. Ours end by `build.release`;
 * this finds what that missed. It is never parked: the next hour's stands for it.
 */
export async function sweepBackend(
  { backend: name }: EffectOf<'backend.sweep'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  return orNextTime(BackendError, { poll: `leftovers:${name}`, world }, async () => {
    const options = { olderThanMs: LEFT_OVER_MS, isWanted: (id: string) => isWanted(name, id, world) };
    await world.backend(name)?.sweep?.(options, signal);
    return nothingSeen;
  });
}

async function isWanted(backend: string, externalId: string, world: World): Promise<boolean> {
  const found = await world.store.buildAt(backend, externalId);
  const run = found && (await world.store.run(found.runId));
  const build = run?.builds.find(({ id }) => id === found?.buildId);
  if (!run || !build) return false;
  return build.state !== 'finished' || (await isKept(run, build, world));
}
