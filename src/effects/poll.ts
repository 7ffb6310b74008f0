import type { EffectOf } from '../core/effect.ts';
import type { Event } from '../core/event.ts';
import { messages } from '../core/messages.ts';
import type { RepositoryRef } from '../core/model.ts';
import { type BranchFact, branchNews, firstLookKey, keysToLookUp } from '../core/poll.ts';
import type { Told } from '../queue/queue.ts';
import type { Repository } from '../store/store.ts';
import type { Performed, World } from './effect.ts';

/** Compare a repository's branches with what we know of them: the net under the hooks. */
export async function pollBranches(
  effect: EffectOf<'poll.branches'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { repository } = effect;
  const seen = await world.forge(repository).listBranches(repository, signal);
  const stored = await world.repository(repository.key);
  if (!seen) return { events: stored?.state === 'removed' ? [] : [gone(repository)], forget: true };
  const known = await world.branches(repository.key);
  const facts = await world.facts(keysToLookUp(repository.key, known, seen.branches));
  const news = branchNews(repository.key, seen.defaultBranch, known, seen.branches, facts);
  const firstLook = !facts.some(({ key }) => key === firstLookKey(repository.key));
  const told: Told[] = [
    ...news.noted.map((fact) => notedFact(repository, fact)),
    ...[...news.told, ...news.confirmed].map((fact) => hintedFact(repository, fact)),
    // Last: its key says that all the others were stored.
    ...(firstLook ? [firstLookFact(repository, seen.defaultBranch)] : []),
  ];
  const events = firstLook ? [] : cameBack(repository, stored, seen.defaultBranch);
  return { events, told, forget: true };
}

/** `delivery`: while a fact is not handled yet each poll sees it anew, and one sighting is enough. */
const hintedFact = (repository: RepositoryRef, { key, ref, sha }: BranchFact): Told => ({
  source: 'poll',
  delivery: `poll:${key}`,
  event: { key, event: { kind: 'branch.hinted', repository, ref, sha } },
});

const notedFact = (repository: RepositoryRef, { key, ref, sha }: { key: string; ref: string; sha: string }): Told => ({
  source: 'own',
  event: { key, event: { kind: 'branch.noted', repository, ref, sha } },
});

const watched = (repository: RepositoryRef, defaultBranch: string): Event => ({
  kind: 'repository.noted',
  repository,
  facts: { state: 'watched', defaultBranch, private: false },
});

const firstLookFact = (repository: RepositoryRef, defaultBranch: string): Told => ({
  source: 'own',
  event: { key: firstLookKey(repository.key), event: watched(repository, defaultBranch) },
});

const gone = (repository: RepositoryRef): Event => ({
  kind: 'repository.noted',
  repository,
  facts: { state: 'removed', why: messages.repositoryGone },
});

/** Its directory was away for a while (a mount, a move), or another branch is the default one now. */
function cameBack(repository: RepositoryRef, stored: Repository | undefined, defaultBranch: string): Event[] {
  const isAsKnown = stored?.state === 'watched' && (stored.defaultBranch ?? '') === defaultBranch;
  return isAsKnown ? [] : [watched(repository, defaultBranch)];
}
