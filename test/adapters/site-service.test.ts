import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BackendError } from '../../src/backends/backend.ts';
import { orNextTime, type Performed } from '../../src/effects/effect.ts';
import type { Reader } from '../../src/site/reader.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { ago, memoryArchive, memoryReader, NOW, type SiteWorld, siteOf } from './site-fakes.ts';
import { addGrid, EVIL } from './site-grid.ts';
import { addHouse } from './site-house.ts';

/** How the back-ends do, what is held, who asked us to rest, what cannot be read, what was swept. */
const DAY = 86_400;

describe('the service page', () => {
  let stored: TestDatabase;
  let reader: Reader;
  let world: SiteWorld;
  before(async () => {
    stored = await testDatabase();
    const { prisma } = stored.database;
    await addGrid(prisma, memoryArchive(), NOW);
    await addHouse(prisma);
    reader = createPrismaReader(prisma, { now: () => NOW });
    const backend = (name: string) => ({ name, kind: name, ok: true, note: '2 slots' });
    world = siteOf(reader, { backends: async () => ['azure', 'obs', 'local'].map(backend) });
  });
  after(() => stored?.close());

  const seen = async () =>
    (await world.text('/service'))
      .replace(/<(?:td|th|div|p|li|span|strong)[ >]/g, ' $&')
      .replace(/<[^>]*>/g, '')
      .replaceAll('&amp;', '&')
      .replace(/\s+/g, ' ');

  test('measures are of what ended, and of what began, since then', async () => {
    const measures = await reader.backendMeasures(ago(DAY));
    const { ended, errors, queued, running, waiting, answeredAt, nextAt, trouble } = measures.get('azure')!;
    // Five passed, one failed twice, and Prepare.
    assert.deepEqual([ended, errors, running, waiting], [8, 0, 1, 0]);
    assert.equal(queued?.builds, 1);
    assert.ok(Math.abs(queued.p50 - 100) < 0.001, `asked for 2,100 s ago, begun 2,000 s ago: ${queued.p50}`);
    assert.deepEqual([answeredAt, nextAt], [ago(45), ago(-12)]);
    assert.deepEqual(trouble, { why: `dev.azure.com answered 503 ${EVIL}`, tries: 3 });
    const obs = measures.get('obs')!;
    assert.deepEqual([obs.waiting, obs.nextAt, obs.answeredAt, obs.trouble], [1, ago(-30), undefined, undefined]);
    const all = await reader.backendMeasures(ago(30 * DAY));
    assert.equal(all.get('azure')!.ended, 8 + 5 * 16);
  });

  test('all of it is on the page, and nothing that strangers wrote is more than text', async () => {
    const text = await seen();
    assert.match(
      text,
      /ok azure azure 2 slots dev\.azure\.com answered 503 .* tried 3 times, and tried again 1 min 40 s · 1 min 40 s 0 % of 8/,
    );
    assert.match(text, /1 running 45 seconds ago in 12 seconds/);
    assert.match(text, /Collect less often MoarVM\/MoarVM, on obs it is not said why 1 minute ago/);
    assert.match(
      text,
      /writes to the installation github:9 GitHub asked for a rest \(secondary rate limit\) in 1 minute/,
    );
    assert.ok(!text.includes('github:8') && !text.includes('over'), 'a spacing is no rest, and what is over is over');
    assert.match(
      text,
      /Lists that cannot be read since 15 minutes ago hooks that GitHub says it has sent GitHub answered 401/,
    );
    assert.doesNotMatch(text, /changed builds on|leftovers on/);
    assert.match(text, /The last sweep ended 16 minutes ago\..*done effects 7 – source archives 3 12\.0 MB/);
    assert.doesNotMatch(await world.text('/service'), /<script>alert/);
  });

  test('what was given up is not well, however healthy the bot is', async () => {
    const page = async (parked: number, ok = true) => {
      const reader = memoryReader([]);
      const counts = async () => ({ events: { parked, pending: 7 }, effects: {} });
      return siteOf({ ...reader, counts }, { health: async () => ({ ok, checks: {} }) }).text('/service');
    };
    assert.match(await page(0), /all is well/);
    assert.match(await page(3), /3 things were given up.*href="\/ledger#parked"/s);
    assert.doesNotMatch(await page(3), /all is well/);
    assert.match(await page(3, false), /something is wrong/);
  });

  test('where nothing happened yet it says so', async () => {
    const { text } = siteOf(memoryReader([]));
    const page = await text('/service');
    for (const words of ['No run is held.', 'Nobody has asked us to wait.', 'Nothing was swept yet'])
      assert.ok(page.includes(words), words);
  });
});

describe('a poll that cannot read', () => {
  const house = (before?: Record<string, unknown>) => {
    const world = { now: () => NOW, store: { cursor: async () => before } };
    return (poll: () => Promise<Performed>) =>
      orNextTime(BackendError, { poll: 'builds:azure', world: world as never }, poll);
  };
  const fails = async (): Promise<Performed> => {
    throw new BackendError('unreachable', 'It is away.');
  };
  const reads = async (): Promise<Performed> => ({ events: [], cursors: [{ name: 'own', value: { until: 'now' } }] });
  const name = 'trouble:builds:azure';

  test('says why, and since when, until it can', async () => {
    const first = await house()(fails);
    assert.deepEqual(first.cursors, [{ name, value: { why: 'It is away.', since: NOW.toISOString() } }]);
    const again = await house({ why: 'Another reason.', since: 'long ago' })(fails);
    assert.deepEqual(again.cursors, [{ name, value: { why: 'It is away.', since: 'long ago' } }]);
    const well = await house({ why: 'It is away.', since: 'long ago' })(reads);
    assert.deepEqual(well.cursors, [
      { name: 'own', value: { until: 'now' } },
      { name, value: {} },
    ]);
  });

  test('costs no write while all is well', async () => {
    for (const before of [undefined, {}]) assert.deepEqual(await house(before)(reads), await reads());
  });

  test('leaves a bug alone', async () => {
    const bug = async () => {
      throw new TypeError('a bug');
    };
    await assert.rejects(house()(bug), TypeError);
  });
});
