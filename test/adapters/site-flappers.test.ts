import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { later, NOW } from '../support/builders.ts';
import { aFailure, tests } from '../support/readings.ts';
import { memoryReader, siteOf } from './site-fakes.ts';
import { MAIN, PULL, type TestsWorld, testsWorld } from './site-tests-world.ts';

const DAY = 86_400;
const HOSTILE = 't/"><script>alert(1)</script>.t';

/** What a reader sees, without its markup. */
const seen = (page: string): string =>
  page
    .replace(/<title>[^<]*<\/title>/g, ' ')
    .replace(/<\/(?:td|div|dt|p|summary|li|a|tr|h2|h3|span)>/g, ' ')
    .replace(/<[^>]*>/g, '')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ');

interface Listed {
  flappers: { file: string; job: string; failed: number; flapped: number; [key: string]: unknown }[];
  next?: string;
  suggestions?: { add: { name: string }[]; yaml: string; lookAt: { name: string; because: string }[] };
}

describe('the record of test files', () => {
  let world: TestsWorld;
  before(async () => {
    world = await testsWorld([
      { name: 't/known.t', issue: 'https://github.example/rakudo/rakudo/issues/4212' },
      { name: 't/over.t', until: '2026-01-01', issue: 'javascript:alert(1)' },
    ]);
    // known.t: 3 flaps in 6 runs; often.t: 4 flaps in 8; calm.t never failed; broken.t fails without a flap.
    for (const at of [0, 1, 2]) {
      await world.told(
        { id: `k${at}a`, sourceSet: `k${at}`, at: later(at * -DAY) },
        tests(['t/calm.t'], ['t/known.t']),
      );
      await world.told({ id: `k${at}b`, sourceSet: `k${at}`, verdict: 'passed' }, tests(['t/calm.t', 't/known.t']));
    }
    for (const at of [0, 1, 2, 3]) {
      const job = 'Win_MVM';
      const at_ = later((at * 7 + 8) * -DAY);
      await world.told(
        { id: `o${at}a`, job, sourceSet: `o${at}`, at: at_ },
        tests([], [aFailure('t/often.t', { line: 340 })]),
      );
      await world.told({ id: `o${at}b`, job, sourceSet: `o${at}`, verdict: 'passed' }, tests(['t/often.t']));
    }
    await world.told({ id: 'b1' }, tests(['t/calm.t'], ['t/broken.t', HOSTILE]));
    await world.read({ runId: 'removed', sourceSet: 'h', tests: tests([], [HOSTILE]) });
    await world.read({ runId: 'removed', sourceSet: 'h', tests: tests([HOSTILE]) });
  });
  after(() => world.close());

  const list = async (query = ''): Promise<Listed> =>
    (await (await world.get(`/api/flappers${query}`)).json()) as Listed;
  const files = async (query = '') => (await list(query)).flappers.map(({ file }) => file);

  test('flappers come by what their rate is at least; others only when asked for', async () => {
    assert.deepEqual(await files(), ['t/known.t', 't/often.t', HOSTILE].sort(byLeast));
    assert.deepEqual(
      (await files('?show=failed')).toSorted(),
      [HOSTILE, HOSTILE, 't/broken.t', 't/known.t', 't/often.t'].toSorted().filter(distinctJobs),
    );
  });

  /** 4 of 8, 3 of 6, and 1 of 2 (the same rate, ever less sure). */
  const order = ['t/often.t', 't/known.t', HOSTILE];
  const byLeast = (one: string, other: string) => order.indexOf(one) - order.indexOf(other);
  /** All its runs were in one job. */
  const distinctJobs = (name: string, at: number, all: string[]) => all.indexOf(name) === at;

  test('a row has its sums, its interval, its weeks and where it failed', async () => {
    const { flappers } = await list('?file=OFTEN&platform=win');
    assert.equal(flappers.length, 1);
    const [{ rate, weeks, failures, ...row }] = flappers as [Listed['flappers'][number] & { rate: { low: number } }];
    assert.deepEqual(row, {
      file: 't/often.t',
      job: 'azure / Win_MVM',
      platform: 'Win_MVM',
      runs: 8,
      failed: 4,
      flapped: 4,
      firstFailedAt: later(-29 * DAY).toISOString(),
      lastFailedAt: later(-8 * DAY).toISOString(),
      lastFlappedAt: later(-8 * DAY).toISOString(),
    });
    assert.ok(Math.abs(rate.low - 0.2152) < 0.001, String(rate.low));
    assert.deepEqual((weeks as object[]).at(-1), { week: '2026-11-16', passed: 4, failed: 0, flapped: 0 });
    assert.equal((weeks as object[]).length, 5);
    assert.deepEqual((failures as object[])[0], {
      run: 'o1a',
      attempt: 1,
      line: 340,
      at: later(-15 * DAY).toISOString(),
      flapped: true,
      url: 'https://rcb.example/runs/o1a/jobs/job-o1a?from=240&attempt=1#L340',
    });
    assert.equal((failures as object[]).length, 3);
  });

  for (const sort of ['rate', 'last']) {
    test(`pages by key, sorted by ${sort}, show each row once`, async () => {
      const whole = await files(`?show=failed&sort=${sort}`);
      const got: string[] = [];
      let next: string | undefined;
      do {
        const page = await list(`?show=failed&sort=${sort}&limit=2${next ? `&before=${next}` : ''}`);
        got.push(...page.flappers.map(({ file }) => file));
        assert.equal(page.suggestions === undefined, next !== undefined, 'advice is on the first page only');
        next = page.next;
      } while (next);
      assert.deepEqual(got, whole);
      assert.equal(whole.length, 4);
    });
  }

  test('the newest failure first, when sorted so', async () => {
    const times = (await list('?show=failed&sort=last')).flappers.map(({ lastFailedAt }) => String(lastFailedAt));
    assert.deepEqual(times, times.toSorted().reverse());
  });

  test('what is not listed is suggested as YAML, and what is listed is looked through', async () => {
    const { suggestions } = await list();
    assert.deepEqual(
      suggestions?.add.map(({ name }) => name),
      ['t/often.t'],
    );
    assert.match(
      suggestions!.yaml,
      /^# 4 flaps in 8 runs, the last on 2026-11-13\n- name: "t\/often\.t"\n {2}platforms: \["Win_MVM"\]\n/,
    );
    assert.deepEqual(
      suggestions?.lookAt.map(({ name, because }) => [name, because]),
      [['t/over.t', 'over']],
    );
  });

  test('the page shows all of it, harmlessly', async () => {
    const page = await world.text('/flappers');
    const text = seen(page);
    assert.match(text, /t\/known\.t listed azure \/ Lin_MVM 3 of 3 failures in 6 runs 50 % 19 % to 81 %/);
    assert.ok(page.includes('href="https://github.example/rakudo/rakudo/issues/4212"'));
    assert.ok(page.includes('href="/runs/o3a/jobs/job-o3a?from=240&amp;attempt=1#L340"'));
    assert.match(page, /<svg class="spark" [^>]*aria-label="8 runs, 4 failed, 4 of them flaps in 26 weeks"/);
    assert.match(text, /t\/over\.t was a known flapper until 2026-01-01/);
    assert.ok(!page.includes('javascript:alert') && !page.includes('<script>alert'));
    assert.ok(!/<[^>]* style=/.test(page), 'no inline style');
    assert.match(text, /run removed/);
    assert.ok(page.includes('<pre class="payload" tabindex="0" data-copy># 4 flaps'));
    assert.ok(page.includes('aria-current="page">Flappers'));
  });

  test('a file has a page with every job, also when it never failed', async () => {
    const often = await world.text('/flappers/file?name=t/often.t');
    assert.match(seen(often), /azure \/ Win_MVM 8 4 4 50 % 22 % to 78 %/);
    assert.match(seen(often), /failed 3; exit status 1 flap line 340 · run/);
    const calm = seen(await world.text('/flappers/file?name=t/calm.t'));
    assert.match(calm, /azure \/ Lin_MVM 7 0 0 0 % 0 % to 35 %/);
    assert.match(calm, /It has never failed\./);
    const json = (await (await world.get('/api/flappers/file?name=t/often.t')).json()) as {
      failures: { run: string }[];
    };
    assert.deepEqual(
      json.failures.map(({ run }) => run),
      ['o0a', 'o1a', 'o2a', 'o3a'],
    );
    assert.ok(!(await world.text(`/flappers/file?name=${encodeURIComponent(HOSTILE)}`)).includes('<script>alert'));
  });

  test('what is asked wrongly is told so', async () => {
    const status = async (path: string) => (await world.get(path)).status;
    assert.equal(await status('/flappers/file?name=t/nothing.t'), 404);
    assert.equal(await status('/flappers/file'), 400);
    for (const before of ['x', '1_2', "1_2_3'", '1e999_1_1', '1_99999999999_1', '-1_1_1', '9e15_1_1'])
      assert.equal(await status(`/flappers?sort=last&before=${before}`), 400, before);
    for (const query of ['sort=name', 'show=all', 'limit=0', 'file=%00'])
      assert.equal(await status(`/flappers?${query}`), 400, query);
    assert.equal(await status('/flappers?before=0.25_1_1&sort=last'), 200);
    assert.deepEqual(world.faults, []);
  });

  test('a filter that fits nothing says so; % and _ are letters', async () => {
    assert.match(seen(await world.text('/flappers?file=t%25')), /No test file that was recorded fits this filter/);
    assert.deepEqual(await files('?platform=n_MVM'), ['t/often.t', 't/known.t', HOSTILE]);
    assert.deepEqual(await files('?platform=%25'), []);
  });
});

test('without any record the page says how flappers are found', async () => {
  const world = siteOf(memoryReader([]));
  const page = await world.text('/flappers');
  assert.match(seen(page), /No flappers.*No test file has failed and passed with the same commits/);
  assert.match(seen(page), /The list and the record agree/);
});

test('a file that did not run for a month, although its jobs did, is gone', async () => {
  const world = await testsWorld([{ name: 't/gone.t' }, { name: 't/idle.t' }, { name: 't/runs-elsewhere/*.t' }]);
  try {
    const old = later(-40 * DAY);
    await world.read({ at: old, job: 'azure / A', tests: tests(['t/gone.t', 't/stays.t']) });
    await world.read({ at: old, job: 'azure / B', tests: tests(['t/idle.t']) });
    await world.read({ at: NOW, job: 'azure / A', tests: tests(['t/stays.t', 't/runs-elsewhere/a.t']) });
    const { suggestions } = (await (await world.get('/api/flappers')).json()) as Listed;
    assert.deepEqual(
      suggestions?.lookAt.map(({ name, because }) => [name, because]),
      [['t/gone.t', 'gone']],
    );
  } finally {
    await world.close();
  }
});

test("entries of a repository's own list are known by what was judged with them, the newest version of each", async () => {
  const issue = (number: number) => `https://github.example/acme/tool/issues/${number}`;
  const entry = (number: number, more: object = {}) => ({ name: 't/own.t', issue: issue(number), ...more });
  const file = aFailure('t/own.t');
  const attempt = { jobId: 'job-r1', job: 'azure / Lin_MVM', attempt: 1, isFlapperOnly: true, obstacles: [] };
  const decision = { rerun: false, because: 'backend-cannot' };
  const judged = (...files: object[]) => ({ judged: [{ ...attempt, decision, files }], faults: [] });
  const world = await testsWorld([{ name: 't/own.t', platforms: ['win*'] }]);
  try {
    for (const id of ['r1', 'r2', 'r3']) {
      await world.told(
        { id, sourceSet: 'one', ...(id === 'r3' && { verdict: 'passed' }) },
        id === 'r3' ? tests(['t/own.t']) : tests([], ['t/own.t']),
      );
    }
    const put = (id: string, flappers: object) => world.prisma.run.update({ where: { id }, data: { flappers } });
    await put('r1', judged({ file, isKnown: true, entry: entry(1) }));
    await put(
      'r2',
      judged(
        { file, isKnown: true, entry: entry(2) },
        { file, isKnown: false, reason: { because: 'not-yet', entry: { name: 't/soon.t', since: '2027-01-01' } } },
      ),
    );
    const { flappers, suggestions } = (await (await world.get('/api/flappers')).json()) as Listed;
    assert.deepEqual(
      flappers.map(({ known }) => known),
      [{ name: 't/own.t', issue: issue(2) }],
    );
    assert.deepEqual(suggestions?.add, []);
    const known = async (id: string) => {
      const { failures } = (await (await world.get(`/api/runs/${id}`)).json()) as {
        failures: { files: { known?: object }[] };
      };
      return failures.files.map((each) => each.known);
    };
    assert.deepEqual(await known('r1'), [{ name: 't/own.t', issue: issue(1) }], 'as it was when it failed');
    await world.prisma.run.updateMany({ data: { createdAt: later(-61 * DAY) } });
    const later_ = (await (await world.get('/api/flappers')).json()) as Listed;
    assert.deepEqual(
      later_.flappers.map(({ known: entry_ }) => entry_),
      [undefined],
      'nothing was judged with it lately',
    );
  } finally {
    await world.close();
  }
});

describe('what failed in a run', () => {
  let world: TestsWorld;
  before(async () => {
    world = await testsWorld([{ name: 't/known.t', platforms: ['lin*'] }]);
    await world.told({ id: 'm1', verdict: 'passed' }, tests(['t/new.t', 't/old.t', 't/known.t', 't/long.t']));
    await world.told({ id: 'p1', subject: PULL }, tests(['t/new.t', 't/known.t'], ['t/old.t', 't/long.t']));
    await world.told({ id: 'm2' }, tests(['t/new.t', 't/old.t', 't/known.t'], ['t/long.t']));
    await world.told({ id: 'p2', subject: PULL }, tests(['t/new.t', 't/known.t'], ['t/old.t', 't/long.t']));
    const unreadable = [{ because: 'truncated', line: 3 } as const];
    await world.told({ id: 'p3', subject: PULL }, { ...tests([]), unreadable });
    const failure = aFailure('t/new.t', { line: 5, failed: [{ from: 3, to: 5 }], failedCount: 3 });
    const attempt = await world.told(
      { id: 'p4', subject: PULL },
      {
        ...tests([], [failure, 't/old.t', 't/known.t', 't/long.t', aFailure(HOSTILE, { line: undefined })]),
        otherFailures: [{ line: 9, text: 'make: *** <b>Error 2' }],
      },
    );
    const log = await world.archive.openLog(attempt);
    const lines = ['one', 'two', 'ok 1', 'ok 2', '\u001b[31mnot ok 3 - <script>alert(1)</script>\u001b[0m', '# got: 7'];
    await log.append(Buffer.from(`${lines.join('\n')}\n`));
  });
  after(() => world.close());

  interface Failures {
    files: {
      file: string;
      news?: string;
      since?: string;
      main?: { branch: string; run: string; failed: boolean };
      known?: object;
    }[];
    isCut: boolean;
    others: { unreadable: object[]; otherFailures: object[] }[];
  }
  const failuresOf = async (id: string): Promise<Failures> =>
    ((await (await world.get(`/api/runs/${id}`)).json()) as { failures: Failures }).failures;

  test('each failed file says whether it is news, and how main does', async () => {
    const { files } = await failuresOf('p4');
    const told = Object.fromEntries(files.map(({ file, news, since, main }) => [file, [news, since, main?.failed]]));
    assert.deepEqual(told, {
      't/new.t': ['new', undefined, false],
      't/old.t': ['since', 'p1', false],
      't/known.t': ['new', undefined, false],
      't/long.t': ['since', 'p1', true],
      [HOSTILE]: [undefined, undefined, false],
    });
    assert.deepEqual(
      files.map(({ known }) => known !== undefined),
      files.map(({ file }) => file === 't/known.t'),
    );
    const main = files.find(({ file }) => file === 't/long.t')?.main;
    assert.deepEqual(main, { branch: 'main', run: 'm2', failed: true });
  });

  test('on the default branch itself there is no other branch to look at', async () => {
    const [long, ...others] = (await failuresOf('m2')).files;
    assert.deepEqual([long?.file, long?.news, long?.main, others.length], ['t/long.t', 'new', undefined, 0]);
  });

  test('what is told later is not known earlier', async () => {
    const { files } = await failuresOf('p1');
    assert.deepEqual(
      files.map(({ file, news, since }) => [file, news, since]),
      [
        ['t/long.t', undefined, undefined],
        ['t/old.t', 'new', undefined],
      ],
    );
  });

  test('a failed run opens at its failed tests, with the lines around them', async () => {
    const page = await world.text('/runs/p4');
    const text = seen(page);
    assert.ok(page.indexOf('id="failures"') < page.indexOf('id="build-build-p4"'), 'before the builds');
    assert.match(text, /What failed 5 test files/);
    assert.match(text, /t\/new\.t new here passes on main azure \/ Lin_MVM : failed 3-5; exit status 1 · line 5/);
    assert.match(text, /t\/old\.t failing on this pull request since/);
    assert.match(text, /t\/long\.t .*? also failing on main/);
    assert.match(text, /t\/known\.t known flapper/);
    assert.match(
      page,
      /<div class="line marked"><a href="\/runs\/p4\/jobs\/job-p4\?attempt=1#L5" data-n="5"[^>]*><\/a><span><span class="ansi-red-fg">not ok 3 - &lt;script&gt;/,
    );
    assert.match(text, /Beside the tests azure \/ Lin_MVM make: \*\*\* &lt;b&gt;Error 2 · line 9/);
    assert.ok(!page.includes('<script>alert') && !page.includes('id="L5"'));
    assert.deepEqual(world.faults, []);
  });

  test('a job whose log tells no tests is said to be unreadable', async () => {
    assert.match(
      seen(await world.text('/runs/p3')),
      /What failed azure \/ Lin_MVM the log ends before its tests do · line 3/,
    );
  });

  test('a run in which all passed has no such part, and neither has one without tests', async () => {
    assert.ok(!(await world.text('/runs/m1')).includes('id="failures"'));
    assert.deepEqual(await failuresOf('m1'), { files: [], isCut: false, others: [] });
  });

  test('a job that passed had no trouble, however its log tells of tests', async () => {
    const unreadable = [{ because: 'truncated', line: 37 } as const];
    await world.told({ id: 'odd', verdict: 'passed' }, { ...tests(['t/a.t']), unreadable });
    assert.deepEqual((await failuresOf('odd')).others, []);
    assert.ok(!(await world.text('/runs/odd')).includes('id="failures"'));
  });

  test('a failed job without any reading shows the end of its log', async () => {
    const attempt = await world.told({ id: 'tail' }, tests([]));
    const log = await world.archive.openLog(attempt);
    await log.append(Buffer.from(Array.from({ length: 40 }, (_, at) => `line ${at + 1}\n`).join('')));
    const page = await world.text('/runs/tail');
    assert.match(seen(page), /No failed test file was found in these logs\. Their last lines:/);
    assert.ok(page.includes('line 40') && page.includes('line 29') && !page.includes('>line 28<'));
  });

  test('what passed at the second attempt failed at first, and a flap is said to be one', async () => {
    await world.told({ id: 'f1', subject: MAIN, sourceSet: 'same', verdict: 'passed' }, tests([], ['t/known.t']));
    await world.read({ runId: 'f1', sourceSet: 'same', tests: tests(['t/known.t']) });
    assert.match(
      seen(await world.text('/runs/f1')),
      /Failed at first 1 test file t\/known\.t known flapper passed with the same commits/,
    );
  });

  test('hundreds of failed files are bounded', async () => {
    const many = Array.from({ length: 700 }, (_, at) => `t/many/${String(at).padStart(3, '0')}.t`);
    await world.told({ id: 'many' }, tests([], many));
    const { files, isCut } = await failuresOf('many');
    assert.deepEqual([files.length, isCut], [100, true]);
    assert.match(seen(await world.text('/runs/many')), /more than 100 test files .* There is more in the logs/);
  });
});
