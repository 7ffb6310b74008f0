import assert from 'node:assert/strict';
import { test } from 'node:test';
import { branchSubject, pullRequestSubject, repositorySubject, runSubject } from '../../src/core/event.ts';
import {
  EVERYTHING,
  mayKnowName,
  maySeeSubject,
  repositoryOfSubject,
  sameSight,
  sightOf,
} from '../../src/core/sight.ts';

const privates = [
  { key: 'github:7', name: 'acme/Secret', installation: 'github:1' },
  { key: 'github:8', name: 'acme/hush', installation: 'github:1' },
];
const nobody = sightOf(privates);
const member = sightOf(privates, new Set(['github:7']));

test('who may read none of them sees none, and who may read one sees that one', () => {
  assert.deepEqual(
    [nobody, member, sightOf(privates, new Set(['github:7', 'github:8']))].map(({ hidden }) =>
      hidden.map(({ key }) => key),
    ),
    [['github:7', 'github:8'], ['github:8'], []],
  );
});

test('names are equal whatever their case', () => {
  assert.equal(mayKnowName(nobody, 'ACME/secret'), false);
  assert.equal(mayKnowName(member, 'ACME/secret'), true);
  assert.equal(mayKnowName(nobody, 'acme/secrets'), true);
});

test('sights are the same whatever the order', () => {
  assert.equal(sameSight(nobody), sameSight(sightOf(privates.toReversed())));
  assert.notEqual(sameSight(nobody), sameSight(member));
});

test('a subject tells its repository, as the subjects of events are written', () => {
  for (const key of ['github:7', 'git:/srv/git/a b:refs.git', 'git:/srv/x#7.git']) {
    assert.equal(repositoryOfSubject(branchSubject(key, 'refs/heads/a:refs/b')), key);
    assert.equal(repositoryOfSubject(pullRequestSubject(key, 12)), key);
    assert.equal(repositoryOfSubject(repositorySubject(key)), key);
  }
  for (const subject of [runSubject('01a'), 'installation:github:1', 'match:raku:fix-gc', 'hook:push', 'tick:git', ''])
    assert.equal(repositoryOfSubject(subject), undefined, subject);
});

test('what does not say whose it is, is shown to those from whom nothing is hidden', () => {
  const mayRun = (runId: string) => runId === 'open';
  const table: [string, boolean, boolean][] = [
    [pullRequestSubject('github:7', 1), false, true],
    [branchSubject('github:8', 'refs/heads/main'), false, false],
    [branchSubject('github:9', 'refs/heads/main'), true, true],
    [repositorySubject('github:7'), false, true],
    [runSubject('open'), true, true],
    [runSubject('closed'), false, false],
    ['installation:github:1', false, false],
    ['match:raku:fix-gc', false, false],
    ['build:azure:acme/7', false, false],
    ['hook:push', false, false],
  ];
  for (const [subject, byNobody, byMember] of table) {
    assert.equal(maySeeSubject(nobody, subject, mayRun), byNobody, `nobody: ${subject}`);
    assert.equal(maySeeSubject(member, subject, mayRun), byMember, `member: ${subject}`);
    assert.equal(
      maySeeSubject(EVERYTHING, subject, () => false),
      true,
      `all: ${subject}`,
    );
  }
});
