import type { KnownFlapper } from '../core/flapper.ts';
import type { TestsReader } from './reader-tests.ts';
import type { SiteOptions } from './site.ts';

/** The list of rcb.yaml, and what repositories' own lists said when failures were judged. */
export async function knownFor(
  { reader, knownFlappers = [] }: { reader: Pick<TestsReader, 'listedFlappers'> } & Pick<SiteOptions, 'knownFlappers'>,
  where: { runId: string } | { since: Date },
): Promise<KnownFlapper[]> {
  const isNamed = new Set(knownFlappers.map(identity));
  const listed = await reader.listedFlappers(where);
  return [...knownFlappers, ...listed.filter((entry) => !isNamed.has(identity(entry)))];
}

/** Entries that differ in nothing else are versions of one. */
export const identity = ({ name, repository, platforms }: KnownFlapper): string =>
  JSON.stringify([name, repository?.toLowerCase(), platforms]);
