import type { Event, EventOf } from '../core/event.ts';
import { messages } from '../core/messages.ts';
import { isServed } from '../core/serving.ts';
import type { Installation } from '../store/store.ts';
import type { HandlerContext, Outcome } from './handler.ts';

/** Installations and repositories: who asked us to come, and what we know of each repository. */

export async function onInstallationTold(
  event: EventOf<'installation.told'>,
  context: HandlerContext,
): Promise<Outcome> {
  const { installation } = event;
  const served = isServed(installation.account, context.serving.owners);
  const known = await context.store.installation(installation.key);
  const { key, account, accountId } = installation;
  const state = stateAfter(installation.action, known);
  await context.store.saveInstallation({ key, account, accountId, state, served });
  const added: Event[] = installation.repositoriesAdded.map((repository) => ({
    kind: 'repository.noted',
    repository: { key: repository.key, name: repository.name, installation: key },
    facts: addedFacts(repository, served, account),
  }));
  const removed: Event[] = installation.repositoriesRemoved.map((repository) => ({
    kind: 'repository.noted',
    repository: { key: repository.key, name: repository.name },
    facts: { state: 'removed', why: 'the App is not installed on it any more' },
  }));
  return { effects: [], events: [...added, ...removed] };
}

function addedFacts(repository: { private: boolean }, served: boolean, account: string) {
  if (!served)
    return { state: 'refused', why: messages.foreignInstallation(account), private: repository.private } as const;
  if (repository.private) return { state: 'refused', why: messages.privateRepository, private: true } as const;
  return { state: 'watched', private: false } as const;
}

function stateAfter(action: string, known: Installation | undefined): Installation['state'] {
  switch (action) {
    case 'deleted':
      return 'deleted';
    case 'suspend':
      return 'suspended';
    case 'created':
    case 'unsuspend':
      return 'active';
    default:
      return known?.state ?? 'active';
  }
}

/** A rename or a new default branch; a deletion ends our interest. */
export async function onRepositoryTold(event: EventOf<'repository.told'>): Promise<Outcome> {
  const { repository, change } = event;
  const gone = change.action === 'deleted' || change.action === 'archived';
  const facts = gone
    ? ({ state: 'removed', why: `the repository was ${change.action}` } as const)
    : change.private
      ? ({ state: 'refused', why: messages.privateRepository } as const)
      : ({ state: 'watched' } as const);
  const { defaultBranch } = change;
  const noted = { ...facts, defaultBranch, private: change.private };
  return { effects: [], events: [{ kind: 'repository.noted', repository, facts: noted }] };
}

export async function onRepositoryNoted(event: EventOf<'repository.noted'>, context: HandlerContext): Promise<Outcome> {
  const { repository, facts } = event;
  const known = await context.store.repository(repository.key);
  await context.store.saveRepository({
    key: repository.key,
    name: repository.name,
    installation: repository.installation ?? known?.installation,
    defaultBranch: facts.defaultBranch ?? known?.defaultBranch,
    private: facts.private ?? known?.private ?? false,
    state: facts.state,
    why: facts.why,
  });
  return { effects: [], events: [] };
}
