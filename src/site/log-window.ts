import type { LogReader } from '../archive/archive.ts';
import { foldsAround } from './log-around.ts';
import { DEFAULT_COUNT, type LogWindow } from './pages/job.ts';
import type { LogQuery } from './query.ts';

/** A line beyond this is cut: no person reads it, and a thousand of them are still a page. */
export const MAX_LINE_BYTES = 8192;
/** The part of a window that lies before the line that was asked for. */
const BEFORE = 4;

/**
 * Without `from`: around `line`, so that some lines before it can be seen; else the start of a log that ended, and the
 * newest lines of one that grows.
 */
export async function readWindow(log: LogReader, query: LogQuery, isRunning: boolean): Promise<LogWindow> {
  const count = query.count ?? DEFAULT_COUNT;
  const lastFrom = Math.max(1, log.lines - count + 1);
  const around = query.line && Math.max(1, query.line.from - Math.floor(count / BEFORE));
  const wanted = query.from ?? around ?? (isRunning ? lastFrom : 1);
  const from = wanted > log.lines || (around && wanted > lastFrom) ? lastFrom : wanted;
  const shown = await log.lineRange(from, count, MAX_LINE_BYTES);
  const follows = from + shown.length > log.lines;
  return { from, count, lines: log.lines, bytes: log.bytes, shown, around: await foldsAround(log, from), follows };
}
