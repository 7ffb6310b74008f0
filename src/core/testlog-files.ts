/** What was read of tests: the values, and their collection, whose memory has a bound. */

/** Numbers of tests, both ends included. */
export interface TestNumbers {
  from: number;
  to: number;
}

/** What the tests of one file came to in one log. */
export interface TestFile {
  /** With slashes, `.t` where a fudged copy (`.rakudo.moar`) ran, without `./`. */
  name: string;
  /** The name is JUnit's, in which `/` and `.` became `_`, and no path that would be it was told. */
  isMangled?: true;
  outcome: 'passed' | 'failed';
  /** All its tests were skipped. */
  isSkipped?: true;
  /** Where to look, counted from 1: of a failed file its first `not ok` or what else tells of it. JUnit files have none. */
  line?: number;
  /** The file's line in the summary of `prove`. */
  summaryLine?: number;
  /** Tests that ran. */
  tests?: number;
  /** How many failed; `failed` lists them, up to a bound. */
  failedCount: number;
  failed: TestNumbers[];
  /** Expected to fail, and passed: no failure. */
  todoPassed: TestNumbers[];
  /** Exit status, if not 0. */
  exit?: number;
  /** `SEGV`, or a number where systems differ. */
  signal?: string;
  parseErrors: string[];
}

export type UnreadableReason =
  /** The log ends while tests run, or within a summary. */
  | 'truncated'
  /** Numbers that should be equal are not. */
  | 'contradictory'
  /** A summary holds a line that is none of a summary's. */
  | 'foreign-line'
  /** The harness says that something failed, and tells no file. */
  | 'no-file-named'
  /** A TAP stream of no known file has a failure. */
  | 'nameless-tap'
  /** A test stopped all further testing, or somebody did. */
  | 'stopped'
  /** More files or failures than are kept. */
  | 'too-much'
  /** No well-formed JUnit file. */
  | 'not-junit';

export interface Unreadable {
  because: UnreadableReason;
  line?: number;
  /** What was found, as a part of a sentence. */
  detail?: string;
}

/** A line that tells of a failure which no test file explains. */
export interface OtherFailure {
  line: number;
  text: string;
}

/** What a log or a result file tells of tests. */
export interface TestResults {
  /** Each file once, in the order in which they were told. One failure outweighs passes of the same file. */
  files: TestFile[];
  /** Why the results cannot be relied on; empty: they can. */
  unreadable: Unreadable[];
  otherFailures: OtherFailure[];
  /** How many lines were read. */
  lines: number;
}

/** Where the parts of the reader put what they find. */
export interface TestFiles {
  /** Undefined when there is no room for another file. */
  passed(name: string, found?: Partial<TestFile>): TestFile | undefined;
  failed(name: string, found: Partial<TestFile>): TestFile | undefined;
  unreadable(because: UnreadableReason, line?: number, detail?: string): void;
  otherFailure(line: number, text: string): void;
  /** Take room for something that is kept; false: there is none, and it was noted. */
  take(characters: number): boolean;
  results(lines: number): TestResults;
}

/** In characters, with a share for each value: about 30 MB at most. Rakudo's 1,400 files take 0.2 MB. */
const defaultRoom = 8_000_000;
const ofEachFile = 200;
const mostNotes = 100;
const mostOfNote = 300;

export function testFiles(room = defaultRoom): TestFiles {
  const files = new Map<string, TestFile>();
  const notes: Unreadable[] = [];
  const others: OtherFailure[] = [];
  let isFull = false;

  const unreadable: TestFiles['unreadable'] = (because, line, detail) => {
    if (notes.length < mostNotes) notes.push({ because, line, detail: detail?.slice(0, mostOfNote) });
  };
  const take = (characters: number): boolean => {
    if (!isFull && characters > room) {
      isFull = true;
      unreadable('too-much');
    }
    if (!isFull) room -= characters;
    return !isFull;
  };
  const fileOf = (name: string): TestFile | undefined => {
    const known = files.get(name);
    if (known || !take(name.length + ofEachFile)) return known;
    const made: TestFile = { name, outcome: 'passed', failedCount: 0, failed: [], todoPassed: [], parseErrors: [] };
    files.set(name, made);
    return made;
  };

  return {
    passed(name, found = {}) {
      const file = fileOf(name);
      return file?.outcome === 'passed' ? Object.assign(file, found, { line: file.line ?? found.line }) : file;
    },
    failed(name, found) {
      const file = fileOf(name);
      // The first failure stays: a page leads to it, and a second run in the same log may say less.
      if (!file || file.outcome === 'failed') return file;
      delete file.isSkipped;
      return Object.assign(file, found, { outcome: 'failed' as const });
    },
    unreadable,
    otherFailure(line, text) {
      if (others.length < mostNotes) others.push({ line, text: text.slice(0, mostOfNote) });
    },
    take,
    results: (lines) => ({ files: [...files.values()], unreadable: notes, otherFailures: others, lines }),
  };
}

/** A test file as the repository spells it. Windows prints backslashes; a fudged copy of `x.t` is `x.rakudo.moar`
 *  (roast, `fudge`). */
export const testFileName = (told: string): string =>
  told
    .replaceAll('\\', '/')
    .replace(/^(?:\.\/)+/, '')
    .replace(/\.rakudo(?:\.\w+)?$/, '.t');

/** As TAP::Formatter::JUnit names a suite after its file: no `t/` before it, and one `_` for all that Java would not have
 *  in a name. Several paths may have one name. */
export function junitName(path: string): string {
  const mangled = testFileName(path).replace(/[^-:_A-Za-z0-9]+/g, '_');
  return mangled.replace(/^t_/, '').replace(/_rakudo(?:_(?:moar|jvm|js))?$/, '_t');
}

/** Those that have one number everywhere; the others keep it. */
const SIGNALS: Record<number, string> = {
  1: 'HUP',
  2: 'INT',
  3: 'QUIT',
  4: 'ILL',
  5: 'TRAP',
  6: 'ABRT',
  8: 'FPE',
  9: 'KILL',
  11: 'SEGV',
  13: 'PIPE',
  14: 'ALRM',
  15: 'TERM',
};

/** A wait status as `prove` prints it: the exit status times 256, or a signal (wait(2)). */
export function endOf(wait: number): Pick<TestFile, 'exit' | 'signal'> {
  const signal = wait & 0x7f;
  if (signal > 0) return { signal: SIGNALS[signal] ?? String(signal) };
  return wait > 0 ? { exit: Math.floor(wait / 256) } : {};
}

const mostRanges = 1_000;

/** `1-2, 9` → its ranges; undefined when it is no such list. */
export function parseNumbers(list: string): TestNumbers[] | undefined {
  const ranges = list.split(/, ?/).map((range) => /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(range.trim()));
  if (!ranges.every((range) => range !== null)) return undefined;
  const numbers = ranges.map(([, from, to]) => ({ from: Number(from), to: Number(to ?? from) }));
  return numbers.every(({ from, to }) => from <= to) ? numbers : undefined;
}

export const countOf = (ranges: readonly TestNumbers[]): number =>
  ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);

/** Add what there is room for. A test that failed several times, as some count, is listed once. */
export function addNumbers(ranges: TestNumbers[], more: readonly TestNumbers[], files: Pick<TestFiles, 'take'>): void {
  for (const { from, to } of more) {
    const last = ranges.at(-1);
    if (last && from >= last.from && to <= last.to) continue;
    if (last && from === last.to + 1) last.to = to;
    else if (ranges.length < mostRanges && files.take(16)) ranges.push({ from, to });
  }
}

/** Results whose mangled names are replaced by the paths that they stand for, where just one of `paths` does. */
export function unmangle(results: TestResults, paths: readonly string[]): TestResults {
  const candidates = Map.groupBy(paths, junitName);
  const files = results.files.map((file) => {
    const [path, ...others] = (file.isMangled && candidates.get(file.name)) || [];
    if (path === undefined || others.length > 0) return file;
    const { isMangled, ...rest } = file;
    return { ...rest, name: path };
  });
  return { ...results, files };
}
