import { z } from 'zod';

/** GitHub's published schema as far as it is served here (docs.github.com, "GraphQL reference", Pulls). */

/** Fields by type, with the type of what they hold; null: a scalar. */
export const FIELDS: Record<string, Record<string, string | null>> = {
  Query: { node: 'Node' },
  Mutation: {
    enablePullRequestAutoMerge: 'EnablePullRequestAutoMergePayload',
    enqueuePullRequest: 'EnqueuePullRequestPayload',
    dequeuePullRequest: 'DequeuePullRequestPayload',
  },
  Node: { id: null },
  Comment: { id: null, body: null, lastEditedAt: null, editor: 'Actor' },
  IssueComment: { id: null, databaseId: null, body: null, lastEditedAt: null, editor: 'Actor' },
  PullRequest: {
    id: null,
    number: null,
    body: null,
    lastEditedAt: null,
    editor: 'Actor',
    isMergeQueueEnabled: null,
    isInMergeQueue: null,
  },
  Actor: { login: null },
  User: { id: null, login: null, databaseId: null },
  Bot: { id: null, login: null, databaseId: null },
  Mannequin: { id: null, login: null, databaseId: null },
  Organization: { id: null, login: null, databaseId: null },
  MergeQueueEntry: { id: null },
  EnablePullRequestAutoMergePayload: { pullRequest: 'PullRequest', clientMutationId: null },
  EnqueuePullRequestPayload: { mergeQueueEntry: 'MergeQueueEntry', clientMutationId: null },
  DequeuePullRequestPayload: { mergeQueueEntry: 'MergeQueueEntry', clientMutationId: null },
};

/** What an interface stands for. */
export const POSSIBLE: Record<string, string[]> = {
  Node: ['PullRequest', 'IssueComment', 'User', 'Bot', 'Mannequin', 'Organization'],
  Comment: ['PullRequest', 'IssueComment'],
  Actor: ['User', 'Bot', 'Mannequin', 'Organization'],
};

/** Arguments of the fields that take any, with their types. */
export const ARGUMENTS: Record<string, Record<string, string>> = {
  node: { id: 'ID!' },
  enablePullRequestAutoMerge: { input: 'EnablePullRequestAutoMergeInput!' },
  enqueuePullRequest: { input: 'EnqueuePullRequestInput!' },
  dequeuePullRequest: { input: 'DequeuePullRequestInput!' },
};

const id = z.string().min(1);
const oid = z.string().regex(/^[0-9a-f]{40}$/);
const client = { clientMutationId: z.string().optional() };

export const INPUTS = {
  ID: id,
  EnablePullRequestAutoMergeInput: z.strictObject({
    ...client,
    pullRequestId: id,
    mergeMethod: z.enum(['MERGE', 'SQUASH', 'REBASE']).optional(),
    expectedHeadOid: oid.optional(),
    commitHeadline: z.string().optional(),
    commitBody: z.string().optional(),
    authorEmail: z.string().optional(),
  }),
  EnqueuePullRequestInput: z.strictObject({
    ...client,
    pullRequestId: id,
    expectedHeadOid: oid.optional(),
    jump: z.boolean().optional(),
  }),
  DequeuePullRequestInput: z.strictObject({ ...client, id }),
};
