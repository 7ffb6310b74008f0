import { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { LogLine, LogReader } from './archive.ts';
import { translated } from './durable.ts';
import { frameTextLimit } from './frame.ts';
import type { LogPaths } from './layout.ts';
import { indexLines, type LineIndex } from './line-index.ts';
import { type LogSnapshot, readFrameText, takeSnapshot } from './log-snapshot.ts';

const newline = 10;

export async function openLogReader(paths: LogPaths): Promise<LogReader | undefined> {
  return translated(`Log ${paths.id} could not be read`, async () => {
    const snapshot = await takeSnapshot(paths);
    // An empty tail is what a writer leaves that died before its first frame.
    if (!snapshot || (snapshot.frames.length === 0 && !snapshot.end)) return undefined;
    return logReader(paths, snapshot);
  });
}

function logReader(paths: LogPaths, snapshot: LogSnapshot): LogReader {
  const index = indexLines(snapshot.frames);
  return {
    ended: snapshot.end !== undefined,
    bytes: index.bytes,
    lines: index.lines,
    lineRange(from, count, maxLineBytes = 64 * 1024) {
      assertWhole({ from, count, maxLineBytes });
      if (from < 1) throw new RangeError(`Lines are counted from 1, not from ${from}.`);
      const what = `Lines ${from} to ${from + count - 1} of log ${paths.id} could not be read`;
      return translated(what, () => readLines(new LogText(paths, snapshot, index), index, from, count, maxLineBytes));
    },
    startOfLine(line) {
      assertWhole({ line });
      if (line < 1) throw new RangeError(`Lines are counted from 1, not from ${line}.`);
      const what = `Line ${line} of log ${paths.id} could not be found`;
      return translated(what, () => new LogText(paths, snapshot, index).lineStart(line));
    },
    stream(from = 0) {
      assertWhole({ from });
      return Readable.from(textFrom(paths, snapshot, index, from), {
        objectMode: false,
        highWaterMark: frameTextLimit,
      });
    },
  };
}

function assertWhole(numbers: Record<string, number>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} is a count, not ${value}.`);
  }
}

async function readLines(
  text: LogText,
  index: LineIndex,
  from: number,
  count: number,
  maxLineBytes: number,
): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  const until = Math.min(index.lines, from + count - 1);
  let start = from <= until ? await text.lineStart(from) : 0;
  for (let number = from; number <= until; number += 1) {
    const next = await text.lineStart(number + 1);
    // The last line may have no newline of its own.
    const length = (number <= index.newlines ? next - 1 : index.bytes) - start;
    lines.push(asLine(number, await text.slice(start, start + Math.min(length, maxLineBytes)), length));
    start = next;
  }
  return lines;
}

function asLine(number: number, kept: Buffer, length: number): LogLine {
  if (kept.length === length) return { number, text: kept.toString() };
  // A decoder keeps back the first half of a character that the cut has split.
  return { number, text: new StringDecoder('utf8').write(kept), cut: length };
}

async function* textFrom(paths: LogPaths, snapshot: LogSnapshot, index: LineIndex, from: number) {
  if (from >= index.bytes) return;
  for (const frame of snapshot.frames.slice(index.frameOfByte(from))) {
    const text = await translated(`Log ${paths.id} could not be read`, () => readFrameText(paths, frame));
    yield text.subarray(Math.max(0, from - frame.start));
  }
}

/** Reads forward through a log and opens a frame only when the index does not know the answer. */
class LogText {
  private readonly paths: LogPaths;
  private readonly snapshot: LogSnapshot;
  private readonly index: LineIndex;
  private opened: { frame: number; text: Buffer } | undefined;
  /** The newline that was looked up last, so that the next one is found without starting over. */
  private found = { frame: -1, nth: 0, offset: -1 };

  constructor(paths: LogPaths, snapshot: LogSnapshot, index: LineIndex) {
    this.paths = paths;
    this.snapshot = snapshot;
    this.index = index;
  }

  /** Where in the text a line begins. Behind the last line: the end of the text. */
  async lineStart(number: number): Promise<number> {
    if (number === 1) return 0;
    if (number - 1 > this.index.newlines) return this.index.bytes;
    return (await this.newlineOffset(number - 1)) + 1;
  }

  private async newlineOffset(n: number): Promise<number> {
    const { frame, nth } = this.index.frameOfNewline(n);
    const { start, bytes, head, last, newlines } = this.snapshot.frames[frame]!;
    if (nth === 1) return start + head;
    if (nth === newlines) return start + bytes - last - 1;
    const text = await this.open(frame);
    const isAhead = this.found.frame === frame && this.found.nth <= nth;
    const at = isAhead ? { ...this.found } : { frame, nth: 0, offset: -1 };
    for (; at.nth < nth; at.nth += 1) at.offset = text.indexOf(newline, at.offset + 1);
    this.found = at;
    return start + at.offset;
  }

  async slice(from: number, to: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let at = from; at < to; ) {
      const frame = this.index.frameOfByte(at);
      const { start } = this.snapshot.frames[frame]!;
      const piece = (await this.open(frame)).subarray(at - start, to - start);
      pieces.push(piece);
      at += piece.length;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  private async open(frame: number): Promise<Buffer> {
    if (this.opened?.frame !== frame) {
      this.opened = { frame, text: await readFrameText(this.paths, this.snapshot.frames[frame]!) };
    }
    return this.opened.text;
  }
}
