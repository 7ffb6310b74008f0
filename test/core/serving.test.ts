import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesAny } from '../../src/core/globs.ts';
import { defaultPolicy, policyFor } from '../../src/core/policy.ts';
import { backendsFor, isServed, ownerOf, type ServingBackend } from '../../src/core/serving.ts';
import { aRule } from '../support/builders.ts';

const globs: [string[], string, boolean][] = [
  [['*'], 'main', true],
  [['*'], 'feature/x', true],
  [['*'], '.hidden', true],
  [['release-*'], 'release-2026', true],
  [['release-*'], 'main', false],
  [['feature/*'], 'feature/x', true],
  [['main', 'stable'], 'stable', true],
  [['main'], 'main2', false],
  [[], 'main', false],
  [['a[b'], 'a[b', true],
];
for (const [patterns, name, expected] of globs) {
  test(`[${patterns}] ${expected ? 'matches' : 'does not match'} ${name}`, () => {
    assert.equal(matchesAny(patterns, name), expected);
  });
}

test('the first policy that matches decides', () => {
  const policies = [
    aRule(['release-*'], { forks: 'never' }),
    aRule(['*'], { forks: 'ask' }),
    aRule(['main'], { forks: 'test' }),
  ];
  assert.equal(policyFor(policies, 'release-1').forks, 'never');
  assert.equal(policyFor(policies, 'main').forks, 'ask');
});

test('where no policy matches, the default decides, and asks for new authors', () => {
  assert.equal(policyFor([aRule(['x'])], 'main'), defaultPolicy);
  assert.equal(defaultPolicy.forks, 'ask-new');
});

test('owners are served whatever the case of their letters, others are not', () => {
  assert.equal(isServed('moarvm', ['MoarVM']), true);
  assert.equal(isServed('MoarVM2', ['MoarVM']), false);
  assert.equal(isServed('', []), false);
});

test('the owner of a repository', () => {
  assert.equal(ownerOf('MoarVM/MoarVM'), 'MoarVM');
  assert.equal(ownerOf(''), '');
});

const backends: ServingBackend[] = [
  { name: 'all' },
  { name: 'nqp', repositories: ['Raku/nqp'] },
  { name: 'raku', repositories: ['raku/*'] },
  { name: 'releases', branches: ['release-*'] },
  { name: 'none', repositories: [] },
];
const serving = { git: [], owners: [], watch: [], policy: [], backends };
const cases: [string, string, string[]][] = [
  ['Raku/nqp', 'main', ['all', 'nqp', 'raku']],
  ['MoarVM/MoarVM', 'main', ['all']],
  ['MoarVM/MoarVM', 'release-1', ['all', 'releases']],
];
for (const [repository, branch, expected] of cases) {
  test(`${branch} of ${repository} is tested by ${expected}`, () => {
    assert.deepEqual(backendsFor(serving, repository, branch), expected);
  });
}
