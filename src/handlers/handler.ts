import type { Effect } from '../core/effect.ts';
import type { Event } from '../core/event.ts';
import type { Serving } from '../core/serving.ts';
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
