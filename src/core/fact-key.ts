import { createHash } from 'node:crypto';
import type { Branch, PullRequest } from './change.ts';
import type { CommentFacts, PullRequestFacts } from './event.ts';

/**
 * The keys of facts about moving things. A hook and a poll that tell the same fact must make the same key; A, B, and
 * again A must make three. So a key carries the generation of what was known, and a telling of what is known already
 * has the key of the event that told it first.
 */

export function branchFactKey(subject: string, known: Branch | undefined, sha: string | null): string {
  if (known?.toldBy && known.sha === sha) return known.toldBy;
  return `${subject}:${known?.generation ?? 0}:${sha ?? 'deleted'}`;
}

export function pullRequestFactKey(subject: string, known: PullRequest | undefined, told: PullRequestFacts): string {
  if (known?.toldBy && samePullRequest(known, told)) return known.toldBy;
  const { headSha, baseRef, title, state, draft } = told;
  const digest = createHash('sha256')
    .update(JSON.stringify([headSha, baseRef, title, state, draft]))
    .digest('hex');
  return `${subject}:${known?.generation ?? 0}:${digest.slice(0, 24)}`;
}

export const commentFactKey = (
  repositoryKey: string,
  { id, action, updatedAt }: Pick<CommentFacts, 'id' | 'action' | 'updatedAt'>,
): string => `comment:${repositoryKey}:${id}:${action}:${updatedAt}`;

export const samePullRequest = (known: PullRequest, told: PullRequestFacts): boolean =>
  known.headSha === told.headSha &&
  known.baseRef === told.baseRef &&
  known.title === told.title &&
  known.state === told.state &&
  known.draft === told.draft;
