import { chmod, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import { lockDirectory } from './data-lock.ts';
import type { Database, DatabaseLog } from './database.ts';

/** The name that PostgreSQL's clients expect in a directory given as host. */
const SOCKET_NAME = '.s.PGSQL.5432';
/** Linux allows 107 bytes, macOS 103. */
const LONGEST_SOCKET_PATH = 103;
/** Everything waits for one connection: a long queue is slow, not broken. */
const QUEUE_TIMEOUT_MS = 60_000;

/** Opens, or creates, the PostgreSQL that runs inside this process, in `dataDir`/database. */
export async function openEmbedded(dataDir: string, log: DatabaseLog): Promise<Database> {
  await mkdir(dataDir, { recursive: true });
  const lock = await lockDirectory(dataDir);
  const undo: (() => Promise<void>)[] = [];
  const close = async () => {
    try {
      for (const step of undo.splice(0).reverse()) await step();
    } finally {
      await lock.release();
    }
  };
  try {
    const directory = join(dataDir, 'database');
    const place = `embedded database in ${directory}`;
    const pglite = await openPGlite(directory, place);
    undo.push(() => pglite.close());
    const socket = await socketDirectory(dataDir);
    undo.push(socket.remove);
    return await serveEmbedded(pglite, socket.path, { place, log, onClose: close });
  } catch (error) {
    await close();
    throw error;
  }
}

async function openPGlite(directory: string, place: string): Promise<PGlite> {
  try {
    if (!(await exists(directory))) await createPGlite(directory);
    return await PGlite.create(directory, { relaxedDurability: false });
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot open the ${place}: ${words}. If it cannot be repaired, move the directory away to begin with an empty one, or set DATABASE_URL.`,
      { cause },
    );
  }
}

/** Creating takes seconds; a process that is killed in them leaves nothing that looks like a database. */
async function createPGlite(directory: string): Promise<void> {
  const unfinished = `${directory}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  const pglite = await PGlite.create(unfinished, { relaxedDurability: false });
  await pglite.close();
  await rename(unfinished, directory);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

/**
 * Puts a PGlite behind a Unix socket and Prisma's ordinary PostgreSQL adapter before it: PGlite's own Prisma adapter
 * (0.7.2) reports a failed COMMIT as success. The pool has one connection because PGlite is one session: the
 * messages of two clients would be mixed. `onClose` closes the PGlite, which is the caller's.
 */
export async function serveEmbedded(
  pglite: PGlite,
  socketDir: string,
  options: { place: string; log: DatabaseLog; onClose: () => Promise<void> },
): Promise<Database> {
  const { place, log } = options;
  const path = join(socketDir, SOCKET_NAME);
  await rm(path, { force: true }); // Left by a process that was killed; we hold the lock.
  // Room for a new connection while a lost one is still being taken down.
  const server = new PGLiteSocketServer({ db: pglite, path, maxConnections: 4 });
  await server.start();
  const pool = new pg.Pool({
    host: socketDir,
    user: 'postgres',
    database: 'postgres',
    max: 1,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: QUEUE_TIMEOUT_MS,
  });
  pool.on('error', (error) =>
    log.warn({ err: error, database: place }, 'The embedded database dropped its connection'),
  );
  const subscribers = new Map<string, Set<(payload: string) => void>>();
  // PGlite is one session: what it notifies comes back on the connection that committed.
  pool.on('connect', (client) => {
    client.on('notification', ({ channel, payload }) => {
      for (const onNotify of subscribers.get(channel) ?? []) onNotify(payload ?? '');
    });
  });

  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool),
    transactionOptions: { maxWait: QUEUE_TIMEOUT_MS, timeout: 30_000 },
  });
  return {
    prisma,
    kind: 'embedded',
    listen: async (channel, onNotify) => {
      const ofChannel = subscribers.get(channel) ?? new Set();
      subscribers.set(channel, ofChannel.add(onNotify));
      await pool.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      return async () => {
        ofChannel.delete(onNotify);
      };
    },
    notify: async (channel, payload) => {
      await pool.query('SELECT pg_notify($1, $2)', [channel, payload]);
    },
    connection: async (work) => {
      const client = await pool.connect();
      try {
        return await work(client);
      } finally {
        client.release();
      }
    },
    close: async () => {
      try {
        await prisma.$disconnect();
        await pool.end();
        await server.stop();
      } finally {
        await options.onClose();
      }
    },
    describe: () => place,
  };
}

/** A private directory for the socket: in the data directory, or in a short one when that path is too long. */
async function socketDirectory(dataDir: string): Promise<{ path: string; remove(): Promise<void> }> {
  const path = join(dataDir, 'socket');
  if (Buffer.byteLength(join(path, SOCKET_NAME)) <= LONGEST_SOCKET_PATH) {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o700);
    return { path, remove: async () => undefined };
  }
  const short = await mkdtemp(join(tmpdir(), 'rcb-')); // mkdtemp makes it 0700.
  if (Buffer.byteLength(join(short, SOCKET_NAME)) > LONGEST_SOCKET_PATH) {
    await rm(short, { recursive: true });
    throw new Error(
      `The paths of RCB_DATA_DIR (${dataDir}) and of TMPDIR (${tmpdir()}) are both too long for a Unix socket, which may have ${LONGEST_SOCKET_PATH} bytes. Choose a shorter one for either.`,
    );
  }
  return { path: short, remove: () => rm(short, { recursive: true, force: true }) };
}
