import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callEnded, decideMerge, stepMerge } from '../../src/core/merge.ts';
import { boundHead, type KnownHead } from '../../src/core/merge-head.ts';
import type {
  CallOutcome,
  LivePullRequest,
  MergeDecision,
  MergeFacts,
  MergeRequest,
} from '../../src/core/merge-request.ts';
import {
  answerKey,
  markerOf,
  mergeAnswerKey,
  refuseMessages,
  waitMessages,
  whyAnswer,
  withMarker,
} from '../../src/core/messages-commands.ts';
import type { Job, Run } from '../../src/core/model.ts';
import { aBuild, aJob, aPolicy, aPull, aSource, later, NOW, runOfJobs, sha } from '../support/builders.ts';

const SUBJECT = 'pull-request:github:1#7';
const DAY = 86_400;

const aWish = (change: Partial<MergeRequest> = {}): MergeRequest => ({
  id: 'wish1',
  subject: SUBJECT,
  requesterId: '5',
  commentId: '1',
  headSha: sha('a'),
  baseRef: 'main',
  askedAt: NOW,
  state: 'open',
  retestedBases: [],
  told: [],
  ...change,
});

const live = (change: Partial<LivePullRequest> = {}): LivePullRequest => ({
  state: 'open',
  draft: false,
  headSha: sha('a'),
  base: { ref: 'main', sha: sha('b') },
  mergeable: true,
  mergeState: 'clean',
  queue: 'none',
  ...change,
});

const tested = (change: Partial<Run> = {}, jobs: Job[] = [aJob()]): Run =>
  runOfJobs(jobs, { subject: SUBJECT, change: aPull(), ...change });

const facts = (change: Partial<MergeFacts> = {}): MergeFacts => ({
  now: later(3_600),
  pullRequest: live(),
  run: tested(),
  policy: aPolicy(),
  requester: 'write',
  comment: { asks: true },
  partners: [],
  ...change,
});

const called = (outcome: CallOutcome | 'under-way', secondsAgo = 100, count = 1): Partial<MergeRequest> => ({
  call: { count, at: later(3_600 - secondsAgo), outcome },
});

const said = (decision: MergeDecision): string =>
  [
    decision.kind,
    decision.because,
    'names' in decision && decision.names?.length ? `(${decision.names.join(', ')})` : '',
    'takeBack' in decision && decision.takeBack ? 'and takes back' : '',
    'landed' in decision ? decision.landed : '',
  ]
    .filter(Boolean)
    .join(' ');

/** A base that moved, and what both sides touched. */
const moved = (files: string[], pins: string[] = [], isComplete = true): Partial<MergeFacts> => ({
  pullRequest: live({ base: { ref: 'main', sha: sha('c') } }),
  overlap: { from: sha('b'), to: sha('c'), files, pins, isComplete },
});
const optional = { policy: aPolicy({ optional: ['*/flaky'] }) };
const twoBuilds = (second: Parameters<typeof aBuild>[0], run: Partial<Run> = {}): Partial<MergeFacts> => ({
  run: tested({ builds: [aBuild({ jobs: [aJob()] }), aBuild({ id: 'build2', backend: 'azure', ...second })], ...run }),
});

/** With a job beside it that passed at once. */
const flapped = tested(
  {
    flappers: {
      judged: [],
      faults: [],
      rerun: { jobs: [{ jobId: 'job1', attempt: 1, inPlace: true }], files: ['t/a.t'] },
    },
  },
  [aJob({ attempt: 2 }), aJob({ id: 'job2', name: 'local / docs' })],
);
const failedTwice = [aBuild({ jobs: [aJob({ attempt: 2, verdict: 'failed' })], verdict: 'failed' })];
const refusing = { policy: aPolicy({ flapped: 'refuse' }) };

type Row = [title: string, facts: Partial<MergeFacts>, expected: string, wish?: Partial<MergeRequest>];

const groups: Record<string, Row[]> = {
  'the wish itself': [
    ['all passed', {}, 'merge all-passed'],
    ['it has ended', {}, 'nothing ended', { state: 'refused' }],
    ['the head was unclear', {}, 'ask head-unclear', { headSha: 'unclear' }],
    ['it was cancelled', {}, 'withdraw cancelled', { cancelledById: '5' }],
    ['its comment was deleted', { comment: 'deleted' }, 'withdraw comment-deleted'],
    ['its author took the command out', { comment: { asks: false, editedById: '5' } }, 'withdraw command-removed'],
    ['its author edited something else', { comment: { asks: true, editedById: '5' } }, 'merge all-passed'],
    ['somebody else edited it', { comment: { asks: true, editedById: '6' } }, 'refuse comment-edited'],
    ['permission was lost', { requester: 'read' }, 'refuse permission-lost'],
    ['blocked', { requester: 'none' }, 'refuse permission-lost'],
    ['administrators may', { requester: 'admin' }, 'merge all-passed'],
  ],
  'the pull request': [
    ['gone', { pullRequest: 'gone' }, 'refuse gone'],
    ['closed', { pullRequest: live({ state: 'closed' }) }, 'refuse closed'],
    ['the head moved', { pullRequest: live({ headSha: sha('d') }) }, 'refuse head-moved'],
    ['the base was changed', { pullRequest: live({ base: { ref: 'release', sha: sha('b') } }) }, 'refuse base-changed'],
    ['draft', { pullRequest: live({ draft: true }) }, 'refuse draft'],
    ['conflict', { pullRequest: live({ mergeable: false }) }, 'refuse conflict'],
    ['dirty', { pullRequest: live({ mergeState: 'dirty' }) }, 'refuse conflict'],
    [
      'a conflict does not wait for the tests',
      { run: undefined, pullRequest: live({ mergeable: false }) },
      'refuse conflict',
    ],
    ['not computed yet', { pullRequest: live({ mergeable: null }) }, 'wait mergeability'],
    ['a word that we do not know', { pullRequest: live({ mergeState: 'unknown' }) }, 'wait mergeability'],
    ['a check that is not required failed', { pullRequest: live({ mergeState: 'unstable' }) }, 'merge all-passed'],
    ['a review is missing', { pullRequest: live({ mergeState: 'blocked' }) }, 'wait blocked'],
    ['the branch has to be updated', { pullRequest: live({ mergeState: 'behind' }) }, 'refuse behind'],
    ['a merge queue', { pullRequest: live({ queue: 'required', mergeState: 'blocked' }) }, 'hand-over queue-required'],
    ['in the queue', { pullRequest: live({ queue: 'queued' }) }, 'wait in-queue', called('queued')],
    ['thrown out of it', { pullRequest: live({ queue: 'required' }) }, 'refuse left-queue', called('queued')],
    ['not in it for a moment', { pullRequest: live({ queue: 'required' }) }, 'wait doubtful', called('queued', 5)],
    [
      'the head moved in it',
      { pullRequest: live({ queue: 'queued', headSha: sha('d') }) },
      'refuse head-moved and takes back',
      called('queued'),
    ],
    [
      'queued by hand, the head moved',
      { pullRequest: live({ queue: 'queued', headSha: sha('d') }) },
      'refuse head-moved',
    ],
  ],
  'the tests': [
    ['no run yet', { run: undefined }, 'wait no-run'],
    ['it waits for a maintainer', { run: tested({ state: 'waiting', verdict: undefined }) }, 'wait held'],
    ['it runs', { run: tested({ state: 'building', verdict: undefined }) }, 'wait running'],
    [
      'one job failed already, others run',
      { run: tested({ state: 'building' }, [aJob({ verdict: 'failed' })]) },
      'wait running',
    ],
    ['superseded', { run: tested({ verdict: 'superseded' }) }, 'wait no-run'],
    ['cancelled', { run: tested({ verdict: 'cancelled' }) }, 'refuse cancelled'],
    ['no job at all', { run: tested({}, []) }, 'refuse no-jobs'],
    ['nothing to run', { run: tested({ verdict: undefined, builds: [] }) }, 'refuse no-jobs'],
    [
      'a job failed',
      {
        run: tested({
          verdict: 'failed',
          builds: [aBuild({ verdict: 'failed', jobs: [aJob({ verdict: 'failed' })] })],
        }),
      },
      'refuse failed (local / test)',
    ],
    [
      'a job without a verdict',
      { run: tested({}, [aJob(), aJob({ name: 'b', verdict: undefined })]) },
      'refuse failed (b)',
    ],
    [
      'a job whose verdict is an error',
      { run: tested({ verdict: 'error', builds: [aBuild({ verdict: 'error', jobs: [aJob({ verdict: 'error' })] })] }) },
      'refuse failed (local / test)',
    ],
    ['the numbers are another repository’s', { run: tested({ subject: 'pull-request:github:2#7' }) }, 'wait no-run'],
    ['the run is of another head', { run: tested({ change: aPull({ sha: sha('d') }) }) }, 'wait no-run'],
    ['a back-end failed without jobs', twoBuilds({ verdict: 'error' }, { verdict: 'error' }), 'refuse failed (azure)'],
    ['a back-end has not ended', twoBuilds({ state: 'running', verdict: undefined }), 'refuse failed (azure)'],
    ['a back-end had nothing to run', twoBuilds({ verdict: undefined }), 'merge all-passed'],
    ['the run ended otherwise than its builds', { run: tested({ verdict: 'error' }) }, 'refuse failed'],
  ],
  'jobs that may fail': [
    ['one did', { ...optional, ...{ run: flaky('failed') } }, 'merge all-passed'],
    ['and it is not named', { run: flaky('failed') }, 'refuse failed (local/flaky)'],
    ['there are no others', { ...optional, run: tested({}, [aJob({ name: 'local/flaky' })]) }, 'refuse no-jobs'],
    [
      'one did, and its back-end had trouble of its own',
      { ...optional, run: flaky('failed', 'error') },
      'refuse failed (local)',
    ],
  ],
  'a job passed at the second attempt only, after flappers': [
    ['that counts', { run: flapped }, 'merge all-passed'],
    ['policy.flapped does not want it', { ...refusing, run: flapped }, 'refuse flapped (local / test)'],
    [
      'and this job may fail',
      { policy: { ...refusing.policy, optional: ['*/ test'] }, run: flapped },
      'merge all-passed',
    ],
    ['it failed again', { run: { ...flapped, builds: failedTwice } }, 'refuse failed (local / test)'],
  ],
  'the base moved since the test': [
    ['what it gained is not known yet', { pullRequest: moved([]).pullRequest }, 'compare base-moved'],
    ['known of another base', { ...moved([]), overlap: { ...moved([]).overlap!, to: sha('d') } }, 'compare base-moved'],
    ['nothing in common', moved([]), 'merge base-moved'],
    ['the same file', moved(['src/gc.c']), 'retest overlap (src/gc.c)'],
    ['a pin', moved([], ['MoarVM/MoarVM']), 'retest overlap (MoarVM/MoarVM)'],
    ['not compared in full', moved([], [], false), 'retest overlap-unknown'],
    ['policy: always', { ...moved([]), policy: aPolicy({ stale: 'retest' }) }, 'retest base-moved'],
    ['policy: never', { ...moved(['x']), policy: aPolicy({ stale: 'merge' }) }, 'merge base-moved'],
    ['asked for a test already', moved(['x']), 'wait retest-starting', { retestedBases: [sha('c')] }],
    [
      'the manifest knows the base better',
      { ...moved([]), run: tested({ sources: [aSource({ baseSha: sha('c') })] }) },
      'merge all-passed',
    ],
    ['for the sixth time', moved(['x']), 'refuse base-keeps-moving', { retestedBases: ['1', '2', '3', '4', '5'] }],
  ],
  'the order in a stack': [
    ['its turn has come', { partners: [{ name: 'MoarVM/MoarVM#3', state: 'merged' }] }, 'merge all-passed'],
    [
      'what it builds on is not merged',
      { partners: [{ name: 'Raku/nqp#7', state: 'wanted' }] },
      'wait partner (Raku/nqp#7)',
    ],
    ['nobody asked for it', { partners: [{ name: 'Raku/nqp#7', state: 'unwanted' }] }, 'wait partner (Raku/nqp#7)'],
    ['closed unmerged', { partners: [{ name: 'Raku/nqp#7', state: 'closed' }] }, 'refuse partner-closed (Raku/nqp#7)'],
    [
      'its own gate is closed',
      { run: tested({ verdict: 'cancelled' }), partners: [{ name: 'n', state: 'wanted' }] },
      'refuse cancelled',
    ],
  ],
  'calls to GitHub': [
    ['under way', {}, 'wait call-under-way', called('under-way')],
    ['under way, whatever happens meanwhile', { comment: 'deleted' }, 'wait call-under-way', called('under-way')],
    ['merged', {}, 'compare-trees merged', called('merged')],
    ['merged, the same tree', { landed: 'same' }, 'done merged same', called('merged')],
    ['merged, another tree', { landed: 'differs' }, 'done merged differs', called('merged')],
    [
      'merged, and the repository is gone',
      { pullRequest: 'gone', landed: 'unknown' },
      'done merged unknown',
      called('merged'),
    ],
    ['no answer, a moment ago', {}, 'wait doubtful', called('doubtful', 5)],
    ['no answer, and it did not merge', {}, 'merge all-passed', called('doubtful')],
    [
      'no answer, and it merged',
      { pullRequest: live({ state: 'merged' }) },
      'compare-trees merged',
      called('doubtful', 1),
    ],
    ['405', {}, 'merge all-passed', called('not-mergeable')],
    ['405, a moment ago', {}, 'wait trying-again', called('not-mergeable', 5)],
    [
      '405, checks are pending',
      { pullRequest: live({ mergeState: 'blocked' }) },
      'wait blocked',
      called('not-mergeable'),
    ],
    ['405 for the fifth time', {}, 'refuse not-mergeable', called('not-mergeable', 9_999, 5)],
    ['409', {}, 'refuse head-moved', called('head-moved')],
    ['403', {}, 'refuse forbidden', called('forbidden')],
    ['422', {}, 'refuse invalid', called('invalid')],
    ['merged by others', { pullRequest: live({ state: 'merged' }) }, 'done merged-by-others unknown'],
    [
      'merged by others at another head',
      { pullRequest: live({ state: 'merged', headSha: sha('d') }) },
      'refuse head-moved',
    ],
  ],
  'a week later': [
    ['the run never came', { run: undefined, now: later(7 * DAY) }, 'refuse waited-too-long'],
    ['a second before', { run: undefined, now: later(7 * DAY - 1) }, 'wait no-run'],
    [
      'still in the queue',
      { pullRequest: live({ queue: 'queued' }), now: later(7 * DAY) },
      'refuse waited-too-long and takes back',
      called('queued'),
    ],
    ['it passed just now', { now: later(8 * DAY) }, 'merge all-passed'],
    ['a call is under way', { now: later(8 * DAY) }, 'wait call-under-way', called('under-way')],
  ],
};

function flaky(verdict: Job['verdict'], build = verdict): Run {
  const jobs = [aJob(), aJob({ id: 'job2', name: 'local/flaky', verdict })];
  return tested({ verdict: build, builds: [aBuild({ jobs, verdict: build })] });
}

for (const [title, rows] of Object.entries(groups)) {
  describe(title, () => {
    for (const [name, change, expected, wish] of rows) {
      test(`${name} → ${expected}`, () => assert.equal(said(decideMerge(aWish(wish), facts(change))), expected));
    }
  });
}

test('what is merged is the sha that was asked for, by the configured method', () => {
  const decision = decideMerge(aWish(), facts({ policy: aPolicy({ merge: 'squash' }) }));
  assert.deepEqual(decision, { kind: 'merge', because: 'all-passed', sha: sha('a'), method: 'squash' });
});

test('every wait says when to look again', () => {
  for (const [name, change, expected, wish] of Object.values(groups).flat()) {
    if (!expected.startsWith('wait')) continue;
    const decision = decideMerge(aWish(wish), facts(change));
    assert.ok(decision.kind === 'wait' && decision.lookAgainMs > 0 && decision.lookAgainMs <= 3_600_000, name);
  }
});

test('"automatic merging did not happen" is said once, with the reason, and ends the wish', () => {
  const first = stepMerge(aWish(), facts({ pullRequest: live({ draft: true }) }));
  assert.equal(
    first.answer?.text,
    'Automatic merging did not happen: it is a draft. Write `{merge on success}` again when that is settled.',
  );
  assert.deepEqual([first.request.state, first.reaction], ['refused', 'confused']);
  const second = stepMerge(first.request, facts({ pullRequest: live({ draft: true }) }));
  assert.deepEqual([second.decision.kind, second.answer, second.reaction], ['nothing', undefined, undefined]);
});

test('a wait for people is said once, others are not said', () => {
  const blocked = facts({ pullRequest: live({ mergeState: 'blocked' }) });
  const first = stepMerge(aWish(), blocked);
  assert.match(first.answer!.text, /^Waiting with the merge: the rules of the base branch/);
  assert.equal(stepMerge(first.request, blocked).answer, undefined);
  assert.equal(stepMerge(aWish(), facts({ run: undefined })).answer, undefined);
});

test('a merge that needs no words gets a rocket; one that does gets both', () => {
  const quiet = stepMerge(aWish(called('merged')), facts({ landed: 'same' }));
  assert.deepEqual([quiet.reaction, quiet.answer, quiet.request.state], ['rocket', undefined, 'merged']);
  const loud = stepMerge(aWish(called('merged')), facts({ landed: 'differs' }));
  assert.match(loud.answer!.text, /not exactly what was tested, because the base branch/);
  const stack = stepMerge(
    aWish(called('merged')),
    facts({ landed: 'same', partners: [{ name: 'n#1', state: 'merged' }] }),
  );
  assert.match(stack.answer!.text, /pin .* stays with the authors/);
});

test('a call is stored before it is made; only its own outcome ends it', () => {
  const { request } = stepMerge(aWish(), facts());
  assert.deepEqual(request.call, { count: 1, at: later(3_600), outcome: 'under-way' });
  assert.equal(callEnded(request, { count: 2, outcome: 'merged' }, NOW), request);
  const ended = callEnded(request, { count: 1, outcome: 'doubtful' }, later(3_601));
  assert.deepEqual(ended.call, { count: 1, at: later(3_601), outcome: 'doubtful' });
  assert.equal(callEnded(ended, { count: 1, outcome: 'merged' }, NOW), ended);
  assert.equal(stepMerge(ended, facts({ now: later(3_700) })).request.call?.count, 2);
});

test('what GitHub said when it refused is quoted, and cannot format', () => {
  const { request } = stepMerge(aWish(), facts());
  const ended = callEnded(
    request,
    { count: 1, outcome: 'forbidden', said: 'Rule *x* forbids [it](evil)' },
    later(3_601),
  );
  const { answer } = stepMerge(ended, facts({ now: later(3_602) }));
  assert.match(answer!.text, /a rule forbids it \(GitHub: “Rule \\\*x\\\* forbids \\\[it\\\]/);
});

test('a new test is asked for once per base', () => {
  const { request, answer } = stepMerge(aWish(), facts(moved(['src/gc.c'])));
  assert.deepEqual(request.retestedBases, [sha('c')]);
  assert.match(answer!.text, /both sides touched the same: src\/gc\.c\. Testing again before merging\.$/);
  assert.equal(said(decideMerge(request, facts(moved(['src/gc.c'])))), 'wait retest-starting');
});

const head = (name: string, seconds: number): KnownHead => ({ sha: sha(name), seenAt: later(seconds) });
const bound: [string, KnownHead[], string][] = [
  ['the only one', [head('a', -DAY)], sha('a')],
  ['the newest of several', [head('a', -DAY), head('b', -100)], sha('b')],
  ['one that came back', [head('a', -DAY), head('b', -900), head('a', -100)], sha('a')],
  ['the one before a later one', [head('a', -DAY), head('b', 100)], sha('a')],
  ['a push just before', [head('a', -DAY), head('b', -29)], 'unclear'],
  ['a push just after', [head('a', -DAY), head('b', 29)], 'unclear'],
  ['half a minute is enough', [head('a', -DAY), head('b', -30)], sha('b')],
  ['none from before', [head('a', 100)], 'unclear'],
  ['none at all', [], 'unclear'],
];
for (const [title, heads, expected] of bound) {
  test(`the head that a commenter saw: ${title} → ${expected.slice(0, 7)}`, () => {
    assert.equal(boundHead(NOW, heads), expected);
  });
}

test('names from outside cannot become Markdown', () => {
  const jobs = [aJob({ name: '[x](http://e) @all <b> `{merge on success}`', verdict: 'failed' })];
  const { answer } = stepMerge(aWish(), facts({ run: tested({ verdict: 'failed' }, jobs) }));
  assert.ok(answer!.text.includes('\\[x\\]\\(http:/') && answer!.text.includes('@\u200ball'));
  assert.ok(!answer!.text.includes('[x](') && !answer!.text.includes('<b>'));
});

test('long lists are cut, and say so', () => {
  const names = Array.from({ length: 25 }, (_, index) => `job${index}`);
  assert.match(refuseMessages.failed(names), /job9 and 15 more$/);
});

test('a marker is hidden, and one per key', () => {
  assert.equal(markerOf('merge:w1:end'), '<!-- rcb:merge%3Aw1%3Aend -->');
  assert.equal(withMarker(mergeAnswerKey('w1', 'end'), 'Hello.'), `Hello.\n\n${markerOf('merge:w1:end')}`);
  assert.ok(!markerOf(answerKey('1', '--> <b>')).slice(4, -4).includes('--'));
  assert.notEqual(markerOf(answerKey('1', 'help')), markerOf(answerKey('11', 'help')));
});

test('why: the run, and what each wish waits for', () => {
  const wishes = [decideMerge(aWish(), facts({ pullRequest: live({ mergeState: 'blocked' }) }))];
  const text = whyAnswer({ run: '2 of 4 jobs finished', url: 'https://rcb.example/runs/1', wishes });
  assert.match(text, /^The newest run: 2 of 4 jobs finished \(\[page\]\(https:\/\/rcb\.example\/runs\/1\)\)\./);
  assert.match(text, /Merging: the rules of the base branch/);
  assert.equal(whyAnswer({ wishes: [] }), 'This head has not been tested.\n\nNo merging was asked for.');
});

test('every reason has its sentence', () => {
  const sentences = [...Object.values(waitMessages), ...Object.values(refuseMessages)].map((say) => say(['x']));
  assert.ok(sentences.every((sentence) => sentence.length > 10 && !/[.!]$/.test(sentence)));
  assert.equal(new Set(sentences).size, sentences.length);
});
