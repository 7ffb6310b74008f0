import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CATCH_UP_LANE } from '../../src/core/effect.ts';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import type { FactFilter, Reader } from '../../src/site/reader.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { ago, NOW, readerOfEverybody } from './site-fakes.ts';

/** Facts, waits and polls as the database has them. Each group writes its rows once; the tests only read. */
let opened: TestDatabase;
let reader: Reader;
before(async () => {
  opened = await testDatabase();
  reader = createPrismaReader(opened.database.prisma, { now: () => NOW });
});
after(() => opened.close());

describe('the ledger', () => {
  let count = 0;
  const event = (age: number, rest: Partial<Prisma.EventCreateManyInput>): Prisma.EventCreateManyInput => {
    count += 1;
    const id = String(100 + count);
    const at = ago(age);
    return {
      id,
      key: `key-${id}`,
      kind: 'branch.hinted',
      subject: 's',
      state: 'done',
      dueAt: at,
      createdAt: at,
      ...rest,
    };
  };

  before(async () => {
    const hooked = (age: number, lag: number, rest = {}) =>
      event(age, { occurredAt: ago(age + lag), hookAt: ago(age), ...rest });
    await opened.database.prisma.event.createMany({
      data: [
        // Two hours old: of the day, not of the hour.
        hooked(7200, 100),
        hooked(600, 1),
        hooked(590, 2, { pollAt: ago(560) }),
        hooked(580, 3, { pollAt: ago(550) }),
        // Dated after its telling.
        hooked(570, -5),
        // A branch's list has no time: told, and without a lag.
        event(500, { pollAt: ago(500) }),
        event(400, { pollAt: ago(400), occurredAt: ago(440) }),
        hooked(300, 50, { kind: 'hook.noted' }),
        event(200, { key: 'own-1', kind: 'branch.seen' }),
        event(100, { key: 'tick:github:1', kind: 'tick' }),
      ],
    });
  });

  test('the totals tell who told what, and how late, without what nothing follows from', async () => {
    assert.deepEqual(await reader.factTotals(ago(3600)), {
      hookOnly: 2,
      pollOnly: 2,
      both: 2,
      noted: 1,
      lagByHook: { p50: 1.5, p99: 2.97, facts: 4 },
      lagByPollOnly: { p50: 40, p99: 40, facts: 1 },
      cutAt: undefined,
    });
    const ofTheDay = await reader.factTotals(ago(86_400));
    assert.equal(ofTheDay.hookOnly, 3);
    assert.equal(ofTheDay.lagByHook!.facts, 5);
  });

  test('where nothing was told, the totals are zeros without lags', async () => {
    assert.deepEqual(await reader.factTotals(ago(50)), {
      hookOnly: 0,
      pollOnly: 0,
      both: 0,
      noted: 0,
      lagByHook: undefined,
      lagByPollOnly: undefined,
      cutAt: undefined,
    });
  });

  const ids = async (filter: FactFilter) => (await reader.listFacts(filter, { limit: 50 })).rows.map(({ id }) => id);

  test('facts are listed by who told them, with and without what nothing follows from', async () => {
    assert.deepEqual(await ids({}), ['108', '107', '106', '105', '104', '103', '102', '101']);
    assert.deepEqual(await ids({ noted: 'hidden' }), ['107', '106', '105', '104', '103', '102', '101']);
    assert.deepEqual(await ids({ told: 'poll' }), ['107', '106']);
    assert.deepEqual(await ids({ told: 'both' }), ['104', '103']);
    assert.deepEqual(await ids({ told: 'hook', noted: 'hidden' }), ['105', '102', '101']);
    assert.deepEqual(await ids({ kind: 'branch.seen' }), ['109'], 'our own are there for who asks');
  });

  test('a page of a filtered list goes on where it ended', async () => {
    const first = await reader.listFacts({ noted: 'hidden' }, { limit: 2 });
    assert.deepEqual([first.rows.map(({ id }) => id), first.next], [['107', '106'], '106']);
    const second = await reader.listFacts({ noted: 'hidden' }, { limit: 5, before: first.next });
    assert.deepEqual([second.rows.map(({ id }) => id), second.next], [['105', '104', '103', '102', '101'], undefined]);
  });
});

describe('what waits', () => {
  before(async () => {
    const effect = (id: string, rest: Partial<Prisma.EffectCreateManyInput>): Prisma.EffectCreateManyInput => ({
      id,
      kind: 'build.start',
      target: `target-${id}`,
      lane: `lane-${id}`,
      payload: {},
      state: 'pending',
      dueAt: NOW,
      createdAt: ago(60),
      ...rest,
    });
    const inTurn = { kind: 'sources.resolve', lane: CATCH_UP_LANE };
    await opened.database.prisma.effect.createMany({
      data: [
        effect('c1', inTurn),
        effect('c2', inTurn),
        effect('c3', { ...inTurn, state: 'running' }),
        effect('c4', { ...inTurn, state: 'done' }),
        effect('c5', { kind: 'sources.resolve', lane: 'run:1' }),
        effect('h1', {}),
        effect('h2', { createdAt: ago(2) }),
        effect('h3', { error: 'dev.azure.com answered 503' }),
        effect('h4', { state: 'done' }),
      ],
    });
  });

  test('runs of an absence, and builds that may not start; not what begins now, and not what failed', async () => {
    assert.deepEqual(await reader.waiting(), { catchUp: 2, held: 1 });
    assert.deepEqual((await reader.measures()).waiting, { catchUp: 2, held: 1 });
  });
});

describe('polls', () => {
  before(async () => {
    const { prisma } = opened.database;
    const repository = (key: string, rest = {}) => ({
      key,
      name: `name-${key}`,
      state: 'watched',
      updatedAt: NOW,
      ...rest,
    });
    await prisma.repository.createMany({
      data: [
        repository('github:1', { installation: 'github:71' }),
        repository('github:2', { installation: 'github:71' }),
        repository('github:3', { private: true }),
        repository('github:4', { state: 'removed' }),
        repository('git:5'),
      ],
    });
    await prisma.installation.create({
      data: { key: 'github:71', account: 'Raku', accountId: '7', state: 'suspended', served: true, updatedAt: NOW },
    });
    const lookedAt = ago(30).toISOString();
    const trouble = { why: 'GitHub answered 502', since: ago(300).toISOString() };
    await prisma.cursor.createMany({
      data: [
        { name: 'poll:github:1', value: { lookedAt, comments: lookedAt }, movedAt: NOW },
        { name: 'poll:github:2', value: { trouble }, movedAt: NOW },
        { name: 'poll:github:3', value: { lookedAt }, movedAt: NOW },
        // Of a version that nobody knows.
        { name: 'poll:git:5', value: { lookedAt: 7 }, movedAt: NOW },
        { name: 'deliveries', value: { until: ago(90).toISOString() }, movedAt: NOW },
      ],
    });
  });

  test('what is watched and public, with how far it was read', async () => {
    const reader = await readerOfEverybody(opened.database.prisma, { now: () => NOW });
    const installation = { account: 'Raku', state: 'suspended', served: true };
    assert.deepEqual(await reader.polls(), {
      repositories: [
        { key: 'git:5', name: 'name-git:5', installation: undefined },
        { key: 'github:1', name: 'name-github:1', installation, lookedAt: ago(30) },
        {
          key: 'github:2',
          name: 'name-github:2',
          installation,
          trouble: { why: 'GitHub answered 502', since: ago(300) },
        },
      ],
      deliveriesUntil: ago(90),
    });
  });

  test('the metrics say how long ago each was read; one that never was counts from its first trouble', async () => {
    const reader = await readerOfEverybody(opened.database.prisma, { now: () => NOW });
    const { lookAges, pollsInTrouble } = await reader.measures();
    assert.deepEqual(lookAges, [
      { repository: 'name-github:2', seconds: 300 },
      { repository: 'name-github:1', seconds: 30 },
    ]);
    assert.equal(pollsInTrouble, 1);
  });
});
