import type { Event } from './core/event.ts';
import type { Serving } from './core/serving.ts';
import type { World } from './effects/effect.ts';
import { perform } from './effects/index.ts';
import { handle } from './handlers/index.ts';
import type { Log } from './log.ts';
import type { Claimed, Queue } from './queue/queue.ts';
import { startWorker, TryLater, type Worker } from './queue/worker.ts';

/** What joins the queue to handlers and effects: ② and ③ of the README's picture. */
export interface BotOptions {
  queue: Queue;
  world: World;
  serving: Serving;
  log: Log;
  /** Is the database unreachable, by this error? */
  isAway(error: unknown): boolean;
  worker: string;
  now(): Date;
  newId(): string;
  random(): number;
  eventsAtOnce?: number;
  effectsAtOnce?: number;
  leaseMs?: number;
  idleMs?: number;
}

export const EFFECTS_AT_ONCE = 32;

export function startBot(options: BotOptions): Worker {
  const { queue, world, log, worker, now, random } = options;
  return startWorker({
    queue,
    worker,
    log,
    now,
    random,
    isAway: options.isAway,
    handleEvent: (row) => handleEvent(row, options),
    performEffect: async (row, signal) => {
      const performed = await perform(row.value, world, signal);
      const events = performed.events.map((event, index) => ({ key: `${row.id}:${row.fence}:${index}`, event }));
      await queue.completeEffect(row, { ...performed, events });
    },
    eventsAtOnce: options.eventsAtOnce ?? 8,
    effectsAtOnce: options.effectsAtOnce ?? EFFECTS_AT_ONCE,
    leaseMs: options.leaseMs ?? 30_000,
    idleMs: options.idleMs ?? 5_000,
  });
}

async function handleEvent(row: Claimed<Event>, { queue, serving, world, now, newId }: BotOptions): Promise<void> {
  await queue.handle(row, async (store) => {
    const { publicUrl } = world;
    const outcome = await handle(row.value, { store, serving, key: row.key, publicUrl, now: now(), newId });
    if ('tryLater' in outcome) throw new TryLater(outcome.tryLater);
    return outcome;
  });
}
