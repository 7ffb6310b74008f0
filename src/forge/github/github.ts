import type { RepositoryRef } from '../../core/model.ts';
import type { Remote } from '../../sources/sources.ts';
import type { Forge } from '../forge.ts';
import { ensureCheck, hasVerdict } from './checks.ts';
import { type ClientOptions, type GitHubClient, openClient } from './client.ts';
import { ensureComment, readComment, readDescription } from './comments.ts';
import { toForgeError } from './errors.ts';
import { enableAutoMerge, ensureNotQueued, ensureQueued } from './hand-over.ts';
import { listBranches, listComments, listCommits, listPullRequests } from './lists.ts';
import { ensureMerged, readMergeState, treeOf } from './merge.ts';
import { permissionOf } from './permission.ts';
import { ensureReaction } from './reactions.ts';
import { readBranch, readPullRequest } from './reads.ts';
import { callerFor, repositoryNamed } from './repository.ts';

export type { Octokit, OctokitAnswer } from './client.ts';

export interface GitHubOptions extends ClientOptions {
  appId: string;
  /** `https://github.com`, or the GHES's */
  htmlUrl: string;
}

/**
 * GitHub, and GitHub Enterprise Server, through Probot's Octokit. `client`: one that others use as well, so that a rest
 * that GitHub asks for is kept by all.
 */
export function openGitHub(options: GitHubOptions, client: GitHubClient = openClient(options)): Forge {
  const { appId, htmlUrl } = options;
  return {
    name: 'github',
    readBranch: (repository, ref, signal) => readBranch(client, repository, ref, signal),
    listBranches: (repository, signal) => listBranches(client, repository, signal),
    readPullRequest: (repository, number, signal) => readPullRequest(client, repository, number, signal),
    findRepository: (name, signal) => repositoryNamed(client, name, signal),
    permissionOf: (repository, user, signal) => permissionOf(client, repository, user, signal),
    listPullRequests: (repository, since, signal) => listPullRequests(client, repository, since, signal),
    listComments: (repository, since, signal) => listComments(client, repository, since, signal),
    listCommits: (repository, from, to, signal) => listCommits(client, repository, from, to, signal),
    hasVerdict: (repository, sha, signal) => hasVerdict(client, appId, repository, sha, signal),
    remote: (repository) => remote(client, htmlUrl, repository),
    ensureCheck: (repository, content, known, signal) =>
      ensureCheck(client, appId, { repository, content, known }, signal),
    readComment: (repository, id, signal) => readComment(client, repository, id, signal),
    readDescription: (repository, number, signal) => readDescription(client, repository, number, signal),
    ensureReaction: (repository, target, reaction, signal) =>
      ensureReaction(client, repository, target, reaction, signal),
    ensureComment: (repository, number, comment, signal) =>
      ensureComment(client, appId, { repository, number, ...comment }, signal),
    readMergeState: (repository, number, signal) => readMergeState(client, repository, number, signal),
    ensureMerged: (repository, number, merge, signal) => ensureMerged(client, repository, number, merge, signal),
    enableAutoMerge: (repository, number, merge, signal) => enableAutoMerge(client, repository, number, merge, signal),
    ensureQueued: (repository, number, sha, signal) => ensureQueued(client, repository, number, sha, signal),
    ensureNotQueued: (repository, number, signal) => ensureNotQueued(client, repository, number, signal),
    treeOf: (repository, sha, signal) => treeOf(client, repository, sha, signal),
  };
}

async function remote(client: GitHubClient, htmlUrl: string, repository: RepositoryRef): Promise<Remote> {
  const base = { key: repository.key, name: repository.name, url: `${htmlUrl}/${repository.name}.git` };
  if (!repository.installation) return base;
  try {
    const octokit = await client.octokitOf(callerFor(repository));
    const { token } = (await octokit.auth({ type: 'installation' })) as { token: string };
    return { ...base, authorization: `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}` };
  } catch (error) {
    throw toForgeError(error, `Logging in to fetch ${repository.name}`, client.now());
  }
}
