import type { Credentials, Tokens } from './auth.ts';
import type { Hooks } from './hooks.ts';
import type { OAuth } from './oauth.ts';
import type { AppRecord, Clock, State } from './state.ts';
import { isoSeconds } from './state.ts';

/** What every part of the stand-in works on. */
export interface Hub {
  readonly state: State;
  readonly clock: Clock;
  readonly dir: string;
  readonly app: AppRecord;
  readonly credentials: Credentials;
  readonly tokens: Tokens;
  readonly oauth: OAuth;
  readonly hooks: Hooks;
  readonly limits: RateLimits;
  /** How often `mergeable` is answered with null before it is known. */
  readonly mergeableNulls: number;
  /** `http://127.0.0.1:PORT`, known once the server listens. */
  origin: string;
  /** Where REST URLs in payloads point to: the origin and, as on GitHub Enterprise, perhaps `/api/v3`. */
  apiUrl: string;
  /** Writes happen one after the other, so that events leave in the order of what they tell. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
}

export interface RateLimits {
  /** Requests in an hour; of searches, by any caller, in a minute. */
  installation: number;
  app: number;
  user: number;
  anonymous: number;
  search: number;
}

export function timestamp(hub: Hub): string {
  return isoSeconds(hub.clock.now());
}

/** A lock: work given to it runs one after the other, in the order given; a failure does not stop what follows. */
export function createLock(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined); // The caller gets the failure; the next one in line only waits for the end.
    return result;
  };
}
