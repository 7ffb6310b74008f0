import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import type { Database, DatabaseLog } from './database.ts';
import { Listener } from './listener.ts';
import { PreparingPg } from './prepared.ts';

/** How long to wait for a connection, new or from the pool. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The bot's statements are short; one that is not has met a hung server or a forgotten lock. */
const STATEMENT_TIMEOUT_MS = 60_000;

export async function openPostgresql(url: string, poolSize: number, log: DatabaseLog): Promise<Database> {
  const place = placeOf(url);
  const base = {
    connectionString: url,
    application_name: 'rcb',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
  const pool = new pg.Pool({
    ...base,
    max: poolSize,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // The client's own limit is for a server that has vanished without a word, and so never sends the error.
    query_timeout: STATEMENT_TIMEOUT_MS + 15_000,
    // When a whole machine vanishes, its transactions must not hold their locks for hours.
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
  });
  // Without a listener a lost idle connection would end the process; the pool replaces it by itself.
  pool.on('error', (error) => log.warn({ err: error, database: place }, 'An idle database connection was lost'));
  await pool.query('SELECT 1').catch(async (error) => {
    await pool.end();
    throw new Error(`Cannot open ${place}: ${wordsOf(error)}. Check DATABASE_URL and that the server is running.`, {
      cause: error,
    });
  });

  const prisma = new PrismaClient({
    adapter: new PreparingPg(pool),
    transactionOptions: { maxWait: CONNECT_TIMEOUT_MS, timeout: 30_000 },
  });
  const listener = new Listener(() => new pg.Client({ ...base, query_timeout: CONNECT_TIMEOUT_MS }), log);
  return {
    prisma,
    kind: 'postgresql',
    listen: (channel, onNotify) => listener.listen(channel, onNotify),
    notify: async (channel, payload) => {
      await pool.query('SELECT pg_notify($1, $2)', [channel, payload]);
    },
    // A connection of its own, without the limits: a migration may rewrite a large table.
    connection: async (work) => {
      const client = new pg.Client(base);
      client.on('error', (error) => log.warn({ err: error, database: place }, 'A database connection was lost'));
      await client.connect();
      try {
        return await work(client);
      } finally {
        await client.end();
      }
    },
    close: async () => {
      await listener.close();
      await prisma.$disconnect();
      await pool.end();
    },
    describe: () => place,
  };
}

/** The URL for people: without user, password and options. Nothing that was misread, and may be the password, is repeated. */
function placeOf(url: string): string {
  const form = 'postgresql://USER:PASSWORD@HOST:5432/DATABASE, with special characters of the password as %XX';
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^\w+:\/\//.test(url) || !/^\/[^/:@]+$/.test(parsed.pathname)) {
    throw new Error(`DATABASE_URL cannot be read. It looks like ${form}.`);
  }
  if (!['postgres:', 'postgresql:'].includes(parsed.protocol)) {
    throw new Error(`DATABASE_URL begins with "${parsed.protocol}"; RCB needs PostgreSQL: ${form}.`);
  }
  const schema = parsed.searchParams.get('schema');
  if (schema && schema !== 'public') {
    throw new Error(`DATABASE_URL asks for the schema "${schema}"; RCB uses "public" in a database of its own.`);
  }
  const host = parsed.hostname || parsed.searchParams.get('host') || 'localhost';
  return `PostgreSQL database "${decodeURIComponent(parsed.pathname.slice(1))}" at ${host}:${parsed.port || 5432}`;
}

/** An error of several addresses has an empty message of its own. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
