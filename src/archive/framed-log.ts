import { ArchiveError, type LogSummary, type LogWriter } from './archive.ts';
import { translated } from './durable.ts';
import { frameTextLimit } from './frame.ts';
import type { Layout, LogPaths } from './layout.ts';
import { LogFile } from './log-file.ts';
import { maskPart, type SecretPatterns } from './mask.ts';

/**
 * Writes a log: masks what is appended, and adds it to the log's files frame by frame.
 *
 * - Appends that arrive while another is on its way to the disk share the next frame, and its fsync.
 * - A frame ends where masking may start anew (see mask.ts), so a writer that goes on at `sourceOffset` writes the very
 *   bytes that this one would have written.
 * - After a failed append the writer refuses to go on, since a part of it may be in the log: open the log again, and
 *   read from its `sourceOffset`.
 *
 * `patterns` is asked for every frame: a secret that is younger than the log is masked, too.
 */
export async function openLogWriter(
  layout: Layout,
  paths: LogPaths,
  patterns: () => SecretPatterns,
): Promise<LogWriter> {
  const what = `Log ${paths.id} could not be opened for writing`;
  return translated(what, async () => new FramedLogWriter(paths.id, await LogFile.open(layout, paths), patterns));
}

interface Waiting {
  chunk: Uint8Array;
  resolve(): void;
  reject(error: unknown): void;
}

class FramedLogWriter implements LogWriter {
  private readonly id: string;
  private readonly file: LogFile;
  private readonly patterns: () => SecretPatterns;
  /** Where in the source the next appended byte lies. */
  private given: number;
  /** The last of what was given: it may be the first half of a secret. */
  private held: Buffer = Buffer.alloc(0);
  private waiting: Waiting[] = [];
  private isWriting = false;
  private ending: Promise<LogSummary> | undefined;
  private fault: unknown;

  constructor(id: string, file: LogFile, patterns: () => SecretPatterns) {
    this.id = id;
    this.file = file;
    this.patterns = patterns;
    this.given = file.source;
  }

  get sourceOffset(): number {
    return this.file.source;
  }

  get lines(): number {
    return this.file.newlines;
  }

  append(chunk: Uint8Array): Promise<void> {
    if (this.ending || this.file.end) {
      return Promise.reject(new Error(`Log ${this.id} has ended; nothing can be appended to it.`));
    }
    return this.enqueue(chunk);
  }

  end(): Promise<LogSummary> {
    // Ending waits in line like an append, so that it comes after all of them.
    this.ending ??= this.enqueue(Buffer.alloc(0)).then(() => translated(this.what, () => this.seal()));
    return this.ending;
  }

  private get what(): string {
    return `Log ${this.id} could not be written`;
  }

  private enqueue(chunk: Uint8Array): Promise<void> {
    if (this.fault) return Promise.reject(this.fault);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.waiting.push({ chunk, resolve, reject });
    if (!this.isWriting) void this.writeWaiting();
    return promise;
  }

  /** One batch after another; what arrives during a batch is the next one. Answers those who wait, never throws. */
  private async writeWaiting(): Promise<void> {
    this.isWriting = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      try {
        await translated(this.what, () => this.take(batch.map(({ chunk }) => chunk)));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.fault = error;
        for (const { reject } of [...batch, ...this.waiting]) reject(error);
        this.waiting = [];
      }
    }
    this.isWriting = false;
  }

  private async take(chunks: Uint8Array[]): Promise<void> {
    if (chunks.every((chunk) => chunk.length === 0)) return;
    const start = this.given - this.held.length;
    const raw = Buffer.concat([this.held, ...chunks]);
    this.given = start + raw.length;
    await this.file.catchUp();
    this.held = await this.write(this.notWritten(raw, start), false);
  }

  /** Another writer may have gone on where we stopped; what of our bytes is not in the log yet. */
  private notWritten(raw: Buffer, start: number): Buffer {
    const written = this.file.source - start;
    if (written < 0) throw new ArchiveError('missing', `Log ${this.id} was removed while it was written.`);
    if (this.file.end && written < raw.length) {
      throw new ArchiveError(
        'io',
        `Log ${this.id} was ended by another writer, ${raw.length - written} bytes before us.`,
      );
    }
    return raw.subarray(Math.min(written, raw.length));
  }

  /** Write what masking can decide; returns the rest. */
  private async write(raw: Buffer, isLast: boolean): Promise<Buffer> {
    let rest = raw;
    for (;;) {
      const part = rest.subarray(0, frameTextLimit);
      const { text, consumed } = maskPart(this.patterns(), part, isLast && part.length === rest.length);
      if (consumed > 0) await this.file.add(text, this.file.source + consumed);
      rest = rest.subarray(consumed);
      // A copy, so that a few held-back bytes do not keep a large chunk in memory.
      if (part.length < frameTextLimit || rest.length === 0) return Buffer.from(rest);
    }
  }

  private async seal(): Promise<LogSummary> {
    await this.file.catchUp();
    if (!this.file.end) {
      const held = this.notWritten(this.held, this.given - this.held.length);
      this.held = await this.write(held, true);
    }
    return this.file.close();
  }
}
