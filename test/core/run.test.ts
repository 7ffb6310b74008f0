import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkContent } from '../../src/core/check.ts';
import { resolvedOf } from '../../src/core/event.ts';
import { messages } from '../../src/core/messages.ts';
import type { RunState } from '../../src/core/model.ts';
import {
  aPull,
  aRepository,
  aRequest,
  aResolution,
  aSource,
  NOW,
  type RunEventToSend,
  RunStory,
  seenJob,
  sha,
} from '../support/builders.ts';

/** What the check of this name says now. */
function checkOf(story: RunStory, name: string) {
  const check = story.run.checks.find((each) => each.name === name);
  assert.ok(check, `there is no check ${name}`);
  return checkContent(story.run, check, 'https://rcb.example');
}

test('a run finds its commits first, and shows that it is there', () => {
  const story = new RunStory();
  assert.equal(story.run.state, 'resolving');
  assert.deepEqual(story.asked, ['sources.resolve', 'check.report rcb']);
  assert.equal(checkOf(story, 'rcb').status, 'queued');
});

test('a commit’s source is the head of its branch', () => {
  const [source] = new RunStory().run.sources;
  assert.deepEqual(
    { ...source, id: '' },
    {
      id: '',
      repository: aRepository(),
      sha: sha('a'),
      ref: 'refs/heads/main',
      baseSha: undefined,
      changed: true,
      why: 'head of main',
    },
  );
});

test('a pull request’s source is its head in the base repository, which forks cannot hide', () => {
  const [source] = new RunStory({ change: aPull({ fork: true }) }).run.sources;
  assert.equal(source?.ref, 'refs/pull/7/head');
  assert.equal(source?.baseSha, sha('b'));
  assert.equal(source?.why, 'head of pull request #7');
});

test('a repository without an installation is tested and never written', () => {
  const story = new RunStory({ repository: aRepository({ installation: undefined }) });
  assert.deepEqual(story.run.checks, []);
  assert.deepEqual(story.asked, ['sources.resolve']);
  story.building().ended([{ verdict: 'passed' }]);
  assert.equal(story.run.verdict, 'passed');
  assert.deepEqual(story.run.checks, []);
  assert.ok(!story.asked.some((effect) => effect.startsWith('check.report')));
});

test('a fork’s run waits: nothing is fetched, the check says why', () => {
  const story = new RunStory({ change: aPull({ fork: true }), hold: { until: 'maintainer', why: messages.forkAsk } });
  assert.equal(story.run.state, 'waiting');
  assert.deepEqual(story.asked, ['check.report rcb']);
  assert.equal(checkOf(story, 'rcb').status, 'queued');
  assert.match(checkOf(story, 'rcb').title, /a maintainer has to allow the test/);
});

test('what policy never tests ends at once, without a verdict: a required check must not wait for it', () => {
  const hold = { until: 'never', why: messages.forkNever } as const;
  const story = new RunStory({ change: aPull({ fork: true }), hold });
  assert.deepEqual([story.run.state, story.run.verdict], ['finished', undefined]);
  assert.ok(story.run.finishedAt);
  assert.equal(checkOf(story, 'rcb').conclusion, 'neutral');
  assert.match(checkOf(story, 'rcb').summary, /not tested here/);
});

test('a backend that gives up ends its own build, and the other goes on', () => {
  const story = new RunStory({}, ['local', 'azure']).resolved().packed().started(0).started(1);
  story.failedEffect({ effect: 'build.follow', target: `build:${story.run.builds[0]!.id}` });
  assert.equal(story.run.state, 'building');
  assert.equal(story.run.builds[0]!.verdict, 'error');
  assert.ok(story.asked.includes('build.cancel'));
  story.ended([{ verdict: 'passed' }], 1);
  assert.equal(story.run.verdict, 'error');
});

test('what resolves late cannot start a run that waits', () => {
  const story = new RunStory({
    change: aPull({ fork: true }),
    hold: { until: 'maintainer', why: messages.forkAsk },
  }).resolved();
  assert.equal(story.run.state, 'waiting');
  assert.deepEqual(story.asked, []);
});

test('a run that waits is ended by a newer head', () => {
  const story = new RunStory({
    change: aPull({ fork: true }),
    hold: { until: 'maintainer', why: messages.forkAsk },
  }).superseded();
  assert.equal(story.run.verdict, 'superseded');
  assert.deepEqual(story.asked, ['check.report rcb']);
});

test('the life of a run that passes, step by step', () => {
  const story = new RunStory();
  story.resolved();
  assert.equal(story.run.state, 'packing');
  assert.deepEqual(story.asked, ['source.pack', 'check.report rcb']);
  story.packed();
  assert.equal(story.run.state, 'building');
  assert.deepEqual(story.asked, ['build.start', 'check.report rcb']);
  story.started();
  assert.deepEqual(story.asked, ['build.follow']);
  assert.equal(story.run.builds[0]?.externalId, 'x-1');
  story.observed({ jobs: [seenJob({ state: 'running' })] });
  assert.equal(story.run.builds[0]?.state, 'running');
  assert.deepEqual(story.asked, ['check.report rcb', 'check.report local / test']);
  story.ended([{ verdict: 'passed' }]);
  assert.equal(story.run.state, 'finished');
  assert.equal(story.run.verdict, 'passed');
  assert.equal(story.run.why, undefined);
  assert.deepEqual(story.run.finishedAt, NOW);
  assert.deepEqual(story.asked, ['build.release', 'check.report rcb', 'check.report local / test']);
});

test('the title of a change that came without one is read with its sources', () => {
  const { change } = aRequest();
  const story = new RunStory({ change: { ...change, title: '' } });
  story.tell(aResolution(story.run, 'Read'));
  assert.equal(story.run.change.title, 'Read');
});

test('the commits that a run was given stay its own, each one once, and packing them is enough', () => {
  const neighbour = aSource({ repository: aRepository({ key: 'github:2', name: 'Raku/nqp' }), changed: false });
  const given = [aSource(), neighbour].map(resolvedOf);
  const story = new RunStory({ given: { sources: given, manifest: { trees: [], partners: [], notes: [] } } });
  const ids = story.run.sources.map(({ id }) => id);
  assert.equal(new Set(ids).size, 2);
  story.resolved();
  assert.deepEqual(
    story.run.sources.map(({ id }) => id),
    ids,
    'a row that is not in the run any more would wait for its archive for ever',
  );
});

test('a second telling of the sources changes nothing', () => {
  const story = new RunStory().resolved();
  const before = structuredClone(story.run);
  story.resolved();
  assert.deepEqual(story.run, before);
  assert.deepEqual(story.asked, []);
});

test('an archive that comes before the sources are told is kept, and packing asks for it again', () => {
  const story = new RunStory().packed();
  assert.equal(story.run.state, 'resolving');
  assert.ok(story.run.sources[0]?.archive);
  story.resolved();
  assert.deepEqual(story.asked, ['source.pack', 'check.report rcb']);
});

test('one build for each backend that serves the change', () => {
  const story = new RunStory({}, ['local', 'azure', 'obs']).resolved().packed();
  assert.deepEqual(
    story.run.builds.map((build) => [build.backend, build.state, build.attempt]),
    [
      ['local', 'queued', 1],
      ['azure', 'queued', 1],
      ['obs', 'queued', 1],
    ],
  );
  assert.deepEqual(story.asked, ['build.start', 'build.start', 'build.start', 'check.report rcb']);
});

test('a second telling of an archive starts no second build', () => {
  const story = new RunStory().resolved().packed();
  const { builds } = story.run;
  story.packed();
  assert.deepEqual(story.run.builds, builds);
  assert.deepEqual(story.asked, []);
});

test('no backend serves it: finished without a verdict, neutral, with a reason', () => {
  const story = new RunStory({}, []).resolved().packed();
  assert.equal(story.run.state, 'finished');
  assert.equal(story.run.verdict, undefined);
  assert.equal(checkOf(story, 'rcb').conclusion, 'neutral');
  assert.match(checkOf(story, 'rcb').summary, /no backend serves/);
});

test('a build without a job is not a pass: finished without a verdict, neutral', () => {
  const story = new RunStory().building().ended([]);
  assert.equal(story.run.state, 'finished');
  assert.equal(story.run.verdict, undefined);
  assert.equal(checkOf(story, 'rcb').conclusion, 'neutral');
  assert.equal(story.run.builds[0]?.why, messages.noJobs);
});

test('a build that failed as a whole, before it had a job, is an error and not "nothing to run"', () => {
  const story = new RunStory().building();
  // A backend that knows the verdict of such a build tells it beside the words.
  story.observed({ state: 'finished', why: 'the archive could not be unpacked', verdict: 'error' });
  assert.equal(story.run.verdict, 'error');
  assert.match(checkOf(story, 'rcb').title, /^Infrastructure error: the archive could not be unpacked/);
});

test('a backend that calls a build passed while one of its jobs failed is not believed', () => {
  const story = new RunStory().building();
  story.observed({ state: 'finished', verdict: 'passed', jobs: [seenJob({ state: 'finished', verdict: 'failed' })] });
  assert.equal(story.run.verdict, 'failed');
});

test('a build that failed as a whole although each of its jobs passed is no pass', () => {
  const story = new RunStory().building();
  const jobs = [seenJob({ state: 'finished', verdict: 'passed' })];
  story.observed({ state: 'finished', verdict: 'error', why: 'the pipeline was aborted', jobs });
  assert.equal(story.run.verdict, 'error');
});

test('a job that is not over when its build is, is an error: it never counts as a pass', () => {
  const story = new RunStory().building();
  story.observed({
    state: 'finished',
    jobs: [seenJob({ name: 'one', state: 'finished', verdict: 'passed' }), seenJob({ name: 'two', state: 'running' })],
  });
  assert.equal(story.run.verdict, 'error');
  assert.equal(checkOf(story, 'local / two').conclusion, 'failure');
});

test('a job that the last observation forgets is an error as well', () => {
  const story = new RunStory().building();
  story.observed({ jobs: [seenJob({ name: 'one' }), seenJob({ name: 'two' })] });
  story.ended([{ name: 'one', verdict: 'passed' }]);
  assert.equal(story.run.verdict, 'error');
});

test('a finished job without a verdict is an error', () => {
  const story = new RunStory().building().ended([{ verdict: undefined }]);
  assert.equal(story.run.verdict, 'error');
});

const verdicts: [string, (string | undefined)[], string | undefined][] = [
  ['all passed', ['passed', 'passed'], 'passed'],
  ['one failed', ['passed', 'failed'], 'failed'],
  ['the tests’ fault weighs more than the infrastructure’s', ['error', 'failed'], 'failed'],
  ['the infrastructure’s weighs more than a cancellation', ['cancelled', 'error'], 'error'],
  ['one was cancelled', ['passed', 'cancelled'], 'cancelled'],
];
for (const [title, jobs, expected] of verdicts) {
  test(`the verdict of a run: ${title}`, () => {
    const observed = jobs.map((verdict, index) => ({ name: `job ${index}`, verdict: verdict as 'passed' }));
    assert.equal(new RunStory().building().ended(observed).run.verdict, expected);
  });
}

test('the run ends with its last build, and its verdict is of all of them', () => {
  const story = new RunStory({}, ['local', 'azure']).resolved().packed().started(0).started(1);
  story.ended([{ verdict: 'passed' }], 0);
  assert.equal(story.run.state, 'building');
  assert.deepEqual(story.asked, ['build.release', 'check.report rcb', 'check.report local / test']);
  story.ended([{ verdict: 'failed', why: 'exit status 2' }], 1);
  assert.equal(story.run.verdict, 'failed');
});

test('a check appears for each job when it is first seen, and stays the same one', () => {
  const story = new RunStory().building().observed({ jobs: [seenJob({ name: 'one' })] });
  const [, one] = story.run.checks;
  story.observed({ jobs: [seenJob({ name: 'one' }), seenJob({ name: 'two', state: 'queued' })] });
  assert.deepEqual(
    story.run.checks.map((check) => check.name),
    ['rcb', 'local / one', 'local / two'],
  );
  assert.equal(story.run.checks[1]?.id, one?.id);
  assert.deepEqual(story.asked, ['check.report rcb', 'check.report local / two'], 'job one says what it said before');
});

test('an observation that tells nothing new writes no check', () => {
  const story = new RunStory().building().observed({ jobs: [seenJob()] });
  story.observed({ jobs: [seenJob()] });
  assert.deepEqual(story.asked, []);
});

test('a written check is not written again because it was written', () => {
  const story = new RunStory();
  const [check] = story.run.checks;
  story.tell({ kind: 'check.reported', checkId: check!.id, externalId: '77', reported: 'digest' });
  assert.deepEqual(story.asked, []);
  assert.deepEqual(story.run.checks[0], { ...check, externalId: '77', reported: 'digest', error: undefined });
});

test('a refused check shows why on the page, and a later success clears it', () => {
  const story = new RunStory();
  const { id } = story.run.checks[0]!;
  story.tell({ kind: 'check.refused', checkId: id, why: 'GitHub answered 422' });
  assert.equal(story.run.checks[0]?.error, 'GitHub answered 422');
  story.tell({ kind: 'check.reported', checkId: id, externalId: '77', reported: 'digest' });
  assert.equal(story.run.checks[0]?.error, undefined);
});

test('a report of a check that the run does not have changes nothing', () => {
  const story = new RunStory();
  const before = structuredClone(story.run);
  story.tell({ kind: 'check.reported', checkId: 'unknown', externalId: '77', reported: 'digest' });
  assert.deepEqual(story.run, before);
});

test('attempts of a job are numbered as its backend numbers them; the newest counts', () => {
  const story = new RunStory().building();
  story.observed({ jobs: [seenJob({ state: 'finished', verdict: 'failed' })] });
  story.observed({ jobs: [seenJob({ attempt: 2 })] });
  const job = story.run.builds[0]!.jobs[0]!;
  assert.deepEqual(
    job.attempts.map(({ number, state, verdict }) => [number, state, verdict]),
    [
      [1, 'finished', 'failed'],
      [2, 'running', undefined],
    ],
  );
  assert.deepEqual([job.attempt, job.state, job.verdict], [2, 'running', undefined]);
  story.ended([{ attempt: 2, verdict: 'passed' }]);
  assert.equal(story.run.verdict, 'passed');
});

test('what is told of an older attempt does not change the job', () => {
  const story = new RunStory().building();
  story.observed({ jobs: [seenJob({ attempt: 2, state: 'running' })] });
  story.observed({ jobs: [seenJob({ attempt: 1, state: 'finished', verdict: 'failed' })] });
  assert.deepEqual([story.run.builds[0]!.jobs[0]!.attempt, story.run.builds[0]!.jobs[0]!.state], [2, 'running']);
});

test('an attempt that is over is not opened again by an older observation', () => {
  const story = new RunStory({}, ['local', 'azure']).resolved().packed().started(0).started(1);
  story.observed({ jobs: [seenJob({ state: 'finished', verdict: 'passed' })] });
  story.observed({ jobs: [seenJob({ state: 'running' })] });
  assert.equal(story.run.builds[0]!.jobs[0]!.state, 'finished');
  assert.equal(checkOf(story, 'local / test').status, 'completed', '`in_progress` can never overwrite `completed`');
});

test('log and artifacts of an attempt are kept with it, and survive a telling without them', () => {
  const log = { bytes: 10, lines: 2, sha256: 'cc' };
  const artifacts = [{ name: 'core', size: 3, sha256: 'dd' }];
  const story = new RunStory().building();
  story.observed({ jobs: [seenJob()] }, { kept: [{ externalName: 'test', number: 1, log, artifacts }] });
  story.observed({ jobs: [seenJob({ state: 'finished', verdict: 'failed' })] });
  assert.deepEqual(story.run.builds[0]!.jobs[0]!.attempts[0]?.log, log);
  assert.deepEqual(story.run.builds[0]!.jobs[0]!.attempts[0]?.artifacts, artifacts);
});

test('a lost build gets one new attempt, under a new key', () => {
  const story = new RunStory().building().observed({ jobs: [seenJob()] });
  story.lost();
  const [build] = story.run.builds;
  assert.deepEqual([build?.state, build?.attempt, build?.externalId, build?.url], ['queued', 2, undefined, undefined]);
  assert.equal(story.run.state, 'building');
  assert.equal(story.asked[0], 'build.start');
});

test('the second attempt of a lost build goes on counting its jobs’ attempts', () => {
  const story = new RunStory()
    .building()
    .observed({ jobs: [seenJob()] })
    .lost()
    .started();
  story.ended([{ attempt: 1, verdict: 'passed' }]);
  const [job] = story.run.builds[0]!.jobs;
  assert.deepEqual(
    job?.attempts.map(({ number, verdict }) => [number, verdict]),
    [
      [1, 'error'],
      [2, 'passed'],
    ],
  );
  assert.equal(story.run.verdict, 'passed');
});

test('the second attempt of a lost build never writes over what the first one’s own second attempt left', () => {
  // Azure retries a job within one build: attempt 2 exists when the build is lost.
  const story = new RunStory().building();
  story.observed({ jobs: [seenJob({ state: 'finished', verdict: 'failed' })] });
  story.observed({ jobs: [seenJob({ attempt: 2 })] });
  story.lost().started();
  story.observed({ jobs: [seenJob({ attempt: 1 })] });
  assert.deepEqual(
    story.run.builds[0]!.jobs[0]!.attempts.map(({ number, state, verdict }) => [number, state, verdict]),
    [
      [1, 'finished', 'failed'],
      [2, 'finished', 'error'],
      [3, 'running', undefined],
    ],
  );
});

test('a lost build that is tried again keeps what had finished as an attempt of its own', () => {
  const story = new RunStory().building();
  story
    .observed({ jobs: [seenJob({ state: 'finished', verdict: 'failed' })] })
    .lost()
    .started();
  story.ended([{ verdict: 'passed' }]);
  assert.deepEqual(
    story.run.builds[0]!.jobs[0]!.attempts.map(({ number, verdict }) => [number, verdict]),
    [
      [1, 'failed'],
      [2, 'passed'],
    ],
  );
});

test('a lost build that is tried again does not complete its jobs’ checks: a completed one cannot be reopened', () => {
  const story = new RunStory()
    .building()
    .observed({ jobs: [seenJob()] })
    .lost();
  assert.notEqual(checkOf(story, 'local / test').status, 'completed');
});

test('a new attempt of a job whose check is completed is shown on a new check: GitHub reopens none', () => {
  const story = new RunStory().building();
  story.observed({ jobs: [seenJob({ state: 'finished', verdict: 'failed' })] });
  const before = checkOf(story, 'local / test');
  const { id } = story.run.checks.find((check) => check.name === 'local / test')!;
  story.tell({ kind: 'check.reported', checkId: id, externalId: '77', reported: 'digest' });
  story.observed({ jobs: [seenJob({ attempt: 2 })] });
  const check = story.run.checks.findLast((each) => each.name === 'local / test')!;
  const content = checkContent(story.run, check, 'https://rcb.example');
  assert.equal(content.status, 'in_progress');
  assert.notEqual(check.externalId, '77', 'the completed one would be written');
  assert.notEqual(content.externalId, before.externalId, 'the completed one would be found');
});

test('a second loss is the end: an error that says so', () => {
  const story = new RunStory().building().lost().started().lost();
  assert.equal(story.run.state, 'finished');
  assert.equal(story.run.verdict, 'error');
  assert.equal(story.run.why, 'the agent is gone; a second attempt was lost as well');
});

test('what is told of the lost attempt afterwards is not taken for the new one', () => {
  const story = new RunStory().building().lost();
  const before = structuredClone(story.run);
  story.observed({ state: 'finished', jobs: [seenJob({ state: 'finished', verdict: 'passed' })] }, { attempt: 1 });
  const { id } = story.run.builds[0]!;
  story.tell({ kind: 'build.started', buildId: id, attempt: 1, externalId: 'old' });
  story.tell({ kind: 'build.refused', buildId: id, attempt: 1, verdict: 'error', why: 'old' });
  assert.deepEqual(story.run, before);
});

test('a refused build ends as told, and ends the run', () => {
  const story = new RunStory().resolved().packed();
  const { id } = story.run.builds[0]!;
  story.tell({ kind: 'build.refused', buildId: id, attempt: 1, verdict: 'error', why: 'no such pipeline' });
  assert.deepEqual([story.run.state, story.run.verdict, story.run.why], ['finished', 'error', 'no such pipeline']);
});

test('sources that cannot be had end the run as an error', () => {
  const story = new RunStory().tell({ kind: 'sources.failed', why: 'no such commit' });
  assert.deepEqual([story.run.verdict, story.run.why], ['error', 'no such commit']);
  assert.equal(checkOf(story, 'rcb').title, 'Infrastructure error: no such commit');
});

for (const [by, title] of [
  ['superseded', 'Superseded by cccccccccc'],
  ['cancelled', 'Cancelled: the pull request was closed'],
] as const) {
  test(`a run that is ${by} while it builds cancels its builds, and says so on every check`, () => {
    const story = new RunStory({}, ['local', 'azure']).resolved().packed().started(0).started(1);
    story.observed({ jobs: [seenJob()] });
    if (by === 'superseded') story.superseded();
    else story.cancelled();
    assert.equal(story.run.verdict, by);
    assert.deepEqual(story.asked, ['build.cancel', 'build.cancel', 'check.report rcb', 'check.report local / test']);
    for (const name of ['rcb', 'local / test']) {
      const { status, conclusion, title: shown } = checkOf(story, name);
      assert.deepEqual({ status, conclusion, title: shown }, { status: 'completed', conclusion: 'cancelled', title });
    }
  });
}

test('late results of a superseded run are kept, and change neither its verdict nor its checks', () => {
  const story = new RunStory().building().observed({ jobs: [seenJob()] });
  story.superseded();
  story.ended([{ verdict: 'passed', startedAt: '2026-11-21T12:00:01.000Z' }]);
  assert.equal(story.run.builds[0]?.verdict, 'passed');
  assert.equal(story.run.builds[0]?.jobs[0]?.verdict, 'passed');
  assert.equal(story.run.verdict, 'superseded');
  assert.equal(checkOf(story, 'local / test').conclusion, 'cancelled');
  assert.equal(checkOf(story, 'rcb').conclusion, 'cancelled');
});

test('late results of a superseded run write no check again', () => {
  const story = new RunStory().building().observed({ jobs: [seenJob()] });
  story.superseded();
  story.ended([{ verdict: 'passed', startedAt: '2026-11-21T12:00:01.000Z' }]);
  assert.deepEqual(story.asked, ['build.release']);
});

test('a late job of a superseded run gets no check', () => {
  const story = new RunStory().building().superseded();
  story.observed({ jobs: [seenJob({ name: 'late' })] });
  assert.deepEqual(
    story.run.checks.map((check) => check.name),
    ['rcb'],
  );
});

test('a build whose start was under way when the run ended is cancelled as soon as it is known, and followed', () => {
  const story = new RunStory().resolved().packed().superseded();
  assert.deepEqual(story.asked, ['build.cancel', 'check.report rcb']);
  story.started();
  assert.deepEqual(story.asked, ['build.cancel', 'build.follow']);
  assert.equal(story.run.verdict, 'superseded');
});

test('a build that is lost after its run has ended is not started anew', () => {
  const story = new RunStory().building().superseded().lost();
  assert.equal(story.run.builds[0]?.state, 'finished');
  assert.ok(!story.asked.includes('build.start'));
});

test('the first end of a run is its end', () => {
  const story = new RunStory().superseded();
  const before = structuredClone(story.run);
  story.cancelled().superseded(sha('d')).tell({ kind: 'sources.failed', why: 'late' });
  assert.deepEqual(story.run, before);
  assert.deepEqual(story.asked, []);
});

test('trouble that is tried again shows on the check, and is gone with the next progress', () => {
  const story = new RunStory().failedEffect({
    effect: 'sources.resolve',
    target: 'run:01RUN',
    retryAt: '2026-11-21T12:01:00.000Z',
  });
  assert.equal(story.run.state, 'resolving');
  assert.match(checkOf(story, 'rcb').title, /^Finding the commits to test: no route. It is tried again at/);
  assert.deepEqual(story.asked, ['check.report rcb']);
  story.resolved();
  assert.equal(checkOf(story, 'rcb').title, messages.packing);
});

test('an effect that is given up ends the run as an error and cancels what runs', () => {
  const story = new RunStory({}, ['local', 'azure']).resolved().packed().started(0);
  story.failedEffect({ effect: 'build.start' });
  assert.equal(story.run.verdict, 'error');
  assert.match(story.run.why ?? '', /^Starting the build: no route. It was given up/);
  assert.deepEqual(story.asked, ['build.cancel', 'build.cancel', 'check.report rcb']);
});

test('tidying up after one build that cannot be done does not end the other', () => {
  const story = new RunStory({}, ['local', 'azure']).resolved().packed().started(0).started(1);
  story.ended([{ verdict: 'passed' }], 0);
  story.failedEffect({ effect: 'build.release', target: `build:${story.run.builds[0]!.id}` });
  assert.equal(story.run.state, 'building');
});

test('a check that cannot be written is no reason to end the run', () => {
  const story = new RunStory();
  story.failedEffect({ effect: 'check.report', target: `check:${story.run.checks[0]!.id}`, retryAt: undefined });
  assert.equal(story.run.state, 'resolving');
  assert.match(story.run.checks[0]?.error ?? '', /^Writing the check: no route. It was given up/);
});

test('trouble after the end changes nothing', () => {
  const story = new RunStory().superseded();
  const before = structuredClone(story.run);
  story.failedEffect({ effect: 'build.cancel' }).failedEffect({ retryAt: '2026-11-21T12:01:00.000Z' });
  assert.deepEqual(story.run, before);
});

// Every event in every state: which state it leads to.

const inState: Record<RunState, () => RunStory> = {
  waiting: () => new RunStory({ change: aPull({ fork: true }), hold: { until: 'maintainer', why: messages.forkAsk } }),
  resolving: () => new RunStory(),
  packing: () => new RunStory().resolved(),
  building: () => new RunStory().building(),
  finished: () => new RunStory().building().superseded(),
};

const archive = { sha256: 'aa', size: 5, tarSha256: 'bb' };
const ofBuild = (story: RunStory) => ({ buildId: story.run.builds[0]?.id ?? 'none', attempt: 1 });
const finishedJob = seenJob({ state: 'finished', verdict: 'passed' });
const everyEvent: [string, (story: RunStory) => RunEventToSend, RunState[]][] = [
  // From: waiting, resolving, packing, building, finished.
  ['sources.resolved', (story) => aResolution(story.run), ['waiting', 'packing', 'packing', 'building', 'finished']],
  [
    'source.packed',
    (story) => ({ kind: 'source.packed', sourceId: story.run.sources[0]!.id, archive }),
    ['waiting', 'resolving', 'building', 'building', 'finished'],
  ],
  [
    'source.packed of an unknown source',
    () => ({ kind: 'source.packed', sourceId: 'none', archive }),
    ['waiting', 'resolving', 'packing', 'building', 'finished'],
  ],
  [
    'sources.failed',
    () => ({ kind: 'sources.failed', why: 'w' }),
    ['finished', 'finished', 'finished', 'finished', 'finished'],
  ],
  [
    'build.started',
    (story) => ({ kind: 'build.started', ...ofBuild(story), externalId: 'x' }),
    ['waiting', 'resolving', 'packing', 'building', 'finished'],
  ],
  [
    'build.refused',
    (story) => ({ kind: 'build.refused', ...ofBuild(story), verdict: 'error', why: 'w' }),
    ['waiting', 'resolving', 'packing', 'finished', 'finished'],
  ],
  [
    'build.observed, running',
    (story) => ({
      kind: 'build.observed',
      ...ofBuild(story),
      observation: { state: 'running', digest: '', jobs: [] },
      kept: [],
    }),
    ['waiting', 'resolving', 'packing', 'building', 'finished'],
  ],
  [
    'build.observed, finished',
    (story) => ({
      kind: 'build.observed',
      ...ofBuild(story),
      observation: { state: 'finished', digest: '', jobs: [finishedJob] },
      kept: [],
    }),
    ['waiting', 'resolving', 'packing', 'finished', 'finished'],
  ],
  [
    'build.observed, lost',
    (story) => ({
      kind: 'build.observed',
      ...ofBuild(story),
      observation: { state: 'lost', why: 'w' },
      kept: [],
    }),
    ['waiting', 'resolving', 'packing', 'building', 'finished'],
  ],
  [
    'run.ended',
    () => ({ kind: 'run.ended', by: 'cancelled', why: 'w' }),
    ['finished', 'finished', 'finished', 'finished', 'finished'],
  ],
  [
    'check.reported',
    (story) => ({ kind: 'check.reported', checkId: story.run.checks[0]!.id, externalId: '1', reported: 'r' }),
    ['waiting', 'resolving', 'packing', 'building', 'finished'],
  ],
  [
    'check.refused',
    (story) => ({ kind: 'check.refused', checkId: story.run.checks[0]!.id, why: 'w' }),
    ['waiting', 'resolving', 'packing', 'building', 'finished'],
  ],
  [
    'effect.failed, tried again',
    () => ({ kind: 'effect.failed', effect: 'build.start', target: 'build:1', why: 'w', retryAt: NOW.toISOString() }),
    ['waiting', 'resolving', 'packing', 'building', 'finished'],
  ],
  [
    'effect.failed, given up',
    () => ({ kind: 'effect.failed', effect: 'build.start', target: 'build:1', why: 'w' }),
    // Nothing is done for a run that waits: what failed was not its.
    ['waiting', 'finished', 'finished', 'finished', 'finished'],
  ],
];

for (const [title, eventOf, leadsTo] of everyEvent) {
  (Object.keys(inState) as RunState[]).forEach((from, index) => {
    test(`${title}: ${from} → ${leadsTo[index]}`, () => {
      const story = inState[from]();
      const verdict = story.run.verdict;
      story.tell(eventOf(story));
      assert.equal(story.run.state, leadsTo[index]);
      if (from === 'finished') assert.equal(story.run.verdict, verdict);
    });
  });
}

test('nothing but its end takes the reason from a run that waits', () => {
  for (const [title, eventOf, leadsTo] of everyEvent) {
    if (leadsTo[0] !== 'waiting') continue;
    const story = inState.waiting();
    assert.equal(story.tell(eventOf(story)).run.why, messages.forkAsk, title);
  }
});
