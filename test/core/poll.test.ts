import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Branch } from '../../src/core/change.ts';
import { branchNews, type FactSeen, firstLookKey, keysToLookUp } from '../../src/core/poll.ts';
import { isBranchRef } from '../../src/core/ref.ts';

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
  const found = branchNews(KEY, 'main', known, heads, facts);
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
  const moved = branchNews(KEY, 'main', [branch('x', 'a')], [head('x', 'b')], [looked]).told[0]!;
  assert.equal(moved.key, `branch:${KEY}:${ref('x')}:3:b`);
  const same = branchNews(KEY, 'main', [branch('x', 'a')], [head('x', 'a')], [looked, { key: 'told-x' }]).confirmed[0]!;
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
