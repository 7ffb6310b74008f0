import type { RepositoryFacts } from './event.ts';
import type { KnownFlapper } from './flapper.ts';
import { matchesAny } from './globs.ts';
import { messages } from './messages.ts';
import type { RepositoryRef } from './model.ts';
import type { PolicyRule } from './policy.ts';
import type { Stack } from './stack.ts';

/** Whom RCB serves, and with what: the part of the configuration that decisions need. */
export interface Serving {
  /** Account names; whose installations are served. */
  owners: string[];
  /** Globs of branches that are tested beside the default branch. */
  watch: string[];
  policy: PolicyRule[];
  /** Plain git repositories: served because rcb.yaml names them. */
  git: RepositoryRef[];
  backends: ServingBackend[];
  /** Repositories that are tested together. */
  stacks: readonly Stack[];
  flappers: ServingFlappers;
  privates: ServingPrivates;
}

/** What is private is shown to those only who may read it. So it is served where they can log in; `refused`: why nobody
 *  can, in words. */
export type ServingPrivates = 'served' | { refused: string };

/** `known`: of rcb.yaml. `off`: globs over `owner/name`. */
export interface ServingFlappers {
  known: readonly KnownFlapper[];
  off: readonly string[];
}

export interface ServingBackend {
  name: string;
  /** Globs over `owner/name`; absent: all. */
  repositories?: string[];
  /** Globs over the branch, or the base branch of a pull request; absent: all. */
  branches?: string[];
  /** local, azure, obs */
  kind?: string;
  /** It can run the failed jobs of a build again. */
  retries?: boolean;
  /** It starts nothing: what is built of the change without us is shown. */
  observes?: boolean;
  /** It may see code of private repositories. Absent: it may not. */
  private?: boolean;
}

/** What asks for a backend. `branch`: of a pull request its base. `isPrivate`: its code is not for everybody. */
export interface ServedChange {
  repository: string;
  branch: string;
  isPrivate: boolean;
}

/** Somebody else's installation is shown, not served: it would run code on our machine. Logins ignore case (GitHub). */
export const isServed = (account: string, owners: string[]): boolean =>
  owners.some((owner) => owner.toLowerCase() === account.toLowerCase());

export const ownerOf = (repositoryName: string): string => repositoryName.split('/')[0] ?? '';

/** A plain repository is its operator's own; GitHub's are served by their owners. */
export function isServedRepository(
  { key, name }: RepositoryRef,
  { git, owners }: Pick<Serving, 'git' | 'owners'>,
): boolean {
  return isPlain(key) ? git.some((each) => each.key === key) : isServed(ownerOf(name), owners);
}

/** Whether a repository is tested, and if not, why. */
export function serviceOf(
  repository: RepositoryRef & { private: boolean },
  serving: Pick<Serving, 'git' | 'owners' | 'privates'>,
): Pick<RepositoryFacts, 'state' | 'why'> {
  if (!isServedRepository(repository, serving)) return { state: 'refused', why: notServedWhy(repository) };
  const { privates } = serving;
  if (!repository.private || privates === 'served') return { state: 'watched' };
  return { state: 'refused', why: messages.privateRepository(privates.refused) };
}

const notServedWhy = ({ key, name }: RepositoryRef): string =>
  isPlain(key) ? messages.notConfigured(name) : messages.foreignInstallation(ownerOf(name));

/** Plain repositories have no pull requests: there every branch is watched. */
export const watchedBranches = (repositoryKey: string, { watch }: Pick<Serving, 'watch'>): string[] =>
  isPlain(repositoryKey) ? ['*'] : watch;

/** On this disk, and on no forge. */
export const isPlain = (repositoryKey: string): boolean => repositoryKey.startsWith('git:');

/** Whether builds of this change go to this backend. */
export const servesChange = (backend: Omit<ServingBackend, 'name'>, change: ServedChange): boolean =>
  namesChange(backend, change) && (!change.isPrivate || backend.private === true);

function namesChange(backend: Omit<ServingBackend, 'name'>, { repository, branch }: ServedChange): boolean {
  const { repositories, branches } = backend;
  // GitHub's names are equal whatever their case, branches are not.
  const names = repositories?.map((glob) => glob.toLowerCase());
  return (!names || matchesAny(names, repository.toLowerCase())) && (!branches || matchesAny(branches, branch));
}

/** The names of the backends that start nothing themselves. */
export const observingBackends = ({ backends }: Pick<Serving, 'backends'>): string[] =>
  backends.flatMap(({ name, observes }) => (observes ? [name] : []));

/** The names of the backends that test this change, in the order of the configuration. */
export const backendsFor = ({ backends }: Pick<Serving, 'backends'>, change: ServedChange): string[] =>
  backends.filter((backend) => servesChange(backend, change)).map(({ name }) => name);

/** Why there is none, where there is none. */
export function noBackendWhy({ backends }: Pick<Serving, 'backends'>, change: ServedChange): string {
  const others = change.isPrivate ? backends.filter((backend) => namesChange(backend, change)) : [];
  return others.length > 0 ? messages.noPrivateBackend(others.map(({ name }) => name)) : messages.noBackend;
}
