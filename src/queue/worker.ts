import { backOffMs } from '../core/back-off.ts';
import { type Effect, runOf, targetOf } from '../core/effect.ts';
import type { Event } from '../core/event.ts';
import type { Log } from '../log.ts';
import { type Claimed, LeaseLost, type Queue } from './queue.ts';
import { NotBegun, Turns } from './turns.ts';

/**
 * Claims rows and has them worked on, several at a time; backs off and parks what fails; renews leases; drains on stop.
 *
 * The worker alone catches: a fault that says `retry: false` parks at once, one that names `retryAfterMs` lets the lane
 * rest, what says `retry: true` is tried for as long as it takes, and anything else, probably our own mistake, is parked
 * after a few tries. A parked row, and one that is tried again, is told to the run it works for.
 */
export interface WorkerOptions {
  queue: Queue;
  /** Name of this worker in its rows, for people. */
  worker: string;
  /** Handle the event and end it, in one transaction; throws TryLater when it cannot be handled yet. */
  handleEvent(row: Claimed<Event>): Promise<void>;
  /** Perform the effect outside any transaction, and complete it. */
  performEffect(row: Claimed<Effect>, signal: AbortSignal): Promise<void>;
  /** Is the database unreachable, by this error? Then nothing is the row's fault. */
  isAway(error: unknown): boolean;
  log: Log;
  random(): number;
  now(): Date;
  eventsAtOnce: number;
  effectsAtOnce: number;
  leaseMs: number;
  /** How long an idle worker waits at most before it looks without being told. */
  idleMs: number;
}

export interface Worker {
  /** Something was committed: look now. `table`: only in this one, 'event' or 'effect'. */
  wake(table?: string): void;
  /** Claim no more, let what runs come to its end for `graceMs`, then abort it. What is left is taken over later. */
  stop(graceMs: number): Promise<void>;
}

/** The event needs something that is not stored yet. */
export class TryLater extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'TryLater';
  }
}

/** Tries before a row is parked. */
const MOST_TRIES = 24;
/** From this try on, what could be mended by waiting is not counted: two minutes apart, for as long as it takes. An outage
 *  of days must not cost a check its end; what it waits for is said on the site, and on the check of its run. */
const PATIENT_TRIES = 8;
/** What is probably our own bug is not tried so often. */
const MOST_TRIES_OF_BUGS = 5;

/** Only a worker that dies leaves a row with more tries than that: perhaps it is the row that kills it. */
class NeverEnded extends Error {
  readonly retry = false;
  constructor(row: Claimed<unknown>) {
    super(
      `It was begun ${row.tries - 1} times and never came to an end: RCB was killed, or lost its database, each time`,
    );
    this.name = 'NeverEnded';
  }
}

/** A row that is worked on. `lost`: aborted when the row was taken over. */
interface Running {
  row: Claimed<Event | Effect>;
  lost: AbortController;
}

export function startWorker(options: WorkerOptions): Worker {
  const { queue, log } = options;
  const abort = new AbortController();
  // By id and fence: after an outage of the database a worker may claim a row that it is still at.
  const running = new Map<string, Running>();
  const turns = {
    event: new Turns(options.eventsAtOnce, () => performance.now()),
    effect: new Turns(options.effectsAtOnce, () => performance.now()),
  };
  let stopping = false;
  let wakeUp = () => {};
  /** Where something may have come, or become free, since the last look. */
  const unseen = new Set<Table>(TABLES);
  let lookAgainAt = 0;

  const wake = (table?: string) => {
    for (const each of TABLES) if (table !== other(each)) unseen.add(each);
    wakeUp();
  };

  const rest = (ms: number) =>
    new Promise<void>((resolve) => {
      if (unseen.size > 0 || stopping) return resolve();
      const timer = setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  /** Claims what there is room for, if it is worth a claim: 'all' that was asked for, so that there may be more. */
  async function claimAndStart(table: Table): Promise<'all' | 'fewer' | 'no room'> {
    const most = turns[table].room();
    if (most === 0) return 'no room';
    const claim = { worker: options.worker, leaseMs: options.leaseMs, most };
    if (table === 'event') {
      const rows = await queue.claimEvents(claim);
      for (const row of rows) start(row, () => options.handleEvent(row));
      return rows.length === most ? 'all' : 'fewer';
    }
    const rows = await queue.claimEffects(claim);
    for (const row of rows) start(row, (signal) => options.performEffect(row, signal));
    return rows.length === most ? 'all' : 'fewer';
  }

  function start(row: Claimed<Event | Effect>, work: (signal: AbortSignal) => Promise<void>): void {
    const lost = new AbortController();
    const name = nameOf(row);
    for (const other of running.values()) if (other.row.id === row.id) giveUp(other);
    running.set(name, { row, lost });
    const signal = AbortSignal.any([abort.signal, lost.signal]);
    const ended =
      row.tries > MOST_TRIES
        ? Promise.reject(new NeverEnded(row))
        : turns[row.table].take(() => work(signal), lost.signal);
    void ended
      .catch((error) => settle(row, lost.signal.aborted ? lost.signal.reason : error))
      .finally(() => {
        running.delete(name);
        wake(row.table);
      });
  }

  async function settle(row: Claimed<Event | Effect>, error: unknown): Promise<void> {
    if (error instanceof LeaseLost) {
      log.warn({ row: row.id, key: row.key }, error.message);
      return;
    }
    try {
      await putBack(row, error, options, abort.signal.aborted);
    } catch (fault) {
      // The row stays leased, and is taken over when the lease ends.
      log.error({ err: fault, row: row.id, key: row.key }, `Could not put ${row.table} ${row.key} back`);
    }
  }

  /** Looks where something may have come; answers how long there will be nothing more. */
  async function look(): Promise<number> {
    if (unseen.size === 0) for (const table of TABLES) unseen.add(table); // The time has come that was waited for.
    const tables = [...unseen];
    unseen.clear();
    const claims = await Promise.allSettled(tables.map(claimAndStart));
    const claimed = claims.map((claim) => {
      if (claim.status === 'rejected') throw claim.reason;
      return claim.value;
    });
    for (const [index, table] of tables.entries()) if (claimed[index] === 'all') unseen.add(table);
    if (unseen.size > 0) return 0;
    if (claimed.includes('fewer')) lookAgainAt = performance.now() + (await queue.untilNext(options.idleMs));
    const restMs = lookAgainAt - performance.now();
    // Where there was no room, the end of something that runs is the time to look.
    return restMs > 0 ? restMs : options.idleMs;
  }

  const loop = async () => {
    let failures = 0;
    while (!stopping) {
      try {
        const restMs = await look();
        if (failures > 0) log.info({ failures }, 'The database answers again');
        failures = 0;
        await rest(restMs);
      } catch (error) {
        failures += 1;
        const waitMs = backOffMs(failures, options.random(), 250, 15_000);
        log.error({ err: error, waitMs }, 'The queue cannot be read; trying again');
        unseen.clear();
        await rest(waitMs);
        for (const table of TABLES) unseen.add(table);
      }
    }
  };

  /** What another worker has taken over must not go on here: the two would be at one lane at a time. */
  function giveUp({ row, lost }: Running): void {
    if (lost.signal.aborted || !running.has(nameOf(row))) return;
    log.warn({ row: row.id, key: row.key }, 'Lost the lease of a row');
    lost.abort(new LeaseLost(row));
  }

  const heartbeat = setInterval(() => {
    const held = [...running.values()];
    if (held.length === 0) return;
    const rows = held.map(({ row }) => row);
    queue.renew(rows, options.leaseMs).then(
      (own) => held.filter(({ row }) => !own.has(row.id)).forEach(giveUp),
      (error) => log.warn({ err: error }, 'Could not renew leases'),
    );
  }, options.leaseMs / 3);

  const looping = loop();
  return {
    wake,
    async stop(graceMs) {
      stopping = true;
      wake();
      for (const table of TABLES) turns[table].close();
      await looping;
      const drained = async () => {
        while (running.size > 0) {
          await new Promise<void>((resolve) => {
            wakeUp = resolve;
          });
        }
      };
      const timer = setTimeout(() => abort.abort(new Error('RCB is being stopped')), graceMs);
      let giveUpWaiting: NodeJS.Timeout | undefined;
      const deaf = new Promise<void>((resolve) => {
        giveUpWaiting = setTimeout(resolve, graceMs + DEAF_MS);
      });
      await Promise.race([drained(), deaf]);
      if (running.size > 0) {
        log.warn({ rows: [...running.keys()] }, 'Stopping although some work does not end; it is taken over later');
      }
      clearTimeout(timer);
      clearTimeout(giveUpWaiting);
      clearInterval(heartbeat);
    },
  };
}

/** What does not end this long after it was aborted is not waited for. */
const DEAF_MS = 5_000;

type Table = 'event' | 'effect';
const TABLES: readonly Table[] = ['event', 'effect'];
const other = (table: Table): Table => (table === 'event' ? 'effect' : 'event');

const nameOf = (row: Claimed<unknown>): string => `${row.id}:${row.fence}`;

async function putBack(
  row: Claimed<Event | Effect>,
  error: unknown,
  options: WorkerOptions,
  aborted: boolean,
): Promise<void> {
  const { queue, log, random } = options;
  const message = error instanceof Error ? error.message : String(error);
  const isUnbegun = error instanceof NotBegun;
  const { retry, retryAfterMs } = error as { retry?: boolean; retryAfterMs?: number };
  // Who says `retry` speaks of a world of his own, though its connections break as the database's do.
  if (aborted || isUnbegun || (retry === undefined && options.isAway(error))) {
    await queue.fail(row, { error: message, afterMs: aborted || isUnbegun ? 0 : 1_000, uncounted: true });
    return;
  }
  if (error instanceof TryLater) {
    const afterMs = row.tries < MOST_TRIES ? backOffMs(row.tries, random(), 50, 30_000) : undefined;
    await queue.fail(row, { error: message, afterMs });
    return;
  }
  const uncounted = retry === true && row.tries >= PATIENT_TRIES;
  if (retryAfterMs !== undefined && row.table === 'effect') await queue.restLane(row.order, retryAfterMs, message);
  const most = retry === undefined ? MOST_TRIES_OF_BUGS : retry ? PATIENT_TRIES : 0;
  const afterMs =
    uncounted || row.tries < most ? Math.max(retryAfterMs ?? 0, backOffMs(row.tries, random())) : undefined;
  const fields = { err: error, row: row.id, key: row.key, tries: row.tries, afterMs };
  if (afterMs === undefined) log.error(fields, `Parked ${row.table} ${row.value.kind} of ${row.key}`);
  else log.warn(fields, `${row.value.kind} of ${row.key} failed and is tried again`);
  const events = row.table === 'effect' ? failureEvents(row as Claimed<Effect>, message, afterMs, options) : [];
  await queue.fail(row, { error: message, afterMs, events, ...(uncounted && { uncounted }) });
}

/** The run that the effect works for says on its page and check what it waits for, or why it was given up. */
function failureEvents(row: Claimed<Effect>, why: string, afterMs: number | undefined, options: WorkerOptions) {
  const runId = runOf(row.value);
  if (!runId) return [];
  const retryAt = afterMs === undefined ? undefined : new Date(options.now().getTime() + afterMs).toISOString();
  const event: Event = {
    kind: 'effect.failed',
    runId,
    effect: row.value.kind,
    target: targetOf(row.value),
    why,
    retryAt,
  };
  return [{ key: `failed:${row.id}:${row.fence}`, event }];
}
