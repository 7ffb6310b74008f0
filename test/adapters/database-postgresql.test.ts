/** What only a real server can do: several handles, and going away. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Database,
  isDatabaseAway,
  isSerializationFailure,
  isUniqueViolation,
  openDatabase,
} from '../../src/database/database.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { createServerDatabase, migrationsDir, type TestDatabase, testDatabase } from '../support/database.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const adminUrl = process.env.RCB_TEST_DATABASE_URL;
const skip = !adminUrl && 'needs a server: npm run test:pg';

describe('several processes on one PostgreSQL', { skip }, () => {
  let world: TestDatabase;
  before(async () => {
    world = await testDatabase();
  });
  after(() => world.close());

  test('each hears what another notified', async () => {
    const other = await world.open();
    const heard: string[] = [];
    const stop = await world.database.listen('rcb', (payload) => heard.push(payload));
    await other.prisma.$transaction((tx) => tx.$executeRaw`SELECT pg_notify('rcb', 'event')`);
    await until(() => heard.length > 0);
    assert.deepEqual(heard, ['event']);
    await stop();
  });

  test('a migration by another instance changes what prepared statements answer: nothing fails but a transaction', async () => {
    const { prisma } = world.database;
    const other = await world.open();
    await prisma.$executeRaw`CREATE TABLE grown (id int PRIMARY KEY, size int)`;
    await prisma.$executeRaw`INSERT INTO grown VALUES (1, 1)`;
    const read = () => prisma.$queryRaw<{ size: number | bigint }[]>`SELECT size FROM grown`;
    const prepareEverywhere = () => Promise.all(Array.from({ length: 20 }, read));
    const prepared = async () => {
      const [found] = await prisma.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement LIKE 'SELECT size FROM grown%'`;
      return found!.count;
    };
    await prepareEverywhere();
    assert.equal(await prepared(), 1, 'it is prepared, or this test tells nothing');
    await other.connection((client) => client.query('ALTER TABLE grown ALTER size TYPE bigint'));
    for (const [row] of await prepareEverywhere()) assert.equal(row!.size, 1n);

    await prepareEverywhere();
    await other.connection((client) => client.query('ALTER TABLE grown ALTER size TYPE int'));
    const inTransaction = () => prisma.$transaction((tx) => tx.$queryRaw`SELECT size FROM grown`);
    await assert.rejects(inTransaction(), (error) => isDatabaseAway(error));
    assert.deepEqual(await inTransaction(), [{ size: 1 }], 'once, on no connection again');
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, inTransaction)), Array(20).fill([{ size: 1 }]));
    await other.connection((client) => client.query('ALTER TABLE grown ADD extra text'));
    assert.deepEqual(await inTransaction(), [{ size: 1 }], 'a new column changes nothing');
    await prisma.$executeRaw`DROP TABLE grown`;
  });

  test('only so many statements are prepared, and no long ones', async () => {
    const own = await world.open();
    await own.prisma.$transaction(async (tx) => {
      for (let index = 0; index < 230; index += 1) await tx.$queryRawUnsafe(`SELECT ${index} AS number`);
      const [found] = await tx.$queryRaw<
        { count: number }[]
      >`SELECT count(*)::int AS count FROM pg_prepared_statements`;
      assert.ok(found!.count > 150 && found!.count <= 200, `${found!.count} prepared`);
    });
    const another = await world.open();
    await another.prisma.$transaction(async (tx) => {
      await tx.$queryRawUnsafe(`SELECT 1 AS number -- ${'long '.repeat(2_000)}`);
      const [found] = await tx.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement LIKE ${'SELECT 1 AS%'}`;
      assert.equal(found!.count, 0);
    });
  });

  test('two that write one row on a stale picture: one meets a serialization failure', async () => {
    const other = await world.open();
    await other.prisma.lane.create({ data: { name: 'contended', notBeforeAt: new Date() } });
    const conflict = world.database.prisma.$transaction(
      async (tx) => {
        await tx.lane.findUniqueOrThrow({ where: { name: 'contended' } });
        await other.prisma.lane.update({ where: { name: 'contended' }, data: { why: 'other' } });
        await tx.lane.update({ where: { name: 'contended' }, data: { why: 'mine' } });
      },
      { isolationLevel: 'RepeatableRead' },
    );
    await assert.rejects(conflict, (error) => {
      assert.ok(isSerializationFailure(error));
      assert.ok(!isUniqueViolation(error) && !isDatabaseAway(error));
      return true;
    });
  });

  test('two that lock each other out: one meets a deadlock, which is a serialization failure', async () => {
    const other = await world.open();
    for (const name of ['left', 'right']) {
      await other.prisma.lane.create({ data: { name, notBeforeAt: new Date() } });
    }
    const met = barrier(2);
    const both = [touchBoth(world.database, ['left', 'right'], met), touchBoth(other, ['right', 'left'], met)];
    const errors = (await Promise.allSettled(both)).flatMap((each) =>
      each.status === 'rejected' ? [each.reason] : [],
    );
    assert.equal(errors.length, 1);
    assert.ok(isSerializationFailure(errors[0]), String(errors[0]));
  });

  test('processes that start at once migrate once', async () => {
    const { url, drop } = await createServerDatabase(adminUrl!);
    const handles = await Promise.all([1, 2, 3, 4].map(() => openDatabase({ url, dataDir: world.dataDir })));
    try {
      const applied = await Promise.all(handles.map((handle) => applyMigrations(handle, migrationsDir)));
      assert.deepEqual(applied.map((names) => names.length > 0).sort(), [false, false, false, true]);
      assert.equal(await handles[0]!.prisma.event.count(), 0);
    } finally {
      for (const handle of handles) await handle.close();
      await drop();
    }
  });

  test('a connection that the server ends is a database that is away, and the next statement works', async () => {
    const { prisma } = world.database;
    const killedInside = prisma.$transaction(async (tx) => {
      const [{ pid }] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`;
      await prisma.$executeRaw`SELECT pg_terminate_backend(${pid}::int)`;
      await tx.lane.create({ data: { name: 'never', notBeforeAt: new Date() } });
    });
    await assert.rejects(killedInside, away);
    await assert.rejects(prisma.$executeRaw`SELECT pg_terminate_backend(pg_backend_pid())`, away);
    assert.equal(await prisma.lane.count({ where: { name: 'never' } }), 0);
  });
});

describe('a PostgreSQL that is restarted', { skip }, () => {
  let server: Postgres;
  let database: Database;
  before(async () => {
    server = await startPostgres();
    database = await openDatabase({ url: server.url, dataDir: '.' });
    await applyMigrations(database, migrationsDir);
  });
  after(async () => {
    await database.close();
    await server.stop();
  });

  test('is away while it is, works after it without a new handle, and wakes its listeners', async () => {
    const { prisma } = database;
    const heard: string[] = [];
    await database.listen('rcb', (payload) => heard.push(payload));
    await prisma.lane.create({ data: { name: 'before', notBeforeAt: new Date() } });

    const interrupted = prisma.$transaction(async (tx) => {
      await tx.lane.create({ data: { name: 'during', notBeforeAt: new Date() } });
      await server.halt();
      await tx.lane.create({ data: { name: 'during-2', notBeforeAt: new Date() } });
    });
    await assert.rejects(interrupted, away);
    await assert.rejects(prisma.lane.count(), away);
    await assert.rejects(prisma.$queryRaw`SELECT 1`, away);
    await assert.rejects(
      prisma.$transaction((tx) => tx.lane.count()),
      away,
    );
    await assert.rejects(database.notify('rcb', 'lost'), away);
    await assert.rejects(openDatabase({ url: server.url, dataDir: '.' }), (error: Error) => {
      assert.match(error.message, /^Cannot open PostgreSQL database "postgres" at 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
      assert.ok(!error.message.includes(new URL(server.url).password));
      return away(error);
    });

    await server.resume();
    assert.deepEqual(
      (await prisma.lane.findMany()).map((lane) => lane.name),
      ['before'],
    );
    await until(() => heard.includes(''));
    await database.notify('rcb', 'again');
    await until(() => heard.includes('again'));
  });
});

test('a DATABASE_URL that cannot be used is refused in words, without its password', async () => {
  const wrong: [string, RegExp][] = [
    ['postgresql:/ /user:s3cret@host', /DATABASE_URL cannot be read/],
    ['postgresql://user:12/s3cret@host/rcb', /DATABASE_URL cannot be read.*special characters of the password/],
    ['postgresql://user:s3cret@host', /DATABASE_URL cannot be read/],
    ['s3cret', /DATABASE_URL cannot be read/],
    ['mysql://user:s3cret@host/rcb', /begins with "mysql:"/],
    [
      'postgresql://user:s3cret@127.0.0.1:1/rcb',
      /^Cannot open PostgreSQL database "rcb" at 127\.0\.0\.1:1: .*ECONNREFUSED/,
    ],
    ['postgresql://user:s3cret@127.0.0.1:1/rcb?schema=other', /asks for the schema "other"/],
  ];
  for (const [url, words] of wrong) {
    await assert.rejects(openDatabase({ url, dataDir: '.' }), (error: Error) => {
      assert.match(error.message, words);
      assert.ok(!error.message.includes('s3cret'));
      return true;
    });
  }
});

function away(error: unknown): boolean {
  assert.ok(isDatabaseAway(error), `not told to be away: ${error}`);
  assert.ok(!isUniqueViolation(error) && !isSerializationFailure(error));
  return true;
}

async function touchBoth(database: Database, names: string[], met: () => Promise<void>): Promise<void> {
  await database.prisma.$transaction(async (tx) => {
    await tx.lane.update({ where: { name: names[0] }, data: { why: 'first' } });
    await met();
    await tx.lane.update({ where: { name: names[1] }, data: { why: 'second' } });
  });
}

/** Lets nobody through before so many have come. */
function barrier(size: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let missing = size;
  return () => {
    if (--missing === 0) resolve();
    return promise;
  };
}
