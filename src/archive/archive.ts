import type { Readable } from 'node:stream';

/**
 * PORT. Keeps what must outlive a build: source archives, logs, artifacts, large raw payloads.
 *
 * Promises:
 * - What a returned promise acknowledged survives a kill at any byte: written aside, fsynced, renamed.
 * - A read verifies what it reads; what fails its hash throws ArchiveError `corrupt`, never wrong bytes.
 * - Several instances may share one archive. A blob is immutable. A log has one writer at a time (the worker's lane
 *   sees to that); a writer that finds more than it wrote itself goes on from there.
 */
export interface Archive {
  /** Store a blob under its own sha256; storing the same bytes again is free. `maxBytes`: beyond it ArchiveError `too-large`. */
  put(bytes: Readable | Uint8Array, options?: PutOptions): Promise<Blob>;
  /** The blob's size, or undefined when it is not (or no longer) there. `use`: it is about to be referred to, which is
   *  as good as having put it now. */
  stat(sha256: string, use?: 'use'): Promise<Blob | undefined>;
  /** The blob's bytes. The stream errors with ArchiveError when they are not what was put. */
  get(sha256: string): Promise<Readable>;
  /** Forget a blob. Forgetting what is not there is fine. `unusedForMs`: not when it was put or used since: who did may
   *  not have stored yet that it refers to it. False when it stays for that. */
  remove(sha256: string, options?: { unusedForMs?: number }): Promise<boolean>;

  /** Open a log for appending: a new one, or one that a dead process left behind, healed to its last whole frame. */
  openLog(id: LogId): Promise<LogWriter>;
  /** Read a log, live or ended; undefined when nothing was ever appended. */
  readLog(id: LogId): Promise<LogReader | undefined>;
  removeLog(id: LogId): Promise<void>;

  /** Bytes on disk, by kind, for the site and the metrics. */
  usage(): Promise<{ blobs: number; logs: number }>;
}

export interface PutOptions {
  maxBytes?: number;
  /** How it is kept: `zstd` (default) or `plain` for what is compressed already. */
  keep?: 'zstd' | 'plain';
  /** Mask known secrets on the way in (for text artifacts). Default false: the bytes are kept as they are. */
  mask?: boolean;
}

/** `sha256` in lower-case hex, of the bytes that `get` returns; `size` in bytes. */
export interface Blob {
  sha256: string;
  size: number;
}

/** An opaque name of lower-case letters, digits and `-`: the attempt's id. */
export type LogId = string;

export interface LogWriter {
  /** How many bytes of the source were taken in, by this writer or one before it: where to go on reading. */
  readonly sourceOffset: number;
  /** Lines that are whole so far. */
  readonly lines: number;
  /** Append raw output. Bytes are durable when the promise resolves, up to a tail of at most `holdBack` bytes that might
   *  be the first half of a secret; that tail is not counted in `sourceOffset`. Malformed UTF-8 is kept as it is. */
  append(chunk: Uint8Array): Promise<void>;
  /** Write the held-back tail, rewrite small frames into full ones, seal. Ending an ended log is fine. */
  end(): Promise<LogSummary>;
}

/** `sha256`: content address of the whole text (after masking). */
export interface LogSummary {
  sha256: string;
  bytes: number;
  lines: number;
}

export interface LogReader {
  readonly ended: boolean;
  readonly bytes: number;
  /** A last line without a newline counts. */
  readonly lines: number;
  /** `count` lines from line `from` (1-based). Costs the frames they are in, not the log. A line longer than
   *  `maxLineBytes` (default 64 KiB) comes cut, with `cut` set to its full length in bytes. */
  lineRange(from: number, count: number, maxLineBytes?: number): Promise<LogLine[]>;
  /** Where in the text a line begins, in bytes, for `stream`. Behind the last line: the end of the text. */
  startOfLine(line: number): Promise<number>;
  /** The text as bytes, from byte `from` on, up to what was there when the reader was opened. */
  stream(from?: number): Readable;
}

export interface LogLine {
  number: number;
  /** Decoded as UTF-8, malformed bytes as U+FFFD, without the newline. */
  text: string;
  cut?: number;
}

export type ArchiveErrorKind = 'missing' | 'corrupt' | 'too-large' | 'full' | 'io';

/** `retry`: asking again later could help (a full disk, a slow one). The message says what happened and to what. */
export class ArchiveError extends Error {
  readonly kind: ArchiveErrorKind;
  readonly retry: boolean;
  constructor(kind: ArchiveErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'ArchiveError';
    this.kind = kind;
    this.retry = kind === 'full' || kind === 'io';
  }
}
