import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { appKeys, type Credentials, publicKeyOf, Tokens } from './auth.ts';
import { Driver } from './driver.ts';
import { Faults } from './faults.ts';
import { git, refs, resolveCommit } from './git.ts';
import { Hooks } from './hooks.ts';
import { createLock, type Hub, type RateLimits } from './hub.ts';
import { OAuth } from './oauth.ts';
import { DEFAULT_LIMITS, RateLimiter, type Usage } from './rate-limit.ts';
import { type InvalidRequest, RequestLog, type RequestRecord } from './requests.ts';
import { createGitHubServer } from './server.ts';
import { runJson } from './shapes/check.ts';
import { commentJson } from './shapes/comment.ts';
import { pullJson } from './shapes/pull.ts';
import { type AppRecord, type Clock, isoSeconds, type Permissions, State } from './state.ts';

/**
 * A stand-in for GitHub: its REST API, webhooks, git over HTTP and a few pages, on real bare repositories,
 * for tests and for the demo. Its state lives in memory, only the repositories are on disk.
 */

export type { OpenedPull, PullOptions } from './driver.ts';
export type { ApiFault, HookFaults } from './faults.ts';
export type { Delivery } from './hooks.ts';
export type { Usage } from './rate-limit.ts';
export type { InvalidRequest, RequestRecord } from './requests.ts';

export interface GitHubOptions {
  /** Where the repositories go; should be empty. */
  dir: string;
  /** Default: any free one. */
  port?: number;
  host?: string;
  /** How the server is reached from outside, `http://host:port`; default: its host and port. */
  origin?: string;
  clock?: Clock;
  app?: Partial<AppOptions>;
  /** Where `url` and the URLs in payloads point to: '' as on github.com (default) or '/api/v3'. Both are always served. */
  basePath?: '' | '/api/v3';
  /** Where webhooks go; see also `deliverTo`. */
  webhookUrl?: string;
  limits?: Partial<RateLimits>;
  /** How often `mergeable` is null before it is known; default 1. */
  mergeableNulls?: number;
  /** Judges the requests that come in; what it finds is kept in `invalidRequests` (see validateRequest). */
  onRequest?: (method: string, path: string, body: unknown) => string[];
}

export interface AppOptions {
  id: number;
  slug: string;
  name: string;
  owner: string;
  permissions: Permissions;
  events: string[];
  /** PEM; default: one generated per process. */
  privateKey: string;
  webhookSecret: string;
  homepage: string;
}

const PERMISSIONS: Permissions = {
  checks: 'write',
  contents: 'write',
  issues: 'write',
  pull_requests: 'write',
  metadata: 'read',
  statuses: 'read',
};
const EVENTS = ['check_run', 'check_suite', 'issue_comment', 'pull_request', 'push', 'repository'];

export async function startGitHub(options: GitHubOptions): Promise<StandInGitHub> {
  const dir = resolve(options.dir);
  await mkdir(join(dir, 'repositories'), { recursive: true });
  const hub = createHub({ ...options, dir });
  const faults = new Faults(() => hub.hooks.wake());
  hub.hooks.faults = faults;
  const limiter = new RateLimiter(hub);
  const log = new RequestLog();
  const server = createGitHubServer({ hub, faults, limiter, log, onRequest: options.onRequest });
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((done, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, done);
  });
  hub.origin = options.origin ?? `http://${host}:${(server.address() as AddressInfo).port}`;
  hub.apiUrl = `${hub.origin}${options.basePath ?? ''}`;
  return new StandInGitHub(hub, { server, faults, limiter, log });
}

function createHub(options: GitHubOptions): Hub {
  const clock = options.clock ?? { now: () => new Date() };
  const state = new State();
  const app = createApp(state, clock, options.app ?? {});
  const credentials = createCredentials(app, options.app ?? {});
  return {
    state,
    clock,
    dir: options.dir,
    app,
    credentials,
    tokens: new Tokens(),
    oauth: new OAuth(clock),
    hooks: new Hooks(clock, credentials.webhookSecret, app, options.webhookUrl),
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    mergeableNulls: options.mergeableNulls ?? 1,
    origin: '',
    apiUrl: '',
    exclusively: createLock(),
  };
}

function createApp(state: State, clock: Clock, options: Partial<AppOptions>): AppRecord {
  const slug = options.slug ?? 'rcb';
  return {
    id: options.id ?? 4711,
    slug,
    name: options.name ?? slug,
    owner: state.user(options.owner ?? 'app-owner'),
    bot: state.user(`${slug}[bot]`, 'Bot'),
    createdAt: isoSeconds(clock.now()),
    permissions: options.permissions ?? PERMISSIONS,
    events: options.events ?? EVENTS,
    homepage: options.homepage ?? 'https://example.org/',
  };
}

function createCredentials(app: AppRecord, options: Partial<AppOptions>): Credentials {
  const { privateKey } = options;
  const keys = privateKey ? { privateKey, publicKey: publicKeyOf(privateKey) } : appKeys();
  return { appId: app.id, ...keys, webhookSecret: options.webhookSecret ?? 'stand-in-webhook-secret' };
}

interface Parts {
  server: Server;
  faults: Faults;
  limiter: RateLimiter;
  log: RequestLog;
}

export class StandInGitHub extends Driver {
  readonly faults: Faults;
  readonly #server: Server;
  readonly #limiter: RateLimiter;
  readonly #log: RequestLog;

  constructor(hub: Hub, parts: Parts) {
    super(hub);
    this.faults = parts.faults;
    this.#server = parts.server;
    this.#limiter = parts.limiter;
    this.#log = parts.log;
  }

  /** For octokit's `baseUrl`. */
  get url(): string {
    return this.hub.apiUrl;
  }

  /** For people: pages and git. */
  get origin(): string {
    return this.hub.origin;
  }

  get appId(): number {
    return this.hub.app.id;
  }

  get privateKey(): string {
    return this.hub.credentials.privateKey;
  }

  get webhookSecret(): string {
    return this.hub.credentials.webhookSecret;
  }

  /** Of the App, for logins of its users. */
  get client(): { id: string; secret: string } {
    const { clientId: id, clientSecret: secret } = this.hub.oauth;
    return { id, secret };
  }

  /** Where browsers may be sent back to after a login; undefined: anywhere. */
  sendBackTo(url: string | undefined): void {
    this.hub.oauth.callbackUrl = url;
  }

  /** Who sits before the browser from now on; undefined: the page asks. */
  signIn(login: string | undefined): void {
    this.hub.oauth.signedIn = login === undefined ? undefined : this.hub.state.user(login);
  }

  /** A user does not want the App to know him any more. */
  revokeLogins(login: string): void {
    this.hub.oauth.revokeAllOf(this.hub.state.user(login));
  }

  /** How many logins of a user are good. */
  logins(login: string): number {
    return this.hub.oauth.countOf(this.hub.state.user(login));
  }

  /** A token as the App gets it for a user who logs in. */
  loginToken(login: string): string {
    return this.hub.oauth.grant(this.hub.state.user(login)).access;
  }

  /** The login of the app's bot, `slug[bot]`. */
  get botLogin(): string {
    return this.hub.app.bot.login;
  }

  /** Requests answered so far, oldest first; assign `length = 0` to start anew. */
  get requests(): RequestRecord[] {
    return this.#log.requests;
  }

  get invalidRequests(): InvalidRequest[] {
    return this.#log.invalid;
  }

  /** Rate limits by kind of caller, to be changed by stories. */
  get limits(): RateLimits {
    return this.hub.limits;
  }

  resetRateLimits(): void {
    this.#limiter.reset();
  }

  /** How many requests the API answered, and how many rate-limit points they cost: of one installation, or of everybody. */
  usage(installationId?: number): Usage {
    return this.#limiter.usage(installationId);
  }

  /** Count from now on. */
  resetUsage(): void {
    this.#limiter.resetUsage();
  }

  /** All events so far, whether or not they were delivered. */
  get events(): Hooks['emitted'] {
    return this.hub.hooks.emitted;
  }

  deliveries(): ReturnType<Hooks['deliveries']> {
    return this.hub.hooks.deliveries();
  }

  deliverTo(url: string | undefined): void {
    this.hub.hooks.url = url;
  }

  /** Resolves when nothing is being done or delivered. */
  async settled(): Promise<void> {
    await this.hub.exclusively(async () => undefined);
    await this.hub.hooks.settled();
  }

  /** The clone URL; with a token in it for whoever is named. */
  gitUrl(repo: string, options: { as?: string; token?: string } = {}): string {
    const token = options.token ?? (options.as ? this.userToken(options.as) : undefined);
    const url = new URL(`${this.hub.origin}/${repo}.git`);
    if (token) Object.assign(url, { username: 'x-access-token', password: token });
    return url.href;
  }

  /** The bare repository on disk, for looking into it with git. */
  gitDir(repo: string): string {
    return this.hub.state.repository(repo).dir;
  }

  repositoryId(repo: string): number {
    return this.hub.state.repository(repo).id;
  }

  /** The sha that a branch, tag or ref has. */
  sha(repo: string, ref: string): Promise<string | undefined> {
    return resolveCommit(this.hub.state.repository(repo).dir, ref);
  }

  refs(repo: string, prefix?: string): Promise<Map<string, string>> {
    return refs(this.hub.state.repository(repo).dir, prefix);
  }

  /** Text of a file. */
  async file(repo: string, ref: string, path: string): Promise<string> {
    return (await git(this.gitDir(repo), ['cat-file', 'blob', `${ref}:${path}`])).stdout.toString('utf8');
  }

  /** All check runs at a commit, oldest first, as REST has them, with `actions` and `annotations`. */
  checkRuns(repo: string, sha: string) {
    const repository = this.hub.state.repository(repo);
    return this.hub.state.runsAt(repository.id, sha).map((run) => ({
      ...runJson(this.hub, repository, run),
      actions: structuredClone(run.actions),
      annotations: structuredClone(run.annotations),
    }));
  }

  checkSuites(repo: string, sha: string): { id: number; appId: number }[] {
    const { id } = this.hub.state.repository(repo);
    const suites = [...this.hub.state.suites.values()];
    const here = suites.filter((suite) => suite.repositoryId === id && suite.headSha === sha);
    return here.map((suite) => ({ id: suite.id, appId: suite.app.id }));
  }

  /** A pull request as REST lists it, whether and by whom it was merged, its place in the queue, its reactions. */
  pull(repo: string, number: number) {
    const pull = this.hub.state.pull(repo, number);
    const merged = { merged: pull.mergedAt !== undefined, mergedBy: pull.mergedBy?.login ?? null };
    const reactedBy = pull.reactions.map(({ user, content }) => ({ login: user.login, content }));
    const left = { queued: pull.queuedBy !== undefined, reactedBy };
    return { ...pullJson(this.hub, this.hub.state.repository(repo), pull), ...merged, ...left };
  }

  /** Comments on a pull request, oldest first, with the reactions in full. */
  comments(repo: string, number: number) {
    const repository = this.hub.state.repository(repo);
    const all = [...this.hub.state.comments.values()];
    const here = all.filter((comment) => comment.repositoryId === repository.id && comment.number === number);
    return here.map((comment) => ({
      ...commentJson(this.hub, repository, comment),
      reactedBy: comment.reactions.map(({ user, content }) => ({ login: user.login, content })),
    }));
  }

  async stop(): Promise<void> {
    this.hub.hooks.stop();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.settled();
  }
}
