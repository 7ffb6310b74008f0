import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  emitInstallation,
  emitInstallationRepositories,
  emitInstallationTarget,
  emitRepository,
  repositoriesOf,
} from '../events.ts';
import { createBare, createFork, type FileValue, resolveCommit, writeCommit } from '../git.ts';
import type { Hub } from '../hub.ts';
import { timestamp } from '../hub.ts';
import { emailOf } from '../shapes/commit.ts';
import { organizationJson, userJson } from '../shapes/repository.ts';
import type { Installation, Repository, User } from '../state.ts';
import { covers, fullNameOf } from '../state.ts';

export interface NewRepository {
  files?: Record<string, FileValue>;
  defaultBranch?: string;
  private?: boolean;
}

export async function createRepository(hub: Hub, fullName: string, options: NewRepository): Promise<Repository> {
  const repository = recordRepository(hub, fullName, options);
  await createBare(repository.dir, repository.defaultBranch);
  await writeCommit(repository.dir, {
    ref: `refs/heads/${repository.defaultBranch}`,
    files: options.files ?? { 'README.md': `# ${repository.name}\n` },
    message: 'Initial commit',
    author: { name: repository.owner.login, email: emailOf(repository.owner) },
    at: hub.clock.now(),
  });
  return adopt(hub, repository);
}

export async function forkRepository(hub: Hub, origin: Repository, user: User): Promise<Repository> {
  const fork = recordRepository(hub, `${user.login}/${origin.name}`, origin);
  fork.forkOf = origin.id;
  await createFork(fork.dir, origin.dir);
  return adopt(hub, fork);
}

function recordRepository(hub: Hub, fullName: string, options: NewRepository): Repository {
  const [owner, name, ...rest] = fullName.split('/');
  if (!owner || !name || rest.length > 0) throw new Error(`"${fullName}" is not owner/name.`);
  if (hub.state.findRepository(fullName)) throw new Error(`The stand-in GitHub has ${fullName} already.`);
  const id = hub.state.nextId();
  const now = timestamp(hub);
  return {
    id,
    owner: hub.state.user(owner, 'Organization'),
    name,
    defaultBranch: options.defaultBranch ?? 'main',
    private: options.private ?? false,
    archived: false,
    dir: join(hub.dir, 'repositories', `${id}.git`),
    createdAt: now,
    updatedAt: now,
    pushedAt: now,
    roles: new Map(),
    lastNumber: 0,
    issues: new Map(),
    pulls: new Map(),
    requiredChecks: new Map(),
    autoMergeAllowed: true,
    mergeQueues: new Set(),
  };
}

/** Only now is it there, and an installation on the whole account covers it from its first moment. */
function adopt(hub: Hub, repository: Repository): Repository {
  hub.state.repositories.set(repository.id, repository);
  hub.state.formerNames.delete(fullNameOf(repository).toLowerCase());
  emitRepository(hub, repository, repository.owner, 'created');
  const installation = hub.state.installationOf(repository);
  if (installation && !installation.suspendedAt) {
    emitInstallationRepositories(hub, installation, repository.owner, { added: [repository], removed: [] });
  }
  return repository;
}

export function renameRepository(hub: Hub, repository: Repository, name: string, by: User): void {
  const from = repository.name;
  hub.state.formerNames.set(fullNameOf(repository).toLowerCase(), repository.id);
  repository.name = name;
  repository.updatedAt = timestamp(hub);
  emitRepository(hub, repository, by, 'renamed', { changes: { repository: { name: { from } } } });
}

/** To another account, under the same name; who was told of it before hears that it is gone, who is told now that it came. */
export function transferRepository(hub: Hub, repository: Repository, to: User): void {
  const from = repository.owner;
  const left = hub.state.installationOf(repository);
  hub.state.formerNames.set(fullNameOf(repository).toLowerCase(), repository.id);
  left?.repositoryIds.delete(repository.id);
  repository.owner = to;
  repository.updatedAt = timestamp(hub);
  hub.state.formerNames.delete(fullNameOf(repository).toLowerCase());
  if (left && !left.suspendedAt) emitInstallationRepositories(hub, left, from, { added: [], removed: [repository] });
  emitRepository(hub, repository, from, 'transferred', {
    changes: { owner: { from: ownerBefore(hub, from) } },
  });
  const joined = hub.state.installationOf(repository);
  if (joined && !joined.suspendedAt)
    emitInstallationRepositories(hub, joined, to, { added: [repository], removed: [] });
}

function ownerBefore(hub: Hub, from: User) {
  return from.type === 'Organization' ? { organization: organizationJson(hub, from) } : { user: userJson(hub, from) };
}

/** Nobody writes to it any more. */
export function archiveRepository(hub: Hub, repository: Repository, archived: boolean): void {
  repository.archived = archived;
  repository.updatedAt = timestamp(hub);
  emitRepository(hub, repository, repository.owner, archived ? 'archived' : 'unarchived');
}

/** Everybody may read it from now on, or only those who have a role in it. */
export function setPrivate(hub: Hub, repository: Repository, isPrivate: boolean): void {
  if (repository.private === isPrivate) return;
  repository.private = isPrivate;
  repository.updatedAt = timestamp(hub);
  emitRepository(hub, repository, repository.owner, isPrivate ? 'privatized' : 'publicized');
}

/** An organisation or a person takes another name; all their repositories are found under the former one, too. */
export function renameAccount(hub: Hub, account: User, login: string): void {
  if (hub.state.users.has(login.toLowerCase())) throw new Error(`The stand-in GitHub has ${login} already.`);
  const from = account.login;
  for (const repository of hub.state.repositories.values()) {
    if (repository.owner === account) hub.state.formerNames.set(fullNameOf(repository).toLowerCase(), repository.id);
  }
  hub.state.users.delete(from.toLowerCase());
  hub.state.users.set(login.toLowerCase(), account);
  account.login = login;
  const installation = [...hub.state.installations.values()].find((each) => each.account === account);
  if (installation) emitInstallationTarget(hub, installation, account, from);
}

export async function deleteRepository(hub: Hub, repository: Repository, by: User): Promise<void> {
  emitRepository(hub, repository, by, 'deleted');
  hub.state.repositories.delete(repository.id);
  for (const installation of hub.state.installations.values()) installation.repositoryIds.delete(repository.id);
  await rm(repository.dir, { recursive: true, force: true });
}

export async function setDefaultBranch(hub: Hub, repository: Repository, branch: string, by: User): Promise<void> {
  if (!(await resolveCommit(repository.dir, `refs/heads/${branch}`))) throw new Error(`There is no branch ${branch}.`);
  const from = repository.defaultBranch;
  repository.defaultBranch = branch;
  emitRepository(hub, repository, by, 'edited', { changes: { default_branch: { from } } });
}

export function createInstallation(hub: Hub, account: User, repositories: Repository[] | undefined): Installation {
  const now = timestamp(hub);
  const installation: Installation = {
    id: hub.state.nextId(),
    account,
    selection: repositories ? 'selected' : 'all',
    repositoryIds: new Set(repositories?.map((repository) => repository.id)),
    permissions: { ...hub.app.permissions },
    createdAt: now,
    updatedAt: now,
  };
  hub.state.installations.set(installation.id, installation);
  emitInstallation(hub, installation, account, 'created');
  return installation;
}

export function deleteInstallation(hub: Hub, installation: Installation, by: User): void {
  emitInstallation(hub, installation, by, 'deleted');
  hub.state.installations.delete(installation.id);
}

export function changeRepositories(
  hub: Hub,
  installation: Installation,
  change: { add?: Repository[]; remove?: Repository[] },
  by: User,
): void {
  if (installation.selection === 'all') {
    installation.repositoryIds = new Set(repositoriesOf(hub, installation).map((repository) => repository.id));
    installation.selection = 'selected';
  }
  const added = (change.add ?? []).filter((repository) => !covers(installation, repository));
  const removed = (change.remove ?? []).filter((repository) => covers(installation, repository));
  for (const repository of added) installation.repositoryIds.add(repository.id);
  for (const repository of removed) installation.repositoryIds.delete(repository.id);
  installation.updatedAt = timestamp(hub);
  if (added.length > 0) emitInstallationRepositories(hub, installation, by, { added, removed: [] });
  if (removed.length > 0) emitInstallationRepositories(hub, installation, by, { added: [], removed });
}
