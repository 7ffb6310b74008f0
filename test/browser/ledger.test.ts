import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { seedDatabase } from '../../prisma/seed.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { memoryArchive, NOW, siteOf } from '../adapters/site-fakes.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type ServedSite, serveSite } from '../support/served-site.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';
import { addTroubles, UNREAD_KEY } from './troubles.ts';

/** The ledger, the list of runs and the service page on a bad day: lost hooks, parked rows, polls in trouble, and the
 *  morning after an absence. */
describe('a bad day in a browser', { timeout: 600_000 }, () => {
  let database: TestDatabase;
  let served: ServedSite;
  let browser: Browser;
  let url: string;
  before(async () => {
    [database, browser] = await Promise.all([testDatabase(), startChromium()]);
    const { prisma } = database.database;
    const archive = memoryArchive();
    await seedDatabase(prisma, archive, { now: NOW });
    await addTroubles(prisma, NOW);
    const { site } = siteOf(createPrismaReader(prisma, { now: () => NOW }), {
      archive,
      limits: { catchUpRunsPerMinute: 5, building: 20 },
    });
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

  test('a command is copied by its button, and starts exactly this row again', async () => {
    const { context, page, done } = await open();
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url });
    await page.goto(`${url}/ledger`);
    await page.getByRole('button', { name: `Copy: npx rcb replay ${UNREAD_KEY}` }).click();
    await page
      .getByRole('button', { name: `Copy: npx rcb replay ${UNREAD_KEY}` })
      .getByText('Copied')
      .waitFor();
    assert.equal(await page.evaluate('navigator.clipboard.readText()'), `npx rcb replay ${UNREAD_KEY}`);
    await done();
  });

  test('from the totals to what a poll repaired, and from the short list to the whole', async () => {
    const { page, done } = await open();
    await page.goto(`${url}/ledger`);
    assert.equal(await page.getByRole('link', { name: 'hook.noted' }).count(), 0);
    await page.getByRole('link', { name: 'Show all', exact: true }).click();
    await page.getByRole('link', { name: 'hook.noted' }).first().waitFor();
    await page.getByRole('link', { name: 'last hour' }).click();
    await page.waitForURL(/noted=shown.*over=hour/);
    await page.locator('.totals dd a').click();
    await page.waitForURL(/told=poll/);
    const lags = await page.locator('.ledger-facts tbody tr').allTextContents();
    assert.ok(lags.length > 0 && lags.every((text) => text.includes('repaired')));
    await page.getByLabel('State').selectOption('done');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.waitForURL(/told=poll/);
    assert.match(page.url(), /over=hour/, 'the form keeps the chosen time');
    await done();
  });

  test('without JavaScript the commands are there, and no button that does nothing', async () => {
    const { page, done } = await open({ javaScriptEnabled: false });
    await page.goto(`${url}/ledger`);
    await page.getByText(`npx rcb replay ${UNREAD_KEY}`).waitFor();
    assert.equal(await page.getByRole('button', { name: /Copy/ }).count(), 0);
    await done();
  });

  for (const width of [390, 1440]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`every page fits ${width} px, ${colorScheme}`, async () => {
        const { page, done } = await open({ viewport: { width, height: 900 }, colorScheme });
        const pages = {
          runs: '/',
          ledger: '/ledger',
          all: '/ledger?noted=shown&over=hour',
          repaired: '/ledger?told=poll',
          none: '/ledger?kind=nothing',
          unread: `/ledger/fact?key=${UNREAD_KEY}`,
          service: '/service',
        };
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(url + path);
          await assertFits(page);
          await screenshot(page, `bad-day-${name}-${width}-${colorScheme}`);
        }
        await done();
      });
    }
  }
});
