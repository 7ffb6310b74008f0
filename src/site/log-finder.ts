import type { LogReader } from '../archive/archive.ts';
import type { Clock } from '../clock.ts';
import { type MarkedLine, type MarkKind, mightBeMarked, readLogLine } from '../core/log-line.ts';
import { logMessages } from '../core/messages-log.ts';
import { createLatest } from './latest.ts';
import { budgetOf, type Scan, type ScanQuery, scanLog } from './log-scan.ts';
import type { Look } from './query.ts';
import { createTurns } from './turns.ts';

/**
 * Finds in logs, for one site: a few at a time, each for some seconds at most, and what was found is remembered for a
 * while, since who turns pages asks the same again.
 */
export interface LogFinder {
  /** Lines with this text, whatever the case. */
  search(asked: Asked, text: string): Promise<Scan>;
  /** What is marked in a log. Undefined: it is too long to be read for that, before the page is shown. */
  overview(asked: Asked): Promise<Overview | undefined>;
  /** The nearest line, from `line` on, that has the text; without a text: that is marked, or among `known`. */
  near(asked: Asked, near: Near): Promise<{ line?: number; looked?: number }>;
}

export interface Asked {
  log: LogReader;
  /** Names the log. */
  attemptId: string;
  /** Somebody who has gone away does not wait. */
  signal?: AbortSignal;
}

export interface Near {
  look: Look;
  /** Not this one, but what is before or behind it. */
  line: number;
  text?: string;
  known?: readonly MarkedLine[];
}

/** `count`: of all; `lines`: the first ones. */
export interface Overview {
  lines: MarkedLine[];
  count: number;
}

const SEARCH_MS = 10_000;
export const KEPT_HITS = 2_000;
const KEPT_MARKS = 200;
/** Read within a page's time: a few hundredths of a second. */
const OVERVIEW_BYTES = 4_000_000;
const FIRST_STEP_BACK = 5_000;

export function createLogFinder(clock: Clock): LogFinder {
  const turns = createTurns(2, 20, logMessages.busy);
  const searches = createLatest<Scan>(20);
  const overviews = createLatest<Overview>(50);
  const scanWith = (asked: Asked) => {
    // The time begins when the turn does.
    const budget = budgetOf(clock, SEARCH_MS, asked.signal);
    return (query: ScanQuery) => scanLog(asked.log, query, budget);
  };
  return {
    async search(asked, text) {
      const key = `${keyOf(asked)} ${text}`;
      const known = searches.get(key);
      if (known) return known;
      const scan = await turns(() => scanWith(asked)({ pattern: searchPattern(text), keep: KEPT_HITS }));
      const hits = scan.hits.map((hit) => ({ ...hit, text: hit.text.slice(0, SHOWN_OF_HIT) }));
      const found = { ...scan, hits };
      if (scan.isWhole) searches.set(key, found);
      return found;
    },
    async overview(asked) {
      const known = overviews.get(keyOf(asked));
      if (known || asked.log.bytes > OVERVIEW_BYTES) return known;
      const scan = await turns(() => scanWith(asked)({ ...MARKED(), keep: KEPT_MARKS }));
      const overview = { lines: scan.hits.map(markedLine), count: scan.count };
      overviews.set(keyOf(asked), overview);
      return overview;
    },
    near: (asked, near) => turns(() => nearest(scanWith(asked), asked.log, near)),
  };
}

/** A log that grows is another one. */
const keyOf = ({ attemptId, log }: Asked): string => `${attemptId} ${log.bytes}`;
const SHOWN_OF_HIT = 300;

export const searchPattern = (text: string): RegExp => new RegExp(text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'gi');

const MARKED = (): Pick<ScanQuery, 'pattern' | 'accepts'> => ({
  pattern: mightBeMarked(),
  accepts: (line) => readLogLine(line).mark !== undefined,
});

function markedLine({ line, text }: { line: number; text: string }): MarkedLine {
  const parts = readLogLine(text);
  return { line, text: parts.text.slice(parts.command, parts.command + SHOWN_OF_HIT), kind: parts.mark as MarkKind };
}

type Scanning = (query: ScanQuery) => Promise<Scan>;

async function nearest(scan: Scanning, log: LogReader, { look, line, text, known = [] }: Near) {
  const wanted = text === undefined ? MARKED() : { pattern: searchPattern(text) };
  const lines = text === undefined ? known.map((each) => each.line) : [];
  if (look === 'previous') {
    const at = lines.filter((each) => each < line).at(-1);
    const found = await lastBefore(scan, wanted, Math.min(line, log.lines + 1), at);
    return { ...found, line: larger(found.line, at) };
  }
  const from = look === 'first' ? 1 : line + 1;
  const at = lines.find((each) => each >= from);
  const found = await scan({ ...wanted, from, to: at ?? log.lines, keep: 1, isEnough: true });
  const hit = found.hits[0]?.line ?? at;
  return hit === undefined && !found.isWhole ? { looked: found.until } : { line: hit };
}

/** Steps back, each as long as all before it: what is near is found soon, and nothing is read twice. */
async function lastBefore(
  scan: Scanning,
  wanted: Pick<ScanQuery, 'pattern' | 'accepts'>,
  line: number,
  least = 1,
): Promise<{ line?: number; looked?: number }> {
  for (let to = line - 1, step = FIRST_STEP_BACK; to >= least; to -= step, step *= 2) {
    const from = Math.max(least, to - step + 1);
    const found = await scan({ ...wanted, from, to, keep: 1, which: 'last' });
    if (!found.isWhole) return { looked: to };
    if (found.hits[0]) return { line: found.hits[0].line };
  }
  return {};
}

const larger = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
