import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistakes } from '../../src/config/mistake.ts';
import { openLog } from '../../src/log.ts';
import { type Rcb, startRcb } from '../../src/main.ts';
import type { NewRepository } from '../standins/github/actions/repositories.ts';
import { type StandInGitHub, startGitHub } from '../standins/github/index.ts';
import { validateRequest } from '../standins/github/validate.ts';
import { type TestDatabase, testDatabase } from './database.ts';
import { until } from './until.ts';

/**
 * The language of stories: a stand-in GitHub, the whole bot, a database of its own, all in one process on loopback.
 * Stories act on GitHub and read what people read: checks on GitHub, and the site's JSON.
 */
export interface WorldOptions {
  /** What rcb.yaml says beside owners and limits; default: one local backend with one slot. */
  yaml?: string;
  env?: Record<string, string>;
  /** The repository of most stories; default `acme/tool`, with a `ci/run` that passes. */
  files?: NewRepository['files'];
  log?: NodeJS.WritableStream;
  /** Judge the bot's requests by GitHub's published schema; what it finds is in `github.invalidRequests`. */
  validate?: boolean;
  /** Sees every request to GitHub's API. */
  onRequest?(method: string, path: string, body: unknown): void;
  timing?: { effectsAtOnce?: number };
  /** The bot is not started yet: `startBot` does. */
  absent?: boolean;
}

/** A run as `/api/runs/:id` shows it: the outside surface, not the code's own type. */
export interface RunJson {
  id: string;
  repository: string;
  change: { kind: string; number?: number; ref: string; sha: string };
  state: string;
  verdict: string | null;
  why?: string;
  trigger: string;
  sources: { repository: string; sha: string; why: string; archive?: { url: string; sha256: string; size: number } }[];
  builds: {
    backend: string;
    state: string;
    jobs: {
      name: string;
      state: string;
      verdict: string | null;
      attempt: number;
      logUrl?: string;
      artifacts: { name: string; url: string; size: number; sha256: string }[];
    }[];
  }[];
  finishedAt?: string;
}

export const REPO = 'acme/tool';

/** An executable file of a repository. */
export const script = (...lines: string[]) => ({
  content: `#!/bin/sh\n${lines.join('\n')}\n`,
  mode: '100755' as const,
});

const LATER = ['poll.', 'merge.inspect'];

export class World {
  readonly github: StandInGitHub;
  database: TestDatabase;
  readonly options: WorldOptions;
  rcb!: Rcb;
  /** Of acme. */
  installationId = 0;

  constructor(github: StandInGitHub, database: TestDatabase, options: WorldOptions) {
    this.github = github;
    this.database = database;
    this.options = options;
  }

  /** Start the bot, or start it again after `stopBot`. */
  async startBot(): Promise<void> {
    const loaded = loadConfig(this.#env(), { read: (path) => (path.endsWith('rcb.yaml') ? this.#yaml() : undefined) });
    if ('mistakes' in loaded) throw new Error(formatMistakes(loaded.mistakes));
    this.rcb = await startRcb(loaded.config, {
      log: openLog(this.options.log ? 'info' : 'silent', this.options.log),
      database: this.database.database,
      environment: { PATH: process.env.PATH },
      timing: { idleMs: 500, leaseMs: 5_000, killGraceMs: 500, ...this.options.timing },
    });
    this.github.deliverTo(`${this.rcb.publicUrl}/api/github/webhooks`);
    this.github.sendBackTo(`${this.rcb.publicUrl}/login/callback`);
  }

  async stopBot(graceMs = 2_000): Promise<void> {
    this.github.deliverTo(undefined);
    await this.rcb.stop(graceMs);
  }

  /** As if it had never been here, on this GitHub. The bot must be stopped. */
  async emptyDatabase(): Promise<void> {
    // Its directory holds the stand-in's repositories.
    this.#former.push(this.database);
    this.database = await testDatabase();
  }

  readonly #former: TestDatabase[] = [];

  #env(): Record<string, string> {
    const { host } = new URL(this.github.origin);
    return {
      APP_ID: String(this.github.appId),
      PRIVATE_KEY: this.github.privateKey,
      WEBHOOK_SECRET: this.github.webhookSecret,
      GHE_HOST: host,
      GHE_PROTOCOL: 'http',
      GITHUB_CLIENT_ID: this.github.client.id,
      GITHUB_CLIENT_SECRET: this.github.client.secret,
      RCB_SESSION_KEY: 'a key for stories, and for nothing else',
      HOST: '127.0.0.1',
      PORT: '0',
      RCB_DATA_DIR: join(this.database.dataDir, 'data'),
      LOG_LEVEL: 'silent',
      ...this.options.env,
    };
  }

  #yaml(): Uint8Array {
    const own = this.options.yaml ?? 'backends: [{ name: local, kind: local, slots: 1, timeout: 60, silence: 60 }]';
    const limits = own.includes('limits:') ? '' : 'limits: { writeSpacing: 0 }\n';
    return Buffer.from(`owners: [acme]\n${limits}${own}\n`);
  }

  async json<T>(path: string): Promise<T> {
    const response = await fetch(new URL(path, this.rcb.publicUrl));
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async text(path: string): Promise<string> {
    const response = await fetch(new URL(path, this.rcb.publicUrl));
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}`);
    return response.text();
  }

  async runs(query = ''): Promise<RunJson[]> {
    return (await this.json<{ runs: RunJson[] }>(`/api/runs${query}`)).runs;
  }

  /** The newest run of a sha, once it is in `state` (default: finished). */
  async run(sha: string, state = 'finished', deadlineMs = 60_000): Promise<RunJson> {
    let seen: RunJson | undefined;
    await until(async () => {
      seen = (await this.runs(`?sha=${sha}`))[0];
      return seen?.state === state;
    }, deadlineMs).catch((error) => {
      throw new Error(`the run of ${sha} did not become ${state}; it is ${JSON.stringify(seen)}`, { cause: error });
    });
    return seen!;
  }

  /** The newest check run of a name at a sha, once it has the status (default: completed). */
  async check(sha: string, name: string, status = 'completed', repo = REPO) {
    const find = () =>
      this.github
        .checkRuns(repo, sha)
        .filter((check) => check.name === name)
        .at(-1);
    await until(async () => find()?.status === status).catch((error) => {
      const all = this.github.checkRuns(repo, sha).map((check) => `${check.name}: ${check.status} ${check.conclusion}`);
      throw new Error(`check ${name} did not become ${status}; there are ${all.join(', ') || 'none'}`, {
        cause: error,
      });
    });
    return find()!;
  }

  /** Nothing is pending or running in the queue but polls, and looks at wishes to merge, whose time has not come. */
  async quiet(deadlineMs = 40_000): Promise<void> {
    await this.github.settled();
    await until(async () => {
      const { prisma } = this.database.database;
      const states = { state: { in: ['pending', 'running'] } };
      const later = {
        state: 'pending',
        dueAt: { gt: new Date() },
        OR: LATER.map((kind) => ({ kind: { startsWith: kind } })),
      };
      const effects = await prisma.effect.count({ where: { ...states, NOT: later } });
      return (await prisma.event.count({ where: states })) + effects === 0;
    }, deadlineMs);
  }

  async stop(): Promise<void> {
    await this.stopBot(500);
    await this.github.stop();
    for (const database of [this.database, ...this.#former]) {
      await database.close();
      await rm(database.dataDir, { recursive: true, force: true, maxRetries: 10 });
    }
  }
}

/** A world with one installation of `acme`, its repository `acme/tool`, and the running bot. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const database = await testDatabase();
  const dir = join(database.dataDir, 'github');
  await mkdir(dir, { recursive: true });
  const github = await startGitHub({
    dir,
    onRequest: (method, path, body) => {
      options.onRequest?.(method, path, body);
      return options.validate ? validateRequest(method, path, body) : [];
    },
  });
  const world = new World(github, database, options);
  await github.createRepository(REPO, { files: options.files ?? { 'ci/run': script('echo all is well') } });
  world.installationId = (await github.createInstallation({ account: 'acme' })).id;
  if (!options.absent) await world.startBot();
  return world;
}
