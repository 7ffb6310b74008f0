import type { CheckContent } from '../core/check.ts';
import type { BranchSnapshot, PullRequestSnapshot } from '../core/event.ts';
import type { RepositoryRef } from '../core/model.ts';
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
  ): Promise<PullRequestSnapshot | undefined>;
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
}

export interface BranchList {
  /** Short name, whether there is such a branch or not; '' when the repository has none. */
  defaultBranch: string;
  branches: Head[];
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
