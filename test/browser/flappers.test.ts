import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { PULL, type TestsWorld, testsWorld } from '../adapters/site-tests-world.ts';
import { later } from '../support/builders.ts';
import { aFailure, tests } from '../support/readings.ts';
import { type ServedSite, serveSite } from '../support/served-site.ts';
import { assertFits, openWatched, screenshot, startChromium, type WatchOptions } from './chromium.ts';

const DAY = 86_400;

/** A test that says what went wrong, as Raku's do. */
const LOG = `${[
  'Running tests in t/spec/S17-procasync',
  't/spec/S17-procasync/basic.t ........................ ok',
  '# Failed test \u001b[31m"the process was killed in time"\u001b[0m',
  '# at t/spec/S17-procasync/kill.rakudo.moar line 47',
  'not ok 3 - the process was killed in time',
  '# expected: 0',
  `#      got: ${'9'.repeat(300)}`,
  't/spec/S17-procasync/kill.t .........................',
  'Dubious, test returned 1 (wstat 256, 0x100)',
  'Failed 1/12 subtests',
  'Test Summary Report',
].join('\n')}\n`;

describe('flappers and failures in a browser', () => {
  let world: TestsWorld;
  let served: ServedSite;
  let browser: Browser;
  let host: string;

  before(async () => {
    world = await testsWorld([
      { name: 't/spec/S17-procasync/kill.t', issue: 'https://github.com/rakudo/rakudo/issues/4212' },
      { name: 't/spec/S32-num/stress.t', until: '2026-06-30' },
    ]);
    await fill(world);
    served = await serveSite(world.site);
    host = new URL(served.url).host;
    browser = await startChromium();
  });
  after(async () => {
    await browser?.close();
    served?.stop();
    await world?.close();
  });

  const looks: [string, Partial<WatchOptions>][] = [
    ['wide and light', {}],
    ['narrow and dark', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }],
    ['without JavaScript', { javaScriptEnabled: false }],
  ];
  const pages: [string, string, RegExp][] = [
    ['list', '/flappers?show=failed', /Suggested for the list/],
    ['file', '/flappers/file?name=t/spec/S17-supply/syntax.t', /Newest failures/],
    ['failed run', '/runs/p2', /What failed/],
  ];
  for (const [look, options] of looks) {
    for (const [name, path, words] of pages) {
      test(`the ${name}, ${look}, fits and complains about nothing`, async () => {
        const watched = await openWatched(browser, { hosts: [host], ...options });
        await watched.page.goto(`http://${host}${path}`);
        assert.match((await watched.page.locator('main').textContent()) ?? '', words);
        await assertFits(watched.page);
        await screenshot(watched.page, `flappers ${name} ${look}`);
        await watched.done();
      });
    }
  }

  test('the suggestion can be copied, and a filter leads to an address worth sharing', async () => {
    const permissions = ['clipboard-read', 'clipboard-write'];
    const watched = await openWatched(browser, { hosts: [host], permissions });
    await watched.page.goto(`http://${host}/flappers`);
    await watched.page.getByRole('button', { name: /^Copy: / }).click();
    await watched.page.getByText('Copied').waitFor();
    const copied = await watched.page.evaluate('navigator.clipboard.readText()');
    assert.match(String(copied), /^# 4 flaps in 8 runs.*\n- name: "t\/spec\/S17-supply\/syntax\.t"\n/);
    await watched.page.getByLabel('Test file').fill('syntax');
    await watched.page.getByRole('button', { name: 'Filter' }).click();
    await watched.page.waitForURL(`http://${host}/flappers?file=syntax`);
    assert.equal(await watched.page.locator('table.rows tbody tr').count(), 1);
    await watched.done();
  });

  test('the line of a failure leads into the log', async () => {
    const watched = await openWatched(browser, { hosts: [host] });
    await watched.page.goto(`http://${host}/runs/p2`);
    await watched.page.getByRole('link', { name: 'line 5', exact: true }).click();
    await watched.page.waitForURL(/\/runs\/p2\/jobs\/job-p2\?attempt=1#L5$/);
    assert.match((await watched.page.locator('#L5').textContent()) ?? '', /not ok 3/);
    await watched.done();
  });
});

async function fill(world: TestsWorld): Promise<void> {
  const kill = 't/spec/S17-procasync/kill.t';
  const syntax = 't/spec/S17-supply/syntax.t';
  const calm = ['t/01-sanity/01-literals.t', 't/02-rakudo/99-misc.t'];
  for (const at of [0, 1, 2, 3]) {
    const then = later((at * 9 + 2) * -DAY);
    const [job, sourceSet] = ['Lin_MVM_relocatable', `s${at}`];
    await world.told({ id: `a${at}`, job, sourceSet, at: then }, tests(calm, [kill, aFailure(syntax, { line: 4321 })]));
    await world.told({ id: `b${at}`, job, sourceSet, at: then, verdict: 'passed' }, tests([...calm, kill, syntax]));
  }
  await world.told({ id: 'm1' }, tests([kill, syntax], [...calm.slice(1)]));
  await world.told({ id: 'p1', subject: PULL }, tests([kill, syntax], calm));
  const failed = [
    aFailure(kill, { line: 5 }),
    aFailure(calm[1]!, { line: 9, signal: 'SEGV', exit: undefined }),
    calm[0]!,
  ];
  const otherFailures = [{ line: 11, text: 'make: *** [Makefile:1042: m-spectest] Error 1' }];
  const attempt = await world.told({ id: 'p2', subject: PULL }, { ...tests([syntax], failed), otherFailures });
  const log = await world.archive.openLog(attempt);
  await log.append(Buffer.from(LOG));
}
