/** What both kinds of database promise; `npm run test:pg` runs it on PostgreSQL. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDatabaseAway, isSerializationFailure, isUniqueViolation } from '../../src/database/database.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

describe(`the database (${process.env.RCB_TEST_DATABASE_URL ? 'PostgreSQL' : 'embedded'})`, () => {
  let world: TestDatabase;
  before(async () => {
    world = await testDatabase();
    const { prisma } = world.database;
    await prisma.$executeRaw`CREATE TABLE parent (id int PRIMARY KEY)`;
    await prisma.$executeRaw`CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`;
  });
  after(() => world.close());

  test('a transaction whose commit fails rejects, and stores nothing', async () => {
    const { prisma } = world.database;
    const transaction = prisma.$transaction(async (tx) => {
      await tx.lane.create({ data: { name: 'failed-commit', notBeforeAt: new Date() } });
      await tx.$executeRaw`INSERT INTO child VALUES (4711)`;
    });
    await assert.rejects(transaction, /ForeignKey/);
    assert.equal(await prisma.lane.count({ where: { name: 'failed-commit' } }), 0);
    const [row] = await prisma.$queryRaw<[{ count: bigint }]>`SELECT count(*) FROM child`;
    assert.equal(row.count, 0n);
  });

  test('the isolation level that a transaction asks for is the one it has', async () => {
    const level = await world.database.prisma.$transaction(
      (tx) => tx.$queryRaw<[{ transaction_isolation: string }]>`SHOW transaction_isolation`,
      { isolationLevel: 'Serializable' },
    );
    assert.equal(level[0].transaction_isolation, 'serializable');
  });

  test('a listener hears what a transaction notified, once it is committed, and on its channel only', async () => {
    const { database } = world;
    const heard: string[] = [];
    const stop = await database.listen('heard', (payload) => heard.push(payload));
    const stopOther = await database.listen('other', (payload) => heard.push(`other: ${payload}`));

    const rolledBack = database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_notify('heard', 'rolled back')`;
      throw new Error('changed my mind');
    });
    await assert.rejects(rolledBack, /changed my mind/);
    let heardInside: string[] = [];
    await database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_notify('heard', 'committed')`;
      await tx.$queryRaw`SELECT 1`;
      heardInside = [...heard];
    });
    await database.notify('heard', "alone, 'quoted'");
    await until(() => heard.length === 2);
    assert.deepEqual(heardInside, []);
    assert.deepEqual(heard, ['committed', "alone, 'quoted'"]);

    await stop();
    await database.notify('heard', 'too late');
    await database.notify('other', 'last');
    await until(() => heard.at(-1) === 'other: last');
    assert.equal(heard.length, 3);
    await stopOther();
  });

  test('every listener of a channel hears', async () => {
    const heard: string[] = [];
    await world.database.listen('Two Words', (payload) => heard.push(`first ${payload}`));
    await world.database.listen('Two Words', (payload) => heard.push(`second ${payload}`));
    await world.database.notify('Two Words', 'x');
    await until(() => heard.length === 2);
    assert.deepEqual(heard, ['first x', 'second x']);
  });

  test('a second row with a key is a unique violation, whichever way it is written', async () => {
    const { prisma } = world.database;
    const lane = { name: 'unique', notBeforeAt: new Date() };
    await prisma.lane.create({ data: lane });
    const ways = [
      () => prisma.lane.create({ data: lane }),
      () => prisma.$executeRaw`INSERT INTO lane (name, not_before_at) VALUES ('unique', now())`,
      () => prisma.$queryRaw`INSERT INTO lane (name, not_before_at) VALUES ('unique', now()) RETURNING name`,
      () => prisma.$transaction((tx) => tx.lane.create({ data: lane })),
    ];
    for (const way of ways) await assert.rejects(way, unique);
  });

  test('of one subject one event runs, of one lane one effect; pending effects of one target are one', async () => {
    const { prisma } = world.database;
    await prisma.event.create({ data: event('e1', 'running') });
    await assert.rejects(prisma.event.create({ data: event('e2', 'running') }), unique);
    await prisma.event.create({ data: event('e3', 'pending') });
    await prisma.event.create({ data: event('e4', 'pending') });
    await assert.rejects(prisma.event.update({ where: { id: 'e3' }, data: { state: 'running' } }), unique);
    await prisma.event.update({ where: { id: 'e1' }, data: { state: 'done' } });
    await prisma.event.update({ where: { id: 'e3' }, data: { state: 'running' } });

    await prisma.effect.create({ data: effect('f1', 'a', 'running') });
    await assert.rejects(prisma.effect.create({ data: effect('f2', 'b', 'running') }), unique);
    await prisma.effect.create({ data: effect('f3', 'a', 'pending') });
    await assert.rejects(prisma.effect.create({ data: effect('f4', 'a', 'pending') }), unique);
    await prisma.effect.create({ data: effect('f5', 'b', 'pending') });
  });

  test('a serialization failure and a deadlock are told from a unique violation', async () => {
    for (const code of ['40001', '40P01']) {
      const failing = world.database.prisma.$executeRawUnsafe(
        `DO $$ BEGIN RAISE EXCEPTION 'met another' USING ERRCODE = '${code}'; END $$`,
      );
      await assert.rejects(failing, (error) => {
        assert.deepEqual(classes(error), { unique: false, serialization: true, away: false });
        return true;
      });
    }
  });

  test('an ordinary mistake is none of them', async () => {
    for (const sql of ['SELECT nonsense', 'SELECT 1 / 0']) {
      await assert.rejects(world.database.prisma.$queryRawUnsafe(sql), (error) => {
        assert.deepEqual(classes(error), { unique: false, serialization: false, away: false });
        return true;
      });
    }
    for (const odd of [undefined, null, 'ECONNREFUSED', 42, new Error('connection')]) {
      assert.deepEqual(classes(odd), { unique: false, serialization: false, away: false });
    }
  });

  test('two hundred callers at once are all served', async () => {
    const { prisma } = world.database;
    const names = Array.from({ length: 200 }, (_, index) => `crowd-${index}`);
    await Promise.all(
      names.map((name) =>
        prisma.$transaction(async (tx) => {
          await tx.lane.create({ data: { name, notBeforeAt: new Date(0) } });
          await tx.lane.update({ where: { name }, data: { why: 'updated in the same transaction' } });
        }),
      ),
    );
    assert.equal(await prisma.lane.count({ where: { name: { startsWith: 'crowd-' }, why: { not: null } } }), 200);
  });

  test('times keep their milliseconds, in UTC', async () => {
    const at = new Date('2026-03-29T01:59:59.987Z');
    await world.database.prisma.lane.create({ data: { name: 'time', notBeforeAt: at } });
    const lane = await world.database.prisma.lane.findUniqueOrThrow({ where: { name: 'time' } });
    assert.equal(lane.notBeforeAt.toISOString(), at.toISOString());
  });
});

function unique(error: unknown): boolean {
  assert.deepEqual(classes(error), { unique: true, serialization: false, away: false });
  return true;
}

function classes(error: unknown) {
  return {
    unique: isUniqueViolation(error),
    serialization: isSerializationFailure(error),
    away: isDatabaseAway(error),
  };
}

function event(id: string, state: string) {
  const now = new Date();
  return { id, key: id, kind: 'test', subject: 'one', state, dueAt: now, createdAt: now };
}

function effect(id: string, target: string, state: string) {
  const now = new Date();
  return { id, kind: 'test', target, lane: 'one', payload: {}, state, dueAt: now, createdAt: now };
}
