import type { Caller } from './auth.ts';
import type { Hub, RateLimits } from './hub.ts';

interface Bucket {
  limit: number;
  used: number;
  /** Milliseconds. */
  resetAt: number;
}

/** What somebody's requests came to since the start, or since `resetUsage`. */
export interface Usage {
  requests: number;
  /** Those that counted against the rate limit. */
  points: number;
}

type Resource = 'core' | 'search' | 'graphql';

const HOUR = 3600_000;
const WINDOWS: Record<Resource, number> = { core: HOUR, search: 60_000, graphql: HOUR };

/** Requests are counted per installation (user, app, address) and hour; searches by themselves, per minute, and GraphQL,
 *  too, where each request is taken for one point. */
export class RateLimiter {
  readonly #hub: Hub;
  readonly #buckets = new Map<string, Bucket>();
  readonly #usage = new Map<string, Usage>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  bucket(caller: Caller, resource: Resource): Bucket {
    const now = this.#hub.clock.now().getTime();
    const key = `${resource} ${keyOf(caller)}`;
    const limit = this.#hub.limits[resource === 'search' ? 'search' : caller.kind];
    const known = this.#buckets.get(key);
    if (known && known.resetAt > now) {
      known.limit = limit;
      return known;
    }
    const bucket = { limit, used: 0, resetAt: now + WINDOWS[resource] };
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /** A request was answered; `costs`: it counts against the limit. */
  count(caller: Caller, resource: Resource, costs: boolean): void {
    if (costs) this.bucket(caller, resource).used += 1;
    const key = keyOf(caller);
    const { requests, points } = this.#usage.get(key) ?? { requests: 0, points: 0 };
    this.#usage.set(key, { requests: requests + 1, points: points + (costs ? 1 : 0) });
  }

  /** Forget what was used, as when the hour is over. */
  reset(): void {
    this.#buckets.clear();
  }

  /** Of one installation, or of all callers together. */
  usage(installationId?: number): Usage {
    const wanted = [...this.#usage].filter(
      ([key]) => installationId === undefined || key === ofInstallation(installationId),
    );
    return wanted.reduce(
      (sum, [, { requests, points }]) => ({ requests: sum.requests + requests, points: sum.points + points }),
      { requests: 0, points: 0 },
    );
  }

  resetUsage(): void {
    this.#usage.clear();
  }

  headers(caller: Caller, resource: Resource): Record<string, string> {
    const { limit, used, resetAt } = this.bucket(caller, resource);
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(Math.max(0, limit - used)),
      'x-ratelimit-used': String(used),
      'x-ratelimit-reset': String(Math.ceil(resetAt / 1000)),
      'x-ratelimit-resource': resource,
    };
  }

  json(caller: Caller) {
    const [core, search, graphql] = (['core', 'search', 'graphql'] as const).map((resource) => {
      const { limit, used, resetAt } = this.bucket(caller, resource);
      return { limit, used, remaining: Math.max(0, limit - used), reset: Math.ceil(resetAt / 1000) };
    });
    return { resources: { core, search, graphql }, rate: core };
  }
}

/** What a path counts against. */
export function resourceOf(path: string): Resource {
  if (path === '/graphql') return 'graphql';
  return path.startsWith('/search/') ? 'search' : 'core';
}

const ofInstallation = (id: number): string => `installation ${id}`;

function keyOf(caller: Caller): string {
  if (caller.kind === 'installation') return ofInstallation(caller.installation.id);
  return caller.kind === 'user' ? `user ${caller.user.id}` : caller.kind;
}

export const DEFAULT_LIMITS: RateLimits = { installation: 5000, app: 5000, user: 5000, anonymous: 60, search: 30 };
