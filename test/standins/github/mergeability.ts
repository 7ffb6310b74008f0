import { commitTree, mergeTree, resolveCommit, updateRef } from './git.ts';
import type { Hub } from './hub.ts';
import { newestByName } from './shapes/check.ts';
import { emailOf } from './shapes/commit.ts';
import type { MergeView } from './shapes/pull.ts';
import type { Mergeability, Pull, Repository } from './state.ts';

/** GitHub finds out in the background whether a pull request merges; who asks first is told null. */

/** `ask` starts the computation, as asking by number does; without it only what is known is told. */
export async function mergeView(
  hub: Hub,
  repository: Repository,
  pull: Pull,
  options: { ask: boolean },
): Promise<MergeView> {
  if (pull.mergedAt || pull.state === 'closed') return { mergeable: null, state: 'unknown' };
  const known = options.ask ? await ask(hub, repository, pull) : undefined;
  if (!known) return { mergeable: null, state: 'unknown' };
  if (!known.clean) return { mergeable: false, state: 'dirty' };
  pull.mergeCommitSha = known.mergeSha;
  return { mergeable: true, state: pull.draft ? 'draft' : stateOfChecks(hub, repository, pull) };
}

async function ask(hub: Hub, repository: Repository, pull: Pull): Promise<Mergeability | undefined> {
  const base = (await resolveCommit(repository.dir, pull.base.ref)) ?? pull.base.sha;
  const key = `${base}:${pull.head.sha}`;
  if (pull.mergeability?.key !== key) {
    pull.mergeability = { key, asked: 0, result: computeMerge(hub, repository, pull, base) };
    pull.mergeability.result.catch(() => undefined); // Whoever asks next gets the failure.
  }
  pull.mergeability.asked += 1;
  return pull.mergeability.asked > hub.mergeableNulls ? pull.mergeability.result : undefined;
}

async function computeMerge(hub: Hub, repository: Repository, pull: Pull, base: string): Promise<Mergeability> {
  const tree = await mergeTree(repository.dir, base, pull.head.sha);
  if (!tree) return { clean: false };
  const author = { name: pull.author.login, email: emailOf(pull.author) };
  const message = `Merge ${pull.head.sha} into ${base}`;
  const parents = [base, pull.head.sha];
  const mergeSha = await commitTree(repository.dir, { tree, parents, message, author, at: hub.clock.now() });
  await updateRef(repository.dir, `refs/pull/${pull.number}/merge`, mergeSha);
  return { clean: true, tree, mergeSha };
}

/** Names of required checks (of branch protection) that did not pass at this head. */
export function missingChecks(hub: Hub, repository: Repository, pull: Pull): { expected: string[]; failed: string[] } {
  const required = repository.requiredChecks.get(pull.base.ref) ?? [];
  const runs = newestByName(hub.state.runsAt(repository.id, pull.head.sha));
  const statuses = hub.state.statuses.filter((one) => one.repositoryId === repository.id && one.sha === pull.head.sha);
  const verdict = (name: string): string | null => {
    const run = runs.find((one) => one.name === name);
    if (run) return ['success', 'neutral', 'skipped'].includes(run.conclusion ?? '') ? 'passed' : run.conclusion;
    const state = statuses.findLast((one) => one.context === name)?.state;
    if (state === undefined || state === 'pending') return null;
    return state === 'success' ? 'passed' : state;
  };
  return {
    expected: required.filter((name) => verdict(name) === null),
    failed: required.filter((name) => verdict(name) !== null && verdict(name) !== 'passed'),
  };
}

function stateOfChecks(hub: Hub, repository: Repository, pull: Pull): string {
  const { expected, failed } = missingChecks(hub, repository, pull);
  if (expected.length > 0 || failed.length > 0) return 'blocked';
  const runs = newestByName(hub.state.runsAt(repository.id, pull.head.sha));
  const passed = runs.every((run) => ['success', 'neutral', 'skipped'].includes(run.conclusion ?? ''));
  return passed ? 'clean' : 'unstable';
}
