import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkContent, jobsOf } from '../../src/core/check.ts';
import type { KeptOutput } from '../../src/core/event.ts';
import type { KnownFlapper } from '../../src/core/flapper.ts';
import { flapperNotes } from '../../src/core/flapper-notes.ts';
import type { ListedFlappers } from '../../src/core/run-flappers.ts';
import { notGoodEnough } from '../../src/core/run-retry.ts';
import type { AttemptTests } from '../../src/core/testlog-kept.ts';
import { aPull, aRule, RunStory, seenJob } from '../support/builders.ts';

/** Flappers in the life of a run: judged when a job fails, held until the others have ended, run again once. */

const known: KnownFlapper[] = [{ name: 't/flap.t', issue: 'https://example.org/1' }];

const testsThat = (...failed: string[]): AttemptTests => ({
  passed: ['t/ok.t'],
  failed: failed.map((name, at) => ({
    name,
    outcome: 'failed',
    line: 10 + at,
    failedCount: 1,
    failed: [{ from: 2, to: 2 }],
    todoPassed: [],
    parseErrors: [],
  })),
  unreadable: [],
  otherFailures: [],
});

interface Told {
  name: string;
  verdict: 'passed' | 'failed' | 'error' | 'cancelled';
  attempt?: number;
  failed?: string[];
  killed?: string;
}

class FlapperStory extends RunStory {
  constructor(
    backends = ['azure'],
    change: { base?: string; optional?: string[]; off?: string[]; known?: KnownFlapper[] } = {},
  ) {
    super({ change: aPull({ base: { ref: change.base ?? 'main', sha: 'b' } }) }, backends, { isNewest: true });
    this.context.flappers = {
      known: change.known ?? known,
      offFor: change.off ?? [],
      rules: [aRule(['release-*'], { flappers: 'off' }), aRule(['*'], { optional: change.optional ?? [] })],
      retries: (backend) => backend === 'azure',
    };
    this.resolved().packed();
    for (const [index] of backends.entries()) this.started(index);
  }

  /** These jobs have ended; with `isOver` the build has. */
  jobs(
    told: Told[],
    { build = 0, isOver = false, listed }: { build?: number; isOver?: boolean; listed?: ListedFlappers } = {},
  ) {
    const { id, attempt, earlierAttempts } = this.run.builds[build]!;
    const kept = told.map(
      ({ name, attempt: at = 1, failed = [] }): KeptOutput => ({
        externalName: name,
        number: earlierAttempts + at,
        artifacts: [],
        tests: testsThat(...failed),
      }),
    );
    const jobs = told.map(({ name, verdict, attempt: at = 1, killed }) =>
      seenJob({ name, verdict, attempt: at, killed, state: 'finished' }),
    );
    const observation = { state: isOver ? ('finished' as const) : ('running' as const), digest: 'd', jobs };
    return this.tell({ kind: 'build.observed', buildId: id, attempt, observation, kept, ...(listed && { listed }) });
  }

  ends(told: Told[], build = 0) {
    return this.jobs(told, { build, isOver: true });
  }

  check(name: string) {
    const check = this.run.checks.find((each) => each.name === name)!;
    return checkContent(this.run, check, 'https://rcb.example');
  }

  get states() {
    return jobsOf(this.run).map(({ externalName, state, attempt, verdict }) =>
      [externalName, attempt, verdict ?? state].join(' '),
    );
  }
}

const flaps = (name: string, attempt?: number): Told => ({ name, verdict: 'failed', failed: ['t/flap.t'], attempt });
const fails = (name: string, attempt?: number): Told => ({ name, verdict: 'failed', failed: ['t/real.t'], attempt });
const passes = (name: string, attempt?: number): Told => ({ name, verdict: 'passed', attempt });

test('a job that flapped is held while others run: its check is not completed, and says why', () => {
  const story = new FlapperStory().jobs([flaps('linux')]);
  const check = story.check('azure / linux');
  assert.deepEqual([check.status, check.conclusion], ['in_progress', undefined]);
  assert.equal(check.title, 'Only known flappers failed (t/flap.t): it is run once more if nothing else fails');
  assert.match(check.summary, /t\/flap\.t \\\(failed 2\\\): known flapper \(\[issue\]\(https:\/\/example\.org\/1\)\)/);
});

test('when nothing else failed it runs again in its build, under the checks that there are', () => {
  const story = new FlapperStory().jobs([flaps('linux')]);
  for (const { id } of story.run.checks) {
    story.tell({ kind: 'check.reported', checkId: id, externalId: `gh-${id}`, reported: 'd' });
  }
  const before = story.run.checks.map(
    ({ id }) => checkContent(story.run, story.run.checks.find((c) => c.id === id)!, '').externalId,
  );
  story.ends([flaps('linux'), passes('windows')]);
  assert.equal(story.run.state, 'building');
  assert.deepEqual(story.states, ['linux 2 queued', 'windows 1 passed']);
  assert.ok(story.asked.includes('build.retry') && !story.asked.includes('build.release'), story.asked.join());
  assert.deepEqual(notGoodEnough(story.run.builds[0]!), [{ name: 'linux', attempt: 1 }]);
  const first = story.run.checks.slice(0, 2);
  assert.ok(
    first.every(({ externalId }) => externalId),
    'a check that was not completed stays',
  );
  assert.deepEqual(
    first.map((check) => checkContent(story.run, check, '').externalId),
    before,
  );
  assert.match(story.check('azure / linux').title, /^Only known flappers failed \(t\/flap\.t\): it is run once more$/);
  story.ends([flaps('linux'), passes('windows')]);
  assert.equal(story.run.state, 'building', 'what is told of the time before is no news');
  story.ends([passes('linux', 2), passes('windows')]);
  assert.deepEqual([story.run.verdict, story.run.why], ['passed', 'Passed on the second attempt; flapper: t/flap.t']);
  assert.equal(story.check('rcb').title, 'Passed on the second attempt; flapper: t/flap.t');
  assert.equal(story.check('azure / linux').title, 'Passed on the second attempt; flapper: t/flap.t');
  assert.equal(story.check('azure / windows').title, 'Passed');
  assert.match(story.check('rcb').summary, /attempt 1 failed where known flappers are\. Nothing else failed, so/);
});

test('a second failure is final, and each attempt is told', () => {
  const story = new FlapperStory().ends([flaps('linux')]).ends([flaps('linux', 2)]);
  assert.deepEqual([story.run.state, story.run.verdict], ['finished', 'failed']);
  assert.match(story.run.why!, /this run has had its re-run: the second failure is final/);
  assert.equal(story.check('azure / linux').title, 'Failed on both attempts');
  assert.deepEqual(
    flapperNotes(story.run).map(({ attempt, said }) => [attempt, /It was not run again/.test(said)]),
    [
      [1, false],
      [2, true],
    ],
  );
});

test('a real failure beside it takes the hold away at the end, and is named', () => {
  const story = new FlapperStory().jobs([flaps('linux')]).ends([flaps('linux'), fails('windows')]);
  assert.deepEqual([story.run.state, story.run.verdict], ['finished', 'failed']);
  assert.match(story.run.why!, /more than known flappers failed: azure \/ windows$/);
  assert.equal(story.check('azure / linux').conclusion, 'failure');
  assert.ok(!story.asked.includes('build.retry'));
  assert.ok(story.asked.includes('check.report azure / linux'));
});

test('a job that may fail keeps nothing from running again', () => {
  const story = new FlapperStory(['azure'], { optional: ['azure / docs'] }).ends([flaps('linux'), fails('docs')]);
  assert.deepEqual(story.states, ['linux 2 queued', 'docs 2 queued']);
  story.ends([passes('linux', 2), fails('docs', 2)]);
  assert.equal(story.run.verdict, 'failed');
  assert.equal(story.check('azure / linux').conclusion, 'success');
});

test('with failures that no list names flappers have nothing to do, and the run says nothing of them', () => {
  const story = new FlapperStory().ends([fails('linux')]);
  assert.deepEqual([story.run.verdict, story.run.flappers, story.run.why], ['failed', undefined, undefined]);
});

const REFUSALS: [string, ConstructorParameters<typeof FlapperStory>, Told, RegExp][] = [
  ['the branch has them off', [['azure'], { base: 'release-1' }], flaps('linux'), /off for this branch/],
  ['the repository has them off', [['azure'], { off: ['moarvm/*'] }], flaps('linux'), /off for this repository/],
  [
    'its entry does',
    [['azure'], { known: [{ name: 't/flap.t', rerun: 'off' }] }],
    flaps('linux'),
    /off for t\/flap\.t/,
  ],
  ['it was killed', [['azure']], { ...flaps('linux'), killed: 'killed by SIGKILL' }, /not only known flappers/],
  ['the infrastructure failed', [['azure', 'local']], { ...flaps('linux'), verdict: 'error' }, /^$/],
];
for (const [title, args, told, why] of REFUSALS) {
  test(`it is not run again, nor held, when ${title}`, () => {
    const story = new FlapperStory(...args).jobs([told]);
    assert.equal(story.check('azure / linux').status, 'completed');
    story.ends([told]);
    assert.deepEqual(story.states, [`linux 1 ${told.verdict}`]);
    if (story.run.state === 'finished') assert.match(story.run.why ?? '', why);
  });
}

test('a backend that only starts anew does so when all of its jobs failed', () => {
  const story = new FlapperStory(['local']).ends([flaps('test')]);
  assert.deepEqual(story.states, ['test 2 queued']);
  const [build] = story.run.builds;
  assert.deepEqual([build?.attempt, build?.externalId, build?.state], [2, undefined, 'queued']);
  assert.ok(story.asked.includes('build.start') && story.asked.includes('build.release'), story.asked.join());
  story.started().ends([passes('test')]);
  assert.deepEqual(story.states, ['test 2 passed']);
  assert.equal(story.run.verdict, 'passed');
});

test('and not when that would run again what has passed', () => {
  const story = new FlapperStory(['local']).ends([flaps('one'), passes('two')]);
  assert.deepEqual([story.run.verdict, story.states.join()], ['failed', 'one 1 failed,two 1 passed']);
  assert.match(story.run.why!, /this backend cannot run a job again/);
});

test('two backends are decided together: the one that ended first waits for the other', () => {
  const story = new FlapperStory(['local', 'azure']).ends([flaps('test')], 0);
  assert.equal(story.check('local / test').status, 'in_progress');
  assert.deepEqual(story.states, ['test 1 failed']);
  story.ends([flaps('linux')], 1);
  assert.deepEqual(story.states, ['test 2 queued', 'linux 2 queued']);
  story
    .started(0)
    .ends([passes('test')], 0)
    .ends([passes('linux', 2)], 1);
  assert.equal(story.run.verdict, 'passed');
});

test('a build that was started anew and ends without a job is no news of the time before', () => {
  const story = new FlapperStory(['local']).ends([flaps('test')]).started();
  story.observed({ state: 'finished', verdict: 'error', why: 'it could not be unpacked', jobs: [] });
  assert.deepEqual([story.run.state, story.run.verdict], ['finished', 'failed']);
});

test('a backend that refuses to start it anew leaves the failure as it was', () => {
  const story = new FlapperStory(['local']).ends([flaps('test')]);
  const { id: buildId, attempt } = story.run.builds[0]!;
  story.tell({ kind: 'build.refused', buildId, attempt, verdict: 'error', why: 'it is gone' });
  assert.deepEqual([story.run.verdict, story.states.join()], ['failed', 'test 1 failed']);
  assert.match(story.run.why!, /^it is gone; /);
});

test('an attempt that the infrastructure lost is made once more: it was not the flapper', () => {
  const story = new FlapperStory(['local'])
    .ends([flaps('test')])
    .started()
    .lost();
  assert.deepEqual([story.run.state, story.run.builds[0]?.attempt], ['building', 3]);
  story.started().ends([passes('test')]);
  assert.equal(story.run.verdict, 'passed');
  const twice = new FlapperStory(['local'])
    .ends([flaps('test')])
    .started()
    .lost()
    .started()
    .lost();
  assert.deepEqual([twice.run.state, twice.run.verdict], ['finished', 'error']);
});

test('a newer head ends a run that waits for its flappers', () => {
  const held = new FlapperStory().jobs([flaps('linux')]).superseded();
  assert.equal(held.check('azure / linux').conclusion, 'cancelled');
  const again = new FlapperStory().ends([flaps('linux')]).superseded();
  assert.deepEqual([again.run.verdict, again.asked.includes('build.cancel')], ['superseded', true]);
  again.ends([flaps('linux', 2)]);
  assert.deepEqual([again.run.state, again.asked.includes('build.retry')], ['finished', false]);
});

test('people may still ask for more, and get new checks; flappers had their turn', () => {
  const story = new FlapperStory().ends([flaps('linux')]).ends([flaps('linux', 2)]);
  story.tell({ kind: 'run.retried', buildIds: [story.run.builds[0]!.id], by: 'lizmat' });
  assert.deepEqual([story.states.join(), story.run.flappers?.noRerun], ['linux 3 queued', undefined]);
  assert.match(story.check('azure / linux').externalId, /:2$/);
  story.ends([flaps('linux', 3)]);
  assert.equal(story.run.verdict, 'failed');
});

test('lists of repositories count beside rcb.yaml’s; with a mistake in one of them none does', () => {
  const own = { known: [{ name: 't/own.t' }], faults: [] };
  const told: Told = { name: 'linux', verdict: 'failed', failed: ['t/own.t', 't/flap.t'] };
  const story = new FlapperStory().jobs([told], { isOver: true, listed: own });
  assert.deepEqual(story.run.flappers?.rerun?.files, ['t/own.t', 't/flap.t']);
  const broken = new FlapperStory().jobs([told], { isOver: true, listed: { ...own, faults: ['line 1: found a map'] } });
  assert.deepEqual([broken.run.verdict, broken.states.join()], ['failed', 'linux 1 failed']);
  assert.match(broken.check('rcb').summary, /A list of known flappers has mistakes.*\n- line 1: found a map/);
  assert.match(broken.check('azure / linux').summary, /line 1: found a map/);
});

test('what is kept of a run’s flappers has a bound', () => {
  const story = new FlapperStory(['azure'], { known: [{ name: 't/many-*.t' }] });
  const failed = Array.from({ length: 300 }, (_, at) => `t/many-${at}.t`);
  story.jobs([{ name: 'linux', verdict: 'failed', failed }]);
  assert.equal(story.run.flappers?.judged[0]?.files.length, 20);
  assert.ok(Buffer.byteLength(story.check('azure / linux').title) <= 250);
});
