import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { badgeSvg, textWidth } from '../../src/site/badge.ts';
import type { RunDetails } from '../../src/site/reader.ts';
import type { BranchState } from '../../src/site/reader-runs.ts';
import { ago, aRun, memoryReader, siteOf } from './site-fakes.ts';

const HOSTILE = `"><script>alert(1)</script>\u0000\u0008\uffff & ]]> 'x'`;

const xml = (text: string) => {
  assert.equal(XMLValidator.validate(text), true, text);
  // What a parser for XML 1.0 has to refuse, and this one does not.
  assert.equal(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text), false);
  return new XMLParser({ ignoreAttributes: false, parseTagValue: false, isArray: (name) => name === 'entry' }).parse(
    text,
  );
};

const withState = (state?: BranchState) => {
  const asked: [string, string | undefined][] = [];
  const reader = {
    ...memoryReader([]),
    branchState: async (repository: string, branch?: string) => {
      asked.push([repository, branch]);
      return state;
    },
  };
  return { asked, world: siteOf(reader) };
};

const STATES: [name: string, state: BranchState | undefined, word: string][] = [
  ['passed', { branch: 'main', verdict: 'passed', isRunning: false }, 'passing'],
  ['failed', { branch: 'main', verdict: 'failed', isRunning: false }, 'failing'],
  ['error', { branch: 'main', verdict: 'error', isRunning: false }, 'error'],
  ['passed and tested again', { branch: 'main', verdict: 'passed', isRunning: true }, 'passing'],
  ['tested for the first time', { branch: 'main', isRunning: true }, 'running'],
  ['without a verdict', { branch: 'main', isRunning: false }, 'unknown'],
  ['not known', undefined, 'unknown'],
];
for (const [name, state, word] of STATES) {
  test(`a badge of a branch that is ${name} says ${word}, in its title too`, async () => {
    const { world } = withState(state);
    const { svg } = xml(await world.text('/badge/rakudo/rakudo.svg'));
    assert.equal(svg.title, `RCB: rakudo/rakudo${state ? ' main' : ''} is ${word}`);
    assert.equal(svg['@_aria-label'], svg.title);
    assert.equal(svg['@_role'], 'img');
    assert.deepEqual(
      svg.g[1].text.map((text: Record<string, string>) => text['#text']),
      ['RCB', word],
    );
  });
}

test('a badge is asked for by repository and branch, whatever they are called', async () => {
  const { asked, world } = withState();
  for (const path of [
    '/badge/rakudo/rakudo.svg',
    '/badge/project.svg?branch=fix%2Fhash-map',
    '/badge/a%20b%2Fc.svg?branch=%20',
    '/badge/x.svg.svg',
  ]) {
    assert.equal((await world.get(path)).status, 200, path);
  }
  assert.deepEqual(asked, [
    ['rakudo/rakudo', undefined],
    ['project', 'fix/hash-map'],
    ['a b/c', undefined],
    ['x.svg', undefined],
  ]);
  assert.equal((await world.get('/badge/rakudo/rakudo.png')).status, 404);
  assert.equal((await world.get(`/badge/x.svg?branch=${'b'.repeat(300)}`)).status, 400);
  assert.equal((await world.get(`/badge/${'x'.repeat(400)}.svg`)).status, 404);
});

test('a badge may be embedded anywhere, does nothing there, and is asked for again cheaply', async () => {
  const { world } = withState({ branch: 'main', verdict: 'passed', isRunning: false });
  const first = await world.get('/badge/rakudo/rakudo.svg');
  assert.equal(first.headers.get('content-type'), 'image/svg+xml; charset=utf-8');
  assert.equal(first.headers.get('cache-control'), 'no-cache');
  assert.equal(first.headers.get('cross-origin-resource-policy'), 'cross-origin');
  assert.match(first.headers.get('content-security-policy')!, /default-src 'none'/);
  const etag = first.headers.get('etag')!;
  const again = await world.get('/badge/rakudo/rakudo.svg', { headers: { 'If-None-Match': `W/${etag}` } });
  assert.equal(again.status, 304);
  assert.equal(await again.text(), '');
  assert.equal(again.headers.get('etag'), etag);
  const failed = withState({ branch: 'main', verdict: 'failed', isRunning: false }).world;
  const changed = await failed.get('/badge/rakudo/rakudo.svg', { headers: { 'If-None-Match': etag } });
  assert.equal(changed.status, 200);
});

test('what strangers choose is text in a badge, and has its room', async () => {
  const text = badgeSvg({ label: HOSTILE, repository: HOSTILE, branch: HOSTILE }).toString();
  const { svg } = xml(text);
  assert.equal(svg.script, undefined);
  assert.ok(!text.includes('<script'));
  const wide = (label: string) => Number(xml(badgeSvg({ label, repository: 'r' }).toString()).svg['@_width']);
  assert.ok(wide('build on main') > wide('main'));
  assert.ok(textWidth('WWWW') > textWidth('iiii'));
  assert.ok(textWidth('日本') > textWidth('ab'));
});

const failed = (id: string, change: Partial<RunDetails> = {}) =>
  aRun({
    id,
    kind: 'commit',
    number: undefined,
    ref: 'refs/heads/main',
    verdict: 'failed',
    why: '1 of 2 jobs failed',
    ...change,
  });

const feedOf = (runs: RunDetails[]) => {
  const asked: (string | undefined)[] = [];
  const failures = async (repository: string | undefined) => {
    asked.push(repository);
    return runs;
  };
  return { asked, world: siteOf({ ...memoryReader(runs), failures }) };
};

test('the feed is Atom: ids, times, links and authors where they have to be', async () => {
  const { world } = feedOf([
    failed('02', { finishedAt: ago(60) }),
    failed('01', { verdict: 'error', author: undefined }),
  ]);
  const response = await world.get('/feed.atom');
  assert.equal(response.headers.get('content-type'), 'application/atom+xml; charset=utf-8');
  const { feed } = xml(await response.text());
  assert.equal(feed['@_xmlns'], 'http://www.w3.org/2005/Atom');
  assert.match(feed.id, /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.equal(feed.updated, ago(60).toISOString());
  assert.equal(feed.author.name, 'RCB');
  assert.deepEqual(
    feed.link.map((link: Record<string, string>) => [link['@_rel'], link['@_href']]),
    [
      ['self', 'https://rcb.example/feed.atom'],
      ['alternate', 'https://rcb.example/runs'],
    ],
  );
  const [newest, older] = feed.entry;
  assert.equal(newest.title, 'rakudo/rakudo: failed: Fix the collector');
  assert.equal(newest.link['@_href'], 'https://rcb.example/runs/02');
  assert.equal(newest.updated, ago(60).toISOString());
  assert.match(newest.summary, /1 of 2 jobs failed/);
  assert.equal(older.title, 'rakudo/rakudo: error: Fix the collector');
  assert.equal(older.author, undefined);
  assert.notEqual(newest.id, older.id);
});

test('the id of an entry stays, whatever else changes', async () => {
  const idOf = async (run: RunDetails, publicUrl?: string) => {
    const reader = { ...memoryReader([run]), failures: async () => [run] };
    return xml(await siteOf(reader, publicUrl ? { publicUrl } : {}).text('/feed.atom')).feed.entry[0].id;
  };
  const id = await idOf(failed('01'));
  assert.equal(await idOf(failed('01', { title: 'Renamed', verdict: 'error' })), id);
  assert.equal(await idOf(failed('01'), 'https://moved.example'), id);
  assert.notEqual(await idOf(failed('02')), id);
});

test('a feed of one repository, an empty one, and one that did not change', async () => {
  const { asked, world } = feedOf([]);
  const response = await world.get('/feed.atom?repository=rakudo%2Frakudo');
  const { feed } = xml(await response.text());
  assert.equal(feed.title, 'Failures on rakudo/rakudo · RCB');
  assert.equal(feed.link[0]['@_href'], 'https://rcb.example/feed.atom?repository=rakudo%2Frakudo');
  assert.match(feed.updated, /^1970/);
  assert.deepEqual(asked, ['rakudo/rakudo']);
  const etag = response.headers.get('etag')!;
  const path = '/feed.atom?repository=rakudo%2Frakudo';
  assert.equal((await world.get(path, { headers: { 'If-None-Match': etag } })).status, 304);
});

test('what strangers write is text in the feed', async () => {
  const change = { title: HOSTILE, author: HOSTILE, repository: HOSTILE, ref: HOSTILE, why: HOSTILE };
  const { feed } = xml(await feedOf([failed('01', change)]).world.text('/feed.atom'));
  assert.ok(feed.entry[0].title.includes('<script>alert(1)</script>'));
  assert.equal(feed.entry[0].script, undefined);
});

test('pages tell of the feed; a run tells a chat what it is', async () => {
  const run = aRun({ title: HOSTILE, verdict: 'failed', jobs: { passed: 3, failed: 1 } });
  const world = siteOf(memoryReader([run]));
  assert.match(await world.text('/'), /<link rel="alternate" type="application\/atom\+xml" href="\/feed.atom"/);
  const page = await world.text(`/runs/${run.id}`);
  const meta = (property: string) => new RegExp(`<meta property="og:${property}" content="([^"]*)">`).exec(page)?.[1];
  assert.match(meta('title')!, /^failed: &quot;&gt;&lt;script&gt;/);
  assert.match(meta('description')!, /^failed · rakudo\/rakudo #7 fix-gc at a1b2c3d4e5 · /);
  assert.equal(page.includes('<script>alert'), false);
});

test('search engines are kept out of what is endless', async () => {
  const robots = await siteOf(memoryReader([])).text('/robots.txt');
  for (const path of ['/archive/', '/api/', '/ledger', '/runs?', '/*?before='])
    assert.ok(robots.includes(`Disallow: ${path}\n`), path);
});
