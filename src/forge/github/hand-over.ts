import { z } from 'zod';
import type { RepositoryRef } from '../../core/model.ts';
import { type Forge, ForgeError, type HandOverRefused } from '../forge.ts';
import type { GitHubClient } from './client.ts';
import { askGraphQL } from './graphql.ts';
import { type FoundPull, readPull, readQueue } from './merge.ts';

/** Pull requests that GitHub itself shall merge: by its auto-merge, or in its merge queue. Only GraphQL can. */

const done = z.unknown();

const ENABLE = `mutation ($input: EnablePullRequestAutoMergeInput!) {
  enablePullRequestAutoMerge(input: $input) { pullRequest { id } }
}`;
const ENQUEUE = `mutation ($input: EnqueuePullRequestInput!) {
  enqueuePullRequest(input: $input) { mergeQueueEntry { id } }
}`;
const DEQUEUE = `mutation ($input: DequeuePullRequestInput!) {
  dequeuePullRequest(input: $input) { mergeQueueEntry { id } }
}`;

export async function enableAutoMerge(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  { sha, method }: Parameters<Forge['enableAutoMerge']>[2],
  signal: AbortSignal,
): Promise<{ kind: 'enabled' } | HandOverRefused> {
  const read = await readPull(client, repository, number, signal);
  if (!read) return GONE;
  const refused = refusedBefore(read, sha);
  if (refused) return refused;
  if (read.pull.auto_merge) return { kind: 'enabled' };
  const input = { pullRequestId: read.pull.node_id, mergeMethod: method.toUpperCase(), expectedHeadOid: sha };
  const why = await mutate(
    client,
    repository,
    { query: ENABLE, input, about: `auto-merge of ${nameOf(read, number)}` },
    signal,
  );
  return why === undefined ? { kind: 'enabled' } : { kind: 'refused', why };
}

export async function ensureQueued(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  sha: string,
  signal: AbortSignal,
): Promise<{ kind: 'queued' } | HandOverRefused> {
  const read = await readPull(client, repository, number, signal);
  if (!read) return GONE;
  const refused = refusedBefore(read, sha);
  if (refused) return refused;
  if ((await readQueue(client, repository, read, signal)) === 'queued') return { kind: 'queued' };
  const input = { pullRequestId: read.pull.node_id, expectedHeadOid: sha };
  const why = await mutate(
    client,
    repository,
    { query: ENQUEUE, input, about: `queueing ${nameOf(read, number)}` },
    signal,
  );
  return why === undefined ? { kind: 'queued' } : { kind: 'refused', why };
}

export async function ensureNotQueued(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  signal: AbortSignal,
): Promise<void> {
  const read = await readPull(client, repository, number, signal);
  if (!read || (await readQueue(client, repository, read, signal)) !== 'queued') return;
  const about = `taking ${nameOf(read, number)} out of the merge queue`;
  const why = await mutate(client, repository, { query: DEQUEUE, input: { id: read.pull.node_id }, about }, signal);
  if (why === undefined) return;
  // It may have left by itself, merged or thrown out, while we asked.
  const now = await readPull(client, repository, number, signal);
  if (now && (await readQueue(client, repository, now, signal)) === 'queued') {
    throw new ForgeError('refused', `${about} failed: GitHub answered "${why}"`);
  }
}

const GONE: HandOverRefused = { kind: 'refused', why: 'It is gone' };

/** What GitHub would refuse anyway, or would do to another head: said without asking. */
function refusedBefore({ pull }: FoundPull, sha: string): HandOverRefused | undefined {
  const { merged, state, head } = pull;
  if (state === 'closed') return { kind: 'refused', why: merged ? 'It is merged already' : 'It is closed' };
  return head.sha === sha ? undefined : { kind: 'refused', why: `Its head is now ${head.sha}` };
}

const nameOf = ({ found }: FoundPull, number: number): string => `${found.name}#${number}`;

/** Why it was refused; undefined: it is done. */
async function mutate(
  client: GitHubClient,
  repository: RepositoryRef,
  { query, input, about }: { query: string; input: Record<string, unknown>; about: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const answer = await askGraphQL(client, repository, { query, variables: { input }, schema: done, about }, signal);
    return answer.kind === 'refused' ? answer.why : undefined;
  } catch (error) {
    if (error instanceof ForgeError && error.kind === 'denied') return error.message;
    throw error;
  }
}
