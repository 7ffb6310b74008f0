import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Candidate } from '../../src/core/match-known.ts';
import { isStale, type Partner, type PartnerNews, partnerNews, partnersKey } from '../../src/core/match-partners.ts';
import { sha } from '../support/builders.ts';
import { aCandidate } from './matching-world.ts';

const author = { id: '5', login: 'lizmat' };
const matching = { subject: 'match:raku:fix-gc', repository: 'rakudo/rakudo', branch: 'fix-gc', author };
const partner: Partner = { repository: 'Raku/nqp', number: 812, ref: 'fix-gc', sha: sha('c'), fork: false, author };

const news = (partners: Partner[], candidates: Candidate[], repository = 'Raku/nqp'): PartnerNews[] =>
  partnerNews({ matching, partners }, [{ repository, candidates }]);

const stories: [string, PartnerNews[], string[]][] = [
  ['nothing happened', news([partner], [aCandidate()]), []],
  ['another case of the name', news([partner], [aCandidate()], 'raku/NQP'), []],
  ['it moved', news([partner], [aCandidate({ sha: sha('d') })]), ['moved #812']],
  ['it was closed', news([partner], [aCandidate({ state: 'closed' })]), ['closed #812']],
  ['it was merged', news([partner], [aCandidate({ state: 'merged' })]), ['merged #812']],
  ['it is in the list of open ones no more', news([partner], []), ['closed #812']],
  ['it closed while another opened', news([partner], [aCandidate({ number: 9 })]), ['closed #812']],
  ['a second one makes it ambiguous', news([partner], [aCandidate(), aCandidate({ number: 9 })]), ['dropped #812']],
  [
    'its author may not write any more',
    news([{ ...partner, author: { id: '6', login: 'x' } }], [aCandidate({ author: { id: '6', login: 'x' } })]),
    ['dropped #812'],
  ],
  ['one appeared', news([], [aCandidate()]), ['appeared #812']],
  ["a stranger's appeared", news([], [aCandidate({ author: { id: '6', login: 'x' } })]), []],
  [
    'a maintainer allowed it',
    news([], [aCandidate({ author: { id: '6', login: 'x' }, allowed: true })]),
    ['appeared #812'],
  ],
  ['one of another name appeared', news([], [aCandidate({ ref: 'fix-gc2' })]), []],
  ['two appeared at once', news([], [aCandidate(), aCandidate({ number: 9 })]), []],
  ['one of the changed repository itself', news([], [aCandidate()], 'Rakudo/rakudo'), []],
];
for (const [title, found, expected] of stories) {
  test(`partners since: ${title}`, () => {
    assert.deepEqual(
      found.map(({ because, number }) => `${because} #${number}`),
      expected,
    );
  });
}

test('a repository of which nothing was read has no news', () => {
  assert.equal(isStale({ matching, partners: [partner] }, []), false);
  assert.equal(isStale({ matching, partners: [partner] }, [{ repository: 'Raku/nqp', candidates: [] }]), true);
});

test('a change without matching is never stale', () => {
  assert.equal(isStale({ partners: [] }, [{ repository: 'Raku/nqp', candidates: [aCandidate()] }]), false);
});

test('the reason is told in words', () => {
  const whys = [
    ...news([partner], [aCandidate({ sha: sha('d') })]),
    ...news([partner], [aCandidate({ state: 'merged' })]),
    ...news([], [aCandidate()]),
  ].map(({ why }) => why);
  assert.deepEqual(whys, [
    'Raku/nqp pull request #812, which this run was tested with, has moved to dddddddddd',
    'Raku/nqp pull request #812, which this run was tested with, was merged',
    'Raku/nqp pull request #812 has the same branch name, and was not there when this run began',
  ]);
});

test('a pair of heads has one key from each side, whatever the order of the partners', () => {
  const a = { repository: 'rakudo/rakudo', number: 7, sha: sha('a') };
  const b = { repository: 'MoarVM/MoarVM', number: 3, sha: sha('b') };
  assert.equal(partnersKey(a, [partner, b]), partnersKey(a, [b, partner]));
  const keys = [
    partnersKey(a, [b]),
    partnersKey(b, [a]),
    partnersKey(a, []),
    partnersKey({ ...a, sha: sha('d') }, [b]),
    partnersKey(a, [{ ...b, sha: sha('d') }]),
    partnersKey(a, [{ ...b, number: 4 }]),
  ];
  assert.equal(new Set(keys).size, keys.length);
});
