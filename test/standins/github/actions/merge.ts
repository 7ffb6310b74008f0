import { join } from 'node:path';
import { emitPull } from '../events.ts';
import { commitTree, mergeTree, rebased, resolveCommit, updateRef } from '../git.ts';
import { log } from '../git-read.ts';
import type { Hub } from '../hub.ts';
import { missingChecks } from '../mergeability.ts';
import { ApiError } from '../rest/errors.ts';
import { emailOf } from '../shapes/commit.ts';
import type { MergeMethod, Pull, Repository, User } from '../state.ts';
import { recordMerge } from './pulls.ts';
import { settlePush } from './push.ts';

export interface MergeOptions {
  method: MergeMethod;
  /** The head that whoever merges has seen. */
  sha?: string;
  title?: string;
  message?: string;
  /** The merge queue itself merges. */
  fromQueue?: boolean;
}

/** Merge for real, or throw what GitHub answers: 405 when it does not merge, 409 when the head has moved. */
export async function mergePull(
  hub: Hub,
  repository: Repository,
  pull: Pull,
  by: User,
  options: MergeOptions,
): Promise<string> {
  refuseUnlessMergeable(hub, repository, pull, options);
  const base = await resolveCommit(repository.dir, `refs/heads/${pull.base.ref}`);
  if (!base) throw new ApiError(405, 'Base branch does not exist');
  const tree = await mergeTree(repository.dir, base, pull.head.sha);
  if (!tree) throw new ApiError(405, 'Pull Request has merge conflicts');
  const after = await MERGES[options.method](hub, repository, pull, by, { base, tree, ...options });
  const ref = `refs/heads/${pull.base.ref}`;
  await updateRef(repository.dir, ref, after);
  recordMerge(hub, pull, by, after);
  await settlePush(hub, repository, by, [{ ref, before: base, after }]);
  await emitPull(hub, repository, pull, by, 'closed');
  return after;
}

function refuseUnlessMergeable(hub: Hub, repository: Repository, pull: Pull, options: MergeOptions): void {
  if (pull.mergedAt || pull.state === 'closed') throw new ApiError(405, 'Pull Request is not mergeable');
  if (options.sha !== undefined && options.sha !== pull.head.sha) {
    throw new ApiError(409, 'Head branch was modified. Review and try the merge again.');
  }
  if (pull.draft) throw new ApiError(405, 'Pull Request is still a draft');
  if (repository.mergeQueues.has(pull.base.ref) && !options.fromQueue) {
    throw new ApiError(405, 'Repository rule violations found\n\nChanges must be made through the merge queue\n\n');
  }
  const { expected, failed } = missingChecks(hub, repository, pull);
  if (failed.length > 0) throw new ApiError(405, `Required status check "${failed[0]}" is failing.`);
  if (expected.length > 0) throw new ApiError(405, `Required status check "${expected[0]}" is expected.`);
}

type Plan = MergeOptions & { base: string; tree: string };
type Merge = (hub: Hub, repository: Repository, pull: Pull, by: User, plan: Plan) => Promise<string>;

const MERGES: Record<MergeOptions['method'], Merge> = { merge, squash, rebase };

function identityOf(user: User) {
  return { name: user.login, email: emailOf(user) };
}

/** GitHub commits merges in the name of who merges, and as itself. */
const WEB_FLOW = { name: 'GitHub', email: 'noreply@github.com' };

function merge(hub: Hub, repository: Repository, pull: Pull, by: User, plan: Plan): Promise<string> {
  const title = plan.title ?? `Merge pull request #${pull.number} from ${pull.head.owner.login}/${pull.head.ref}`;
  return commitTree(repository.dir, {
    tree: plan.tree,
    parents: [plan.base, pull.head.sha],
    message: `${title}\n\n${plan.message ?? pull.title}`,
    author: identityOf(by),
    committer: WEB_FLOW,
    at: hub.clock.now(),
  });
}

async function squash(hub: Hub, repository: Repository, pull: Pull, _by: User, plan: Plan): Promise<string> {
  const commits = await log(repository.dir, ['--reverse', `${plan.base}..${pull.head.sha}`]);
  const body = plan.message ?? commits.map((commit) => `* ${commit.message}`).join('\n\n');
  return commitTree(repository.dir, {
    tree: plan.tree,
    parents: [plan.base],
    message: `${plan.title ?? `${pull.title} (#${pull.number})`}\n\n${body}`,
    author: identityOf(pull.author),
    committer: WEB_FLOW,
    at: hub.clock.now(),
  });
}

async function rebase(hub: Hub, repository: Repository, pull: Pull, _by: User, plan: Plan): Promise<string> {
  const scratch = join(hub.dir, `rebase-${repository.id}-${pull.number}`);
  const done = await rebased(repository.dir, scratch, plan.base, pull.head.sha, WEB_FLOW);
  if (!done) throw new ApiError(405, 'This branch can’t be rebased');
  return done;
}
