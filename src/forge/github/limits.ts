import type { Budget } from '../../core/budget.ts';

export type Headers = Record<string, string | number | undefined>;

/** Searches are counted by themselves, thirty a minute, and so is GraphQL (docs.github.com, "Rate limits for the REST API",
 *  "Rate limits and query limits for the GraphQL API"). */
export function resourceOf(route: string): string {
  if (route === GRAPHQL_ROUTE) return 'graphql';
  return /^GET \/search\//.test(route) ? 'search' : 'core';
}

export const GRAPHQL_ROUTE = 'POST /graphql';

/** What an answer says of the caller's hour; undefined: it says nothing, as a server without limits does. */
export function budgetOf(headers: Headers, now: Date): Budget | undefined {
  const [remaining, limit, reset] = ['remaining', 'limit', 'reset'].map((name) =>
    numberOf(headers[`x-ratelimit-${name}`]),
  );
  if (remaining === undefined || limit === undefined) return undefined;
  const restMs = reset === undefined ? undefined : reset * 1_000 - serverTime(headers, now);
  return { remaining, limit, ...(restMs === undefined ? {} : { resetAt: new Date(now.getTime() + restMs) }) };
}

/** GitHub's moments are told by its own clock, and its `Date` header says what that shows. */
export function serverTime(headers: Headers, now: Date): number {
  const told = Date.parse(String(headers['date'] ?? ''));
  return Number.isNaN(told) ? now.getTime() : told;
}

function numberOf(header: string | number | undefined): number | undefined {
  const number = header === undefined || header === '' ? Number.NaN : Number(header);
  return Number.isFinite(number) ? number : undefined;
}

/**
 * Who has to leave GitHub alone, until when. Who goes on asking is refused for longer (docs.github.com, "Best practices
 * for using the REST API"), so that nothing is sent at all.
 */
export class Rests {
  readonly #until = new Map<string, number>();

  /** `resource`: of that only, as primary limits are; without one nothing may be asked. */
  rest(caller: string, resource: string | undefined, ms: number, now: Date): void {
    const key = keyOf(caller, resource);
    this.#until.set(key, Math.max(this.#until.get(key) ?? 0, now.getTime() + ms));
  }

  /** Milliseconds; 0 when it may ask. */
  left(caller: string, resource: string, now: Date): number {
    const until = [keyOf(caller, undefined), keyOf(caller, resource)].map((key) => this.#until.get(key) ?? 0);
    return Math.max(0, Math.max(...until) - now.getTime());
  }
}

const keyOf = (caller: string, resource: string | undefined): string => `${caller} ${resource ?? 'all'}`;
