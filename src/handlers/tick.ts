import type { EventOf } from '../core/event.ts';
import { type HandlerContext, nothing, type Outcome } from './handler.ts';

/** An interval of a poll began: look. */
export async function onTick(event: EventOf<'tick'>, { serving, now }: HandlerContext): Promise<Outcome> {
  // After an absence the newest tick does the work of them all.
  if (now.getTime() - Date.parse(event.at) > 2 * event.everyMs) return nothing;
  switch (event.source) {
    case 'git':
      return { effects: serving.git.map((repository) => ({ kind: 'poll.branches', repository })), events: [] };
    default:
      return nothing;
  }
}
