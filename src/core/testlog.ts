import { type TestResults, testFileName, testFiles } from './testlog-files.ts';
import { bareLine, lastWriting, splitLines } from './testlog-lines.ts';
import { otherFailuresReader } from './testlog-other.ts';
import { proveReader } from './testlog-prove.ts';
import { namelessTapReader, tapReader } from './testlog-tap.ts';

export type {
  OtherFailure,
  TestFile,
  TestNumbers,
  TestResults,
  Unreadable,
  UnreadableReason,
} from './testlog-files.ts';
export { unmangle } from './testlog-files.ts';

/** Reads tests as a log grows: one pass, linear time, and memory for what is found, which has a bound. */
export interface TestReader {
  /** Bytes as they come, split anywhere. */
  bytes(chunk: Uint8Array): void;
  /** One line of text, with its newline or without. Not to be mixed with `bytes`. */
  line(text: string): void;
  /** What was found. Nothing may be given afterwards. */
  end(): TestResults;
}

type LineReader = (text: string, number: number) => void;

/** `tap`: the whole input is the TAP stream of the test file with this name. Without it: a log, in which runs of
 *  `prove` are looked for. JUnit files are read by `readJunit`. `alsoLine`: somebody else who looks at each line, bare. */
export function readTests({ tap, alsoLine }: { tap?: string; alsoLine?: LineReader } = {}): TestReader {
  const files = testFiles();
  const reader = tap === undefined ? logReader(files) : tapReader(testFileName(tap), files);
  let lines = 0;
  const read = (text: string): void => {
    lines += 1;
    const bare = bareLine(text);
    reader.line(bare, lines);
    alsoLine?.(bare, lines);
  };
  const splitter = splitLines(read);
  return {
    bytes: splitter.push,
    line: (text) => read(lastWriting(text)),
    end() {
      splitter.end();
      reader.end();
      return files.results(lines);
    },
  };
}

function logReader(files: ReturnType<typeof testFiles>) {
  const prove = proveReader(files);
  const tap = namelessTapReader(files);
  const others = otherFailuresReader(files);
  return {
    line(text: string, number: number): void {
      others.line(text, number);
      if (prove.line(text, number)) tap.forget();
      else tap.line(text, number);
    },
    end(): void {
      prove.end();
      tap.end();
    },
  };
}

/** Only what failed. */
export const failedFiles = ({ files }: TestResults) => files.filter(({ outcome }) => outcome === 'failed');
