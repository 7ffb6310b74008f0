import { schedule } from 'node-cron';
import type { PollSource } from '../core/event.ts';
import type { Log } from '../log.ts';
import type { Queue } from './queue.ts';

/**
 * Makes the clock an event: once per interval of each poll, a tick. Every instance has a ticker, and the key of the tick
 * lets one of them win: there is no leader, and instances come and go.
 */
export interface TickerOptions {
  queue: Pick<Queue, 'tick'>;
  sources: { source: PollSource; everyMs: number }[];
  now(): Date;
  log: Log;
}

export interface Ticker {
  stop(): Promise<void>;
}

export function startTicker(options: TickerOptions): Ticker {
  const look = createTick(options);
  if (options.sources.length === 0) return { stop: async () => undefined };
  let looking = look();
  const task = schedule(
    '* * * * * *',
    () => {
      looking = look();
      return looking;
    },
    { name: 'rcb-ticks', noOverlap: true, suppressMissedWarning: true },
  );
  return {
    async stop() {
      await task.destroy();
      await looking;
    },
  };
}

/** Asks the queue for a tick of each source whose interval has changed since the last time, so that an idle instance
 *  leaves the database alone. Never throws: the next second is the next try. */
export function createTick({ queue, sources, now, log }: TickerOptions): () => Promise<void> {
  const told = new Map<PollSource, number>();
  return async () => {
    for (const { source, everyMs } of sources) {
      const interval = Math.floor(now().getTime() / everyMs);
      if (told.get(source) === interval) continue;
      try {
        await queue.tick(source, everyMs);
        told.set(source, interval);
      } catch (error) {
        log.warn({ err: error, source }, 'A tick could not be stored; the next second is the next try');
      }
    }
  };
}
