import type { Archive } from '../archive/archive.ts';
import type { Backend } from '../backends/backend.ts';
import type { Branch } from '../core/change.ts';
import type { Event } from '../core/event.ts';
import type { RepositoryRef, Run } from '../core/model.ts';
import type { Forge } from '../forge/forge.ts';
import type { Fact, Told } from '../queue/queue.ts';
import type { Sources } from '../sources/sources.ts';
import type { Repository } from '../store/store.ts';

/** What performing an effect may use: the world, through its ports, and the store for reading. */
export interface World {
  run(id: string): Promise<Run | undefined>;
  branches(repositoryKey: string): Promise<Branch[]>;
  repository(key: string): Promise<Repository | undefined>;
  /** What the ledger has of these keys. */
  facts(keys: string[]): Promise<Fact[]>;
  forge(repository: RepositoryRef): Forge;
  /** undefined: rcb.yaml names no such backend (any more). */
  backend(name: string): Backend | undefined;
  sources: Sources;
  archive: Archive;
  publicUrl: string;
  /** Between two writes of one installation. */
  writeSpacingMs: number;
  now(): Date;
}

/** What came of it: events for the queue; `againMs`: it is not over, and due again then. */
export interface Performed {
  events: Event[];
  /** Facts from outside, with their own keys and sightings. */
  told?: Told[];
  /** Its row is of no use when it is done: a poll leaves none. */
  forget?: boolean;
  againMs?: number;
  /** Its lane rests for so long. */
  spacingMs?: number;
}

export const done: Performed = { events: [] };
