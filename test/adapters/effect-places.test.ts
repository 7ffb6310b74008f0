import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPlaces } from '../../src/effects/places.ts';

const pending = () => Promise.withResolvers<string>();

test('one host takes a quarter of the places; another, and this machine, have theirs all the same', async () => {
  const places = openPlaces(8);
  const [one, two] = [pending(), pending()];
  const held = [one, two].map(({ promise }) => places.at('slow', () => promise));
  const unbegun = () => assert.fail('it was begun');
  assert.equal(await places.at('slow', unbegun), undefined);
  assert.equal(await places.at('other', async () => 'done'), 'done');
  assert.equal(await places.at(undefined, async () => 'here'), 'here');
  one.resolve('one');
  assert.equal(await held[0], 'one');
  assert.equal(await places.at('slow', async () => 'again'), 'again');
  two.resolve('two');
});

test('a place is free again after a failure; a worker with few places has one for each host', async () => {
  const places = openPlaces(1);
  await assert.rejects(
    places.at('host', () => Promise.reject(new Error('away'))),
    /away/,
  );
  assert.equal(await places.at('host', async () => 'done'), 'done');
});
