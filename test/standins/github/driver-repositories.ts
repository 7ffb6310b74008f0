import {
  archiveRepository,
  changeRepositories,
  createInstallation,
  createRepository,
  deleteInstallation,
  deleteRepository,
  forkRepository,
  type NewRepository,
  renameAccount,
  renameRepository,
  setDefaultBranch,
  setPrivate,
  transferRepository,
} from './actions/repositories.ts';
import { suspend } from './auth.ts';
import { emitInstallation } from './events.ts';
import type { Hub } from './hub.ts';
import type { Installation, Permissions, Repository, Role, User } from './state.ts';
import { fullNameOf } from './state.ts';

/** Verbs about who and what exists: people, repositories, installations, roles. */
export class RepositoryDriver {
  protected readonly hub: Hub;

  constructor(hub: Hub) {
    this.hub = hub;
  }

  /** Whoever is named acts; else the owner of the repository. */
  protected person(repository: Repository, login: string | undefined): User {
    return login ? this.hub.state.user(login) : repository.owner;
  }

  createUser(login: string, type: User['type'] = 'User'): { id: number; login: string } {
    return this.hub.state.user(login, type);
  }

  /** A token for git and REST in the name of a user. */
  userToken(login: string): string {
    return this.hub.tokens.issueToUser(this.hub.state.user(login));
  }

  /** A token as the app gets it. */
  installationToken(id: number): string {
    return this.hub.tokens.issue(this.hub.clock, this.#installation(id)).token;
  }

  /** The owner becomes an organisation, unless a user of that name was made before. */
  createRepository(fullName: string, options: NewRepository = {}): Promise<{ id: number; fullName: string }> {
    return this.hub.exclusively(async () => {
      const { id } = await createRepository(this.hub, fullName, options);
      return { id, fullName };
    });
  }

  /** Answers the fork's full name, `user/name`. */
  fork(repo: string, login: string): Promise<string> {
    return this.hub.exclusively(async () => {
      const user = this.hub.state.user(login);
      return fullNameOf(await forkRepository(this.hub, this.hub.state.repository(repo), user));
    });
  }

  async renameRepository(repo: string, name: string, { by }: { by?: string } = {}): Promise<void> {
    await this.hub.exclusively(async () => {
      const repository = this.hub.state.repository(repo);
      renameRepository(this.hub, repository, name, this.person(repository, by));
    });
  }

  /** To another account; answers its full name there. */
  transferRepository(repo: string, to: string): Promise<string> {
    return this.hub.exclusively(async () => {
      const repository = this.hub.state.repository(repo);
      transferRepository(this.hub, repository, this.hub.state.user(to, 'Organization'));
      return fullNameOf(repository);
    });
  }

  /** An organisation or a person takes another name. */
  async renameAccount(login: string, to: string): Promise<void> {
    await this.hub.exclusively(async () => renameAccount(this.hub, this.hub.state.user(login), to));
  }

  async archiveRepository(repo: string, archived = true): Promise<void> {
    await this.hub.exclusively(async () => archiveRepository(this.hub, this.hub.state.repository(repo), archived));
  }

  async setPrivate(repo: string, isPrivate: boolean): Promise<void> {
    await this.hub.exclusively(async () => setPrivate(this.hub, this.hub.state.repository(repo), isPrivate));
  }

  /** Pull requests from a deleted fork stay, with a head that has no repository any more. */
  async deleteRepository(repo: string): Promise<void> {
    const repository = this.hub.state.repository(repo);
    await this.hub.exclusively(() => deleteRepository(this.hub, repository, repository.owner));
  }

  async setDefaultBranch(repo: string, branch: string): Promise<void> {
    const repository = this.hub.state.repository(repo);
    await this.hub.exclusively(() => setDefaultBranch(this.hub, repository, branch, repository.owner));
  }

  /** No merge into this branch before these checks have passed; without checks: unprotect. */
  protectBranch(repo: string, branch: string, requiredChecks: string[]): void {
    const { requiredChecks: protection } = this.hub.state.repository(repo);
    if (requiredChecks.length > 0) protection.set(branch, requiredChecks);
    else protection.delete(branch);
  }

  /** Only a merge queue merges into this branch from now on. */
  requireMergeQueue(repo: string, branch: string, required = true): void {
    const { mergeQueues } = this.hub.state.repository(repo);
    if (required) mergeQueues.add(branch);
    else mergeQueues.delete(branch);
  }

  /** A setting of the repository; it is on unless it is switched off. */
  allowAutoMerge(repo: string, allowed: boolean): void {
    this.hub.state.repository(repo).autoMergeAllowed = allowed;
  }

  setPermission(repo: string, login: string, role: Role): void {
    this.hub.state.repository(repo).roles.set(this.hub.state.user(login).id, role);
  }

  /** Install the app on an account, for all of its repositories or for these (full names). */
  async createInstallation(options: { account: string; repositories?: string[] }): Promise<{ id: number }> {
    return this.hub.exclusively(async () => {
      const account = this.hub.state.user(options.account, 'Organization');
      const repositories = options.repositories?.map((name) => this.hub.state.repository(name));
      return { id: createInstallation(this.hub, account, repositories).id };
    });
  }

  /** What the account's owners let the App do; of its tokens this holds at once. */
  grant(id: number, permissions: Permissions): void {
    const installation = this.#installation(id);
    Object.assign(installation.permissions, permissions);
    emitInstallation(this.hub, installation, installation.account, 'new_permissions_accepted');
  }

  async suspendInstallation(id: number): Promise<void> {
    const installation = this.#installation(id);
    suspend(this.hub, installation, installation.account);
    emitInstallation(this.hub, installation, installation.account, 'suspend');
  }

  async unsuspendInstallation(id: number): Promise<void> {
    const installation = this.#installation(id);
    suspend(this.hub, installation, undefined);
    emitInstallation(this.hub, installation, installation.account, 'unsuspend');
  }

  async deleteInstallation(id: number): Promise<void> {
    const installation = this.#installation(id);
    deleteInstallation(this.hub, installation, installation.account);
  }

  async addRepositories(id: number, repositories: string[]): Promise<void> {
    const add = repositories.map((name) => this.hub.state.repository(name));
    const installation = this.#installation(id);
    changeRepositories(this.hub, installation, { add }, installation.account);
  }

  async removeRepositories(id: number, repositories: string[]): Promise<void> {
    const remove = repositories.map((name) => this.hub.state.repository(name));
    const installation = this.#installation(id);
    changeRepositories(this.hub, installation, { remove }, installation.account);
  }

  #installation(id: number): Installation {
    const found = this.hub.state.installations.get(id);
    if (!found) throw new Error(`The stand-in GitHub has no installation ${id}.`);
    return found;
  }
}
