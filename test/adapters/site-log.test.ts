import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { openFolds } from '../../src/core/log-folds.ts';
import { readLogLine } from '../../src/core/log-line.ts';
import { foldedLines, logLines } from '../../src/site/pages/log-lines.ts';
import type { Reader, RunDetails } from '../../src/site/reader.ts';
import type { SiteOptions } from '../../src/site/site.ts';
import { ago, aJob, memoryReader, type SiteWorld, siteOf, withJob } from './site-fakes.ts';
import {
  anAttempt,
  azureLog,
  HOSTILE,
  hostileLog,
  type LogWorld,
  logWorld,
  obsLog,
  RUNNING,
  runWithLog,
} from './site-logs.ts';

/** The page of a log, over logs as they lie on disk. */

const numbersOf = (page: string): number[] => [...page.matchAll(/ id="L(\d+)"/g)].map((match) => Number(match[1]));
const lineOf = (page: string, number: number): string =>
  new RegExp(`<(?:div|summary) class="line[^>]* id="L${number}".*?</(?:div|summary)>`, 's').exec(page)?.[0] ?? '';
/** Heads of what began before the window: line and flags. */
const headsOf = (page: string): string[] =>
  [...page.matchAll(/<details class="lines"([^>]*)><summary class="line around"[^>]*><span data-n="(\d+)">/g)].map(
    ([, flags, line]) => `${line}${flags}`,
  );
const textOf = (html: string): string => html.replace(/<[^>]*>/g, '');

describe('the page of a log', () => {
  let logs: LogWorld;
  before(async () => {
    logs = await logWorld();
  });
  after(() => logs.remove());

  const worldOf = (runs: RunDetails[], reader: Partial<Reader> = {}, options: Partial<SiteOptions> = {}): SiteWorld =>
    siteOf({ ...memoryReader(runs), ...reader }, { archive: logs.archive, ...options });

  /** One run, whose job has this log. */
  async function oneLog(id: string, text: string | Buffer, reader: Partial<Reader> = {}): Promise<SiteWorld> {
    await logs.write(`${id}-a`, text);
    return worldOf([runWithLog(id, { verdict: 'failed' })], reader);
  }

  const numbered = (count: number) => Array.from({ length: count }, (_, i) => `line ${i + 1}\n`).join('');

  test('?line= opens around it, marks it and puts the focus there; a range is marked whole', async () => {
    const world = await oneLog('line', numbered(5000));
    const page = await world.text('/runs/line/jobs/job1?line=3000-3002');
    const numbers = numbersOf(page);
    assert.equal(numbers.length, 1000);
    assert.ok(numbers[0]! > 2500 && numbers[0]! < 3000, `${numbers[0]}`);
    for (const marked of [3000, 3001, 3002]) assert.match(lineOf(page, marked), /class="line marked"/);
    assert.doesNotMatch(lineOf(page, 3003), /marked/);
    assert.match(lineOf(page, 3000), /href="#L3000"[^>]* autofocus/);
    assert.equal(page.match(/ autofocus/g)?.length, 1);
    const last = numbersOf(await world.text('/runs/line/jobs/job1?line=4999'));
    assert.deepEqual([last[0], last.at(-1)], [4001, 5000]);
    assert.equal(numbersOf(await world.text('/runs/line/jobs/job1?line=L3-L2'))[0], 1);
    for (const odd of ['0', 'x', '1-2-3', '99999999999', '-1']) {
      assert.equal((await world.get(`/runs/line/jobs/job1?line=${odd}`)).status, 400, odd);
    }
  });

  test("Azure's times are a column, its marks are dim, its groups fold", async () => {
    const page = await (await oneLog('azure', azureLog())).text('/runs/azure/jobs/job1');
    assert.match(page, /class="log timed"/);
    const first = lineOf(page, 1);
    assert.match(first, /<span class="at" title="2026-11-21T10:00:07.0001234Z">10:00:07<\/span>/);
    assert.match(first, /<span class="cmd">##\[section\]<\/span>Starting: Build/);
    assert.match(first, /^<summary /);
    // Prepare, Compile and 01-sanity went well and are closed; in 02-rakudo something failed.
    const folds = [...page.matchAll(/<details class="lines"([^>]*)><summary [^>]*id="L(\d+)"/g)];
    assert.deepEqual(
      folds.map(([, flags, line]) => `${line}${flags}`),
      ['1 open data-phase', '2', '7', '52 open data-phase', '53', '57 open'],
    );
    assert.equal((page.match(/<details/g) ?? []).length, (page.match(/<\/details>/g) ?? []).length);
    assert.equal(numbersOf(page).length, 64);
    // A group in which a line was asked for is open.
    assert.match(
      await (await oneLog('azure2', azureLog())).text('/runs/azure2/jobs/job1?line=20'),
      /open><summary [^>]*id="L7"/,
    );
  });

  test('a window that opens within a group has its name at the top, and ends it where it ends', async () => {
    const long = [
      '##[section]Starting: Test',
      'prove',
      '2026-11-21T10:00:00Z ##[group]\u001b[31mt/spec <b>',
      numbered(9_000).trim(),
    ];
    const text = [...long, '##[endgroup]', 'behind it', '##[section]Starting: Pack', numbered(3_000)].join('\n');
    const world = await oneLog('within', text);
    const within = await world.text('/runs/within/jobs/job1?line=8000');
    assert.deepEqual(headsOf(within), ['1 open data-growing data-phase', '3 open data-growing']);
    assert.match(textOf(within), /##\[section\]Starting: Test\s*10:00:00##\[group\]t\/spec &lt;b&gt;/);
    assert.match(within, /class="log timed"/);
    assert.equal(numbersOf(within).length, 1000, 'beside the lines of the window');
    const over = await world.text('/runs/within/jobs/job1?from=9000&count=10');
    assert.deepEqual(headsOf(over), ['1 open data-phase', '3 open']);
    assert.match(
      over,
      /id="L9004" data-fold="end-group".*?<\/details><div class="line" id="L9005".*?<\/details><details[^>]*><summary [^>]*id="L9006"/s,
    );
    assert.deepEqual(headsOf(await world.text('/runs/within/jobs/job1?from=9006')), [], 'it begins another phase');
    assert.deepEqual(headsOf(await world.text('/runs/within/jobs/job1?from=9007')), [
      '9006 open data-growing data-phase',
    ]);
    assert.deepEqual(headsOf(await world.text('/runs/within/jobs/job1')), []);
  });

  test('what began too far away, or among too much else, is not looked for', async () => {
    const far = `##[group]far away\n${`${'x'.repeat(199)}\n`.repeat(60_000)}`;
    const page = await (await oneLog('far', far)).text('/runs/far/jobs/job1?line=59000');
    assert.doesNotMatch(page, /far away|class="line around"/);
    assert.match(lineOf(page, 59_000), /marked/);
    const near = await (await oneLog('near', far)).text('/runs/near/jobs/job1?line=17000');
    assert.match(near, /class="line around".*far away/);
    // Two of three lines are folds: the look ends early, and what it has seen until then is right.
    const odd = await oneLog('odd', '##[group]a\nx\n##[endgroup]\n'.repeat(60_000));
    const at = async (from: number) => headsOf(await odd.text(`/runs/odd/jobs/job1?count=3&from=${from}`));
    assert.deepEqual(await at(150_002), ['150001 open']);
    assert.deepEqual(await at(150_001), []);
  });

  test("OBS' seconds are a column, and its phases fold", async () => {
    const page = await (await oneLog('obs', obsLog())).text('/runs/obs/jobs/job1');
    assert.match(lineOf(page, 8), /title="77 s after the start">1:17<\/span>/);
    const folds = [...page.matchAll(/<details class="lines" open([^>]*)><summary [^>]*id="L(\d+)"/g)];
    assert.deepEqual(
      folds.map(([, flags, line]) => `${line}${flags}`),
      ['2 data-phase', '6 data-phase', '8 data-growing data-phase'],
    );
    assert.match(lineOf(page, 10), /data-mark="error".*aria-label="Line 10, error"/);
  });

  test('what failed is listed, and first, next and previous lead to it, over pages', async () => {
    const text = [
      ...numbered(4000).split('\n').slice(0, 4000),
      'not ok 1 - late',
      ...numbered(4000).split('\n').slice(0, 4000),
      '##[error]at last',
    ];
    const world = await oneLog('marks', `${text.join('\n')}\n`);
    const page = await world.text('/runs/marks/jobs/job1');
    assert.match(page, /1 line of failed tests, 1 error/);
    assert.match(page, /href="\/runs\/marks\/jobs\/job1\?line=4001&amp;attempt=1#L4001"/);
    const to = async (query: string) => {
      const response = await world.get(`/runs/marks/jobs/job1/goto?${query}`);
      assert.equal(response.status, 303);
      return response.headers.get('location');
    };
    const at = (line: number) => `/runs/marks/jobs/job1?line=${line}#L${line}`;
    assert.equal(await to('to=first'), at(4001));
    assert.equal(await to('to=next&line=1'), at(4001));
    assert.equal(await to('to=next&line=4001'), at(8002));
    assert.equal(await to('to=previous&line=8002'), at(4001));
    assert.equal(await to('to=previous&line=99999'), at(8002));
    assert.equal(await to('to=next&line=8002'), '/runs/marks/jobs/job1?line=8002&none=next');
    assert.equal(
      await to('to=previous&line=4001&attempt=1'),
      '/runs/marks/jobs/job1?attempt=1&line=4001&none=previous',
    );
    assert.match(
      await world.text('/runs/marks/jobs/job1?line=8002&none=next'),
      /role="status">Nothing more behind this/,
    );
    assert.equal(await to('to=next&line=1&q=LINE+3999'), '/runs/marks/jobs/job1?q=LINE+3999&line=3999#L3999');
    assert.equal((await world.get('/runs/marks/jobs/job1/goto?to=nowhere')).status, 400);
    assert.equal((await world.get('/runs/marks/jobs/job1/goto?to=next&attempt=9')).status, 404);
  });

  test('failed tests that were stored are listed by name, marked, and stepped to', async () => {
    const failedTests = async () => [{ line: 700, text: 't/flappy.t', kind: 'test' as const }];
    const world = await oneLog('stored', numbered(1500), { failedTests });
    const page = await world.text('/runs/stored/jobs/job1');
    assert.match(page, /line=700&amp;attempt=1#L700"><span class="number">700<\/span> <code><bdi>t\/flappy.t/);
    assert.match(lineOf(page, 700), /data-mark="test"/);
    const { headers } = await world.get('/runs/stored/jobs/job1/goto?to=first');
    assert.match(headers.get('location')!, /line=700#L700$/);
    assert.match(
      (await world.get('/runs/stored/jobs/job1/goto?to=previous&line=1200')).headers.get('location')!,
      /#L700$/,
    );
  });

  test('a search counts, lists, highlights, and opens at the first line that has it', async () => {
    const world = await oneLog('search', numbered(3000).replaceAll(/^line (\d*7)77$/gm, 'Needle <b> $1'));
    const page = await world.text('/runs/search/jobs/job1?q=needle+%3CB%3E');
    assert.match(textOf(page), /3 lines with “needle &lt;B&gt;” · 1 of 3/);
    assert.deepEqual(
      [...page.matchAll(/<li><a href="[^"]*line=(\d+)[^"]*q=needle/g)].map((match) => match[1]),
      ['777', '1777', '2777'],
    );
    assert.match(lineOf(page, 777), /<mark>Needle &lt;b&gt;<\/mark> 7/);
    assert.match(page, /name="q" value="needle &lt;B&gt;"/);
    assert.match(page, /data-find/);
    assert.match(textOf(await world.text('/runs/search/jobs/job1?q=needle&line=1777')), /· 2 of 3/);
    assert.match(await world.text('/runs/search/jobs/job1?q=nowhere'), /No line with “nowhere”/);
    assert.match(
      await world.text('/runs/search/jobs/job1?q=line'),
      /2,997 lines with “line”.*The first 2,000 are listed/s,
    );
    assert.equal((await world.get(`/runs/search/jobs/job1?q=${'x'.repeat(201)}`)).status, 400);
    assert.equal((await world.get('/runs/search/jobs/job1?q=a%0Ab')).status, 400);
    assert.match(await world.text('/runs/search/jobs/job1?q=.*'), /No line with/, 'text, not a pattern');
  });

  test('a search whose time is over says how far it came', async () => {
    await logs.write('slow-a', `${'a long line of text\n'.repeat(200_000)}needle\n`);
    let time = 0;
    const clock = {
      now() {
        time += 4_000;
        return new Date(time);
      },
    };
    const world = worldOf([runWithLog('slow')], {}, { clock });
    const page = await world.text('/runs/slow/jobs/job1?q=needle');
    assert.match(page, /No line with “needle”/);
    assert.match(page, /The log is long: this is of lines 1 to [\d,]+ of 200,001/);
    const { headers } = await world.get('/runs/slow/jobs/job1/goto?to=next&line=1&q=needle');
    assert.match(headers.get('location')!, /none=next&looked=\d+$/);
    assert.match(
      await world.text(headers.get('location')!),
      /Nothing found up to line [\d,]+, and then the time was over/,
    );
  });

  test('nothing that a build writes becomes markup, steers the terminal, or turns the page around', async () => {
    const world = await oneLog('hostile', hostileLog());
    for (const query of ['', '?q=script', '?q=%3Cscript%3E', '?line=1-5']) {
      const page = await world.text(`/runs/hostile/jobs/job1${query}`);
      assert.doesNotMatch(page, /<script>|<img|onerror='/, query);
      assert.doesNotMatch(page, /[\u001b\u0007\u0000\u202e\u2066]/, query);
      assert.equal((page.match(/<details/g) ?? []).length, (page.match(/<\/details>/g) ?? []).length);
      assert.ok(page.length < 400_000, `${page.length}`);
    }
    const page = await world.text('/runs/hostile/jobs/job1');
    assert.match(page, /⟦U\+202E⟧gnp.exe/);
    assert.match(page, /\(10,000,000 bytes, see raw\)/);
    assert.match(page, /the last line/);
    assert.equal(page.match(/<details class="lines"/g)?.length, 9, 'towers have an end');
  });

  test('a log that retention removed says when, everywhere, instead of leading to nothing', async () => {
    const logRemovedAt = new Date('2026-11-01T00:00:00Z');
    const world = worldOf([runWithLog('gone', { logRemovedAt })]);
    for (const path of ['', '/log.txt', '/compare', '/goto?to=first']) {
      const response = await world.get(`/runs/gone/jobs/job1${path}`);
      const page = await response.text();
      assert.match(page, /removed by retention on 2026-11-01/, path);
      if (path === '/log.txt' || path.startsWith('/goto')) assert.equal(response.status, 410);
      else assert.equal(response.status, 200);
      assert.doesNotMatch(page, /href="[^"]*log\.txt/, `${path} links to no raw log`);
    }
  });

  test('attempts are switched, and each has its own log', async () => {
    await logs.write('again-1', 'the first try\n');
    await logs.write('again-2', 'the second try\n');
    const attempts = [anAttempt('again-2', { number: 2 }), anAttempt('again-1', { verdict: 'failed' })];
    const world = worldOf([withJob(aJob({ attempts }), { id: 'again' })]);
    assert.match(await world.text('/runs/again/jobs/job1'), /the second try/);
    const first = await world.text('/runs/again/jobs/job1?attempt=1');
    assert.match(first, /the first try/);
    assert.match(first, /<a href="\/runs\/again\/jobs\/job1\?attempt=2">2 \(passed\)/);
    assert.match(first, /name="attempt" value="1"/, 'a search stays in its attempt');
  });

  test('a growing log is folded as far as it goes, and its new lines say how they fold', async () => {
    await logs.write('live-a', '##[group]Build\ncc one\n', false);
    const world = worldOf([runWithLog('live', RUNNING, { state: 'building' })]);
    assert.match(await world.text('/runs/live/jobs/job1'), /<details class="lines" open data-growing>/);
    await logs.write('live-a', '##[endgroup]\n##[section]Starting: Test\n', false);
    const { html } = (await (await world.get('/runs/live/jobs/job1/lines?from=2')).json()) as { html: string };
    assert.match(html, /id="L3" data-fold="end-group"/);
    assert.match(html, /id="L4" data-fold="phase" data-tone="heading"/);
    assert.doesNotMatch(html, /<details|<summary/);
  });

  describe('compared with the last green run', () => {
    const green = runWithLog('c1', { finishedAt: ago(9000) });

    test('only what differs is shown, each line linked into its log', async () => {
      await logs.write('c1-a', azureLog({ seed: 1, fails: false }));
      await logs.write('c2-a', azureLog({ seed: 5 }));
      const world = worldOf([runWithLog('c2', { verdict: 'failed' }), green]);
      assert.match(await world.text('/runs/c2/jobs/job1'), /href="\/runs\/c2\/jobs\/job1\/compare\?attempt=1"/);
      const page = await world.text('/runs/c2/jobs/job1/compare?attempt=1');
      assert.match(page, /4 lines only here, 2 lines only in the green run/);
      const rows = [...page.matchAll(/<div class="line diff-(\w+)(?: diff-moved)?">(.*?)<\/div>/gs)].map(
        ([, kind, row]) => `${kind}: ${textOf(row!)}`,
      );
      assert.deepEqual(
        rows.filter((row) => !row.startsWith('same')),
        [
          'removed: −ok 2 - the new dispatcher',
          'added: +not ok 2 - the new dispatcher',
          'added: +# Failed test &#39;the new dispatcher&#39;',
          'added: +# at t/02-rakudo/10-nqp-ops.t line 12',
          'removed: −All tests successful.',
          'added: +##[error]Bash exited with code &#39;1&#39;.',
        ],
      );
      assert.match(
        page,
        /href="\/runs\/c1\/jobs\/job1\?attempt=1&amp;line=59#L59" data-n="59" aria-label="Line 59 of the green run"/,
      );
      assert.match(
        page,
        /href="\/runs\/c2\/jobs\/job1\?attempt=1&amp;line=59#L59" data-n="59" aria-label="Line 59 of this log"/,
      );
    });

    test('logs that differ in noise only are the same', async () => {
      await logs.write('c3-a', azureLog({ seed: 8, fails: false }));
      const page = await worldOf([runWithLog('c3'), green]).text('/runs/c3/jobs/job1/compare');
      assert.match(page, /No difference/);
    });

    test('what only moved is left out, and can be asked for', async () => {
      await logs.write('c4-a', azureLog({ seed: 4, fails: false }).replace(/(.*unit3\.o.*\n)((?:.*\n){12})/, '$2$1'));
      const world = worldOf([runWithLog('c4'), green]);
      const page = await world.text('/runs/c4/jobs/job1/compare');
      assert.match(page, /2 places where the same lines stand in another order are left out/);
      assert.match(await world.text('/runs/c4/jobs/job1/compare?moved=shown'), /diff-removed diff-moved/);
    });

    test('without a green run, or its log, or when one is too long, it says so', async () => {
      await logs.write('c5-a', 'x\n');
      const alone = await worldOf([runWithLog('c5')]).text('/runs/c5/jobs/job1/compare');
      assert.match(alone, /Nothing to compare with/);
      await logs.write('c6-a', 'x\n');
      const lost = worldOf([runWithLog('c6'), runWithLog('b6', { logRemovedAt: ago(0) })]);
      assert.match(await lost.text('/runs/c6/jobs/job1/compare'), /no log of the green run.*removed by retention/s);
      await logs.write('c7-a', 'x\n'.repeat(200_001));
      const long = await worldOf([runWithLog('c7'), green]).text('/runs/c7/jobs/job1/compare');
      assert.match(long, /The log of this attempt has 200,001 lines/);
      assert.equal((await worldOf([]).get('/runs/c8/jobs/job1/compare')).status, 404);
    });

    test('hostile logs stay text, and a long change is cut', async () => {
      await logs.write('c9-a', `${hostileLog()}\n${'more and more\n'.repeat(5_000)}`);
      const page = await worldOf([runWithLog('c9', { verdict: 'failed' }), green]).text('/runs/c9/jobs/job1/compare');
      assert.match(page, /… [\d,]+ more lines of this log/);
      assert.doesNotMatch(page, /<script>|<img|[\u001b\u0000\u202e]/);
      assert.ok(page.includes(HOSTILE.slice(3, 9)));
      assert.ok(page.length < 300_000, `${page.length}`);
    });
  });
});

/** Of each line: in how many folds it is. */
function depthsOf(page: string): number[] {
  let depth = 0;
  const depths: number[] = [];
  for (const [tag] of page.matchAll(/<details|<\/details| id="L\d+"/g)) {
    if (tag === '<details') depth += 1;
    else if (tag === '</details') depth -= 1;
    else depths.push(depth);
  }
  return depths;
}

describe('folding', () => {
  const text = fc.oneof(
    fc.constantFrom(
      '##[group]g',
      '##[endgroup]',
      '##[section]Starting: s',
      '##[section]Finishing: s',
      '::group::g',
      '::endgroup::',
      'not ok 1',
      '\u001b[31mred',
      '\u001b[0m',
      '[  3s] Executing(%build): x',
    ),
    fc.string({ maxLength: 5 }),
  );

  test('a window is folded as that part of the whole is', () => {
    const around = /<details class="lines"[^>]*><summary class="line around".*?<\/summary>/g;
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 60 }), fc.nat(59), (texts, at) => {
        const lines = texts.map((each, index) => ({ number: index + 1, text: each }));
        const before = lines.slice(0, at);
        const page = foldedLines(lines.slice(at), { around: openFolds(before) }).toString();
        assert.deepEqual(numbersOf(page), numbersOf(logLines(lines.slice(at)).toString()));
        assert.equal((page.match(/<details/g) ?? []).length, (page.match(/<\/details>/g) ?? []).length);
        assert.deepEqual(depthsOf(page), depthsOf(foldedLines(lines, {}).toString()).slice(at));
        const heads = page.match(around)?.length ?? 0;
        const isNew = lines[at] === undefined || readLogLine(lines[at].text).fold === 'phase';
        assert.equal(heads, isNew ? 0 : openFolds(before).length);
      }),
    );
  });

  test('every line is there once, in order, and tags are balanced, whatever a log says', () => {
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 60 }),
        fc.option(fc.string({ minLength: 1, maxLength: 2 })),
        (texts, wanted) => {
          const lines = texts.map((each, index) => ({ number: index + 1, text: each }));
          const page = foldedLines(lines, { text: wanted ?? undefined, target: { from: 3, to: 5 } }).toString();
          assert.deepEqual(
            numbersOf(page),
            lines.map(({ number }) => number),
          );
          let depth = 0;
          for (const [tag] of page.matchAll(/<\/?details/g)) {
            depth += tag === '<details' ? 1 : -1;
            assert.ok(depth >= 0 && depth <= 8);
          }
          assert.equal(depth, 0);
          assert.deepEqual(
            openFolds(lines).map(({ number }) => number),
            [...page.matchAll(/<details[^>]* data-growing[^>]*><summary [^>]*id="L(\d+)"/g)].map((match) =>
              Number(match[1]),
            ),
            'what is open at the end is what goes on',
          );
          const flat = logLines(lines).toString();
          assert.deepEqual(numbersOf(flat), numbersOf(page));
          assert.equal(textOf(flat), textOf(page), 'folded or not, it says the same');
        },
      ),
    );
  });
});
