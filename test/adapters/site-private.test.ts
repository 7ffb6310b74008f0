import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { formToken } from '../../src/core/session.ts';
import { EVERYTHING, sightOf } from '../../src/core/sight.ts';
import { aboutPress } from '../../src/site/pages/buttons.ts';
import { createPrismaReaders } from '../../src/store/prisma-reader.ts';
import { sha } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { serveSite } from '../support/served-site.ts';
import { type LoginWorld, logIn, loginWorld } from './login-fakes.ts';
import { ago, memoryArchive, NOW } from './site-fakes.ts';
import { type Told, tellAbout } from './site-private-rows.ts';

/**
 * A public and a private repository with all that can be told of one. Whoever may not read the private one must not meet its
 * word anywhere: not on any page that links lead to, and not where he guesses an address.
 */
let opened: TestDatabase;
let open: Told;
let canary: Told;
const archive = memoryArchive();
const clock = { now: () => NOW };

before(async () => {
  opened = await testDatabase();
  const { prisma } = opened.database;
  await prisma.installation.create({
    data: { key: 'github:71', account: 'acme', accountId: '7', state: 'active', served: true, updatedAt: NOW },
  });
  open = await tellAbout(prisma, archive, { word: 'openair', key: 'github:1', isPrivate: false });
  canary = await tellAbout(prisma, archive, { word: 'canary', key: 'github:70777', isPrivate: true });
  await tellOfBoth();
});
after(() => opened.close());

/** What does not say whose it is, a file that both have, and a run of the public repository with the private one in it. */
async function tellOfBoth(): Promise<void> {
  const { prisma } = opened.database;
  const told = {
    kind: 'hook.unread',
    state: 'parked',
    tries: 1,
    error: 'canary',
    payload: { why: 'canary' },
    raw: 'canary',
  };
  await prisma.event.createMany({
    data: ['installation:github:71', 'match:raku:canary', 'hook:push', 'build:azure:acme/canary'].map(
      (subject, at) => ({
        ...told,
        ...{
          id: `canary-other-${at}`,
          key: `canary-other-${at}`,
          subject,
          dueAt: ago(10),
          createdAt: ago(10),
          hookAt: ago(9),
        },
      }),
    ),
  });
  const same = await archive.put(Buffer.from('the same artifact'));
  await prisma.artifact.createMany({
    data: [open, canary].map(({ word }) => ({
      ...{ id: `${word}-same`, attemptId: `${word}-attempt-job1`, name: `${word}-same.zip` },
      ...{ size: same.size, sha256: same.sha256 },
    })),
  });
  await prisma.run.create({
    data: {
      ...{
        id: 'canary-mixed',
        repositoryKey: open.key,
        repository: 'acme/openair',
        subject: `branch:${open.key}:refs/heads/x`,
      },
      ...{ kind: 'commit', ref: 'refs/heads/openair-main', sha: sha('mixed'), title: 'canary mixed', trigger: 'push' },
      ...{ state: 'finished', verdict: 'passed', createdAt: ago(700), finishedAt: ago(650), why: 'canary' },
      sources: {
        create: {
          ...{ id: 'canary-mixed-source', repositoryKey: canary.key, repository: 'acme/canary' },
          ...{ sha: sha('canary first'), changed: false, why: 'canary' },
        },
      },
    },
  });
}

interface Reading {
  world: LoginWorld;
  url: string;
  /** As a browser keeps it. */
  cookie: string;
}

/** Somebody before the site: streams are written to a real connection. */
async function readingAs(who: 'nobody' | 'stranger' | 'member', t: TestContext): Promise<Reading> {
  const readers = createPrismaReaders(opened.database.prisma, clock);
  const world = loginWorld(readers.seenBy(EVERYTHING), {
    readers,
    archive,
    metrics: async () => JSON.stringify(await readers.seenBy(sightOf(await readers.privates())).measures()),
    knownFlappers: [open, canary].map(({ word }) => ({ name: `t/${word}-known.t`, repository: `acme/${word}` })),
    stacks: [
      { name: 'mixed', repositories: ['acme/openair', 'acme/canary'].map(inStack) },
      { name: 'acme/openair', repositories: [inStack('acme/openair')] },
      { name: 'acme/canary', repositories: [inStack('acme/canary')] },
    ],
    backends: async () => [{ name: 'azure', kind: 'azure', ok: true, note: 'answers' }],
    live: { pollMs: 5 },
  });
  world.forge.repositories = { 'github:71': who === 'member' ? [open.key, canary.key] : [open.key] };
  const cookie = who === 'nobody' ? '' : (await logIn(world)).jar.headers['cookie']!;
  const { url, stop } = await serveSite(world.site);
  t.after(stop);
  return { world, url, cookie };
}

const inStack = (repository: string) => ({ repository, pins: {}, trees: {} });

const ask = ({ url, cookie }: Reading, path: string, init: RequestInit = {}) =>
  fetch(url + path, { redirect: 'manual', ...init, headers: { cookie } });

/** All of it, as text. */
async function answerOf(reading: Reading, path: string): Promise<string> {
  const answer = await ask(reading, path);
  assert.ok(answer.status < 500, `${path} is answered with ${answer.status}`);
  const headers = [...answer.headers].filter(([name]) => name !== 'date');
  return `${answer.status} ${JSON.stringify(headers)}\n${await answer.text()}`;
}

const STARTS = [
  ...['/', '/runs', '/stacks/mixed', '/flappers', '/flappers?show=failed', '/service', '/api/runs', '/api/ledger'],
  ...['/ledger', '/ledger?noted=shown', '/ledger?state=parked', '/ledger?state=pending', '/ledger?kind=branch.hinted'],
  ...[
    '/api/flappers?show=failed',
    '/stacks',
    '/metrics',
    '/feed.atom',
    '/badge/acme/openair.svg',
    '/api/ledger/totals',
  ],
];
/** Of these the last say nothing of any private repository, to nobody. */
const TELLING = STARTS.slice(0, 14);
const MOST_PAGES = 600;

/** Every answer that links lead to. */
async function crawl(reading: Reading): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  const waiting = [...STARTS];
  for (let path = waiting.shift(); path !== undefined && answers.size < MOST_PAGES; path = waiting.shift()) {
    if (answers.has(path)) continue;
    answers.set(path, await answerOf(reading, path));
    for (const [, link] of answers.get(path)!.matchAll(/(?:href|src)="(\/[^"#]*)/g)) {
      const next = link!.replaceAll('&amp;', '&');
      if (!answers.has(next) && !next.startsWith('/assets/')) waiting.push(next);
    }
  }
  return answers;
}

describe('a private repository beside a public one', () => {
  for (const who of ['nobody', 'stranger'] as const) {
    test(`no link leads ${who} to anything of it`, async (t) => {
      const answers = await crawl(await readingAs(who, t));
      assert.ok(answers.size > 60 && answers.size < MOST_PAGES, `${answers.size} pages were met`);
      const pages = open.addresses.filter((path) => /^\/runs\/[\w-]+$/.test(path));
      for (const path of pages) assert.ok(answers.has(path), `${path} was met`);
      for (const [path, answer] of answers) {
        assert.doesNotMatch(path, /canary/i);
        assert.ok(!/canary/i.test(answer), `${path} tells of it:\n${around(answer)}`);
      }
    });

    test(`an address that ${who} guesses is answered as if there were nothing`, async (t) => {
      const reading = await readingAs(who, t);
      for (const path of canary.addresses) {
        // The address itself comes back in words, links and forms.
        const answer = withoutTraces(await answerOf(reading, path));
        const nothing = withoutTraces(await answerOf(reading, withoutTraces(path)));
        assert.ok(answer === nothing, `${path} says:\n${difference(answer, nothing)}`);
      }
      // The same addresses of the public one lead somewhere: else this would not tell.
      for (const path of open.addresses) assert.match(await answerOf(reading, path), /^200 .*openair/s, path);
    });
  }

  test('who may read it meets all of it', async (t) => {
    const reading = await readingAs('member', t);
    const answers = await crawl(reading);
    for (const path of TELLING) assert.match(answers.get(path)!, /canary/, path);
    for (const path of canary.addresses) assert.match(await answerOf(reading, path), /^200 .*canary/s, path);
    assert.match(await answerOf(reading, '/runs/canary-mixed'), /^200 .*>private</s);
    assert.doesNotMatch(await answerOf(reading, '/runs/openair-pull'), />private</);
  });

  test('what is for some is kept by nobody between; what is for everybody, by everybody', async (t) => {
    const member = await readingAs('member', t);
    const cacheOf = async (sha256: string) =>
      (await ask(member, `/archive/${sha256}`, { method: 'HEAD' })).headers.get('cache-control');
    assert.equal(await cacheOf(canary.archives[0]!), 'private, no-cache');
    assert.equal(await cacheOf(open.archives[0]!), 'public, max-age=31536000, immutable');
    const page = await ask(member, '/api/runs');
    assert.equal(page.headers.get('cache-control'), 'private, no-store');
    const same = (await archive.put(Buffer.from('the same artifact'))).sha256;
    const nobody = await readingAs('nobody', t);
    assert.match(await answerOf(nobody, `/archive/${same}`), /^200 .*immutable.*openair-same/s);
  });

  test('badges and feeds are for everybody, whoever asks', async (t) => {
    const member = await readingAs('member', t);
    assert.match(await answerOf(member, '/feed.atom'), /openair main/);
    assert.doesNotMatch(await answerOf(member, '/feed.atom?repository=acme/canary'), /canary (main|pull|first)/);
    const badge = async (word: string) =>
      (await (await ask(member, `/badge/acme/${word}.svg`)).text()).replaceAll(word, '');
    assert.equal(await badge('canary'), await badge('absent'));
    assert.notEqual(await badge('openair'), await badge('absent'));
  });

  test('each is told live of what he may see', async (t) => {
    for (const who of ['nobody', 'stranger', 'member'] as const) {
      const heard = await hear(
        await readingAs(who, t),
        (text) => /openair-waits/.test(text) && /openair-first/.test(text),
      );
      assert.equal(/canary/.test(heard), who === 'member', who);
    }
  });

  test('a button of a run that one may not see is the button of no run', async (t) => {
    const stranger = await readingAs('stranger', t);
    const word = /=([^;]+)/.exec(stranger.cookie)![1]!;
    const press = async (run: string) => {
      // It is made of what his browser holds: he can make one for any run.
      const token = formToken(word, aboutPress(run, 're-test', 'x'));
      const form = new URLSearchParams({ command: 're-test', seen: 'x', form: token });
      const headers = { cookie: stranger.cookie, origin: 'https://rcb.example' };
      const answer = await fetch(`${stranger.url}/runs/${run}/press`, {
        method: 'POST',
        body: form,
        headers,
        redirect: 'manual',
      });
      return `${answer.status} ${withoutTraces(await answer.text())}`;
    };
    assert.match(await press('canary-pull'), /^404 /);
    assert.equal(await press('canary-pull'), await press('absent-pull'));
    assert.match(await press('openair-pull'), /^303 /);
    stranger.world.pressed.pop();
    assert.deepEqual(stranger.world.pressed, []);
  });
});

describe('who may read it, changes', () => {
  const RUN = '/runs/canary-pull';

  test('who was shut out at the forge sees it a minute longer at most', async (t) => {
    const reading = await readingAs('member', t);
    assert.match(await answerOf(reading, RUN), /^200 /);
    reading.world.forge.repositories = {};
    reading.world.pass(61_000);
    assert.match(await answerOf(reading, RUN), /^404 /);
  });

  test('while the forge cannot be asked nothing private is shown, and the page says so', async (t) => {
    const reading = await readingAs('member', t);
    reading.world.forge.failures = { repositoriesOf: 'away' };
    assert.match(await answerOf(reading, '/runs'), /could not be asked what you may read/);
    assert.match(await answerOf(reading, RUN), /^404 /);
    assert.deepEqual(reading.world.faults, []);
    reading.world.forge.failures = {};
    assert.match(await answerOf(reading, RUN), /^200 /);
  });

  test('who took back his word at the forge is logged out', async (t) => {
    const reading = await readingAs('member', t);
    reading.world.forge.failures = { repositoriesOf: 'refused' };
    assert.match(await answerOf(reading, RUN), /^404 .*is shown to those who may read that one/s);
    assert.match(await answerOf(reading, '/runs'), /Log in</);
  });

  test('a repository that becomes public is seen at once, and one that becomes private by nobody', async (t) => {
    const reading = await readingAs('nobody', t);
    const { prisma } = opened.database;
    const set = (key: string, isPrivate: boolean) =>
      prisma.repository.update({ where: { key }, data: { private: isPrivate } });
    t.after(() => Promise.all([set(canary.key, true), set(open.key, false)]));
    await set(canary.key, false);
    assert.match(await answerOf(reading, RUN), /^200 /);
    await set(open.key, true);
    assert.match(await answerOf(reading, '/runs/openair-pull'), /^404 /);
    const answers = await crawl(reading);
    for (const [path, answer] of answers)
      assert.ok(path.includes('openair') || !/openair/.test(answer), `${path}: ${answer}`);
  });
});

/** The stream of the list, until it told enough. */
async function hear(reading: Reading, isEnough: (text: string) => boolean): Promise<string> {
  const answer = await ask(reading, '/api/live?since=0');
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of answer.body!) {
    text += decoder.decode(chunk, { stream: true });
    if (isEnough(text)) break;
  }
  return text;
}

/** As if it had been another word, another key, other digests. */
function withoutTraces(text: string): string {
  const digests = [...canary.archives, sha('canary main')];
  const plain = text.replaceAll('canary', 'absent').replaceAll('70777', '90999');
  return digests.reduce((changed, digest) => changed.replaceAll(digest, digest.replace(/^../, 'ff')), plain);
}

/** Where two answers part. */
function difference(one: string, other: string): string {
  const at = [...one].findIndex((char, index) => char !== other[index]);
  return [one, other].map((text) => text.slice(Math.max(0, at - 200), at + 200)).join('\n  instead of:\n');
}

const around = (text: string): string => {
  const at = text.search(/canary/i);
  return text.slice(Math.max(0, at - 300), at + 200);
};
