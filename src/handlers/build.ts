import type { EventOf } from '../core/event.ts';
import { type DelayedEffect, type HandlerContext, nothing, type Outcome } from './handler.ts';

/** A hook can overtake the row of the build that it tells of, by as long as the answer to its start takes. Of a build that
 *  nobody knows then, others are told: pipelines of one project share its hooks. */
const PATIENCE_MS = 120_000;

/** Something says that a build changed: those who have it look at once. */
export async function onBuildHinted(event: EventOf<'build.hinted'>, { store, now }: HandlerContext): Promise<Outcome> {
  const looks: DelayedEffect[] = [];
  for (const backend of event.backends) {
    const found = await store.buildAt(backend, event.externalId);
    if (found) looks.push({ kind: 'build.look', ...found });
  }
  if (looks.length > 0) return { effects: looks, events: [] };
  if (now.getTime() - Date.parse(event.at) > PATIENCE_MS) return nothing;
  return { tryLater: `no build ${event.externalId} of ${event.backends.join(', ')} is stored yet` };
}
