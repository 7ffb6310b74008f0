import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { type Demo, startDemo } from '../demo/demo.ts';
import { PAYLOAD } from '../demo/rocket.ts';
import { until } from '../support/until.ts';
import { assertAccessible } from './axe.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';

/** The demo's private repository, before those who may read it and before all others. */
describe('a private repository in a browser', { timeout: 300_000 }, () => {
  let demo: Demo;
  let browser: Browser;
  let run: string;
  before(async () => {
    [demo, browser] = await Promise.all([startDemo({ path: process.env.PATH }), startChromium()]);
    const rocket = await demo.playground.open('passing', 'Burn a second longer');
    const payload = await demo.playground.openPrivately('Take a telescope along', 'you');
    const find = () => demo.playground.checks(payload.headSha, PAYLOAD).find(({ name }) => name === 'rcb');
    await until(() => find()?.status === 'completed', 60_000);
    await until(() => demo.playground.checks(rocket.headSha).some(({ status }) => status === 'completed'), 60_000);
    run = find()!.details_url!;
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  const open = (options: Partial<WatchOptions> = {}) =>
    openWatched(browser, { hosts: [demo.siteUrl, demo.githubUrl].map((url) => new URL(url).host), ...options });

  /** By the link of the page that one is at. */
  async function logInAs(page: Page, login: string): Promise<void> {
    await page.getByRole('link', { name: 'Log in' }).first().click();
    await page.getByRole('link', { name: login, exact: true }).click();
    await page.getByRole('button', { name: 'Log out' }).waitFor();
  }

  for (const width of [390, 1440]) {
    test(`from a page that is not there to the run, ${width} px wide`, async () => {
      // The first answer is a 404, which Chromium writes to its console.
      const { page, done } = await open({ viewport: { width, height: 900 }, expected: /status of 404/ });
      await page.goto(run);
      await page.getByRole('heading', { name: 'Not found' }).waitFor();
      await page.getByText('shown to those who may read that one at GitHub').waitFor();
      await assertFits(page);
      await assertAccessible(page);
      await screenshot(page, `private-out-${width}`);
      await logInAs(page, 'you');
      assert.equal(page.url(), run, 'back at the run');
      await page.getByRole('heading', { name: 'Take a telescope along' }).waitFor();
      await page.getByText(PAYLOAD).first().waitFor();
      await page.locator('.crumbs .tag', { hasText: 'private' }).waitFor();
      await assertFits(page);
      await assertAccessible(page);
      await screenshot(page, `private-in-${width}`);
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByText('Burn a second longer').waitFor();
      assert.equal(await page.getByText('telescope').count(), 0);
      await done();
    });
  }

  test('the list shows it to the crew, live, and to nobody else', async () => {
    const crew = await open();
    const stranger = await open();
    for (const { page } of [crew, stranger]) await page.goto(`${demo.siteUrl}/runs`);
    demo.playground.github.createUser('passer-by');
    await logInAs(crew.page, 'you');
    await logInAs(stranger.page, 'passer-by');
    await crew.page.getByText('Take a telescope along').waitFor();
    await demo.playground.openPrivately('Take a spoon along', 'you');
    await demo.playground.open('passing', 'Burn a third second longer');
    for (const { page } of [crew, stranger]) await page.getByText('Burn a third second longer').first().waitFor();
    await crew.page.getByText('Take a spoon along').first().waitFor();
    assert.equal(await stranger.page.getByText(/telescope|spoon/).count(), 0);
    await screenshot(crew.page, 'private-list-crew');
    await screenshot(stranger.page, 'private-list-stranger');
    await crew.done();
    await stranger.done();
  });
});
