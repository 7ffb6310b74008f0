import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '../../clock.ts';

/** Time as this backend needs it: of day, to write down; running on, to measure by; and to wait in. */
export interface ObsTime extends Clock {
  /** Never goes back, whatever the time of day does. */
  monotonicMs(): number;
  /** Rejects when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemTime: ObsTime = {
  ...systemClock,
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, { signal });
  },
};
