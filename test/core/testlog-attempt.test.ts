import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTests, type TestFile, type TestResults } from '../../src/core/testlog.ts';
import { attemptTests, stepReader, testsBySteps } from '../../src/core/testlog-attempt.ts';
import { readJunit } from '../../src/core/testlog-junit.ts';
import { bareLine } from '../../src/core/testlog-lines.ts';
import { proveLog } from '../support/prove-log.ts';

/** What the log and the result files of one attempt tell together. */

function readLog(lines: string[]): TestResults {
  const reader = readTests();
  for (const line of lines) reader.line(line);
  return reader.end();
}

function stepsIn(lines: string[]) {
  const reader = stepReader();
  for (const [index, line] of lines.entries()) reader.line(bareLine(line), index + 1);
  return reader.steps;
}

const nothing: TestResults = { files: [], unreadable: [], otherFailures: [], lines: 0 };
const failedFile = (change: Partial<TestFile> = {}): TestFile => ({
  name: 't/a.t',
  outcome: 'failed',
  failedCount: 1,
  failed: [{ from: 1, to: 1 }],
  todoPassed: [],
  parseErrors: [],
  ...change,
});
const junit = (name: string, failures: number): TestResults =>
  readJunit(
    `<testsuites><testsuite name="${name}" failures="${failures}"><testcase name="1 - it is">${
      failures ? '<failure message="not ok 1"/>' : ''
    }</testcase></testsuite></testsuites>`,
  );

test('a log without tests tells nothing', () => {
  assert.equal(attemptTests(readLog(['cc -c a.c', 'done'])), undefined);
  assert.equal(attemptTests(nothing, [nothing]), undefined);
});

test('files are told once: which passed, and of those that failed all that is known', () => {
  const tests = attemptTests(readLog(proveLog({ passed: ['t/ok.t'], failed: { 't/a.t': [2] } })))!;
  assert.deepEqual(tests.passed, ['t/ok.t']);
  assert.deepEqual(
    tests.failed.map(({ name, failed, exit }) => [name, failed, exit]),
    [['t/a.t', [{ from: 2, to: 2 }], 1]],
  );
  assert.deepEqual([tests.unreadable, tests.otherFailures, tests.steps], [[], [], undefined]);
});

test('a failure that only a result file tells outweighs a pass, and of two tellings the log’s has the line', () => {
  const log = readLog(proveLog({ passed: ['t/ok.t', 't/b.t'], failed: { 't/a.t': [2] } }));
  const tests = attemptTests(log, [junit('t/a.t', 1), junit('t/b.t', 1), junit('t/ok.t', 0)])!;
  assert.deepEqual(tests.passed, ['t/ok.t']);
  assert.deepEqual(
    tests.failed.map(({ name, failed, line }) => [name, failed, line !== undefined]),
    [
      ['t/b.t', [{ from: 1, to: 1 }], false],
      ['t/a.t', [{ from: 2, to: 2 }], true],
    ],
  );
});

test('a mangled name is the path that the log tells', () => {
  const log = readLog(proveLog({ passed: ['t/spec/S02-types/mix.t'] }));
  assert.deepEqual(attemptTests(log, [junit('spec_S02-types_mix_t', 1)])!.failed[0]?.name, 't/spec/S02-types/mix.t');
});

test('a result file that lies in a directory for its repository tells of the log’s file', () => {
  const log = readLog(proveLog({ passed: ['t/ok.t', 't/b.t'], failed: { 't/a.t': [2] } }));
  const tests = attemptTests(log, [junit('rakudo/t/a.t', 1), junit('rakudo/t/ok.t', 0), junit('nqp/t/c.t', 1)])!;
  assert.deepEqual(tests.passed, ['t/ok.t', 't/b.t']);
  assert.deepEqual(
    tests.failed.map(({ name }) => name),
    ['t/a.t', 'nqp/t/c.t'],
  );
});

test('it has a bound: passes are counted, and more failures than are kept are said', () => {
  const files = Array.from({ length: 20_000 }, (_, at) => ({
    ...failedFile(),
    name: `t/${at}.t`,
    outcome: 'passed' as const,
  }));
  const passes = attemptTests({ ...nothing, files })!;
  assert.equal(passes.passed.length + passes.passedBeside!, 20_000);
  assert.ok(passes.passed.length <= 5_000 && passes.unreadable.length === 0);
  const wide = Array.from({ length: 2_000 }, (_, at) => failedFile({ name: `t/${at}-${'x'.repeat(500)}.t` }));
  const failures = attemptTests({ ...nothing, files: wide })!;
  assert.equal(failures.unreadable[0]?.because, 'too-much');
  assert.ok(JSON.stringify(failures).length < 600_000);
  const deep = failedFile({
    failed: Array.from({ length: 1_000 }, (_, at) => ({ from: 2 * at, to: 2 * at })),
    parseErrors: Array.from({ length: 100 }, () => 'x'.repeat(10_000)),
  });
  assert.ok(JSON.stringify(attemptTests({ ...nothing, files: [deep] })).length < 10_000);
});

const log = [
  '2026-08-01T15:56:28.0241422Z ##[section]Starting: Build',
  'cc -c a.c',
  '##[section]Starting: Test',
  ...proveLog({ failed: { 't/a.t': [2] } }),
  '##[section]Finishing: Test',
  '##[section]Starting: Package',
  'tar: no room',
];
const stepped = attemptTests(readLog(log), [], stepsIn(log))!;
const failedIn = (failedSteps?: string[], tests = stepped) =>
  testsBySteps(tests, failedSteps).map(({ step, results }) => [
    step,
    results.files.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name),
  ]);

test('steps begin at the agent’s marks', () => {
  assert.deepEqual(stepsIn(log), [
    { name: 'Build', line: 1 },
    { name: 'Test', line: 3 },
    { name: 'Package', line: 3 + proveLog({ failed: { 't/a.t': [2] } }).length + 2 },
  ]);
  assert.equal(stepsIn(Array.from({ length: 1_000 }, () => '##[section]Starting: x')).length, 100);
});

test('a failed file is of the step in whose log its line is', () => {
  assert.deepEqual(failedIn(['Test']), [['Test', ['t/a.t']]]);
  assert.deepEqual(failedIn(['Package']), [['Test', ['t/a.t']]]);
  assert.deepEqual(failedIn(undefined), [[undefined, ['t/a.t']]]);
});

test('result files are of the one step that failed; of several none can be told', () => {
  const results = attemptTests(nothing, [junit('t/a.t', 1)], stepsIn(log))!;
  assert.deepEqual(failedIn(['Test'], results), [['Test', ['t/a.t']]]);
  assert.deepEqual(failedIn(['Test', 'Publish'], results), [[undefined, ['t/a.t']]]);
});

test('a log whose agent makes no marks has no steps that could be excused', () => {
  const plain = attemptTests(readLog(proveLog({ failed: { 't/a.t': [2] } })))!;
  assert.deepEqual(failedIn(['Test'], plain), [[undefined, ['t/a.t']]]);
});
