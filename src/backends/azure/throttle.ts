import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';

/** Headers as node gives them: names in lower case. */
export type Headers = Record<string, string | string[] | undefined>;

/**
 * Azure's limits (learn.microsoft.com, "Rate and usage limits"): over 200 TSTU in five minutes answers are delayed, up to
 * 30 s each, then refused with 429. `Retry-After` comes on 200s, too: the result counts, and a pause is asked for.
 */
const LONGEST_REST_MS = 15 * 60_000;
const PLAIN_REST_MS = 60_000;
const FEW_LEFT = 0.25;

/** Milliseconds that this answer asks us to be silent for, or 0. */
export function restAskedFor(status: number, headers: Headers, now: Date): number {
  const asked = retryAfterMs(one(headers['retry-after']), now);
  if (asked !== undefined) return Math.min(LONGEST_REST_MS, asked);
  if (status !== 429) return 0;
  const reset = Number(one(headers['x-ratelimit-reset']) ?? Number.NaN) * 1_000 - now.getTime();
  return Number.isFinite(reset) && reset > 0 ? Math.min(LONGEST_REST_MS, reset) : PLAIN_REST_MS;
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3). */
function retryAfterMs(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}

/** Is little left of what we may ask for? Undefined: this answer does not say. */
export function isShort(headers: Headers): boolean | undefined {
  const [remaining, limit] = [one(headers['x-ratelimit-remaining']), one(headers['x-ratelimit-limit'])].map(Number);
  if (!Number.isFinite(remaining) || !Number.isFinite(limit) || !limit) return undefined;
  return remaining! / limit < FEW_LEFT;
}

export function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** One organisation's pause. Nobody but who asks this organisation waits for it. */
export class Rest {
  readonly #clock: Clock;
  readonly #random: () => number;
  #until = 0;
  #short = false;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Poll less often? */
  get isShort(): boolean {
    return this.#short;
  }

  get leftMs(): number {
    return Math.max(0, this.#until - this.#clock.now().getTime());
  }

  /** What an answer says; returns the pause that it asks for. */
  note(status: number, headers: Headers): number {
    this.#short = isShort(headers) ?? this.#short;
    const now = this.#clock.now();
    const asked = restAskedFor(status, headers, now);
    // Spread, so that who was paused together does not come back together.
    if (asked > 0) this.#until = Math.max(this.#until, now.getTime() + asked * (1 + this.#random() / 5));
    return asked;
  }

  /** Waits out a short pause; false when it is longer than `mostMs`: then come back later. */
  async over(mostMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.leftMs > mostMs) return false;
    for (let left = this.leftMs; left > 0; left = this.leftMs) await sleep(left, undefined, { signal });
    return true;
  }
}
