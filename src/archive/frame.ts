import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, crc32, zstdCompress, zstdDecompress } from 'node:zlib';
import { z } from 'zod';
import { ArchiveError } from './archive.ts';

/**
 * The bytes of a log on disk. A frame is up to 1 MiB of text, compressed as one zstd frame, and a description of it.
 *
 * - In `.index`, a description is a line: JSON, a space, the CRC-32 of the JSON. The frame itself lies in `.frames`.
 * - In `.tail`, a description is a zstd skippable frame with the same line in it, and its frame follows at once.
 *
 * A description that is cut off or wrong at the end of a file is a write that nobody acknowledged, and is ignored. The
 * same with a good one after it is damage, and is told.
 */
export interface Frame {
  /** Where it lies in its file, and how long it is there. */
  at: number;
  size: number;
  /** Where its text lies in the log's text. */
  start: number;
  bytes: number;
  newlines: number;
  /** Bytes before the first newline, and after the last one; all of them when there is none. */
  head: number;
  last: number;
  /** Of its text. */
  sha256: string;
  /** Bytes of the source that are in the log once this frame is. */
  source: number;
}

/** What is known of a frame in a tail: its compressed bytes, and where its description begins. */
export interface StoredFrame extends Frame {
  payload?: Buffer;
  recordAt?: number;
}

export interface LogEnd {
  sha256: string;
  bytes: number;
  lines: number;
}

/** `whole`: how many bytes of the file are good; what is behind them may be overwritten. */
export interface ParsedIndex {
  frames: Frame[];
  end?: LogEnd;
  whole: number;
}

/** `start`: where in the text this tail begins. */
export interface ParsedTail {
  start: number;
  source: number;
  frames: StoredFrame[];
  whole: number;
}

export const frameTextLimit = 1024 * 1024;
const newline = 10;
// RFC 8878, 3.1.2: decoders skip frames with the magic numbers 0x184D2A50 to 0x184D2A5F.
const descriptionMagic = Buffer.from([0x5b, 0x2a, 0x4d, 0x18]);
const longestDescription = 1024;

const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const frameSchema = z.strictObject({
  at: count,
  size: count,
  start: count,
  bytes: count.max(frameTextLimit),
  newlines: count,
  head: count,
  last: count,
  sha256,
  source: count,
});
const tailStartSchema = z.strictObject({ start: count, source: count });
const endSchema = z.strictObject({ end: z.strictObject({ sha256, bytes: count, lines: count }) });

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** `level`: zstd's. The checksum is for people who use `zstdcat`; our own is the sha256. */
export function compressText(text: Buffer, level: number): Promise<Buffer> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  return compress(text, { params, pledgedSrcSize: text.length, chunkSize: roomFor(text.length / 2) });
}

/** The text of a frame, verified. `what` names it in the error. */
export async function openFrame(frame: Frame, payload: Buffer, what: string): Promise<Buffer> {
  try {
    const text = await decompress(payload, {
      maxOutputLength: Math.max(1, frame.bytes),
      chunkSize: roomFor(frame.bytes),
    });
    if (text.length === frame.bytes && sha256Of(text) === frame.sha256) return text;
  } catch (error) {
    throw new ArchiveError('corrupt', `${what} cannot be decompressed; it was damaged on disk.`, { cause: error });
  }
  throw new ArchiveError('corrupt', `${what} is not what was written; it was damaged on disk.`);
}

/** One output buffer of the right size instead of many of 16 KiB, each of which is a way to the thread pool and back. */
function roomFor(bytes: number): number {
  return Math.max(1024, Math.ceil(bytes) + 64);
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function describeText(text: Buffer): Pick<Frame, 'bytes' | 'newlines' | 'head' | 'last' | 'sha256'> {
  let newlines = 0;
  for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) newlines += 1;
  return {
    bytes: text.length,
    newlines,
    head: newlines === 0 ? text.length : text.indexOf(newline),
    last: text.length - 1 - text.lastIndexOf(newline),
    sha256: sha256Of(text),
  };
}

export function indexLine(content: Frame | { end: LogEnd }): Buffer {
  return Buffer.from(`${checked(content)}\n`);
}

/** The beginning of a new tail. */
export function tailStart(start: number, source: number): Buffer {
  return skippable(checked({ start, source }));
}

export function tailRecord(frame: Frame, payload: Buffer): Buffer {
  return Buffer.concat([skippable(checked(frame)), payload]);
}

function checked(content: object): string {
  const json = JSON.stringify(content);
  return `${json} ${crc32(json).toString(16).padStart(8, '0')}`;
}

function skippable(content: string): Buffer {
  const body = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([descriptionMagic, length, body]);
}

/** The content of a checked line, or undefined when it is not what was written. */
function unchecked(line: string): unknown {
  const json = line.slice(0, -9);
  if (line.at(-9) !== ' ' || crc32(json).toString(16).padStart(8, '0') !== line.slice(-8)) return undefined;
  return JSON.parse(json);
}

export function parseIndex(bytes: Buffer, what: string): ParsedIndex {
  const parsed: ParsedIndex = { frames: [], whole: 0 };
  let isBroken = false;
  let at = 0;
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, at)) {
    const content = unchecked(bytes.toString('utf8', at, end));
    at = end + 1;
    if (content === undefined) isBroken = true;
    else if (isBroken) throw damaged(`the index of ${what}`);
    else {
      takeIndexLine(parsed, content, what);
      parsed.whole = at;
    }
  }
  return parsed;
}

function takeIndexLine(parsed: ParsedIndex, content: unknown, what: string): void {
  const end = endSchema.safeParse(content);
  const frame = frameSchema.safeParse(content);
  if (parsed.end || (!end.success && !frame.success)) throw damaged(`the index of ${what}`);
  if (end.success) parsed.end = end.data.end;
  if (!frame.success) return;
  assertFollows(parsed.frames.at(-1), frame.data, what);
  parsed.frames.push(frame.data);
}

/** Frames follow one another in the text; where one is missing, the rest must not be shown in its place. */
export function assertFollows(previous: Frame | undefined, next: Frame, what: string): void {
  if (next.start !== endOf(previous)) throw damaged(`the index of ${what}: text before byte ${next.start} is missing`);
}

export function endOf(frame: Frame | undefined): number {
  return frame ? frame.start + frame.bytes : 0;
}

export function parseTail(bytes: Buffer, what: string): ParsedTail {
  const first = descriptionAt(bytes, 0);
  const start = tailStartSchema.safeParse(first?.content);
  // It was renamed into place as a whole, so there is no innocent way to lose its beginning.
  if (!first || !start.success) throw damaged(`the tail of ${what}`);
  const parsed: ParsedTail = { ...start.data, frames: [], whole: first.end };
  for (;;) {
    const record = tailRecordAt(bytes, parsed.whole);
    if (!record) break;
    assertTailFollows(parsed, record, what);
    parsed.frames.push(record);
    parsed.whole = record.at + record.size;
  }
  if (hasRecordBehind(bytes, parsed.whole)) throw damaged(`the tail of ${what}`);
  return parsed;
}

function assertTailFollows(parsed: ParsedTail, next: Frame, what: string): void {
  const previous = parsed.frames.at(-1);
  if (previous) assertFollows(previous, next, what);
  else if (next.start !== parsed.start) throw damaged(`the tail of ${what}`);
}

function tailRecordAt(bytes: Buffer, at: number): StoredFrame | undefined {
  const description = descriptionAt(bytes, at);
  const frame = frameSchema.safeParse(description?.content);
  if (!description || !frame.success) return undefined;
  const payload = bytes.subarray(description.end, description.end + frame.data.size);
  return payload.length === frame.data.size ? { ...frame.data, at: description.end, recordAt: at, payload } : undefined;
}

function descriptionAt(bytes: Buffer, at: number): { content: unknown; end: number } | undefined {
  if (at + 8 > bytes.length || bytes.compare(descriptionMagic, 0, 4, at, at + 4) !== 0) return undefined;
  const end = at + 8 + bytes.readUInt32LE(at + 4);
  if (end > bytes.length || end - at > longestDescription) return undefined;
  const content = unchecked(bytes.toString('utf8', at + 8, end));
  return content === undefined ? undefined : { content, end };
}

function hasRecordBehind(bytes: Buffer, from: number): boolean {
  for (let at = bytes.indexOf(descriptionMagic, from); at >= 0; at = bytes.indexOf(descriptionMagic, at + 1)) {
    if (at > from && tailRecordAt(bytes, at)) return true;
  }
  return false;
}

function damaged(what: string): ArchiveError {
  return new ArchiveError('corrupt', `${what[0]!.toUpperCase()}${what.slice(1)} was damaged on disk.`);
}
