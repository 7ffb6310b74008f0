import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import type { Backend, BuildOrder } from '../../src/backends/backend.ts';
import { scratchRootOf } from '../../src/backends/local/isolation.ts';
import { type LocalBackend, type LocalOptions, openLocalBackend } from '../../src/backends/local/local.ts';
import { identify } from '../../src/backends/local/processes.ts';
import { endProcesses } from '../../src/backends/local/stop.ts';
import { type BuildScript, jobsAtEnd, logOf, never, until } from '../contracts/backend.ts';

export type Entry = Partial<Header> & { name: string; body?: string };

/** A state directory, an archive beside it, and all that was opened on them. */
export class Bench {
  readonly root: string;
  readonly #opened: LocalBackend[] = [];
  readonly #children: ChildProcess[] = [];
  #orders = 0;

  constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<Bench> {
    const bench = new Bench(await mkdtemp(join(tmpdir(), 'rcb-local-')));
    await mkdir(bench.archiveDir);
    return bench;
  }

  get dir(): string {
    return join(this.root, 'state');
  }

  get archiveDir(): string {
    return join(this.root, 'archive');
  }

  options(more: Partial<LocalOptions> = {}): LocalOptions {
    return {
      name: 'local',
      dir: this.dir,
      archive: { get: async (sha256) => createReadStream(join(this.archiveDir, sha256)) },
      slots: 2,
      timeoutS: 60,
      silenceS: 60,
      killGraceMs: 300,
      sandbox: 'plain',
      clock: { now: () => new Date() },
      ...more,
    };
  }

  async open(more: Partial<LocalOptions> = {}): Promise<LocalBackend> {
    const backend = await openLocalBackend(this.options(more));
    this.#opened.push(backend);
    return backend;
  }

  /** Another process that opens the backend, orders the builds, and says so; it goes on until it is killed. */
  async startBot(orders: BuildOrder[], more: { slots?: number } = {}): Promise<ChildProcess> {
    const { archive: _, clock: __, ...plain } = this.options(more);
    const module = new URL('../../src/backends/local/local.ts', import.meta.url).href;
    const program = `
      import { createReadStream } from 'node:fs';
      import { openLocalBackend } from '${module}';
      const backend = await openLocalBackend({
        ...${JSON.stringify(plain)},
        archive: { get: async (sha256) => createReadStream('${this.archiveDir}/' + sha256) },
        clock: { now: () => new Date() },
      });
      for (const order of ${JSON.stringify(orders)}) await backend.ensureStarted(order, new AbortController().signal);
      console.log('ordered');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
      env: { ...process.env, BOT_SECRET: 'very-secret' },
    });
    this.#children.push(child);
    const [line] = await Promise.race([eventOf(child.stdout, 'data'), eventOf(child, 'exit')]);
    assert.match(String(line), /ordered/);
    return child;
  }

  async order(entries: Entry[], more: Partial<BuildOrder> = {}): Promise<BuildOrder> {
    const source = await this.source('raku/main', entries, true);
    const number = ++this.#orders;
    return {
      key: `order-${number}`,
      runId: `run-${number}`,
      repository: 'raku/main',
      sources: [source],
      untrusted: false,
      ...more,
    };
  }

  async orderOf(script: string, more: Partial<BuildOrder> = {}): Promise<BuildOrder> {
    return await this.order([{ name: 'main-1/ci/run', mode: 0o755, body: script }], more);
  }

  async source(repository: string, entries: Entry[], changed: boolean) {
    const bytes = await tarball(entries);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await writeFile(join(this.archiveDir, sha256), bytes);
    return { repository, changed, sha: 'c0ffee', sha256, size: bytes.length };
  }

  /** Order it, and wait for its one job. */
  async run(backend: Backend, order: BuildOrder) {
    const { externalId } = await backend.ensureStarted(order, never);
    const [job] = await jobsAtEnd(backend, externalId);
    assert.ok(job);
    return { externalId, job, log: await logOf(backend, externalId, job) };
  }

  pidOf(externalId: string, file: 'supervisor.json' | 'command.json'): number {
    return JSON.parse(readFileSync(join(this.dir, 'builds', externalId, file), 'utf8')).pid;
  }

  markOf(externalId: string): string {
    return `RCB_BUILD=${join(this.dir, 'builds', externalId)}`;
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#opened.map((backend) => backend.close()));
    for (const externalId of await readdir(join(this.dir, 'builds')).catch(() => [])) {
      const supervisor = join(this.dir, 'builds', externalId, 'supervisor.json');
      if (existsSync(supervisor)) await endSupervisor(supervisor);
      await endProcesses({ environmentEntry: this.markOf(externalId) }, 0);
    }
    await rm(scratchRootOf(this.dir), { recursive: true, force: true });
    await rm(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

async function endSupervisor(file: string): Promise<void> {
  const { pid, startTime } = JSON.parse(readFileSync(file, 'utf8'));
  if (identify(pid)?.startTime !== startTime) return;
  process.kill(pid, 'SIGKILL');
  // What it was starting is to be listed by who ends its build, not to come after.
  await until('the supervisor is gone', () => identify(pid) === undefined);
}

export async function tarball(entries: Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { body, ...header } of entries) tar.entry(header, body ?? '');
  tar.finalize();
  return gzipSync(await buffer(tar));
}

export function eventOf(emitter: NodeJS.EventEmitter, name: string): Promise<unknown[]> {
  return new Promise((resolve) => emitter.once(name, (...args) => resolve(args)));
}

export function shellOf({ prints = [], leaves = {}, ends }: BuildScript): string {
  const lines = prints.map((line) => `echo '${line}'`);
  const files = Object.entries(leaves).map(
    ([name, contents]) => `mkdir -p "$(dirname ${name})"; printf %s '${contents}' >${name}`,
  );
  const end = { passes: 'exit 0', fails: 'exit 3', never: 'exec sleep 60' }[ends];
  return ['#!/bin/sh', ...lines, ...files, end].join('\n');
}
