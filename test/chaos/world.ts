/** One stand-in GitHub in this process, one database, and instances of the bot in processes of their own. */
import { rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type StandInGitHub, startGitHub } from '../standins/github/index.ts';
import { createServerDatabase, testDatabase } from '../support/database.ts';
import type { RunJson } from '../support/world.ts';
import { AZURE_TOKEN, ChaosAzure } from './azure.ts';
import { type Death, Instance } from './instance.ts';
import { OWNER, Story } from './story.ts';

const LOCAL = '{ name: local, kind: local, slots: 2, timeout: 60, silence: 60, sandbox: plain }';
const yamlWith = (backend: string): string => `owners: [${OWNER}]
poll: { github: 1, azure: 1 }
limits: { writeSpacing: 0, catchUpRunsPerMinute: 1000, building: 20 }
policy: [{ branches: ["*"], test: head }]
backends: [${backend}]
`;

interface OpenedDatabase {
  url: string;
  close(): Promise<void>;
}

export type BackendKind = 'local' | 'azure';

export interface ChaosOptions {
  repositories?: string[];
  /** Default local. */
  backend?: BackendKind;
  /** A PostgreSQL of the story's own; default: the one of RCB_TEST_DATABASE_URL. */
  serverUrl?: string;
}

const open = new Set<ChaosWorld>();

/** For the end of this process, whatever its cause: nothing that was started survives it. */
export function abandonWorlds(): void {
  for (const world of open) world.abandon();
}

export class ChaosWorld {
  readonly github: StandInGitHub;
  readonly story: Story;
  readonly instances: Instance[] = [];
  /** Undefined: builds are local. */
  azure: ChaosAzure | undefined;
  readonly #dir: string;
  readonly #database: OpenedDatabase;

  constructor(parts: { github: StandInGitHub; dir: string; database: OpenedDatabase; repositories: string[] }) {
    this.github = parts.github;
    this.#dir = parts.dir;
    this.#database = parts.database;
    open.add(this);
    this.story = new Story(this.github, parts.repositories, this.#witness);
  }

  /** Start an instance, and wait until it is ready or died at its step. GitHub delivers to the one that started last. */
  async start(death?: Death): Promise<Instance> {
    const instance = new Instance({ dir: this.#dir, env: this.#env(), death });
    this.instances.push(instance);
    if (await instance.ready()) this.deliverTo(instance);
    return instance;
  }

  deliverTo(instance: Instance): void {
    this.github.deliverTo(`http://127.0.0.1:${instance.port}/api/github/webhooks`);
  }

  /** What a dead instance was at is leased for half a minute. That this time has passed is told to the database instead of
   *  waited for: the race (test:race) waits, and proves that leases end. */
  async endLeasesOf({ pid }: Instance): Promise<void> {
    for (const table of ['event', 'effect']) {
      await this.ask(
        `UPDATE ${table} SET lease_until = now() WHERE state = 'running' AND worker LIKE '%:' || $1 AND lease_until > now()`,
        [String(pid)],
      );
    }
    await this.ask(`SELECT pg_notify('rcb_queue', '')`);
  }

  /** A connection of its own each time: the server may have been restarted. */
  async ask<T extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<T[]> {
    const client = new pg.Client({ connectionString: this.#database.url });
    client.on('error', () => undefined); // What was asked is refused as well.
    await client.connect();
    try {
      return (await client.query<T>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** All runs, as the site's JSON lists them, oldest first. */
  async runs(): Promise<RunJson[]> {
    const alive = this.instances.find(({ isAlive, port }) => isAlive && port !== undefined);
    if (!alive) throw new Error('No instance lives that could be asked for its runs.');
    const runs: RunJson[] = [];
    for (let before = ''; ; ) {
      const page = await fetch(`http://127.0.0.1:${alive.port}/api/runs?limit=200${before}`);
      if (!page.ok) throw new Error(`GET /api/runs answered ${page.status}`);
      const { runs: found, next } = (await page.json()) as { runs: RunJson[]; next?: string };
      runs.unshift(...found.reverse());
      if (next === undefined) return runs;
      before = `&before=${next}`;
    }
  }

  /** What a page or a download says. */
  async textAt(path: string): Promise<string> {
    const alive = this.instances.find(({ isAlive, port }) => isAlive && port !== undefined);
    return await (await fetch(`http://127.0.0.1:${alive?.port}${path}`)).text();
  }

  /** How often a build of each run was begun, told by the builds themselves, or by where they are. */
  async buildsBegun(): Promise<Map<string, number>> {
    if (this.azure) return this.azure.begun();
    const begun = new Map<string, number>();
    const lines = (await readFile(this.#witness, 'utf8')).split('\n').filter(Boolean);
    for (const run of lines) begun.set(run, (begun.get(run) ?? 0) + 1);
    return begun;
  }

  logs(): string {
    return this.instances.map(({ log }, index) => `--- instance ${index + 1}\n${log}`).join('\n');
  }

  async stop(): Promise<void> {
    for (const instance of this.instances) await instance.kill();
    await this.#endBuilds();
    await this.azure?.stop();
    await this.github.stop();
    await this.#database.close();
    await rm(this.#dir, { recursive: true, force: true });
    open.delete(this);
  }

  /** Without waiting for anything. Builds end by their timeout. */
  abandon(): void {
    for (const { isAlive, pid } of this.instances) if (isAlive) process.kill(pid, 'SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Builds go on without the bot; those of a story that failed may still run. */
  async #endBuilds(): Promise<void> {
    const builds = join(this.#dir, 'data', 'local', 'local', 'builds');
    for (const name of await readdir(builds).catch((): string[] => [])) {
      for (const file of ['supervisor.json', 'command.json']) {
        const text = await readFile(join(builds, name, file), 'utf8').catch(() => undefined);
        if (text !== undefined) await endProcess((JSON.parse(text) as { pid: number }).pid, join(builds, name));
      }
    }
  }

  get #witness(): string {
    return join(this.#dir, 'witness', 'builds');
  }

  #env(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '/',
      APP_ID: String(this.github.appId),
      PRIVATE_KEY: this.github.privateKey,
      WEBHOOK_SECRET: this.github.webhookSecret,
      GHE_HOST: new URL(this.github.origin).host,
      GHE_PROTOCOL: 'http',
      HOST: '127.0.0.1',
      PORT: '0',
      // The same for every instance that comes after another.
      RCB_PUBLIC_URL: 'http://rcb.test',
      RCB_DATA_DIR: join(this.#dir, 'data'),
      DATABASE_URL: this.#database.url,
      LOG_LEVEL: 'info',
      ...(this.azure && { AZURE_DEVOPS_TOKEN: AZURE_TOKEN, AZURE_HOOK_PASSWORD: 'nobody-is-told' }),
    };
  }
}

/** A world whose story has begun, without an instance of the bot. */
export async function openWorld({
  repositories = [`${OWNER}/tool`],
  serverUrl,
  backend = 'local',
}: ChaosOptions = {}): Promise<ChaosWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-chaos-'));
  await mkdir(join(dir, 'github'));
  await mkdir(join(dir, 'witness'));
  await writeFile(join(dir, 'witness', 'builds'), '');
  // Builds may run as somebody else.
  for (const path of ['', 'witness', 'witness/builds']) await chmod(join(dir, path), 0o777);
  const github = await startGitHub({ dir: join(dir, 'github') });
  const world = new ChaosWorld({ github, dir, database: await openDatabase(serverUrl), repositories });
  if (backend === 'azure') {
    const azure = await ChaosAzure.start((sha) => world.story.howOf(sha));
    world.azure = azure;
    world.story.isBegun = (sha) => azure.isBegun(sha);
  }
  await writeFile(join(dir, 'rcb.yaml'), yamlWith(world.azure?.backend ?? LOCAL));
  await world.story.begin();
  return world;
}

async function openDatabase(serverUrl: string | undefined): Promise<OpenedDatabase> {
  if (serverUrl !== undefined) {
    const { url, drop } = await createServerDatabase(serverUrl);
    return { url, close: drop };
  }
  const { url, close } = await testDatabase();
  return { url: url!, close };
}

/** Only when it is the one that was written down: numbers are given again. */
async function endProcess(pid: number, mark: string): Promise<void> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (!environment.includes(mark) && !words.includes(mark)) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // It ended meanwhile.
  }
}
