/** A worker and its callers while the PostgreSQL server goes away, comes back, and has no connection left. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { pino } from 'pino';
import type { Effect } from '../../src/core/effect.ts';
import { type Database, isDatabaseAway, openDatabase } from '../../src/database/database.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import { openQueue } from '../../src/queue/prisma.ts';
import type { Queue } from '../../src/queue/queue.ts';
import { CHANNEL, insertEffects } from '../../src/queue/rows.ts';
import { startWorker, type Worker } from '../../src/queue/worker.ts';
import type { Store } from '../../src/store/store.ts';
import { migrationsDir } from '../support/database.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const skip = !process.env.RCB_TEST_DATABASE_URL && 'needs a server: npm run test:pg';
const LEASE_MS = 2_000;
const SUBJECTS = 30;

describe('a PostgreSQL server in trouble', { skip }, () => {
  let server: Postgres;
  let database: Database;
  let queue: Queue;
  let ids = 0;
  const newId = () => `id-${String(++ids).padStart(6, '0')}`;
  before(async () => {
    server = await startPostgres();
    await asAdmin(`CREATE ROLE rcb LOGIN PASSWORD 'rcb' CONNECTION LIMIT 65; CREATE DATABASE rcb OWNER rcb`);
    database = await openDatabase({ url: urlOfRole(), dataDir: '.' });
    await applyMigrations(database, migrationsDir);
    await database.prisma.$executeRaw`CREATE TABLE handled (key text, subject text, at timestamptz)`;
    queue = openQueue(database.prisma, { newId, storeOn: (client) => client as unknown as Store });
  });
  after(async () => {
    await database.close();
    await server.stop();
  });

  test('is restarted in the middle of work: the worker goes on by itself, nothing is lost, doubled or reordered', {
    timeout: 120_000,
  }, async () => {
    const { prisma } = database;
    for (let place = 0; place < 10; place += 1) await pushEach((subject) => `k${subject}-${place}`);
    const effect: Effect = { kind: 'build.cancel', runId: 'r', buildId: 'b1' };
    await prisma.$transaction((client) => insertEffects(client, [{ effect }], { newId }));
    const inEffect = Promise.withResolvers<void>();
    const serverIsGone = Promise.withResolvers<void>();
    const errors: string[] = [];
    let performed = 0;
    const worker = await start(errors, async () => {
      performed += 1;
      inEffect.resolve();
      await serverIsGone.promise; // It ends while its outcome cannot be stored.
    });
    try {
      await inEffect.promise;
      await until(async () => (await handled()) >= 40);
      await server.halt();
      serverIsGone.resolve();
      await until(() => errors.some((message) => message.startsWith('The queue cannot be read')));
      await server.resume();
      const resumed = performance.now();
      await until(async () => (await open()) === 0, 60_000);
      const seconds = (performance.now() - resumed) / 1_000;
      // A back-off of at most a few seconds, then a lease that ends.
      assert.ok(seconds < 20, `it took ${seconds.toFixed(1)} s to finish after the server was back`);
    } finally {
      await worker.stop(5_000);
    }
    assert.equal(await handled(), SUBJECTS * 10 + 1, 'each event once, and the outcome of the effect');
    const [doubled] = await prisma.$queryRaw<{ n: number }[]>`
      SELECT (count(*) - count(DISTINCT key))::int AS n FROM handled`;
    const [late] = await prisma.$queryRaw<{ n: number }[]>`
      SELECT count(*)::int AS n FROM (
        SELECT key < lag(key) OVER (PARTITION BY subject ORDER BY at) AS late FROM handled) AS each WHERE late`;
    assert.deepEqual({ doubled: doubled!.n, late: late!.n }, { doubled: 0, late: 0 });
    assert.ok(performed >= 1);
    const tries = await prisma.event.aggregate({ _max: { tries: true } });
    assert.ok(tries._max.tries! < 5, 'a server that is away is nobody’s fault');
  });

  test('has no connection left: a clear error at the start; what is under way is refused, or stored; then all is well', {
    timeout: 120_000,
  }, async () => {
    const { prisma } = database;
    await prisma.event.deleteMany();
    await prisma.$executeRaw`DELETE FROM handled`;
    const worker = await start([], async () => undefined);
    const idle: pg.Client[] = [];
    try {
      await takeConnections(idle, 60);
      const storm = await Promise.allSettled(
        Array.from({ length: 300 }, (_, index) => queue.push([told(`storm-${String(index).padStart(3, '0')}`, index)])),
      );
      const refused = storm.flatMap((each, index) => (each.status === 'rejected' ? [{ index, why: each.reason }] : []));
      for (const { why } of refused) assert.ok(isDatabaseAway(why), `told as away, so that it is tried again: ${why}`);
      const stored = storm.flatMap((each) => (each.status === 'fulfilled' ? each.value.map(({ key }) => key) : []));
      assert.ok(stored.length > 0, 'some connections were left');
      const found = await prisma.event.count({ where: { key: { in: stored } } });
      assert.equal(found, stored.length, 'every push that was answered is stored');

      await takeConnections(idle, Number.POSITIVE_INFINITY);
      await assert.rejects(
        openDatabase({ url: urlOfRole(), dataDir: '.' }),
        /^Error: Cannot open PostgreSQL database "rcb" at .*: too many connections for role "rcb"\. Check DATABASE_URL/,
      );

      await release(idle);
      for (const { index } of refused) await queue.push([told(`storm-${String(index).padStart(3, '0')}`, index)]);
      await until(async () => (await open()) === 0, 60_000);
    } finally {
      await release(idle);
      await worker.stop(5_000);
    }
    assert.equal(await prisma.event.count(), 300);
    assert.equal(await handled(), 300);
  });

  const told = (key: string, subject: number) => ({
    event: { key, event: { kind: 'hook.noted' as const, hook: `s${subject % SUBJECTS}` } },
    source: 'own' as const,
  });

  function pushEach(keyOf: (subject: number) => string): Promise<unknown> {
    return queue.push(Array.from({ length: SUBJECTS }, (_, subject) => told(keyOf(subject), subject)));
  }

  async function start(errors: string[], perform: () => Promise<void>): Promise<Worker> {
    const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(JSON.parse(line).msg) });
    const worker = startWorker({
      queue,
      worker: 'w',
      handleEvent: (row) =>
        queue.handle(row, async (store) => {
          const client = store as unknown as Prisma.TransactionClient;
          await client.$executeRaw`
            INSERT INTO handled SELECT ${row.key}, ${row.order}, clock_timestamp() FROM pg_sleep(0.01)`;
          return { effects: [], events: [] };
        }),
      performEffect: async (row) => {
        await perform();
        const event = { kind: 'hook.noted' as const, hook: 'outcome' };
        await queue.completeEffect(row, { events: [{ key: `outcome:${row.id}:${row.fence}`, event }] });
      },
      isAway: isDatabaseAway,
      log,
      random: () => 0.5,
      now: () => new Date(),
      eventsAtOnce: 4,
      effectsAtOnce: 2,
      leaseMs: LEASE_MS,
      idleMs: 1_000,
    });
    const unlisten = await database.listen(CHANNEL, () => worker.wake());
    return { wake: worker.wake, stop: (graceMs) => unlisten().then(() => worker.stop(graceMs)) };
  }

  async function handled(): Promise<number> {
    const [row] = await database.prisma.$queryRaw<{ n: number }[]>`SELECT count(*)::int AS n FROM handled`;
    return row!.n;
  }

  async function open(): Promise<number> {
    const where = { state: { in: ['pending', 'running'] } };
    return (await database.prisma.event.count({ where })) + (await database.prisma.effect.count({ where }));
  }

  /** Opens clients that do nothing, until there are so many, or no more are to be had. */
  async function takeConnections(clients: pg.Client[], most: number): Promise<void> {
    while (clients.length < most) {
      const client = new pg.Client({ connectionString: urlOfRole() });
      client.on('error', () => undefined); // The server ends them when it is stopped.
      try {
        await client.connect();
      } catch (error) {
        if ((error as { code?: string }).code === '53300') return;
        throw error;
      }
      clients.push(client);
    }
  }

  async function release(clients: pg.Client[]): Promise<void> {
    await Promise.all(clients.splice(0).map((client) => client.end()));
  }

  async function asAdmin(statements: string): Promise<void> {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    for (const statement of statements.split('; ')) await client.query(statement);
    await client.end();
  }

  function urlOfRole(): string {
    const url = new URL(server.url);
    url.username = 'rcb';
    url.password = 'rcb';
    url.pathname = '/rcb';
    return url.href;
  }
});
