import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KnownFlapper } from '../../src/core/flapper.ts';
import { entriesSeen } from '../../src/core/flapper-sight.ts';
import { EVERYTHING, sightOf } from '../../src/core/sight.ts';

const nobody = sightOf([
  { key: 'github:7', name: 'acme/Secret' },
  { key: 'github:8', name: 'acme/hush' },
]);
const entry = (change: Partial<KnownFlapper> = {}): KnownFlapper => ({ name: 't/a.t', ...change });
const isSeen = (change: Partial<KnownFlapper>): boolean => entriesSeen(nobody, [entry(change)]).length === 1;

test('entries of a hidden repository are not there, by name in any case or by a glob that means it', () => {
  for (const repository of ['acme/Secret', 'ACME/secret', 'acme/*', '{acme,other}/hush'])
    assert.equal(isSeen({ repository }), false, repository);
  for (const repository of [undefined, 'acme/secrets', 'other/secret', 'secret', 'other/*'])
    assert.equal(isSeen({ repository }), true, repository);
});

test('a link to an issue of a hidden repository is left out, and its entry stays', () => {
  const shown = (issue: string) => entriesSeen(nobody, [entry({ issue })]);
  assert.deepEqual(shown('https://github.com/acme/SECRET/issues/3'), [entry()]);
  assert.deepEqual(shown('https://github.com//acme/hush'), [entry()]);
  for (const issue of ['https://github.com/acme/tool/issues/3', 'https://tracker.example/', 'not an address'])
    assert.deepEqual(shown(issue), [entry({ issue })]);
});

test('with nothing hidden a list is as it was written', () => {
  const all = [entry({ repository: 'acme/Secret', issue: 'https://github.com/acme/Secret/issues/1' }), entry()];
  assert.deepEqual(entriesSeen(EVERYTHING, all), all);
});
