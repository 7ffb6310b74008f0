/** Time as a port: nothing below `main.ts` reads a clock of its own. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
