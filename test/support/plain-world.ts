/** The language of stories about plain git repositories: real repositories, real pushes, real hooks, no GitHub. */
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistakes } from '../../src/config/mistake.ts';
import { openLog } from '../../src/log.ts';
import { type Rcb, startRcb } from '../../src/main.ts';
import { type TestDatabase, testDatabase } from './database.ts';
import { createGitRepository, type GitRepository } from './git-repository.ts';
import { until } from './until.ts';
import type { RunJson } from './world.ts';

export const root = join(import.meta.dirname, '..', '..');

export interface Output {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A program, run to its end. `env` is all that it gets beside PATH. */
export function runProgram(
  program: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string>; input?: string; signal?: AbortSignal } = {},
): Promise<Output> {
  const { promise, resolve, reject } = Promise.withResolvers<Output>();
  const child = spawn(program, args, {
    cwd: options.cwd ?? '/',
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
    timeout: 60_000,
    signal: options.signal,
  });
  child.stdin.on('error', () => {}); // Its exit code tells why it did not read on.
  child.stdin.end(options.input ?? '');
  const output: Output = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output.stderr += text;
  });
  child.once('error', reject);
  child.once('close', (code) => resolve({ ...output, code }));
  return promise;
}

const identity = {
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada Tester',
  GIT_AUTHOR_EMAIL: 'ada@example.test',
  GIT_COMMITTER_NAME: 'Ada Tester',
  GIT_COMMITTER_EMAIL: 'ada@example.test',
  LC_ALL: 'C',
};

/** Somebody's clone: files are written, committed and pushed as people do it. */
export class Clone {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async git(...args: string[]): Promise<Output> {
    const output = await runProgram('git', args, { cwd: this.path, env: identity });
    if (output.code !== 0) throw new Error(`git ${args.join(' ')} failed with ${output.code}: ${output.stderr}`);
    return output;
  }

  /** Answers the sha. Values are executable shell scripts. */
  async commit(scripts: Record<string, string>, message = 'A commit'): Promise<string> {
    for (const [path, text] of Object.entries(scripts)) {
      await mkdir(join(this.path, path, '..'), { recursive: true });
      await writeFile(join(this.path, path), text.startsWith('#!') ? text : `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    }
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--allow-empty', '-m', message);
    return (await this.git('rev-parse', 'HEAD')).stdout.trim();
  }

  /** What the pusher sees. */
  async push(...args: string[]): Promise<string> {
    return (await this.git('push', ...(args.length > 0 ? args : ['origin', 'HEAD']))).stderr;
  }
}

export class PlainWorld {
  readonly database: TestDatabase;
  readonly port: number;
  readonly repository: GitRepository;
  readonly pollSeconds: number;
  readonly backend: string;
  rcb!: Rcb;

  constructor(parts: {
    database: TestDatabase;
    port: number;
    repository: GitRepository;
    pollSeconds: number;
    backend: string;
  }) {
    this.database = parts.database;
    this.port = parts.port;
    this.repository = parts.repository;
    this.pollSeconds = parts.pollSeconds;
    this.backend = parts.backend;
  }

  get env(): Record<string, string> {
    return {
      HOST: '127.0.0.1',
      PORT: String(this.port),
      RCB_DATA_DIR: join(this.database.dataDir, 'data'),
      RCB_CONFIG: join(this.database.dataDir, 'rcb.yaml'),
      LOG_LEVEL: 'silent',
    };
  }

  get yaml(): string {
    return [
      `git: [ ${JSON.stringify(this.repository.path)} ]`,
      `poll: { git: ${this.pollSeconds} }`,
      `backends: [{ name: local, kind: local, slots: 1, timeout: 60, silence: 60${this.backend} }]`,
      '',
    ].join('\n');
  }

  async startBot(): Promise<void> {
    const loaded = loadConfig(this.env, {
      read: (path) => (path.endsWith('rcb.yaml') ? Buffer.from(this.yaml) : undefined),
    });
    if ('mistakes' in loaded) throw new Error(formatMistakes(loaded.mistakes));
    this.rcb = await startRcb(loaded.config, {
      log: openLog('silent'),
      database: this.database.database,
      environment: { PATH: process.env['PATH'] },
      timing: { idleMs: 500, leaseMs: 5_000, killGraceMs: 500 },
    });
  }

  rcbCommand(...args: string[]): Promise<Output> {
    const env = { ...identity, ...this.env };
    return runProgram(process.execPath, [join(root, 'src', 'cli.ts'), ...args], { cwd: this.database.dataDir, env });
  }

  async installHook(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.rcbCommand('hook', 'install', this.repository.path, ...args);
    if (code !== 0) throw new Error(`hook install failed with ${code}: ${stderr}`);
    return stdout;
  }

  async clone(name: string): Promise<Clone> {
    const path = join(this.database.dataDir, name);
    const output = await runProgram('git', ['clone', '--quiet', this.repository.path, path], { env: identity });
    if (output.code !== 0) throw new Error(output.stderr);
    const clone = new Clone(path);
    await clone.git('symbolic-ref', 'HEAD', 'refs/heads/main');
    return clone;
  }

  async json<T>(path: string): Promise<T> {
    const response = await fetch(new URL(path, this.rcb.publicUrl));
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async runs(sha: string): Promise<RunJson[]> {
    return (await this.json<{ runs: RunJson[] }>(`/api/runs?sha=${sha}`)).runs;
  }

  async run(sha: string, state = 'finished'): Promise<RunJson> {
    let seen: RunJson | undefined;
    await until(async () => {
      seen = (await this.runs(sha))[0];
      return seen?.state === state;
    }, 20_000).catch((cause) => {
      throw new Error(`the run of ${sha} did not become ${state}; it is ${JSON.stringify(seen)}`, { cause });
    });
    return seen!;
  }

  /** What the ledger has of a branch, newest first. */
  async facts(ref: string): Promise<{ key: string; kind: string; hookAt?: string; pollAt?: string }[]> {
    const subject = await this.subject(ref);
    return (await this.json<{ facts: [] }>(`/api/ledger?subject=${encodeURIComponent(subject)}`)).facts;
  }

  async subject(ref: string): Promise<string> {
    const { key } = await this.database.database.prisma.repository.findFirstOrThrow();
    return `branch:${key}:${ref}`;
  }

  /** Resolves when this many further polls were done. */
  async polls(count = 2): Promise<void> {
    const { prisma } = this.database.database;
    const newest = async () =>
      Math.max(
        0,
        ...(await prisma.event.findMany({ where: { kind: 'tick', state: 'done' } })).map(({ seq }) => Number(seq)),
      );
    for (let each = 0; each < count; each += 1) {
      const before = await newest();
      await until(async () => (await newest()) > before);
    }
    await this.quiet();
  }

  /** Nothing but the clock is at work. */
  async quiet(): Promise<void> {
    const { prisma } = this.database.database;
    const state = { in: ['pending', 'running'] };
    await until(async () => {
      const events = await prisma.event.count({ where: { state, kind: { not: 'tick' } } });
      return events + (await prisma.effect.count({ where: { state, kind: { not: 'poll.repository' } } })) === 0;
    });
  }

  async stop(): Promise<void> {
    await this.rcb?.stop(500);
    await this.database.close();
    await this.repository.remove();
    await rm(this.database.dataDir, { recursive: true, force: true });
  }
}

/** `poll`: seconds; the default never comes in a story. */
export async function startPlainWorld(
  options: { poll?: number; backend?: string; isDown?: boolean } = {},
): Promise<PlainWorld> {
  const database = await testDatabase();
  const repository = await createGitRepository();
  const { poll: pollSeconds = 3_600, backend = '' } = options;
  const world = new PlainWorld({ database, port: await freePort(), repository, pollSeconds, backend });
  await writeFile(world.env['RCB_CONFIG']!, world.yaml);
  if (!options.isDown) await world.startBot();
  return world;
}

/** The hook names the port before the bot listens on it; a bot that is started again has the same. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return address.port;
}
