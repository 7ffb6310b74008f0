import { emitPull } from '../events.ts';
import type { Hub } from '../hub.ts';
import type { MergeMethod, Pull, Repository, User } from '../state.ts';
import { mergePull } from './merge.ts';

/** What people and bots leave to GitHub: auto-merge, and the merge queue. */

export async function enableAutoMerge(
  hub: Hub,
  repository: Repository,
  pull: Pull,
  by: User,
  method: MergeMethod,
): Promise<void> {
  pull.autoMerge = { by, method };
  await emitPull(hub, repository, pull, by, 'auto_merge_enabled');
}

export async function enqueue(hub: Hub, repository: Repository, pull: Pull, by: User): Promise<void> {
  pull.queuedBy = by;
  await emitPull(hub, repository, pull, by, 'enqueued');
}

export type LeaveReason = 'MANUAL' | 'CI_FAILURE' | 'MERGE';

export async function dequeue(
  hub: Hub,
  repository: Repository,
  pull: Pull,
  by: User,
  reason: LeaveReason,
): Promise<void> {
  pull.queuedBy = undefined;
  await emitPull(hub, repository, pull, by, 'dequeued', { reason });
}

/** Its turn has come, or its last check has passed: GitHub merges what it was asked to. */
export async function letThrough(hub: Hub, repository: Repository, pull: Pull): Promise<string> {
  const { queuedBy, autoMerge } = pull;
  if (!queuedBy && !autoMerge) throw new Error(`#${pull.number} was not left to GitHub.`);
  const by = queuedBy ?? autoMerge!.by;
  const method = autoMerge?.method ?? 'merge';
  return mergePull(hub, repository, pull, by, { method, fromQueue: queuedBy !== undefined });
}
