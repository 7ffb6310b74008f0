import type { Branch, PullRequest } from '../core/change.ts';
import type { Run } from '../core/model.ts';

/**
 * PORT. What handlers and effects know: rows as values of `core/`. A handler's store is bound to its transaction.
 * A handler saves only what belongs to the subject of its event.
 */
export interface Store {
  branch(subject: string): Promise<Branch | undefined>;
  /** All that is known of a repository's branches, deleted ones too. */
  branches(repositoryKey: string): Promise<Branch[]>;
  saveBranch(branch: Branch): Promise<void>;
  pullRequest(subject: string): Promise<PullRequest | undefined>;
  savePullRequest(pullRequest: PullRequest): Promise<void>;
  run(id: string): Promise<Run | undefined>;
  /** `before`: as it was loaded; absent for a new run. Only rows that differ are written. */
  saveRun(run: Run, before?: Run): Promise<void>;
  installation(key: string): Promise<Installation | undefined>;
  saveInstallation(installation: Installation): Promise<void>;
  repository(key: string): Promise<Repository | undefined>;
  saveRepository(repository: Repository): Promise<void>;
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
