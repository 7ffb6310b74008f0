/** Whoever asks while the answer is being made gets the same one: fifty readers at a time cost what one does. */
export const shared = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  const ask = sharedBy(() => '', work);
  return () => ask(undefined);
};

/** The same, for those who ask for the same thing. */
export function sharedBy<A, T>(keyOf: (asked: A) => string, work: (asked: A) => Promise<T>): (asked: A) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  return (asked) => {
    const key = keyOf(asked);
    const known = underWay.get(key);
    if (known) return known;
    const answer = work(asked).finally(() => underWay.delete(key));
    underWay.set(key, answer);
    return answer;
  };
}
