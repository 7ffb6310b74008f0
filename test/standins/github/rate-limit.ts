import type { Caller } from './auth.ts';
import type { Hub, RateLimits } from './hub.ts';

interface Bucket {
  limit: number;
  used: number;
  /** Milliseconds. */
  resetAt: number;
}

const WINDOW = 3600_000;

/** Requests are counted per installation (user, app, address) and hour. */
export class RateLimiter {
  readonly #hub: Hub;
  readonly #buckets = new Map<string, Bucket>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  bucket(caller: Caller): Bucket {
    const now = this.#hub.clock.now().getTime();
    const key = keyOf(caller);
    const known = this.#buckets.get(key);
    if (known && known.resetAt > now) {
      known.limit = this.#hub.limits[caller.kind];
      return known;
    }
    const bucket = { limit: this.#hub.limits[caller.kind], used: 0, resetAt: now + WINDOW };
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /** Forget what was used, as when the hour is over. */
  reset(): void {
    this.#buckets.clear();
  }

  headers(caller: Caller, resource = 'core'): Record<string, string> {
    const { limit, used, resetAt } = this.bucket(caller);
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(Math.max(0, limit - used)),
      'x-ratelimit-used': String(used),
      'x-ratelimit-reset': String(Math.ceil(resetAt / 1000)),
      'x-ratelimit-resource': resource,
    };
  }

  json(caller: Caller) {
    const { limit, used, resetAt } = this.bucket(caller);
    const core = { limit, used, remaining: Math.max(0, limit - used), reset: Math.ceil(resetAt / 1000) };
    return { resources: { core, search: core, graphql: core }, rate: core };
  }
}

function keyOf(caller: Caller): string {
  if (caller.kind === 'installation') return `installation ${caller.installation.id}`;
  return caller.kind === 'user' ? `user ${caller.user.id}` : caller.kind;
}

export const DEFAULT_LIMITS: RateLimits = { installation: 5000, app: 5000, user: 5000, anonymous: 60 };
