import type { EffectOf } from '../core/effect.ts';
import type { Performed, World } from './effect.ts';

/** Read the live state that a hint spoke of. */

export async function inspectBranch(
  effect: EffectOf<'inspect.branch'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { subject, repository, ref, look } = effect;
  const snapshot = await world.forge(repository).readBranch(repository, ref, signal);
  if (!snapshot) return { events: [unreadable(subject, repository)] };
  return { events: [{ kind: 'branch.seen', subject, repository, look, snapshot }] };
}

export async function inspectPullRequest(
  effect: EffectOf<'inspect.pull-request'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { subject, repository, number, look } = effect;
  const snapshot = await world.forge(repository).readPullRequest(repository, number, signal);
  if (!snapshot) return { events: [unreadable(subject, repository)] };
  return { events: [{ kind: 'pull-request.seen', subject, repository, look, snapshot }] };
}

const unreadable = (subject: string, repository: EffectOf<'inspect.branch'>['repository']) =>
  ({
    kind: 'change.unreadable',
    subject,
    repository,
    why: 'it is gone, or the App may not read it any more',
  }) as const;
