/** What the stand-in GitHub remembers: plain records, looked up by id; names are only an index, for they change. */

export interface Clock {
  now(): Date;
}

export type Role = 'admin' | 'maintain' | 'write' | 'triage' | 'read' | 'none';
export type Access = 'read' | 'write';
export type Permissions = Record<string, Access>;

export interface User {
  id: number;
  login: string;
  type: 'User' | 'Organization' | 'Bot';
}

export interface AppRecord {
  id: number;
  slug: string;
  name: string;
  owner: User;
  bot: User;
  createdAt: string;
  permissions: Permissions;
  events: string[];
  homepage: string;
}

export interface Installation {
  id: number;
  account: User;
  selection: 'all' | 'selected';
  repositoryIds: Set<number>;
  permissions: Permissions;
  suspendedAt?: string;
  suspendedBy?: User;
  createdAt: string;
  updatedAt: string;
}

export interface Repository {
  id: number;
  owner: User;
  name: string;
  defaultBranch: string;
  private: boolean;
  archived: boolean;
  forkOf?: number;
  dir: string;
  createdAt: string;
  updatedAt: string;
  pushedAt: string;
  roles: Map<number, Role>;
  lastNumber: number;
  issues: Map<number, Issue>;
  pulls: Map<number, Pull>;
  requiredChecks: Map<string, string[]>;
  /** Pull requests may be merged by GitHub itself when their checks have passed. */
  autoMergeAllowed: boolean;
  /** Branches into which only a merge queue merges. */
  mergeQueues: Set<string>;
}

export interface Issue {
  id: number;
  number: number;
  title: string;
  body: string | null;
  author: User;
  state: 'open' | 'closed';
  createdAt: string;
  updatedAt: string;
  closedAt?: string;
  edited?: Edited;
  reactions: Reaction[];
}

/** The last one who changed a text after it was written. */
export interface Edited {
  by: User;
  at: string;
}

export interface Pull extends Issue {
  repositoryId: number;
  draft: boolean;
  /** The head's repository may have been deleted since: then it is not found by its id, and is answered as null. */
  head: { repositoryId: number; owner: User; ref: string; sha: string };
  base: { ref: string; sha: string };
  mergedAt?: string;
  mergedBy?: User;
  mergeCommitSha?: string;
  /** GitHub shall merge it when its rules let it through. */
  autoMerge?: { by: User; method: MergeMethod };
  /** In the merge queue of its base, put there by. */
  queuedBy?: User;
  mergeability?: { key: string; asked: number; result: Promise<Mergeability> };
}

export type MergeMethod = 'merge' | 'squash' | 'rebase';

export type Mergeability = { clean: true; tree: string; mergeSha: string } | { clean: false };

export interface Comment {
  id: number;
  repositoryId: number;
  number: number;
  author: User;
  body: string;
  createdAt: string;
  updatedAt: string;
  viaApp?: AppRecord;
  edited?: Edited;
  reactions: Reaction[];
}

export interface Reaction {
  id: number;
  user: User;
  content: string;
  createdAt: string;
}

export type CheckStatus = 'queued' | 'in_progress' | 'completed' | 'waiting' | 'requested' | 'pending';

export interface CheckSuite {
  id: number;
  repositoryId: number;
  app: AppRecord;
  headSha: string;
  headBranch: string | null;
  before: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface CheckRun {
  id: number;
  suite: CheckSuite;
  name: string;
  status: CheckStatus;
  conclusion: string | null;
  externalId: string;
  detailsUrl: string;
  startedAt: string;
  completedAt: string | null;
  output: { title: string | null; summary: string | null; text: string | null };
  annotations: Annotation[];
  actions: { label: string; description: string; identifier: string }[];
}

export interface Annotation {
  path: string;
  start_line: number;
  end_line: number;
  annotation_level: string;
  message: string;
  [more: string]: unknown;
}

export interface CommitStatus {
  id: number;
  repositoryId: number;
  sha: string;
  state: 'error' | 'failure' | 'pending' | 'success';
  context: string;
  description: string | null;
  targetUrl: string | null;
  creator: User;
  createdAt: string;
}

/** Times as GitHub writes them: UTC, whole seconds. */
export function isoSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

export class State {
  readonly users = new Map<string, User>();
  readonly repositories = new Map<number, Repository>();
  readonly formerNames = new Map<string, number>();
  readonly installations = new Map<number, Installation>();
  readonly comments = new Map<number, Comment>();
  readonly suites = new Map<number, CheckSuite>();
  readonly runs = new Map<number, CheckRun>();
  readonly statuses: CommitStatus[] = [];
  #lastId = 1000;

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** The user of this login; made when there is none yet, so that stories can simply name people. */
  user(login: string, type: User['type'] = 'User'): User {
    const known = this.users.get(login.toLowerCase());
    if (known) return known;
    const user: User = { id: this.nextId(), login, type };
    this.users.set(login.toLowerCase(), user);
    return user;
  }

  findRepository(fullName: string): Repository | undefined {
    const wanted = fullName.toLowerCase();
    for (const repository of this.repositories.values()) {
      if (fullNameOf(repository).toLowerCase() === wanted) return repository;
    }
    return undefined;
  }

  /** The repository that once had this name, for redirects. */
  findMoved(fullName: string): Repository | undefined {
    const id = this.formerNames.get(fullName.toLowerCase());
    return id === undefined ? undefined : this.repositories.get(id);
  }

  repository(fullName: string): Repository {
    const found = this.findRepository(fullName);
    if (!found) throw new Error(`The stand-in GitHub has no repository ${fullName}; create it first.`);
    return found;
  }

  pull(fullName: string, number: number): Pull {
    const found = this.repository(fullName).pulls.get(number);
    if (!found) throw new Error(`The stand-in GitHub has no pull request ${fullName}#${number}.`);
    return found;
  }

  /** Open pull requests whose head is this branch of this repository, in whatever repository they were opened. */
  openPullsFrom(repositoryId: number, ref: string): Pull[] {
    return [...this.repositories.values()]
      .flatMap((repository) => [...repository.pulls.values()])
      .filter((pull) => pull.state === 'open' && pull.head.repositoryId === repositoryId && pull.head.ref === ref);
  }

  installationOf(repository: Repository): Installation | undefined {
    return [...this.installations.values()].find((installation) => covers(installation, repository));
  }

  runsOf(suite: CheckSuite): CheckRun[] {
    return [...this.runs.values()].filter((run) => run.suite === suite);
  }

  runsAt(repositoryId: number, sha: string): CheckRun[] {
    return [...this.runs.values()].filter(
      (run) => run.suite.repositoryId === repositoryId && run.suite.headSha === sha,
    );
  }
}

export function fullNameOf(repository: Repository): string {
  return `${repository.owner.login}/${repository.name}`;
}

export function covers(installation: Installation, repository: Repository): boolean {
  if (installation.account.id !== repository.owner.id) return false;
  return installation.selection === 'all' || installation.repositoryIds.has(repository.id);
}

/** Somebody without a role of their own may read what is public, as everybody may. */
export function roleOf(repository: Repository, user: User): Role {
  if (repository.owner.id === user.id) return 'admin';
  return repository.roles.get(user.id) ?? (repository.private ? 'none' : 'read');
}

/** GitHub reports custom and finer roles by the nearest of four words. */
export function permissionOf(role: Role): 'admin' | 'write' | 'read' | 'none' {
  if (role === 'maintain') return 'write';
  return role === 'triage' ? 'read' : role;
}
