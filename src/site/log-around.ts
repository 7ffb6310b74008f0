import type { LogLine, LogReader } from '../archive/archive.ts';
import { isPhaseLine, mightFold, openFolds } from '../core/log-folds.ts';
import { readLogLine } from '../core/log-line.ts';
import { cutText } from '../core/text.ts';
import { type Budget, type Hit, scanLog } from './log-scan.ts';

/** Pieces of a log, of a megabyte at most, that are looked at. */
const MOST_PIECES = 5;
/** Lines that look like folds: no build's log has so many of them in a few megabytes. More than the first step has. */
const MOST_FOLDS = 5_000;
/** In lines. What is near is found soon. */
const FIRST_STEP_BACK = 4_000;
/** In bytes, by the length of a line in the whole log: what is far is found in one step, since each opens its pieces anew. */
const SECOND_STEP_BACK = 3_000_000;
/** In bytes: it is shown as a name. */
const LONGEST_NAME = 300;

/**
 * The groups and phases that a line is in: the lines that began them, the outermost first. What began too far before it is
 * not told: the page shall be there at once, however long the log is.
 */
export async function foldsAround(log: LogReader, line: number): Promise<LogLine[]> {
  const look = lookForFolds(log);
  let found: Hit[] = [];
  let to = line - 1;
  for (const step of [FIRST_STEP_BACK, Math.ceil((SECOND_STEP_BACK * log.lines) / log.bytes)]) {
    const hits = to >= 1 ? await look(Math.max(1, to - step + 1), to) : undefined;
    if (!hits) break;
    found = [...hits, ...found];
    if (hits.some(({ text }) => isPhaseLine(text))) break;
    to -= step;
  }
  return openFolds(found).map(({ line: number, text }) => ({ number, text: cutText(text, LONGEST_NAME) }));
}

/** All looks have one budget. What could not be looked at to its end tells nothing: undefined. */
function lookForFolds(log: LogReader): (from: number, to: number) => Promise<Hit[] | undefined> {
  let pieces = 0;
  let folds = 0;
  const isTooMuch = () => folds > MOST_FOLDS;
  const budget: Budget = {
    isOver() {
      pieces += 1;
      return pieces > MOST_PIECES || isTooMuch();
    },
  };
  const accepts = (text: string): boolean => {
    folds += 1;
    return !isTooMuch() && readLogLine(text).fold !== undefined;
  };
  return async (from, to) => {
    const { hits, isWhole } = await scanLog(log, { pattern: mightFold(), accepts, from, to, keep: MOST_FOLDS }, budget);
    return isWhole && !isTooMuch() ? hits : undefined;
  };
}
