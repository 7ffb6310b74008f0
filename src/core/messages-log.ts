import { retentionMessages } from './messages-retention.ts';

/** What the page of a log says. */
const grouped = (value: number): string => value.toLocaleString('en');
const several = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

export const logMessages = {
  keys: 'One-key shortcuts',
  waiting: 'Waiting for the first line …',
  none: {
    heading: 'No log',
    words: 'This attempt ended before it wrote a line.',
  },
  /** `at`: when retention removed it; without: nobody knows why it is not there. */
  gone: (at: Date | undefined) =>
    at
      ? { heading: 'The log is gone', words: `It was ${retentionMessages.removed(at)}; the verdict stays.` }
      : {
          heading: 'The log is gone',
          words: 'It was removed by retention, or the archive lost it; the verdict stays.',
        },
  failures: (tests: number, errors: number, isMore: boolean) =>
    [
      ...(tests > 0 ? [several(tests, 'line of failed tests', 'lines of failed tests')] : []),
      ...(errors > 0 ? [several(errors, 'error')] : []),
    ].join(', ') + (isMore ? ', and more' : ''),
  found: (query: string, count: number) => `${several(count, 'line')} with “${query}”`,
  notFound: (query: string) => `No line with “${query}”`,
  /** A search whose time was over. */
  foundUntil: (line: number, lines: number) =>
    `The log is long: this is of lines 1 to ${grouped(line)} of ${grouped(lines)}.`,
  keptHits: (kept: number) => `The first ${grouped(kept)} are listed; Next goes on behind them.`,
  nothing: {
    first: 'Nothing in this log looks like an error or a failed test.',
    next: 'Nothing more behind this.',
    previous: 'Nothing before this.',
  },
  nothingUntil: (line: number) => `Nothing found up to line ${grouped(line)}, and then the time was over.`,
  busy: 'Other readers search long logs just now. Try again in a few seconds.',
  compare: {
    explain:
      'Times, durations, paths, addresses, commits and names of temporary files are not compared. A line that stands elsewhere in the other log is dim.',
    noGreen: {
      heading: 'Nothing to compare with',
      words:
        'This job has not passed in an earlier run of this pull request or branch, nor of the branch that it goes to, or those runs were removed.',
    },
    noLog: (which: string) => `There is no log of ${which}.`,
    tooLarge: (which: string, bytes: number, lines: number) => ({
      heading: 'Too long to compare',
      words: `The log of ${which} has ${several(lines, 'line')} (${grouped(Math.ceil(bytes / 1e6))} MB); up to ${grouped(MOST_COMPARED.lines)} lines and ${MOST_COMPARED.bytes / 1e6} MB are compared. Both can be downloaded.`,
    }),
    same: { heading: 'No difference', words: 'But for what is not compared, both logs say the same.' },
    counts: (added: number, removed: number) =>
      `${several(added, 'line')} only here, ${several(removed, 'line')} only in the green run.`,
    onlyMoved: (hunks: number) =>
      `${several(hunks, 'place')} where the same lines stand in another order ${hunks === 1 ? 'is' : 'are'} left out.`,
    cut: (shown: number, all: number) => `The first ${grouped(shown)} of ${grouped(all)} places are shown.`,
    coarse: 'The logs differ so much that parts are shown as replaced whole.',
  },
} as const;

/** A log beyond this is not read to be compared: it would take all others' time. */
export const MOST_COMPARED = { bytes: 20_000_000, lines: 200_000 };
