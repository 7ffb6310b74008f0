import type { ReactionTarget } from './effect.ts';
import type { PullRequestSnapshot } from './event.ts';
import type { Run } from './model.ts';
import type { Permission } from './permission.ts';
import type { Policy } from './policy.ts';

/** The shapes of the merge gate: a stored wish, what is known of the world, and what is to be done. */

/** A `{merge on success}`: bound to what its author saw. Ends once, and never opens again. */
export interface MergeRequest {
  id: string;
  /** Of the pull request: `pull-request:github:1#7`. Numbers repeat from repository to repository. */
  subject: string;
  requesterId: string;
  commentId: string;
  /** By `boundHead`. */
  headSha: string | 'unclear';
  /** Short name of the base branch when it was asked. */
  baseRef: string;
  askedAt: Date;
  state: 'open' | 'merged' | 'refused' | 'asked' | 'withdrawn';
  /** The newest call to GitHub to merge, or to queue. */
  call?: MergeCall;
  /** The bases for which a new test was asked, oldest first. */
  retestedBases: string[];
  /** What was already said in words. */
  told: string[];
  /** By `{rcb: cancel}`. */
  cancelledById?: string;
}

export interface MergeCall {
  /** 1 for the first. */
  count: number;
  at: Date;
  outcome: 'under-way' | CallOutcome;
  /** GitHub's own words for what it refused; untrusted text. */
  said?: string;
}

/** What came of it (GitHub REST, "Merge a pull request"). `not-mergeable`: 405. `head-moved`: 409. `forbidden`: 403,
 *  `invalid`: 422. `doubtful`: a 5xx, or no answer; it may have merged. `queued`: GitHub's merge queue has it. */
export type CallOutcome = 'merged' | 'queued' | 'not-mergeable' | 'head-moved' | 'forbidden' | 'invalid' | 'doubtful';

/** Read just now. */
export interface LivePullRequest extends Pick<PullRequestSnapshot, 'state' | 'draft' | 'base'> {
  headSha: string;
  /** null: GitHub has not computed it yet. */
  mergeable: boolean | null;
  /** GitHub's mergeStateStatus in small letters (GraphQL); a word that we do not know is `unknown`. */
  mergeState: 'clean' | 'unstable' | 'has_hooks' | 'blocked' | 'behind' | 'dirty' | 'draft' | 'unknown';
  /** The base branch's merge queue: `queued` when this pull request is in it. */
  queue: 'none' | 'required' | 'queued';
}

/** `asks`: its text still holds the command. `editedById`: the last one who edited it. */
export type CommentNow = 'deleted' | { asks: boolean; editedById?: string };

/** What the base gained between two of its commits, compared with the pull request. */
export interface Overlap {
  from: string;
  to: string;
  /** Files that both sides touched. */
  files: string[];
  /** Repositories whose pins the base changed. */
  pins: string[];
  /** Not so when GitHub cut its list, or `to` does not follow on `from`. */
  isComplete: boolean;
}

/** A pull request that was tested together with this one and comes before it in the stack: this one builds on it.
 *  `wanted`: its own merging is under way. `unwanted`: nobody asked for it, or not any more. */
export interface PartnerGate {
  /** `Raku/nqp#7` */
  name: string;
  state: 'merged' | 'closed' | 'wanted' | 'unwanted';
}

export interface MergeFacts {
  now: Date;
  pullRequest: LivePullRequest | 'gone';
  /** The newest of this subject and head, whatever became of it. */
  run?: Run;
  policy: Pick<Policy, 'merge' | 'stale' | 'optional' | 'flapped'>;
  /** The requester's, asked now. */
  requester: Permission;
  comment: CommentNow;
  overlap?: Overlap;
  partners: PartnerGate[];
  /** Once merged: is the tree that landed the one that was tested? Whoever compares always answers. */
  landed?: 'same' | 'differs' | 'unknown';
}

export type WaitReason =
  | 'call-under-way'
  | 'doubtful'
  | 'in-queue'
  | 'no-run'
  | 'running'
  | 'held'
  | 'retest-starting'
  | 'mergeability'
  | 'blocked'
  | 'partner'
  | 'trying-again';

export type RefuseReason =
  | 'gone'
  | 'closed'
  | 'head-moved'
  | 'base-changed'
  | 'draft'
  | 'conflict'
  | 'comment-edited'
  | 'permission-lost'
  | 'no-jobs'
  | 'failed'
  | 'flapped'
  | 'cancelled'
  | 'base-keeps-moving'
  | 'behind'
  | 'partner-closed'
  | 'left-queue'
  | 'forbidden'
  | 'invalid'
  | 'not-mergeable'
  | 'waited-too-long';

/** `names`: of the jobs, partners, files that the reason is about, or GitHub's own words for it; untrusted text. */
export type MergeDecision =
  | { kind: 'nothing'; because: 'ended' }
  /** Ends the wish: its author is asked to repeat it. */
  | { kind: 'ask'; because: 'head-unclear' }
  /** `lookAgainMs`: at the latest, should nobody tell us that something has changed. */
  | { kind: 'wait'; because: WaitReason; lookAgainMs: number; names?: string[] }
  /** Find out what both sides touched (`overlap`). */
  | { kind: 'compare'; because: 'base-moved'; from: string; to: string }
  /** Find out whether what landed is what was tested (`landed`). */
  | { kind: 'compare-trees'; because: 'merged' }
  /** Once per `baseSha`. */
  | { kind: 'retest'; because: 'base-moved' | 'overlap' | 'overlap-unknown'; baseSha: string; names?: string[] }
  | { kind: 'merge'; because: 'all-passed' | 'base-moved'; sha: string; method: Policy['merge'] }
  /** To the base branch's merge queue, at this sha. */
  | { kind: 'hand-over'; because: 'queue-required'; sha: string }
  /** `takeBack`: out of the queue again. */
  | { kind: 'refuse'; because: RefuseReason; takeBack: boolean; names?: string[] }
  /** As its author wants it: without words. */
  | { kind: 'withdraw'; because: 'comment-deleted' | 'command-removed' | 'cancelled'; takeBack: boolean }
  | { kind: 'done'; because: 'merged' | 'merged-by-others'; landed: NonNullable<MergeFacts['landed']> };

export type MergeDecisionOf<K extends MergeDecision['kind']> = Extract<MergeDecision, { kind: K }>;

/** What stands for a comment's id when the pull request itself asks, in its description. */
export const DESCRIPTION = 'description';

/** Where the answer to a wish is shown as a reaction. */
export const reactionTarget = (commentId: string, number: number): ReactionTarget =>
  commentId === DESCRIPTION ? { kind: 'pull-request', number } : { kind: 'comment', id: commentId };

export const isOpenWish = ({ state }: Pick<MergeRequest, 'state'>): boolean => state === 'open';
