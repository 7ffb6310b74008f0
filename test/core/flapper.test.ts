import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rakuFlappers } from '../../src/config/raku-flappers.ts';
import {
  decideRerun,
  type FailedJob,
  flapRate,
  type JobTests,
  judgeFailure,
  type KnownFlapper,
  pointOut,
  type RerunCircumstances,
} from '../../src/core/flapper.ts';
import { flapperMessages } from '../../src/core/messages-flappers.ts';
import { readJunit } from '../../src/core/testlog-junit.ts';
import { aRule } from '../support/builders.ts';
import { excerpt, read, sample } from './testlog-told.ts';

const place = { platform: 'Linux', day: '2026-11-21' };
const failed: FailedJob = { verdict: 'failed' };
const log = (text: string, step?: string): JobTests => ({ step, results: read(text) });
const flapper = sample('prove_only_flapper_plus_TODO.log');
const known: KnownFlapper[] = [{ name: 't/02-rakudo/10-nqp-ops.t' }];

interface Case {
  job?: FailedJob;
  tests?: JobTests[];
  list?: KnownFlapper[];
  platform?: string;
  day?: string;
}

const judge = ({ job = failed, tests = [log(flapper)], list = known, ...where }: Case) =>
  judgeFailure(job, tests, list, { ...place, ...where });

const only: [string, Case][] = [
  ['a known file', {}],
  ['a known file, behind the prefixes of Azure', { tests: [log(sample('azure_ts.log'))] }],
  ['a known file, behind the prefixes of OBS', { tests: [log(sample('obs_ts.log'))] }],
  ['the list of the preset', { list: rakuFlappers }],
  ['a glob', { list: [{ name: 't/02-rakudo/*-ops.t' }] }],
  ['its platform, in any case', { list: [{ ...known[0]!, platforms: ['*windows*', 'lin*'] }] }],
  ['the first and the last day', { list: [{ ...known[0]!, since: place.day, until: place.day }] }],
  ['a second entry that fits', { list: [{ ...known[0]!, platforms: ['mips'] }, ...known] }],
  ['make gives up for it', { tests: [log(`${flapper}make: *** [Makefile:1: m-test] Error 1\n`)] }],
  [
    'the failed step is that of the tests',
    { job: { ...failed, failedSteps: ['Test'] }, tests: [log('cc\n', 'Build'), log(flapper, 'Test')] },
  ],
  ['a fudged name', { tests: [log(flapper.replaceAll('10-nqp-ops.t ', '10-nqp-ops.rakudo.moar '))] }],
];
for (const [title, given] of only) {
  test(`flapper only: ${title}`, () => {
    const judgement = judge(given);
    assert.deepEqual(judgement.obstacles, []);
    assert.equal(judgement.isFlapperOnly, true);
    assert.deepEqual(
      judgement.files.map(({ file, isKnown }) => [file.name, isKnown]),
      [['t/02-rakudo/10-nqp-ops.t', true]],
    );
  });
}

const many = sample('prove_many_failures.log');
const not: [string, Case, string[]][] = [
  ['the job passed', { job: { verdict: 'passed' } }, ["the job's verdict is passed, not failed"]],
  ['the infrastructure failed', { job: { verdict: 'error' } }, ["the job's verdict is error, not failed"]],
  ['no verdict', { job: {} }, ["the job's verdict is not known, not failed"]],
  ['time ran out', { job: { ...failed, timedOut: true } }, ['the job ran out of time']],
  ['killed', { job: { ...failed, killed: 'SIGKILL' } }, ['the job did not end by itself: SIGKILL']],
  ['nothing was read', { tests: [] }, ['it tells no tests']],
  ['a log without tests', { tests: [log('cc a.c\n')] }, ['it tells no tests']],
  ['only a TODO passed', { tests: [log(sample('prove_pass_with_summary.log'))] }, ['no test file failed']],
  ['no list', { list: [] }, ['t/02-rakudo/10-nqp-ops.t: not a known flapper']],
  [
    'another file failed too',
    { tests: [log(many)] },
    ['17-noplan', '16-segv', '99-misc'].map((name) => `t/02-rakudo/${name}.t: not a known flapper`),
  ],
  [
    'another platform',
    { list: [{ ...known[0]!, platforms: ['mips*', 'Windows'] }] },
    ['t/02-rakudo/10-nqp-ops.t: a known flapper on mips*, Windows, not on Linux'],
  ],
  [
    'a platform that is not known',
    { list: [{ ...known[0]!, platforms: ['*'] }], platform: undefined },
    ['t/02-rakudo/10-nqp-ops.t: a known flapper on *, not on an unknown platform'],
  ],
  [
    'before its day',
    { list: [{ ...known[0]!, since: '2026-11-22' }] },
    ['t/02-rakudo/10-nqp-ops.t: a known flapper from 2026-11-22 on'],
  ],
  [
    'behind its day',
    { list: [{ ...known[0]!, until: '2026-11-20' }] },
    ['t/02-rakudo/10-nqp-ops.t: no known flapper any more, since 2026-11-20'],
  ],
  [
    'the log is cut',
    { tests: [log(flapper.split('Files=')[0]!)] },
    ['the tests cannot be relied on: the log ends before its tests do'],
  ],
  [
    'the compiler failed as well',
    { tests: [log(`make: *** [core.o] Error 1\n${flapper}`)] },
    ['something else failed: make: *** [core.o] Error 1'],
  ],
  [
    'another step failed as well',
    { job: { ...failed, failedSteps: ['Install', 'Test'] }, tests: [log(flapper, 'Test')] },
    ['step Install failed, and it tells no tests'],
  ],
  [
    'the step that failed is not the one whose tests did',
    {
      job: { ...failed, failedSteps: ['Spec'] },
      tests: [log(flapper, 'Test'), log(sample('prove_pass_with_summary.log'), 'Spec')],
    },
    ['step Spec failed, and no test file of it'],
  ],
  ['a real failure', { tests: [log(excerpt(5))] }, ['t/04-nativecall/02-simple-args.t: not a known flapper']],
];
for (const [title, given, expected] of not) {
  test(`not flapper only: ${title}`, () => {
    const judgement = judge(given);
    assert.deepEqual(judgement.obstacles.map(flapperMessages.obstacle), expected);
    assert.equal(judgement.isFlapperOnly, false);
  });
}

test('a name of JUnit is compared with what the listed paths would be, and never with a glob', () => {
  const xml = sample('prove_junit_formatter_console.xml');
  const tests = [{ results: readJunit(xml) }];
  const unknown = (list: KnownFlapper[]) =>
    judge({ tests, list })
      .files.filter((each) => !each.isKnown)
      .map(({ file }) => file.name);
  const listed = ['10-nqp-ops', '16-segv', '17-noplan', '99-misc'].map((name) => ({ name: `t/02-rakudo/${name}.t` }));
  assert.deepEqual(unknown(listed), []);
  assert.equal(judge({ tests, list: listed }).isFlapperOnly, true);
  const alike = { results: readJunit('<testsuite name="02-rakudo_t"><error message="x"/></testsuite>') };
  assert.equal(judge({ tests: [alike], list: [{ name: 't/02-rakudo/*.t' }] }).isFlapperOnly, false);
  assert.deepEqual(unknown([{ name: 't/02-rakudo/*.t' }]), ['02-rakudo_16-segv_t', '02-rakudo_99-misc_t']);
});

test('the reasoning holds every failed file with the entry that fits it', () => {
  const { files } = judge({ tests: [log(many)], list: rakuFlappers });
  assert.deepEqual(
    files.map((each) => [each.file.name, each.isKnown ? each.entry.issue : each.reason.because]),
    [
      ['t/02-rakudo/10-nqp-ops.t', 'https://github.com/rakudo/rakudo/issues/4212'],
      ['t/02-rakudo/17-noplan.t', 'not-listed'],
      ['t/02-rakudo/16-segv.t', 'not-listed'],
      ['t/02-rakudo/99-misc.t', 'https://github.com/rakudo/rakudo/issues/4212'],
    ],
  );
});

const circumstances: RerunCircumstances = {
  rules: [aRule(['release-*'], { flappers: 'off' }), aRule(['*'])],
  branch: 'main',
  repository: 'rakudo/rakudo',
  offFor: [],
  rerunsOfRun: 0,
  canRerun: true,
};
const reruns: [string, Partial<RerunCircumstances>, string | true, Case?][] = [
  ['at first', {}, true],
  ['not flapper only', {}, 'not-flappers-only', { list: [] }],
  ['a branch of releases', { branch: 'release-2026.11' }, 'off-for-branch'],
  ['a repository that is switched off', { offFor: ['moarvm/*', 'RAKUDO/*'] }, 'off-for-repository'],
  ['another repository is switched off', { offFor: ['Raku/nqp'] }, true],
  ['a flapper that is switched off', {}, 'off-for-flapper', { list: [{ ...known[0]!, rerun: 'off' }] }],
  ['a second time', { rerunsOfRun: 1 }, 'run-before'],
  ['a backend that cannot', { canRerun: false }, 'backend-cannot'],
  ['no rule at all', { rules: [] }, true],
];
for (const [title, changed, expected, given = {}] of reruns) {
  test(`a re-run: ${title}`, () => {
    const decision = decideRerun(judge(given), { ...circumstances, ...changed });
    if (decision.rerun) assert.deepEqual([true, decision.files], [expected, ['t/02-rakudo/10-nqp-ops.t']]);
    else {
      assert.equal(decision.because, expected);
      assert.ok(flapperMessages.noRerun(decision).length > 10);
    }
  });
}

const list: KnownFlapper[] = [
  { name: 't/gone.t', repository: 'a/b' },
  { name: 't/gone/*.t', repository: 'a/b' },
  { name: 't/elsewhere.t', repository: 'not/known', since: '2026-11-01' },
  { name: 't/over.t', repository: 'a/b', until: '2026-11-20' },
  { name: 't/flaps.t', repository: 'a/b' },
  { name: 't/quiet.t', repository: 'a/b' },
  { name: 't/never.t', repository: 'a/b' },
  { name: 't/new.t', repository: 'a/b', since: '2026-10-01' },
  { name: 't/fl*.t', repository: 'a/b' },
];
const record = {
  filesOf: (repository?: string) =>
    repository === 'a/b' ? ['t/over.t', 't/flaps.t', 't/quiet.t', 't/never.t', 't/new.t'] : undefined,
  lastFlapped: new Map([
    ['t/flaps.t', '2026-11-01'],
    ['t/quiet.t', '2026-03-01'],
  ]),
  recordedSince: '2026-01-01',
  today: '2026-11-21',
};

test('entries that somebody should look at are pointed out', () => {
  const remarks = pointOut(list, record).map((remark) => [remark.entry.name, remark.because]);
  assert.deepEqual(remarks, [
    ['t/gone.t', 'gone'],
    ['t/gone/*.t', 'gone'],
    ['t/over.t', 'over'],
    ['t/quiet.t', 'quiet'],
    ['t/never.t', 'quiet'],
  ]);
  const quiet = pointOut(list, record).filter((remark) => remark.because === 'quiet');
  assert.deepEqual(
    quiet.map(({ days, lastFlapped }) => [days, lastFlapped]),
    [
      [265, '2026-03-01'],
      [324, undefined],
    ],
  );
});

test('a short record accuses nobody of being quiet', () => {
  const remarks = pointOut(list, { ...record, lastFlapped: new Map(), recordedSince: '2026-11-01' });
  assert.ok(remarks.every(({ because }) => because !== 'quiet'));
});

/** Wilson's interval for 95 %, as published (Newcombe 1998, table I, method 3) and by hand. */
const rates: [number, number, number, number][] = [
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
  [29, 29, 0.883, 1],
  [0, 0, 0, 1],
];
for (const [flaps, runs, low, high] of rates) {
  test(`the rate of ${flaps} flaps in ${runs} runs`, () => {
    const rate = flapRate(flaps, runs);
    assert.deepEqual(
      [rate.low, rate.high].map((each) => each.toFixed(4)),
      [low, high].map((each) => each.toFixed(4)),
    );
    assert.ok(rate.low <= rate.rate && rate.rate <= rate.high);
  });
}

test('the preset lists each of the known flappers once, with well-formed links', () => {
  assert.equal(rakuFlappers.length, 22);
  assert.equal(new Set(rakuFlappers.map(({ name }) => name)).size, 22);
  for (const { name, issue, repository } of rakuFlappers) {
    assert.match(name, /^t\/[\w./-]+\.t$/);
    assert.match(issue ?? 'https://github.com/a/b/issues/1', /^https:\/\/github\.com\/[\w.-]+\/[\w.-]+\/issues\/\d+$/);
    assert.equal(repository === 'Raku/roast', name.startsWith('t/spec/'));
  }
});
