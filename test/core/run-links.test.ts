import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linkedRuns } from '../../src/core/run-links.ts';

const SITE = 'https://rcb.example/at';
const ONE = '01m7ys8mqp5za1g6prz84kknhy';
const TWO = '01m7ys8mtrkrkfrmxaamakjj4n';

const texts: [title: string, text: string, ids: string[]][] = [
  ['nothing', 'It fails.', []],
  ['a page', `See ${SITE}/runs/${ONE}.`, [ONE]],
  ['a job, a log, a line of it', `${SITE}/runs/${ONE}/jobs/x#L7 and <${SITE}/runs/${TWO}/jobs/y/log.txt>`, [ONE, TWO]],
  ['in Markdown, twice', `[this](${SITE}/runs/${ONE}) [that](${SITE}/runs/${ONE})`, [ONE]],
  ['of another site', `https://other.example/runs/${ONE}`, []],
  ['within the address of another site', `https://other.example/?to=${SITE}/runs/${ONE}`, []],
  ['an id that is too long, or too short', `${SITE}/runs/${ONE}a ${SITE}/runs/${ONE.slice(1)}`, []],
  ['the list of runs', `${SITE}/runs/?state=failed`, []],
];
for (const [title, text, ids] of texts) {
  test(`runs linked to: ${title}`, () => assert.deepEqual(linkedRuns(text, SITE), ids));
}

test('of any text at most fifty ids come back, each as ids are', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom(`${SITE}/runs/`, ONE, TWO, ' '));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
      const ids = linkedRuns(pieces.join(''), SITE);
      assert.ok(ids.length <= 50 && ids.every((id) => /^[0-9a-z]{26}$/.test(id)));
    }),
    { seed: 7 },
  );
  const many = Array.from({ length: 90 }, (_, at) => `${SITE}/runs/${String(at).padStart(26, '0')}`).join(' ');
  assert.equal(linkedRuns(many, SITE).length, 50);
});
