import type { Archive } from '../archive/archive.ts';
import type { Backend } from '../backends/backend.ts';
import type { Budget } from '../core/budget.ts';
import type { Event } from '../core/event.ts';
import type { KnownFlapper } from '../core/flapper.ts';
import type { RepositoryRef } from '../core/model.ts';
import { type PollTrouble, troubleCursorName } from '../core/poll.ts';
import type { Keeps } from '../core/retention.ts';
import type { Serving } from '../core/serving.ts';
import type { Forge } from '../forge/forge.ts';
import type { ForgeApp, SentHook } from '../forge/forge-app.ts';
import type { Cursor, Fact, Told } from '../queue/queue.ts';
import type { Sources, SubmoduleRules } from '../sources/sources.ts';
import type { Knowledge, RetentionStore } from '../store/store.ts';
import type { LogTests } from './log-tests.ts';
import type { Places } from './places.ts';

/** What performing an effect may use: the world, through its ports, and the store for reading. */
export interface World {
  store: Knowledge;
  serving: Serving;
  /** Where submodules may come from beside public addresses. */
  submodules: SubmoduleRules;
  flappers: FlapperLists;
  limits: { catchUpRunsPerMinute: number; building: number };
  /** What the ledger has of these keys. */
  facts(keys: string[]): Promise<Fact[]>;
  /** Which of these deliveries are in the ledger. */
  deliveries(ids: string[]): Promise<Set<string>>;
  forge(repository: RepositoryRef): Forge;
  /** undefined: there is no GitHub App. */
  forgeApp: ForgeApp | undefined;
  /** What may still be asked as an installation (anonymously: undefined) in this hour, as far as it is known. */
  budget(installation: string | undefined): Budget | undefined;
  /** Turn a hook that was read back into what its delivery would have told. */
  toldOf(hook: SentHook): Promise<Told>;
  /** undefined: rcb.yaml names no such backend (any more). */
  backend(name: string): Backend | undefined;
  /** One host of builds must not hold up all others. */
  places: Places;
  sources: Sources;
  archive: Archive;
  /** Of logs that grow. */
  logTests: LogTests;
  retention: { keep: Keeps; store: RetentionStore };
  publicUrl: string;
  /** Where those who cannot log in download a source archive; of a private one the address is good for some days. */
  archiveUrl(sha256: string, isPrivate: boolean): string;
  /** Between two writes of one installation. */
  writeSpacingMs: number;
  now(): Date;
}

/** The lists of known flappers that repositories may have. `file`: its path in each, or `none`. */
export interface FlapperLists {
  file: string;
  /** `where`: for the words of a mistake. */
  parse(where: string, bytes: Uint8Array): { known: KnownFlapper[] } | { mistakes: string[] };
}

/** What came of it: events for the queue; `againMs`: it is not over, and due again then. */
export interface Performed {
  events: Event[];
  /** Facts from outside, with their own keys and sightings. */
  told?: Told[];
  cursors?: Cursor[];
  /** Its row is of no use when it is done: a poll leaves none. */
  forget?: boolean;
  againMs?: number;
  /** Its lane rests for so long. */
  spacingMs?: number;
}

export const done: Performed = { events: [] };

/** Of a poll: the next tick stands for this one. */
export const nothingSeen: Performed = { events: [], forget: true };

/**
 * What cannot be read is read in the next interval; a poll is never parked. That it cannot, why and since when, is said
 * at a cursor of its own until it can again: nobody would notice otherwise.
 */
export async function orNextTime(
  trouble: new (...given: never[]) => Error,
  { poll: name, world }: { poll: string; world: Pick<World, 'store' | 'now'> },
  poll: () => Promise<Performed>,
): Promise<Performed> {
  const cursor = troubleCursorName(name);
  const before = (await world.store.cursor(cursor)) as PollTrouble | undefined;
  try {
    const seen = await poll();
    return before?.why === undefined
      ? seen
      : { ...seen, cursors: [...(seen.cursors ?? []), { name: cursor, value: {} }] };
  } catch (error) {
    if (!(error instanceof trouble)) throw error;
    const since = before?.since ?? world.now().toISOString();
    return { ...nothingSeen, cursors: [{ name: cursor, value: { why: error.message, since } }] };
  }
}
