import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptId, attemptNumber, type BuildObservation, tellsNews, verdictOf } from '../../src/core/build.ts';
import type { Build, Verdict } from '../../src/core/model.ts';
import { aBuild, aJob, anAttempt } from '../support/builders.ts';

const verdicts: [string, (Verdict | undefined)[], Verdict | undefined][] = [
  ['nothing is not a pass', [], undefined],
  ['all passed', ['passed', 'passed'], 'passed'],
  ['a failure outweighs everything', ['passed', 'cancelled', 'error', 'failed'], 'failed'],
  ['an error outweighs a cancellation', ['cancelled', 'error', 'passed'], 'error'],
  ['a cancellation outweighs a pass', ['passed', 'cancelled'], 'cancelled'],
  ['one that is not known yet tells nothing', [undefined], undefined],
];
for (const [title, jobs, expected] of verdicts) {
  test(`the verdict of many: ${title}`, () => assert.equal(verdictOf(jobs.map((verdict) => ({ verdict }))), expected));
}

const running = aBuild({
  state: 'running',
  verdict: undefined,
  jobs: [
    aJob({ state: 'running', verdict: undefined, attempts: [anAttempt({ state: 'running', verdict: undefined })] }),
  ],
});
const finishedJob = aBuild({ state: 'running', verdict: undefined, jobs: [aJob({ attempts: [anAttempt()] })] });
const seen = (change: object, state: 'queued' | 'running' | 'finished' = 'running'): BuildObservation => ({
  state,
  digest: 'd',
  jobs: [{ name: 'test', attempt: 1, state: 'running', ...change }],
});
const news: [string, Build, BuildObservation, boolean][] = [
  ['it is lost', running, { state: 'lost', why: 'gone' }, true],
  ['nothing changed', running, seen({}), false],
  ['the build’s state changed', running, seen({}, 'finished'), true],
  ['a job’s state changed', running, seen({ state: 'finished', verdict: 'passed' }), true],
  ['a job is new', running, seen({ name: 'other' }), true],
  ['a job has a new attempt', running, seen({ attempt: 2 }), true],
  ['a finished job is as it was', finishedJob, seen({ state: 'finished', verdict: 'passed' }), false],
  ['a finished job has another verdict', finishedJob, seen({ state: 'finished', verdict: 'failed' }), true],
  ['more output alone is none', running, seen({ logBytes: 99 }), false],
];
for (const [title, build, observation, expected] of news) {
  test(`${expected ? 'news' : 'no news'}: ${title}`, () => assert.equal(tellsNews(build, observation), expected));
}

test('a job that was found finished without a verdict is told once', () => {
  const known = aBuild({ state: 'running', jobs: [aJob({ attempts: [anAttempt({ verdict: 'error' })] })] });
  assert.equal(tellsNews(known, seen({ state: 'finished', verdict: undefined })), false);
});

test('a build that was started anew goes on counting', () => {
  assert.equal(attemptNumber({ earlierAttempts: 0 }, { attempt: 1 }), 1);
  assert.equal(attemptNumber({ earlierAttempts: 0 }, { attempt: 3 }), 3);
  assert.equal(attemptNumber({ earlierAttempts: 2 }, { attempt: 1 }), 3);
});

test('an attempt’s id is the same each time, safe in a path, and another for each build, job and number', () => {
  assert.equal(attemptId('b', 'test', 1), attemptId('b', 'test', 1));
  assert.match(attemptId('01B', '../../etc/passwd\0', 1), /^01B-[0-9a-f]{12}-1$/);
  const ids = [attemptId('a', 'x', 1), attemptId('b', 'x', 1), attemptId('a', 'y', 1), attemptId('a', 'x', 2)];
  assert.equal(new Set(ids).size, 4);
});
