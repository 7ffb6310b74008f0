/**
 * What a fault of the database means for the caller. One fault arrives in many clothes (a Prisma code, a PostgreSQL
 * SQLSTATE, a socket's errno, each possibly wrapped), so all links of the chain are looked at.
 */

/** Prisma: unreachable, timed out, connection closed, no connection free in time, too many connections. */
const AWAY_PRISMA = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2037']);
/** SQLSTATE: shut down, crashed, starting up, database dropped under us is not one of them, too many connections. */
const AWAY_SQLSTATE = new Set(['57P01', '57P02', '57P03', '53300', '25P03']);
const AWAY_ERRNO = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOTFOUND',
]);
const AWAY_KIND = new Set(['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TooManyConnections']);
/** `pg` and Prisma give these no code, so their text is all there is to tell them by. */
const AWAY_TEXT =
  /^(Connection terminated|timeout (expired|exceeded when trying to connect)|Query read timeout|Client has encountered a connection error|Client was closed and is not queryable)|Unable to start a transaction in the given time/;

/** The database cannot be reached, or has dropped the connection, or was migrated under a transaction: the same work may
 *  be tried again later. */
export function isDatabaseAway(error: unknown): boolean {
  return isUnreachable(error) || isStalePlan(error);
}

/** A prepared statement answers other types than before, since a migration, and is prepared anew the next time. Its code
 *  is that of many things ("not supported"). */
export function isStalePlan(error: unknown): boolean {
  return links(error).some((link) => /cached plan must not change result type/.test(String(link.message ?? '')));
}

function isUnreachable(error: unknown): boolean {
  return links(error).some(
    (link) =>
      codes(link).some(
        (code) => AWAY_PRISMA.has(code) || AWAY_SQLSTATE.has(code) || AWAY_ERRNO.has(code) || /^08...$/.test(code),
      ) ||
      AWAY_KIND.has(String(link.kind)) ||
      AWAY_TEXT.test(String(link.message ?? '')),
  );
}

/** A row with this key exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return hasCode(error, ['P2002', '23505']);
}

/** Two transactions met (also a deadlock): the whole transaction may be tried again at once. */
export function isSerializationFailure(error: unknown): boolean {
  return hasCode(error, ['P2034', '40001', '40P01']);
}

function hasCode(error: unknown, wanted: string[]): boolean {
  return links(error).some((link) => codes(link).some((code) => wanted.includes(code)));
}

type Link = Record<string, unknown>;

/** `code` of errors, `originalCode` of Prisma's adapter. */
function codes(link: Link): string[] {
  return [link.code, link.originalCode].filter((code) => typeof code === 'string');
}

/** The error and all that it wraps, at most a handful. */
function links(error: unknown, depth = 0): Link[] {
  if (typeof error !== 'object' || error === null || depth > 5) return [];
  const link = error as Link;
  const meta = link.meta as Link | undefined;
  const inner = [link.cause, meta, meta?.driverAdapterError, ...(Array.isArray(link.errors) ? link.errors : [])];
  return [link, ...inner.flatMap((each) => links(each, depth + 1))];
}
