import type { Clock } from '../clock.ts';

/** Asked before each use: true while `key` has used it at most `most` times in this interval. Of this instance only. */
export type RateLimit = (key: string) => boolean;

const MOST_KEYS = 10_000;

export function rateLimit(most: number, everyMs: number, clock: Clock): RateLimit {
  const uses = new Map<string, { from: number; count: number }>();
  return (key) => {
    const now = clock.now().getTime();
    const last = uses.get(key);
    const isOver = last === undefined || now - last.from >= everyMs;
    const use = isOver ? { from: now, count: 1 } : { from: last.from, count: last.count + 1 };
    uses.delete(key);
    uses.set(key, use);
    // Whoever asks with ever new keys makes room by what was used longest ago.
    if (uses.size > MOST_KEYS) uses.delete(uses.keys().next().value!);
    return use.count <= most;
  };
}
