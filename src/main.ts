import { randomBytes } from 'node:crypto';
import { access, constants, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Octokit as PublicOctokit } from '@octokit/rest';
import { monotonicFactory } from 'ulid';
import { type App, type NodeHandler, startApp, WEBHOOK_PATH } from './app.ts';
import { openDiskArchive } from './archive/disk.ts';
import type { Backend } from './backends/backend.ts';
import { EFFECTS_AT_ONCE, startBot } from './bot.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Config, GitHubConfig } from './config/config.ts';
import { parseFlapperFile } from './config/flappers.ts';
import { formatMistake } from './config/mistake.ts';
import { archiveQuery, isArchiveKey } from './core/archive-key.ts';
import type { Budget } from './core/budget.ts';
import { messages } from './core/messages.ts';
import type { RepositoryRef } from './core/model.ts';
import { type Keyring, keyringOf } from './core/secret-box.ts';
import { isServedRepository, type Serving } from './core/serving.ts';
import { sightOf } from './core/sight.ts';
import { type Database, isDatabaseAway, openDatabase } from './database/database.ts';
import { applyMigrations, pendingMigrations } from './database/migrate.ts';
import type { FlapperLists, World } from './effects/effect.ts';
import { openLogTests } from './effects/log-tests.ts';
import { openPlaces } from './effects/places.ts';
import type { Forge } from './forge/forge.ts';
import type { ForgeApp } from './forge/forge-app.ts';
import { openPlainGit } from './forge/git/git.ts';
import { gitHookHandler } from './forge/git/intake.ts';
import { findRepositories, gitDirectoryOf } from './forge/git/repositories.ts';
import { ensureSecret, secretFile } from './forge/git/secret.ts';
import { openGitHubApp } from './forge/github/app.ts';
import { openClient } from './forge/github/client.ts';
import { type GitHubOptions, type Octokit, openGitHub } from './forge/github/github.ts';
import { readBack, receiveDelivery } from './forge/github/intake.ts';
import { openGitHubLogin } from './forge/github/login.ts';
import { webhookHandler } from './forge/github/webhook.ts';
import type { Log } from './log.ts';
import { openBackendHooks, openBackends, servingBackends } from './open-backends.ts';
import { openQueue } from './queue/prisma.ts';
import { CHANNEL } from './queue/rows.ts';
import { startTicker } from './queue/ticker.ts';
import { startPlainServer } from './server.ts';
import type { LoginOptions } from './site/login.ts';
import { createMetrics } from './site/metrics.ts';
import { createSite, siteHandler } from './site/routes.ts';
import { openGit } from './sources/git.ts';
import { openSources } from './sources/index.ts';
import { openLookups, openStore } from './store/prisma.ts';
import { createPrismaReaders } from './store/prisma-reader.ts';
import { openRetentionStore } from './store/prisma-retention.ts';
import { openSessions } from './store/prisma-sessions.ts';

/** The composition root: the only file that names an adapter. */

export const VERSION = '0.1.0';
export const migrationsDir = join(import.meta.dirname, '..', 'prisma', 'migrations');

/** What a start needs besides the configuration: the world's clocks and dice, given so that tests can give their own. */
export interface Ports {
  log: Log;
  clock?: Clock;
  random?(): number;
  newId?(): string;
  /** Told by tests and the demo to hurry; rcb.yaml has no key for these. */
  timing?: { leaseMs?: number; idleMs?: number; killGraceMs?: number; effectsAtOnce?: number };
  /** An opened database, which stays the caller's to close. */
  database?: Database;
  /** Shown on the site as the place to play. */
  demoUrl?: string;
  environment?: Record<string, string | undefined>;
}

export interface Rcb {
  port: number;
  publicUrl: string;
  /** Stop taking hooks, let what is under way end for `graceMs`, close everything. Local builds go on. */
  stop(graceMs?: number): Promise<void>;
}

/** Start an instance: everything is open, migrated and listening when this resolves. */
export async function startRcb(config: Config, ports: Ports): Promise<Rcb> {
  const { log } = ports;
  const { github } = config;
  const clock = ports.clock ?? systemClock;
  const newId = ports.newId ?? newIds(monotonicFactory());
  const now = () => clock.now();
  const dataDir = resolve(config.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });

  const database = ports.database ?? (await openDatabase({ url: config.databaseUrl, dataDir, log }));
  const applied = await applyMigrations(database, migrationsDir);
  if (applied.length) log.info({ applied }, `Applied ${applied.length} migrations to the ${database.describe()}`);

  const plain = await findRepositories(config.git);
  for (const { path } of plain) {
    if (!(await gitDirectoryOf(path)))
      log.warn({ path }, `There is no git repository in ${path} (yet); rcb.yaml names it`);
  }
  const hookSecret = plain.length > 0 ? await ensureSecret(secretFile(dataDir)) : undefined;
  const secrets = [...config.secrets(), ...(hookSecret === undefined ? [] : [hookSecret])];
  const archive = await openDiskArchive({ dir: join(dataDir, 'archive'), secrets });
  const sources = await openSources({
    dir: join(dataDir, 'mirrors'),
    archive,
    fetchTimeoutMs: 300_000,
    environment: ports.environment ?? {},
  });
  const random = ports.random ?? Math.random;
  const { killGraceMs } = ports.timing ?? {};
  const backends = await openBackends(config, { dataDir, archive, clock, random, killGraceMs });
  const queue = openQueue(database.prisma, { newId, storeOn: (client) => openStore(client, now) });
  const store = openStore(database.prisma, now);
  const lookups = openLookups(database.prisma);

  const serving: Serving = { ...servingOf(config, backends), git: plain.map(({ key, name }) => ({ key, name })) };
  const isServed = (repository: RepositoryRef) => isServedRepository(repository, serving);
  const telling = { store: lookups, archive, isServed };
  const webhook = webhookHandler({
    path: WEBHOOK_PATH,
    secrets: github?.webhookSecrets ?? [],
    receive: (delivery) => receiveDelivery(delivery, { ...telling, queue, isAway: isDatabaseAway, now }),
    log,
  });
  const gitHook: NodeHandler =
    hookSecret === undefined
      ? async () => false
      : gitHookHandler({ repositories: plain, secret: hookSecret, queue, store, publicUrl: () => publicUrl, now, log });
  const backendHook = await openBackendHooks(config, { queue, archive, now, log });
  // The site's links need the port, which is known once the server listens.
  let site: NodeHandler = async () => false;
  const handler: NodeHandler = async (req, res) =>
    (await gitHook(req, res)) || (await backendHook(req, res)) || site(req, res);
  const { host, port } = config.server;
  const app = github && (await startApp({ github, host, port, webhook, site: handler, log }));
  const server = app ?? (await startPlainServer({ host, port, handler, log }));
  const publicUrl = config.server.isPublicUrlGuessed ? `http://localhost:${server.port}` : config.server.publicUrl;
  const readers = createPrismaReaders(database.prisma, clock);
  const keyring = keyringIn(config);
  const budgets = new Map<string, Budget>();
  site = siteHandler(
    createSite({
      readers,
      archive,
      publicUrl,
      githubUrl: github?.htmlUrl ?? 'https://github.com',
      knownFlappers: config.flappers.known,
      version: VERSION,
      limits: config.limits,
      stacks: config.stacks,
      health: () => health(database, dataDir),
      backends: () => backendStates(backends),
      clock,
      metrics: createMetrics({
        // Whoever scrapes is not logged in.
        measures: async () => readers.seenBy(sightOf(await readers.privates())).measures(),
        budgets: () => [...budgets].map(([installation, { remaining }]) => ({ installation, remaining })),
        archiveUsage: () => archive.usage(),
      }),
      demoUrl: ports.demoUrl,
      ...(keyring && { isArchiveKey: (sha256, query) => isArchiveKey(sha256, query, keyring, now()) }),
      ...(github && loginOf(github, database)),
      press: (event) => queue.push([{ event, source: 'own' }]),
      onError: (error, path) => log.error({ err: error, path }, 'A page could not be shown'),
    }),
  );

  const git = openGit('git', ports.environment ?? {});
  const forges = [openPlainGit({ repositories: plain, git })];
  const atGitHub = github && app && openGitHubBoth(github, app, budgets, now);
  if (atGitHub) forges.push(atGitHub.forge);

  const worker = startBot({
    queue,
    isAway: isDatabaseAway,
    serving,
    world: {
      store,
      serving,
      limits: config.limits,
      submodules: config.submodules,
      flappers: flapperLists(config),
      facts: (keys) => queue.facts(keys),
      deliveries: (ids) => queue.deliveries(ids),
      forge: (repository) => forgeOf(repository.key, forges),
      forgeApp: atGitHub?.app,
      budget: (installation) => budgets.get(installation?.replace(/^github:/, '') ?? ANONYMOUS),
      toldOf: ({ guid, name, body }) => readBack({ id: guid, name, body }, telling),
      backend: (name) => backends.get(name),
      places: openPlaces(ports.timing?.effectsAtOnce ?? EFFECTS_AT_ONCE),
      sources,
      archive,
      logTests: openLogTests(archive),
      retention: { keep: config.retention, store: openRetentionStore(database.prisma) },
      publicUrl,
      archiveUrl: archiveUrls(keyring, publicUrl, now),
      writeSpacingMs: config.limits.writeSpacing,
      now,
    },
    log,
    worker: `${hostname()}:${process.pid}`,
    now,
    newId,
    random,
    ...ports.timing,
  });
  const unlisten = await database.listen(CHANNEL, (table) => worker.wake(table));
  const ticker = startTicker({ queue, sources: pollsOf(config), now, log });
  log.info({ port: server.port, database: database.describe() }, `RCB ${VERSION} is ready: ${publicUrl}`);

  return {
    port: server.port,
    publicUrl,
    async stop(graceMs = 10_000) {
      await ticker.stop();
      await server.stop();
      await worker.stop(graceMs);
      await unlisten();
      for (const backend of backends.values()) await backend.close();
      if (!ports.database) await database.close();
      log.info('RCB has stopped');
    },
  };
}

const servingOf = (config: Config, backends: Map<string, Backend>) => {
  const { owners, watch, policy, stacks } = config;
  const { known, off } = config.flappers;
  const flappers = { known, off };
  return {
    owners,
    watch,
    policy,
    stacks,
    flappers,
    privates: privatesOf(config),
    backends: servingBackends(config, backends),
  };
};

function privatesOf({ github }: Pick<Config, 'github'>): Serving['privates'] {
  if (!github) return { refused: messages.noGitHubApp };
  return 'off' in github.login ? { refused: github.login.off } : 'served';
}

/** Seals sessions and signs addresses; absent where nobody can log in. */
const keyringIn = ({ github }: Pick<Config, 'github'>): Keyring | undefined =>
  github && !('off' in github.login) ? keyringOf(github.login.sessionKeys) : undefined;

const WEEK_MS = 7 * 24 * 3_600_000;

/** Agents cannot log in: what is private they get by a signed address, which is good for as long as a queue may be. */
function archiveUrls(keyring: Keyring | undefined, publicUrl: string, now: () => Date): World['archiveUrl'] {
  return (sha256, isPrivate) => {
    const until = new Date(now().getTime() + WEEK_MS);
    const query = isPrivate && keyring ? archiveQuery(sha256, until, keyring) : '';
    return `${publicUrl}/archive/${sha256}${query}`;
  };
}

const flapperLists = ({ flappers }: Pick<Config, 'flappers'>): FlapperLists => ({
  file: flappers.file,
  parse: (where, bytes) => {
    const list = parseFlapperFile(where, bytes);
    return 'mistakes' in list ? { mistakes: list.mistakes.map(formatMistake) } : list;
  },
});

const HOUR_MS = 3_600_000;

/** Polls of what there is to poll. */
const pollsOf = ({ git, github, poll, backends }: Config) => [
  ...(git.length > 0 ? [{ source: 'git' as const, everyMs: poll.git }] : []),
  ...(github ? [{ source: 'github' as const, everyMs: poll.github }] : []),
  ...(backends.some(({ kind }) => kind === 'azure') ? [{ source: 'azure' as const, everyMs: poll.azure }] : []),
  { source: 'house' as const, everyMs: HOUR_MS },
];

/** Octokit logs in once per installation, and renews its token itself. */
function openGitHubBoth(
  github: GitHubConfig,
  app: App,
  budgets: Map<string, Budget>,
  now: () => Date,
): { forge: Forge; app: ForgeApp } {
  const octokits = new Map<string, Promise<Octokit>>();
  const anonymous = new PublicOctokit({ baseUrl: github.apiUrl, log: silentOctokitLog }) as unknown as Octokit;
  const options: GitHubOptions = {
    octokit: (installation) => {
      if (installation === undefined) return Promise.resolve(anonymous);
      const known = octokits.get(installation) ?? app.asInstallation(installation);
      octokits.set(installation, known);
      return known;
    },
    appOctokit: () => app.asApp(),
    appId: String(github.appId),
    htmlUrl: github.htmlUrl,
    now,
    onBudget: (installation, _, budget) => budgets.set(installation ?? ANONYMOUS, budget),
  };
  // One client: a rest that GitHub asks for is kept by both.
  const client = openClient(options);
  return {
    forge: openGitHub(options, client),
    app: openGitHubApp({ ...options, appOctokit: options.appOctokit! }, client),
  };
}

/** Who people are, the site learns from GitHub; what they may do is asked as for a comment. */
function loginOf(github: GitHubConfig, database: Database): { login: LoginOptions } | { loginOff: string } {
  const { login, apiUrl, htmlUrl } = github;
  if ('off' in login) return { loginOff: login.off };
  const { clientId, clientSecret, sessionKeys } = login;
  const forge = openGitHubLogin({ clientId, clientSecret, apiUrl, htmlUrl });
  const sessions = openSessions(database.prisma);
  return { login: { forge, sessions, keyring: keyringOf(sessionKeys), randomBytes } };
}

const ANONYMOUS = 'anonymous';

/** Our ids are ULIDs in lower case: sortable by time, and safe in file names. */
const newIds = (ulid: () => string) => () => ulid().toLowerCase();

/** A repository's key begins with its forge's name. */
function forgeOf(key: string, forges: Forge[]): Forge {
  const forge = forges.find((each) => key.startsWith(`${each.name}:`));
  if (!forge) throw new Error(`no forge serves ${key}`);
  return forge;
}

async function health(database: Database, dataDir: string) {
  const checks = {
    database: await check(() => database.prisma.$queryRaw`SELECT 1`, `answers: ${database.describe()}`),
    migrations: await check(() => migrationsAreApplied(database), 'all are applied'),
    disk: await check(() => access(dataDir, constants.W_OK), 'the data directory can be written'),
  };
  return { ok: Object.values(checks).every((each) => each.ok), checks };
}

/** Its error names what is missing: a database that another instance has moved on, or back. */
async function migrationsAreApplied(database: Database): Promise<void> {
  const missing = await pendingMigrations(database, migrationsDir);
  if (missing.length > 0) throw new Error(`not applied: ${missing.join(', ')}`);
}

async function check(probe: () => Promise<unknown>, note: string): Promise<{ ok: boolean; note: string }> {
  try {
    await probe();
    return { ok: true, note };
  } catch (error) {
    return { ok: false, note: error instanceof Error ? error.message.split('\n').at(-1)! : String(error) };
  }
}

const backendStates = (backends: Map<string, Backend>) =>
  Promise.all(
    [...backends.values()].map(async (backend) => {
      const { name, kind } = backend;
      return { name, kind, ...(await backend.health()) };
    }),
  );

const silentOctokitLog = { debug() {}, info() {}, warn() {}, error() {} };
