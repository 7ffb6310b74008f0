import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EarlierOutcome, newsOf } from '../../src/core/failure-news.ts';
import { failureMessages, mainWords } from '../../src/core/messages-failures.ts';

const failed = (runId: string): EarlierOutcome => ({ runId, failed: true, passed: false });
const passed = (runId: string): EarlierOutcome => ({ runId, failed: false, passed: true });
const absent = (runId: string): EarlierOutcome => ({ runId, failed: false, passed: false });

const table: [string, EarlierOutcome[], EarlierOutcome | undefined, boolean, ReturnType<typeof newsOf>][] = [
  ['passed just before', [passed('3'), failed('2')], undefined, true, { kind: 'new' }],
  [
    'failed before, and passed before that',
    [failed('3'), failed('2'), passed('1')],
    undefined,
    true,
    { kind: 'since', runId: '2' },
  ],
  ['failed always', [failed('3'), failed('2')], undefined, true, { kind: 'since', runId: '2' }],
  [
    'failed as far back as was looked',
    [failed('3'), failed('2')],
    undefined,
    false,
    { kind: 'since', runId: '2', orEarlier: true },
  ],
  ['first run of a change, passes on main', [], passed('m'), true, { kind: 'new' }],
  ['first run of a change, fails on main', [], failed('m'), true, { kind: 'unknown' }],
  ['first run of all', [], undefined, true, { kind: 'unknown' }],
  ['did not run before, passes on main', [absent('3')], passed('m'), true, { kind: 'new' }],
  ['a new test', [absent('3')], absent('m'), true, { kind: 'unknown' }],
  ['main does not matter where the branch tells', [failed('3')], passed('m'), true, { kind: 'since', runId: '3' }],
];
for (const [title, earlier, main, isAll, expected] of table) {
  test(title, () => assert.deepEqual(newsOf(earlier, main, { isAll }), expected));
}

test('what the other branch told is said where it is known', () => {
  assert.equal(mainWords(failed('m'), 'main'), failureMessages.alsoOn('main'));
  assert.equal(mainWords(passed('m'), 'main'), failureMessages.passesOn('main'));
  assert.equal(mainWords(absent('m'), 'main'), undefined);
  assert.equal(mainWords(undefined, 'main'), undefined);
});
