/**
 * Applies prisma/migrations at start-up. Prisma's own `migrate deploy` needs a native engine that cannot be downloaded
 * everywhere; this keeps its table, its checksums and its advisory lock, so that the two are interchangeable.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientBase } from 'pg';
import type { Database } from './database.ts';

/** The one that Prisma takes. */
const ADVISORY_LOCK = 72707369;

/** As Prisma creates it. */
const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`;

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

interface AppliedMigration {
  name: string;
  checksum: string;
  isFinished: boolean;
}

/**
 * Brings the database to the newest migration of `directory` and answers the names of those it applied. Several
 * processes may do this at once: one works, the others wait. Throws, naming the migration, when one fails (it is
 * rolled back, those before it stay), was edited after it was applied, or is in the database but not here.
 */
export async function applyMigrations(database: Pick<Database, 'connection'>, directory: string): Promise<string[]> {
  const migrations = await readMigrations(directory);
  return await database.connection(async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    try {
      await client.query(MIGRATIONS_TABLE);
      const missing = missingMigrations(migrations, await appliedMigrations(client));
      for (const migration of missing) await apply(client, migration);
      return missing.map((migration) => migration.name);
    } finally {
      // On a lost connection this fails as well, and the lock is gone with it: the first error is the one to tell.
      await client.query('SELECT pg_advisory_unlock($1)', [ADVISORY_LOCK]).catch(() => undefined);
    }
  });
}

/** Names of the migrations that this database lacks; throws as `applyMigrations` does. */
export async function pendingMigrations(database: Pick<Database, 'connection'>, directory: string): Promise<string[]> {
  const migrations = await readMigrations(directory);
  return await database.connection(async (client) => {
    const missing = missingMigrations(migrations, await appliedMigrations(client));
    return missing.map((migration) => migration.name);
  });
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return await Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function appliedMigrations(client: ClientBase): Promise<AppliedMigration[]> {
  const { rows } = await client.query<AppliedMigration>(
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS "isFinished"
     FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows;
}

function missingMigrations(migrations: Migration[], applied: AppliedMigration[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { name, checksum, isFinished } of applied) {
    const migration = known.get(name);
    if (!migration) {
      throw new Error(
        `The database has the migration ${name}, which this version of RCB does not know: the database is newer. Start the version that wrote it, or a later one.`,
      );
    }
    if (!isFinished) {
      throw new Error(
        `The migration ${name} was begun by "prisma migrate deploy" and did not finish. Repair the database, then tell it with "prisma migrate resolve".`,
      );
    }
    if (migration.checksum !== checksum) {
      throw new Error(
        `The migration ${name} was edited after it was applied to this database (sha256 ${migration.checksum}, applied ${checksum}). Restore the file; changes belong into a new migration.`,
      );
    }
  }
  const done = new Set(applied.map((each) => each.name));
  return migrations.filter((migration) => !done.has(migration.name));
}

/** The statements and the record of them are one transaction. */
async function apply(client: ClientBase, migration: Migration): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
       VALUES ($1, $2, clock_timestamp(), $3, now(), 1)`,
      [randomUUID(), migration.checksum, migration.name],
    );
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => undefined); // The connection is lost: then it is rolled back already.
    throw new Error(`The migration ${migration.name} failed and was rolled back: ${sqlError(cause, migration.sql)}`, {
      cause,
    });
  }
}

function sqlError(error: unknown, sql: string): string {
  const { message, position } = error as { message?: string; position?: string };
  const line = position ? ` (line ${sql.slice(0, Number(position)).split('\n').length} of migration.sql)` : '';
  return `${message ?? String(error)}${line}`;
}
