import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ulid } from 'ulid';
import { z } from 'zod';
import type { Archive } from '../archive/archive.ts';
import { openDiskArchive } from '../archive/disk.ts';
import type { Event } from '../core/event.ts';
import type { Database } from '../database/database.ts';
import { parseHook } from '../forge/github/hooks.ts';
import { openQueue } from '../queue/prisma.ts';
import type { Queue } from '../queue/queue.ts';

/**
 * Feed a stored payload again: an event of the ledger by its key, or a file with a hook's payload. It becomes a new event
 * with a key of its own, so that whatever follows from it happens once more, and no more than once. What could not be
 * read when it came is read by the parser of this version.
 */
export interface ReplayOptions {
  database: Pick<Database, 'prisma'>;
  queue: Pick<Queue, 'push'>;
  archive: Pick<Archive, 'get' | 'stat'>;
  newId(): string;
  /** Name of the hook, for a file that holds the bare payload: `push`. */
  hook?: string;
}

/** With the database and the archive of an installation on this machine. */
export async function replayHere(
  what: string,
  { database, dataDir, secrets, hook }: { database: Database; dataDir: string; secrets: string[]; hook?: string },
): Promise<string> {
  const archive = await openDiskArchive({ dir: join(resolve(dataDir), 'archive'), secrets });
  const newId = () => ulid().toLowerCase();
  const storeOn = () => {
    throw new Error('a replay handles nothing itself');
  };
  const queue = openQueue(database.prisma, { newId, storeOn });
  return replay(what, { database, queue, archive, newId, hook });
}

/** Answers what was stored, in words; throws an Error whose message is for people. */
export async function replay(what: string, options: ReplayOptions): Promise<string> {
  const event = (await eventOfLedger(what, options)) ?? (await eventOfFile(what, options.hook));
  const key = `replay:${options.newId()}:${what}`.slice(0, 500);
  await options.queue.push([{ source: 'own', event: { key, event } }]);
  return `Stored as ${key} (${event.kind}); a running bot handles it now.`;
}

async function eventOfLedger(key: string, { database, archive }: ReplayOptions): Promise<Event | undefined> {
  const row = await database.prisma.event.findUnique({ where: { key } });
  if (!row) return undefined;
  const payload = row.payload as unknown as Event | null;
  if (payload && payload.kind !== 'hook.unread') return payload;
  const body = row.raw ?? (row.rawSha256 === null ? undefined : await rawOf(archive, row.rawSha256));
  if (!payload || body === undefined) throw new Error(`${key} is known, and its payload was removed by retention.`);
  return readable(payload.hook, body);
}

async function rawOf(archive: ReplayOptions['archive'], sha256: string): Promise<string | undefined> {
  if (!(await archive.stat(sha256))) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of await archive.get(sha256)) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

/** GitHub delivers no payload that is larger. */
const MOST_BYTES = 25 * 1024 * 1024;

const named = z.object({ event: z.string().min(1), payload: z.record(z.string(), z.unknown()) });

async function eventOfFile(path: string, hook: string | undefined): Promise<Event> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new Error(`${path} is neither a key of the ledger nor a file.`);
  if (found.size > MOST_BYTES) throw new Error(`${path} has ${found.size} bytes: more than a hook can have.`);
  const body = await readFile(path, 'utf8');
  const wrapped = named.safeParse(jsonOf(path, body));
  if (hook !== undefined) return readable(hook, body);
  if (!wrapped.success) {
    throw new Error(`${path}: which hook is it? Say --event push, or give {"event": "push", "payload": {…}}.`);
  }
  return readable(wrapped.data.event, JSON.stringify(wrapped.data.payload));
}

function jsonOf(path: string, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Error(`${path} is not JSON: ${(error as Error).message}`);
  }
}

function readable(hook: string, body: string): Event {
  const parsed = parseHook(hook, body);
  if ('event' in parsed) return parsed.event;
  throw new Error(
    'noted' in parsed
      ? `Nothing follows from a hook ${hook} (${parsed.noted}): there is nothing to replay.`
      : `This hook ${hook} cannot be read: ${parsed.unread}`,
  );
}
