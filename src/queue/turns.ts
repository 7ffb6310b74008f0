/**
 * Lets some work run at a time, and the rest of what was claimed wait for its turn.
 *
 * A claim costs about as much for thirty rows as for one, so quick work is claimed ahead: as many as will probably begin
 * within `AHEAD_MS`, by how long the last ones took, so that a row does not wait here while another instance is idle.
 * Slow work, as most effects are, is not claimed ahead at all. What waits much longer than foreseen is refused with
 * NotBegun, to be given back.
 */
export class Turns {
  readonly #atOnce: number;
  readonly #now: () => number;
  readonly #waiting = new Set<() => void>();
  #running = 0;
  #meanMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(atOnce: number, now: () => number) {
    this.#atOnce = atOnce;
    this.#now = now;
  }

  /** How many to claim now; 0 when it is not worth a claim yet: what runs will soon have ended. */
  room(): number {
    const ahead = Math.min(MOST_AHEAD * this.#atOnce, Math.floor((this.#atOnce * AHEAD_MS) / this.#meanMs));
    const whole = this.#atOnce + ahead;
    const room = whole - this.#running - this.#waiting.size;
    const isIdle = this.#waiting.size === 0 && this.#running < this.#atOnce;
    return isIdle || 2 * room >= whole ? Math.max(0, room) : 0;
  }

  /** Work in turn. Throws NotBegun, or why the signal was aborted, when it was not begun. */
  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#running >= this.#atOnce || this.#isClosed) await this.#turn(signal);
    else this.#running += 1;
    const begun = this.#now();
    try {
      return await work();
    } finally {
      this.#learn(this.#now() - begun);
      this.#running -= 1;
      this.#next();
    }
  }

  /** What waits is not begun any more. */
  close(): void {
    this.#isClosed = true;
    for (const next of [...this.#waiting]) next();
  }

  #next(): void {
    const [first] = this.#waiting;
    first?.();
  }

  #turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#waiting.delete(next);
      clearTimeout(timer);
      signal.removeEventListener('abort', lost);
    };
    const next = () => {
      leave();
      if (this.#isClosed) return reject(new NotBegun());
      this.#running += 1;
      resolve();
    };
    const lost = () => {
      leave();
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      leave();
      this.#meanMs = Number.POSITIVE_INFINITY; // Whatever runs is not quick.
      reject(new NotBegun());
    }, GIVE_BACK_MS);
    this.#waiting.add(next);
    signal.addEventListener('abort', lost);
    if (this.#isClosed) next();
    return promise;
  }

  /** The mean of about the last ten. */
  #learn(ms: number): void {
    this.#meanMs = Number.isFinite(this.#meanMs) ? 0.9 * this.#meanMs + 0.1 * ms : ms;
  }
}

/** It waited for its turn too long, or the worker is stopped. */
export class NotBegun extends Error {
  constructor() {
    super('claimed ahead, and given back because its turn did not come');
    this.name = 'NotBegun';
  }
}

const AHEAD_MS = 20;
/** Times what runs at once. */
const MOST_AHEAD = 3;
const GIVE_BACK_MS = 500;
