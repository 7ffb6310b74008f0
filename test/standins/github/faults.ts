/** Faults on demand. Chance is passed in, so that a seed repeats a story. */

export interface HookFaults {
  /** The share of deliveries that never happen, or which of them; they are in no list, as if GitHub had never sent them. */
  drop?: number | ((delivery: { event: string; action: string | null; payload: Record<string, unknown> }) => boolean);
  /** The share of deliveries that find nobody: they are listed as failed and can be redelivered. */
  fail?: number;
  /** How many further copies of each delivery are sent, with the same guid. */
  duplicate?: number;
  /** Take any of the waiting deliveries instead of the oldest; see also `hold`. */
  shuffle?: boolean;
  /** Wait so long before each delivery. */
  delayMs?: number;
  /** Keep deliveries back until the next call of `faults.hooks` without it: so many can be shuffled. */
  hold?: boolean;
  random?: () => number;
}

export type ApiFaultAnswer =
  | 500
  | 502
  | 503
  /** 403 with retry-after, as for too many requests at once. */
  | 'secondary-limit'
  /** 403 with x-ratelimit-remaining: 0. */
  | 'rate-limit'
  /** The connection breaks; nothing was done. */
  | 'reset'
  /** The connection breaks after the work was done: only the answer is lost. */
  | 'lost'
  /** The right answer, late by `delayMs`. */
  | 'slow';

/** For git and for pages errors and broken connections are understood, nothing else. */
export interface ApiFault {
  match: (method: string, path: string) => boolean;
  answer: ApiFaultAnswer;
  /** Default: every time. */
  times?: number;
  delayMs?: number;
  /** Seconds, with `secondary-limit`; default 60. */
  retryAfter?: number;
}

export class Faults {
  #hooks: HookFaults = {};
  #api: { fault: ApiFault; left: number }[] = [];
  readonly #onHooks: () => void;

  constructor(onHooks: () => void) {
    this.#onHooks = onHooks;
  }

  /** Replace what goes wrong with webhooks; `{}` heals. */
  hooks(faults: HookFaults): void {
    this.#hooks = faults;
    this.#onHooks();
  }

  get forHooks(): HookFaults {
    return this.#hooks;
  }

  /** Add a rule; the first that matches decides. */
  api(fault: ApiFault): void {
    this.#api.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#api = [];
    this.hooks({});
  }

  take(method: string, path: string): ApiFault | undefined {
    const rule = this.#api.find(({ fault, left }) => left > 0 && fault.match(method, path));
    if (rule) rule.left -= 1;
    return rule?.fault;
  }
}
