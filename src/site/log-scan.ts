import type { LogReader } from '../archive/archive.ts';
import type { Clock } from '../clock.ts';

/**
 * Reads a log for lines that have something: piece by piece, in memory of a few pieces however long the log or a line of
 * it is, and no longer than its budget. A pattern looks through a whole piece at once: most lines are never touched.
 */
export interface ScanQuery {
  /** Global. Matches within a line. */
  pattern: RegExp;
  /** Of the lines that have the pattern; gets their first `LINE_KEPT` characters. Default: all. */
  accepts?(line: string): boolean;
  /** First and last line to look at; default: all. */
  from?: number;
  to?: number;
  /** How many hits are kept, of the first or of the last ones. All are counted. */
  keep: number;
  which?: 'first' | 'last';
  /** Go no further when enough are kept: whoever asks does not need the count. */
  isEnough?: boolean;
}

export interface Hit {
  line: number;
  /** Without colours, cut. */
  text: string;
}

export interface Scan {
  hits: Hit[];
  /** Lines that have it, up to `until`. */
  count: number;
  /** The last line that was looked at. */
  until: number;
  /** It looked at all that it was asked for; otherwise its time was over. */
  isWhole: boolean;
}

/** How long a scan may go on: until its time is over, or nobody waits for it. */
export interface Budget {
  isOver(): boolean;
}

export function budgetOf(clock: Clock, milliseconds: number, signal?: AbortSignal): Budget {
  const end = clock.now().getTime() + milliseconds;
  return { isOver: () => signal?.aborted === true || clock.now().getTime() >= end };
}

export const LINE_KEPT = 8192;
/** What stays of a line that is longer than this, in bytes, to find what begins in one piece and ends in the next. */
const LONGEST_CARRY = 1_500_000;
const OVERLAP = 1024;

export async function scanLog(log: LogReader, query: ScanQuery, budget: Budget): Promise<Scan> {
  const from = query.from ?? 1;
  const scanner = new Scanner(query, from);
  let carried: Buffer = Buffer.alloc(0);
  if (from > log.lines) return scanner.told(log.lines, true);
  for await (const chunk of log.stream(await log.startOfLine(from))) {
    const piece = carried.length === 0 ? (chunk as Buffer) : Buffer.concat([carried, chunk]);
    const whole = piece.lastIndexOf(10) + 1;
    scanner.look(piece.toString('utf8', 0, whole));
    carried = piece.subarray(whole);
    if (carried.length > LONGEST_CARRY) {
      scanner.lookAtPart(carried.toString('utf8'));
      carried = Buffer.from(carried.subarray(-OVERLAP));
    }
    if (scanner.isDone()) return scanner.told(log.lines, true);
    if (budget.isOver()) return scanner.told(log.lines, false);
  }
  if (carried.length > 0) scanner.look(carried.toString('utf8'));
  return scanner.told(log.lines, true);
}

const COLOURS = /\u001b\[[\d;:]{0,64}m/g;

class Scanner {
  private readonly query: ScanQuery;
  private readonly hits: Hit[] = [];
  private count = 0;
  /** Of the line that is looked at. */
  private number: number;
  /** That line is known to have it: it is so long that it comes in parts. */
  private isFound = false;

  constructor(query: ScanQuery, from: number) {
    this.query = query;
    this.number = from;
  }

  /** Whole lines; the last of a log may lack its newline. */
  look(piece: string): void {
    const text = piece.includes('\u001b[') ? piece.replace(COLOURS, '') : piece;
    const { pattern } = this.query;
    const last = this.query.to ?? Number.POSITIVE_INFINITY;
    let at = 0;
    pattern.lastIndex = 0;
    for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
      const start = text.lastIndexOf('\n', found.index) + 1;
      const end = endOfLine(text, found.index);
      this.pass(text, at, start);
      at = start;
      if (this.number > last) break;
      this.take(text.slice(start, Math.min(end, start + LINE_KEPT)));
      // A pattern that matched nothing would stay where it is.
      pattern.lastIndex = Math.max(end, found.index + 1);
    }
    this.pass(text, at, text.length);
  }

  /** The beginning, or some middle, of a line of which more comes. */
  lookAtPart(part: string): void {
    this.query.pattern.lastIndex = 0;
    if (this.query.pattern.test(part)) this.take(part.slice(0, LINE_KEPT));
  }

  isDone(): boolean {
    const { to, isEnough, keep } = this.query;
    return (to !== undefined && this.number > to) || (isEnough === true && this.hits.length >= keep);
  }

  told(lines: number, isWhole: boolean): Scan {
    const until = isWhole ? Math.min(this.query.to ?? lines, lines) : Math.min(this.number - 1, lines);
    return { hits: this.hits, count: this.count, until, isWhole };
  }

  private pass(text: string, from: number, to: number): void {
    for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
      this.number += 1;
      this.isFound = false;
    }
  }

  private take(line: string): void {
    const { accepts, keep, which, isEnough } = this.query;
    if (this.isFound || (isEnough && this.hits.length >= keep)) return;
    if (accepts && !accepts(line)) return;
    this.isFound = true;
    this.count += 1;
    if (this.hits.length < keep || which === 'last') this.hits.push({ line: this.number, text: line });
    if (this.hits.length > keep) this.hits.shift();
  }
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}
