import { dequeue, enableAutoMerge, enqueue } from '../actions/hand-over.ts';
import type { Hub } from '../hub.ts';
import { mergeView } from '../mergeability.ts';
import type { MergeMethod, Pull, Repository, User } from '../state.ts';

export class GraphQLError extends Error {
  override name = 'GraphQLError';
  readonly type: 'NOT_FOUND' | 'UNPROCESSABLE' | 'FORBIDDEN';

  constructor(type: GraphQLError['type'], message: string) {
    super(message);
    this.type = type;
  }
}

export interface Mutation {
  repository: Repository;
  pull: Pull;
  by: User;
  input: Record<string, string>;
}

const unprocessable = (message: string) => new GraphQLError('UNPROCESSABLE', message);

function refuseOtherHead({ pull, input }: Mutation): void {
  const { expectedHeadOid } = input;
  if (expectedHeadOid && expectedHeadOid !== pull.head.sha) throw unprocessable('Head branch was modified.');
  if (pull.state === 'closed') throw unprocessable('Pull request is closed');
}

/** With GitHub's words where they are known. */
export const MUTATIONS: Record<string, (hub: Hub, mutation: Mutation) => Promise<void>> = {
  enablePullRequestAutoMerge: async (hub, mutation) => {
    const { repository, pull, by, input } = mutation;
    refuseOtherHead(mutation);
    if (!repository.autoMergeAllowed) throw unprocessable('Auto merge is not allowed for this repository');
    if (!repository.requiredChecks.has(pull.base.ref)) {
      throw unprocessable('Pull request Protected branch rules not configured for this branch');
    }
    await mergeView(hub, repository, pull, { ask: true });
    const { state } = await mergeView(hub, repository, pull, { ask: true });
    if (state === 'clean' || state === 'unstable') {
      throw unprocessable(`Pull request Pull request is in ${state} status`);
    }
    const method = (input['mergeMethod'] ?? 'MERGE').toLowerCase() as MergeMethod;
    await enableAutoMerge(hub, repository, pull, by, method);
  },
  enqueuePullRequest: async (hub, mutation) => {
    const { repository, pull, by } = mutation;
    refuseOtherHead(mutation);
    if (!repository.mergeQueues.has(pull.base.ref)) {
      throw unprocessable('Merge queue is not enabled for the base branch');
    }
    if (pull.draft) throw unprocessable('Pull request is in draft state');
    if (pull.queuedBy) throw unprocessable('Pull request is already in the queue');
    await enqueue(hub, repository, pull, by);
  },
  dequeuePullRequest: async (hub, { repository, pull, by }) => {
    if (!pull.queuedBy) throw unprocessable('Pull request is not in the queue');
    await dequeue(hub, repository, pull, by, 'MANUAL');
  },
};
