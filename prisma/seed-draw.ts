import { encodeTime } from 'ulid';

/** Everything that is drawn comes from one generator, so that two seeds are alike. */
export function generator(seed = 0): { random(): number; pick<T>(from: readonly T[]): T; sha(): string } {
  let state = 0x2545f491 ^ seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const hex = () => Math.floor(random() * 16).toString(16);
  return {
    random,
    pick: (from) => from[Math.floor(random() * from.length)]!,
    sha: () => Array.from({ length: 40 }, hex).join(''),
  };
}

/** Shaped as our ids are: by time, and within one millisecond in the order in which they were asked for. */
export function idsInOrder(random: () => number): (at: Date) => string {
  let counter = 0;
  const digits = (value: number, length: number) => value.toString(32).slice(-length).padStart(length, '0');
  return (at) => {
    const tail = Math.floor(random() * 32 ** 8);
    return `${encodeTime(at.getTime(), 10).toLowerCase()}${digits(++counter, 8)}${digits(tail, 8)}`;
  };
}
