/** A few do something dear at a time, the next ones wait for their turn, and more than that are sent away at once. */
export type Turns = <T>(act: () => Promise<T>) => Promise<T>;

/** What somebody is told who is sent away. */
export class TooBusy extends Error {}

export function createTurns(atOnce: number, mostWaiting: number, busy: string): Turns {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async (act) => {
    if (free === 0) {
      if (waiting.length >= mostWaiting) throw new TooBusy(busy);
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else free -= 1;
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
