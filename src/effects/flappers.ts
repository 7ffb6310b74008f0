import { entriesFor, type KnownFlapper } from '../core/flapper.ts';
import { type ListPlace, listPlaces } from '../core/flapper-lists.ts';
import { flapperMessages } from '../core/messages-flappers.ts';
import type { Run } from '../core/model.ts';
import type { ListedFlappers } from '../core/run-flappers.ts';
import type { TestFile } from '../core/testlog.ts';
import { type FileRead, SourceError } from '../sources/sources.ts';
import type { World } from './effect.ts';

/** The lists of known flappers in the repositories of a run, as far as they name one of these files. What is wrong with
 *  them is told; a mirror that cannot be reached just now throws, and is tried again. */
export async function readLists(
  run: Run,
  failed: readonly TestFile[],
  world: World,
  signal: AbortSignal,
): Promise<ListedFlappers> {
  const listed: ListedFlappers = { known: [], faults: [] };
  if (world.flappers.file === 'none') return listed;
  for (const place of listPlaces(run)) {
    const found = await readList(place, world, signal);
    listed.known.push(...entriesFor(found.known, failed));
    listed.faults.push(...found.faults);
  }
  return listed;
}

/** Nobody's list is longer: rcb.yaml may not be, either. */
const LIST_BYTES = 256_000;
const MOST_FAULTS = 10;

async function readList(place: ListPlace, world: World, signal: AbortSignal): Promise<ListedFlappers> {
  const { file, parse } = world.flappers;
  const where = flapperMessages.listAt(file, place.repository.name, place.sha);
  try {
    const read = await readPlace(place, world, signal);
    if (read.kind === 'missing') return { known: [], faults: [] };
    if (read.kind !== 'file') return { known: [], faults: [flapperMessages.listIs(where, read.kind)] };
    const list = parse(where, read.bytes);
    if ('mistakes' in list) return { known: [], faults: list.mistakes.slice(0, MOST_FAULTS) };
    return { known: list.known.map((entry) => inRepository(entry, place)), faults: [] };
  } catch (error) {
    if (!(error instanceof SourceError) || error.retry) throw error;
    return { known: [], faults: [flapperMessages.listUnreadable(where, error.message)] };
  }
}

async function readPlace({ repository, sha, ref }: ListPlace, world: World, signal: AbortSignal): Promise<FileRead> {
  const remote = await world.forge(repository).remote(repository, signal);
  await world.sources.ensureCommit(remote, { sha, ref }, signal);
  return world.sources.readFile(remote, sha, world.flappers.file, LIST_BYTES, signal);
}

const inRepository = (entry: KnownFlapper, { repository }: ListPlace): KnownFlapper => ({
  ...entry,
  repository: entry.repository ?? repository.name,
});
