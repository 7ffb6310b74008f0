import type { Author, RepositoryRef } from '../../core/model.ts';
import type { Permission } from '../../core/permission.ts';
import { ForgeError } from '../forge.ts';
import type { GitHubClient } from './client.ts';
import { statusOf } from './errors.ts';
import { callerFor, type FoundRepository, findRepository } from './repository.ts';
import { accountAnswer, permissionAnswer } from './schema.ts';

/** What a person may do in a repository; who nobody knows, or whom it blocks, may do nothing. */
export async function permissionOf(
  client: GitHubClient,
  repository: RepositoryRef,
  user: Author,
  signal: AbortSignal,
): Promise<Permission> {
  const found = await findRepository(client, repository, signal);
  return found ? permissionIn(client, repository, found, user, signal) : 'none';
}

/** GitHub is asked by login, and people are known by id: who was renamed is asked for by the login of now, and whoever
 *  took the former one gets nothing by it. */
export async function permissionIn(
  client: GitHubClient,
  repository: RepositoryRef,
  found: FoundRepository,
  user: Author,
  signal: AbortSignal,
): Promise<Permission> {
  // Collaborators are told to installations only.
  if (!repository.installation) return 'none';
  const asked = await permissionByLogin(client, repository, found, user, signal);
  if (asked !== undefined) return asked;
  const login = await loginOf(client, repository, user, signal);
  if (login === undefined || login === user.login) return 'none';
  return (await permissionByLogin(client, repository, found, { ...user, login }, signal)) ?? 'none';
}

/** undefined: nobody has the login, or somebody else has. */
async function permissionByLogin(
  client: GitHubClient,
  repository: RepositoryRef,
  { at, name }: FoundRepository,
  { id, login }: Author,
  signal: AbortSignal,
): Promise<Permission | undefined> {
  const question = {
    route: 'GET /repos/{owner}/{repo}/collaborators/{username}/permission',
    parameters: { ...at, username: login },
    schema: permissionAnswer,
    about: `${login} in ${name}`,
  };
  try {
    const answer = await client.ask(callerFor(repository), question, signal);
    return answer?.user?.id === id ? (PERMISSIONS[answer.permission] ?? 'none') : undefined;
  } catch (error) {
    if (error instanceof ForgeError && error.kind === 'denied' && statusOf(error) === 403) return 'none';
    throw error;
  }
}

/** GitHub tells `maintain` as `write` and `triage` as `read` by itself, and finer roles by `role_name`. */
const PERMISSIONS: Record<string, Permission> = {
  admin: 'admin',
  maintain: 'write',
  write: 'write',
  triage: 'read',
  read: 'read',
};

async function loginOf(
  client: GitHubClient,
  repository: RepositoryRef,
  { id, login }: Author,
  signal: AbortSignal,
): Promise<string | undefined> {
  const question = {
    route: 'GET /user/{account_id}',
    parameters: { account_id: id },
    schema: accountAnswer,
    about: `${login}, whose id is ${id}`,
  };
  return (await client.ask(callerFor(repository), question, signal))?.login;
}
