import type { Effect } from './core/effect.ts';
import type { Event } from './core/event.ts';
import type { Serving } from './core/serving.ts';
import { isDatabaseAway } from './database/database.ts';
import type { World } from './effects/effect.ts';
import { perform } from './effects/index.ts';
import type { PrismaClient } from './generated/prisma/client.ts';
import { handle } from './handlers/index.ts';
import type { Log } from './log.ts';
import { finishEvent } from './queue/prisma.ts';
import type { Claimed, Queue } from './queue/queue.ts';
import { announce, insertEffects, insertEvents } from './queue/rows.ts';
import { startWorker, TryLater, type Worker } from './queue/worker.ts';
import { openStore } from './store/prisma.ts';

/** What joins the queue to handlers and effects: ② and ③ of the README's picture. */
export interface BotOptions {
  prisma: PrismaClient;
  queue: Queue;
  world: World;
  serving: Serving;
  log: Log;
  worker: string;
  now(): Date;
  newId(): string;
  random(): number;
  eventsAtOnce?: number;
  effectsAtOnce?: number;
  leaseMs?: number;
  idleMs?: number;
}

export function startBot(options: BotOptions): Worker {
  const { queue, world, log, worker, now, random } = options;
  return startWorker({
    queue,
    worker,
    log,
    now,
    random,
    isAway: isDatabaseAway,
    handleEvent: (row) => handleEvent(row, options),
    performEffect: async (row, signal) => {
      const performed = await perform(row.value, world, signal);
      const events = performed.events.map((event, index) => ({ key: `${row.id}:${row.fence}:${index}`, event }));
      await queue.completeEffect(row, { ...performed, events });
    },
    eventsAtOnce: options.eventsAtOnce ?? 8,
    effectsAtOnce: options.effectsAtOnce ?? 32,
    leaseMs: options.leaseMs ?? 30_000,
    idleMs: options.idleMs ?? 5_000,
  });
}

/** One transaction: what the handler saves, the effects and events that follow, and the end of the event. */
async function handleEvent(row: Claimed<Event>, options: BotOptions): Promise<void> {
  const { prisma, serving, now, newId } = options;
  await prisma.$transaction(async (client) => {
    const store = openStore(client, now);
    const outcome = await handle(row.value, { store, serving, key: row.key, now: now(), newId });
    if ('tryLater' in outcome) throw new TryLater(outcome.tryLater);
    const ids = { newId };
    await finishEvent(client, row);
    await insertEvents(
      client,
      outcome.events.map((event, index) => ({ key: `${row.id}:${index}`, event })),
      ids,
    );
    await insertEffects(
      client,
      outcome.effects.map(({ afterMs, ...effect }) => ({ effect: effect as Effect, afterMs })),
      ids,
    );
    if (outcome.events.length + outcome.effects.length > 0) await announce(client);
  });
}
