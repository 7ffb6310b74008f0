import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesAny } from '../../src/core/globs.ts';
import { messages } from '../../src/core/messages.ts';
import { defaultPolicy, policyFor } from '../../src/core/policy.ts';
import {
  backendsFor,
  isServed,
  noBackendWhy,
  ownerOf,
  type Serving,
  type ServingBackend,
  serviceOf,
} from '../../src/core/serving.ts';
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
  { name: 'nqp', repositories: ['Raku/nqp'], private: true },
  { name: 'raku', repositories: ['raku/*'], private: false },
  { name: 'releases', branches: ['release-*'], private: true },
  { name: 'none', repositories: [], private: true },
];
const cases: [string, string, boolean, string[]][] = [
  ['Raku/nqp', 'main', false, ['all', 'nqp', 'raku']],
  ['Raku/nqp', 'main', true, ['nqp']],
  ['Raku/nqp', 'Main', false, ['all', 'nqp', 'raku']],
  ['Raku/nqp', 'Release-1', false, ['all', 'nqp', 'raku']],
  ['MoarVM/MoarVM', 'main', false, ['all']],
  ['MoarVM/MoarVM', 'main', true, []],
  ['MoarVM/MoarVM', 'release-1', false, ['all', 'releases']],
  ['MoarVM/MoarVM', 'release-1', true, ['releases']],
];
for (const [repository, branch, isPrivate, expected] of cases) {
  test(`${branch} of ${repository}, ${isPrivate ? 'private' : 'public'}, is tested by [${expected}]`, () => {
    assert.deepEqual(backendsFor({ backends }, { repository, branch, isPrivate }), expected);
  });
}

test('why there is no backend: none serves the branch, or none of those that do may see private code', () => {
  const change = { repository: 'Raku/nqp', branch: 'main', isPrivate: true };
  const shy = { backends: [{ name: 'azure' }, { name: 'obs' }, { name: 'other', repositories: ['MoarVM/*'] }] };
  assert.equal(noBackendWhy(shy, change), messages.noPrivateBackend(['azure', 'obs']));
  assert.equal(noBackendWhy(shy, { ...change, isPrivate: false }), messages.noBackend);
  assert.equal(noBackendWhy({ backends: [] }, change), messages.noBackend);
});

const loginOff = { refused: 'RCB_SESSION_KEY is not set' };
const plain = { key: 'git:/srv/a.git', name: 'a.git' };
const services: [string, { key: string; name: string; private: boolean }, Serving['privates'], string | undefined][] = [
  ['a public one', { key: 'github:1', name: 'Acme/tool', private: false }, loginOff, undefined],
  ['a private one where people log in', { key: 'github:1', name: 'Acme/tool', private: true }, 'served', undefined],
  [
    'a private one where nobody can',
    { key: 'github:1', name: 'Acme/tool', private: true },
    loginOff,
    'RCB_SESSION_KEY',
  ],
  ['somebody else’s', { key: 'github:1', name: 'other/tool', private: true }, 'served', 'owners'],
  ['a plain one', { ...plain, private: false }, loginOff, undefined],
  ['a plain one that is not named', { ...plain, key: 'git:/srv/b.git', private: false }, 'served', 'git'],
];
for (const [title, repository, privates, why] of services) {
  test(`${title} is ${why ? `refused, because of ${why}` : 'watched'}`, () => {
    const service = serviceOf(repository, { git: [plain], owners: ['acme'], privates });
    assert.equal(service.state, why ? 'refused' : 'watched');
    assert.ok(why === undefined ? service.why === undefined : service.why?.includes(why), service.why);
  });
}
