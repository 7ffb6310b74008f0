/**
 * What an idle bot costs (`npm run bench:idle`): memory, and statements to the database per minute, embedded and on
 * PostgreSQL. It is `rcb start` as an operator starts it, in a process of its own, with one plain repository that it
 * polls every 10 s (the default) and one local backend. The two run at the same time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import pg from 'pg';
import { createServerDatabase } from '../test/support/database.ts';
import { createGitRepository } from '../test/support/git-repository.ts';
import { until } from '../test/support/until.ts';
import { median, round, say, tell } from './support/figures.ts';
import { serverSettings, serverUrl } from './support/server.ts';

const root = join(import.meta.dirname, '..');
/** What the start left behind (the first poll, its run) is over by then. */
const SETTLE_MS = 8_000;
const WINDOW_MS = 30_000;
const SAMPLE_MS = 1_000;
const START_MS = 30_000;
const MB = 1_000_000;

interface Bot {
  child: ChildProcess;
  statements(): number;
  stop(): Promise<void>;
}

const postgres = await serverSettings(serverUrl());
const directory = await mkdtemp(join(tmpdir(), 'rcb-bench-idle-'));
const repository = await createGitRepository();
const database = await createServerDatabase(serverUrl());
const bots: Bot[] = [];
try {
  await repository.commit({ 'read.me': 'nothing to run here' });
  bots.push(await startBot('embedded'), await startBot('postgresql', database.url));
  await pause(SETTLE_MS);
  const [embedded, onServer] = await Promise.all([observe(bots[0]!), observe(bots[1]!, database.url)]);
  tell('idle', { embedded, postgresql: onServer, windowSeconds: WINDOW_MS / 1_000, pollSeconds: 10, postgres });
} finally {
  for (const bot of bots) await bot.stop();
  await database.drop();
  await repository.remove();
  await rm(directory, { recursive: true, force: true });
}

async function startBot(name: string, databaseUrl?: string): Promise<Bot> {
  const own = join(directory, name);
  await mkdir(own);
  const config = join(own, 'rcb.yaml');
  const git = `git: [ ${JSON.stringify(repository.path)} ]`;
  await writeFile(config, `${git}\nbackends: [{ name: local, kind: local, slots: 1 }]\n`);
  const preload = join(import.meta.dirname, 'support', 'statements.ts');
  const child = spawn(process.execPath, ['--import', preload, join(root, 'src', 'cli.ts'), 'start'], {
    cwd: own,
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: '0',
      RCB_DATA_DIR: join(own, 'data'),
      RCB_CONFIG: config,
      ...(databaseUrl && { DATABASE_URL: databaseUrl }),
    },
  });
  let said = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    said = `${said}${text}`.slice(-20_000);
  });
  let statements = 0;
  (child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
    statements = Number(text.trimEnd().split('\n').at(-1));
  });
  const stop = async () => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  try {
    await until(() => {
      if (child.exitCode !== null) throw new Error(`The bot ended with ${child.exitCode}: ${said}`);
      return said.includes('is ready');
    }, START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { child, statements: () => statements, stop };
}

async function observe(bot: Bot, databaseUrl?: string) {
  const client = databaseUrl === undefined ? undefined : new pg.Client({ connectionString: databaseUrl });
  await client?.connect();
  try {
    const commitsBefore = client && (await commits(client));
    const before = bot.statements();
    const samples: number[] = [];
    const begun = performance.now();
    while (performance.now() - begun < WINDOW_MS) {
      samples.push(await memoryOf(bot.child.pid!));
      await pause(SAMPLE_MS);
    }
    const minutes = (performance.now() - begun) / 60_000;
    const statements = (bot.statements() - before) / minutes;
    say(`${databaseUrl ? 'postgresql' : 'embedded'}: ${samples.map((each) => round(each / MB)).join(' ')} MB`);
    return {
      memoryMB: round(median(samples) / MB),
      peakMemoryMB: round(Math.max(...samples) / MB),
      statementsPerMinute: round(statements),
      ...(client && { commitsPerMinute: round(((await commits(client)) - commitsBefore!) / minutes) }),
    };
  } finally {
    await client?.end();
  }
}

/** The server's own count, as a check on ours: transactions of all sessions on this database, our few questions included. */
async function commits(client: pg.Client): Promise<number> {
  const { rows } = await client.query(
    'SELECT xact_commit::int AS commits FROM pg_stat_database WHERE datname = current_database()',
  );
  return rows[0].commits;
}

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** The window is a measure of time: there is nothing else to wait for. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
