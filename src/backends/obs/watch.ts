import { BackendError } from '../backend.ts';
import type { ResultList } from './schema.ts';
import type { ObsTime } from './time.ts';

/** `same`: nothing differed from `oldState` until the deadline. `gone`: OBS has no such project. */
export type Asked = ResultList | 'same' | 'gone';

export interface WatchParts {
  /** With `oldState` OBS answers when the list differs from it: then this waits at most `waitMs`. */
  ask(oldState: string | undefined, waitMs: number, signal: AbortSignal): Promise<Asked>;
  time: ObsTime;
  /** Where nothing changes there is at most one request in that time. */
  pollMs: number;
  /** After a change, the next request not before. */
  changeMs: number;
  /** While a verdict without a job settles, or a history lags behind, the list is heard again after that time. */
  settleMs: number;
}

/**
 * The newest result list of one project. However many look at it, there is one request at a time; it goes on behind
 * those who gave up waiting, and the next ones profit. Nobody looks: nobody asks.
 */
export class Watch {
  readonly #parts: WatchParts;
  readonly #end = new AbortController();
  #latest: { list: ResultList | 'gone'; answers: number } | undefined;
  #answers = 0;
  #asking: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** From one request's start to the next one's. */
  #spacingMs = 0;
  #isSettling = false;
  /** Since the last request was sent: its answer may be older than the hint. */
  #isHinted = false;
  #silences = 0;
  #woken: (() => void)[] = [];

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** `answers` counts what OBS was heard to say: equal ones, nothing new. Waits when nothing was heard yet. */
  async latest(signal: AbortSignal): Promise<{ list: ResultList | 'gone'; answers: number }> {
    // The others are asked for when it is known what this one means.
    if (!this.#latest || this.#latest.list === 'gone') this.#askIfDue();
    while (!this.#latest) {
      if (this.#end.signal.aborted) throw new BackendError('busy', 'the build is not followed any more');
      await this.#wait(this.#parts.pollMs, signal);
      this.#throwFailure();
      this.#askIfDue();
    }
    this.#throwFailure();
    return this.#latest;
  }

  /** Until something new was heard, somebody gave a hint, or the time is over. */
  async news(ms: number, signal: AbortSignal): Promise<void> {
    this.#askIfDue();
    await this.#wait(Math.min(ms, this.#dueInMs()), signal);
    this.#askIfDue();
  }

  /** Whether the list is to be heard again soon, though it may say the same. */
  settle(isSettling: boolean): void {
    this.#isSettling = isSettling;
    this.#askIfDue();
  }

  /** It may have changed: ask soon. */
  hint(): void {
    this.#isHinted = true;
    this.#spacingMs = Math.min(this.#spacingMs, this.#parts.changeMs);
    this.wake();
  }

  /** Those who wait look again. */
  wake(): void {
    const woken = this.#woken;
    this.#woken = [];
    for (const each of woken) each();
  }

  close(): void {
    this.#end.abort();
    this.wake();
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  #dueInMs(): number {
    if (this.#asking) return Number.POSITIVE_INFINITY;
    const spacingMs = this.#isSettling ? Math.min(this.#spacingMs, this.#parts.settleMs) : this.#spacingMs;
    return Math.max(0, this.#askedAtMs + spacingMs - this.#parts.time.monotonicMs());
  }

  #askIfDue(): void {
    if (this.#dueInMs() > 0 || this.#end.signal.aborted) return;
    this.#asking = this.#ask()
      .catch((error) => {
        this.#failure = { error };
      })
      .then(() => {
        this.#asking = undefined;
        this.wake();
      });
  }

  async #ask(): Promise<void> {
    const { time, pollMs, changeMs, settleMs } = this.#parts;
    const known = this.#latest?.list === 'gone' ? undefined : this.#latest?.list;
    this.#askedAtMs = time.monotonicMs();
    this.#spacingMs = changeMs;
    this.#isHinted = false;
    // To hear it said again, the server must not wait for something else to say. Nor may it keep silent for ever: a
    // server that hangs looks like one that waits.
    const isConfirming = this.#silences >= (this.#isSettling ? 1 : MOST_SILENCES);
    const waitMs = this.#isSettling ? Math.min(settleMs, pollMs) : pollMs;
    const answer = await this.#parts.ask(isConfirming ? undefined : known?.state, waitMs, this.#end.signal);
    this.#silences = answer === 'same' ? this.#silences + 1 : 0;
    this.#failure = undefined;
    if (answer === 'same') return;
    const isChanged = answer === 'gone' || answer.state !== known?.state;
    // One that does not wait is polled.
    if (!isChanged && !this.#isHinted) this.#spacingMs = this.#isSettling ? settleMs : pollMs;
    this.#answers += 1;
    this.#latest = { list: answer, answers: this.#answers };
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const woken = new Promise<void>((resolve) => this.#woken.push(resolve));
    try {
      const waits: Promise<void>[] = [woken];
      if (Number.isFinite(ms)) waits.push(this.#parts.time.sleep(ms, over.signal).catch(() => {}));
      await Promise.race([...waits, aborted(signal, over.signal)]);
      signal.throwIfAborted();
    } finally {
      over.abort();
    }
  }
}

const MOST_SILENCES = 10;

/** Resolves when the first one aborts; with the second one it stops listening. */
function aborted(signal: AbortSignal, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true, signal: until });
  });
}
