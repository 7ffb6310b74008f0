import { Readable } from 'node:stream';
import { BackendError } from '../backend.ts';
import { isWorkerAway, type ObsClient, ObsError } from './client.ts';
import { ifThere } from './commit.ts';
import type { ObsJob } from './judge.ts';

const HEAD_BYTES = 4 * 1024;
const TAIL_BYTES = 512;
const LOG_DEADLINE_MS = 20 * 60_000;

export interface LogAsked {
  client: ObsClient;
  project: string;
  job: ObsJob;
  srcmd5: string;
  /** Whether the job has ended, as its history tells: then a log of nobody is taken for its own. */
  hasEnded: boolean;
  /** Of the part that was read before; the next job's differs in its times. */
  heads: LogHeads;
  from: number;
  mostBytes: number;
  signal: AbortSignal;
}

/**
 * A log's bytes from `from` on. OBS keeps one log for each package, repository and architecture: while no job runs it is
 * the last one's, and the next job overwrites it. So its head has to name our srcmd5; before it does, there is nothing
 * to read.
 */
export async function readObsLog(asked: LogAsked): Promise<Readable> {
  const { from, heads, hasEnded, mostBytes } = asked;
  if (from >= mostBytes) return Readable.from([]);
  // From its beginning a log proves itself, as it is read. While its job runs, the one that proved itself goes on.
  const isProven = from === 0 || (!hasEnded && heads.knows(idOf(asked)));
  if (!isProven && !isOurs(await readPart(asked, { start: '0', end: String(HEAD_BYTES) }), asked))
    return Readable.from([]);
  const stream = await openPart(asked, { start: String(from) });
  if (!stream) return Readable.from([]);
  const ours = from === 0 ? fromHead(stream, asked) : stream;
  return Readable.from(upTo(mostBytes - from, ours), { objectMode: false });
}

/** All of it, when its head says that it is ours; else nothing. */
async function* fromHead(stream: Readable, asked: LogAsked): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of stream) {
    if (!head) {
      yield chunk as Buffer;
      continue;
    }
    head = Buffer.concat([head, chunk as Buffer]);
    if (head.length < HEAD_BYTES) continue;
    if (!isOurs(headText(head), asked)) return;
    yield head;
    head = undefined;
  }
  if (head && isOurs(headText(head), asked)) yield head;
}

const headText = (bytes: Buffer): string => bytes.subarray(0, HEAD_BYTES).toString('latin1');

/** What is longer than the limit is cut there, not refused: its beginning is what people need. */
async function* upTo(bytes: number, stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let room = bytes;
  for await (const chunk of stream) {
    yield chunk.subarray(0, room);
    room -= chunk.length;
    if (room <= 0) return;
  }
}

const idOf = ({ job }: LogAsked): string => `${job.name}#${job.attempt}`;

/** How the logs began that were read: one that begins otherwise has taken another's place. */
export class LogHeads {
  readonly #heads = new Map<string, string>();

  knows(id: string): boolean {
    return this.#heads.has(id);
  }

  isSame(id: string, head: string): boolean {
    const before = this.#heads.get(id) ?? '';
    if (!head.startsWith(before) && !before.startsWith(head)) return false;
    if (head.length > before.length) this.#heads.set(id, head);
    return true;
  }
}

/** "Building ok for project 'P' repository 'standard' arch 'x86_64' srcmd5 '453b…'" (Source: obs-build, and seen.) */
const OWNER =
  /^(?:\[[^\]\n]*\] )?Building .{1,200} for project '.{1,300}' repository '.{1,200}' arch '.{1,50}' srcmd5 '([0-9a-f]+)'/m;

function isOurs(head: string, asked: LogAsked): boolean {
  return namesUs(head, asked) && asked.heads.isSame(idOf(asked), head);
}

function namesUs(head: string, { srcmd5, hasEnded }: LogAsked): boolean {
  const named = OWNER.exec(head)?.[1];
  // A job that failed before it said what it builds: nothing but ours was ever built in that place.
  return named === undefined ? hasEnded && head !== '' : named === srcmd5;
}

type LogPart = Pick<LogAsked, 'client' | 'project' | 'job' | 'hasEnded' | 'signal'>;

async function readPart(asked: LogPart, part: Record<string, string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await openPart(asked, part)) ?? []) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

async function openPart(
  { client, project, job, hasEnded, signal }: LogPart,
  part: Record<string, string>,
): Promise<Readable | undefined> {
  const asked = client.stream({
    path: ['build', project, job.repository, job.arch, job.serverName, '_log'],
    query: { nostream: '1', ...part },
    deadlineMs: LOG_DEADLINE_MS,
    maxBytes: Number.MAX_SAFE_INTEGER,
    signal,
  });
  try {
    return await ifThere(asked);
  } catch (error) {
    // "start out of range": it has fewer bytes, and was perhaps begun anew.
    if (error instanceof ObsError && error.status === 400 && /out of range/.test(error.summary)) return undefined;
    // Nobody can read it, and a job that is overdue has to end all the same. One that has ended has its log at the server.
    if (!hasEnded && isWorkerAway(error)) return undefined;
    throw error;
  }
}

/** Whether a log ends as one does whose job was aborted: the history calls that failed as well. */
export async function endsKilled(
  client: ObsClient,
  project: string,
  job: ObsJob,
  signal: AbortSignal,
): Promise<boolean> {
  const asked = { client, project, job, hasEnded: true, signal };
  try {
    return /Killed Job\s*$/.test(await readPart(asked, { start: String(-TAIL_BYTES) }));
  } catch (error) {
    // A proof of a detail, not of the verdict.
    if (error instanceof BackendError && !error.retry) return false;
    throw error;
  }
}
