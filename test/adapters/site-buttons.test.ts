import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reader, RunDetails } from '../../src/site/reader.ts';
import type { Pressing, ShownPress } from '../../src/site/reader-buttons.ts';
import { formOf, formsOf } from '../support/visitor.ts';
import { Jar, logIn, loginWorld } from './login-fakes.ts';
import { ago, aRun, memoryReader, siteOf } from './site-fakes.ts';

const ORIGIN = 'https://rcb.example';
const PATH = '/runs/01run';
const FAILED = { verdict: 'failed', jobs: { failed: 1, passed: 1 } } as const;

function readerOf(run: Partial<RunDetails> = {}, pressing: Partial<Pressing> = {}): Reader {
  const row = aRun({ repository: 'rakudo/rakudo', ...run });
  const repository = { key: 'github:1', name: row.repository, installation: 'github:9' };
  const known: Pressing = { repository, subject: row.subject, newestRunId: row.id, presses: [], ...pressing };
  return { ...memoryReader([row]), pressing: async (id) => (id === row.id ? known : undefined) };
}

const aPress = (change: Partial<ShownPress> = {}): ShownPress => ({
  key: 'button:01run:5:re-test:seen',
  runId: '01run',
  command: 're-test',
  actor: { id: '5', login: 'lizmat' },
  state: 'obeyed',
  at: ago(60),
  ...change,
});

async function loggedIn(reader: Reader, change: Parameters<typeof loginWorld>[1] = {}) {
  const world = loginWorld(reader, change);
  const { jar } = await logIn(world);
  const page = async () => {
    const response = await world.get(PATH, { headers: jar.headers });
    return { url: new URL(PATH, ORIGIN), status: response.status, text: await response.text() };
  };
  const press = (fields: object, headers: Record<string, string> = { origin: ORIGIN }, path = `${PATH}/press`) =>
    world.get(path, {
      method: 'POST',
      body: new URLSearchParams({ ...fields }),
      headers: { ...jar.headers, ...headers },
    });
  return { ...world, jar, page, press };
}

test('a press is one event about the run, by the account’s id, and leads back to the run', async () => {
  const it = await loggedIn(readerOf(FAILED));
  const form = formOf(await it.page(), 'Re-test failed');
  assert.equal(form.action, `${PATH}/press`);
  const response = await it.press(form.fields);
  assert.deepEqual([response.status, response.headers.get('location')], [303, PATH]);
  const [{ key, event } = assert.fail()] = it.pressed;
  assert.match(key, /^button:01run:5:re-test-failed:[\w-]{16}$/);
  assert.deepEqual(event, {
    kind: 'button.pressed',
    subject: 'pull-request:github:1#7',
    repository: { key: 'github:1', name: 'rakudo/rakudo', installation: 'github:9' },
    runId: '01run',
    command: 're-test failed',
    actor: { id: '5', login: 'lizmat' },
  });
});

test('two clicks on what one saw have one key; after something happened it is another one', async () => {
  const it = await loggedIn(readerOf());
  const once = formOf(await it.page(), 'Re-test').fields;
  assert.deepEqual(formOf(await it.page(), 'Re-test').fields, once, 'while nothing happens the page is the same');
  await it.press(once);
  await it.press(once);
  assert.deepEqual(new Set(it.pressed.map(({ key }) => key)).size, 1);
  for (const reader of [readerOf({}, { presses: [aPress({ state: 'refused' })] }), readerOf(FAILED)]) {
    const later = await loggedIn(reader);
    assert.notEqual(formOf(await later.page(), 'Re-test').fields['seen'], once['seen']);
  }
});

const REFUSED: [
  what: string,
  headers: Record<string, string>,
  fields: Record<string, string>,
  status: number,
  words: RegExp,
][] = [
  ['a foreign origin', { origin: 'https://evil.example' }, {}, 403, /not made by a page of this site/],
  ['the origin of a hidden page', { origin: 'null' }, {}, 403, /not made by a page of this site/],
  ['no origin at all', {}, {}, 403, /not made by a page of this site/],
  [
    'a foreign site that names no origin',
    { 'sec-fetch-site': 'cross-site' },
    {},
    403,
    /not made by a page of this site/,
  ],
  ['a guessed token', { origin: ORIGIN }, { form: 'guessed' }, 403, /of another session/],
  ['the token of another button', { origin: ORIGIN }, { command: 'cancel' }, 403, /of another session/],
  ['the token of another look', { origin: ORIGIN }, { seen: 'other' }, 403, /of another session/],
  ['an unknown command', { origin: ORIGIN }, { command: 'merge on success' }, 400, /not one of this site/],
  ['a look that is none', { origin: ORIGIN }, { seen: 'a:b' }, 400, /not one of this site/],
];
for (const [what, headers, fields, status, words] of REFUSED) {
  test(`${what} is refused, in words, and nothing is told to anybody`, async () => {
    const it = await loggedIn(readerOf());
    const { fields: given } = formOf(await it.page(), 'Re-test');
    const response = await it.press({ ...given, ...fields }, headers);
    assert.equal(response.status, status);
    assert.match(await response.text(), words);
    assert.deepEqual(it.pressed, []);
  });
}

test('an older browser says nothing of its origin, and that it is the same site', async () => {
  const it = await loggedIn(readerOf());
  const { fields } = formOf(await it.page(), 'Re-test');
  assert.equal((await it.press(fields, { 'sec-fetch-site': 'same-origin' })).status, 303);
  assert.equal(it.pressed.length, 1);
});

test('a form of another session, or for another run, is refused', async () => {
  const it = await loggedIn(readerOf());
  const { fields } = formOf(await it.page(), 'Re-test');
  const other = await logIn(it);
  const response = await it.get(`${PATH}/press`, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers: { ...other.jar.headers, origin: ORIGIN },
  });
  assert.equal(response.status, 403);
  assert.equal((await it.press(fields, undefined, '/runs/02run/press')).status, 403);
  assert.deepEqual(it.pressed, []);
});

test('what is no form, or a huge one, is refused', async () => {
  const it = await loggedIn(readerOf());
  const send = (body: string, type: string) =>
    it.get(`${PATH}/press`, {
      method: 'POST',
      body,
      headers: { ...it.jar.headers, origin: ORIGIN, 'content-type': type },
    });
  assert.equal((await send('{}', 'application/json')).status, 400);
  assert.equal((await send('command=re-test', 'text/plain')).status, 400);
  const huge = await send(`command=${'x'.repeat(20_000)}`, 'application/x-www-form-urlencoded');
  assert.equal(huge.status, 413);
  assert.deepEqual([it.pressed, it.faults], [[], []]);
});

test('who is not logged in is sent to log in, and comes back to the run', async () => {
  const world = loginWorld(readerOf());
  const response = await world.get(`${PATH}/press`, {
    method: 'POST',
    body: new URLSearchParams({ command: 're-test' }),
    headers: { origin: ORIGIN },
  });
  assert.deepEqual([response.status, response.headers.get('location')], [303, '/login?return=%2Fruns%2F01run']);
  const page = await world.text(PATH);
  assert.match(
    page,
    /<a class="button" href="https:\/\/rcb\.example\/login\?return=%2Fruns%2F01run"[^>]*>Re-test<\/a>/,
  );
  assert.deepEqual(formsOf({ text: page }), []);
});

test('whoever presses like mad is stopped for a minute', async () => {
  const it = await loggedIn(readerOf());
  const { fields } = formOf(await it.page(), 'Re-test');
  const statuses: number[] = [];
  for (let i = 0; i < 21; i++) statuses.push((await it.press(fields)).status);
  assert.deepEqual([statuses[19], statuses[20]], [303, 429]);
  it.pass(60_000);
  assert.equal((await it.press(fields)).status, 303);
});

test('who took his agreement back at GitHub is logged out by the press, and nothing is done', async () => {
  const it = await loggedIn(readerOf());
  const { fields } = formOf(await it.page(), 'Re-test');
  it.forge.forget();
  const response = await it.press(fields);
  assert.equal(response.headers.get('location'), '/login?return=%2Fruns%2F01run');
  assert.deepEqual([it.pressed.length, it.sessions.rows.size], [0, 0]);
});

test('while GitHub is away a press is stored: what its person may do is asked before it is obeyed', async () => {
  const it = await loggedIn(readerOf());
  const { fields } = formOf(await it.page(), 'Re-test');
  it.forge.failures.userOf = 'away';
  assert.equal((await it.press(fields)).status, 303);
  assert.equal(it.pressed.length, 1);
});

test('a token that has ended is renewed, once, and its successor is kept sealed', async () => {
  const it = await loggedIn(readerOf());
  const [[id, row] = assert.fail()] = [...it.sessions.rows];
  it.pass(7 * 3_600_000 + 3_599_000);
  it.sessions.rows.set(id, { ...row, usedAt: it.now() });
  const { fields } = formOf(await it.page(), 'Re-test');
  assert.equal((await it.press(fields)).status, 303);
  assert.equal(it.pressed.length, 1);
  assert.equal(it.forge.calls.filter((call) => call === 'refresh').length, 1);
  assert.notEqual(it.sessions.rows.get(id)!.tokens, row.tokens);
  assert.equal((await it.press(fields)).status, 303);
  assert.equal(it.forge.calls.filter((call) => call === 'refresh').length, 1, 'the new one is good');
});

test('the button of a run that was removed meanwhile finds nothing', async () => {
  const reader = readerOf();
  const it = await loggedIn(reader);
  const { fields } = formOf(await it.page(), 'Re-test');
  reader.pressing = async () => undefined;
  assert.equal((await it.press(fields)).status, 404);
  assert.deepEqual(it.pressed, []);
});

const STATES: [what: string, run: Partial<RunDetails>, buttons: string[]][] = [
  ['builds', { state: 'building', verdict: undefined, finishedAt: undefined }, ['Cancel']],
  [
    'waits for a maintainer',
    { state: 'waiting', verdict: undefined, finishedAt: undefined },
    ['Allow and test', 'Cancel'],
  ],
  ['passed', {}, ['Re-test']],
  ['failed', FAILED, ['Re-test', 'Re-test failed']],
];
for (const [what, run, buttons] of STATES) {
  test(`a run that ${what} has the buttons ${buttons.join(', ')}`, async () => {
    const it = await loggedIn(readerOf(run));
    const shown = formsOf(await it.page()).map(({ button }) => button);
    assert.deepEqual(shown, ['Log out', ...buttons]);
  });
}

test('while an answer is awaited there is no button, and the page keeps itself fresh', async () => {
  const it = await loggedIn(readerOf({}, { presses: [aPress({ state: 'heard' })] }));
  const page = await it.page();
  assert.deepEqual(formsOf(page).length, 1);
  assert.match(page.text, /pressed Re-test: heard/);
  assert.match(page.text, /data-live="3"/);
});

test('a press whose permission could not be asked says why, and may be pressed again', async () => {
  const it = await loggedIn(readerOf({}, { presses: [aPress({ state: 'heard', trouble: 'GitHub answered 503' })] }));
  const page = await it.page();
  assert.match(page.text, /could not be found out whether this is allowed: GitHub answered 503/);
  assert.equal(formsOf(page).length, 2);
});

test('what came of presses is shown to everybody, and nothing in it is markup', async () => {
  const hostile = '"><script>alert(1)</script>';
  const presses = [
    aPress({ key: 'b', state: 'refused', why: `No \`{re-test}\`: ${hostile}`, actor: { id: '6', login: hostile } }),
    aPress({ key: 'a', newRunId: '02run' }),
  ];
  const text = await siteOf(readerOf({}, { presses, newestRunId: '02run' }), { loginOff: 'no key' }).text(PATH);
  assert.doesNotMatch(text, /<script>alert/);
  assert.match(text, /pressed Re-test: not done\./);
  assert.match(text, /<code>\{re-test\}<\/code>/);
  assert.match(text, /<a href="\/runs\/02run">The new run<\/a>/);
  assert.match(text, /There is a newer run of this change/);
});

test('where nobody can log in a run says so; one of a plain git repository has no buttons at all', async () => {
  const off = await siteOf(readerOf(), { loginOff: 'RCB_SESSION_KEY is not set' }).text(PATH);
  assert.match(off, /Logging in is switched off here \(RCB_SESSION_KEY is not set\)/);
  const plain = readerOf({}, { repository: { key: 'git:/srv/a', name: 'a' } });
  const it = await loggedIn(plain);
  assert.deepEqual(
    formsOf(await it.page()).map(({ button }) => button),
    ['Log out'],
  );
});

test('who only reads gets no cookie', async () => {
  const world = loginWorld(readerOf());
  const jar = new Jar();
  jar.take(await world.get(PATH));
  assert.equal(jar.cookies.size, 0);
});
