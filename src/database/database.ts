import { resolve } from 'node:path';
import type { ClientBase } from 'pg';
import type { PrismaClient } from '../generated/prisma/client.ts';
import { openEmbedded } from './embedded.ts';
import { openPostgresql } from './postgresql.ts';

export { isDatabaseAway, isSerializationFailure, isUniqueViolation } from './errors.ts';

/** The part of pino's logger that the database uses. */
export interface DatabaseLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface DatabaseOptions {
  /** A PostgreSQL URL; without it the database is embedded, in `dataDir`. */
  url?: string;
  dataDir: string;
  /** Connections of the pool on PostgreSQL, default 10. The embedded database has one. */
  poolSize?: number;
  log?: DatabaseLog;
}

/**
 * An open database. On both kinds, `SELECT pg_notify(channel, payload)` inside a transaction, or alone, reaches
 * every listener after the commit; on the embedded one all listeners are in this process, as is everything else.
 */
export interface Database {
  prisma: PrismaClient;
  kind: 'postgresql' | 'embedded';
  /**
   * Calls `onNotify` with the payload of each notification on the channel, and with '' when some may have been
   * missed (the connection was lost and is back). Answers how to stop. Notifications are hints: poll as well.
   */
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>;
  /** Notifies outside any transaction. */
  notify(channel: string, payload: string): Promise<void>;
  /**
   * A connection for work that Prisma does not do (migrations). On the embedded database it is *the* connection:
   * Prisma waits until the work is done, so the work must not use `prisma`.
   */
  connection<T>(work: (client: ClientBase) => Promise<T>): Promise<T>;
  close(): Promise<void>;
  /** Where the database is, for people; never with a password. */
  describe(): string;
}

/**
 * Opens PostgreSQL at `url`, or the embedded database in `dataDir`. It does not migrate: see `applyMigrations`.
 * Throws, in words for the operator, when the server cannot be reached or another process uses the directory.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const log = options.log ?? silent;
  if (options.url) return await openPostgresql(options.url, options.poolSize ?? 10, log);
  return await openEmbedded(resolve(options.dataDir), log);
}

const silent: DatabaseLog = { info: () => undefined, warn: () => undefined };
