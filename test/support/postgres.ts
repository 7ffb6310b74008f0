/** A real PostgreSQL server of the tests' own: in a temporary directory, on a free port, gone at the end. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 30_000;

export interface Postgres {
  /** Of the superuser, on the database "postgres". */
  url: string;
  /** Shuts the server down as `systemctl stop` would; its data stay, and its port is kept for `resume`. */
  halt(): Promise<void>;
  resume(): Promise<void>;
  /** Stops the server and removes everything. */
  stop(): Promise<void>;
}

/** Starts a server, or throws a sentence that says what to install. Its data are not synced, unless it is `durable`, with
 *  PostgreSQL's own defaults, which is what benchmarks of commits want. */
export async function startPostgres({ durable = false } = {}): Promise<Postgres> {
  const bin = await findBinaries();
  const owner = await ownerOfServer();
  const directory = await mkdtemp(join(tmpdir(), 'rcb-postgres-'));
  const password = randomBytes(12).toString('hex');
  try {
    await initialize(bin, directory, password, owner);
    const port = await freePort();
    const url = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
    let server = await startServer(bin, directory, port, url, owner, durable);
    const halt = () => stopServer(server);
    return {
      url,
      halt,
      resume: async () => {
        server = await startServer(bin, directory, port, url, owner, durable);
      },
      stop: async () => {
        await halt();
        await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Debian keeps the binaries out of PATH, one directory per version. */
async function findBinaries(): Promise<string> {
  const base = '/usr/lib/postgresql';
  const versions = (await readdir(base).catch(() => [])).sort((a, b) => Number(b) - Number(a));
  for (const version of versions) {
    const bin = join(base, version, 'bin');
    if ((await readdir(bin).catch((): string[] => [])).includes('initdb')) return bin;
  }
  throw new Error('These tests need a PostgreSQL server: apt-get install postgresql');
}

interface Owner {
  uid?: number;
  gid?: number;
}

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
async function ownerOfServer(): Promise<Owner> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, 'postgres'])));
  return { uid: Number(uid!.stdout), gid: Number(gid!.stdout) };
}

async function initialize(bin: string, directory: string, password: string, owner: Owner): Promise<void> {
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (owner.uid !== undefined && owner.gid !== undefined) {
    for (const path of [directory, passwordFile]) await chown(path, owner.uid, owner.gid);
  }
  const options = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'];
  const arguments_ = ['-D', join(directory, 'data'), '--no-sync', '--locale=C.UTF-8', ...options];
  await run(join(bin, 'initdb'), arguments_, { ...owner, cwd: directory });
}

async function startServer(bin: string, directory: string, port: number, url: string, owner: Owner, durable: boolean) {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    logging_collector: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = spawn(join(bin, 'postgres'), ['-D', join(directory, 'data'), ...flags], {
    ...owner,
    cwd: directory,
    // A group of its own: Ctrl-C ends the tests first, and they end the server.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  server.stderr!.on('data', (text) => {
    log = `${log}${text}`.slice(-4_000);
  });
  try {
    await untilReady(server, url);
    return server;
  } catch (error) {
    await stopServer(server);
    throw new Error(`PostgreSQL did not start. Its log ends with:\n${log}`, { cause: error });
  }
}

async function untilReady(server: ChildProcess, url: string): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (hasEnded(server) || Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** SIGINT is a fast shutdown: connections are ended, and nothing is waited for. */
async function stopServer(server: ChildProcess): Promise<void> {
  if (hasEnded(server)) return;
  const ended = once(server, 'exit');
  server.kill('SIGINT');
  const impatience = setTimeout(() => server.kill('SIGQUIT'), STOP_DEADLINE_MS);
  await ended;
  clearTimeout(impatience);
}

function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
