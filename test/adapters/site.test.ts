import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { ArchiveError } from '../../src/archive/archive.ts';
import type { RunDetails } from '../../src/site/reader.ts';
import { serveSite } from '../support/served-site.ts';
import {
  aFact,
  ago,
  aJob,
  aLink,
  aRun,
  memoryReader,
  NOW,
  SHA,
  type SiteWorld,
  siteOf,
  withJob,
} from './site-fakes.ts';

const DIGEST = 'd'.repeat(64);
const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;

// biome-ignore lint/suspicious/noExplicitAny: the tests state the shape.
const jsonOf = async (response: Response): Promise<any> => response.json();

async function writeLog(world: SiteWorld, id: string, text: string | Buffer, isEnded = true): Promise<void> {
  const writer = await world.archive.openLog(id);
  await writer.append(Buffer.from(text));
  if (isEnded) await writer.end();
}

/** Behind a real node server, as in production; streams need one. */
async function serve(world: SiteWorld, t: TestContext): Promise<{ url: string }> {
  const { url, stop } = await serveSite(world.site);
  t.after(stop);
  return { url };
}

const numbered = (count: number): string => Array.from({ length: count }, (_, i) => `line ${i + 1}\n`).join('');

const STATES: [name: string, run: Partial<RunDetails>, words: RegExp][] = [
  [
    'waiting',
    { state: 'waiting', verdict: undefined, finishedAt: undefined, why: 'A maintainer has to say so' },
    /A maintainer has to say so/,
  ],
  ['resolving', { state: 'resolving', verdict: undefined, finishedAt: undefined }, /Choosing commits/],
  ['packing', { state: 'packing', verdict: undefined, finishedAt: undefined }, /Packing sources/],
  ['building', { state: 'building', verdict: undefined, finishedAt: undefined }, /Starting builds/],
  ['passed', { verdict: 'passed' }, /This run ended before anything was built/],
  ['failed', { verdict: 'failed', why: '1 of 2 jobs failed' }, /1 of 2 jobs failed/],
  ['error', { verdict: 'error', why: 'Infrastructure error: lost' }, /Infrastructure error: lost/],
  ['cancelled', { verdict: 'cancelled' }, /cancelled/],
  ['superseded', { verdict: 'superseded', supersededBySha: 'b'.repeat(40) }, /Superseded by/],
];

for (const [name, change, words] of STATES) {
  test(`a ${name} run says so in the list and on its page`, async () => {
    const world = siteOf(memoryReader([aRun(change)]));
    const list = await world.text('/runs');
    const page = await world.text('/runs/01run');
    assert.match(list, new RegExp(`<span>${name}</span>`));
    assert.match(page, new RegExp(`<span>${name}</span>`));
    assert.match(page, words);
    const isUnfinished = change.state !== undefined;
    assert.equal(page.includes('data-live'), isUnfinished);
    assert.equal(page.includes('http-equiv="refresh"'), isUnfinished);
  });
}

test('a run links to GitHub and to its archive, and names its sources', async () => {
  const run = withJob(aJob(), {
    base: { ref: 'main', sha: 'c'.repeat(40) },
    sources: [
      {
        id: 'source1',
        repository: 'Raku/nqp',
        sha: SHA,
        changed: false,
        why: 'pinned by rakudo/rakudo',
        archive: { sha256: DIGEST, size: 1_234_567, tarSha256: 'e'.repeat(64) },
      },
    ],
    checks: [{ id: 'check1', name: 'rcb', externalId: '991' }],
  });
  const page = await siteOf(memoryReader([run])).text('/runs/01run');
  for (const link of [
    'https://github.example/rakudo/rakudo/pull/7',
    `https://github.example/rakudo/rakudo/commit/${SHA}`,
    'https://github.example/rakudo/rakudo/tree/fix-gc',
    'https://github.example/rakudo/rakudo/runs/991',
    `/archive/${DIGEST}/nqp-${SHA.slice(0, 12)}.tar.gz`,
    '/runs/01run/jobs/job1',
    '/runs/01run/jobs/job1/log.txt?attempt=1',
  ]) {
    assert.ok(page.includes(`href="${link}"`), link);
  }
  assert.match(page, /pinned by rakudo\/rakudo/);
  assert.match(page, /title="1,234,567 bytes">1\.2 MB/);
});

test('a run names the runs before and after it', async () => {
  const runs = [
    aRun({
      id: '02run',
      previousId: '01run',
      previous: aLink('01run', 'failed'),
      next: aLink('03run', undefined, 'button'),
    }),
    aRun({ id: '01run', title: 'Elder' }),
    aRun({ id: '03run' }),
  ];
  const page = await siteOf(memoryReader(runs)).text('/runs/02run');
  assert.match(page, /href="\/runs\/01run">the run before/);
  assert.match(page, /href="\/runs\/03run">the run after/);
  assert.match(page, /Elder/);
});

test('nothing that strangers write becomes markup or a link of theirs', async () => {
  const artifact = { name: `${HOSTILE}/../../x`, size: 1, sha256: DIGEST };
  const job = aJob({
    name: HOSTILE,
    why: HOSTILE,
    attempts: [{ ...aJob().attempts[0]!, why: HOSTILE, artifacts: [artifact] }],
  });
  const run = withJob(job, {
    title: HOSTILE,
    ref: HOSTILE,
    repository: HOSTILE,
    author: HOSTILE,
    why: HOSTILE,
    subject: HOSTILE,
    sources: [{ id: 'source1', repository: HOSTILE, sha: SHA, ref: HOSTILE, changed: true, why: HOSTILE }],
    checks: [{ id: 'check1', name: HOSTILE, externalId: HOSTILE, error: HOSTILE }],
  });
  run.builds[0]!.url = 'javascript:alert(1)';
  run.builds[0]!.why = HOSTILE;
  const fact = aFact({
    key: HOSTILE,
    kind: HOSTILE,
    subject: HOSTILE,
    state: 'parked',
    error: HOSTILE,
    payload: { x: HOSTILE },
    sightings: [{ source: HOSTILE, delivery: HOSTILE, at: NOW }],
  });
  const world = siteOf(memoryReader([run], [fact]));
  await writeLog(world, 'attempt1', HOSTILE);
  const query = new URLSearchParams({ repository: HOSTILE, ref: HOSTILE });
  for (const path of [
    '/runs',
    `/runs?${query}`,
    '/runs/01run',
    '/runs/01run/jobs/job1',
    '/ledger',
    `/ledger?${new URLSearchParams({ subject: HOSTILE })}`,
    `/ledger/fact?${new URLSearchParams({ key: HOSTILE })}`,
    `/runs?sha=${encodeURIComponent(HOSTILE)}`,
  ]) {
    const page = await world.text(path);
    assert.ok(page.includes('&lt;script&gt;') || page.includes('sha must be'), `${path} shows it`);
    assert.doesNotMatch(page, /<script>|<img|href="javascript/i, path);
  }
});

test('a foreign link that is not http is shown as no link', async () => {
  const run = withJob(aJob());
  run.builds[0]!.url = 'javascript:alert(1)';
  assert.doesNotMatch(await siteOf(memoryReader([run])).text('/runs/01run'), /javascript:/);
  run.builds[0]!.url = 'https://ci.example/1';
  assert.match(await siteOf(memoryReader([run])).text('/runs/01run'), /href="https:\/\/ci\.example\/1"/);
});

test('every answer forbids foreign script, frames and sniffing', async () => {
  const world = siteOf(memoryReader([aRun()]));
  for (const path of ['/', '/runs/01run', '/ledger', '/service', '/nowhere', '/api/runs', '/healthz', '/robots.txt']) {
    const { headers } = await world.get(path);
    assert.match(
      headers.get('content-security-policy') ?? '',
      /default-src 'none'; style-src 'self'; script-src 'self'/,
      path,
    );
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('referrer-policy'), 'same-origin', path);
  }
  assert.doesNotMatch(await world.text('/'), /<script(?! src=)|<style| style=| on[a-z]+=/);
});

test('assets have their content in their name and are kept for ever', async () => {
  const world = siteOf(memoryReader([]));
  const page = await world.text('/');
  const paths = page.match(/\/assets\/[\w.]+/g) ?? [];
  assert.equal(paths.length, 4);
  for (const path of paths) {
    const response = await world.get(path);
    assert.equal(response.status, 200, path);
    assert.match(response.headers.get('cache-control') ?? '', /immutable/);
    assert.doesNotMatch(response.headers.get('content-type') ?? '', /html/);
  }
  assert.equal((await world.get('/assets/site.000000000000.css')).status, 404);
});

test('an empty list helps, and an empty filter result offers the way back', async () => {
  const world = siteOf(memoryReader([]));
  assert.match(await world.text('/'), /No runs yet.*Open a pull request/s);
  assert.match(await world.text('/runs?state=building'), /Nothing matches.*Show all runs/s);
  assert.match(await world.text('/ledger'), /No facts yet/);
});

test('the list is filtered and paged, and keeps its filter from page to page', async () => {
  const runs = Array.from({ length: 7 }, (_, i) =>
    aRun({ id: `0${i}`, title: `Run number ${i}`, verdict: i % 2 ? 'failed' : 'passed' }),
  );
  const world = siteOf(memoryReader(runs));
  const first = await world.text('/runs?verdict=passed&limit=2&state=');
  assert.match(first, /Run number 6.*Run number 4/s);
  assert.doesNotMatch(first, /Run number 5|Run number 2/);
  const next = /href="([^"]*)" rel="next"/.exec(first)?.[1]?.replaceAll('&amp;', '&');
  assert.equal(next, '/runs?verdict=passed&limit=2&before=04');
  const second = await world.text(next!);
  assert.match(second, /Run number 2.*Run number 0/s);
  assert.doesNotMatch(second, /rel="next"|Run number 4/);
  assert.match(second, /Newest/);
});

const MISTAKES: [path: string, words: RegExp][] = [
  ['/runs?number=seven', /number must be a number/],
  ['/runs?number=0', /number must be at least 1/],
  ['/runs?sha=xyz1', /sha must be 4 to 64 hexadecimal digits/],
  ['/runs?state=odd', /state must be one of waiting, resolving/],
  ['/runs?limit=100000', /limit must be at most 200/],
  ['/runs?before=%27%3B--', /before must be an id/],
  ['/runs?repository=%00', /NUL/],
  ['/ledger?state=lost', /state must be one of pending/],
  ['/ledger/fact', /key/],
  ['/runs/01run/jobs/job1?from=-3', /from must be at least 1/],
  ['/runs/01run/jobs/job1?count=1e9', /count must be at most 5,?000/],
];

for (const [path, words] of MISTAKES) {
  test(`${path} is refused with words`, async () => {
    const response = await siteOf(memoryReader([withJob(aJob())])).get(path);
    assert.equal(response.status, 400);
    assert.match(await response.text(), words);
  });
}

test('what is not there is a 404 for people, and JSON under /api', async () => {
  const world = siteOf(memoryReader([withJob(aJob())]));
  for (const path of [
    '/nowhere',
    '/runs/none',
    '/runs/%00',
    '/runs/01run/jobs/none',
    '/runs/01run/jobs/job1?attempt=9',
    '/ledger/fact?key=none',
    `/archive/${DIGEST}`,
    '/archive/..%2f..%2fetc',
    '/metrics',
  ]) {
    const response = await world.get(path);
    assert.equal(response.status, 404, path);
    assert.match(await response.text(), /<h1>Not found<\/h1>/, path);
  }
  const json = await world.get('/api/runs/none');
  assert.equal(json.status, 404);
  assert.match((await jsonOf(json)).error, /There is no run none/);
  const bad = await world.get('/api/runs?number=x');
  assert.equal(bad.status, 400);
  assert.deepEqual(await bad.json(), { error: 'number must be a number.' });
});

test('a fault of the store is a page without its secrets, and is told', async () => {
  const reader = { ...memoryReader([]), listRuns: async () => Promise.reject(new Error('password=hunter2')) };
  const world = siteOf(reader);
  const response = await world.get('/runs');
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /hunter2/);
  assert.equal(world.faults.length, 1);
});

test('the JSON of a run has exactly its promised shape', async () => {
  const attempt = { ...aJob().attempts[0]!, artifacts: [{ name: 'out/report.xml', size: 12, sha256: DIGEST }] };
  const run = withJob(aJob({ attempts: [attempt] }), {
    why: 'It is green',
    previousId: '00run',
    sources: [
      {
        id: 'source1',
        repository: 'rakudo/rakudo',
        sha: SHA,
        base: 'c'.repeat(40),
        ref: 'fix-gc',
        changed: true,
        why: 'the head',
        archive: { sha256: DIGEST, size: 5, tarSha256: 'e'.repeat(64) },
      },
      { id: 'source2', repository: 'Raku/nqp', sha: SHA, changed: false, why: 'pinned' },
    ],
  });
  const world = siteOf(memoryReader([run]));
  const expected = {
    id: '01run',
    repository: 'rakudo/rakudo',
    change: { kind: 'pull-request', number: 7, ref: 'fix-gc', sha: SHA },
    state: 'finished',
    verdict: 'passed',
    why: 'It is green',
    trigger: 'pull-request',
    sources: [
      {
        repository: 'rakudo/rakudo',
        sha: SHA,
        base: 'c'.repeat(40),
        ref: 'fix-gc',
        why: 'the head',
        archive: {
          url: `https://rcb.example/archive/${DIGEST}/rakudo-${SHA.slice(0, 12)}.tar.gz`,
          sha256: DIGEST,
          size: 5,
        },
      },
      { repository: 'Raku/nqp', sha: SHA, why: 'pinned' },
    ],
    trees: [],
    partners: [],
    notes: [],
    builds: [
      {
        backend: 'local',
        state: 'finished',
        jobs: [
          {
            name: 'local / test',
            state: 'finished',
            verdict: 'passed',
            attempt: 1,
            logUrl: 'https://rcb.example/runs/01run/jobs/job1/log.txt',
            artifacts: [
              {
                name: 'out/report.xml',
                url: `https://rcb.example/archive/${DIGEST}/report.xml`,
                size: 12,
                sha256: DIGEST,
              },
            ],
          },
        ],
      },
    ],
    previous: '00run',
    createdAt: ago(600).toISOString(),
    finishedAt: ago(300).toISOString(),
  };
  const failures = { files: [], isCut: false, others: [] };
  assert.deepEqual(await (await world.get('/api/runs/01run')).json(), { ...expected, failures });
  assert.deepEqual(await (await world.get('/api/runs?repository=rakudo/rakudo&number=7&state=finished')).json(), {
    runs: [expected],
  });
  assert.deepEqual(await (await world.get(`/api/runs?sha=${'f'.repeat(40)}`)).json(), { runs: [] });
});

test('a run without a verdict has null, and no times that are not yet', async () => {
  const run = aRun({
    state: 'building',
    verdict: undefined,
    finishedAt: undefined,
    kind: 'commit',
    number: undefined,
    ref: 'refs/heads/main',
  });
  const json = await jsonOf(await siteOf(memoryReader([run])).get('/api/runs/01run'));
  assert.equal(json.verdict, null);
  assert.ok(!('finishedAt' in json) && !('why' in json) && !('previous' in json));
  assert.deepEqual(json.change, { kind: 'commit', ref: 'refs/heads/main', sha: SHA });
});

test('the JSON of the ledger has exactly its promised shape, and is paged', async () => {
  const world = siteOf(
    memoryReader(
      [],
      [
        aFact({ id: '1' }),
        aFact({ id: '2', key: 'head:2', pollAt: ago(590), occurredAt: undefined, hookAt: undefined }),
      ],
    ),
  );
  const first = await jsonOf(await world.get('/api/ledger?subject=pull-request:github:1%237&limit=1'));
  assert.deepEqual(first, {
    facts: [
      {
        key: 'head:2',
        kind: 'pull-request-moved',
        subject: 'pull-request:github:1#7',
        pollAt: ago(590).toISOString(),
        state: 'done',
      },
    ],
    next: '2',
  });
  const second = await (await world.get(`/api/ledger?limit=1&before=${first.next}`)).json();
  assert.deepEqual(second, {
    facts: [
      {
        key: 'head:1',
        kind: 'pull-request-moved',
        subject: 'pull-request:github:1#7',
        occurredAt: ago(602).toISOString(),
        hookAt: ago(600).toISOString(),
        lag: 2,
        state: 'done',
      },
    ],
  });
});

const shownNumbers = (page: string): number[] => [...page.matchAll(/id="L(\d+)"/g)].map((match) => Number(match[1]));

test('a finished log opens at its start, a running one at its end', async () => {
  const world = siteOf(
    memoryReader([
      withJob(aJob()),
      withJob(
        aJob({
          state: 'running',
          verdict: undefined,
          attempts: [
            {
              ...aJob().attempts[0]!,
              id: 'attempt2',
              state: 'running',
              verdict: undefined,
              finishedAt: undefined,
              log: undefined,
            },
          ],
        }),
        { id: '02run', state: 'building', verdict: undefined },
      ),
    ]),
  );
  await writeLog(world, 'attempt1', numbered(2500));
  await writeLog(world, 'attempt2', numbered(2500), false);
  const finished = await world.text('/runs/01run/jobs/job1');
  assert.deepEqual([shownNumbers(finished)[0], shownNumbers(finished).at(-1)], [1, 1000]);
  assert.match(finished, /Lines 1 to 1,000 of 2,500/);
  assert.match(finished, /\?from=1001&amp;attempt=1/);
  assert.match(finished, /\?from=1501&amp;attempt=1/);
  assert.doesNotMatch(finished, /data-lines=|http-equiv/);
  const running = await world.text('/runs/02run/jobs/job1');
  assert.deepEqual([shownNumbers(running)[0], shownNumbers(running).at(-1)], [1501, 2500]);
  assert.match(running, /data-lines="\/runs\/02run\/jobs\/job1\/lines"/);
  assert.match(running, /<noscript><meta http-equiv="refresh"/);
});

test('an older window of a running log does not follow it', async () => {
  const attempts = [{ ...aJob().attempts[0]!, state: 'running', verdict: undefined, finishedAt: undefined } as const];
  const world = siteOf(memoryReader([withJob(aJob({ state: 'running', verdict: undefined, attempts }))]));
  await writeLog(world, 'attempt1', numbered(2500), false);
  const page = await world.text('/runs/01run/jobs/job1?from=1');
  assert.equal(shownNumbers(page).at(-1), 1000);
  assert.doesNotMatch(page, /data-lines=|http-equiv/);
});

test('a window beyond the end is the last one, and a long line is cut', async () => {
  const world = siteOf(memoryReader([withJob(aJob())]));
  await writeLog(world, 'attempt1', `${'x'.repeat(20_000)}\n${numbered(30)}`);
  const page = await world.text('/runs/01run/jobs/job1?from=999999&count=10');
  assert.deepEqual(shownNumbers(page), [22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);
  const first = await world.text('/runs/01run/jobs/job1?count=1');
  assert.match(first, /… \(20,000 bytes, see raw\)/);
  assert.ok(first.length < 20_000);
});

test('malformed UTF-8 and colours are shown, not run', async () => {
  const world = siteOf(memoryReader([withJob(aJob())]));
  await writeLog(
    world,
    'attempt1',
    Buffer.concat([Buffer.from('\u001b[31mred\u001b[0m '), Buffer.from([0xff, 0xfe]), Buffer.from(HOSTILE)]),
  );
  const page = await world.text('/runs/01run/jobs/job1');
  assert.match(page, /<span class="ansi-red-fg">red<\/span> \ufffd\ufffd/);
  assert.doesNotMatch(page, /<script>|<img/);
});

test('a job without a log says why there is none', async () => {
  const ended = { ...aJob().attempts[0]!, log: undefined };
  const queued = aJob({ id: 'job2', state: 'queued', verdict: undefined, attempts: [] });
  const world = siteOf(
    memoryReader([
      withJob(aJob({ attempts: [ended] })),
      withJob(queued, { id: '02run' }),
      withJob(aJob({ id: 'job3' }), { id: '03run' }),
    ]),
  );
  assert.match(await world.text('/runs/01run/jobs/job1'), /ended before it wrote a line/);
  assert.match(await world.text('/runs/02run/jobs/job2'), /Waiting for the first line/);
  assert.match(await world.text('/runs/03run/jobs/job3'), /The log is gone/);
});

test('new lines come as a fragment until the attempt and its log have ended', async () => {
  const attempt: RunDetails['builds'][number]['jobs'][number]['attempts'][number] = {
    ...aJob().attempts[0]!,
    state: 'running',
    verdict: undefined,
    finishedAt: undefined,
  };
  const world = siteOf(memoryReader([withJob(aJob({ state: 'running', attempts: [attempt] }))]));
  const lines = async (from: number) => jsonOf(await world.get(`/runs/01run/jobs/job1/lines?from=${from}&attempt=1`));
  assert.deepEqual(await lines(1), { from: 1, next: 1, lines: 0, html: '', done: false });
  await writeLog(world, 'attempt1', 'one\ntwo\nth', false);
  const first = await lines(1);
  assert.equal(first.next, 4);
  assert.deepEqual(shownNumbers(first.html), [1, 2, 3]);
  await writeLog(world, 'attempt1', 'ree <b>\n', false);
  const again = await lines(3);
  assert.match(again.html, /id="L3".*three &lt;b&gt;/);
  assert.equal(again.done, false);
  attempt.state = 'finished';
  attempt.finishedAt = ago(5);
  assert.equal((await lines(3)).done, false, 'the log may still be drained');
  await writeLog(world, 'attempt1', '');
  assert.equal((await lines(3)).done, true);
});

test('a page that waits for a queued job goes on asking', async () => {
  const job = aJob({ state: 'queued', verdict: undefined, attempts: [] });
  const world = siteOf(memoryReader([withJob(job)]));
  const answer = await jsonOf(await world.get('/runs/01run/jobs/job1/lines?from=1&attempt='));
  assert.deepEqual(answer, { from: 1, next: 1, lines: 0, html: '', done: false });
});

test('a log that was never sealed is given up a minute after its verdict', async () => {
  const attempt = { ...aJob().attempts[0]!, finishedAt: ago(120) };
  const world = siteOf(memoryReader([withJob(aJob({ attempts: [attempt] }))]));
  await writeLog(world, 'attempt1', 'one\n', false);
  assert.equal((await jsonOf(await world.get('/runs/01run/jobs/job1/lines?from=1'))).done, true);
});

test('the raw log is the bytes, as plain text that nothing can run', async (t) => {
  const second = { ...aJob().attempts[0]!, id: 'attempt2', number: 2 };
  const world = siteOf(memoryReader([withJob(aJob({ attempts: [second, aJob().attempts[0]!] }))]));
  await writeLog(world, 'attempt1', HOSTILE);
  await writeLog(world, 'attempt2', 'second\n');
  const served = await serve(world, t);
  const response = await fetch(`${served.url}/runs/01run/jobs/job1/log.txt?attempt=1`);
  assert.equal(await response.text(), HOSTILE);
  assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(response.headers.get('content-length'), String(HOSTILE.length));
  assert.match(response.headers.get('content-disposition') ?? '', /^inline; filename="local - test-1\.txt"/);
  assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/);
  assert.equal(await (await fetch(`${served.url}/runs/01run/jobs/job1/log.txt`)).text(), 'second\n');
  assert.equal(
    (await world.get('/runs/01run/jobs/job1/log.txt', { method: 'HEAD' })).headers.get('content-length'),
    '7',
  );
});

test('a download is known, named, immutable, and nothing a browser would run', async (t) => {
  const world = siteOf(memoryReader([]));
  const { sha256, size } = await world.archive.put(Buffer.from('<script>alert(1)</script>'));
  const attempt = { ...aJob().attempts[0]!, artifacts: [{ name: 'a/b/évil"\r\nX: y.html', size, sha256 }] };
  const known = siteOf(memoryReader([withJob(aJob({ attempts: [attempt] }))]), { archive: world.archive });
  const served = await serve(known, t);
  const response = await fetch(`${served.url}/archive/${sha256}/anything`);
  assert.equal(await response.text(), '<script>alert(1)</script>');
  assert.equal(response.headers.get('content-type'), 'application/octet-stream');
  assert.equal(
    response.headers.get('content-disposition'),
    `attachment; filename="_vil___X_ y.html"; filename*=UTF-8''%C3%A9vil___X_%20y.html`,
  );
  assert.match(response.headers.get('cache-control') ?? '', /immutable/);
  assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/);
  assert.equal((await known.get(`/archive/${sha256}`, { headers: { 'If-None-Match': `"${sha256}"` } })).status, 304);
  const head = await known.get(`/archive/${sha256}`, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), String(size));
  assert.equal(await head.text(), '');
  assert.equal((await world.get(`/archive/${sha256}`)).status, 404, 'a blob that no run refers to stays private');
});

test('what retention removed is gone, and a damaged archive is not passed on', async () => {
  const run = aRun({
    sources: [
      {
        id: 'source1',
        repository: 'Raku/nqp',
        sha: SHA,
        changed: true,
        why: 'head',
        archive: { sha256: DIGEST, size: 3, tarSha256: DIGEST },
      },
    ],
  });
  assert.equal((await siteOf(memoryReader([run])).get(`/archive/${DIGEST}`)).status, 410);
  const archive = {
    stat: async () => ({ sha256: DIGEST, size: 3 }),
    get: async (): Promise<Readable> => Promise.reject(new ArchiveError('corrupt', 'at /secret/place')),
    readLog: async () => undefined,
  };
  const world = siteOf(memoryReader([run]), { archive });
  const response = await world.get(`/archive/${DIGEST}`);
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret/);
  assert.equal(world.faults.length, 1);
});

test('a download that breaks in the middle breaks the connection and is told', async (t) => {
  const run = aRun({
    sources: [
      {
        id: 'source1',
        repository: 'Raku/nqp',
        sha: SHA,
        changed: true,
        why: 'head',
        archive: { sha256: DIGEST, size: 1e6, tarSha256: DIGEST },
      },
    ],
  });
  const broken = () =>
    Readable.from(
      (async function* () {
        yield Buffer.alloc(1000);
        throw new ArchiveError('corrupt', 'frame 2');
      })(),
    );
  const archive = {
    stat: async () => ({ sha256: DIGEST, size: 1e6 }),
    get: async () => broken(),
    readLog: async () => undefined,
  };
  const world = siteOf(memoryReader([run]), { archive });
  const { url } = await serve(world, t);
  const response = await fetch(`${url}/archive/${DIGEST}`);
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
  await assert.rejects(response.arrayBuffer());
  assert.equal(world.faults.length, 1);
  assert.equal((await fetch(`${url}/nowhere`)).status, 404);
});

test('the ledger shows parked facts first, each with its error, and a fact with its sightings', async () => {
  const parked = aFact({
    id: '01',
    key: 'delivery:9',
    state: 'parked',
    error: 'expected a number, found "seven"',
    tries: 1,
    raw: '{"number":"seven"}',
    payload: undefined,
  });
  const world = siteOf(memoryReader([], [aFact({ id: '02', payload: { sha: SHA } }), parked]));
  const page = await world.text('/ledger');
  assert.match(page, /Parked: given up.*expected a number, found &quot;seven&quot;.*<table/s);
  const done = await world.text('/ledger/fact?key=head%3A1');
  assert.match(done, new RegExp(`&quot;sha&quot;: &quot;${SHA}&quot;`));
  assert.match(done, /<code><bdi>d-1<\/bdi><\/code>/);
  assert.match(
    await world.text('/ledger/fact?key=delivery%3A9'),
    /As it came.*\{&quot;number&quot;:&quot;seven&quot;\}/s,
  );
});

test('health is 200 or 503, and the service page names what is wrong', async () => {
  assert.deepEqual(await (await siteOf(memoryReader([])).get('/readyz')).json(), {
    ok: true,
    version: '1.2.3',
    checks: { database: { ok: true, note: 'answers in 2 ms' } },
  });
  const ill = siteOf(memoryReader([]), {
    health: async () => ({ ok: false, checks: { database: { ok: false, note: 'is away since 12:00' } } }),
    metrics: async () => 'rcb_up 1\n',
  });
  assert.equal((await ill.get('/readyz')).status, 503);
  assert.equal((await ill.get('/healthz')).status, 200, 'it is alive all the same');
  assert.match(await ill.text('/service'), /is away since 12:00/);
  assert.equal(await ill.text('/metrics'), 'rcb_up 1\n');
});

test('what all readers of the list need is asked once for those who come at the same time, and again for the next', async () => {
  let asked = 0;
  let isAway = false;
  const reader = {
    ...memoryReader([aRun()]),
    waiting: async () => {
      asked += 1;
      if (isAway) throw new Error('away');
      return { catchUp: 0, held: 0 };
    },
  };
  const world = siteOf(reader);
  const pages = await Promise.all(Array.from({ length: 20 }, () => world.get('/')));
  assert.ok(pages.every(({ status }) => status === 200));
  assert.equal(asked, 1);
  isAway = true;
  assert.equal((await world.get('/')).status, 500);
  isAway = false;
  assert.equal((await world.get('/')).status, 200, 'a fault is not kept');
});
