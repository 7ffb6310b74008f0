import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Branch, PullRequest } from '../../src/core/change.ts';
import type { CommentFacts, ListedPullRequest } from '../../src/core/event.ts';
import { pullRequestFactKey } from '../../src/core/fact-key.ts';
import {
  branchNews,
  commentNews,
  type FactSeen,
  firstLookKey,
  keysToLookUp,
  newestOf,
  pullRequestNews,
  wasAbsent,
} from '../../src/core/poll.ts';
import { isBranchRef } from '../../src/core/ref.ts';
import { aPullRequest, sha } from '../support/builders.ts';

const KEY = 'git:0123456789abcdef';
const ref = (name: string) => `refs/heads/${name}`;
const head = (name: string, sha: string) => ({ ref: ref(name), sha });
const branch = (name: string, sha: string | null, more: Partial<Branch> = {}): Branch => ({
  subject: `branch:${KEY}:${ref(name)}`,
  repositoryKey: KEY,
  ref: ref(name),
  sha,
  generation: 3,
  toldBy: `told-${name}`,
  ...more,
});
const looked: FactSeen = { key: firstLookKey(KEY) };

/** What the news is, in short: `told main@a`, `noted x@b`, `confirmed y@c`. */
function news(known: Branch[], heads: { ref: string; sha: string }[], facts: FactSeen[] = [looked]): string[] {
  const found = branchNews(KEY, (each) => each === ref('main'), known, heads, facts);
  const short = (kind: 'told' | 'noted' | 'confirmed') =>
    found[kind].map((fact) => `${kind} ${fact.ref.slice('refs/heads/'.length)}@${fact.sha ?? 'gone'}`);
  return [...short('told'), ...short('noted'), ...short('confirmed')];
}

const stories: [string, string[], string[]][] = [
  ['nothing moved', news([branch('main', 'a')], [head('main', 'a')]), []],
  ['a branch moved', news([branch('main', 'a')], [head('main', 'b')]), ['told main@b']],
  ['a branch appeared', news([], [head('x', 'a')]), ['told x@a']],
  ['a branch went', news([branch('x', 'a')], []), ['told x@gone']],
  ['a branch that was gone is gone', news([branch('x', null)], []), []],
  ['a branch came back', news([branch('x', null)], [head('x', 'a')]), ['told x@a']],
  ['the first look', news([], [head('main', 'a'), head('x', 'b')], []), ['told main@a', 'noted x@b']],
  [
    'a hook was faster than the first look',
    news([branch('x', 'b')], [head('main', 'a'), head('x', 'b'), head('y', 'c')], []),
    ['told main@a', 'noted y@c'],
  ],
  [
    'a head that was noted a moment ago and is not stored yet',
    news([], [head('x', 'b')], [looked, { key: `noted:branch:${KEY}:${ref('x')}` }]),
    [],
  ],
  [
    'told by a hook, and seen now as well',
    news([branch('x', 'b')], [head('x', 'b')], [looked, { key: 'told-x' }]),
    ['confirmed x@b'],
  ],
  [
    'told by a hook, and seen before',
    news([branch('x', 'b')], [head('x', 'b')], [looked, { key: 'told-x', pollAt: new Date(0) }]),
    [],
  ],
];
for (const [title, found, expected] of stories) test(title, () => assert.deepEqual(found, expected));

test('a poll makes the key that a hook makes, and confirms under the key that told', () => {
  const moved = branchNews(KEY, () => false, [branch('x', 'a')], [head('x', 'b')], [looked]).told[0]!;
  assert.equal(moved.key, `branch:${KEY}:${ref('x')}:3:b`);
  const same = branchNews(KEY, () => false, [branch('x', 'a')], [head('x', 'a')], [looked, { key: 'told-x' }])
    .confirmed[0]!;
  assert.equal(same.key, 'told-x');
});

test('only keys that matter are looked up', () => {
  const known = [branch('same', 'a'), branch('moved', 'a'), branch('noted', 'a', { toldBy: undefined })];
  const heads = [head('same', 'a'), head('moved', 'b'), head('noted', 'a'), head('new', 'c')];
  assert.deepEqual(keysToLookUp(KEY, known, heads), [
    firstLookKey(KEY),
    'told-same',
    `noted:branch:${KEY}:${ref('new')}`,
  ]);
});

const names: [string, boolean][] = [
  ['refs/heads/main', true],
  ['refs/heads/a/b-c_d#1%2F', true],
  ['refs/heads/名前', true],
  ['refs/heads/', false],
  ['refs/tags/v1', false],
  ['main', false],
  ['refs/heads/a..b', false],
  ['refs/heads/a b', false],
  ['refs/heads/a\0b', false],
  ['refs/heads/a*', false],
  ['refs/heads/.a', false],
  ['refs/heads/a.lock', false],
  ['refs/heads/a//b', false],
  ['refs/heads/a@{1}', false],
  ['refs/heads/\uFFFD', false],
  ['refs/heads/\uD800', false],
  [`refs/heads/${'ü'.repeat(250)}`, false],
];
for (const [name, expected] of names) {
  test(`${JSON.stringify(name.slice(0, 30))} ${expected ? 'is' : 'is not'} a branch`, () => {
    assert.equal(isBranchRef(name), expected);
  });
}

const pull = aPullRequest({ toldBy: 'told-7' });
const listed = ({ ...more }: Partial<ListedPullRequest> = {}): ListedPullRequest => ({
  number: pull.number,
  headSha: pull.headSha,
  baseRef: pull.baseRef,
  title: pull.title,
  state: pull.state,
  draft: pull.draft,
  updatedAt: '2026-11-21T10:00:00Z',
  ...more,
});
const pulls: [string, PullRequest[], Partial<ListedPullRequest>, FactSeen[], string][] = [
  ['nothing moved', [pull], {}, [], ''],
  ['a hook told it, and now it is seen', [pull], {}, [{ key: 'told-7' }], 'confirmed'],
  ['a poll saw it before', [pull], {}, [{ key: 'told-7', pollAt: new Date(0) }], ''],
  ['a new head', [pull], { headSha: sha('b') }, [], 'told'],
  ['another base', [pull], { baseRef: 'stable' }, [], 'told'],
  ['another title', [pull], { title: 'Fix it better' }, [], 'told'],
  ['closed', [pull], { state: 'closed' }, [], 'told'],
  ['merged', [pull], { state: 'merged' }, [], 'told'],
  ['ready for review', [pull], { draft: !pull.draft }, [], 'told'],
  ['one that we never knew', [], {}, [], 'told'],
  ['one that was closed before we knew it', [], { state: 'closed' }, [], ''],
];
for (const [title, known, more, facts, expected] of pulls) {
  test(`a listed pull request: ${title}: ${expected || 'no news'}`, () => {
    const news = pullRequestNews(pull.repositoryKey, known, [listed(more)], facts);
    assert.equal([news.told.length && 'told', news.confirmed.length && 'confirmed'].filter(Boolean).join(), expected);
  });
}

test('a listed pull request has the key that its hook has', () => {
  const moved = { ...listed({ headSha: sha('b') }) };
  const { told } = pullRequestNews(pull.repositoryKey, [pull], [moved], []);
  assert.equal(told[0]!.key, pullRequestFactKey(pull.subject, pull, moved));
});

test('of comments those are told that no poll has seen, from the first look on', () => {
  const comment = (id: string, updatedAt: string) => ({ id, action: 'created', updatedAt }) as CommentFacts;
  const list = [
    comment('3', '2026-11-21T10:03:00Z'),
    comment('2', '2026-11-21T10:02:00Z'),
    comment('1', '2026-11-21T09:00:00Z'),
  ];
  const seen = { key: 'comment:github:1:3:created:2026-11-21T10:03:00Z' };
  const told = (facts: FactSeen[]) =>
    commentNews('github:1', new Date('2026-11-21T10:00:00Z'), list, facts).map((fact) => fact.comment.id);
  assert.deepEqual(told([]), ['3', '2']);
  assert.deepEqual(told([seen]), ['3', '2'], 'told by a hook: seen for the first time by a poll');
  assert.deepEqual(told([{ ...seen, pollAt: new Date(0) }]), ['2']);
});

test('an absence is longer than a quarter of an hour, and than five intervals', () => {
  const at = (minutes: number) => new Date(Date.parse('2026-11-21T10:00:00Z') + minutes * 60_000);
  const cursor = { lookedAt: '2026-11-21T10:00:00Z' };
  assert.equal(wasAbsent(undefined, 60_000, at(0)), true);
  assert.equal(wasAbsent({}, 60_000, at(0)), true);
  assert.equal(wasAbsent(cursor, 60_000, at(15)), false);
  assert.equal(wasAbsent(cursor, 60_000, at(16)), true);
  assert.equal(wasAbsent(cursor, 10 * 60_000, at(50)), false);
});

test('the newest of some times', () => {
  assert.equal(
    newestOf([undefined, '2026-11-21T10:00:00Z', undefined, '2026-11-20T10:00:00Z']),
    '2026-11-21T10:00:00Z',
  );
  assert.equal(newestOf([]), undefined);
});
