import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Effect } from '../../src/core/effect.ts';
import type { Event } from '../../src/core/event.ts';
import type { HandlerContext } from '../../src/handlers/handler.ts';
import { onTick } from '../../src/handlers/tick.ts';
import { openLog } from '../../src/log.ts';
import { openQueue } from '../../src/queue/prisma.ts';
import { LeaseLost, type Queue, type Told } from '../../src/queue/queue.ts';
import { insertEffects } from '../../src/queue/rows.ts';
import { createTick, startTicker } from '../../src/queue/ticker.ts';
import { openStore } from '../../src/store/prisma.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const log = openLog('silent');

test('the database is asked once per interval and source, and again after a failure', async () => {
  let now = 1_000_000;
  const asked: string[] = [];
  let fails = false;
  const queue = {
    tick: async (source: string) => {
      asked.push(`${source}@${now}`);
      if (fails) throw new Error('away');
    },
  };
  const sources = [
    { source: 'git' as const, everyMs: 10_000 },
    { source: 'github' as const, everyMs: 60_000 },
  ];
  const look = createTick({ queue, sources, now: () => new Date(now), log });
  await look();
  await look();
  now += 10_000;
  fails = true;
  await look();
  fails = false;
  await look();
  await look();
  assert.deepEqual(asked, ['git@1000000', 'github@1000000', 'git@1010000', 'git@1010000']);
});

test('the clock starts by itself and stops', async () => {
  let ticks = 0;
  const tick = async () => {
    ticks += 1;
  };
  const queue = { tick };
  const ticker = startTicker({ queue, sources: [{ source: 'git', everyMs: 1_000 }], now: () => new Date(), log });
  await until(() => ticks >= 2);
  await ticker.stop();
});

test('a tick that comes late does nothing: the next one does its work', async () => {
  const at = new Date(1_795_228_200_000);
  const event = { kind: 'tick', source: 'git', at: at.toISOString(), everyMs: 10_000 } as const;
  const git = [
    { key: 'git:1', name: 'one' },
    { key: 'git:2', name: 'two' },
  ];
  const serving = { git } as HandlerContext['serving'];
  const effectsAt = async (ms: number) => {
    const outcome = await onTick(event, { serving, now: new Date(at.getTime() + ms) } as HandlerContext);
    return 'effects' in outcome
      ? outcome.effects.map((effect) => 'repository' in effect && effect.repository.name)
      : [];
  };
  assert.deepEqual(await effectsAt(500), ['one', 'two']);
  assert.deepEqual(await effectsAt(20_000), ['one', 'two']);
  assert.deepEqual(await effectsAt(20_001), []);
});

describe('ticks in the queue', () => {
  let testing: TestDatabase;
  let queue: Queue;
  let ids = 0;
  before(async () => {
    testing = await testDatabase();
    const newId = () => `id-${String(++ids).padStart(6, '0')}`;
    queue = openQueue(testing.database.prisma, { newId, storeOn: (client) => openStore(client, () => new Date()) });
  });
  after(() => testing.close());

  test('however many ask, one interval has one tick, keyed by its start', async () => {
    for (let each = 0; each < 5; each += 1) await queue.tick('git', 3_600_000);
    const rows = await testing.database.prisma.event.findMany({ where: { kind: 'tick' } });
    assert.equal(rows.length, 1);
    const { at } = rows[0]!.payload as unknown as Extract<Event, { kind: 'tick' }>;
    assert.equal(Date.parse(at) % 3_600_000, 0);
    assert.equal(rows[0]!.key, `tick:git:${Date.parse(at) / 1_000}`);
    assert.equal(rows[0]!.subject, 'tick:git');
  });

  test('old ticks are forgotten, and only those', async () => {
    const { prisma } = testing.database;
    const row = (key: string, subject: string, state: string) => ({
      id: `old-${key}`,
      key,
      kind: 'tick',
      subject,
      state,
      dueAt: new Date(0),
      createdAt: new Date(0),
    });
    await prisma.event.createMany({
      data: [row('a', 'tick:obs', 'done'), row('b', 'tick:obs', 'parked'), row('c', 'tick:azure', 'done')],
    });
    await queue.tick('obs', 1_000);
    const left = (await prisma.event.findMany({ where: { createdAt: new Date(0) } })).map(({ key }) => key);
    assert.deepEqual(left.sort(), ['b', 'c']);
  });

  test('what a poll saw is stored with its end, and its row is gone', async () => {
    const { prisma } = testing.database;
    const repository = { key: 'git:1', name: 'one' };
    const effect: Effect = { kind: 'poll.repository', repository, everyMs: 10_000, turn: 1 };
    await prisma.$transaction((client) => insertEffects(client, [{ effect }], { newId: () => 'poll-1' }));
    const [row] = await queue.claimEffects({ worker: 'w', most: 5, leaseMs: 60_000 });
    const event: Event = { kind: 'branch.hinted', repository, ref: 'refs/heads/main', sha: 'a'.repeat(40) };
    const told: Told[] = [{ source: 'poll', delivery: 'poll:k', event: { key: 'k', event } }];
    await queue.completeEffect(row!, { events: [], told: [...told, ...told], forget: true });
    assert.equal(await prisma.effect.count(), 0);
    const stored = await prisma.event.findUniqueOrThrow({ where: { key: 'k' }, include: { sightings: true } });
    assert.deepEqual(
      [stored.state, Boolean(stored.pollAt), stored.hookAt, stored.sightings.length],
      ['pending', true, null, 1],
    );
    await assert.rejects(queue.completeEffect(row!, { events: [], told, forget: true }), LeaseLost);
  });

  test('facts tell who has seen a key', async () => {
    const event: Event = { kind: 'hook.noted', hook: 'x' };
    await queue.push([{ event: { key: 'seen', event }, source: 'hook', done: true }]);
    await queue.push([{ event: { key: 'seen', event }, source: 'poll', done: true }]);
    await queue.push([{ event: { key: 'half', event }, source: 'hook', done: true }]);
    const facts = await queue.facts(['seen', 'half', 'none']);
    assert.deepEqual(facts.map(({ key, hookAt, pollAt }) => [key, Boolean(hookAt), Boolean(pollAt)]).sort(), [
      ['half', true, false],
      ['seen', true, true],
    ]);
    assert.deepEqual(await queue.facts([]), []);
  });
});
