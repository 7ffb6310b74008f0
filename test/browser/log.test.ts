import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { ago, aJob, memoryReader, siteOf, withJob } from '../adapters/site-fakes.ts';
import {
  anAttempt,
  azureLog,
  hostileLog,
  type LogWorld,
  logWorld,
  obsLog,
  RUNNING,
  runWithLog,
} from '../adapters/site-logs.ts';
import { type ServedSite, serveSite } from '../support/served-site.ts';
import { until } from '../support/until.ts';
import { assertAccessible } from './axe.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';

/** The page of a log, as a reader of it has it: by keyboard, by mouse, while it grows, and without JavaScript. */
describe('a log in a browser', { timeout: 600_000 }, () => {
  let logs: LogWorld;
  let served: ServedSite;
  let browser: Browser;
  let url: string;

  const LONG = Array.from({ length: 9_000 }, (_, i) => {
    if (i === 3_499 || i === 3_599 || i === 7_999) return `not ok ${i + 1} - failure`;
    return i % 1_000 === 122 ? `line ${i + 1} has a needle` : `line ${i + 1}`;
  });
  const live = runWithLog('live', RUNNING, { state: 'building', verdict: undefined });
  const runs = [
    runWithLog('green', { finishedAt: ago(90_000) }, { title: 'Yesterday' }),
    withJob(
      aJob({
        name: 'azure / Linux',
        verdict: 'failed',
        attempts: [
          anAttempt('red-a', { verdict: 'failed', number: 2, why: '1 test failed' }),
          anAttempt('red-b', { verdict: 'error' }),
        ],
      }),
      { id: 'red', verdict: 'failed' },
    ),
    withJob(aJob({ name: 'azure / Linux', attempts: [anAttempt('before-a')] }), { id: 'before', title: 'Yesterday' }),
    runWithLog('obs', { verdict: 'failed' }),
    runWithLog('long', { verdict: 'failed' }),
    runWithLog('hostile', { verdict: 'failed' }),
    runWithLog('gone', { logRemovedAt: ago(90_000), verdict: 'failed' }),
    runWithLog('within', { verdict: 'failed' }),
    runWithLog('deep', RUNNING, { state: 'building', verdict: undefined }),
    live,
  ];
  const jobUrl = (run: string, query = '') => `${url}/runs/${run}/jobs/job1${query}`;

  before(async () => {
    [logs, browser] = await Promise.all([logWorld(), startChromium()]);
    await logs.write('green-a', azureLog({ fails: false }));
    await logs.write('before-a', azureLog({ fails: false, seed: 3 }));
    await logs.write('red-a', azureLog());
    await logs.write('obs-a', obsLog());
    await logs.write('long-a', `${LONG.join('\n')}\n`);
    await logs.write('hostile-a', hostileLog());
    await logs.write(
      'within-a',
      `##[section]Starting: Test\n##[group]t/spec\n${LONG.join('\n')}\n##[endgroup]\nbehind\n`,
    );
    await logs.write('deep-a', `##[group]Long\n${LONG.slice(0, 1_500).join('\n')}\n`, false);
    await logs.write('live-a', `${LONG.slice(0, 200).join('\n')}\n##[group]Grows\n`, false);
    const { site } = siteOf(memoryReader(runs), { archive: logs.archive });
    served = await serveSite(site);
    url = served.url;
  });
  after(async () => {
    await browser?.close();
    served?.stop();
    await logs?.remove();
  });

  const open = (options?: Omit<WatchOptions, 'hosts'>) =>
    openWatched(browser, { hosts: [new URL(url).host], ...options });

  const isShown = (page: Page, line: number): Promise<boolean> =>
    page.locator(`#L${line}`).evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      const view = element.ownerDocument.defaultView!;
      return top >= 0 && bottom <= view.innerHeight && bottom > top;
    });
  const seen = (page: Page, line: number) => until(() => isShown(page, line));

  test('keys lead from failure to failure, over the pages of the log, and say when there are no more', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('long'));
    await page.locator('#L1').waitFor();
    await page.keyboard.press('e');
    await page.waitForURL(/line=3500.*#L3500$/);
    await seen(page, 3500);
    await page.keyboard.press('n');
    await page.waitForURL(/#L3600$/);
    await page.locator('#L3600.marked').waitFor();
    await seen(page, 3600);
    await page.keyboard.press('p');
    await page.waitForURL(/#L3500$/);
    await page.keyboard.press('n');
    await page.keyboard.press('n');
    await page.waitForURL(/#L8000$/);
    await seen(page, 8000);
    await page.keyboard.press('n');
    await page.getByText('Nothing more behind this').waitFor();
    assert.match(page.url(), /line=8000/, 'the reader stays');
    await page.keyboard.press('p');
    await page.waitForURL(/#L3600$/);
    await done();
  });

  test('one-key shortcuts are switched off by the keyboard, stay off, move nothing, and come back', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('long'));
    const keys = page.getByLabel('One-key shortcuts');
    const find = page.getByRole('link', { name: 'First failure' });
    const search = page.getByLabel('Search this log');
    const places = async () => [await find.boundingBox(), await search.boundingBox()];
    const before = await places();
    const isOff = async () => {
      assert.equal(await keys.isChecked(), false);
      await page.keyboard.press('e');
      await page.keyboard.press('/');
      assert.equal(await search.evaluate((element) => element.matches(':focus')), false);
      assert.equal(await page.locator('[aria-keyshortcuts]').count(), 0);
      assert.equal(await find.locator('kbd').isVisible(), false);
      assert.deepEqual(await places(), before);
      assert.doesNotMatch(page.url(), /line=/);
    };
    await page.getByRole('link', { name: /Next failure/ }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await isOff();
    await assertAccessible(page);
    await screenshot(page, 'log-keys-off-1440-light');
    await page.reload();
    await isOff();
    // A second page, opened before, learns of it.
    const other = await page.context().newPage();
    await other.goto(jobUrl('red'));
    assert.equal(await other.getByLabel('One-key shortcuts').isChecked(), false);
    await keys.check();
    await other.locator('#log-keys:checked').waitFor();
    await page.keyboard.press('e');
    await page.waitForURL(/line=3500.*#L3500$/);
    await done();
  });

  test('a browser that keeps nothing switches the keys off for the page', async () => {
    const { page, done } = await open();
    await page.addInitScript(
      "Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })",
    );
    await page.goto(jobUrl('long'));
    await page.getByLabel('One-key shortcuts').uncheck();
    await page.keyboard.press('/');
    assert.equal(await page.getByLabel('Search this log').evaluate((element) => element.matches(':focus')), false);
    await page.getByLabel('One-key shortcuts').check();
    await page.keyboard.press('/');
    await page.locator('input[name="q"]:focus').waitFor();
    await done();
  });

  test('a search is begun by a key, counts, and its matches are stepped through', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('long'));
    await page.locator('#L1').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('NEEDLE');
    await page.keyboard.press('Enter');
    await page.getByText('9 lines with “NEEDLE”').waitFor();
    await page.locator('#L123.marked mark', { hasText: 'needle' }).waitFor();
    await seen(page, 123);
    await page.keyboard.press('n');
    await page.waitForURL(/#L1123$/);
    await seen(page, 1123);
    await page.locator('#log-hits a', { hasText: '8,123' }).click();
    await page.waitForURL(/#L8123$/);
    await page.keyboard.press('p');
    await page.waitForURL(/#L7123$/);
    assert.equal(await page.locator('input[name="q"]').inputValue(), 'NEEDLE');
    await page.getByRole('link', { name: 'Clear the search' }).click();
    await page.locator('mark').first().waitFor({ state: 'detached' });
    await done();
  });

  test('a line and a range are anchors: clicked, shift-clicked, sent, and far from the page that is shown', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('long'));
    await page.locator('#L10 > a').click();
    await page.waitForURL(/#L10$/);
    await page.locator('#L13 > a').click({ modifiers: ['Shift'] });
    await page.waitForURL(/#L10-L13$/);
    assert.equal(await page.locator('.marked').count(), 4);
    await page.goto('about:blank');
    await page.goto(`${jobUrl('long')}#L6000-L6002`);
    await page.locator('#L6001.marked').waitFor();
    await seen(page, 6000);
    assert.equal(await page.locator('.marked').count(), 3);
    await page.getByLabel('Go to line').fill('42');
    await page.getByLabel('Go to line').press('Enter');
    await page.locator('#L42.marked').waitFor();
    await seen(page, 42);
    await done();
  });

  test('groups fold, an anchor in a folded one opens it, and a fold is worked by the keyboard', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('red'));
    assert.equal(await page.locator('#L20').isVisible(), false);
    await page.locator('#L7 .text').click();
    assert.equal(await page.locator('#L20').isVisible(), true);
    await page.locator('#L7').focus();
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('#L20').isVisible(), false);
    await page.goto(`${jobUrl('red')}#L20`);
    await page.locator('#L20.marked').waitFor();
    assert.equal(await page.locator('#L20').isVisible(), true);
    await done();
  });

  test('a window within a group has its name above it, folds by it, and its number leads to where it began', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('within', '?line=5000'));
    await seen(page, 5000);
    const group = page.locator('summary.around', { hasText: 't/spec' });
    await assertAccessible(page);
    await page
      .getByText(/^Lines 4,750 to 5,749 of/)
      .first()
      .waitFor();
    await group.focus();
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('#L5000').isVisible(), false);
    await screenshot(page, 'log-within-1440-light');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('#L5000').isVisible(), true);
    await group.locator('[data-n]').click();
    await page.waitForURL(/line=2#L2$/);
    await page.locator('#L2.marked', { hasText: 't/spec' }).waitFor();
    await done();
  });

  test('what comes to a growing log within a group goes on in it, and after its end outside', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('deep'));
    await seen(page, 1501);
    assert.equal(await page.locator('summary.around').count(), 1);
    await page
      .getByText(/^Lines 502 to 1,501 of/)
      .first()
      .waitFor();
    await logs.write('deep-a', 'in it\n##[endgroup]\noutside\n', false);
    await page.locator('#L1504').waitFor();
    assert.equal(await page.locator('details > #L1502').count(), 1);
    assert.equal(await page.locator('#log > #L1504').count(), 1);
    await page
      .getByText(/^Lines 502 to 1,504 of/)
      .first()
      .waitFor();
    await done();
  });

  test('a growing log is followed at its end, left alone when the reader scrolls up, and ends', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('live'));
    await page.locator('#log-live').waitFor();
    await seen(page, 201);
    await logs.write('live-a', 'half', false);
    await page.locator('#L202', { hasText: /^half$/ }).waitFor();
    await logs.write('live-a', ' and whole\n##[endgroup]\nafter the group\n##[section]Starting: Next\nin it\n', false);
    await page.locator('#L206').waitFor();
    await seen(page, 206);
    assert.equal(await page.locator('details > #L202').textContent(), 'half and whole');
    assert.equal(await page.locator('#log > #L204').count(), 1, 'outside of the group');
    assert.equal(await page.locator('details[data-phase] > #L206').count(), 1);
    assert.equal(await page.locator('#L202').count(), 1, 'no line twice');

    await page.evaluate('scrollTo(0, 300)');
    const place = await page.evaluate('scrollY');
    await logs.write('live-a', `${LONG.slice(0, 30).join('\n')}\n`, false);
    await page.getByText('30 new lines below').waitFor();
    assert.equal(await page.evaluate('scrollY'), place);
    await screenshot(page, 'log-scrolled-up-1440-light');
    await page.getByText('30 new lines below').click();
    await seen(page, 236);
    await page.getByText(/new lines? below/).waitFor({ state: 'hidden' });
    await logs.write('live-a', 'the end\n');
    await page.locator('#L237').waitFor();
    await seen(page, 237);

    const attempt = live.builds[0]!.jobs[0]!.attempts[0]!;
    Object.assign(attempt, { state: 'finished', verdict: 'passed', finishedAt: ago(0) });
    await page.locator('.badge-large', { hasText: 'passed' }).waitFor();
    await page.locator('#log-live').waitFor({ state: 'detached' });
    await done();
  });

  test('without JavaScript: links lead to failures, folds open, a search and a line are a form', async () => {
    const { page, done } = await open({ javaScriptEnabled: false });
    await page.goto(jobUrl('long'));
    assert.equal(await page.getByText('One-key shortcuts').isVisible(), false);
    assert.equal(await page.locator('.step kbd').first().isVisible(), false);
    await page.getByRole('link', { name: 'First failure' }).click();
    await page.waitForURL(/#L3500$/);
    await seen(page, 3500);
    await page.getByRole('link', { name: 'Next failure' }).click();
    await page.waitForURL(/#L3600$/);
    await page.getByRole('link', { name: 'Next failure' }).click();
    await page.waitForURL(/#L8000$/);
    await page.getByRole('link', { name: 'Previous failure' }).click();
    await page.waitForURL(/#L3600$/);
    await page.getByLabel('Search this log').fill('needle');
    await page.getByRole('button', { name: 'Find' }).click();
    await page.getByText('9 lines with “needle”').waitFor();
    await seen(page, 123);
    await page.getByRole('link', { name: 'Next match' }).click();
    await seen(page, 1123);
    await page.getByLabel('Go to line').fill('5000-5002');
    await page.getByRole('button', { name: 'Find' }).click();
    await page.locator('#L5002.marked').waitFor();
    await seen(page, 5000);
    await page.goto(jobUrl('red'));
    await page.locator('#L7 .text').click();
    await page.locator('#L20', { hasText: 'cc -c' }).waitFor();
    await done();
  });

  test('from a failed log to what differs from the green one, and back into both', async () => {
    const { page, done } = await open();
    await page.goto(jobUrl('red'));
    await page.getByRole('link', { name: 'Compare with the last green run' }).click();
    await page.getByText('4 lines only here, 2 lines only in the green run').waitFor();
    await assertAccessible(page);
    await page.getByRole('link', { name: 'Line 59 of the green run' }).click();
    await page.locator('#L59.marked', { hasText: /ok 2 - the new/ }).waitFor();
    await page.goBack();
    await page.getByRole('link', { name: 'Line 60 of this log' }).click();
    await page.locator('#L60.marked', { hasText: "Failed test 'the new" }).waitFor();
    await done();
  });

  test('what a build writes runs nothing and leaves the page whole', async () => {
    const { page, done } = await open();
    for (const query of ['', '?q=script', '/compare']) {
      await page.goto(query === '/compare' ? `${jobUrl('hostile')}/compare` : jobUrl('hostile', query));
      assert.equal(await page.locator('#main img, #main script').count(), 0);
      assert.equal(await page.locator('footer').isVisible(), true);
      await assertFits(page);
    }
    await done();
  });

  const PAGES: Record<string, string> = {
    'log-azure': 'red',
    'log-obs': 'obs',
    'log-search': 'long?q=needle&line=123',
    'log-hostile': 'hostile',
    'log-gone': 'gone',
  };

  for (const width of [390, 1440]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`every log page fits ${width} px, ${colorScheme}, and axe has nothing to say`, async () => {
        const { page, done } = await open({ viewport: { width, height: 900 }, colorScheme });
        for (const [name, path] of Object.entries(PAGES)) {
          const [run, query] = path.split('?') as [string, string?];
          await page.goto(jobUrl(run, query ? `?${query}&count=60` : ''));
          await assertFits(page);
          await assertAccessible(page);
          await page
            .locator('#log-failures summary')
            .click({ timeout: 1_000 })
            .catch(() => {});
          await screenshot(page, `${name}-${width}-${colorScheme}`);
        }
        await page.goto(`${jobUrl('red')}/compare`);
        await assertFits(page);
        await assertAccessible(page);
        await screenshot(page, `log-compare-${width}-${colorScheme}`);
        await done();
      });
    }
  }
});
