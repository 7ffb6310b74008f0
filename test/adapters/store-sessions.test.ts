import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Session } from '../../src/core/session.ts';
import type { Sessions } from '../../src/site/sessions.ts';
import { openRetentionStore } from '../../src/store/prisma-retention.ts';
import { openSessions } from '../../src/store/prisma-sessions.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { memorySessions } from './login-fakes.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const HOUR = 3_600_000;
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const NOBODY = { createdAt: new Date(0), usedAt: new Date(0) };

const aSession = (id: string, change: Partial<Session> = {}): Session => ({
  id,
  user: { id: '5', login: 'lizmat' },
  tokens: 'v1.a.b.c',
  createdAt: NOW,
  usedAt: NOW,
  ...change,
});

const KINDS: [name: string, open: (database: TestDatabase) => Sessions][] = [
  ['in the database', ({ database }) => openSessions(database.prisma)],
  ['of the tests', memorySessions],
];
for (const [name, open] of KINDS) {
  describe(`sessions ${name}`, () => {
    let database: TestDatabase;
    let sessions: Sessions;
    before(async () => {
      database = await testDatabase();
      sessions = open(database);
    });
    after(() => database.close());

    test('what was added is found by its id, until it is removed', async () => {
      await sessions.add(aSession('one'), NOBODY);
      assert.deepEqual(await sessions.find('one'), aSession('one'));
      assert.equal(await sessions.find('other'), undefined);
      await sessions.remove('one');
      await sessions.remove('one');
      assert.equal(await sessions.find('one'), undefined);
    });

    test('it was used now; of one that is gone nobody complains', async () => {
      await sessions.add(aSession('used', { usedAt: ago(HOUR) }), NOBODY);
      await sessions.touch('used', NOW);
      assert.deepEqual((await sessions.find('used'))?.usedAt, NOW);
      await sessions.touch('gone', NOW);
    });

    test('of two that renew its token at the same time one is first', async () => {
      await sessions.add(aSession('renewed', { tokens: 'old' }), NOBODY);
      const both = ['new-1', 'new-2'].map((tokens) => sessions.replaceTokens('renewed', 'old', tokens));
      assert.deepEqual((await Promise.all(both)).sort(), [false, true]);
      assert.match((await sessions.find('renewed'))!.tokens, /^new-/);
      assert.equal(await sessions.replaceTokens('gone', 'old', 'new'), false);
    });
  });
}

test('a new session sweeps those that have ended, and so does retention', async () => {
  const database = await testDatabase();
  try {
    const sessions = openSessions(database.database.prisma);
    await sessions.add(aSession('too-old', { createdAt: ago(9 * HOUR) }), NOBODY);
    await sessions.add(aSession('unused', { usedAt: ago(2 * HOUR) }), NOBODY);
    await sessions.add(aSession('good', { createdAt: ago(7 * HOUR) }), NOBODY);
    await sessions.add(aSession('new'), { createdAt: ago(8 * HOUR), usedAt: ago(HOUR) });
    const ids = (await database.database.prisma.session.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id);
    assert.deepEqual(ids, ['good', 'new']);
    const retention = openRetentionStore(database.database.prisma);
    await retention.removeSessions(ago(8 * HOUR), ago(HOUR));
    assert.equal(await database.database.prisma.session.count(), 2);
    await retention.removeSessions(ago(6 * HOUR), ago(HOUR));
    assert.deepEqual(await sessions.find('good'), undefined);
    await retention.removeSessions(ago(8 * HOUR), ago(-1));
    assert.equal(await database.database.prisma.session.count(), 0);
  } finally {
    await database.close();
  }
});
