import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { memoryArchive, NOW, siteOf } from '../adapters/site-fakes.ts';
import { addStack, DIGEST, STACK } from '../adapters/site-stack.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type ServedSite, serveSite } from '../support/served-site.ts';
import { until } from '../support/until.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';

/** The pages of runs of a stack: manifest, re-test, wishes to merge, timeline, a broken pin, and a wait for a word. */
describe('the run of a stack in a browser', { timeout: 600_000 }, () => {
  let database: TestDatabase;
  let served: ServedSite;
  let browser: Browser;
  let url: string;
  before(async () => {
    [database, browser] = await Promise.all([testDatabase(), startChromium()]);
    const { prisma } = database.database;
    await addStack(prisma, NOW);
    const { site } = siteOf(createPrismaReader(prisma, { now: () => NOW }), { archive: memoryArchive() });
    served = await serveSite(site);
    url = served.url;
  });
  after(async () => {
    await browser?.close();
    served?.stop();
    await database?.close();
  });

  const open = (options?: Omit<WatchOptions, 'hosts'>) =>
    openWatched(browser, { hosts: [new URL(url).host], ...options });

  const unfold = async (page: Page) => {
    for (const fold of await page.locator('details > summary').all()) await fold.click();
  };

  test('the commands that make the source trees are unfolded and copied', async () => {
    const { context, page, done } = await open();
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url });
    await page.goto(`${url}/runs/${STACK.again}`);
    const copy = page.locator('#reproduce').getByRole('button', { name: 'Copy' });
    assert.equal(await copy.isVisible(), false, 'folded');
    await page.getByText('Make the source trees by hand').click();
    await copy.click();
    await page.locator('#reproduce').getByText('Copied').waitFor();
    const copied = String(await page.evaluate('navigator.clipboard.readText()'));
    assert.equal(copied.split('\n')[0], 'git clone https://github.example/rakudo/rakudo.git rakudo');
    assert.equal(copied, await page.locator('#reproduce pre').textContent());
    await done();
  });

  test('from a re-test to the run before it, and to its log', async () => {
    const { page, done } = await open();
    await page.goto(`${url}/runs/${STACK.again}`);
    await page.getByRole('link', { name: 'the run before' }).click();
    await page.getByRole('link', { name: 'the run after' }).waitFor();
    await page.getByRole('link', { name: 'local / test' }).click();
    await page.getByRole('heading', { level: 1, name: 'local / test' }).waitFor();
    await done();
  });

  test('a timeline leads to the fact of each line', async () => {
    const { page, done } = await open();
    await page.goto(`${url}/runs/${STACK.again}`);
    assert.equal(await page.getByText('lizmat asked for {re-test latest}').isVisible(), false, 'folded');
    await page.getByRole('heading', { name: 'Timeline' }).click();
    const line = page.locator('#timeline-fold tr', { hasText: 'lizmat asked for {re-test latest}' });
    await line.getByRole('link').click();
    await page.getByText('command.seen').first().waitFor();
    await done();
  });

  test('what was opened on an unfinished run stays open, and copies, when the page is renewed', async () => {
    const { prisma } = database.database;
    const { page, done } = await open();
    await page.goto(`${url}/runs/${STACK.waiting}`);
    await page.getByRole('button', { name: 'Copy: {re-test}' }).waitFor();
    await page.getByText('Make the source trees by hand').click();
    // While the focus is in there, it is left alone.
    await page.getByRole('heading', { level: 1 }).click();
    await prisma.run.update({ where: { id: STACK.waiting }, data: { title: 'Renewed' } });
    try {
      await page.getByRole('heading', { name: 'Renewed' }).waitFor();
      assert.equal(await page.locator('#reproduce pre').isVisible(), true, 'what was opened stays open');
      assert.equal(await page.getByRole('button', { name: 'Copy: {re-test}' }).count(), 1);
      await prisma.run.update({ where: { id: STACK.waiting }, data: { state: 'resolving', why: null } });
      await page.getByText('Choosing commits').waitFor();
      await until(async () => (await page.getByRole('button', { name: 'Copy: {re-test}' }).count()) === 0);
    } finally {
      await prisma.run.update({ where: { id: STACK.waiting }, data: { state: 'waiting', title: 'Waited' } });
    }
    await done();
  });

  test('without JavaScript folds open, and no button does nothing', async () => {
    const { page, done } = await open({ javaScriptEnabled: false });
    await page.goto(`${url}/runs/${STACK.again}`);
    await page.getByText('Make the source trees by hand').click();
    await page.getByText('git -C rakudo fetch origin refs/pull/812/head').waitFor();
    await page.locator('.digest summary').first().click();
    await page.getByRole('link', { name: `/archive/${DIGEST}` }).waitFor();
    assert.equal(await page.getByRole('button', { name: /Copy/ }).count(), 0);
    await done();
  });

  for (const width of [390, 1440]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`every page fits ${width} px, ${colorScheme}`, async () => {
        const { page, done } = await open({ viewport: { width, height: 900 }, colorScheme });
        for (const [name, id] of Object.entries(STACK)) {
          await page.goto(`${url}/runs/${id}`);
          await assertFits(page);
          await screenshot(page, `stack-${name}-${width}-${colorScheme}`);
          await unfold(page);
          await assertFits(page);
          await screenshot(page, `stack-${name}-unfolded-${width}-${colorScheme}`);
        }
        await done();
      });
    }
  }
});
