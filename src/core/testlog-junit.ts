import { XMLParser } from 'fast-xml-parser';
import {
  addNumbers,
  endOf,
  junitName,
  type TestFile,
  type TestFiles,
  type TestResults,
  testFileName,
  testFiles,
} from './testlog-files.ts';

/**
 * Reads JUnit files: those of Perl's TAP::Formatter::JUnit, which rakudo's test step writes, and plain ones of others.
 *
 * A test file is a suite. What failed is a test with `<failure>`, a test with `<error>`, or a suite with an `<error>` of
 * its own (its process failed, or its TAP did not parse). A TODO that passed is `<error type="TodoTestSucceeded">`: no
 * failure, although the suite's `errors` counts it.
 */

/** Characters; the whole file is in memory while it is read. */
export const mostOfJunit = 64 * 1024 * 1024;

const repeated = new Set(['testsuite', 'testcase', 'failure', 'error', 'system-out', 'system-err']);

// Its defaults would make numbers of names, and drop attributes.
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  alwaysCreateTextNode: true,
  isArray: (name) => repeated.has(name),
});

type Element = Record<string, unknown>;

export function readJunit(xml: string): TestResults {
  const files = testFiles();
  if (xml.length > mostOfJunit) files.unreadable('too-much', undefined, `a JUnit file of ${xml.length} characters`);
  else readDocument(xml, files);
  return files.results(0);
}

function readDocument(xml: string, files: TestFiles): void {
  let document: unknown;
  try {
    document = parser.parse(xml, true);
  } catch (error) {
    // A file that was cut, or is none: what we are here to find out, no fault.
    files.unreadable('not-junit', undefined, error instanceof Error ? error.message : String(error));
    return;
  }
  const top = isElement(document) ? document : {};
  const suites = [...childrenOf(top, 'testsuite'), ...(isElement(top['testsuites']) ? [top['testsuites']] : [])];
  if (suites.length === 0 && !('testsuites' in top)) {
    files.unreadable('not-junit', undefined, 'no test suite in it');
  }
  for (const suite of suites) readSuite(suite, files);
}

function readSuite(suite: Element, files: TestFiles): void {
  for (const inner of childrenOf(suite, 'testsuite')) readSuite(inner, files);
  if (!('@name' in suite) && !('testcase' in suite)) return;
  const cases = childrenOf(suite, 'testcase');
  const named = Map.groupBy(cases, (each) => textOf(each['@file'] ?? suite['@file']));
  checkCounts(suite, cases, files);
  for (const [path, own] of named) if (path) readFile({ name: testFileName(path) }, {}, own, files);
  // What the suite itself tells belongs to the file that it is named for.
  const own = named.get('') ?? [];
  const isLeaf = cases.length === 0 && childrenOf(suite, 'testsuite').length === 0;
  if (own.length > 0 || isLeaf || childrenOf(suite, 'error').length > 0) {
    readFile(nameOf(suite, own), suite, own, files);
  }
}

function checkCounts(suite: Element, cases: Element[], files: TestFiles): void {
  const inner = childrenOf(suite, 'testsuite').length > 0;
  const told = Number(suite['@failures'] ?? Number.NaN);
  const found = cases.filter((each) => childrenOf(each, 'failure').length > 0).length;
  const errors = [suite, ...cases].flatMap((each) => childrenOf(each, 'error')).length;
  const name = textOf(suite['@name']);
  if (!inner && Number.isFinite(told) && told !== found) {
    files.unreadable('contradictory', undefined, `${name}: ${told} failures, ${found} are listed`);
  }
  // Not compared: TAP::Formatter::JUnit counts parse errors and the exit status, and lists one of them.
  if (!inner && Number(suite['@errors'] ?? 0) > 0 && errors === 0) {
    files.unreadable('contradictory', undefined, `${name}: ${suite['@errors']} errors, none is listed`);
  }
}

const isTodo = (error: Element): boolean => error['@type'] === 'TodoTestSucceeded';

function readFile(
  { name, isMangled }: Pick<TestFile, 'name' | 'isMangled'>,
  suite: Element,
  cases: Element[],
  files: TestFiles,
): void {
  const found = {
    failedCount: 0,
    failed: [],
    todoPassed: [],
    tests: 0,
    parseErrors: [],
    isMangled,
  } satisfies Partial<TestFile>;
  const faults = childrenOf(suite, 'error').filter((error) => !isTodo(error));
  for (const each of cases) readCase(each, found, files);
  const { parseErrors, ...end } = readFaults(faults, suite, files);
  const outcome = found.failedCount > 0 || faults.length > 0 ? 'failed' : 'passed';
  const isSkipped = outcome === 'passed' && found.tests === 0 ? true : undefined;
  files[outcome](name, { ...found, parseErrors, ...end, isSkipped });
}

function readCase(
  each: Element,
  found: Required<Pick<TestFile, 'failedCount' | 'failed' | 'todoPassed' | 'tests'>>,
  files: TestFiles,
): void {
  const name = textOf(each['@name']);
  // TAP::Formatter::JUnit's own, for the time before the first test and behind the last one.
  if (name === '(init)' || name === '(teardown)') return;
  const errors = childrenOf(each, 'error');
  const number = Number(/^\d{1,9}(?= |$)/.exec(name)?.[0] ?? Number.NaN);
  const numbers = Number.isNaN(number) ? [] : [{ from: number, to: number }];
  if (!('skipped' in each)) found.tests += 1;
  if (errors.some(isTodo)) addNumbers(found.todoPassed, numbers, files);
  if (childrenOf(each, 'failure').length === 0 && errors.every(isTodo)) return;
  found.failedCount += 1;
  addNumbers(found.failed, numbers, files);
}

const DUBIOUS = /^Dubious, test returned -?\d+ \(wstat (\d{1,12}), /;

function readFaults(
  faults: Element[],
  suite: Element,
  files: TestFiles,
): Pick<TestFile, 'exit' | 'signal' | 'parseErrors'> {
  const messages = faults.map((error) => textOf(error['@message'] ?? error['#text']).slice(0, 500));
  const parseErrors = messages.filter((message) => !DUBIOUS.test(message) && files.take(message.length));
  const wait = [...messages, ...outputOf(suite, ['system-err'])].map((text) => DUBIOUS.exec(text)?.[1]).find(Boolean);
  return { parseErrors, ...endOf(Number(wait ?? 0)) };
}

/** Where the true path is told among the words of the output, if it is. */
function nameOf(suite: Element, cases: Element[]): Pick<TestFile, 'name' | 'isMangled'> {
  const told = textOf(suite['@name']);
  const mangled = junitName(told);
  const failures = cases.flatMap((each) => childrenOf(each, 'failure')).map((failure) => textOf(failure));
  for (const text of [...failures, ...outputOf(suite, ['system-out', 'system-err'])]) {
    const path = pathsIn(text).find((each) => junitName(each) === mangled);
    if (path) return { name: path };
  }
  return /[/\\]/.test(told) ? { name: testFileName(told) } : { name: mangled, isMangled: true };
}

const mostOfOutput = 200_000;

const outputOf = (suite: Element, names: string[]): string[] =>
  names.flatMap((name) => childrenOf(suite, name)).map((each) => textOf(each).slice(0, mostOfOutput));

function pathsIn(text: string): string[] {
  const words = text.slice(0, mostOfOutput).match(/[^\s'"()<>,;]{1,500}/g) ?? [];
  return words.filter((word) => /[/\\]/.test(word)).map(testFileName);
}

const isElement = (value: unknown): value is Element => typeof value === 'object' && value !== null;

/** Elements with this name below another one; an empty one is text to the parser. */
function childrenOf(element: Element, name: string): Element[] {
  const children = element[name];
  if (!Array.isArray(children)) return [];
  return children.map((child) => (isElement(child) ? child : { '#text': child }));
}

function textOf(value: unknown): string {
  if (isElement(value)) return textOf(value['#text']);
  return typeof value === 'string' ? value : '';
}
