import type { KnownFlapper } from '../core/flapper.ts';
import { entriesSeen } from '../core/flapper-sight.ts';
import type { Sight } from '../core/sight.ts';
import type { TestsReader } from './reader-tests.ts';
import type { SiteOptions } from './site.ts';

/** The list of rcb.yaml, and what repositories' own lists said when failures were judged, as far as somebody may see it. */
export async function knownFor(
  sight: Sight,
  { reader, knownFlappers = [] }: { reader: Pick<TestsReader, 'listedFlappers'> } & Pick<SiteOptions, 'knownFlappers'>,
  where: { runId: string } | { since: Date },
): Promise<KnownFlapper[]> {
  const isNamed = new Set(knownFlappers.map(identity));
  const listed = await reader.listedFlappers(where);
  return entriesSeen(sight, [...knownFlappers, ...listed.filter((entry) => !isNamed.has(identity(entry)))]);
}

/** Entries that differ in nothing else are versions of one. */
export const identity = ({ name, repository, platforms }: KnownFlapper): string =>
  JSON.stringify([name, repository?.toLowerCase(), platforms]);
