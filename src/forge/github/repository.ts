import type { RepositoryRef } from '../../core/model.ts';
import type { GitHubClient, Question } from './client.ts';
import { foreignId, githubKey } from './fields.ts';
import { repositoryAnswer } from './schema.ts';

/** Where a repository is now, and what it says of itself. */
export interface FoundRepository {
  name: string;
  /** Its name in the parameters of a route. */
  at: { owner: string; repo: string };
  defaultBranch: string;
  private: boolean;
}

/** By id and not by name: after a rename somebody else's repository may have the name. */
export async function findRepository(
  client: GitHubClient,
  repository: RepositoryRef,
  signal: AbortSignal,
): Promise<FoundRepository | undefined> {
  const question = {
    route: 'GET /repositories/{id}',
    parameters: { id: foreignId(repository.key) },
    schema: repositoryAnswer,
    about: repository.name,
  };
  const facts = await client.ask(callerFor(repository), question, signal);
  if (!facts) return undefined;
  const { full_name: name, default_branch: defaultBranch } = facts;
  return { name, at: splitName(name), defaultBranch, private: facts.private };
}

/** Ask about something in a repository; undefined: it, or the repository, is not there. */
export async function askIn<T>(
  client: GitHubClient,
  repository: RepositoryRef,
  questionIn: (found: FoundRepository) => Question<T>,
  signal: AbortSignal,
): Promise<{ found: FoundRepository; value: T } | undefined> {
  const found = await findRepository(client, repository, signal);
  const value = found && (await client.ask(callerFor(repository), questionIn(found), signal));
  return found && value !== undefined ? { found, value } : undefined;
}

/** By the name that people write: anonymously, so that it shows what everybody may see. A former name leads to it. */
export async function repositoryNamed(
  client: GitHubClient,
  name: string,
  signal: AbortSignal,
): Promise<RepositoryRef | undefined> {
  if (!/^[\w-]+\/(?!\.\.?$)[\w.-]+$/.test(name)) return undefined;
  const question = {
    route: 'GET /repos/{owner}/{repo}',
    parameters: splitName(name),
    schema: repositoryAnswer,
    about: name,
  };
  const facts = await client.ask({ installation: undefined }, question, signal);
  return facts && { key: githubKey(facts.id), name: facts.full_name };
}

/** A pull request; what is read of it is the asker's. */
export const pullQuestion = (at: FoundRepository['at'], number: number) => ({
  route: 'GET /repos/{owner}/{repo}/pulls/{pull_number}',
  parameters: { ...at, pull_number: number },
});

export const callerFor = ({ installation }: RepositoryRef) => ({ installation });

export function splitName(name: string): FoundRepository['at'] {
  const [owner = '', repo = ''] = name.split('/');
  return { owner, repo };
}
