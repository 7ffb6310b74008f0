import { createHash } from 'node:crypto';
import type { EventOf } from '../core/event.ts';
import type { RepositoryRef } from '../core/model.ts';
import { isPlain } from '../core/serving.ts';
import { type DelayedEffect, type HandlerContext, nothing, type Outcome } from './handler.ts';

/** An interval of a poll began: look. */
export async function onTick(event: EventOf<'tick'>, context: HandlerContext): Promise<Outcome> {
  // After an absence the newest tick does the work of them all.
  if (context.now.getTime() - Date.parse(event.at) > 2 * event.everyMs) return nothing;
  switch (event.source) {
    case 'git':
      return { effects: context.serving.git.map((repository) => pollOf(repository, event)), events: [] };
    case 'github':
      return { effects: await githubPolls(event, context), events: [] };
    case 'azure':
      return { effects: buildPolls(event.source, context), events: [] };
    case 'obs':
      // Its builds are found by following them: nobody starts one again behind our back.
      return nothing;
    case 'house':
      return { effects: [{ kind: 'retention.sweep' }, ...backendSweeps(context)], events: [] };
  }
}

const buildPolls = (kind: string, { serving }: HandlerContext): DelayedEffect[] =>
  serving.backends.flatMap((each) => (each.kind === kind ? [{ kind: 'poll.builds', backend: each.name }] : []));

const backendSweeps = ({ serving }: HandlerContext): DelayedEffect[] =>
  serving.backends.flatMap((each) => (each.kind === 'obs' ? [{ kind: 'backend.sweep', backend: each.name }] : []));

async function githubPolls(event: EventOf<'tick'>, { store }: HandlerContext): Promise<DelayedEffect[]> {
  const installations = await store.installations();
  const active = new Set(
    installations.flatMap(({ key, state, served }) => (state === 'active' && served ? [key] : [])),
  );
  const repositories = (await store.repositories()).filter(({ key }) => !isPlain(key));
  const polls = repositories.flatMap(({ key, name, installation }) =>
    installation && active.has(installation) ? [pollOf({ key, name, installation }, event)] : [],
  );
  return [
    { kind: 'poll.installations' },
    { kind: 'poll.deliveries' },
    ...polls.map((poll) => ({ ...poll, afterMs: offsetOf(poll.repository.key, event.everyMs) })),
  ];
}

const pollOf = (repository: RepositoryRef, { everyMs, at }: EventOf<'tick'>) =>
  ({ kind: 'poll.repository', repository, everyMs, turn: Math.round(Date.parse(at) / everyMs) }) as const;

/** Each repository has its own moment in the first half of an interval: dozens of them do not ask at once. */
function offsetOf(key: string, everyMs: number): number {
  const dice = createHash('sha256').update(key).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor((dice * everyMs) / 2);
}
