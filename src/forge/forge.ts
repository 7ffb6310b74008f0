import type { CheckContent } from '../core/check.ts';
import type { ReactionTarget } from '../core/effect.ts';
import type { BranchSnapshot, CommentFacts, ListedPullRequest, PullRequestSnapshot } from '../core/event.ts';
import type { LivePullRequest } from '../core/merge-request.ts';
import type { Author, RepositoryRef } from '../core/model.ts';
import type { Permission } from '../core/permission.ts';
import type { Policy } from '../core/policy.ts';
import type { Head } from '../core/poll.ts';
import type { Remote } from '../sources/sources.ts';

/**
 * PORT. Where repositories, pull requests and checks live: GitHub, or plain git repositories on disk.
 *
 * Reads answer live state. Writes are repeatable: each first finds out whether it was done. Verbs throw ForgeError and
 * nothing else; what is not there is `undefined`, not an error.
 */
export interface Forge {
  /** The first part of the keys that it serves: `github`, `git`. */
  readonly name: string;
  /** A branch's live head; `sha: null` when the repository is there and the branch is not. `ref`: `refs/heads/main`.
   *  undefined: the repository is gone, or not for us to read. */
  readBranch(repository: RepositoryRef, ref: string, signal: AbortSignal): Promise<BranchSnapshot | undefined>;
  /** All branches, at one moment or nearly so; undefined as for `readBranch`. */
  listBranches(repository: RepositoryRef, signal: AbortSignal): Promise<BranchList | undefined>;
  /** undefined: there is none, or it is not for us to read; where there are no pull requests, always. */
  readPullRequest(
    repository: RepositoryRef,
    number: number,
    signal: AbortSignal,
  ): Promise<(PullRequestSnapshot & { body: string }) | undefined>;
  /** A repository by its `owner/name`, without an installation; undefined: there is none for us to read. */
  findRepository(name: string, signal: AbortSignal): Promise<RepositoryRef | undefined>;
  /** What a person may do there, asked now; by id: who took over a former login has nothing by it. Who nobody knows, or
   *  is blocked, has none. */
  permissionOf(repository: RepositoryRef, user: Author, signal: AbortSignal): Promise<Permission>;
  /** Newest change first: at least those that changed since then, and the hundred that changed last; without `since` all
   *  that are open. undefined as for `readBranch`. */
  listPullRequests(
    repository: RepositoryRef,
    since: Date | undefined,
    signal: AbortSignal,
  ): Promise<ListedPullRequest[] | undefined>;
  /** Comments on issues and pull requests, newest change first: at least those that changed since, and the hundred that
   *  changed last, as they are now. Of an edit nobody says who made it. undefined as for `readBranch`. */
  listComments(repository: RepositoryRef, since: Date, signal: AbortSignal): Promise<CommentFacts[] | undefined>;
  /** Oldest first: the commits that `to` has and `from` has not, `to` itself the last of them, and at most the newest
   *  100; undefined: one of the two is gone. */
  listCommits(repository: RepositoryRef, from: string, to: string, signal: AbortSignal): Promise<Commit[] | undefined>;
  /** Did a run of ours, of this or an earlier database, end on this commit: is there a completed check named `rcb`? */
  hasVerdict(repository: RepositoryRef, sha: string, signal: AbortSignal): Promise<boolean>;
  /** Where git fetches it from, with what it takes to be let in. */
  remote(repository: RepositoryRef, signal: AbortSignal): Promise<Remote>;
  /** Bring a check run to this content: create it unless it exists under `content.externalId`. A completed check is
   *  never reopened. `known`: the forge's id, if we know it. Answers the forge's id. */
  ensureCheck(
    repository: RepositoryRef,
    content: CheckContent,
    known: string | undefined,
    signal: AbortSignal,
  ): Promise<string>;
  /** A comment as it is now; undefined: it was deleted. */
  readComment(repository: RepositoryRef, id: string, signal: AbortSignal): Promise<CommentSnapshot | undefined>;
  /** The same of what a pull request says of itself: a command may be in there. `id`: of the pull request. */
  readDescription(repository: RepositoryRef, number: number, signal: AbortSignal): Promise<CommentSnapshot | undefined>;
  /** React once; false: there is nothing (any more) to react to. `replaces`: our earlier reaction, which goes away. */
  ensureReaction(
    repository: RepositoryRef,
    target: ReactionTarget,
    reaction: { content: Reaction; replaces?: Reaction },
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Say `text` once under `key`: our App's comment with the key's hidden marker (`markerOf`, which is added here) is left
   *  or brought up to date; without one it is written. Text that is too long is cut. Answers the comment's id. */
  ensureComment(
    repository: RepositoryRef,
    number: number,
    comment: { key: string; text: string },
    signal: AbortSignal,
  ): Promise<string>;
  /** What decides about merging, read now. undefined as for `readPullRequest`. */
  readMergeState(repository: RepositoryRef, number: number, signal: AbortSignal): Promise<MergeState | undefined>;
  /** Merge just this head, unless it is merged. When the call was not answered, what became of it is found out first:
   *  'unreachable' is thrown only while it does not show as merged (it may still do so a moment later; then the next
   *  call answers `merged`). Throws 'gone' when there is no such pull request. */
  ensureMerged(
    repository: RepositoryRef,
    number: number,
    merge: { sha: string; method: Policy['merge']; title?: string; message?: string },
    signal: AbortSignal,
  ): Promise<MergeOutcome>;
  /** Have the forge merge it when all is well by its own rules. Beware: it may then merge what is pushed later, too. */
  enableAutoMerge(
    repository: RepositoryRef,
    number: number,
    merge: { sha: string; method: Policy['merge'] },
    signal: AbortSignal,
  ): Promise<{ kind: 'enabled' } | HandOverRefused>;
  /** Into the base branch's merge queue, at just this head, unless it is in there. */
  ensureQueued(
    repository: RepositoryRef,
    number: number,
    sha: string,
    signal: AbortSignal,
  ): Promise<{ kind: 'queued' } | HandOverRefused>;
  /** Out of the queue again; what is not in there (any more), or gone, is as wanted. */
  ensureNotQueued(repository: RepositoryRef, number: number, signal: AbortSignal): Promise<void>;
  /** The tree of a commit: what landed may be compared with what was tested. undefined: there is no such commit. */
  treeOf(repository: RepositoryRef, sha: string, signal: AbortSignal): Promise<string | undefined>;
}

export type Reaction = 'eyes' | 'rocket' | 'confused';

export interface CommentSnapshot {
  id: string;
  body: string;
  author: Author & { bot: boolean };
  /** ISO 8601. */
  createdAt: string;
  updatedAt: string;
  /** The last one who changed the text after it was written; absent: nobody did. */
  editedBy?: Author;
}

/** As the merge gate takes it, and what became of it. */
export interface MergeState extends LivePullRequest {
  headRepositoryKey: string | null;
  /** The commit in the base branch, once it is merged. */
  mergedSha?: string;
  mergedBy?: Author;
  autoMerge: boolean;
}

/** `why`: in the forge's own words, for people. Untrusted. */
export type MergeOutcome =
  /** `sha`: of the commit in the base branch. */
  | { kind: 'merged'; sha: string }
  /** Its head is, or was when it was merged, another one. */
  | { kind: 'head-moved'; why: string }
  | { kind: 'not-mergeable'; why: string; checksPending: boolean; queueRequired: boolean }
  /** It is not for us to merge there. */
  | { kind: 'denied'; why: string }
  /** The request makes no sense to the forge: the method is switched off. */
  | { kind: 'refused'; why: string };

export interface HandOverRefused {
  kind: 'refused';
  why: string;
}

export type { Permission } from '../core/permission.ts';

export interface BranchList {
  /** Short name, whether there is such a branch or not; '' when the repository has none. */
  defaultBranch: string;
  branches: Head[];
}

export interface Commit {
  sha: string;
  /** First line of the message. */
  title: string;
  author?: Author;
}

export type ForgeErrorKind = 'gone' | 'denied' | 'refused' | 'rate-limited' | 'unreachable' | 'unparsable';

/** `retry`: asking again later could help. `retryAfterMs`: not before that; set when the forge asked for a rest. */
export class ForgeError extends Error {
  readonly kind: ForgeErrorKind;
  readonly retry: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(kind: ForgeErrorKind, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, options);
    this.name = 'ForgeError';
    this.kind = kind;
    this.retry = kind === 'rate-limited' || kind === 'unreachable' || kind === 'unparsable';
    this.retryAfterMs = options.retryAfterMs;
  }
}
