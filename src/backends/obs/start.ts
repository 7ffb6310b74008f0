import { BackendError, type BuildOrder } from '../backend.ts';
import { type CommitParts, ensureCommitted } from './commit.ts';
import type { Mark, StartedMark } from './mark.ts';
import type { Place } from './place.ts';
import { filesOf, type PackageTemplate } from './template.ts';
import type { ObsTime } from './time.ts';

export interface StartParts extends CommitParts {
  place: Place;
  order: BuildOrder;
  packages: PackageTemplate[];
  time: ObsTime;
}

/**
 * Make a build: what its packages lie in, the packages, their sources, and only then what makes OBS build. Each step
 * looks before it writes: who was killed in between, or comes at the same time, does no harm. Answers what is written
 * down there now.
 */
export async function makeBuild(parts: StartParts, signal: AbortSignal): Promise<Mark> {
  const { place, order, packages, time } = parts;
  const there = await place.read(signal);
  if (there && there.key !== order.key) {
    throw new BackendError('refused', `${place.project} was made for ${there.key}, another order`);
  }
  if (there?.started || there?.cancelled) return there;
  const mark: Mark = there ?? {
    version: 1,
    key: order.key,
    runId: order.runId,
    madeAt: time.now().toISOString(),
    rebuilds: [],
  };
  const targets = await place.targets(signal);
  await place.prepare(
    mark,
    packages.map(({ name }) => `${name}${place.suffix}`),
    signal,
  );
  const committed: StartedMark['started']['packages'] = {};
  for (const each of packages) {
    const files = filesOf(each, order, place.suffix);
    const srcmd5 = await ensureCommitted(parts, place.project, `${each.name}${place.suffix}`, files, signal);
    committed[each.name] = { srcmd5, mayBeLeftOut: each.mayBeLeftOut };
  }
  const started = { at: time.now().toISOString(), packages: committed, targets };
  return await place.start({ ...mark, started }, signal);
}
