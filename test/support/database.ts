/** A fresh, migrated database for a test: embedded, or on the PostgreSQL of RCB_TEST_DATABASE_URL (npm run test:pg). */
import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { type Database, type DatabaseLog, openDatabase } from '../../src/database/database.ts';
import { serveEmbedded } from '../../src/database/embedded.ts';
import { applyMigrations } from '../../src/database/migrate.ts';

const root = join(import.meta.dirname, '..', '..');
export const migrationsDir = join(root, 'prisma', 'migrations');

const TEMPLATE_LOCK = 1380139617;
const silent: DatabaseLog = { info: () => undefined, warn: () => undefined };

export interface TestDatabase {
  database: Database;
  /** Only on PostgreSQL. */
  url?: string;
  /** An empty directory of the test's own. */
  dataDir: string;
  /** Another handle on the same database, as a second process has it; only on PostgreSQL. */
  open(): Promise<Database>;
  /** Closes every handle, drops the database and removes the directory. */
  close(): Promise<void>;
}

export async function testDatabase(): Promise<TestDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'rcb-test-'));
  const adminUrl = process.env.RCB_TEST_DATABASE_URL;
  return adminUrl ? await onServer(adminUrl, dataDir) : await inMemory(dataDir);
}

/** A database of its own on the server of RCB_TEST_DATABASE_URL, without tables unless there is a template. */
export async function createServerDatabase(
  adminUrl: string,
  template?: string,
): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `rcb_test_${process.pid}_${randomBytes(6).toString('hex')}`;
  await asAdmin(adminUrl, (admin) => admin.query(`CREATE DATABASE ${name}${template ? ` TEMPLATE ${template}` : ''}`));
  return {
    url: withDatabase(adminUrl, name),
    drop: () => asAdmin(adminUrl, async (admin) => void (await admin.query(`DROP DATABASE ${name} WITH (FORCE)`))),
  };
}

async function onServer(adminUrl: string, dataDir: string): Promise<TestDatabase> {
  const created = await createServerDatabase(adminUrl, await ensureTemplate(adminUrl));
  const handles: Database[] = [];
  const open = async () => {
    const database = await openDatabase({ url: created.url, dataDir });
    handles.push(database);
    return database;
  };
  return {
    database: await open(),
    url: created.url,
    dataDir,
    open,
    close: async () => {
      for (const handle of handles) await handle.close();
      await created.drop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

async function inMemory(dataDir: string): Promise<TestDatabase> {
  const socketDir = await mkdtemp(join(tmpdir(), 'rcb-socket-'));
  const pglite = await PGlite.create({ dataDir: 'memory://', loadDataDir: await migratedDump() });
  const database = await serveEmbedded(pglite, socketDir, {
    place: 'database of a test, in memory',
    log: silent,
    onClose: () => pglite.close(),
  });
  return {
    database,
    dataDir,
    open: async () => {
      throw new Error('The embedded database has one handle; run this test on PostgreSQL (npm run test:pg).');
    },
    close: async () => {
      await database.close();
      await rm(socketDir, { recursive: true, force: true });
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/** Creating a PGlite takes seconds, loading one a fraction: the first test of these migrations leaves a dump behind. */
async function migratedDump(): Promise<Blob> {
  const directory = await privateCache();
  const path = join(directory, `${await migrationsHash()}.tar`);
  const found = await readFile(path).catch(() => undefined);
  if (found) return new Blob([found]);

  const socketDir = await mkdtemp(join(tmpdir(), 'rcb-socket-'));
  const pglite = await PGlite.create('memory://');
  const database = await serveEmbedded(pglite, socketDir, {
    place: 'template',
    log: silent,
    onClose: () => pglite.close(),
  });
  try {
    await applyMigrations(database, migrationsDir);
    const dump = Buffer.from(await (await pglite.dumpDataDir('none')).arrayBuffer());
    // Complete or not there: others look for it at the same time.
    const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    await writeFile(temporary, dump);
    await rename(temporary, path);
    return new Blob([dump]);
  } finally {
    await database.close();
    await rm(socketDir, { recursive: true, force: true });
  }
}

async function privateCache(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const directory = join(tmpdir(), `rcb-test-cache-${uid}`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== uid) throw new Error(`${directory} belongs to somebody else; remove it.`);
  await chmod(directory, 0o700);
  return directory;
}

async function migrationsHash(): Promise<string> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const hash = createHash('sha256').update(String(lock.packages['node_modules/@electric-sql/pglite'].version));
  for (const name of (await readdir(migrationsDir, { recursive: true })).sort()) {
    if (name.endsWith('.sql')) hash.update(name).update(await readFile(join(migrationsDir, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** The template is built under another name first: under its own it is complete. */
async function ensureTemplate(adminUrl: string): Promise<string> {
  const name = `rcb_template_${await migrationsHash()}`;
  await asAdmin(adminUrl, async (admin) => {
    await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount) return;
    await admin.query(`DROP DATABASE IF EXISTS ${name}_building`);
    await admin.query(`CREATE DATABASE ${name}_building`);
    const database = await openDatabase({ url: withDatabase(adminUrl, `${name}_building`), dataDir: tmpdir() });
    try {
      await applyMigrations(database, migrationsDir);
    } finally {
      await database.close();
    }
    await admin.query(`ALTER DATABASE ${name}_building RENAME TO ${name}`);
  });
  return name;
}

async function asAdmin<T>(adminUrl: string, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function withDatabase(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}
