import { createHash, type Hash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { ArchiveError, type LogSummary } from './archive.ts';
import { ensureDirectory, isMissing, readIfThere, replaceFile, writeEnd } from './durable.ts';
import {
  compressText,
  describeText,
  endOf,
  type Frame,
  frameTextLimit,
  indexLine,
  openFrame,
  parseTail,
  type StoredFrame,
  tailRecord,
  tailStart,
} from './frame.ts';
import type { Layout, LogPaths } from './layout.ts';
import { indexLines } from './line-index.ts';
import { readFrameText, takeSnapshot } from './log-snapshot.ts';

/** A tail of more frames than this is sealed even when it is small, so that no reader has to look through thousands. */
const tailFramesLimit = 1024;
/** A text of this size is worth a full frame of its own. */
const directlySealed = frameTextLimit / 2;
// What is in the tail is compressed once more when it is sealed: speed matters more there than size.
const tailLevel = 1;
const sealedLevel = 3;

/**
 * The files of one log, as its writer changes them.
 *
 * A text is added as a small frame at the end of the tail: one write, one fdatasync, and every instance can read it. A
 * tail that is full is sealed: its text becomes one frame in `.frames`, then a line in `.index`, both durable, and only
 * then a new, empty tail is renamed over the old one. Nothing is changed in place, so a reader never sees half of this,
 * and a writer that dies anywhere leaves at most bytes that no description vouches for; the next one overwrites them.
 */
export class LogFile {
  private readonly layout: Layout;
  private readonly paths: LogPaths;
  private sealed: StoredFrame[] = [];
  private tail: StoredFrame[] = [];
  private wholeIndex = 0;
  private wholeTail: number | undefined;
  /** Which file the tail was, and how it looked, when we last touched it. */
  private tailSeen: string | undefined;
  /** Of the text so far; undefined when another writer began it: then it is read back at the end. */
  private hash: Hash | undefined;
  private wholeLines = 0;
  private ended: LogSummary | undefined;

  private constructor(layout: Layout, paths: LogPaths) {
    this.layout = layout;
    this.paths = paths;
  }

  static async open(layout: Layout, paths: LogPaths): Promise<LogFile> {
    const file = new LogFile(layout, paths);
    await file.load();
    return file;
  }

  /** Source bytes that are in the log. */
  get source(): number {
    return this.newest?.source ?? 0;
  }

  get newlines(): number {
    return this.wholeLines;
  }

  get end(): LogSummary | undefined {
    return this.ended;
  }

  /** Take up what another writer did since we last looked; most often nothing. */
  async catchUp(): Promise<void> {
    if ((await fingerprint(this.paths.tail)) !== this.tailSeen) await this.load();
  }

  /** Add up to 1 MiB of text, durably. `source`: how many source bytes are in the log then. */
  async add(text: Buffer, source: number): Promise<void> {
    const tailBytes = this.tail.reduce((sum, frame) => sum + frame.bytes, 0);
    if (this.tail.length >= tailFramesLimit || tailBytes + text.length > frameTextLimit) await this.sealTail();
    if (text.length >= directlySealed && this.tail.length === 0) await this.addSealed(text, source);
    else await this.addToTail(text, source);
    this.hash?.update(text);
    this.wholeLines += this.newest?.newlines ?? 0;
  }

  /** The end of the log. Each step may be the last one before a kill, and all of them may be done again. */
  async close(): Promise<LogSummary> {
    this.ended ??= await this.writeEndLine();
    await rm(this.paths.tail, { force: true });
    return this.ended;
  }

  private get newest(): StoredFrame | undefined {
    return this.tail.at(-1) ?? this.sealed.at(-1);
  }

  private async load(): Promise<void> {
    // The tail is looked at first: what is added before it is read makes the two differ, and is then found.
    this.tailSeen = await fingerprint(this.paths.tail);
    const snapshot = await takeSnapshot(this.paths);
    this.sealed = snapshot?.sealed ?? [];
    this.tail = snapshot?.tail ?? [];
    this.wholeIndex = snapshot?.wholeIndex ?? 0;
    this.wholeTail = snapshot?.wholeTail;
    this.ended = snapshot?.end;
    await this.dropTornFrame();
    this.tail = this.tail.map(withoutPayload);
    this.wholeLines = indexLines([...this.sealed, ...this.tail]).newlines;
    this.hash = this.newest ? undefined : createHash('sha256');
  }

  /** After a power cut the last write may have its length but not its bytes; nobody was told that it was there. */
  private async dropTornFrame(): Promise<void> {
    const last = this.tail.at(-1);
    if (!last?.payload) return;
    try {
      await openFrame(last, last.payload, 'The last frame');
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      this.tail.pop();
      this.wholeTail = last.recordAt;
    }
  }

  private async addToTail(text: Buffer, source: number): Promise<void> {
    if (this.wholeTail === undefined) await this.startTail();
    const recordAt = this.wholeTail!;
    const payload = await compressText(text, tailLevel);
    const frame: Frame = { at: 0, size: payload.length, start: endOf(this.newest), ...describeText(text), source };
    const record = tailRecord(frame, payload);
    await writeEnd(this.paths.tail, recordAt, record);
    this.tail.push(frame);
    this.wholeTail = recordAt + record.length;
    this.tailSeen = await fingerprint(this.paths.tail);
  }

  private async sealTail(): Promise<void> {
    const last = this.tail.at(-1);
    if (!last) return;
    const text = await this.readTail();
    this.tail = [];
    await this.addSealed(text, last.source);
  }

  /** Read back, not remembered: many logs are written at a time. And so nothing is sealed that was not verified. */
  private async readTail(): Promise<Buffer> {
    const what = `log ${this.paths.id}`;
    const bytes = await readIfThere(this.paths.tail);
    if (!bytes) throw new ArchiveError('missing', `The tail of ${what} was removed while it was written.`);
    const first = this.tail[0]!.start;
    const stored = parseTail(bytes, what).frames.filter((frame) => frame.start >= first);
    const texts: Buffer[] = [];
    for (const frame of stored.slice(0, this.tail.length)) texts.push(await readFrameText(this.paths, frame));
    return Buffer.concat(texts);
  }

  /** Frame, index line, new tail: in this order, each durable before the next is begun. */
  private async addSealed(text: Buffer, source: number): Promise<void> {
    await ensureDirectory(this.paths.directory);
    const before = this.sealed.at(-1);
    const at = before ? before.at + before.size : 0;
    const payload = await compressText(text, sealedLevel);
    const frame: Frame = { at, size: payload.length, start: endOf(before), ...describeText(text), source };
    await writeEnd(this.paths.frames, at, payload);
    await this.addIndexLine(indexLine(frame));
    this.sealed.push(frame);
    await this.startTail();
  }

  private async addIndexLine(line: Buffer): Promise<void> {
    await writeEnd(this.paths.index, this.wholeIndex, line);
    this.wholeIndex += line.length;
  }

  private async startTail(): Promise<void> {
    const start = tailStart(endOf(this.sealed.at(-1)), this.sealed.at(-1)?.source ?? 0);
    await ensureDirectory(this.paths.directory);
    await replaceFile(this.paths.tail, this.layout.temporary(), start);
    this.wholeTail = start.length;
    this.tailSeen = await fingerprint(this.paths.tail);
  }

  private async writeEndLine(): Promise<LogSummary> {
    await this.sealTail();
    await ensureDirectory(this.paths.directory);
    const { bytes, lines } = indexLines(this.sealed);
    const hash = this.hash ?? (await this.hashBack());
    const end = { sha256: hash.copy().digest('hex'), bytes, lines };
    await this.addIndexLine(indexLine({ end }));
    return end;
  }

  private async hashBack(): Promise<Hash> {
    const hash = createHash('sha256');
    for (const frame of this.sealed) hash.update(await readFrameText(this.paths, frame));
    return hash;
  }
}

/** The order is such that a kill in between leaves a log that is shorter, or gone, but never broken. */
export async function removeLogFiles(paths: LogPaths): Promise<void> {
  for (const path of [paths.tail, paths.index, paths.frames]) await rm(path, { force: true });
}

function withoutPayload({ payload: _, ...frame }: StoredFrame): StoredFrame {
  return frame;
}

async function fingerprint(path: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
