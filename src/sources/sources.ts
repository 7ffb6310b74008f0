import type { Blob } from '../archive/archive.ts';

/**
 * PORT. From a forge's repositories to source archives: bare mirrors, what can be read in them, and deterministic
 * tarballs of commits in them.
 *
 * A mirror is named by the repository's key, so a rename does not lose it. Work on one mirror is serialised in the
 * process, and across processes by the effect's lane. Mirrors that lanes do not know (those of submodules) may be
 * fetched by two processes at once: git keeps them whole, and one of the two may be told to try again.
 */
export interface Sources {
  /** Make sure that the mirror holds `sha`: fetch when it does not, its own ref first, then the sha itself. */
  ensureCommit(remote: Remote, wanted: WantedCommit, signal: AbortSignal): Promise<CommitFacts>;
  /** Make sure that the mirror holds head merged with base, as it would land. Two instances make the same commit of it. */
  ensureMerged(remote: Remote, wanted: WantedMerge, signal: AbortSignal): Promise<Merged>;
  /** The commit that a pin names. Tags can move, so the remote is asked; a sha that is here is not asked for again. */
  resolveRevision(remote: Remote, revision: Revision, signal: AbortSignal): Promise<Resolution>;
  /** `git describe --tags --match=MATCH`, from the remote's tags of now; undefined when no such tag leads to the commit. */
  describe(remote: Remote, sha: string, match: string, signal: AbortSignal): Promise<string | undefined>;
  /** A small file of a commit that was fetched. Never asks the remote. */
  readFile(remote: Remote, sha: string, path: string, maxBytes: number, signal: AbortSignal): Promise<FileRead>;
  /** Files that differ between `to` and where it left `from` (their merge base). Both must have been fetched. */
  touchedFiles(remote: Remote, from: string, to: string, signal: AbortSignal): Promise<TouchedFiles>;
  /** Pack the commit's tree as a .tar.gz into the archive. The same commit and options always give the same tar. What was
   *  packed before and is still in the archive is not packed again. Submodules and extra trees are fetched if missing. */
  pack(remote: Remote, sha: string, options: PackOptions, signal: AbortSignal): Promise<PackedSource>;
  /** Forget commits that nobody needs, and repack what stays. Safe beside fetches and packs of any process. */
  tidy(remote: Remote, options: TidyOptions, signal: AbortSignal): Promise<Tidied>;
  /** The same in every mirror of a submodule; what is needed again is fetched again. */
  tidySubmodules(options: TidyOptions, signal: AbortSignal): Promise<Tidied>;
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

/** Both in one repository: a fork's head is `refs/pull/N/head` of the base repository. */
export interface WantedMerge {
  head: WantedCommit;
  base: WantedCommit;
}

/**
 * `head-contains-base`: it is the head itself. `merged`: a commit of the bot's own, with the parents base and head, that
 * is in no remote: an instance with other mirrors makes it again, with the same sha. `conflict`: `files` are the first
 * hundred of `count`; no files when the two have no history in common.
 */
export type Merged =
  | { kind: 'head-contains-base' | 'merged'; sha: string; tree: string }
  | { kind: 'conflict'; files: string[]; count: number };

/** `describe`: `2026.07-9-gd4d8fa314`, of which the sha counts. `sha`: 7 to 64 hex digits. */
export interface Revision {
  kind: 'describe' | 'tag' | 'sha';
  text: string;
}

/** A full sha; or none, and why, in words that can follow "is not found:". */
export type Resolution = { sha: string } | { sha: undefined; why: string };

export type FileRead =
  | { kind: 'file'; bytes: Buffer }
  | { kind: 'missing' }
  | { kind: 'too-large'; size: number }
  | { kind: 'symlink' | 'directory' | 'submodule' };

/** `complete` is false when there were more than can be told. A rename touches both names. */
export interface TouchedFiles {
  files: string[];
  complete: boolean;
}

export interface PackOptions {
  /** The one directory at the top of the tar: `name-VERSION`. */
  topDirectory: string;
  /** Globs of paths to leave out, as the repository's release scripts do. Default: every tracked file is in. An omitted
   *  submodule is not fetched. Extra trees are whole. */
  omit?: string[];
  maxBytes?: number;
  /** Put a file MANIFEST at the top, in place of a tracked one: the path of each file, itself among them, one a line. */
  manifest?: boolean;
  /** Put this line into the file VERSION at the top, in place of a tracked one. */
  version?: string;
  /** Other repositories' trees. What the repository itself has at or below the path gives way. */
  trees?: ExtraTree[];
  /** Put in the submodules' trees, theirs as well. Absent: each is an empty directory. */
  submodules?: SubmoduleRules;
}

export interface ExtraTree extends WantedCommit {
  /** `t/spec` */
  path: string;
  remote: Remote;
}

/**
 * A submodule is fetched without authorization, over https or http, from a public address; a URL that begins with one of
 * `allow`'s (`https://git.corp.example/mirrors/`, `/srv/git/`) may be any that a repository may have.
 */
export interface SubmoduleRules {
  allow: string[];
}

export interface PackedSource extends Blob {
  /** The archive's identity: sha256 of the tar before compression, in hex. */
  tarSha256: string;
  tarSize: number;
  files: number;
  /** What else than the repository's own tree is in it, in the order of the paths. */
  parts?: PackedPart[];
}

/** For those who want to make the same tree by hand. */
export interface PackedPart {
  kind: 'submodule' | 'tree';
  path: string;
  url: string;
  sha: string;
}

export interface TidyOptions {
  /** Commits that somebody refers to: open pull requests, newest runs, kept artifacts, merges of the bot. */
  keep: string[];
  /** A commit that was used in this time stays even so; at least as long as a run may take. */
  unusedForMs: number;
}

/** `busy`: another process is at it. Sizes in bytes on disk. */
export type Tidied = { kind: 'busy' } | { kind: 'tidied'; dropped: number; before: number; after: number };

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
