import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import type { Database } from '../src/database/database.ts';
import { applyMigrations } from '../src/database/migrate.ts';

/** An empty database in memory, with Prisma's schema engine on it; nothing is downloaded. */
export interface Scratch {
  engine: SchemaEngine;
  connection: Database['connection'];
}

/** The SQL that is missing between the migrations, applied by the bot's own code, and the schema; '' when they agree. */
export async function schemaDiff(migrationsDir: string, schemaPath: string): Promise<string> {
  const files = [{ path: 'schema.prisma', content: await readFile(schemaPath, 'utf8') }];
  return await withScratch(schemaPath, async ({ engine, connection }) => {
    await applyMigrations({ connection }, migrationsDir);
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: '.' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    const sql = stdout?.trim() ?? '';
    return sql === '-- This is an empty migration.' ? '' : sql;
  });
}

export async function withScratch<T>(schemaPath: string, work: (scratch: Scratch) => Promise<T>): Promise<T> {
  const schema = await readFile(schemaPath, 'utf8');
  const socketDir = await mkdtemp(join(tmpdir(), 'rcb-diff-'));
  const pglite = await PGlite.create('memory://');
  const server = new PGLiteSocketServer({ db: pglite, path: join(socketDir, '.s.PGSQL.5432') });
  const pool = new pg.Pool({ host: socketDir, user: 'postgres', database: 'postgres', max: 1 });
  try {
    await server.start();
    const adapter = bindMigrationAwareSqlAdapterFactory(adapterWithInternalChar(pool));
    const engine = await SchemaEngine.new({ datamodels: [['schema.prisma', schema]] }, () => undefined, adapter);
    try {
      return await work({ engine, connection: (use) => withClient(pool, use) });
    } finally {
      engine.free();
    }
  } finally {
    await pool.end();
    await server.stop();
    await pglite.close();
    await rm(socketDir, { recursive: true, force: true });
  }
}

/**
 * The catalogue has columns of the type "char" (oid 18). Prisma's adapter (7.10) refuses them, its engine wants them:
 * they pass the adapter as text (25) and are renamed behind it.
 */
function adapterWithInternalChar(pool: pg.Pool): PrismaPg {
  let charColumns = new Set<number>();
  const poolQuery = pool.query.bind(pool) as (config: pg.QueryConfig) => Promise<pg.QueryResult>;
  pool.query = (async (config: pg.QueryConfig) => {
    const result = await poolQuery(config);
    charColumns = new Set(result.fields?.flatMap((field, index) => (field.dataTypeID === 18 ? [index] : [])));
    for (const index of charColumns) result.fields[index]!.dataTypeID = 25;
    return result;
  }) as typeof pool.query;

  const factory = new PrismaPg(pool);
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query); // The engine asks one thing at a time.
      const columnTypes = result.columnTypes.map((type, index) =>
        charColumns.has(index) ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return adapter;
  };
  return factory;
}

async function withClient<T>(pool: pg.Pool, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
  }
}
