import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { seedDatabase } from '../../prisma/seed.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { logIn, loginWorld } from '../adapters/login-fakes.ts';
import { memoryArchive, NOW } from '../adapters/site-fakes.ts';
import { addGrid, addReadings, EVIL, GRID, SLY } from '../adapters/site-grid.ts';
import { addHouse } from '../adapters/site-house.ts';
import { addStack, STACK } from '../adapters/site-stack.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type ServedSite, serveSite } from '../support/served-site.ts';
import { axeComplaints } from './axe.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';
import { addTroubles, UNREAD_KEY } from './troubles.ts';

/**
 * Every page, as everybody may meet it: by eye and by ear, wide and narrow, light and dark, with and without JavaScript,
 * with what strangers named to do harm. A complaint of the content security policy, or any other on the console, fails
 * the test that walks there.
 */
const RAKU = ['rakudo/rakudo', 'Raku/nqp', 'MoarVM/MoarVM'];

describe('every page is for everybody', { timeout: 900_000 }, () => {
  let database: TestDatabase;
  let served: ServedSite;
  let browser: Browser;
  let url: string;
  let pages: Record<string, string>;
  /** Of somebody who has logged in. */
  let session: Record<string, string>;
  before(async () => {
    [database, browser] = await Promise.all([testDatabase(), startChromium()]);
    const { prisma } = database.database;
    const archive = memoryArchive();
    await seedDatabase(prisma, archive, { now: NOW });
    await addTroubles(prisma, NOW);
    await addStack(prisma, NOW);
    const files = await addGrid(prisma, archive, NOW);
    await addHouse(prisma);
    await addReadings(prisma, NOW);
    const reader = createPrismaReader(prisma, { now: () => NOW });
    const backend = (name: string, ok: boolean) => ({ name, kind: name, ok, note: ok ? '2 slots, 1 in use' : EVIL });
    const world = loginWorld(reader, {
      archive,
      knownFlappers: [{ name: 't/spec/S17-procasync/kill.t', issue: 'https://github.com/rakudo/rakudo/issues/4212' }],
      limits: { catchUpRunsPerMinute: 5, building: 20 },
      stacks: [{ name: 'raku', repositories: RAKU.map((repository) => ({ repository, pins: {}, trees: {} })) }],
      backends: async () => [backend('azure', true), backend('obs', false), backend('local', true)],
    });
    session = (await logIn(world)).jar.headers;
    served = await serveSite(world.site);
    url = served.url;
    const bySeed = async (verdict: 'failed' | 'error') =>
      (await reader.listRuns({ repository: 'rakudo/rakudo', verdict }, { limit: 5 })).rows.find(
        ({ id }) => id.length === 26,
      )!;
    pages = {
      runs: '/',
      'runs-none': '/runs?verdict=cancelled&repository=no/such',
      'runs-failed': '/runs?verdict=failed',
      ...Object.fromEntries(Object.entries({ ...STACK, ...GRID }).map(([name, id]) => [`run-${name}`, `/runs/${id}`])),
      'run-seed': `/runs/${(await bySeed('failed')).id}`,
      'log-hostile': `/runs/${GRID.hostile}/jobs/${GRID.hostile}-j0`,
      'log-running': `/runs/${GRID.running}/jobs/${GRID.running}-j0`,
      'log-gone': `/runs/${GRID.failed}/jobs/${GRID.failed}-j0`,
      'log-queued': `/runs/${GRID.running}/jobs/${GRID.running}-j12`,
      'files-zip': `/archive/${files.zip.sha256}/moar.zip/files`,
      'files-tar': `/archive/${files.tar.sha256}/x.tar.gz/files`,
      'files-folder': `/archive/${files.tar.sha256}/x.tar.gz/files?in=a/b/c`,
      ledger: '/ledger',
      'ledger-all': '/ledger?noted=shown&over=hour',
      'ledger-none': '/ledger?kind=nothing',
      'fact-unread': `/ledger/fact?key=${UNREAD_KEY}`,
      service: '/service',
      'error-not-found': '/no-such-page',
      'error-odd': '/runs?verdict=maybe',
      'error-gone': `/archive/${'e1'.repeat(32)}`,
      flappers: '/flappers',
      'flappers-none': '/flappers?file=no-such-file',
      'flappers-file': `/flappers/file?${new URLSearchParams({ name: 't/spec/S17-procasync/kill.t' })}`,
      'flappers-hostile': `/flappers/file?${new URLSearchParams({ name: SLY })}`,
      'login-refused': '/login/callback?error=access_denied',
      stacks: '/stacks/raku',
      compare: `/runs/${GRID.running}/jobs/${GRID.running}-j0/compare`,
    };
  });
  after(async () => {
    await browser?.close();
    served?.stop();
    await database?.close();
  });

  /** An address that is wrong by intent is told on the console, too. */
  const WRONG = /(?:no-such-page|verdict=maybe|archive\/e1e1|access_denied|favicon).*status of (?:40\d|410)/s;
  const open = (options?: Omit<WatchOptions, 'hosts'>) =>
    openWatched(browser, { hosts: [new URL(url).host], expected: WRONG, ...options });

  const unfold = (page: Page) =>
    page.locator('body').evaluate((body) => {
      for (const fold of body.querySelectorAll('details')) fold.setAttribute('open', '');
    });

  for (const width of [390, 1440]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`axe finds nothing, and all fits: ${width} px, ${colorScheme}`, { timeout: 300_000 }, async () => {
        const { page, done } = await open({ viewport: { width, height: 900 }, colorScheme });
        const complaints: string[] = [];
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(url + path);
          await assertFits(page);
          await screenshot(page, `all-${name}-${width}-${colorScheme}`);
          const look = async () => complaints.push(...(await axeComplaints(page)).map((words) => `${name}: ${words}`));
          // Folded, the sizes of targets differ; colours do not.
          if (colorScheme === 'light') await look();
          await unfold(page);
          await assertFits(page);
          await look();
        }
        assert.deepEqual(complaints, []);
        await done();
      });
    }
  }

  test('who has logged in sees who that is, and the buttons', async () => {
    for (const options of [{}, { viewport: { width: 390, height: 900 }, colorScheme: 'dark' as const }]) {
      const { page, done } = await open({ ...options, extraHTTPHeaders: session });
      for (const name of ['run-failed', 'run-running', 'run-hostile', 'runs', 'service']) {
        await page.goto(url + pages[name]);
        await page.getByRole('button', { name: 'Log out' }).waitFor();
        await assertFits(page);
        await screenshot(page, `logged-in-${name}-${options.viewport?.width ?? 1440}`);
        assert.deepEqual(await axeComplaints(page), [], name);
      }
      await done();
    }
  });

  test('without JavaScript every page has its heading, its navigation and its content', async () => {
    const { page, done } = await open({ javaScriptEnabled: false });
    for (const path of Object.values(pages)) {
      await page.goto(url + path);
      assert.equal(await page.getByRole('main').count(), 1, path);
      assert.ok(await page.getByRole('heading', { level: 1 }).first().isVisible(), path);
      assert.ok(await page.getByRole('link', { name: 'Ledger', exact: true }).first().isVisible(), path);
      assert.equal(
        await page.locator('button:not(form button), button[type=button]').count(),
        0,
        `${path}: a button that does nothing`,
      );
    }
    await done();
  });

  test('whatever strangers call things, no script of theirs runs and no link leads to one', async () => {
    const { page, done } = await open();
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    const hostile = Object.entries(pages).filter(([name]) => /hostile|files|runs|service|log|flappers/.test(name));
    for (const [, path] of hostile) {
      await page.goto(url + path);
      await unfold(page);
      assert.equal(await page.locator('main script, main img, main iframe, main [onerror]').count(), 0, path);
      const links = await page.locator('a[href]').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
      assert.deepEqual(
        links.filter((href) => !/^(?:[/#?]|https?:\/\/)/.test(href ?? '')),
        [],
        path,
      );
    }
    assert.deepEqual(dialogs, []);
    await done();
  });

  test('a file of an archive is shown as text or saved, and never run', async () => {
    const { page, done } = await open();
    await page.goto(url + pages['files-zip']);
    await unfold(page);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'passwd' }).click(),
    ]);
    assert.equal(download.suggestedFilename(), 'passwd');
    const shown = await page.request.get(
      new URL((await page.getByRole('link', { name: 'deep.log' }).getAttribute('href'))!, url).href,
    );
    const {
      'content-type': type,
      'content-security-policy': policy,
      'x-content-type-options': sniff,
    } = shown.headers();
    assert.deepEqual([type, sniff], ['text/plain; charset=utf-8', 'nosniff']);
    assert.match(policy!, /sandbox/);
    assert.equal(await shown.text(), 'This is a/b/c/d/deep.log\n');
    await done();
  });

  test('by keyboard alone: past the navigation, into the grid, and to a log', async () => {
    const { page, done } = await open();
    await page.goto(`${url}/runs/${GRID.failed}`);
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to content');
    await page.keyboard.press('Enter');
    const cell = page.locator('.cell').first();
    for (let presses = 0; presses < 60 && !(await cell.evaluate((link) => link.matches(':focus'))); presses++)
      await page.keyboard.press('Tab');
    assert.ok(await cell.evaluate((link) => link.matches(':focus-visible')), 'the focus can be seen');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/jobs\//);
    await done();
  });

  const focused = (page: Page) => page.locator(':focus').textContent();

  test('the exact time is there for whoever points at a relative one', async () => {
    const { page, done } = await open();
    for (const path of ['/', `/runs/${GRID.failed}`, '/service']) {
      await page.goto(url + path);
      const times = await page
        .locator('time')
        .evaluateAll((all) => all.map((time) => [time.textContent, time.getAttribute('title')]));
      assert.ok(times.length > 0, path);
      for (const [text, title] of times)
        if (/ago|^in /.test(text!))
          assert.match(title ?? '', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/, `${path}: ${text}`);
    }
    await done();
  });

  test('an unfinished page moves nothing when it is renewed', async () => {
    const { page, done } = await open();
    await page.goto(`${url}/runs/${GRID.running}`);
    const places = () =>
      page
        .locator('h2')
        .evaluateAll((all) => all.map((heading) => [heading.textContent, heading.getBoundingClientRect().top]));
    const before = await places();
    await page.locator('#run').evaluate((run) => run.setAttribute('data-first', ''));
    // The same page again, as the script puts it in place.
    await database.database.prisma.run.update({
      where: { id: GRID.running },
      data: { title: 'Collect even less often' },
    });
    await page.getByRole('heading', { name: 'Collect even less often' }).waitFor();
    assert.deepEqual(await places(), before);
    await done();
  });
});
