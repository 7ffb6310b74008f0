import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Debian's Chromium, watched: what a page complains about, or asks of other hosts, fails the test that saw it. */

const EXECUTABLE = '/usr/bin/chromium';
const QUIET = '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking';
const QUIETER = '--disable-component-update --disable-sync';

/** With a new, empty profile. */
export async function startChromium(): Promise<Browser> {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(`The browser tests need ${EXECUTABLE}. Please run: apt-get install chromium`);
  }
  return chromium.launch({ executablePath: EXECUTABLE, args: `${QUIET} ${QUIETER}`.split(' ') });
}

export interface Watched {
  context: BrowserContext;
  page: Page;
  /** Close it, and fail if anything was amiss. */
  done(): Promise<void>;
}

export interface WatchOptions extends BrowserContextOptions {
  /** The only hosts that may be asked, `localhost:3000`. */
  hosts: string[];
  /** Complaints that belong to the story. */
  expected?: RegExp;
}

export async function openWatched(browser: Browser, watch: WatchOptions): Promise<Watched> {
  const { hosts, expected, ...options } = watch;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(45_000);
  const complaints: string[] = [];
  context.on('request', (request) => {
    if (!hosts.includes(new URL(request.url()).host)) complaints.push(`asked another host: ${request.url()}`);
  });
  // A violated content security policy is told here, too.
  context.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      complaints.push(`${message.page()?.url()}: console ${message.type()}: ${message.text()}`);
    }
  });
  context.on('weberror', (error) => complaints.push(`uncaught: ${error.error().stack}`));
  return {
    context,
    page: await context.newPage(),
    async done() {
      await context.close();
      assert.deepEqual(
        complaints.filter((complaint) => !expected?.test(complaint)),
        [],
      );
    },
  };
}

/** The page itself never scrolls sideways; what is wide has a scroll bar of its own. */
export async function assertFits(page: Page): Promise<void> {
  const sizes = (html: { scrollWidth: number; clientWidth: number }) => [html.scrollWidth, html.clientWidth] as const;
  const [content, window] = await page.locator('html').evaluate(sizes);
  assert.ok(content <= window, `${page.url()} is ${content} px wide in a window of ${window} px`);
}

const SCREENSHOTS = join(import.meta.dirname, 'screenshots');

/** For people to look at; not in the repository, and not where nobody looks. */
export async function screenshot(page: Page, name: string): Promise<void> {
  if (process.env['CI']) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}
