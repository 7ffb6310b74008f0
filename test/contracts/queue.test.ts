import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Effect } from '../../src/core/effect.ts';
import type { Event } from '../../src/core/event.ts';
import { openQueue } from '../../src/queue/prisma.ts';
import { type Claimed, LeaseLost, type Queue } from '../../src/queue/queue.ts';
import { insertEffects } from '../../src/queue/rows.ts';
import { openStore } from '../../src/store/prisma.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/** What queue.ts promises, on the embedded database and, by `npm run test:pg`, on PostgreSQL. */
describe('the queue', () => {
  let testing: TestDatabase;
  let queue: Queue;
  let ids = 0;
  const newId = () => `id-${String(++ids).padStart(6, '0')}`;
  before(async () => {
    testing = await testDatabase();
    queue = openQueue(testing.database.prisma, { newId, storeOn: (client) => openStore(client, () => new Date()) });
  });
  after(() => testing.close());
  beforeEach(async () => {
    const { prisma } = testing.database;
    await prisma.sighting.deleteMany();
    await prisma.event.deleteMany();
    await prisma.effect.deleteMany();
    await prisma.lane.deleteMany();
  });

  const noted = (hook: string): Event => ({ kind: 'hook.noted', hook });
  const tell = (key: string, hook = 'a', delivery?: string) =>
    queue.push([{ event: { key, event: noted(hook) }, source: 'hook', delivery }]);
  const claim = { worker: 'w', most: 10, leaseMs: 60_000 };
  const keysOf = (rows: Claimed<unknown>[]) => rows.map((row) => row.key).sort();
  const finish = (row: Claimed<Event>) => queue.handle(row, async () => ({ effects: [], events: [] }));
  const cancel = (buildId: string): Effect => ({ kind: 'build.cancel', runId: 'r', buildId });
  const report = (checkId: string): Effect => ({ kind: 'check.report', runId: 'r', checkId, installation: 'github:1' });
  const want = (...effects: Effect[]) =>
    testing.database.prisma.$transaction((client) =>
      insertEffects(
        client,
        effects.map((effect) => ({ effect })),
        { newId },
      ),
    );

  test('a key is stored once, outlives completion, and a second telling is a sighting', async () => {
    assert.deepEqual(await tell('k', 'a', 'd1'), [{ key: 'k', known: false }]);
    assert.deepEqual(await tell('k', 'a', 'd2'), [{ key: 'k', known: true }]);
    assert.deepEqual(await tell('k', 'a', 'd2'), [{ key: 'k', known: true }], 'a redelivery adds nothing');
    const [row] = await queue.claimEvents(claim);
    await finish(row!);
    assert.deepEqual(await tell('k', 'a', 'd3'), [{ key: 'k', known: true }]);
    assert.equal((await queue.claimEvents(claim)).length, 0);
    const { prisma } = testing.database;
    assert.deepEqual((await prisma.sighting.findMany()).map((each) => each.delivery).sort(), ['d1', 'd2', 'd3']);
  });

  test('a poll that sees what a hook told fills the ledger, and the other way round', async () => {
    await tell('k1');
    await queue.push([{ event: { key: 'k1', event: noted('a') }, source: 'poll' }]);
    await queue.push([{ event: { key: 'k2', event: noted('a') }, source: 'poll' }]);
    await tell('k2');
    const rows = await testing.database.prisma.event.findMany();
    assert.ok(rows.every((row) => row.hookAt && row.pollAt));
  });

  test('a hundred tellings of ten facts at once store ten', async () => {
    await Promise.all(Array.from({ length: 100 }, (_, index) => tell(`k${index % 10}`, 'a', `d${index}`)));
    assert.equal(await testing.database.prisma.event.count(), 10);
    assert.equal(await testing.database.prisma.sighting.count(), 100);
  });

  test('one event of a subject at a time, in the order in which they came', async () => {
    await tell('a1', 'a');
    await tell('b1', 'b');
    await tell('a2', 'a');
    const first = await queue.claimEvents(claim);
    assert.deepEqual(keysOf(first), ['a1', 'b1']);
    assert.deepEqual(await queue.claimEvents(claim), []);
    await finish(first.find((row) => row.key === 'a1')!);
    assert.deepEqual(keysOf(await queue.claimEvents(claim)), ['a2']);
  });

  test('claims at the same moment never share a row or a subject', async () => {
    for (let index = 0; index < 30; index += 1) await tell(`k${index}`, `s${index % 3}`);
    const claims = await Promise.all(Array.from({ length: 8 }, () => queue.claimEvents({ ...claim, most: 2 })));
    const subjects = claims.flat().map((row) => row.order);
    assert.equal(new Set(subjects).size, subjects.length);
  });

  test('a retry keeps its place and holds back what came after it; another subject goes on', async () => {
    await tell('a1', 'a');
    await tell('a2', 'a');
    await tell('b1', 'b');
    const [a1] = (await queue.claimEvents(claim)).filter((row) => row.key === 'a1');
    await queue.fail(a1!, { error: 'not yet', afterMs: 3_600_000 });
    assert.deepEqual(await queue.claimEvents(claim), []);
    await testing.database.prisma.event.update({ where: { key: 'a1' }, data: { retryAt: new Date(0) } });
    const [again] = await queue.claimEvents(claim);
    assert.deepEqual([again!.key, again!.tries], ['a1', 2]);
  });

  test('a parked event holds back nothing, is shown with its error, and can be started again', async () => {
    await tell('a1', 'a');
    await tell('a2', 'a');
    const [a1] = await queue.claimEvents(claim);
    await queue.fail(a1!, { error: 'no use' });
    const parked = await testing.database.prisma.event.findUniqueOrThrow({ where: { key: 'a1' } });
    assert.deepEqual([parked.state, parked.error], ['parked', 'no use']);
    const [a2] = await queue.claimEvents(claim);
    assert.equal(a2!.key, 'a2');
    await finish(a2!);
    assert.equal(await queue.restart('a1'), true);
    assert.equal(await queue.restart('a1'), false, 'it is not parked any more');
    assert.deepEqual(keysOf(await queue.claimEvents(claim)), ['a1']);
  });

  test('the row of a dead worker is taken over when its lease ends, and the dead one can commit nothing', async () => {
    await tell('k');
    const [dead] = await queue.claimEvents({ ...claim, leaseMs: -1 });
    const [heir] = await queue.claimEvents(claim);
    assert.deepEqual([heir!.key, heir!.fence], ['k', dead!.fence + 1]);
    await assert.rejects(finish(dead!), LeaseLost);
    await assert.rejects(queue.fail(dead!, { error: 'late' }), LeaseLost);
    assert.deepEqual(await queue.renew([dead!, heir!], 1_000), new Set([heir!.id]));
    await finish(heir!);
  });

  test('what a handler wrote is gone when its lease was lost', async () => {
    await tell('k');
    const [dead] = await queue.claimEvents({ ...claim, leaseMs: -1 });
    await queue.claimEvents(claim);
    const { prisma } = testing.database;
    const branch = { subject: 's', repositoryKey: 'r', ref: 'refs/heads/x', sha: null, generation: 1 };
    const late = queue.handle(dead!, async (store) => {
      await store.saveBranch(branch);
      return { effects: [cancel('b1')], events: [noted('x')] };
    });
    await assert.rejects(late, LeaseLost);
    assert.deepEqual([await prisma.event.count(), await prisma.effect.count(), await prisma.branch.count()], [1, 0, 0]);
  });

  test('pending effects of one kind and target are one; a wish that comes while one runs is kept', async () => {
    await want(cancel('b1'), cancel('b1'), cancel('b2'));
    await want(cancel('b1'));
    const running = await queue.claimEffects(claim);
    assert.deepEqual(keysOf(running), ['build:b1', 'build:b2']);
    await want(cancel('b1'));
    assert.deepEqual(await queue.claimEffects(claim), [], 'its lane is taken');
    for (const row of running) await queue.completeEffect(row, { events: [] });
    assert.deepEqual(keysOf(await queue.claimEffects(claim)), ['build:b1']);
  });

  test('effects of one lane go one after the other, spaced', async () => {
    await want(report('c1'), report('c2'));
    const [first, ...none] = await queue.claimEffects(claim);
    assert.deepEqual(none, []);
    await queue.completeEffect(first!, { events: [], spacingMs: 3_600_000 });
    assert.deepEqual(await queue.claimEffects(claim), [], 'the lane rests');
    assert.ok((await queue.untilNext(7_200_000)) > 3_000_000);
    await testing.database.prisma.lane.deleteMany();
    assert.equal((await queue.claimEffects(claim)).length, 1);
  });

  test('a rest is lengthened and never shortened', async () => {
    await want(report('c1'));
    await queue.restLane('write:github:1', 3_600_000, 'asked for');
    await queue.restLane('write:github:1', 1, 'spacing');
    assert.deepEqual(await queue.claimEffects(claim), []);
  });

  test('an effect that is tried again lets the others of its lane pass, and merges with a newer wish', async () => {
    await want(report('c1'), report('c2'));
    const [first] = await queue.claimEffects(claim);
    await want(...(first!.key === 'check:c1' ? [report('c1')] : [report('c2')]));
    await queue.fail(first!, { error: 'down', afterMs: 3_600_000 });
    const [second] = await queue.claimEffects(claim);
    assert.notEqual(second!.key, first!.key);
    const waiting = await testing.database.prisma.effect.findMany({ where: { target: first!.key, state: 'pending' } });
    assert.equal(waiting.length, 1);
    assert.equal(waiting[0]!.error, 'down');
  });

  test('an effect ends together with the events that tell its outcome, or not at all', async () => {
    await want(cancel('b1'));
    const [dead] = await queue.claimEffects({ ...claim, leaseMs: -1 });
    const [heir] = await queue.claimEffects(claim);
    const told = { events: [{ key: 'outcome', event: noted('x') }] };
    await assert.rejects(queue.completeEffect(dead!, told), LeaseLost);
    assert.equal(await testing.database.prisma.event.count(), 0);
    await queue.completeEffect(heir!, told);
    assert.equal(await testing.database.prisma.event.count(), 1);
  });

  test('an effect that is not over is due again, as the same row, unless a newer wish stands for it', async () => {
    await want(cancel('b1'));
    const [row] = await queue.claimEffects(claim);
    await queue.completeEffect(row!, { events: [], againMs: 0 });
    const [again] = await queue.claimEffects(claim);
    assert.deepEqual([again!.id, again!.tries], [row!.id, 1]);
    await want(cancel('b1'));
    await queue.completeEffect(again!, { events: [], againMs: 3_600_000 });
    assert.equal((await queue.claimEffects(claim)).length, 1, 'the newer wish does not wait');
  });

  test('an idle worker is told when to look next', async () => {
    assert.equal(await queue.untilNext(5_000), 5_000);
    await tell('k');
    const [row] = await queue.claimEvents(claim);
    await queue.fail(row!, { error: 'soon', afterMs: 2_000 });
    const ms = await queue.untilNext(60_000);
    assert.ok(ms > 0 && ms <= 2_000, `${ms}`);
  });

  test('a handler that only reads, or does nothing, ends; one that throws leaves nothing of what it wrote', async () => {
    const { prisma } = testing.database;
    const branch = { subject: 's', repositoryKey: 'r', ref: 'refs/heads/x', sha: null, generation: 1 };
    for (const hook of ['a', 'b', 'c']) await tell(hook, hook);
    const [reads, writes, throws] = await queue.claimEvents(claim);
    await queue.handle(reads!, async (store) => {
      assert.equal(await store.branch('s'), undefined);
      return { effects: [cancel('b1')], events: [noted('x')] };
    });
    const failing = queue.handle(throws!, async (store) => {
      await store.saveBranch(branch);
      assert.equal((await store.branch('s'))?.generation, 1, 'it reads what it wrote');
      throw new Error('in the middle');
    });
    await assert.rejects(failing, /in the middle/);
    assert.equal(await prisma.branch.count(), 0);
    await queue.handle(writes!, async (store) => {
      assert.equal(await store.branch('s'), undefined);
      await Promise.all([store.branch('s'), store.saveBranch(branch)]);
      return { effects: [], events: [] };
    });
    assert.deepEqual(await prisma.branch.count(), 1);
    await prisma.branch.deleteMany();
    const states = await prisma.event.findMany({ select: { key: true, state: true }, orderBy: { seq: 'asc' } });
    assert.deepEqual(
      states.map(({ key, state }) => `${key} ${state}`),
      ['a done', 'b done', 'c running', `${reads!.id}:0 pending`],
    );
  });

  describe('rows that end at the same time', () => {
    /** Enough that some of them share a statement: the first two go alone. */
    const claimed = async (count: number) => {
      for (let index = 0; index < count; index += 1) await tell(`k${index}`, `s${index}`);
      return (await queue.claimEvents(claim)).sort((one, other) => (one.key < other.key ? -1 : 1));
    };
    const follow = (effects: Effect[], events: Event[] = []) => ({ effects, events });
    const statusOf = (ends: Promise<unknown>[]) =>
      Promise.allSettled(ends).then((all) => all.map(({ status }) => status[0]).join(''));
    const pending = () =>
      testing.database.prisma.effect.findMany({ where: { state: 'pending' }, orderBy: { target: 'asc' } });

    test('one whose lease was lost stores nothing and is told so; the others do not notice', async () => {
      await tell('lost', 'lost');
      const [dead] = await queue.claimEvents({ ...claim, leaseMs: -1 });
      const rows = await claimed(5);
      const heir = rows.find((row) => row.key === 'lost')!;
      const others = rows.filter((row) => row !== heir);
      const order = [others[0]!, others[1]!, others[2]!, dead!, others[3]!, others[4]!];
      const ends = order.map((row) =>
        queue.handle(row, async () => follow([cancel(row.key)], [noted(`of ${row.key} ${row.fence}`)])),
      );
      assert.equal(await statusOf(ends), 'fffrff');
      await assert.rejects(ends[3]!, LeaseLost);
      assert.deepEqual(
        (await pending()).map((each) => each.target),
        ['build:k0', 'build:k1', 'build:k2', 'build:k3', 'build:k4'],
      );
      assert.equal(await testing.database.prisma.event.count({ where: { key: `${dead!.id}:0` } }), 0);
      const again = [...others.slice(0, 2), dead!, heir].map((row) =>
        queue.handle(row, async () => follow([], [noted(`of fence ${row.fence}`)])),
      );
      assert.equal(await statusOf(again), 'rrrf', 'the one that holds the lease now, beside the one that lost it');
      const told = await testing.database.prisma.event.findUniqueOrThrow({ where: { key: `${heir.id}:0` } });
      assert.equal(told.subject, `hook:of fence ${heir.fence}`);
    });

    test('two wishes for one target are one, with the newer payload; that of a lost lease is none', async () => {
      await tell('lost', 'lost');
      const [dead] = await queue.claimEvents({ ...claim, leaseMs: -1 });
      const rows = (await claimed(5)).filter((row) => row.key !== 'lost');
      const wish = (run: string): Effect => ({ kind: 'build.cancel', runId: run, buildId: 'b1' });
      const effects = [[], [], [wish('first'), cancel('b0')], [wish('lost'), cancel('b2')], [wish('last')], []];
      const ends = [rows[0]!, rows[1]!, rows[2]!, dead!, rows[3]!, rows[4]!].map((row, index) =>
        queue.handle(row, async () => follow(effects[index]!)),
      );
      assert.equal(await statusOf(ends), 'fffrff');
      assert.deepEqual(
        (await pending()).map((each) => [each.target, (each.payload as { runId?: string }).runId]),
        [
          ['build:b0', 'r'],
          ['build:b1', 'last'],
        ],
      );
    });

    test('a follow event whose key is known is left as it is, and the others are stored', async () => {
      await want(...['b0', 'b1', 'b2', 'b3'].map(cancel));
      const rows = await queue.claimEffects(claim);
      await queue.push([{ event: { key: 'outcome', event: noted('first') }, source: 'own' }]);
      const ends = rows.map((row) =>
        queue.completeEffect(row, {
          events: [
            { key: 'outcome', event: noted(`second of ${row.key}`) },
            { key: `own ${row.key}`, event: noted('own') },
          ],
        }),
      );
      assert.equal(await statusOf(ends), 'ffff');
      const events = await testing.database.prisma.event.findMany({ select: { key: true, subject: true } });
      assert.equal(events.length, 5);
      assert.equal(events.find(({ key }) => key === 'outcome')?.subject, 'hook:first');
    });

    test('a row that the database refuses fails alone', async () => {
      const rows = await claimed(6);
      const ends = rows.map((row) =>
        queue.handle(row, async () => follow([], [noted(row.key === 'k3' ? 'no \u0000 in jsonb' : 'fine')])),
      );
      assert.equal(await statusOf(ends), 'fffrff');
      const left = await testing.database.prisma.event.findMany({ where: { state: 'running' } });
      assert.deepEqual(
        left.map((each) => each.key),
        ['k3'],
      );
      await queue.fail(rows[3]!, { error: 'refused' });
    });

    test('each lane rests as long as its own effect says', async () => {
      const lanes = ['github:1', 'github:2', 'github:3', 'github:4'];
      await want(...lanes.map((installation, index) => ({ ...report(`c${index}`), installation }) as Effect));
      const rows = await queue.claimEffects(claim);
      const ends = rows.map((row) =>
        queue.completeEffect(row, { events: [], spacingMs: row.order.endsWith('3') ? 3_600_000 : 0 }),
      );
      assert.equal(await statusOf(ends), 'ffff');
      const resting = await testing.database.prisma.lane.findMany();
      assert.deepEqual(
        resting.map(({ name }) => name),
        ['write:github:3'],
      );
    });
  });

  test('a poll moves its cursor when it ends, and not when its lease was lost', async () => {
    const { prisma } = testing.database;
    await want(cancel('b1'));
    const [dead] = await queue.claimEffects({ ...claim, leaseMs: -1 });
    const [heir] = await queue.claimEffects(claim);
    const moved = (to: number) => ({ events: [], cursors: [{ name: 'poll:x', value: { to } }] });
    await assert.rejects(queue.completeEffect(dead!, moved(1)), LeaseLost);
    assert.equal(await prisma.cursor.count({ where: { name: 'poll:x' } }), 0);
    await queue.completeEffect(heir!, moved(2));
    assert.deepEqual((await prisma.cursor.findUniqueOrThrow({ where: { name: 'poll:x' } })).value, { to: 2 });
    await prisma.cursor.deleteMany();
  });

  test('leases of events and effects are lengthened together; a row that is being ended is not waited for', async () => {
    await tell('k');
    await want(cancel('b1'), cancel('b2'));
    const [event] = await queue.claimEvents(claim);
    const [one, two] = await queue.claimEffects(claim);
    await queue.completeEffect(two!, { events: [] });
    const rows = [event!, one!, two!];
    assert.deepEqual(await queue.renew(rows, 3_600_000), new Set([event!.id, one!.id]));
    const [row] = await testing.database.prisma.$queryRaw<{ ms: number }[]>`
      SELECT (EXTRACT(EPOCH FROM min(lease_until) - now()) * 1000)::float8 AS ms FROM (
        SELECT lease_until FROM event UNION ALL SELECT lease_until FROM effect WHERE state = 'running') AS leased`;
    assert.ok(row!.ms > 3_000_000, `${row!.ms}`);
  });
});
