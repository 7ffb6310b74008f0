import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkContent, jobsOf } from '../../src/core/check.ts';
import { decideJobRetry, decideRetry, mayRunAgain, notGoodEnough } from '../../src/core/run-retry.ts';
import { aPull, later, NOW, RunStory } from '../support/builders.ts';

const can =
  (...names: string[]) =>
  (backend: string) =>
    names.includes(backend);

/** A run whose job `linux` failed and whose job `windows` passed, on azure; the newest of its change. */
function failedStory(backends = ['azure']): RunStory {
  const story = new RunStory({ change: aPull() }, backends);
  story.context.isNewest = true;
  story.building();
  return story.ended([
    { name: 'linux', verdict: 'failed', why: 'exit status 2' },
    { name: 'windows', verdict: 'passed', finishedAt: later(9).toISOString() },
  ]);
}

const retried = (story: RunStory) =>
  story.tell({ kind: 'run.retried', buildIds: [story.run.builds[0]!.id], by: 'lizmat' });
const states = (story: RunStory) =>
  jobsOf(story.run).map(({ externalName, state, attempt }) => [externalName, state, attempt]);

test('failed jobs run again where every backend with a failure can', () => {
  const story = failedStory();
  assert.deepEqual(decideRetry(story.run, can('azure')), { do: 'retry', buildIds: [story.run.builds[0]!.id] });
  assert.deepEqual(decideRetry(story.run, can()), { do: 'whole' });
});

test('a passed build of a backend that cannot does not matter; a failed one does', () => {
  const story = new RunStory({}, ['azure', 'local']).resolved().packed().started(0).started(1);
  story.ended([{ verdict: 'failed' }], 0).ended([{ verdict: 'passed' }], 1);
  assert.equal(decideRetry(story.run, can('azure')).do, 'retry');
  const both = new RunStory({}, ['azure', 'local']).resolved().packed().started(0).started(1);
  both.ended([{ verdict: 'failed' }], 0).ended([{ verdict: 'failed' }], 1);
  assert.equal(decideRetry(both.run, can('azure')).do, 'whole');
});

test('what was superseded, is under way, or failed without a job is tested as a whole', () => {
  assert.equal(decideRetry(failedStory().superseded().run, can('azure')).do, 'retry', 'it had ended before');
  assert.equal(decideRetry(new RunStory({}, ['azure']).building().superseded().run, can('azure')).do, 'whole');
  assert.equal(decideRetry(new RunStory({}, ['azure']).building().run, can('azure')).do, 'whole');
  const story = new RunStory({}, ['azure']).building().observed({ state: 'finished', verdict: 'error', jobs: [] });
  assert.equal(decideRetry(story.run, can('azure')).do, 'whole');
});

test('one job runs again where it failed and its backend can, whatever became of the other builds', () => {
  const story = new RunStory({}, ['azure', 'local']).resolved().packed().started(0).started(1);
  story
    .ended(
      [
        { name: 'linux', verdict: 'failed' },
        { name: 'windows', verdict: 'passed' },
      ],
      0,
    )
    .ended([{ verdict: 'failed' }], 1);
  const idOf = (name: string) => jobsOf(story.run).find((job) => job.name === name)!.id;
  const [azure] = story.run.builds;
  const local = story.run.builds[1]!.jobs[0]!.id;
  assert.deepEqual(decideJobRetry(story.run, idOf('azure / linux'), can('azure')), {
    do: 'retry',
    buildIds: [azure!.id],
  });
  assert.equal(decideJobRetry(story.run, idOf('azure / windows'), can('azure')).do, 'whole', 'it passed');
  assert.equal(decideJobRetry(story.run, idOf('azure / linux'), can('local')).do, 'whole');
  assert.equal(decideJobRetry(story.run, local, can('azure')).do, 'whole');
  assert.equal(decideJobRetry(story.run, 'of another run', can('azure')).do, 'whole');
});

test('one job of a run that something else ended is tested with all the others', () => {
  const story = new RunStory({}, ['azure']).building();
  story.observed({ state: 'running', jobs: [{ name: 'linux', attempt: 1, state: 'finished', verdict: 'failed' }] });
  const [job] = jobsOf(story.run);
  assert.equal(decideJobRetry(story.run, job!.id, can('azure')).do, 'whole', 'it is under way');
  assert.equal(decideJobRetry(story.superseded().run, job!.id, can('azure')).do, 'whole');
});

test('a run that is retried is open again: its failed jobs are queued, and their checks and its own are new', () => {
  const story = failedStory();
  for (const check of story.run.checks) {
    story.tell({ kind: 'check.reported', checkId: check.id, externalId: `gh-${check.id}`, reported: 'd' });
  }
  retried(story);
  assert.equal(story.run.state, 'building');
  assert.equal(story.run.verdict, undefined);
  assert.deepEqual(states(story), [
    ['linux', 'queued', 2],
    ['windows', 'finished', 1],
  ]);
  assert.deepEqual(
    story.run.checks.map(({ name, externalId }) => [name, externalId !== undefined]),
    [
      ['rcb', false],
      ['azure / linux', false],
      ['azure / windows', true],
    ],
  );
  const ids = story.run.checks.map((check) => checkContent(story.run, check, '').externalId);
  assert.ok(ids[0]!.endsWith(':2') && ids[1]!.endsWith(':2') && ids[2]!.endsWith(':1'), ids.join());
  assert.deepEqual(story.asked, ['build.retry', 'check.report rcb', 'check.report azure / linux']);
  assert.deepEqual(notGoodEnough(story.run.builds[0]!), [{ name: 'linux', attempt: 1 }]);
});

test('until the backend has begun, what it tells of the time before is no news', () => {
  const story = retried(failedStory());
  story.ended([
    { name: 'linux', verdict: 'failed' },
    { name: 'windows', verdict: 'passed' },
  ]);
  assert.equal(story.run.state, 'building');
  story.observed({ jobs: [{ name: 'linux', attempt: 1, state: 'finished', verdict: 'failed' }] });
  assert.deepEqual(states(story)[0], ['linux', 'queued', 2]);
  story.observed({ jobs: [{ name: 'linux', attempt: 2, state: 'running' }] });
  assert.deepEqual(states(story)[0], ['linux', 'running', 2]);
  story.ended([
    { name: 'linux', attempt: 2, verdict: 'passed' },
    { name: 'windows', verdict: 'passed' },
  ]);
  assert.deepEqual([story.run.state, story.run.verdict], ['finished', 'passed']);
});

test('a failed job that nobody runs again is as it was', () => {
  const story = new RunStory({}, ['azure']);
  story.context.isNewest = true;
  story.building().ended([
    { name: 'linux', verdict: 'failed' },
    { name: 'docs', verdict: 'failed' },
  ]);
  retried(story).ended([{ name: 'linux', attempt: 2, verdict: 'passed' }]);
  assert.deepEqual(states(story), [
    ['linux', 'finished', 2],
    ['docs', 'finished', 1],
  ]);
  assert.equal(story.run.verdict, 'failed');
});

test('a backend that refuses leaves the verdict as it was, and says why', () => {
  const story = retried(failedStory());
  const [build] = story.run.builds;
  story.tell({ kind: 'build.refused', buildId: build!.id, attempt: 1, verdict: 'error', why: 'it is gone' });
  assert.deepEqual([story.run.state, story.run.verdict, story.run.why], ['finished', 'failed', 'it is gone']);
  assert.deepEqual(states(story)[0], ['linux', 'finished', 1]);
});

test('what somebody has run again at the backend opens the run, and is followed', () => {
  const story = failedStory();
  story.observed({ jobs: [{ name: 'linux', attempt: 2, state: 'running' }] });
  assert.equal(story.run.state, 'building');
  assert.ok(story.asked.includes('build.follow'), story.asked.join());
});

test('seen only when it has ended again, it has its new verdict at once', () => {
  const story = failedStory();
  story.ended([
    { name: 'linux', attempt: 2, verdict: 'passed' },
    { name: 'windows', verdict: 'passed' },
  ]);
  assert.deepEqual([story.run.state, story.run.verdict], ['finished', 'passed']);
  assert.ok(story.asked.includes('check.report rcb') && story.asked.includes('check.report azure / linux'));
});

test('neither an older run nor one that was superseded opens again', () => {
  const older = failedStory();
  older.context.isNewest = false;
  older.observed({ jobs: [{ name: 'linux', attempt: 2, state: 'running' }] });
  assert.deepEqual([older.run.state, older.run.verdict], ['finished', 'failed']);
  const gone = new RunStory({}, ['azure']);
  gone.context.isNewest = true;
  gone.building().observed({ jobs: [{ name: 'linux', attempt: 1, state: 'running' }] });
  gone.superseded().ended([{ name: 'linux', verdict: 'cancelled' }]);
  gone.observed({ jobs: [{ name: 'linux', attempt: 2, state: 'running' }] });
  assert.deepEqual([gone.run.state, gone.run.verdict], ['finished', 'superseded']);
});

test('a run whose backends only observe has no check, and their verdict', () => {
  const story = observing(['azure'], ['azure']);
  assert.deepEqual(story.run.checks, []);
  story.building().ended([{ name: 'linux', verdict: 'failed' }]);
  assert.deepEqual([story.run.verdict, story.run.checks], ['failed', []]);
});

test('beside others, what only observes has no check, no say, and is waited for and cancelled by nobody', () => {
  const story = observing(['local', 'azure'], ['azure']).resolved().packed().started(0).started(1);
  story.observed({ jobs: [{ name: 'linux', attempt: 1, state: 'running' }] }, { build: 1 });
  assert.deepEqual(
    story.run.checks.map(({ name }) => name),
    ['rcb'],
  );
  story.ended([{ name: 'test', verdict: 'passed' }], 0);
  assert.deepEqual([story.run.state, story.run.verdict], ['finished', 'passed']);
  assert.ok(!story.asked.includes('build.cancel'));
  story.ended([{ name: 'linux', verdict: 'failed' }], 1);
  assert.deepEqual([story.run.verdict, story.run.builds[1]?.verdict], ['passed', 'failed']);
});

test('what others built and lost is not started anew', () => {
  const story = observing(['azure'], ['azure']).building().lost();
  assert.ok(!story.asked.includes('build.start'));
  assert.equal(story.run.verdict, 'error');
});

test('what a backend waits for stays said while another one goes on', () => {
  const story = new RunStory({}, ['azure', 'local']).resolved().packed().started(0).started(1);
  const [azure] = story.run.builds;
  story.failedEffect({
    effect: 'build.follow',
    target: `build:${azure!.id}`,
    why: 'no route',
    retryAt: '2026-11-21T10:00:00Z',
  });
  story.observed({ jobs: [{ name: 'test', attempt: 1, state: 'running' }] }, { build: 1 });
  assert.match(story.run.why ?? '', /no route/);
  story.observed({ jobs: [] }, { build: 0 });
  assert.equal(story.run.why, undefined);
});

function observing(backends: string[], only: string[]): RunStory {
  return new RunStory({}, backends, { observing: only });
}

const keeping: [title: string, run: object, build: object, given: object, expected: boolean][] = [
  ['failed a moment ago', {}, {}, {}, true],
  ['an error of the infrastructure', { verdict: 'error' }, { verdict: 'error' }, {}, true],
  ['other builds of its run go on', { state: 'building', verdict: undefined }, {}, {}, true],
  ['passed', {}, { verdict: 'passed' }, {}, false],
  ['cancelled', { verdict: 'cancelled' }, { verdict: 'cancelled' }, {}, false],
  ['its run was superseded', { verdict: 'superseded' }, {}, {}, false],
  ['a newer run of its change', {}, {}, { isNewest: false }, false],
  ['as old as is kept', {}, { finishedAt: later(-60) }, {}, false],
  ['a little younger', {}, { finishedAt: later(-59) }, {}, true],
];
for (const [title, run, build, given, expected] of keeping) {
  test(`what a retry needs ${expected ? 'stays' : 'goes'}: ${title}`, () => {
    const failed = { state: 'finished', verdict: 'failed', ...run } as const;
    const told = { verdict: 'failed', finishedAt: later(-1), ...build } as const;
    assert.equal(mayRunAgain(failed, told, { isNewest: true, keepMs: 60_000, now: NOW, ...given }), expected);
  });
}
