/** Trouble that the next fitting request meets. */
export interface Fault {
  method?: string;
  /** Of the path below the organisation. */
  path?: RegExp;
  /** How many requests; default 1. */
  times?: number;
  /**
   * `status`: that, with `body` and `headers`, and nothing is done. `headers`: the ordinary answer with these. `drop`: the
   * connection breaks before anything is done; `drop-after`: it is done, and nobody is told. `hang`: it is not answered
   * until the stand-in closes. `half`: the ordinary answer breaks off in its middle; `stall`: it comes no further than that.
   * `sign-in`: the HTML page.
   */
  does: 'status' | 'headers' | 'drop' | 'drop-after' | 'hang' | 'half' | 'stall' | 'sign-in';
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

export class Faults {
  readonly #waiting: { fault: Fault; left: number }[] = [];

  add(fault: Fault): void {
    this.#waiting.push({ fault, left: fault.times ?? 1 });
  }

  /** The trouble is over. */
  clear(): void {
    this.#waiting.length = 0;
  }

  take(method: string, path: string): Fault | undefined {
    const fits = ({ fault }: { fault: Fault }) =>
      (fault.method ?? method) === method && (fault.path?.test(path) ?? true);
    const waiting = this.#waiting.find(fits);
    if (!waiting) return undefined;
    waiting.left -= 1;
    if (waiting.left <= 0) this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    return waiting.fault;
  }
}
