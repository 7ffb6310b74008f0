import type { Readable } from 'node:stream';
import type { BuildObservation, JobRef } from '../core/build.ts';

export type { BuildObservation, JobObservation, JobRef } from '../core/build.ts';

/**
 * PORT. A CI service that executes builds: `local`, later Azure Pipelines and Open Build Service.
 *
 * Every verb may be called again after a crash, with the same arguments, by another process. Verbs throw BackendError
 * and nothing else. Foreign words stop in the adapter's `schema.ts`: an unknown word becomes verdict `error` that shows
 * the word, never `passed`.
 */
export interface Backend {
  readonly name: string;
  readonly kind: string;
  /** Who answers, as far as its slowness is its own: an organisation, a server. Absent: this machine. */
  readonly host?: string;
  /** How often a build may be looked at, where looking is dear: whoever follows looks once, and comes back. Absent: a look
   *  may wait for news, and costs nothing. */
  readonly followEveryMs?: number;

  /** Start the build unless it was started under this `order.key` before; return the backend's id for it. */
  ensureStarted(order: BuildOrder, signal: AbortSignal): Promise<StartedBuild>;

  /** What the build is like now. May wait up to `options.waitMs` for something to differ from `options.seen` (a digest of
   *  the last observation), and returns at once when something does. A build that the backend does not know (any more)
   *  is `{ state: 'lost' }`: a value, not an error. */
  observe(externalId: string, options: ObserveOptions, signal: AbortSignal): Promise<BuildObservation>;

  /** A job's raw output from byte `from` on, as far as it is there now. */
  readLog(externalId: string, job: JobRef, from: number, signal: AbortSignal): Promise<Readable>;

  /** Files that a finished job left, at most as many and as large as the backend's limits say. */
  listArtifacts(externalId: string, job: JobRef, signal: AbortSignal): Promise<ArtifactRef[]>;
  readArtifact(externalId: string, job: JobRef, name: string, signal: AbortSignal): Promise<Readable>;

  /** Run again what did not pass, within the same build: its job's attempts go on. `after` are the attempts that are not
   *  good enough; when newer ones are there already, nothing is done. Absent: the backend can only start anew. */
  ensureRetried?(externalId: string, after: JobRef[], signal: AbortSignal): Promise<void>;

  /** What a build is given no other build can read: private code may go there without a word of the operator. */
  readonly keepsApart?: boolean;

  /** Builds of this change that others have started, the best first. Only of a backend that starts none itself. */
  findObserved?(wanted: WantedBuild, signal: AbortSignal): Promise<StartedBuild[]>;

  /** A hook or a poll says that the build changed: the next look is a fresh one. */
  expectNews?(externalId: string): void;

  /** Builds that changed since then, or may yet. */
  listChanged?(since: Date, signal: AbortSignal): Promise<ChangedBuild[]>;

  /** Stop the build. Stopping what is finished, stopped or unknown is fine. */
  ensureCancelled(externalId: string, signal: AbortSignal): Promise<void>;

  /** What RCB has archived may go on the backend too (scratch directories). Repeatable. */
  release(externalId: string): Promise<void>;

  /** How long after its end a build that did not pass is not released, because a retry needs what is there. Absent: a retry
   *  needs nothing that `release` takes. */
  readonly keepFailedMs?: number;

  /** Such a build has ended: until a retry comes, or `release`, it costs as little there as it can. Repeatable. */
  rest?(externalId: string): Promise<void>;

  /** Remove what is left there of builds that RCB made, older than `olderThanMs`, which nobody wants any more; answers
   *  their ids. Absent: nothing stays behind. */
  sweep?(options: SweepOptions, signal: AbortSignal): Promise<string[]>;

  /** For the site: can it take builds now? Words for people. */
  health(): Promise<BackendHealth>;
}

export interface BuildOrder {
  /** Unique per attempt of a build: the backend never starts the same key twice. */
  key: string;
  runId: string;
  repository: string;
  /** Which changed: its tree is where the command runs. */
  sources: OrderedSource[];
  /** From outside the repository's own people: never with secrets, never in the plain sandbox. */
  untrusted: boolean;
}

/** A change whose builds were started by others. */
export interface WantedBuild {
  /** `owner/name` */
  repository: string;
  sha: string;
  /** `refs/heads/main` */
  ref?: string;
  pullRequest?: number;
  since: Date;
}

export interface ChangedBuild {
  externalId: string;
  /** What its events are ordered by: `build:azure:acme/123`. */
  subject: string;
  /** Differs when the build does. */
  version: string;
}

export interface OrderedSource {
  /** `owner/name` */
  repository: string;
  changed: boolean;
  sha: string;
  /** Of the .tar.gz, in the archive. */
  sha256: string;
  size: number;
  /** Where an agent may download it. */
  url?: string;
  /** What the sources call themselves: `2026.08-12-gabc1234`. Absent: the sha stands for it. */
  version?: string;
}

export interface StartedBuild {
  externalId: string;
  /** The build's page at the backend, if it has one. */
  url?: string;
}

export interface SweepOptions {
  olderThanMs: number;
  isWanted(externalId: string): Promise<boolean>;
}

export interface ObserveOptions {
  seen?: string;
  waitMs: number;
}

export interface ArtifactRef {
  /** Relative path, forward slashes, no `..`. */
  name: string;
  size: number;
}

export interface BackendHealth {
  ok: boolean;
  /** For people: `2 slots, 1 in use`, `plain process group: trusted repositories only`. */
  note: string;
}

export type BackendErrorKind = 'unreachable' | 'refused' | 'unparsable' | 'busy' | 'misconfigured';

/** `retry`: asking again later could help; by default the kind says so, but credentials that expired are `misconfigured`
 *  and worth a retry, because a person renews them. `retryAfterMs`: not before that. */
export class BackendError extends Error {
  readonly kind: BackendErrorKind;
  readonly retry: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(
    kind: BackendErrorKind,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number; retry?: boolean } = {},
  ) {
    super(message, options);
    this.name = 'BackendError';
    this.kind = kind;
    this.retry = options.retry ?? (kind === 'unreachable' || kind === 'busy' || kind === 'unparsable');
    this.retryAfterMs = options.retryAfterMs;
  }
}
