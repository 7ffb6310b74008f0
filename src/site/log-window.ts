import type { LogReader } from '../archive/archive.ts';
import { DEFAULT_COUNT, type LogWindow } from './pages/job.ts';
import type { LogQuery } from './query.ts';

/** A line beyond this is cut: no person reads it, and a thousand of them are still a page. */
export const MAX_LINE_BYTES = 8192;

/** Without `from`: the start of a log that ended, the newest lines of one that grows. */
export async function readWindow(log: LogReader, query: LogQuery, isRunning: boolean): Promise<LogWindow> {
  const count = query.count ?? DEFAULT_COUNT;
  const lastFrom = Math.max(1, log.lines - count + 1);
  const wanted = query.from ?? (isRunning ? lastFrom : 1);
  const from = wanted > log.lines ? lastFrom : wanted;
  const shown = await log.lineRange(from, count, MAX_LINE_BYTES);
  return { from, count, lines: log.lines, bytes: log.bytes, shown, follows: from + shown.length > log.lines };
}
