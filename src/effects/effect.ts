import type { Archive } from '../archive/archive.ts';
import type { Backend } from '../backends/backend.ts';
import type { Event } from '../core/event.ts';
import type { RepositoryRef, Run } from '../core/model.ts';
import type { Forge } from '../forge/forge.ts';
import type { Sources } from '../sources/sources.ts';

/** What performing an effect may use: the world, through its ports, and the store for reading. */
export interface World {
  run(id: string): Promise<Run | undefined>;
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
  againMs?: number;
  /** Its lane rests for so long. */
  spacingMs?: number;
}

export const done: Performed = { events: [] };
