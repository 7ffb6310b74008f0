import { addNumbers, type TestFile, type TestFiles, type TestNumbers } from './testlog-files.ts';

/**
 * Reads one TAP stream, versions 12 to 14 (testanything.org), as Perl's TAP::Parser judges it: a failed test that is no
 * TODO, or a stream that is not as it was planned. Subtests are indented and counted by the line that ends them.
 */

const PLAN = /^1\.\.(\d{1,9})(?: *#\s*(skip)\S*.*)?$/i;
const TEST = /^(not )?ok\b(?: +(\d{1,9}))?(.*)$/;
/** A backslash before the sign makes it a part of the description. */
const DIRECTIVE = /(?:^|[^\\])#\s*(todo|skip)\S*/i;
const VERSION = /^TAP version \d{1,3}$/i;
const BAIL_OUT = /^Bail out!/i;

const mostParseErrors = 100;

export interface TapReader {
  line(text: string, number: number): void;
  end(): void;
}

/** One stream that is the whole input, of the test file with this name. */
export const tapReader = (name: string, files: TestFiles): TapReader => new Tap(name, files);

class Tap implements TapReader {
  readonly #name: string;
  readonly #files: TestFiles;
  #plan: { count: number; isSkip: boolean; isEarly: boolean } | undefined;
  #ran = 0;
  #failed: TestNumbers[] = [];
  #failedCount = 0;
  #todoPassed: TestNumbers[] = [];
  #parseErrors: string[] = [];
  #line = 1;
  #hasTrouble = false;
  #isOver = false;

  constructor(name: string, files: TestFiles) {
    this.#name = name;
    this.#files = files;
  }

  line(text: string, number: number): void {
    if (this.#isOver) return;
    const test = TEST.exec(text);
    const plan = PLAN.exec(text);
    if (test) this.#test(test, number);
    else if (plan) this.#planned(Number(plan[1]), plan[2] !== undefined, number);
    else if (BAIL_OUT.test(text)) this.#bailOut(text, number);
    else if (VERSION.test(text) && this.#ran > 0) this.#error('TAP version in the middle of the stream', number);
  }

  #test([, not, told, rest]: RegExpExecArray, line: number): void {
    this.#ran += 1;
    const number = told === undefined ? this.#ran : Number(told);
    if (number !== this.#ran) this.#error(`Tests out of sequence: found ${number}, expected ${this.#ran}`, line);
    if (this.#plan && !this.#plan.isEarly) this.#error('A test behind the plan at the end', line);
    const isUnplanned = this.#plan !== undefined && this.#ran > this.#plan.count;
    const isTodo = DIRECTIVE.exec(rest!)?.[1]?.toLowerCase() === 'todo';
    const one = [{ from: number, to: number }];
    if (isTodo && !not) addNumbers(this.#todoPassed, one, this.#files);
    // What was not planned has failed, whatever it says (TAP::Parser).
    if (!isUnplanned && (isTodo || !not)) return;
    this.#failedCount += 1;
    addNumbers(this.#failed, one, this.#files);
    this.#trouble(line);
  }

  #planned(count: number, isSkip: boolean, line: number): void {
    if (this.#plan) this.#error('More than one plan', line);
    else this.#plan = { count, isSkip, isEarly: this.#ran === 0 };
  }

  #bailOut(text: string, line: number): void {
    this.#isOver = true;
    this.#trouble(line);
    this.#files.unreadable('stopped', line, text);
  }

  #error(what: string, line: number): void {
    this.#trouble(line);
    if (this.#parseErrors.length < mostParseErrors && this.#files.take(what.length)) this.#parseErrors.push(what);
  }

  #trouble(line: number): void {
    if (!this.#hasTrouble) this.#line = line;
    this.#hasTrouble = true;
  }

  end(): void {
    if (!this.#plan) this.#error('No plan found in TAP output', this.#line);
    else if (this.#plan.count !== this.#ran) {
      this.#error(`Bad plan: ${this.#plan.count} tests were planned, ${this.#ran} ran`, this.#line);
    }
    const found: Partial<TestFile> = {
      line: this.#line,
      tests: this.#ran,
      failedCount: this.#failedCount,
      failed: this.#failed,
      todoPassed: this.#todoPassed,
      parseErrors: this.#parseErrors,
      ...(this.#plan?.isSkip && this.#ran === 0 && { isSkipped: true as const }),
    };
    this.#files[this.#hasTrouble ? 'failed' : 'passed'](this.#name, found);
  }
}

/**
 * TAP in a log that no `prove` reads: whose tests they are is not told. Only a stream with a plan counts, because single
 * lines of this kind also leak out of tests that run others.
 */
export function namelessTapReader(files: TestFiles): TapReader & { forget(): void } {
  let hasPlan = false;
  let failure: number | undefined;
  const tell = (): void => {
    if (!hasPlan || failure === undefined) return;
    files.unreadable('nameless-tap', failure);
    hasPlan = false;
    failure = undefined;
  };
  return {
    line(text, number) {
      if (PLAN.test(text)) hasPlan = true;
      else if (text.startsWith('not ok')) {
        const test = TEST.exec(text);
        if (test && DIRECTIVE.exec(test[3]!)?.[1]?.toLowerCase() !== 'todo') failure ??= number;
      } else return;
      tell();
    },
    forget() {
      hasPlan = false;
      failure = undefined;
    },
    end: tell,
  };
}
