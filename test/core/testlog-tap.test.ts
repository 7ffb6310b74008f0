import assert from 'node:assert/strict';
import { test } from 'node:test';
import { read, reasons, told } from './testlog-told.ts';

const streams: [string, string, string][] = [
  ['all pass', '1..2\nok 1\nok 2 - fine\n', 'passed @1'],
  ['one fails', '1..3\nok 1\nnot ok 2 - x\nok 3\n', 'failed 2 @3'],
  ['without numbers', '1..3\nok\nnot ok\nok\n', 'failed 2 @3'],
  ['a TODO fails', '1..1\nnot ok 1 - x # TODO later\n', 'passed @1'],
  ['a TODO passes', '1..2\nok 1 # todo later\nok 2\n', 'passed, TODO passed 1 @1'],
  ['a sign that is none', '1..1\nnot ok 1 - x \\# TODO later\n', 'failed 1 @2'],
  ['a skipped test', '1..1\nok 1 # SKIP no network\n', 'passed @1'],
  ['all skipped', '1..0 # SKIP no network\n', 'skipped @1'],
  ['plan at the end', 'ok 1\nok 2\n1..2\n', 'passed @1'],
  ['no plan', 'ok 1\n', 'No plan found in TAP output @1'],
  ['nothing', '', 'No plan found in TAP output @1'],
  ['two plans', '1..1\nok 1\n1..1\n', 'More than one plan @3'],
  ['too few', '1..3\nok 1\n', 'Bad plan: 3 tests were planned, 1 ran @1'],
  ['too many', '1..1\nok 1\nok 2\n', 'failed 2; Bad plan: 1 tests were planned, 2 ran @3'],
  [
    'out of sequence',
    '1..2\nok 2\nok 1\n',
    'Tests out of sequence: found 2, expected 1; Tests out of sequence: found 1, expected 2 @2',
  ],
  ['subtests and YAML', 'TAP version 14\n1..1\n    1..1\n    not ok 1\n  ---\n  at: x\n  ...\nok 1\n', 'passed @1'],
  ['noise', '1..1\n# a remark\nokay then\nok 1\n', 'passed @1'],
];
for (const [title, stream, expected] of streams) {
  test(`a TAP stream: ${title}`, () => {
    const results = read(stream, { tap: 't/a.t' });
    assert.deepEqual(told(results), [`t/a.t: ${expected}`]);
    assert.deepEqual(results.unreadable, []);
  });
}

test('a stream that bails out cannot be relied on', () => {
  const results = read('1..2\nok 1\nBail out! no disk\n', { tap: 't\\a.rakudo.moar' });
  assert.deepEqual(reasons(results), ['stopped @3']);
  assert.deepEqual(told(results), ['t/a.t: Bad plan: 2 tests were planned, 1 ran @3']);
});
