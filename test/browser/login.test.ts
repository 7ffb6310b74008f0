import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { type Demo, startDemo } from '../demo/demo.ts';
import { until } from '../support/until.ts';
import { assertAccessible } from './axe.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';

/** A newcomer of the demo logs in at the stand-in GitHub, as whom he likes, and presses the buttons of runs. */
describe('logging in and pressing buttons in a browser', { timeout: 600_000 }, () => {
  let demo: Demo;
  let browser: Browser;
  before(async () => {
    [demo, browser] = await Promise.all([startDemo({ path: process.env.PATH }), startChromium()]);
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  const open = (options: Partial<WatchOptions> = {}) =>
    openWatched(browser, { hosts: [demo.siteUrl, demo.githubUrl].map((url) => new URL(url).host), ...options });

  /** The address of a new pull request's run, once it has ended. */
  async function ended(kind: 'passing' | 'failing', title: string): Promise<string> {
    const { headSha } = await demo.playground.open(kind, title);
    const find = () => demo.playground.checks(headSha).find(({ name }) => name === 'rcb');
    await until(() => find()?.status === 'completed', 60_000);
    return find()!.details_url!;
  }

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with' : 'without';
    test(`${how} JavaScript: from a button to GitHub and back, Re-test, and out again`, async () => {
      const run = await ended('failing', `Shed a fin ${how} script`);
      const { page, done } = await open({ javaScriptEnabled });
      await page.goto(run);
      await page.locator('#buttons').getByRole('link', { name: 'Re-test', exact: true }).click();
      await page.getByRole('heading', { name: 'Log in to rcb' }).waitFor();
      await page.getByRole('link', { name: 'you', exact: true }).click();
      await page.getByRole('button', { name: 'Log out' }).waitFor();
      assert.equal(page.url(), run, 'back at the run');
      await page.getByRole('button', { name: 'Re-test failed' }).click();
      await page.getByText('pressed Re-test failed').first().waitFor();
      const answer = page.locator('#buttons').getByText('pressed Re-test failed: done.');
      // Without a script the page renews itself every few seconds.
      await answer.waitFor({ timeout: 30_000 });
      await page.getByRole('link', { name: 'The new run' }).click();
      await page.locator('dd', { hasText: 'a button' }).waitFor();
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByRole('link', { name: 'Log in' }).waitFor();
      await done();
    });
  }

  test('a stranger is told that he may not, and a double click is one press', async () => {
    const run = await ended('passing', 'Polish the nozzle');
    const { page, done } = await open();
    demo.playground.github.createUser('passer-by');
    await page.goto(`${demo.siteUrl}/login?return=${encodeURIComponent(new URL(run).pathname)}`);
    await page.getByRole('link', { name: 'passer-by', exact: true }).click();
    await page.getByRole('button', { name: 'Re-test' }).dblclick();
    await page.getByText('pressed Re-test: not done.').waitFor({ timeout: 30_000 });
    await page.getByText('needs write permission').waitFor();
    assert.equal(await page.locator('.presses li').count(), 1);
    await assertAccessible(page);
    await screenshot(page, 'buttons-refused');
    await done();
  });

  test('who changes his mind at GitHub is told that nothing happened', async () => {
    // The answer is a 400, which Chromium writes to its console.
    const { page, done } = await open({ expected: /status of 400/ });
    await page.goto(`${demo.siteUrl}/login`);
    await page.getByRole('link', { name: 'Cancel' }).click();
    await page.getByText('You did not let RCB know who you are').waitFor();
    await assertAccessible(page);
    await done();
  });

  test('logged in and out, a run fits phone and desk, light and dark, and is read by everybody', async () => {
    const run = await ended('failing', 'Look at it from all sides');
    for (const width of [390, 1440]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page, done } = await open({ viewport: { width, height: 900 }, colorScheme });
        const look = async (what: string) => {
          await assertFits(page);
          await assertAccessible(page);
          await screenshot(page, `buttons-${what}-${width}-${colorScheme}`);
        };
        await page.goto(run);
        await look('out');
        await page.getByRole('link', { name: 'Log in' }).click();
        await page.getByRole('link', { name: 'you', exact: true }).click();
        await page.getByRole('button', { name: 'Log out' }).waitFor();
        await look('in');
        await done();
      }
    }
  });
});
