/** Migrations, on the kind of database that the other tests use. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { schemaDiff, withScratch } from '../../scripts/schema-diff.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { migrationsDir, type TestDatabase, testDatabase } from '../support/database.ts';

const INIT = '20261121000000_init';

describe('migrations', () => {
  let world: TestDatabase;
  /** A copy of the real ones, which the database has, to add to and to spoil. */
  let directory: string;

  beforeEach(async () => {
    world = await testDatabase();
    directory = await mkdtemp(join(tmpdir(), 'rcb-migrations-'));
    await cp(migrationsDir, directory, { recursive: true });
  });
  afterEach(async () => {
    await world.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('are applied once, in the order of their names, and recorded as Prisma does', async () => {
    await add('20990102000000_second', 'ALTER TABLE probe ADD COLUMN b int');
    const sql = 'CREATE TABLE probe (a int);\nINSERT INTO probe VALUES (1); -- two; statements\n';
    await add('20990101000000_first', sql);
    assert.deepEqual(await applyMigrations(world.database, directory), [
      '20990101000000_first',
      '20990102000000_second',
    ]);
    assert.deepEqual(await applyMigrations(world.database, directory), []);

    const recorded = await world.database.prisma.$queryRaw<Record<string, unknown>[]>`
      SELECT migration_name, checksum, finished_at >= started_at AS finished, rolled_back_at, logs, applied_steps_count
      FROM _prisma_migrations WHERE migration_name LIKE '%first'`;
    assert.deepEqual(recorded, [
      {
        migration_name: '20990101000000_first',
        checksum: createHash('sha256').update(sql).digest('hex'),
        finished: true,
        rolled_back_at: null,
        logs: null,
        applied_steps_count: 1,
      },
    ]);
  });

  test('one that fails half-way is rolled back, named with its line, and tried again when it is mended', async () => {
    await add('20990101000000_good', 'CREATE TABLE good (a int);');
    await add('20990102000000_bad', 'CREATE TABLE half (a int);\nINSERT INTO half VALUES (1);\nSELECT nonsense;');
    await assert.rejects(
      applyMigrations(world.database, directory),
      /20990102000000_bad failed and was rolled back: column "nonsense" does not exist \(line 3 of migration\.sql\)/,
    );
    assert.deepEqual(await tablesOf('good', 'half'), ['good']);

    await add('20990102000000_bad', 'CREATE TABLE half (a int);');
    assert.deepEqual(await applyMigrations(world.database, directory), ['20990102000000_bad']);
    assert.deepEqual(await tablesOf('good', 'half'), ['good', 'half']);
  });

  test('one whose commit fails is rolled back', async () => {
    await add(
      '20990101000000_deferred',
      `CREATE TABLE a (id int PRIMARY KEY);
       CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);
       INSERT INTO b VALUES (1);`,
    );
    await assert.rejects(
      applyMigrations(world.database, directory),
      /_deferred failed and was rolled back: .*foreign key/,
    );
    assert.deepEqual(await tablesOf('a', 'b'), []);
  });

  test('an applied one that was edited is named, and nothing is applied', async () => {
    await writeFile(join(directory, INIT, 'migration.sql'), 'SELECT 1;');
    await add('20990101000000_next', 'CREATE TABLE next (a int)');
    await assert.rejects(
      applyMigrations(world.database, directory),
      new RegExp(`${INIT} was edited after it was applied`),
    );
    assert.deepEqual(await tablesOf('next'), []);
  });

  test('a database that is newer than the code is refused', async () => {
    await add('20990101000000_future', 'SELECT 1');
    await applyMigrations(world.database, directory);
    await assert.rejects(
      applyMigrations(world.database, migrationsDir),
      /20990101000000_future, which this version of RCB does not know: the database is newer/,
    );
  });

  test("one that Prisma's own command left unfinished is named; one that it rolled back is applied", async () => {
    const { prisma } = world.database;
    await add('20990101000000_next', 'SELECT 1');
    await prisma.$executeRaw`
      INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '20990101000000_next')`;
    await assert.rejects(
      applyMigrations(world.database, directory),
      /20990101000000_next was begun by "prisma migrate/,
    );
    await prisma.$executeRaw`UPDATE _prisma_migrations SET rolled_back_at = now() WHERE id = 'x'`;
    assert.deepEqual(await applyMigrations(world.database, directory), ['20990101000000_next']);
  });

  test('the database is usable, and the lock free, after a failure', async () => {
    await add('20990101000000_bad', 'SELECT nonsense');
    await assert.rejects(applyMigrations(world.database, directory));
    assert.equal(await world.database.prisma.event.count(), 0);
    const locks = await world.database.prisma
      .$queryRaw`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369`;
    assert.deepEqual(locks, []);
  });

  async function add(name: string, sql: string): Promise<void> {
    await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, name, 'migration.sql'), sql);
  }

  async function tablesOf(...names: string[]): Promise<string[]> {
    const rows = await world.database.prisma.$queryRaw<{ tablename: string }[]>`
      SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename = ANY(${names}) ORDER BY tablename`;
    return rows.map((row) => row.tablename);
  }
});

describe('the migrations in prisma/migrations', () => {
  const schema = join(import.meta.dirname, '../../prisma/schema.prisma');

  test('agree with prisma/schema.prisma', async () => {
    assert.equal(await schemaDiff(migrationsDir, schema), '');
  });

  test('would be found out of step (the comparison can fail)', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rcb-drift-'));
    try {
      const content = await readFile(schema, 'utf8');
      const changed = join(directory, 'schema.prisma');
      await writeFile(changed, content.replace('model Lane {', 'model Lane {\n  colour String?\n'));
      assert.match(await schemaDiff(migrationsDir, changed), /ALTER TABLE "lane" ADD COLUMN\s+"colour" TEXT/);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  test("are for Prisma's engine what they are for us, whichever of the two applies them", async () => {
    const migrationsList = await migrationsForEngine();
    const filters = { externalTables: [], externalEnums: [] };
    await withScratch(schema, async ({ engine, connection }) => {
      await applyMigrations({ connection }, migrationsDir);
      assert.deepEqual(
        await engine.diagnoseMigrationHistory({ migrationsList, optInToShadowDatabase: false, filters }),
        { editedMigrationNames: [], failedMigrationNames: [], hasMigrationsTable: true, history: null },
      );
      assert.deepEqual((await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames, []);
    });
    await withScratch(schema, async ({ engine, connection }) => {
      assert.ok((await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames.includes(INIT));
      assert.deepEqual(await applyMigrations({ connection }, migrationsDir), []);
    });
  });

  async function migrationsForEngine() {
    const entries = await readdir(migrationsDir, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    const read = (...path: string[]) => readFile(join(migrationsDir, ...path), 'utf8');
    return {
      baseDir: migrationsDir,
      lockfile: { path: 'migration_lock.toml', content: await read('migration_lock.toml') },
      shadowDbInitScript: '',
      migrationDirectories: await Promise.all(
        names.sort().map(async (path) => ({
          path,
          migrationFile: {
            path: 'migration.sql',
            content: { tag: 'ok' as const, value: await read(path, 'migration.sql') },
          },
        })),
      ),
    };
  }

  /** As PostgreSQL tells it, where the condition is none on a text. */
  const indexed = (name: string, told: string): string => `CREATE INDEX ${name} ON public.${told}`;

  test('have these partial indexes, and no others', async () => {
    const world = await testDatabase();
    try {
      const rows = await world.database.prisma.$queryRaw<{ indexdef: string }[]>`
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '% WHERE %' ORDER BY indexname`;
      assert.deepEqual(
        rows.map((row) => row.indexdef.replace(/^CREATE (UNIQUE )?INDEX \w+ ON public\.(.*)::text\)$/, '$1$2')),
        [
          indexed('artifact_id_kept_idx', 'artifact USING btree (id) WHERE (removed_at IS NULL)'),
          indexed(
            'attempt_id_log_kept_idx',
            'attempt USING btree (id) WHERE ((log_removed_at IS NULL) AND (log_bytes IS NOT NULL))',
          ),
          "effect USING btree (due_at, id) WHERE (state = 'pending'",
          "UNIQUE effect USING btree (kind, target) WHERE (state = 'pending'",
          "effect USING btree (lane, due_at, id) WHERE (state = 'pending'",
          "UNIQUE effect USING btree (lane) WHERE (state = 'running'",
          indexed(
            'event_created_at_told_idx',
            'event USING btree (created_at) WHERE ((hook_at IS NOT NULL) OR (poll_at IS NOT NULL))',
          ),
          "event USING btree (due_at, seq) WHERE (state = 'pending'",
          indexed('event_raw_sha256_idx', 'event USING btree (raw_sha256) WHERE (raw_sha256 IS NOT NULL)'),
          indexed('event_repaired_idx', 'event USING btree (id) WHERE ((hook_at IS NULL) AND (poll_at IS NOT NULL))'),
          "event USING btree (retry_at) WHERE (state = 'pending'",
          "event USING btree (subject, due_at, seq) WHERE (state = 'pending'",
          "UNIQUE event USING btree (subject) WHERE (state = 'running'",
          indexed(
            'run_failed_commit_idx',
            "run USING btree (subject, id) WHERE ((kind = 'commit'::text) AND (verdict = ANY (ARRAY['failed'::text, 'error'::text])))",
          ),
          indexed(
            'source_archive_sha256_kept_idx',
            'source USING btree (archive_sha256) WHERE ((archive_removed_at IS NULL) AND (archive_sha256 IS NOT NULL))',
          ),
        ],
      );
    } finally {
      await world.close();
    }
  });
});
