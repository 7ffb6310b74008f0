import { backOffMs } from '../../core/back-off.ts';
import { BackendError } from '../backend.ts';
import type { ObsTime } from './time.ts';

/**
 * Manners towards one host: OBS names no limits, and its documentation says that who asks too much loses access. Share
 * one pace between all back-ends of a host.
 */
export class Pace {
  readonly #time: ObsTime;
  readonly #random: () => number;
  readonly #spacingMs: number;
  /** When the next request would be due if requests came evenly. */
  #dueMs = Number.NEGATIVE_INFINITY;
  #restUntilMs = Number.NEGATIVE_INFINITY;
  #refusals = 0;

  /** `random` is in [0, 1). */
  constructor(perSecond: number, time: ObsTime, random: () => number) {
    this.#time = time;
    this.#random = random;
    this.#spacingMs = 1_000 / perSecond;
  }

  /** Wait for the next free place. While the host rests for long this throws BackendError `busy` instead of waiting. */
  async turn(signal: AbortSignal): Promise<void> {
    const now = this.#time.monotonicMs();
    const restMs = this.#restUntilMs - now;
    if (restMs > LONGEST_WAIT_MS) {
      throw new BackendError('busy', `the host asked for a rest of ${Math.ceil(restMs / 1_000)} s more`, {
        retryAfterMs: Math.ceil(restMs),
      });
    }
    // A few may go together, when there were none before.
    const earliest = this.#dueMs - BURST * this.#spacingMs;
    const at = Math.max(now, earliest, this.#restUntilMs);
    this.#dueMs = Math.max(this.#dueMs, at) + this.#spacingMs;
    if (at > now) await this.#time.sleep(at - now, signal);
  }

  /** The host refused because of too much (429) or overload (503): nobody asks it for that long. Answers milliseconds. */
  refused(retryAfterMs: number | undefined): number {
    this.#refusals += 1;
    const restMs = Math.min(LONGEST_REST_MS, retryAfterMs ?? backOffMs(this.#refusals, this.#random(), 2_000, 300_000));
    this.#restUntilMs = Math.max(this.#restUntilMs, this.#time.monotonicMs() + restMs);
    return restMs;
  }

  answered(): void {
    this.#refusals = 0;
  }
}

const BURST = 4;
/** A rest that a request can sit out. */
const LONGEST_WAIT_MS = 5_000;
/** Longer ones are a mistake of whoever asks for them. */
const LONGEST_REST_MS = 15 * 60_000;
