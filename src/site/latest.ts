/** Remembers what was asked for last, up to `most` answers. */
export interface Latest<T> {
  get(key: string): T | undefined;
  set(key: string, value: T): void;
}

export function createLatest<T>(most: number): Latest<T> {
  const known = new Map<string, T>();
  const set = (key: string, value: T) => {
    known.delete(key);
    known.set(key, value);
    if (known.size > most) known.delete(known.keys().next().value!);
  };
  return {
    get(key) {
      const value = known.get(key);
      if (value !== undefined) set(key, value);
      return value;
    },
    set,
  };
}
