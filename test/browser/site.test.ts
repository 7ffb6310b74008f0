import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { type Demo, startDemo } from '../demo/demo.ts';
import { ROCKET } from '../demo/rocket.ts';
import { playStory } from '../demo/story.ts';
import { until } from '../support/until.ts';
import type { RunJson } from '../support/world.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';

/** What a visitor of the demo sees and does, in a real browser. */
describe('the demo in a browser', { timeout: 600_000, concurrency: 2 }, () => {
  let demo: Demo;
  let browser: Browser;
  before(async () => {
    [demo, browser] = await Promise.all([startDemo({ path: process.env['PATH'] }), startChromium()]);
    await playStory({ playground: demo.playground, say: () => {}, sinceStart: () => 0 });
    // For the pages of runs that wait, and of runs that had nothing to do.
    await demo.playground.open('fork', 'A stranger brings a parachute');
    await demo.playground.open('nothing', 'Remove the tests');
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  const open = (options?: Omit<WatchOptions, 'hosts'>) => {
    const hosts = [demo.siteUrl, demo.playUrl, demo.githubUrl].map((url) => new URL(url).host);
    return openWatched(browser, { hosts, ...options });
  };

  async function runs(query = ''): Promise<RunJson[]> {
    const response = await fetch(`${demo.siteUrl}/api/runs${query}`);
    return ((await response.json()) as { runs: RunJson[] }).runs;
  }

  async function runOf(sha: string, isWanted: (run: RunJson) => boolean): Promise<RunJson> {
    let found: RunJson | undefined;
    await until(async () => {
      found = (await runs(`?sha=${sha}`))[0];
      return found !== undefined && isWanted(found);
    });
    return found!;
  }

  const withVerdict = async (verdict: string) => (await runs(`?verdict=${verdict}`))[0]!;
  const runUrl = (run: RunJson) => `${demo.siteUrl}/runs/${run.id}`;
  const logUrl = (run: RunJson) => run.builds[0]!.jobs[0]!.logUrl!.replace(/\/log\.txt.*$/, '');
  const isRunning = (run: RunJson) => run.builds[0]?.jobs[0]?.state === 'running';

  test('the list of runs shows the story, and can be filtered', async () => {
    const { page, done } = await open();
    await page.goto(demo.siteUrl);
    const shown = await page.locator('.run').allTextContents();
    const ofStory = shown.filter((text) => /Burn the first|five engines|Hold the rocket/.test(text));
    assert.deepEqual(ofStory.map((text) => /passed|failed|superseded/.exec(text)?.[0]).sort(), [
      'failed',
      'passed',
      'passed',
      'superseded',
    ]);
    await page.getByLabel('Verdict').selectOption('failed');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.waitForURL(/verdict=failed/);
    assert.equal(await page.locator('.run').count(), 1);
    await done();
  });

  test("from the list to a failed run, to its log, to a line of it, and to GitHub's page", async () => {
    const { page, done } = await open();
    await page.goto(demo.siteUrl);
    await page.getByRole('link', { name: /five engines/ }).click();
    await page.getByRole('heading', { level: 1, name: /five engines/ }).waitFor();
    await page.getByRole('link', { name: 'local / ci/run' }).first().click();
    await page.locator('#L5').waitFor();
    assert.match((await page.locator('#log').textContent())!, /not ok 1 - ignition/);
    assert.ok((await page.locator('#log .ansi-red-fg').count()) > 0, 'red lines are red');
    assert.ok((await page.locator('#log .ansi-green-fg').count()) > 0, 'green lines are green');
    await page.locator('#L5 > a').click();
    await page.waitForURL(/#L5$/);
    const marked = await backgroundOf(page, '#L5');
    assert.notEqual(marked, await backgroundOf(page, '#L4'));
    // A link that somebody sent: the line is marked from the start.
    const { href } = new URL(page.url());
    await page.goto('about:blank');
    await page.goto(href);
    await page.locator('#L5.marked').waitFor();
    await page.goBack();
    await page.goto(runUrl(await withVerdict('failed')));
    await page.getByRole('link', { name: '#2' }).first().click();
    await page.waitForURL(`${demo.githubUrl}/${ROCKET}/pull/2`);
    await page.getByText('local / ci/run', { exact: true }).waitFor();
    await done();
  });

  const backgroundOf = (page: Page, selector: string) =>
    page
      .locator(selector)
      .evaluate((element) => element.ownerDocument.defaultView!.getComputedStyle(element).backgroundColor);

  test('an unfinished run and its growing log become finished without a reload', async () => {
    const pull = await demo.playground.open('slow', 'Watched while it runs');
    const run = await runOf(pull.headSha, isRunning);
    const onRun = await open();
    const onLog = await open();
    await Promise.all([onRun.page.goto(runUrl(run)), onLog.page.goto(logUrl(run))]);
    await onRun.page.locator('#run[data-live]').waitFor();
    for (const { page } of [onRun, onLog]) {
      await page.locator('body').evaluate((body) => body.setAttribute('data-loaded', 'once'));
    }
    const before = await onLog.page.locator('#log .line').count();
    await onLog.page.locator(`#log .line:nth-child(${before + 2})`).waitFor();
    await screenshot(onRun.page, 'run-building-1440-light');
    await screenshot(onLog.page, 'log-live-1440-light');

    await demo.playground.close(pull.number);
    await onRun.page.locator('.badge-large', { hasText: 'cancelled' }).waitFor();
    await onLog.page.locator('.badge-large', { hasText: 'cancelled' }).waitFor();
    for (const { page, done } of [onRun, onLog]) {
      assert.equal(await page.locator('body').getAttribute('data-loaded'), 'once');
      await done();
    }
  });

  test('the ledger tells what was heard, and the service page how the bot is', async () => {
    const { page, done } = await open();
    await page.goto(`${demo.siteUrl}/runs`);
    await page.getByRole('link', { name: 'Ledger' }).click();
    await page.getByRole('link', { name: 'pull-request.hinted' }).first().click();
    await page.getByRole('heading', { name: 'Sightings' }).waitFor();
    await page.getByRole('cell', { name: 'hook', exact: true }).first().waitFor();
    await page.getByRole('link', { name: 'Service' }).click();
    await page.getByText('all is well').waitFor();
    await page.getByText('2 slots').waitFor();
    await page.getByRole('row', { name: /acme +.*yes/ }).waitFor();
    await page.getByRole('link', { name: 'Demo' }).click();
    await page.waitForURL(demo.playUrl);
    await done();
  });

  test('a pull request that is opened by the form gets its checks and a finished run', async () => {
    const { page, done } = await open();
    await page.goto(demo.playUrl);
    await page.getByLabel('Open a pull request', { exact: true }).last().fill('Paint <it> & "shine"');
    await page.getByLabel('What it does').selectOption('passing');
    await page.getByRole('button', { name: 'Open it' }).click();
    const card = page.locator('.pull', { hasText: 'Paint <it> & "shine"' });
    await card.getByText('success').first().waitFor();
    await card.locator('li', { hasText: 'rcb' }).getByText('success').waitFor();
    await card.locator('li', { hasText: 'rcb' }).getByRole('link', { name: 'Details' }).click();
    await page.waitForURL(/\/runs\//);
    await page.locator('.badge-large', { hasText: 'passed' }).waitFor();
    await done();
  });

  test('the forms push, comment, close and commit, and a fork waits for a maintainer', async () => {
    const { page, done } = await open();
    await page.goto(demo.playUrl);
    await page.getByLabel('Open a pull request', { exact: true }).last().fill('From far away');
    await page.getByLabel('What it does').selectOption('fork');
    await page.getByRole('button', { name: 'Open it' }).click();
    const card = page.locator('.pull', { hasText: 'From far away' });
    await card
      .getByText(/a maintainer has to allow the test/)
      .first()
      .waitFor();
    const head = await card.locator('code').first().textContent();

    await card.getByRole('button', { name: 'Push a commit' }).click();
    await until(async () => (await card.locator('code').first().textContent()) !== head);
    await card.getByPlaceholder('Looks good').fill('<b>Please</b> test this');
    await card.getByRole('button', { name: 'Comment' }).click();
    await card.getByText('<b>Please</b> test this').waitFor();
    await card.getByRole('button', { name: 'Close' }).click();
    await page.locator('.closed', { hasText: 'From far away' }).waitFor();

    await page.getByLabel('Commit to main').getByRole('textbox').fill('Grease the launch pad');
    await page.getByRole('button', { name: 'Commit to main' }).click();
    await page.locator('#main-now').getByText('success').first().waitFor();
    // Its other builds take longer.
    await until(async () => (await runs('?ref=main'))[0]!.verdict === 'passed');
    await done();
  });

  test("the play page takes no form of another site, and says what is wrong with one's own", async () => {
    const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
      fetch(new URL(path, demo.playUrl), { method: 'POST', headers, body: new URLSearchParams(form) });
    const form = { title: 'Forged', kind: 'passing' };
    assert.equal((await post('/open', form, { Origin: 'https://evil.example' })).status, 403);
    assert.equal((await post('/open', form, { Origin: 'null' })).status, 403);
    assert.equal((await post('/open', form, { 'Sec-Fetch-Site': 'cross-site' })).status, 403);
    const empty = await post('/open', { ...form, title: ' ' });
    assert.equal(empty.status, 400);
    assert.match(await empty.text(), /The title is empty/);
    assert.match(await (await post('/close', { number: '999' })).text(), /There is no pull request #999/);
    assert.equal((await post('/comment', { number: '1', text: 'x'.repeat(70_000) })).status, 400);
    assert.ok(!demo.playground.pulls().some((pull) => pull.title === 'Forged'));
  });

  test('without JavaScript everything is readable, pages refresh themselves, and forms work', async () => {
    const { page, done } = await open({ javaScriptEnabled: false });
    await page.goto(demo.playUrl);
    await page.getByLabel('Open a pull request', { exact: true }).last().fill('By hand');
    await page.getByRole('button', { name: 'Open it' }).click();
    const card = page.locator('.pull', { hasText: 'By hand' });
    await card.locator('li', { hasText: 'rcb' }).getByRole('link', { name: 'Details' }).click();
    await page.waitForURL(/\/runs\//);
    await page.locator('.badge-large', { hasText: 'passed' }).waitFor();
    await page.getByRole('link', { name: 'local / ci/run' }).first().click();
    await page.locator('#L5').waitFor();
    assert.match((await page.locator('#log').textContent())!, /ready for launch/);
    await page.goto(`${demo.siteUrl}/runs?verdict=failed`);
    assert.equal(await page.locator('.run').count(), 1);
    await done();
  });

  for (const width of [390, 1440]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`every page fits ${width} px, ${colorScheme}`, async () => {
        const viewport = { width, height: 900 };
        const { page, done } = await open({ viewport, colorScheme, expected: /no-such-page.*404/ });
        for (const [name, url] of Object.entries(await everyPage())) {
          await page.goto(url);
          await assertFits(page);
          await screenshot(page, `${name}-${width}-${colorScheme}`);
        }
        const [red = 0, green = 0, blue = 0] = (await backgroundOf(page, 'body')).match(/\d+/g)!.map(Number);
        assert.equal(red + green + blue < 384 ? 'dark' : 'light', colorScheme);
        await done();
      });
    }
  }

  async function everyPage(): Promise<Record<string, string>> {
    const [passed, failed, superseded] = await Promise.all(['passed', 'failed', 'superseded'].map(withVerdict));
    const { siteUrl, playUrl, githubUrl } = demo;
    const pull = `${githubUrl}/${ROCKET}/pull/2`;
    const checkRun = demo.playground.checks(failed!.change.sha).at(-1)!.html_url!;
    const { facts } = (await (await fetch(`${siteUrl}/api/ledger`)).json()) as { facts: { key: string }[] };
    return {
      runs: siteUrl,
      'runs-none': `${siteUrl}/runs?verdict=error`,
      'run-passed': runUrl(passed!),
      'run-failed': runUrl(failed!),
      'run-superseded': runUrl(superseded!),
      'run-waiting': runUrl((await runs('?state=waiting'))[0]!),
      'run-neutral': runUrl((await runs()).find((run) => run.state === 'finished' && run.verdict === null)!),
      'log-passed': logUrl(passed!),
      'log-failed': `${logUrl(failed!)}#L5`,
      ledger: `${siteUrl}/ledger`,
      fact: `${siteUrl}/ledger/fact?key=${encodeURIComponent(facts[0]!.key)}`,
      service: `${siteUrl}/service`,
      'not-found': `${siteUrl}/no-such-page`,
      'github-repository': `${githubUrl}/${ROCKET}`,
      'github-pull': pull,
      'github-check': checkRun,
      play: playUrl,
    };
  }
});
