import type { Blob } from '../archive/archive.ts';

/**
 * PORT. From a forge's repositories to source archives: bare mirrors, and deterministic tarballs of commits in them.
 *
 * A mirror is named by the repository's key, so a rename does not lose it. Work on one mirror is serialised in the
 * process, and across processes by the effect's lane.
 */
export interface Sources {
  /** Make sure that the mirror holds `sha`: fetch when it does not, its own ref first, then the sha itself. */
  ensureCommit(remote: Remote, wanted: WantedCommit, signal: AbortSignal): Promise<CommitFacts>;
  /** Pack the commit's tree as a .tar.gz into the archive. The same commit and options always give the same tar. */
  pack(remote: Remote, sha: string, options: PackOptions, signal: AbortSignal): Promise<PackedSource>;
}

/** Where a repository is fetched from. `authorization` is an HTTP header's value, used for this fetch only, never written
 *  to disk, argument lists or logs. */
export interface Remote {
  /** Stable name of the repository: `github:123`. */
  key: string;
  /** `owner/name`, for messages. */
  name: string;
  url: string;
  authorization?: string;
}

export interface WantedCommit {
  sha: string;
  /** Where it is expected: `refs/heads/main`, `refs/pull/7/head`. */
  ref?: string;
}

export interface CommitFacts {
  sha: string;
  tree: string;
  /** Committer's time. */
  committedAt: Date;
  /** First line of the message. */
  title: string;
  authorName: string;
}

export interface PackOptions {
  /** The one directory at the top of the tar: `name-VERSION`. */
  topDirectory: string;
  /** Globs of paths to leave out, as the repository's release scripts do. Default: every tracked file is in. */
  omit?: string[];
  maxBytes?: number;
}

export interface PackedSource extends Blob {
  /** The archive's identity: sha256 of the tar before compression, in hex. */
  tarSha256: string;
  tarSize: number;
  files: number;
}

export type SourceErrorKind =
  | 'repository-gone'
  | 'commit-missing'
  | 'unreachable'
  | 'denied'
  | 'bad-tree'
  | 'too-large'
  | 'full';

/** `retry`: asking again later could help. */
export class SourceError extends Error {
  readonly kind: SourceErrorKind;
  readonly retry: boolean;
  constructor(kind: SourceErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'SourceError';
    this.kind = kind;
    this.retry = kind === 'unreachable' || kind === 'full';
  }
}
