import type { Clock } from '../clock.ts';

/**
 * What somebody was answered holds for a while, and whoever asks the same for him while the answer is being made gets that
 * one. Of each the last question only.
 */
export interface Remembered<T> {
  /** `about` in one word: with another one it is asked anew. */
  ask(whose: string, about: string, work: () => Promise<T>): Promise<T>;
  forget(whose: string): void;
}

export interface RememberedOptions<T> {
  clock: Clock;
  /** From when it was asked: what is answered may be as old as that. */
  forMs: number;
  /** Of so many; then the oldest goes. */
  most: number;
  /** Is it good for later, too? A fault never is. */
  isLasting(answer: T): boolean;
}

interface Kept<T> {
  about: string;
  at: number;
  answer: Promise<T>;
}

export function createRemembered<T>({ clock, forMs, most, isLasting }: RememberedOptions<T>): Remembered<T> {
  // In the order of their questions.
  const kept = new Map<string, Kept<T>>();
  const isFresh = ({ at }: Kept<T>, now: number) => now >= at && now - at < forMs;

  function makeRoom(now: number): void {
    for (const [whose, one] of kept) {
      if (kept.size < most && isFresh(one, now)) return;
      kept.delete(whose);
    }
  }

  return {
    ask(whose, about, work) {
      const now = clock.now().getTime();
      const known = kept.get(whose);
      if (known?.about === about && isFresh(known, now)) return known.answer;
      kept.delete(whose);
      makeRoom(now);
      // Who is forgotten, or asks for something else, while the answer is on its way has another entry by then, or none.
      const drop = () => void (kept.get(whose) === entry && kept.delete(whose));
      const entry: Kept<T> = { about, at: now, answer: work() };
      kept.set(whose, entry);
      entry.answer.then((answer) => isLasting(answer) || drop(), drop);
      return entry.answer;
    },
    forget: (whose) => void kept.delete(whose),
  };
}
