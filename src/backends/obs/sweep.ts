import { type ObsClient, ObsError } from './client.ts';
import { externalIdOf, type ObsMode, parseExternalId, runPrefix, suffixOf } from './names.ts';
import type { Place } from './place.ts';
import { parseDirectory, parseNames } from './schema.ts';
import type { ObsTime } from './time.ts';

export interface SweepParts {
  client: ObsClient;
  project: string;
  mode: ObsMode;
  time: ObsTime;
  placeOf(externalId: string): Place | undefined;
}

/**
 * OBS deletes nothing by itself. Deleted is what has a name that only RCB gives, carries RCB's own mark, is old enough
 * not to be in the making, and is wanted by nobody.
 */
export async function sweepLeftovers(
  parts: SweepParts,
  options: { olderThanMs: number; isWanted(externalId: string): Promise<boolean> },
  signal: AbortSignal,
): Promise<string[]> {
  const swept: string[] = [];
  for (const externalId of await candidates(parts, signal)) {
    const place = parts.placeOf(externalId);
    if (!place || (await options.isWanted(externalId))) continue;
    const mark = await place.read(signal);
    if (!mark || parts.time.now().getTime() - Date.parse(mark.madeAt) < options.olderThanMs) continue;
    if (externalIdOf(mark.key, parts.project, parts.mode) !== externalId) continue;
    await place.remove(signal);
    swept.push(externalId);
  }
  return swept;
}

async function candidates({ client, project, mode }: SweepParts, signal: AbortSignal): Promise<string[]> {
  if (mode === 'standing') {
    const { entries } = parseDirectory(await client.text({ path: ['source', project], signal }));
    const suffixes = new Set(entries.flatMap(({ name }) => suffixOf(name) ?? []));
    return [...suffixes].map((suffix) => `${project}/${suffix}`);
  }
  const names = await projectsBelow(client, runPrefix(project), signal);
  return names.filter((name) => parseExternalId(name, project, mode) !== undefined);
}

/** A search, where there is one: the whole list of a large server has tens of thousands. */
async function projectsBelow(client: ObsClient, prefix: string, signal: AbortSignal): Promise<string[]> {
  const match = `starts-with(@name,'${prefix}')`;
  try {
    return parseNames(await client.text({ path: ['search', 'project', 'id'], query: { match }, signal }));
  } catch (error) {
    if (!(error instanceof ObsError) || (error.status !== 404 && error.status !== 400)) throw error;
    return parseNames(await client.text({ path: ['source'], maxBytes: MOST_LIST_BYTES, signal }));
  }
}

const MOST_LIST_BYTES = 16 * 2 ** 20;
