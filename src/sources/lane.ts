/** One thing after the other per key, in this process. */
export class Lanes {
  private readonly last = new Map<string, Promise<unknown>>();

  /** A waiter that is aborted leaves at once. */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const before = this.last.get(key) ?? Promise.resolve();
    const mine = before.then(() => {
      signal.throwIfAborted();
      return work();
    });
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.last.set(key, settled);
    settled.then(() => {
      if (this.last.get(key) === settled) this.last.delete(key);
    });
    return untilAborted(mine, signal);
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
