import type { Effect } from '../core/effect.ts';
import type { Event, NewEvent, PollSource } from '../core/event.ts';
import type { Store } from '../store/store.ts';

/**
 * PORT. The persisted queue of events and effects.
 *
 * Promises:
 * - A pushed event is committed when `push` returns; an event whose key is known already only adds a sighting. Keys
 *   outlive completion.
 * - Events of one subject are handled one at a time over all instances, in the order in which they became due. A retry
 *   keeps its place, and holds back what came after it in its subject. A parked event holds back nothing: it waits for
 *   a person, and a subject that waited with it would be lost as well.
 * - Effects of one lane are performed one at a time over all instances. Pending effects of one kind and target are one.
 * - A claim is a lease by the database's clock. A worker that dies is taken over when it ends; each claim raises the
 *   row's fence, and what a worker that woke up late wants to commit is refused (LeaseLost).
 */
export interface Queue {
  /** Store events told from outside; those who tell at the same time share a commit. Answers in the order asked, when
   *  all are committed; `known` when only a sighting was added. */
  push(told: Told[]): Promise<Pushed[]>;
  /** Store the tick of the interval that begins about now, by the database's clock, unless it is there: however many
   *  instances ask, it is one. Of older ticks only the last few are kept. */
  tick(source: PollSource, everyMs: number): Promise<void>;
  /** Which of these keys are known, and who has seen them. */
  facts(keys: string[]): Promise<Fact[]>;
  /** Which of these deliveries are in the ledger. */
  deliveries(ids: string[]): Promise<Set<string>>;
  claimEvents(claim: Claim): Promise<Claimed<Event>[]>;
  claimEffects(claim: Claim): Promise<Claimed<Effect>[]>;
  /** Handle an event: what `work` saves in its store, what follows from it, and the event's end are one transaction.
   *  When `work` throws, or the lease was lost, nothing of it is there. */
  handle(row: Claimed<Event>, work: (store: Store) => Promise<Follow>): Promise<void>;
  /** Lengthen the leases of what this worker still works on; answers the ids that are still its own. */
  renew(rows: Claimed<Event | Effect>[], leaseMs: number): Promise<Set<string>>;
  /** Put a row back to be tried at `afterMs` from now, or park it for a person. */
  fail(row: Claimed<Event | Effect>, failure: Failure): Promise<void>;
  /** An effect is done: its outcome is stored as events, in one transaction with its end. */
  completeEffect(row: Claimed<Effect>, completion: Completion): Promise<void>;
  /** Let a lane rest: a forge or a backend asked for it. */
  restLane(lane: string, forMs: number, why: string): Promise<void>;
  /** Start a parked row again; false when there is no such parked row. `id`: its id, or an event's key. */
  restart(id: string): Promise<boolean>;
  /** Milliseconds until the next row could be claimed, at most `mostMs`. */
  untilNext(mostMs: number): Promise<number>;
}

export interface Told {
  event: NewEvent;
  source: 'hook' | 'poll' | 'own';
  /** The delivery's own id: a redelivery has the same and adds nothing. */
  delivery?: string;
  /** What came, when it could not be parsed: kept for a person and for a replay. */
  raw?: string;
  /** The same when it is large: its name in the archive. */
  rawSha256?: string;
  /** Not for the workers: shown as parked at once, with this as the error. */
  parked?: string;
  /** There is nothing to do: stored as done. */
  done?: boolean;
}

export interface Fact {
  key: string;
  hookAt?: Date;
  pollAt?: Date;
}

export interface Pushed {
  key: string;
  known: boolean;
}

export interface Claim {
  worker: string;
  most: number;
  leaseMs: number;
}

export interface Claimed<T> {
  table: 'event' | 'effect';
  id: string;
  /** An event's key; an effect's target. */
  key: string;
  /** An event's subject; an effect's lane. */
  order: string;
  value: T;
  /** 1 on the first try. */
  tries: number;
  fence: number;
}

/** What follows from an event: effects, each at once or `afterMs` from now, and events for other subjects. */
export interface Follow {
  effects: (Effect & { afterMs?: number })[];
  events: Event[];
}

export interface Failure {
  error: string;
  /** Absent: parked. */
  afterMs?: number;
  /** What its run or subject is told of the failure, in the same transaction. */
  events?: NewEvent[];
  /** Not counted as a try: it was not its fault (a draining worker, a lane that rests). */
  uncounted?: boolean;
}

export interface Completion {
  events: NewEvent[];
  /** What it saw outside, stored as by `push`, in the same transaction. */
  told?: Told[];
  /** Where polls go on from next time: moved in the transaction that stores what they saw. */
  cursors?: Cursor[];
  /** The row is removed instead of kept as done. */
  forget?: boolean;
  /** It is not over: due again after this long. */
  againMs?: number;
  /** The lane may be used again after this long. */
  spacingMs?: number;
}

/** How far a poll has read. */
export interface Cursor {
  /** `poll:github:1` */
  name: string;
  /** JSON. */
  value: Record<string, unknown>;
}

/** The row is somebody else's by now: nothing of this transaction may be committed. */
export class LeaseLost extends Error {
  constructor(row: Pick<Claimed<unknown>, 'table' | 'id'>) {
    super(`the lease of ${row.table} ${row.id} ended and another worker took it over`);
    this.name = 'LeaseLost';
  }
}
