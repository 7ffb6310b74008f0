import { Readable } from 'node:stream';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { RefusedError } from './client.ts';
import type { AzureJob } from './jobs.ts';
import { meaningOf, recordResult, recordState, type TimelineRecord } from './schema.ts';

/**
 * A job's log is its steps' logs, one after another. (The job's own log tells the same, but only at the end, and what was
 * read before must stay the beginning of what is read later.) Azure counts lines, our readers bytes: a book remembers
 * how many bytes were so many lines. Without one, a log is read from its start and what is known is skipped.
 */
export interface LogPart {
  logId: number;
  /** Nothing is added to it any more. */
  isWhole: boolean;
}

export interface Read {
  lines: number;
  bytes: number;
  isWhole: boolean;
  /** The last of it: a reader may come back for bytes that it took and could not use yet (half a secret). */
  tail: Buffer;
}

/** By log id. */
export type LogBook = Map<number, Read>;

/** What of a job can be read now: whole steps, and at most one that still grows, which is the last. */
export function partsOf({ record, tasks, seen }: AzureJob): LogPart[] {
  const isOver = seen.state === 'finished' || meaningOf(recordState, record.state) === 'finished';
  const withLogs = tasks.filter((task) => task.log);
  if (isOver && withLogs.length === 0 && record.log) return [{ logId: record.log.id, isWhole: true }];
  if (isOver) return withLogs.map((task) => ({ logId: task.log!.id, isWhole: true }));
  const parts: LogPart[] = [];
  for (const task of tasks) {
    const isWhole = meaningOf(recordState, task.state) === 'finished';
    if (task.log) parts.push({ logId: task.log.id, isWhole });
    // Its log may come yet, before those of later steps.
    if (!isWhole || (!task.log && !isSkipped(task))) break;
  }
  return parts;
}

const isSkipped = (task: TimelineRecord): boolean => meaningOf(recordResult, task.result) === 'skipped';

/** At least so many bytes can be read now; undefined: not known. */
export function bytesOf(parts: LogPart[], book: LogBook, lines: ReadonlyMap<number, number>): number | undefined {
  let bytes = 0;
  for (const { logId } of parts) {
    const read = book.get(logId);
    const there = lines.get(logId);
    if (there === undefined) return undefined;
    bytes += (read?.bytes ?? 0) + (there > (read?.lines ?? 0) ? 1 : 0);
  }
  return bytes;
}

export interface LogSource {
  open(logId: number, startLine: number): Promise<Readable>;
  /** As far as they are known: what has no more lines than were read is not asked for again. */
  lineCounts: ReadonlyMap<number, number>;
  /** Of one job. */
  mostBytes: number;
  /** Azure begins each line with the time of it: `2026-08-01T15:56:28.0241422Z `. */
  timestamps: 'keep' | 'strip';
}

export function readParts(parts: LogPart[], book: LogBook, from: number, source: LogSource): Readable {
  return Readable.from(bytesFrom(parts, book, from, source), { objectMode: false });
}

async function* bytesFrom(
  parts: LogPart[],
  book: LogBook,
  from: number,
  { open, lineCounts, mostBytes, timestamps }: LogSource,
): AsyncGenerator<Buffer> {
  const end = Buffer.from(`\n${words.logCut(mostBytes / 2 ** 20)}\n`);
  let position = 0;
  for (const { logId, isWhole } of parts) {
    const read = book.get(logId) ?? unread;
    const tailAt = position + read.bytes - read.tail.length;
    const isKnown = read !== unread && (from >= tailAt || read.tail.length === read.bytes);
    if (isKnown && position + read.bytes > from) yield read.tail.subarray(Math.max(0, from - tailAt));
    if (isKnown) position += read.bytes;
    if (isKnown && read.isWhole) continue;
    const counted: Read = isKnown ? { ...read } : { ...unread };
    if (!isWhole && (lineCounts.get(logId) ?? counted.lines + 1) <= counted.lines) return;
    const body = await open(logId, counted.lines + 1).catch((error) => noLonger(error, isWhole));
    const lines = wholeLines(body, counted.lines === 0);
    for await (const piece of timestamps === 'strip' ? withoutTimes(lines) : lines) {
      if (position + piece.length > mostBytes) {
        // The cut's place must not hang on how the answer came in pieces.
        const bytes = Buffer.concat([piece.subarray(0, mostBytes - position), end]);
        if (position + bytes.length > from) yield bytes.subarray(Math.max(0, from - position));
        return;
      }
      counted.lines += linesIn(piece);
      counted.bytes += piece.length;
      counted.tail = tailOf(counted.tail, piece);
      if (position + piece.length > from) yield piece.subarray(Math.max(0, from - position));
      position += piece.length;
    }
    book.set(logId, { ...counted, isWhole });
  }
}

const MOST_TAIL = 8 * 1024;
const unread: Read = { lines: 0, bytes: 0, isWhole: false, tail: Buffer.alloc(0) };

/** A copy: a small end must not keep a large chunk in memory. */
const tailOf = (tail: Buffer, piece: Buffer): Buffer =>
  Buffer.from(Buffer.concat([tail, piece.subarray(-MOST_TAIL)]).subarray(-MOST_TAIL));

/** Retention took the part: its place says so, and what is there of the rest is kept. */
function noLonger(error: unknown, isWhole: boolean): Readable {
  if (!isWhole || !(error instanceof RefusedError) || error.status !== 404) throw error;
  return Readable.from([Buffer.from(words.logGone)], { objectMode: false });
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

function linesIn(piece: Buffer): number {
  let lines = 0;
  for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

/** Lines end with a newline, the last one too, as more may follow; a byte order mark at the top is not part of it. */
async function* wholeLines(body: Readable, isTop: boolean): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  let isStart = isTop;
  let last = NEWLINE;
  for await (const chunk of body) {
    const bytes = Buffer.concat([held, chunk as Buffer]);
    // A return at the end may be the first half of a line's end, and three bytes make a mark.
    const keep = isStart && bytes.length < 3 ? bytes.length : bytes.at(-1) === RETURN ? 1 : 0;
    held = bytes.subarray(bytes.length - keep);
    const ready = bytes.subarray(0, bytes.length - keep);
    const piece = plain(ready, isStart);
    isStart &&= ready.length === 0;
    if (piece.length === 0) continue;
    last = piece.at(-1)!;
    yield piece;
  }
  const rest = plain(held, isStart);
  if (rest.length > 0) yield rest.at(-1) === RETURN ? rest.subarray(0, -1) : rest;
  if ((rest.at(-1) ?? last) !== NEWLINE) yield Buffer.from('\n');
}

function plain(bytes: Buffer, isStart: boolean): Buffer {
  const isMarked = isStart && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const marked = isMarked ? bytes.subarray(3) : bytes;
  if (!marked.includes('\r\n')) return marked;
  const pieces: Buffer[] = [];
  let start = 0;
  for (let at = marked.indexOf('\r\n'); at >= 0; at = marked.indexOf('\r\n', start)) {
    pieces.push(marked.subarray(start, at));
    start = at + 1;
  }
  return Buffer.concat([...pieces, marked.subarray(start)]);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z ?/gm;
const LONGEST_TIME = 40;

/** Lines are held until their ends, so that a time is not seen by halves; but no long line is. */
async function* withoutTimes(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held = '';
  let isInLine = false;
  for await (const piece of pieces) {
    const text = held + piece.toString('latin1'); // One character a byte: nothing is changed but the times.
    const tail = text.length - (text.lastIndexOf('\n') + 1);
    const keep = tail < LONGEST_TIME && !(isInLine && tail === text.length) ? tail : 0;
    held = text.slice(text.length - keep);
    const ready = text.slice(0, text.length - keep);
    if (ready === '') continue;
    const start = isInLine ? ready.indexOf('\n') + 1 || ready.length : 0;
    isInLine = !ready.endsWith('\n');
    yield Buffer.from(ready.slice(0, start) + ready.slice(start).replace(TIME, ''), 'latin1');
  }
  if (held !== '') yield Buffer.from(held.replace(TIME, ''), 'latin1');
}
