import {
  addNumbers,
  countOf,
  endOf,
  parseNumbers,
  type TestFile,
  type TestFiles,
  type TestNumbers,
  testFileName,
} from './testlog-files.ts';

/**
 * Reads what `prove` prints (Perl's TAP::Formatter, versions 3.17 to 3.52): while files run a line for each, at the end
 * the summary of those that were not clean, the totals and the result.
 *
 * The summary decides. What stands before it tells which files passed, and where a failure is to be seen; `prove -j`
 * and the error output of tests interleave there. A log may hold several runs of `prove`, each ends with its `Result:`.
 *
 * What is not exactly as `prove` writes it makes the results unreadable: a doubt must never start a job again.
 */

/** One line of the summary, with its details. */
interface Entry {
  name: string;
  line: number;
  /** wait(2); absent where there was no process. */
  wait?: number;
  tests: number;
  failedCount: number;
  failed: TestNumbers[];
  /** How many the list names; more than are kept of it. */
  listed: number;
  todoPassed: TestNumbers[];
  parseErrors: string[];
  /** As the details tell it. */
  exit?: number;
  signalled?: number;
  /** Which detail the next line may continue. */
  last?: 'failed' | 'todoPassed' | 'parseErrors';
}

/** What was seen of a file before the summary. */
interface Sighting {
  name: string;
  line: number;
  outcome?: 'passed' | 'failed';
  /** Its own line said how it ended; `ok` on a line of its own may also be the test's. */
  isSettled: boolean;
  isSkipped: boolean;
  failureLine?: number;
  failed: TestNumbers[];
  failedCount: number;
  wait?: number;
}

interface Totals {
  line: number;
  files: number;
  tests: number;
}

type Place = 'files' | 'heading' | 'summary' | 'totals';

const HEADING = 'Test Summary Report';
const ENTRY =
  /^\(Wstat: (\d{1,12}|\(none\))(?: \((exited|Signal:) ([^)]{1,40})\))? Tests: (\d{1,12}) Failed: (\d{1,12})\)$/;
const TOTALS = /^Files=(\d{1,9}), Tests=(\d{1,12}), /;
const RESULT = /^Result: (PASS|FAIL|NOTESTS)$/;
const DETAIL = /^ {2}(Failed tests?|TODO passed|Non-zero exit status|Non-zero wait status|Parse errors): +(.*)$/;
/** Of lists that wrap, and of further parse errors. */
const CONTINUED = /^ {16}(\S.*)$/;
const REMARK =
  /^(?:Displayed the first \d+ of \d+ TAP syntax errors\.|Re-run prove with the -p option to see them all\.)$/;
const STAMP = /^\[\d\d:\d\d:\d\d\] ?/;
const PASSED = /^ok(?:\s+(?:<?\d+)\s*m?s(?:\s+\(.*CPU\))?)?$/;
const DUBIOUS = /^Dubious, test returned -?\d+ \(wstat (\d{1,12}), 0x[0-9a-f]+\)$/;
const SUBTESTS = /^(?:Failed \d+\/\d+ subtests|No subtests run|All \d+ subtests passed)$/;
const STOPPED =
  /^(?:Bailout called\. {2}Further testing stopped:|FAILED--Further testing stopped|Test run interrupted!)/;
const NOT_OK = /^not ok(?: (\d{1,9}))?\b(?!.*[^\\]# *todo\b)/i;
const TAP = /^(?:ok|not ok|1\.\.\d+|TAP version \d+|pragma |Bail out!)/;

const mostSightings = 50_000;
const mostParseErrors = 100;
const mostOfParseError = 500;

export interface ProveReader {
  /** Take a bare line; true: it belongs to a run of `prove`. */
  line(text: string, number: number): boolean;
  end(): void;
}

export const proveReader = (files: TestFiles): ProveReader => new Prove(files);

class Prove implements ProveReader {
  readonly #files: TestFiles;
  #place: Place = 'files';
  #sightings = new Map<string, Sighting>();
  #current: Sighting | undefined;
  #entries: Entry[] = [];
  #totals: Totals | undefined;
  #start = 0;

  constructor(files: TestFiles) {
    this.#files = files;
  }

  line(text: string, number: number): boolean {
    if (text === '') return this.#place !== 'files';
    if (this.#place === 'heading') return this.#underline(text, number);
    const result = RESULT.exec(text);
    if (result) return this.#result(result[1]!, number);
    if (text === HEADING) return this.#heading(number);
    if (this.#totalsLine(text, number)) return true;
    if (this.#fileLine(text, number)) return true;
    if (text.includes('(Wstat: ') && this.#entryLine(text, number)) return true;
    if (this.#place === 'summary') return this.#detail(text, number);
    return this.#placeOfFiles(text, number);
  }

  end(): void {
    if (this.#place === 'files' && this.#sightings.size === 0) return;
    this.#abandon();
  }

  /** A run that has no end: what is known of its files is kept. */
  #abandon(): void {
    const unfinished = this.#current && !this.#current.outcome ? `; ${this.#current.name} was running` : '';
    const within = this.#place === 'files' ? 'without a result' : 'within the summary';
    this.#files.unreadable('truncated', this.#start, `prove ended ${within}${unfinished}`);
    this.#keep(false);
  }

  #heading(number: number): boolean {
    if (this.#place !== 'files') this.#abandon();
    this.#place = 'heading';
    this.#start = number;
    return true;
  }

  #underline(text: string, number: number): boolean {
    this.#place = 'summary';
    if (!/^-{19}$/.test(text)) this.#foreign(text, number);
    return true;
  }

  #foreign(text: string, number: number): boolean {
    this.#files.unreadable('foreign-line', number, text);
    return false;
  }

  #totalsLine(text: string, line: number): boolean {
    const found = text.startsWith('Files=') && TOTALS.exec(text);
    if (!found) return false;
    this.#place = 'totals';
    this.#totals = { line, files: Number(found[1]), tests: Number(found[2]) };
    return true;
  }

  /** `t/a.t .. ok`, or its beginning. */
  #fileLine(text: string, line: number): boolean {
    const dots = text.indexOf(' ..');
    if (dots < 1) return false;
    const told = text.slice(0, dots).replace(STAMP, '');
    const rest = /^\.{2,}(?: +(.*))?$/.exec(text.slice(dots + 1));
    if (!rest || !isTestName(told)) return false;
    if (this.#place !== 'files') this.#abandon();
    this.#sight(testFileName(told), line);
    this.#progress(rest[1] ?? '', line, true);
    return true;
  }

  #sight(name: string, line: number): void {
    if (this.#sightings.size === 0) this.#start = line;
    this.#current = this.#sightings.get(name);
    if (this.#current) {
      // Shown before, when it began (a terminal), or run again (the first failure stays).
      this.#current.isSettled = false;
      return;
    }
    this.#current = { name, line, isSettled: false, isSkipped: false, failed: [], failedCount: 0 };
    if (this.#sightings.size < mostSightings) this.#sightings.set(name, this.#current);
    else if (this.#sightings.size === mostSightings) this.#files.unreadable('too-much', line);
  }

  /** How the current file fares. `isOwn`: this stands on the file's own line. */
  #progress(text: string, line: number, isOwn: boolean): boolean {
    const file = this.#current;
    if (!file || file.isSettled) return false;
    const dubious = DUBIOUS.exec(text);
    if (dubious || SUBTESTS.test(text)) return this.#trouble(file, line, dubious?.[1]);
    if (PASSED.test(text) || text.startsWith('skipped:')) {
      file.outcome ??= 'passed';
      file.isSkipped = text.startsWith('skipped:');
      file.isSettled = isOwn;
      return true;
    }
    return this.#verbose(file, text, line);
  }

  #trouble(file: Sighting, line: number, wait: string | undefined): boolean {
    file.outcome = 'failed';
    file.failureLine ??= line;
    if (wait) file.wait = Number(wait);
    return true;
  }

  /** `prove -v` shows the test's own lines. */
  #verbose(file: Sighting, text: string, line: number): boolean {
    const failure = text.startsWith('not ok') && NOT_OK.exec(text);
    if (failure) {
      file.failureLine ??= line;
      file.failedCount += 1;
      const number = Number(failure[1] ?? 0);
      if (number > 0) addNumbers(file.failed, [{ from: number, to: number }], this.#files);
    }
    return TAP.test(text);
  }

  #placeOfFiles(text: string, number: number): boolean {
    if (STOPPED.test(text)) {
      this.#files.unreadable('stopped', number, text);
      return true;
    }
    return this.#progress(text, number, false);
  }

  #entryLine(text: string, line: number): boolean {
    const at = text.lastIndexOf('(Wstat: ');
    const found = ENTRY.exec(text.slice(at));
    const told = text.slice(0, at).trimEnd();
    if (!found || told === '' || /^\s/.test(told)) return false;
    if (this.#place !== 'summary') {
      this.#files.unreadable('truncated', line, 'the heading of the summary is missing');
      this.#place = 'summary';
      this.#start = line;
    }
    this.#addEntry(testFileName(told), line, found);
    return true;
  }

  #addEntry(name: string, line: number, [, wait, kind, word, tests, failed]: RegExpExecArray): void {
    const entry: Entry = {
      name,
      line,
      wait: wait === '(none)' ? undefined : Number(wait),
      tests: Number(tests),
      failedCount: Number(failed),
      failed: [],
      listed: 0,
      todoPassed: [],
      parseErrors: [],
    };
    if (kind === 'exited' && Number(word) !== endOf(entry.wait ?? 0).exit) {
      this.#contradiction(line, `${name}: wait status ${wait}, exited ${word}`);
    }
    if (this.#entries.length < mostSightings) this.#entries.push(entry);
    else if (this.#entries.length === mostSightings) this.#files.unreadable('too-much', line);
  }

  #contradiction(line: number, detail: string): void {
    this.#files.unreadable('contradictory', line, detail);
  }

  #detail(text: string, number: number): boolean {
    const entry = this.#entries.at(-1);
    const found = entry && DETAIL.exec(text);
    if (found) return this.#addDetail(entry, found[1]!, found[2]!, text, number);
    const more = entry?.last && CONTINUED.exec(text);
    if (entry && more) return this.#continue(entry, more[1]!, text, number);
    return REMARK.test(text) || STAMP.test(text) || this.#foreign(text, number);
  }

  #addDetail(entry: Entry, kind: string, value: string, text: string, number: number): boolean {
    if (kind === 'Non-zero exit status' || kind === 'Non-zero wait status') {
      entry.last = undefined;
      if (!/^\d{1,12}$/.test(value)) return this.#foreign(text, number);
      entry[kind === 'Non-zero exit status' ? 'exit' : 'signalled'] = Number(value);
      return true;
    }
    entry.last = kind === 'Parse errors' ? 'parseErrors' : kind === 'TODO passed' ? 'todoPassed' : 'failed';
    return this.#continue(entry, value, text, number);
  }

  #continue(entry: Entry, value: string, text: string, number: number): boolean {
    if (entry.last === 'parseErrors') {
      if (entry.parseErrors.length < mostParseErrors && this.#files.take(Math.min(value.length, mostOfParseError))) {
        entry.parseErrors.push(value.slice(0, mostOfParseError));
      }
      return true;
    }
    const numbers = parseNumbers(value);
    if (!numbers || !entry.last) return this.#foreign(text, number);
    addNumbers(entry[entry.last], numbers, this.#files);
    if (entry.last === 'failed') entry.listed += countOf(numbers);
    return true;
  }

  #result(result: string, line: number): boolean {
    if (!this.#totals) {
      // The word of some other tool, or the middle of a run is missing.
      if (this.#place === 'files' && this.#sightings.size === 0) return false;
      this.#files.unreadable('truncated', line, 'a result without totals');
    }
    for (const entry of this.#entries) this.#checkEntry(entry);
    this.#checkTotals();
    this.#checkResult(result, line);
    this.#keep(true);
    return true;
  }

  #checkEntry({ name, line, wait = 0, exit, signalled, ...entry }: Entry): void {
    if (entry.listed !== entry.failedCount) {
      this.#contradiction(line, `${name}: ${entry.failedCount} failed, ${entry.listed} are listed`);
    }
    if (entry.failedCount > entry.tests) {
      this.#contradiction(line, `${name}: ${entry.failedCount} of ${entry.tests} tests failed`);
    }
    const told = exit !== undefined ? exit * 256 + (wait % 256) : (signalled ?? 0);
    if (told !== wait) this.#contradiction(line, `${name}: wait status ${wait}, its details tell ${told}`);
  }

  #checkTotals(): void {
    if (!this.#totals) return;
    const { line, files, tests } = this.#totals;
    const ran = this.#entries.reduce((sum, entry) => sum + entry.tests, 0);
    if (this.#entries.length > files) {
      this.#contradiction(line, `${this.#entries.length} files in the summary, ${files} in all`);
    }
    if (ran > tests) this.#contradiction(line, `${ran} tests in the summary, ${tests} in all`);
  }

  #checkResult(result: string, line: number): void {
    const bad = this.#entries.find(isBad)?.name ?? [...this.#sightings.values()].find(hasFailed)?.name;
    if (result === 'FAIL' && !bad) this.#files.unreadable('no-file-named', line, 'Result: FAIL');
    if (result !== 'FAIL' && bad) this.#contradiction(line, `Result: ${result}, but ${bad} failed`);
  }

  /** Hand the run's files over. What the summary of a complete run leaves out was clean. */
  #keep(isComplete: boolean): void {
    const told = new Map(this.#entries.map((entry) => [entry.name, entry]));
    for (const sighting of this.#sightings.values()) {
      const entry = told.get(sighting.name);
      if (entry) this.#keepEntry(entry, isComplete);
      else this.#keepSighting(sighting, isComplete);
    }
    for (const entry of this.#entries) this.#keepEntry(entry, isComplete);
    this.#place = 'files';
    this.#sightings = new Map();
    this.#current = undefined;
    this.#entries = [];
    this.#totals = undefined;
  }

  #keepEntry(entry: Entry, isComplete: boolean): void {
    const found = fileOf(entry, this.#sightings.get(entry.name));
    if (isBad(entry)) this.#files.failed(entry.name, found);
    // Of a summary that broke off, an entry may lack its parse errors.
    else if (isComplete) this.#files.passed(entry.name, found);
  }

  #keepSighting(sighting: Sighting, isComplete: boolean): void {
    const { name, line, failureLine, failed, failedCount, wait } = sighting;
    if (hasFailed(sighting)) {
      this.#files.failed(name, { line: failureLine ?? line, failed, failedCount, ...endOf(wait ?? 0) });
    } else if (isComplete || sighting.outcome) {
      this.#files.passed(name, { line, ...(sighting.isSkipped && { isSkipped: true }) });
    }
  }
}

/** A file is bad by its wait status, a failed test or a parse error; a TODO that passed is no failure. */
const isBad = ({ wait = 0, failedCount, parseErrors, last }: Entry): boolean =>
  wait !== 0 || failedCount > 0 || parseErrors.length > 0 || last === 'parseErrors';

/** `prove -v` of a run without an end: a failed test is one, whatever was to follow. */
const hasFailed = ({ outcome, failedCount }: Sighting): boolean => outcome === 'failed' || failedCount > 0;

function fileOf(entry: Entry, sighting?: Sighting): Partial<TestFile> {
  const { line: summaryLine, tests, failedCount, failed, todoPassed, parseErrors } = entry;
  const line = sighting?.failureLine ?? sighting?.line ?? summaryLine;
  return { line, summaryLine, tests, failedCount, failed, todoPassed, parseErrors, ...endOf(entry.wait ?? 0) };
}

/** `checking for foo .. ok` is no test. Names with blanks are known from the summary only: here they may be words. */
const isTestName = (told: string): boolean => /^[^\s#]\S*\.[A-Za-z]\w*$/.test(told);
