/**
 * Each migration after the first is applied to a database in use: the ones before it, then the sample rows of
 * `migrations/NAME/rows.sql` (rows as they are *before* it, of the tables that it touches), then the migration. What
 * was there must still be there, unchanged in the columns that are left. Who writes a migration writes its rows.sql.
 */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { seedDatabase } from '../../prisma/seed.ts';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { createServerDatabase, migrationsDir, type TestDatabase, testDatabase } from '../support/database.ts';

const samples = join(import.meta.dirname, 'migrations');
const names = (await readdir(migrationsDir, { withFileTypes: true }))
  .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  .sort();

type Rows = Map<string, Record<string, unknown>[]>;

describe('each migration, on a database with rows', () => {
  let directory: string;
  let database: Database;
  let drop = async () => {};
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rcb-migrations-'));
    const adminUrl = process.env.RCB_TEST_DATABASE_URL;
    const created = adminUrl ? await createServerDatabase(adminUrl) : undefined;
    drop = created?.drop ?? drop;
    database = await openDatabase({ url: created?.url, dataDir: directory });
    await mkdir(join(directory, 'migrations'));
    await applyUpTo(names[0]!);
  });
  after(async () => {
    await database.close();
    await drop();
    await rm(directory, { recursive: true, force: true });
  });

  // One after the other on one database, as an installation lives through them.
  for (const name of names.slice(1)) {
    test(`${name} keeps what is there`, async () => {
      const path = join(samples, name, 'rows.sql');
      const sql = await readFile(path, 'utf8').catch(() => undefined);
      assert.ok(sql, `Every migration is tested on rows: write ${path}, with rows as they are before it.`);
      await database.connection((client) => client.query(sql));
      const rows = await readRows(database);
      assert.ok([...rows.values()].some((each) => each.length > 0));
      assert.deepEqual(await applyUpTo(name), [name]);
      assertKept(rows, await readRows(database));
    });
  }

  test('there are no sample rows of migrations that do not exist', async () => {
    const unknown = (await readdir(samples)).filter((name) => !names.includes(name));
    assert.deepEqual(unknown, []);
  });

  async function applyUpTo(name: string): Promise<string[]> {
    const copies = join(directory, 'migrations');
    for (const each of names.filter((other) => other <= name)) {
      await cp(join(migrationsDir, each), join(copies, each), { recursive: true });
    }
    return await applyMigrations(database, copies);
  }
});

describe('a migration to come, on a database with runs in every state', () => {
  let world: TestDatabase;
  let directory: string;
  beforeEach(async () => {
    world = await testDatabase();
    await seedDatabase(world.database.prisma, undefined, { now: new Date('2026-11-21T12:00:00Z'), count: 20 });
    directory = await mkdtemp(join(tmpdir(), 'rcb-migrations-'));
    await cp(migrationsDir, directory, { recursive: true });
  });
  afterEach(async () => {
    await world.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('keeps the rows', async () => {
    const rows = await readRows(world.database);
    for (const table of ['run', 'build', 'job', 'attempt', 'event', 'effect']) assert.ok(rows.get(table)!.length > 0);
    await add(`ALTER TABLE run ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'; CREATE INDEX ON run (colour);`);
    await applyMigrations(world.database, directory);
    assertKept(rows, await readRows(world.database));
  });

  test('that only an empty database can take fails, and leaves the rows as they were', async () => {
    const rows = await readRows(world.database);
    await add(`DELETE FROM "check"; ALTER TABLE run ADD COLUMN colour TEXT NOT NULL;`);
    await assert.rejects(
      applyMigrations(world.database, directory),
      /failed and was rolled back: .*contains null values/,
    );
    assertKept(rows, await readRows(world.database));
  });

  test('that loses rows, or changes them, is found (the comparison can fail)', async () => {
    const rows = await readRows(world.database);
    await add(`UPDATE run SET title = 'lost' WHERE number IS NOT NULL;`);
    await applyMigrations(world.database, directory);
    const changed = await readRows(world.database);
    assert.throws(() => assertKept(rows, changed), /run/);
    assert.throws(() => assertKept(rows, new Map(rows).set('job', rows.get('job')!.slice(1))), /job/);
    assert.throws(() => assertKept(rows, new Map([...rows].filter(([table]) => table !== 'lane'))), /lane/);
  });

  async function add(sql: string): Promise<void> {
    await mkdir(join(directory, '20990101000000_to_come'));
    await writeFile(join(directory, '20990101000000_to_come', 'migration.sql'), sql);
  }
});

/** Every row of every table of ours, as JSON, in an order of its own. */
async function readRows(database: Database): Promise<Rows> {
  return await database.connection(async (client) => {
    const tables = await client.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`,
    );
    const rows: Rows = new Map();
    for (const { name } of tables.rows) {
      const found = await client.query(`SELECT to_jsonb(each) AS row FROM "${name}" AS each ORDER BY 1`);
      rows.set(
        name,
        found.rows.map(({ row }) => row),
      );
    }
    return rows;
  });
}

/** A migration that moves or removes data on purpose says so in its own test; this one is for all the others. */
function assertKept(earlier: Rows, later: Rows): void {
  for (const [table, rows] of earlier) {
    const now = later.get(table);
    assert.ok(now, `the table ${table} is gone`);
    assert.equal(now.length, rows.length, `the number of rows of ${table}`);
    const columns = Object.keys(rows[0] ?? {}).filter((column) => column in now[0]!);
    const shown = (row: Record<string, unknown>) => JSON.stringify(columns.map((column) => row[column]));
    assert.deepEqual(now.map(shown).sort(), rows.map(shown).sort(), `the rows of ${table}`);
  }
}
