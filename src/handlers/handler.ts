import type { Effect } from '../core/effect.ts';
import type { Event } from '../core/event.ts';
import type { RepositoryRef } from '../core/model.ts';
import { isServedRepository, type Serving } from '../core/serving.ts';
import type { Store } from '../store/store.ts';

/** What a handler may use. The store is bound to its transaction; it saves rows of its event's own subject only. */
export interface HandlerContext {
  store: Store;
  serving: Serving;
  /** The key of the event that is handled. */
  key: string;
  /** Of the site, for links; no slash at the end. */
  publicUrl: string;
  now: Date;
  newId(): string;
}

/** What follows from an event; or, with `tryLater`, that it cannot be handled yet and keeps its place. */
export type Outcome = { effects: DelayedEffect[]; events: Event[] } | { tryLater: string };

export type DelayedEffect = Effect & { afterMs?: number };

export const nothing: Outcome = { effects: [], events: [] };

/** Whether what people ask for in this repository is done: it is served, and there is an installation to answer through. */
export async function isHeard(repository: RepositoryRef, { store, serving }: HandlerContext): Promise<boolean> {
  if (!repository.installation || !isServedRepository(repository, serving)) return false;
  return serving.privates === 'served' || !(await store.holdPrivate([repository.key]));
}
