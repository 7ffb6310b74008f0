import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';

/** axe-core on a page as it is shown now. It is put there by the debugger, past the page's content security policy. */

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const OPTIONS: RunOptions = {
  resultTypes: ['violations'],
  // All that axe knows, its "best practices" too; but for what is not settled, and what asks for a person's eyes.
  runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] },
};

/** What axe finds amiss, in words; the first few places of each rule. */
export async function axeComplaints(page: Page): Promise<string[]> {
  await page.evaluate(SOURCE);
  const { violations } = (await page.evaluate(`axe.run(document, ${JSON.stringify(OPTIONS)})`)) as AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    // A line's number is as high as its line: WCAG 2.5.8 excepts targets that are constrained by the text beside them.
    (id === 'target-size' ? nodes.filter(({ html }) => !html.includes('data-n=')) : nodes)
      .slice(0, 3)
      .map(({ target, html, failureSummary = '' }) => {
        const why = failureSummary.replace(/\s+/g, ' ').replace(/^Fix (?:any|all) of the following: /, '');
        return `${id} at ${target}: ${html.slice(0, 120)} (${nodes.length} places) ${why.slice(0, 250)}`;
      }),
  );
}

export async function assertAccessible(page: Page): Promise<void> {
  assert.deepEqual(await axeComplaints(page), [], page.url());
}
