import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { seedDatabase } from '../../prisma/seed.ts';
import { seedHistory } from '../../prisma/seed-history.ts';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { memoryArchive, NOW, siteOf } from '../adapters/site-fakes.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type ServedSite, serveSite } from '../support/served-site.ts';
import { until } from '../support/until.ts';
import { assertAccessible } from './axe.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';

/** The list of runs, live and filtered, the page of a stack, badges and the feed, on a seeded database. */
describe('lists of runs in a browser', { timeout: 600_000 }, () => {
  let database: TestDatabase;
  let served: ServedSite;
  /** The same site, where nobody may follow. */
  let full: ServedSite;
  let browser: Browser;
  let url: string;
  before(async () => {
    [database, browser] = await Promise.all([testDatabase(), startChromium()]);
    const { prisma } = database.database;
    const archive = memoryArchive();
    await seedDatabase(prisma, archive, { now: NOW });
    const days = (count: number) => new Date(NOW.getTime() - count * 86_400_000);
    await seedHistory(database.database, { runs: 300, seed: 3, from: days(40), until: days(5) });
    const repositories = ['rakudo/rakudo', 'Raku/nqp', 'MoarVM/MoarVM'].map((repository) => ({
      ...{ repository, pins: {}, trees: {} },
    }));
    const siteWith = (maxReaders: number) =>
      siteOf(createPrismaReader(prisma, { now: () => NOW }), {
        archive,
        stacks: [{ name: 'raku', repositories }],
        live: { pollMs: 20, maxReaders },
      }).site;
    [served, full] = await Promise.all([serveSite(siteWith(100)), serveSite(siteWith(0))]);
    url = served.url;
  });
  after(async () => {
    await browser?.close();
    for (const each of [served, full]) each?.stop();
    await database?.close();
  });

  const open = (options?: Omit<WatchOptions, 'hosts'>) =>
    openWatched(browser, { hosts: [url, full.url].map((each) => new URL(each).host), ...options });

  let count = 0;
  /** After all ids of the seed, each newer than the one before. */
  async function addRun(change: Partial<Prisma.RunUncheckedCreateInput> = {}): Promise<string> {
    const some = await database.database.prisma.run.findFirstOrThrow({ where: { kind: 'pull-request' } });
    count += 1;
    // The database says when, as it does for the bot.
    const { manifest: _, flappers: __, changedAt: ___, ...columns } = some;
    const id = `z${String(count).padStart(4, '0')}`;
    const fresh = { id, state: 'building', verdict: null, why: null, finishedAt: null, createdAt: NOW };
    const { prisma } = database.database;
    await prisma.run.create({ data: { ...columns, previousId: null, ...fresh, title: `New ${id}`, ...change } });
    return id;
  }
  const update = (id: string, data: Prisma.RunUpdateInput) =>
    database.database.prisma.run.update({ where: { id }, data });

  const following = (page: Page) => page.locator('#live-line', { hasText: 'Live' }).waitFor();
  const row = (page: Page, id: string) => page.locator(`[data-run="${id}"]`);
  const ids = (page: Page) =>
    page.locator('.run').evaluateAll((rows) => rows.map((each) => each.getAttribute('data-run')));
  const topOf = async (page: Page, id: string) => (await row(page, id).boundingBox())!.y;

  test('a run comes on top when it is made, and changes where it stands', async () => {
    const { page, done } = await open();
    await page.goto(url);
    await page.locator('body').evaluate((body) => body.setAttribute('data-loaded', 'once'));
    await following(page);
    const id = await addRun();
    await row(page, id).waitFor();
    assert.equal((await ids(page))[0], id);
    const top = await topOf(page, id);
    await update(id, { state: 'finished', verdict: 'failed', why: 'One of them' });
    await row(page, id).getByText('failed').waitFor();
    assert.equal(await topOf(page, id), top);
    assert.equal(await page.locator('body').getAttribute('data-loaded'), 'once');
    await done();
  });

  test('while somebody points at the list new runs wait, and nothing moves', async () => {
    const { page, done } = await open();
    await page.goto(url);
    await following(page);
    const [first] = await ids(page);
    await row(page, first!).hover();
    const top = await topOf(page, first!);
    await addRun();
    const id = await addRun();
    const show = page.getByRole('button', { name: /^Show \d+ new runs?$/ });
    await until(async () => (await show.textContent()) === 'Show 2 new runs');
    assert.equal(await topOf(page, first!), top);
    assert.equal(await row(page, id).count(), 0);
    await show.click();
    await row(page, id).waitFor();
    assert.equal((await ids(page))[0], id);
    await done();
  });

  test('the next page goes on after the last row, and follows what is on it', async () => {
    const { page, done } = await open();
    await page.goto(url);
    const last = (await ids(page)).at(-1)!;
    await page.getByRole('link', { name: 'Older runs' }).click();
    await page.waitForURL(`**before=${last}`);
    await following(page);
    const shown = await ids(page);
    assert.ok(shown.every((id) => id! < last));
    await update(shown[3]!, { title: 'Changed long after' });
    await row(page, shown[3]!).getByText('Changed long after').waitFor();
    await addRun();
    await update(shown[4]!, { title: 'Changed even later' });
    await row(page, shown[4]!).getByText('Changed even later').waitFor();
    assert.deepEqual(await ids(page), shown);
    await page.getByRole('link', { name: 'Newest' }).click();
    await page.waitForURL(`${url}/runs`);
    await done();
  });

  test('a filtered list asks for the page when something comes, which may fit or not', async () => {
    const { page, done } = await open();
    await page.goto(`${url}/runs?verdict=failed`);
    await following(page);
    await page.mouse.move(0, 0);
    const other = await addRun({ verdict: 'passed', state: 'finished' });
    const fitting = await addRun({ verdict: 'failed', state: 'finished' });
    await row(page, fitting).waitFor();
    assert.equal(await row(page, other).count(), 0);
    await page.locator('#runs[data-stream=open]').waitFor();
    await done();
  });

  test('a hidden page follows nothing; shown again it knows what it missed', async () => {
    const { page, done } = await open();
    await page.goto(url);
    await following(page);
    const hide = (isHidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    await hide(true);
    await until(async () => (await page.locator('#live-line').textContent()) === '');
    const id = await addRun();
    await hide(false);
    await row(page, id).waitFor();
    await done();
  });

  test('who is refused the stream asks for the page instead, and misses nothing', async () => {
    const { page, done } = await open({ expected: /503/ });
    await page.goto(full.url);
    const id = await addRun();
    await row(page, id).waitFor();
    assert.equal(await page.locator('#live-line').textContent(), '');
    await done();
  });

  test('filters are found, used and kept in the address', async () => {
    const { page, done } = await open();
    await page.goto(url);
    assert.equal(await page.getByLabel('Author', { exact: true }).isVisible(), false);
    await page.getByLabel('Title, branch, author or commit').fill('lazy');
    await page.getByText('More filters').click();
    await page.getByLabel('Author', { exact: true }).fill('LIZMAT');
    await page.getByLabel('Back-end').selectOption('obs');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.waitForURL(`${url}/runs?text=lazy&author=LIZMAT&backend=obs`);
    const rows = await page.locator('.run').allTextContents();
    assert.ok(rows.length > 0 && rows.every((text) => /lazy/i.test(text) && text.includes('lizmat')));
    assert.equal(await page.getByLabel('Author', { exact: true }).isVisible(), true, 'what is used is unfolded');
    await page.getByRole('link', { name: 'Clear' }).click();
    await page.waitForURL(`${url}/runs`);
    await done();
  });

  test('without JavaScript lists are filtered and paged, and an unfinished one renews itself', async () => {
    const { page, done } = await open({ javaScriptEnabled: false });
    await page.goto(url);
    assert.equal(await page.locator('noscript meta[http-equiv=refresh], meta[http-equiv=refresh]').count(), 1);
    await page.getByText('More filters').click();
    await page.getByLabel('Branch', { exact: true }).fill('main');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.waitForURL(/ref=main/);
    assert.ok((await page.locator('.run').count()) > 0);
    await page.goto(`${url}/stacks/raku`);
    assert.ok((await page.locator('.stack tbody tr').count()) > 0);
    await done();
  });

  test('the stack: which commits were tested together, page by page, and on to a run', async () => {
    const { page, done } = await open();
    await page.goto(url);
    await page.getByRole('link', { name: 'Stack', exact: true }).click();
    await page.waitForURL(`${url}/stacks/raku`);
    const titles = await page.locator('.stack tbody tr').allTextContents();
    await page.getByRole('link', { name: 'Older' }).click();
    await page.waitForURL(/before=/);
    const older = await page.locator('.stack tbody tr').allTextContents();
    assert.ok(older.length > 0 && older.every((text) => !titles.includes(text)));
    await page.locator('.stack .run-title').first().click();
    await page.waitForURL(/\/runs\//);
    await done();
  });

  test('a badge is a picture, and the feed is there', async () => {
    const { page, done } = await open();
    // Another site's page: this one has no origin at all.
    const badges = ['rakudo/rakudo', 'Raku/nqp', 'nobody/knows'].map(
      (name) => `<img src="${url}/badge/${name}.svg" alt="">`,
    );
    await page.setContent(`<p>${badges.join(' ')}</p>`);
    const widths = () => page.locator('img').evaluateAll((images) => images.map((each) => each.clientWidth));
    await until(async () => (await widths()).every((width) => width > 40));
    await screenshot(page, 'badges');
    const feed = await fetch(`${url}/feed.atom`);
    assert.match(await feed.text(), /<entry>/);
    await done();
  });

  for (const width of [390, 1440]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`every page fits ${width} px and can be read by all, ${colorScheme}`, async () => {
        const { page, done } = await open({ viewport: { width, height: 900 }, colorScheme });
        const pages = {
          list: '/',
          filtered: '/runs?text=fix&author=lizmat',
          hostile: '/runs?text=script',
          stack: '/stacks/raku',
          'stack-older': '/stacks/raku?limit=5',
          none: '/runs?text=nobody-wrote-this',
        };
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(url + path);
          await assertFits(page);
          await assertAccessible(page);
          await screenshot(page, `lists-${name}-${width}-${colorScheme}`);
        }
        await done();
      });
    }
  }
});
