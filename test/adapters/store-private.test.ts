import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { World } from '../../src/effects/effect.ts';
import { stackFor, untoldNames } from '../../src/effects/stack.ts';
import { openStore } from '../../src/store/prisma.ts';
import type { Repository, Store } from '../../src/store/store.ts';
import { counter, later } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/** Which repositories are private, as the store knows it, and what of a stack that leaves for others. */
describe('private repositories in the store', () => {
  let database: TestDatabase;
  let store: Store;
  // One after the other: what was seen last counts.
  const second = counter();
  const save = (key: string, name: string, isPrivate: boolean, state: Repository['state'] = 'watched') =>
    store.saveRepository({ key, name, private: isPrivate, state });
  before(async () => {
    database = await testDatabase();
    store = openStore(database.database.prisma, () => later(Number(second().slice(2))));
    await save('github:1', 'Acme/Open', false);
    await save('github:2', 'acme/Secret', true);
    await save('github:3', 'acme/refused', true, 'refused');
    await save('github:4', 'acme/removed', true, 'removed');
    await save('github:5', 'acme/again', true, 'removed');
    await save('github:6', 'acme/again', false);
    await save('github:7', 'acme/a-b', true);
  });
  after(async () => {
    await database.close();
  });

  test('one among several is enough; what is not known is public', async () => {
    assert.equal(await store.holdPrivate(['github:1', 'github:2']), true);
    assert.equal(await store.holdPrivate(['github:1', 'github:6', 'github:99']), false);
    assert.equal(await store.holdPrivate([]), false);
  });

  const names: [string, boolean][] = [
    ['acme/open', false],
    ['ACME/secret', true],
    ['acme/refused', true],
    ['acme/removed', true],
    ['acme/unknown', false],
    ['acme/again', false],
    ['acme/a-b', true],
    ['acme/a_b', false],
    ['acme/%', false],
  ];
  for (const [name, isPrivate] of names) {
    test(`the name ${name} is ${isPrivate ? '' : 'not '}a private one’s, whatever its case`, async () => {
      assert.deepEqual(await store.privateNames(['acme/other', name]), isPrivate ? [name] : []);
    });
  }

  test('an underscore in a name stands for itself', async () => {
    assert.equal((await store.repositoryByName('ACME/a-b'))?.key, 'github:7');
    assert.equal(await store.repositoryByName('acme/a_b'), undefined);
  });

  const stack = {
    name: 'acme/secret',
    repositories: [
      { repository: 'acme/secret', pins: {}, trees: {} },
      { repository: 'acme/open', pins: { 'acme/secret': 'PIN' }, trees: { t: 'acme/removed', doc: 'acme/unknown' } },
    ],
  };
  const world = () => ({ store, serving: { stacks: [stack] } }) as unknown as World;

  test('a public repository is tested without them, a private one with the whole stack', async () => {
    assert.deepEqual(await stackFor({ key: 'github:1', name: 'Acme/Open' }, world()), {
      name: 'acme/secret',
      repositories: [{ repository: 'acme/open', pins: {}, trees: { doc: 'acme/unknown' } }],
    });
    assert.equal(await stackFor({ key: 'github:2', name: 'acme/Secret' }, world()), stack);
  });

  test('its own name is no secret, even while a row of that name says otherwise', async () => {
    const asked = ['acme/refused', 'acme/secret'];
    assert.deepEqual(await untoldNames({ key: 'github:99', name: 'ACME/refused' }, asked, world()), ['acme/secret']);
    assert.deepEqual(await untoldNames({ key: 'github:3', name: 'acme/refused' }, asked, world()), []);
  });
});
