import type { Branch } from './change.ts';
import { branchSubject } from './event.ts';
import { branchFactKey } from './fact-key.ts';

/**
 * What a list of a repository's branches says beside what we know of them. Polling is the net under the hooks: it makes
 * the same facts under the same keys, so that what a hook told already only gets a second sighting.
 *
 * At the first look at a repository everything is unknown, and nothing of it is news: its default branch is tested,
 * the other heads are only noted, and tested when they move.
 */
export interface Head {
  ref: string;
  sha: string;
}

export interface BranchFact {
  key: string;
  ref: string;
  sha: string | null;
}

/** What the ledger knows of a key. */
export interface FactSeen {
  key: string;
  pollAt?: Date;
}

export interface BranchNews {
  /** To be looked at: it moved, appeared or went. */
  told: BranchFact[];
  /** To be known without a test. `key` is another one than a telling's: who pushes this very head wants it tested. */
  noted: (BranchFact & { sha: string })[];
  /** Told by a hook, and now seen here for the first time as well. */
  confirmed: BranchFact[];
}

export const firstLookKey = (repositoryKey: string): string => `first-look:${repositoryKey}`;
export const notedKey = (subject: string): string => `noted:${subject}`;

/** The keys of which `branchNews` has to know whether they are in the ledger. */
export function keysToLookUp(repositoryKey: string, known: Branch[], heads: Head[]): string[] {
  const refs = new Map(known.map((branch) => [branch.ref, branch]));
  const perHead = heads.flatMap(({ ref, sha }) => {
    const branch = refs.get(ref);
    if (!branch) return [notedKey(branchSubject(repositoryKey, ref))];
    return branch.sha === sha && branch.toldBy ? [branch.toldBy] : [];
  });
  return [firstLookKey(repositoryKey), ...perHead];
}

export function branchNews(
  repositoryKey: string,
  defaultBranch: string,
  known: Branch[],
  heads: Head[],
  facts: FactSeen[],
): BranchNews {
  const ledger = new Map(facts.map((fact) => [fact.key, fact]));
  const isFirstLook = !ledger.has(firstLookKey(repositoryKey));
  const refs = new Map(known.map((branch) => [branch.ref, branch]));
  const news: BranchNews = { told: [], noted: [], confirmed: [] };
  for (const { ref, sha } of heads) {
    const branch = refs.get(ref);
    const subject = branchSubject(repositoryKey, ref);
    const fact = { key: branchFactKey(subject, branch, sha), ref, sha };
    if (branch?.sha === sha) {
      const told = branch.toldBy === undefined ? undefined : ledger.get(branch.toldBy);
      if (told && !told.pollAt) news.confirmed.push(fact);
    } else if (!branch && isFirstLook && ref !== `refs/heads/${defaultBranch}`) {
      news.noted.push({ ...fact, key: notedKey(subject) });
    } else if (branch || !ledger.has(notedKey(subject))) {
      // Else it was noted a moment ago, and its row is on its way.
      news.told.push(fact);
    }
  }
  const there = new Set(heads.map(({ ref }) => ref));
  for (const branch of known) {
    if (branch.sha === null || there.has(branch.ref)) continue;
    news.told.push({ key: branchFactKey(branch.subject, branch, null), ref: branch.ref, sha: null });
  }
  return news;
}
