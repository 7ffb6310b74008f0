import type { JobTests } from './flapper.ts';
import { type TestFile, type TestResults, unmangle } from './testlog.ts';
import type { AttemptTests, LogStep } from './testlog-kept.ts';

/**
 * What the log and the result files of one attempt tell together: small enough for an event, and taken apart again by the
 * steps of the job.
 */

/** Names of files that passed: rakudo has 1,400. The text of all of them: an event stays a row of a moderate size. */
const mostPassed = 5_000;
const mostOfPassed = 300_000;
/** More failures than these are no flapper, whatever the list says. */
const mostFailed = 300;
const mostOfFailed = 200_000;
const mostNumbers = 100;
const mostParseErrors = 5;
const mostOfParseError = 300;
const mostSteps = 100;

/** Of several tellings of one file the first failure counts: a log, which has lines, is given before the result files.
 *  Undefined: nothing was told of tests, or of anything that failed. */
export function attemptTests(
  log: TestResults,
  resultFiles: readonly TestResults[] = [],
  steps: readonly LogStep[] = [],
): AttemptTests | undefined {
  const paths = log.files.map(({ name }) => name);
  const all = [log, ...resultFiles.map((each) => asLogHas(withoutLines(unmangle(each, paths)), paths))];
  const files = merged(all.flatMap((each) => each.files));
  const passed = files.filter(({ outcome }) => outcome === 'passed').map(({ name }) => name);
  const kept = fitting(passed, mostPassed, mostOfPassed, (name) => name.length);
  const failed = files.filter(({ outcome }) => outcome === 'failed').map(brief);
  const keptFailed = fitting(failed, mostFailed, mostOfFailed, (file) => JSON.stringify(file).length);
  const unreadable = all.flatMap((each) => each.unreadable);
  if (keptFailed.length < failed.length) {
    unreadable.unshift({ because: 'too-much', detail: `${failed.length} test files failed` });
  }
  const otherFailures = all.flatMap((each) => each.otherFailures);
  if (files.length + unreadable.length + otherFailures.length === 0) return undefined;
  return {
    passed: kept,
    ...(kept.length < passed.length && { passedBeside: passed.length - kept.length }),
    failed: keptFailed,
    unreadable: unreadable.slice(0, 100),
    otherFailures: otherFailures.slice(0, 100),
    ...(steps.length > 0 && { steps: [...steps] }),
  };
}

/** A line of a result file is no line of the log. */
const withoutLines = (results: TestResults): TestResults => ({
  ...results,
  files: results.files.map(({ line: _, summaryLine: __, ...file }) => file),
  unreadable: results.unreadable.map(({ line: _, ...found }) => found),
});

/** Where results of several repositories lie together, names begin with a directory for each (`rakudo/t/a.t`): the log's
 *  own path is the file's name. */
function asLogHas(results: TestResults, paths: readonly string[]): TestResults {
  const known = new Set(paths);
  const nameOf = (name: string): string => endsOf(name).find((end) => known.has(end)) ?? name;
  return { ...results, files: results.files.map((file) => ({ ...file, name: nameOf(file.name) })) };
}

/** `a/b/c`, `b/c`, `c`. */
function endsOf(name: string): string[] {
  const parts = name.split('/', 20);
  return parts.map((_, at) => parts.slice(at).join('/'));
}

function merged(files: TestFile[]): TestFile[] {
  const known = new Map<string, TestFile>();
  for (const file of files) {
    const before = known.get(file.name);
    if (!before || (before.outcome === 'passed' && file.outcome === 'failed')) known.set(file.name, file);
  }
  return [...known.values()];
}

const brief = (file: TestFile): TestFile => ({
  ...file,
  failed: file.failed.slice(0, mostNumbers),
  todoPassed: file.todoPassed.slice(0, mostNumbers),
  parseErrors: file.parseErrors.slice(0, mostParseErrors).map((each) => each.slice(0, mostOfParseError)),
});

/** The first ones, as many as there is room for. */
function fitting<T>(all: T[], most: number, room: number, sizeOf: (one: T) => number): T[] {
  let rest = room;
  const end = all.findIndex((each, index) => {
    rest -= sizeOf(each);
    return index >= most || rest < 0;
  });
  return end < 0 ? all : all.slice(0, end);
}

/** The agent's mark at the beginning of each step's log (Azure Pipelines). */
const STEP = /^##\[section\]Starting: (.{1,200})$/;

export interface StepReader {
  /** `text`: bare. */
  line(text: string, number: number): void;
  steps: LogStep[];
}

export function stepReader(): StepReader {
  const steps: LogStep[] = [];
  return {
    steps,
    line(text, line) {
      const name = STEP.exec(text)?.[1]?.trim();
      if (name && steps.length < mostSteps) steps.push({ name, line });
    },
  };
}

/** By steps, where the job tells which of them failed. Result files are of no step: they are the one's that failed, if it
 *  is one. Of files that passed no line is kept. */
export function testsBySteps(tests: AttemptTests, failedSteps: readonly string[] | undefined): JobTests[] {
  if (!failedSteps || failedSteps.length === 0) return [{ results: resultsOf(tests) }];
  const only = failedSteps.length === 1 ? failedSteps[0] : undefined;
  const stepAt = (line: number | undefined): string | undefined =>
    line === undefined ? only : tests.steps?.findLast((step) => step.line <= line)?.name;
  const { unreadable, otherFailures, lines } = resultsOf(tests);
  const all = new Set([...failedSteps, ...(tests.steps ?? []).map(({ name }) => name), undefined]);
  const told = [...all].map((step): JobTests => {
    const isOf = (line: number | undefined): boolean => stepAt(line) === step;
    const results: TestResults = {
      files: tests.failed.filter((file) => isOf(file.summaryLine ?? file.line)),
      unreadable: unreadable.filter(({ line }) => isOf(line)),
      otherFailures: otherFailures.filter(({ line }) => isOf(line)),
      lines,
    };
    return step === undefined ? { results } : { step, results };
  });
  return told.filter(
    ({ results }) => results.files.length + results.unreadable.length + results.otherFailures.length > 0,
  );
}

const resultsOf = ({ passed, failed, unreadable, otherFailures }: AttemptTests): TestResults => ({
  files: [...failed, ...passed.map(passedFile)],
  unreadable,
  otherFailures,
  lines: 0,
});

const passedFile = (name: string): TestFile => ({
  name,
  outcome: 'passed',
  failedCount: 0,
  failed: [],
  todoPassed: [],
  parseErrors: [],
});
