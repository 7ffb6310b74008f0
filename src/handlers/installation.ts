import type { Event, EventOf, RepositoryChange, RepositoryFacts } from '../core/event.ts';
import { messages } from '../core/messages.ts';
import type { RepositoryRef } from '../core/model.ts';
import { isPlain, isServed, serviceOf } from '../core/serving.ts';
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
  // A hook about a whole installation does not list its repositories.
  const left = state === 'active' ? [] : await context.store.repositories(key);
  const added: Event[] = installation.repositoriesAdded.map((repository) => ({
    kind: 'repository.noted',
    repository: { key: repository.key, name: repository.name, installation: key },
    facts: { ...serviceOf(repository, context.serving), private: repository.private },
  }));
  const removed: Event[] = [...installation.repositoriesRemoved, ...left].map((repository) => ({
    kind: 'repository.noted',
    repository: { key: repository.key, name: repository.name },
    facts: { state: 'removed', why: state === 'suspended' ? messages.suspended(account) : messages.uninstalled },
  }));
  const isBack = state === 'active' && known !== undefined && known.state !== 'active';
  return {
    effects: isBack && added.length === 0 ? [{ kind: 'poll.installations' }] : [],
    events: [...added, ...removed],
  };
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
export async function onRepositoryTold(
  event: EventOf<'repository.told'>,
  { serving }: HandlerContext,
): Promise<Outcome> {
  const { repository, change } = event;
  const { defaultBranch } = change;
  const facts = { ...toldFacts(repository, change, serving), defaultBranch, private: change.private };
  return { effects: [], events: [{ kind: 'repository.noted', repository, facts }] };
}

/** A transfer may have brought it to somebody whom we do not serve. */
function toldFacts(
  repository: RepositoryRef,
  change: RepositoryChange,
  serving: HandlerContext['serving'],
): Pick<RepositoryFacts, 'state' | 'why'> {
  const { action } = change;
  if (action === 'deleted' || action === 'archived') return { state: 'removed', why: messages.repositoryWas(action) };
  return serviceOf({ ...repository, private: change.private }, serving);
}

/** Who told that it is watched need not know that it is private: a poll does not. */
const ofNow = ({ repository, facts }: EventOf<'repository.noted'>, isPrivate: boolean, { serving }: HandlerContext) =>
  facts.state === 'watched' && isPrivate
    ? { ...facts, ...serviceOf({ ...repository, private: true }, serving) }
    : facts;

/** What is served no more is tested no more; what is new is looked at soon, and not when a poll's time comes. */
export async function onRepositoryNoted(event: EventOf<'repository.noted'>, context: HandlerContext): Promise<Outcome> {
  const { repository } = event;
  const { store } = context;
  const known = await store.repository(repository.key);
  const isPrivate = event.facts.private ?? known?.private ?? false;
  const facts = ofNow(event, isPrivate, context);
  const ended = known?.state === 'watched' && facts.state !== 'watched' ? await store.openRuns(repository.key) : [];
  const isNew = known?.state !== 'watched' && facts.state === 'watched' && !isPlain(repository.key);
  await context.store.saveRepository({
    key: repository.key,
    name: repository.name,
    installation: repository.installation ?? known?.installation,
    defaultBranch: facts.defaultBranch ?? known?.defaultBranch,
    private: isPrivate,
    state: facts.state,
    why: facts.why,
  });
  const why = messages.notServedAnyMore(facts.why);
  return {
    effects: isNew && repository.installation ? [{ kind: 'poll.repository', repository, everyMs: 0, turn: 0 }] : [],
    events: ended.map((runId) => ({ kind: 'run.ended', runId, by: 'cancelled', why })),
  };
}
