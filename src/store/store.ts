import type { Press } from '../core/button.ts';
import type { Branch, PullRequest } from '../core/change.ts';
import type { MergeDecision, MergeRequest } from '../core/merge-request.ts';
import type { Run } from '../core/model.ts';
import type { ArchiveUse, OutputFacts, RowAge } from '../core/retention.ts';
import type { PrivateRepository } from '../core/sight.ts';
import type { TestReading } from '../core/testlog-kept.ts';

/** PORT. What handlers and effects know: rows as values of `core/`. */
export interface Knowledge {
  branch(subject: string): Promise<Branch | undefined>;
  /** All that is known of a repository's branches, deleted ones too. */
  branches(repositoryKey: string): Promise<Branch[]>;
  pullRequest(subject: string): Promise<PullRequest | undefined>;
  /** Those of a repository that are known, by number; without `numbers` the open ones. */
  pullRequests(repositoryKey: string, numbers?: number[]): Promise<PullRequest[]>;
  /** Those of a repository whose head branch has this name, closed ones too. */
  pullRequestsFrom(repositoryKey: string, headRef: string): Promise<PullRequest[]>;
  run(id: string): Promise<Run | undefined>;
  /** Ids of a repository's runs that have not ended. */
  openRuns(repositoryKey: string): Promise<string[]>;
  /** Did a run of this commit end with a verdict about it (not cancelled, not superseded)? */
  hasVerdict(repositoryKey: string, sha: string): Promise<boolean>;
  /** Runs that have a build at a backend which has not ended; `except` is not counted. */
  countBuilding(except?: string): Promise<number>;
  /** The newest run of a change at this commit, whatever became of it. */
  runOf(subject: string, sha: string): Promise<Run | undefined>;
  /** The newest run of a repository at this commit. */
  runAt(repositoryKey: string, sha: string): Promise<Run | undefined>;
  /** By the backend's id of it. */
  buildAt(backend: string, externalId: string): Promise<{ runId: string; buildId: string } | undefined>;
  /** Whose check this is, by our own id of it. */
  runOfCheck(checkId: string): Promise<Run | undefined>;
  mergeRequest(id: string): Promise<StoredMergeRequest | undefined>;
  /** Of a pull request. */
  mergeRequests(subject: string): Promise<StoredMergeRequest[]>;
  installation(key: string): Promise<Installation | undefined>;
  installations(): Promise<Installation[]>;
  repository(key: string): Promise<Repository | undefined>;
  /** By `owner/name`, whatever its case; one that was renamed away has not the name any more. */
  repositoryByName(name: string): Promise<Repository | undefined>;
  privateRepositories(): Promise<PrivateRepository[]>;
  /** Whether any of these, by their keys, is known to be private. */
  holdPrivate(repositoryKeys: string[]): Promise<boolean>;
  /** Those of these `owner/name`, as they are spelled here, that a private repository has, or had when it was last seen. */
  privateNames(names: string[]): Promise<string[]>;
  /** All that were ever seen through an installation, or, without one, all that are watched. */
  repositories(installation?: string): Promise<Repository[]>;
  /** How far a poll has read. */
  cursor(name: string): Promise<Record<string, unknown> | undefined>;
}

/** PORT. A handler's store, bound to its transaction. It saves only what belongs to the subject of its event. */
export interface Store extends Knowledge {
  saveBranch(branch: Branch): Promise<void>;
  savePullRequest(pullRequest: PullRequest): Promise<void>;
  /** `before`: as it was loaded; absent for a new run. Only rows that differ are written. */
  saveRun(run: Run, before?: Run): Promise<void>;
  saveMergeRequest(request: StoredMergeRequest): Promise<void>;
  /** Those of these runs that there are have this source's word that they are of use, and no others have it (any more). */
  saveKeeps(source: string, runIds: string[]): Promise<void>;
  savePress(press: Press): Promise<void>;
  saveInstallation(installation: Installation): Promise<void>;
  saveRepository(repository: Repository): Promise<void>;
  /** Once for each attempt: told again, nothing changes. Also finds out which failures were flaps. */
  saveTests(reading: TestReading): Promise<void>;
}

/** `requester`: his login, for showing. `decision`: the last one. */
export interface StoredMergeRequest extends MergeRequest {
  requester: string;
  decision?: MergeDecision;
}

export interface Installation {
  key: string;
  account: string;
  accountId: string;
  state: 'active' | 'suspended' | 'deleted';
  served: boolean;
}

export interface Repository {
  key: string;
  name: string;
  defaultBranch?: string;
  private: boolean;
  state: 'watched' | 'refused' | 'removed';
  why?: string;
  installation?: string;
}

/** A page: at most `limit` rows whose ids come after `after`; from the beginning without it. */
export interface Page {
  after?: string;
  limit: number;
}

/** PORT. What retention looks at, in pages by id, and where it notes what it has removed. `before`: only what ended
 *  earlier can be old. */
export interface RetentionStore {
  /** Source archives of which at least one run ended before. These artifacts keep none any more. */
  archives(before: Date, leavingArtifacts: string[], page: Page): Promise<StoredArchive[]>;
  artifacts(before: Date, page: Page): Promise<StoredOutput[]>;
  logs(before: Date, page: Page): Promise<StoredOutput[]>;
  /** The next `limit` events: those among them that still have a payload and could be old; `next` is absent at the end. */
  payloads(before: Date, page: Page): Promise<{ rows: StoredPayload[]; next?: string }>;
  /** Those of these bytes, by their sha256, that something names which does not leave. */
  named(sha256s: string[], leaving: Leaving): Promise<Set<string>>;
  /** How many done effects are old. */
  countEffects(before: Date): Promise<number>;
  archivesRemoved(sha256s: string[], at: Date): Promise<void>;
  artifactsRemoved(ids: string[], at: Date): Promise<void>;
  logsRemoved(ids: string[], at: Date): Promise<void>;
  /** Their keys, and all that is told about them beside the payload, stay. */
  removePayloads(ids: string[]): Promise<void>;
  /** At most `limit`; answers how many went. */
  removeEffects(before: Date, limit: number): Promise<number>;
  /** Logins that began, or were last used, before. */
  removeSessions(begunBefore: Date, usedBefore: Date): Promise<void>;
  /** Repositories that may have a mirror. */
  mirrored(page: Page): Promise<{ key: string; name: string }[]>;
  /** Commits that open pull requests, unfinished runs, and runs whose archives stay refer to, in any repository. */
  neededCommits(): Promise<string[]>;
}

/** Ids of what goes now; of sources the sha256 of their archives. */
export type Leaving = Record<'artifacts' | 'logs' | 'sources' | 'events', string[]>;

/** `id`: its sha256. */
export interface StoredArchive {
  id: string;
  size: number;
  repository: string;
  sha: string;
  uses: ArchiveUse[];
}

/** `id`: the artifact's, or the attempt's. `sha256`: of an artifact. */
export interface StoredOutput extends OutputFacts {
  id: string;
  runId: string;
  /** `local / test`, and of an artifact its own name after it. */
  name: string;
  size: number;
  sha256?: string;
}

/** `size`: about what is stored of it in the row. `rawSha256`: the rest, in the archive. */
export interface StoredPayload extends RowAge {
  id: string;
  key: string;
  size: number;
  rawSha256?: string;
}
