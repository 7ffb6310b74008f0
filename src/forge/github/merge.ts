import type { RepositoryRef } from '../../core/model.ts';
import { isSha } from '../../core/ref.ts';
import { type Forge, ForgeError, type MergeOutcome, type MergeState } from '../forge.ts';
import type { GitHubClient } from './client.ts';
import { saidBy, statusOf } from './errors.ts';
import { authorOf, githubKey } from './fields.ts';
import { askGraphQL } from './graphql.ts';
import { askIn, callerFor, type FoundRepository, pullQuestion } from './repository.ts';
import { mergeAnswer, mergePullAnswer, queueAnswer, treeAnswer } from './schema.ts';

export type WantedMerge = Parameters<Forge['ensureMerged']>[2];
export type ToldPull = (typeof mergePullAnswer)['_output'];

/** A pull request, with what asking and writing about it needs. */
export interface FoundPull {
  found: FoundRepository;
  pull: ToldPull;
}

export async function readMergeState(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  signal: AbortSignal,
): Promise<MergeState | undefined> {
  const read = await readPull(client, repository, number, signal);
  if (!read) return undefined;
  const { pull } = read;
  const { merged, merge_commit_sha: mergedSha, merged_by: mergedBy } = pull;
  return {
    state: merged ? 'merged' : pull.state,
    draft: pull.draft,
    headSha: pull.head.sha,
    headRepositoryKey: pull.head.repo ? githubKey(pull.head.repo.id) : null,
    base: pull.base,
    mergeable: pull.mergeable,
    mergeState: pull.mergeable_state,
    queue: await readQueue(client, repository, read, signal),
    autoMerge: Boolean(pull.auto_merge),
    // Before it is merged this is GitHub's own trial.
    ...(merged && mergedSha ? { mergedSha } : {}),
    ...(merged && mergedBy ? { mergedBy: personOf(mergedBy) } : {}),
  };
}

function personOf(told: NonNullable<ToldPull['merged_by']>) {
  const { id, login } = authorOf(told);
  return { id, login };
}

/** Never from memory: whether it merges is computed behind the back of the tags. */
export async function readPull(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  signal: AbortSignal,
): Promise<FoundPull | undefined> {
  const questionIn = ({ at, name }: FoundRepository) => ({
    ...pullQuestion(at, number),
    schema: mergePullAnswer,
    about: `${name}#${number}`,
    keep: false,
  });
  const read = await askIn(client, repository, questionIn, signal);
  return read && { found: read.found, pull: read.value };
}

const QUEUE = `query ($id: ID!) {
  node(id: $id) { ... on PullRequest { isMergeQueueEnabled isInMergeQueue } }
}`;

/** REST does not tell. A server that does not know the words has no merge queues. */
export async function readQueue(
  client: GitHubClient,
  repository: RepositoryRef,
  { found, pull }: FoundPull,
  signal: AbortSignal,
): Promise<MergeState['queue']> {
  if (!repository.installation || pull.state === 'closed') return 'none';
  const about = `the merge queue of ${found.name} ${pull.base.ref}`;
  const question = { query: QUEUE, variables: { id: pull.node_id }, schema: queueAnswer, about };
  const answer = await askGraphQL(client, repository, question, signal);
  if (answer.kind === 'refused' || !answer.value.node) return 'none';
  if (answer.value.node.isInMergeQueue) return 'queued';
  return answer.value.node.isMergeQueueEnabled ? 'required' : 'none';
}

export async function ensureMerged(
  client: GitHubClient,
  repository: RepositoryRef,
  number: number,
  wanted: WantedMerge,
  signal: AbortSignal,
): Promise<MergeOutcome> {
  const read = await readPull(client, repository, number, signal);
  if (!read) throw new ForgeError('gone', `${repository.name}#${number} cannot be merged: it is gone`);
  return settledBy(read.pull, wanted.sha) ?? callMerge(client, repository, { number, wanted, at: read.found }, signal);
}

/** What a pull request shows of a merge; undefined: it is neither merged nor moved. */
function settledBy({ merged, head, merge_commit_sha: landed }: ToldPull, sha: string): MergeOutcome | undefined {
  if (head.sha !== sha) {
    return { kind: 'head-moved', why: `Its head ${merged ? 'was merged at' : 'is now'} ${head.sha}` };
  }
  return merged && landed ? { kind: 'merged', sha: landed } : undefined;
}

interface MergeCall {
  number: number;
  wanted: WantedMerge;
  at: FoundRepository;
}

async function callMerge(
  client: GitHubClient,
  repository: RepositoryRef,
  call: MergeCall,
  signal: AbortSignal,
): Promise<MergeOutcome> {
  const { number, wanted, at } = call;
  const question = {
    route: 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge',
    parameters: {
      ...at.at,
      pull_number: number,
      sha: wanted.sha,
      merge_method: wanted.method,
      ...(wanted.title === undefined ? {} : { commit_title: wanted.title }),
      ...(wanted.message === undefined ? {} : { commit_message: wanted.message }),
    },
    schema: mergeAnswer,
    about: `merging ${at.name}#${number}`,
  };
  try {
    const answer = await client.ask(callerFor(repository), question, signal);
    // What can be read and not merged is not for us to merge.
    return answer ? { kind: 'merged', sha: answer.sha } : { kind: 'denied', why: 'Not Found' };
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    return afterFailure(client, repository, call, error, signal);
  }
}

/** Somebody else may have merged it meanwhile, or we ourselves without being told so: that is looked at before anything
 *  is said. A failure to look is the failure of the call. */
async function afterFailure(
  client: GitHubClient,
  repository: RepositoryRef,
  { number, wanted }: MergeCall,
  error: ForgeError,
  signal: AbortSignal,
): Promise<MergeOutcome> {
  const why = saidBy(error);
  if (error.kind === 'rate-limited' || signal.aborted) throw error;
  if (statusOf(error) === 403) return { kind: 'denied', why };
  const read = await readPull(client, repository, number, signal).catch(() => undefined);
  const settled = read && settledBy(read.pull, wanted.sha);
  if (settled) return settled;
  switch (statusOf(error)) {
    case 405:
      return {
        kind: 'not-mergeable',
        why,
        checksPending: CHECKS_PENDING.test(why),
        queueRequired: QUEUE_ONLY.test(why),
      };
    case 409:
      return { kind: 'head-moved', why };
    case 422:
      return { kind: 'refused', why };
    default:
      throw error;
  }
}

/** 405 has many reasons, and GitHub tells them apart by words only: `Required status check "x" is expected.`,
 *  `2 of 3 required status checks are pending.`, `Changes must be made through the merge queue`. */
const CHECKS_PENDING =
  /required status checks? .*\b(is|are|has|have)\b.*\b(expected|pending|queued|in progress|waiting)\b/i;
const QUEUE_ONLY = /merge queue/i;

export async function treeOf(
  client: GitHubClient,
  repository: RepositoryRef,
  sha: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!isSha(sha)) return undefined;
  const questionIn = ({ at, name }: FoundRepository) => ({
    route: 'GET /repos/{owner}/{repo}/git/commits/{commit_sha}',
    parameters: { ...at, commit_sha: sha },
    schema: treeAnswer,
    about: `${name} ${sha}`,
  });
  return (await askIn(client, repository, questionIn, signal))?.value.tree.sha;
}
