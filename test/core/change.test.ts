import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Branch,
  type ChangeDecision,
  decideBranch,
  decidePullRequest,
  holdOf,
  isFork,
  isWatched,
  lookAgainMs,
  type PullRequest,
} from '../../src/core/change.ts';
import type { BranchSnapshot, PullRequestSnapshot } from '../../src/core/event.ts';
import { messages } from '../../src/core/messages.ts';
import { aBranch, aBranchSnapshot, aPolicy, aPullRequest, aPullRequestSnapshot, sha } from '../support/builders.ts';

/** What a decision means, in short. */
const said = ({ because, end, start }: ChangeDecision): string =>
  [because, end && `end ${end.by}`, start && (start.hold === undefined ? 'start' : 'hold')].filter(Boolean).join(', ');

const branches: [string, Branch | undefined, Partial<BranchSnapshot>, string][] = [
  ['a branch that is new', undefined, {}, 'new, end superseded, start'],
  ['a branch that moved', aBranch(), { sha: sha('b') }, 'moved, end superseded, start'],
  ['a branch that is where it was', aBranch(), {}, 'unmoved'],
  ['a branch that is gone', aBranch(), { sha: null }, 'gone, end cancelled'],
  ['a branch that is still gone', aBranch({ sha: null }), { sha: null }, 'unmoved'],
  ['a branch that came back at the same commit', aBranch({ sha: null }), {}, 'moved, end superseded, start'],
  ['a branch that was gone before it was known', undefined, { sha: null }, 'gone, end cancelled'],
  ['a branch that nobody watches', undefined, { ref: 'refs/heads/wip' }, 'not-watched, end superseded'],
  [
    'a branch that nobody watches any more',
    aBranch({ ref: 'refs/heads/wip' }),
    { ref: 'refs/heads/wip', sha: sha('b') },
    'not-watched, end superseded',
  ],
];
for (const [title, known, seen, expected] of branches) {
  test(`${title}: ${expected}`, () => {
    assert.equal(said(decideBranch(known, aBranchSnapshot(seen), ['release-*'])), expected);
  });
}

test('where each commit is tested, those that came with a push are started too, the newest first, and none is ended', () => {
  const passed = [
    { sha: sha('c'), title: 'first' },
    { sha: sha('d'), title: 'second' },
  ];
  const decision = decideBranch(aBranch(), aBranchSnapshot({ sha: sha('b'), passed }), [], 'all');
  assert.equal(said(decision), 'moved, start');
  assert.deepEqual(
    decision.alsoStart?.map(({ title }) => title),
    ['second', 'first'],
  );
  assert.equal(decideBranch(aBranch(), aBranchSnapshot({ sha: sha('b'), passed }), []).alsoStart, undefined);
});

test('what has a verdict already is known from now on, and not tested again', () => {
  assert.equal(said(decideBranch(undefined, aBranchSnapshot({ tested: true }), [])), 'new, end superseded');
  assert.equal(said(decidePullRequest(undefined, aPullRequestSnapshot({ tested: true }), aPolicy())), 'new');
});

test('the run before is superseded by the commit that was seen', () => {
  const { end } = decideBranch(aBranch(), aBranchSnapshot({ sha: sha('b') }), []);
  assert.deepEqual(end, { by: 'superseded', sha: sha('b'), why: messages.supersededWhy(sha('b')) });
});

const pulls: [string, PullRequest | undefined, Partial<PullRequestSnapshot>, string][] = [
  ['a pull request that is new', undefined, {}, 'new, start'],
  ['a draft is tested as any other', undefined, { draft: true }, 'new, start'],
  ['nothing moved', aPullRequest(), {}, 'unmoved'],
  ['only its title changed', aPullRequest(), { title: 'Fix it better' }, 'unmoved'],
  ['only its base moved on', aPullRequest(), { base: { ref: 'main', sha: sha('d') } }, 'unmoved'],
  [
    'a new head',
    aPullRequest(),
    { head: { ref: 'fix-gc', sha: sha('b'), repositoryKey: 'github:1' } },
    'moved, end superseded, start',
  ],
  [
    'another base voids all results',
    aPullRequest(),
    { base: { ref: 'stable', sha: sha('b') } },
    'base-changed, end cancelled, start',
  ],
  ['it was closed', aPullRequest(), { state: 'closed' }, 'closed, end cancelled'],
  ['it was merged', aPullRequest(), { state: 'merged' }, 'closed, end cancelled'],
  ['it was closed before it was known', undefined, { state: 'closed' }, 'closed, end cancelled'],
  ['it was opened again', aPullRequest({ state: 'closed' }), {}, 'new, start'],
];
for (const [title, known, seen, expected] of pulls) {
  test(`pull request: ${title}: ${expected}`, () => {
    assert.equal(said(decidePullRequest(known, aPullRequestSnapshot(seen), aPolicy())), expected);
  });
}

test('what is started is the pull request at the head that was seen', () => {
  const { start } = decidePullRequest(undefined, aPullRequestSnapshot(), aPolicy());
  assert.deepEqual(start?.change, {
    kind: 'pull-request',
    number: 7,
    ref: 'fix-gc',
    sha: sha('a'),
    title: 'Fix the collector',
    author: { id: '5', login: 'lizmat' },
    fork: false,
    base: { ref: 'main', sha: sha('b') },
  });
});

const head = (repositoryKey: string | null) => ({ ref: 'fix-gc', sha: sha('a'), repositoryKey });
const forks: [string, string | null, boolean][] = [
  ['the same repository', 'github:1', false],
  ['another repository', 'github:2', true],
  ['a repository that is gone or private', null, true],
];
for (const [title, key, expected] of forks) {
  test(`a head in ${title} is ${expected ? 'a fork' : 'no fork'}`, () => {
    assert.equal(isFork(aPullRequestSnapshot({ head: head(key) })), expected);
  });
}

const stranger = { canWrite: false, hasMerged: false };
const regular = { canWrite: false, hasMerged: true };
const member = { canWrite: true, hasMerged: false };
const holds: [PullRequestSnapshot['standing'], string, string, boolean][] = [
  [stranger, 'a stranger', 'test', false],
  [stranger, 'a stranger', 'ask-new', true],
  [stranger, 'a stranger', 'ask', true],
  [stranger, 'a stranger', 'never', true],
  [regular, 'somebody with a merged pull request', 'ask-new', false],
  [regular, 'somebody with a merged pull request', 'ask', true],
  [regular, 'somebody with a merged pull request', 'never', true],
  [member, 'somebody who may write', 'ask-new', false],
  [member, 'somebody who may write', 'ask', false],
  [member, 'somebody who may write', 'never', true],
  [undefined, 'somebody of whom nothing is known', 'ask-new', true],
  [undefined, 'somebody of whom nothing is known', 'ask', true],
];
for (const [standing, who, policy, held] of holds) {
  test(`forks: ${policy}, from ${who}: ${held ? 'waits' : 'is tested'}`, () => {
    const seen = aPullRequestSnapshot({ head: head(null), standing });
    assert.equal(holdOf(seen, aPolicy({ forks: policy as 'ask' })) !== undefined, held);
  });
}

test('who may push to the repository itself does not wait, whatever the policy', () => {
  assert.equal(holdOf(aPullRequestSnapshot({ standing: stranger }), aPolicy({ forks: 'never' })), undefined);
});

test('a fork that has to wait starts a run that is held, with the reason', () => {
  const { start } = decidePullRequest(undefined, aPullRequestSnapshot({ head: head(null) }), aPolicy());
  assert.deepEqual(start?.hold, { until: 'maintainer', why: messages.forkAsk });
});

const watched: [string, string[], boolean][] = [
  ['refs/heads/main', [], true],
  ['refs/heads/wip', [], false],
  ['refs/heads/release-2026', ['release-*'], true],
  ['refs/heads/feature/x', ['feature/*'], true],
  ['refs/heads/feature/x', ['*'], true],
  ['refs/heads/.hidden', ['*'], true],
];
for (const [ref, globs, expected] of watched) {
  test(`${ref} is ${expected ? 'watched' : 'left alone'} with watch: [${globs}]`, () => {
    assert.equal(isWatched(ref, 'main', globs), expected);
  });
}

const look = { toldBy: 'k', hinted: sha('b') as string | null | undefined, number: 1 };
const looks: [string, string, Partial<typeof look>, string | null, boolean][] = [
  ['a hint of another head than is seen', 'unmoved', {}, sha('a'), true],
  ['a hint of the head that is seen', 'unmoved', {}, sha('b'), false],
  ['a hint that spoke of no head', 'unmoved', { hinted: undefined }, sha('a'), false],
  ['a hint of a deletion, and the branch is there', 'unmoved', { hinted: null }, sha('a'), true],
  ['something moved', 'moved', {}, sha('a'), false],
  ['it was looked at often enough', 'unmoved', { number: 3 }, sha('a'), false],
];
for (const [title, because, change, seen, again] of looks) {
  test(`look again? ${title}: ${again ? 'yes' : 'no'}`, () => {
    const decision = { because } as ChangeDecision;
    assert.equal(lookAgainMs(decision, { ...look, ...change }, seen) !== undefined, again);
  });
}

test('each look waits longer than the one before', () => {
  const wait = (number: number) => lookAgainMs({ because: 'unmoved' }, { ...look, number }, sha('a'));
  assert.ok(wait(1)! > 0 && wait(2)! > wait(1)!);
});
