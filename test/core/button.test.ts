import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buttonsOf, pressKey } from '../../src/core/button.ts';
import { plainWords } from '../../src/core/messages-buttons.ts';
import { commandMessages } from '../../src/core/messages-commands.ts';

const CASES: [what: string, run: Parameters<typeof buttonsOf>[0], buttons: string[]][] = [
  ['a fork that waits', { state: 'waiting', jobs: {} }, ['re-test', 'cancel']],
  ['a run that chooses its commits', { state: 'resolving', jobs: {} }, ['cancel']],
  ['a run that builds', { state: 'building', jobs: { failed: 1, running: 2 } }, ['cancel']],
  ['a run that passed', { state: 'finished', verdict: 'passed', jobs: { passed: 2 } }, ['re-test']],
  ['a run that failed', { state: 'finished', verdict: 'failed', jobs: { failed: 1 } }, ['re-test', 're-test failed']],
  [
    'a run whose agent was lost',
    { state: 'finished', verdict: 'error', jobs: { error: 1 } },
    ['re-test', 're-test failed'],
  ],
  [
    'a run that passed with an optional failure',
    { state: 'finished', verdict: 'passed', jobs: { failed: 1, passed: 1 } },
    ['re-test', 're-test failed'],
  ],
  ['a run that never built', { state: 'finished', verdict: 'error', jobs: {} }, ['re-test']],
  ['a superseded run', { state: 'finished', verdict: 'superseded', jobs: { cancelled: 1 } }, ['re-test']],
  ['a run with nothing to run', { state: 'finished', jobs: {} }, ['re-test']],
];
for (const [what, run, buttons] of CASES) {
  test(`${what} has the buttons ${buttons.join(', ')}`, () => assert.deepEqual(buttonsOf(run), buttons));
}

test('a press is one of its person, its run, its button, and of what was seen', () => {
  const key = pressKey('01run', 're-test failed', { id: '5', login: 'lizmat' }, 'seen');
  assert.equal(key, 'button:01run:5:re-test-failed:seen');
});

test('what was written for a comment is read on a page without the signs of Markdown', () => {
  assert.equal(
    plainWords(commandMessages.retestUnderWay('https://rcb/runs/1')),
    'This head is being tested already: the run. Nothing new was started.',
  );
  assert.match(plainWords(commandMessages.refused('cancel', 'needs-write')!), /^What others have asked for can be/);
  assert.equal(plainWords('a\\_b \\[c\\] `{re-test}`'), 'a_b [c] `{re-test}`');
});
