import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyringOf } from '../../src/core/secret-box.ts';
import { IDLE_MS, LOGIN_MS, SESSION_MS, sessionIdOf } from '../../src/core/session.ts';
import { serveSite } from '../support/served-site.ts';
import { formOf } from '../support/visitor.ts';
import { callbackOf, Jar, KEYS, logIn, loginWorld, memorySessions } from './login-fakes.ts';
import { aJob, memoryReader, siteOf, withJob } from './site-fakes.ts';

const ORIGIN = 'https://rcb.example';
const MINUTE = 60_000;

const pageFor = async (world: ReturnType<typeof loginWorld>, jar: Jar, path = '/runs') => {
  const response = jar.take(await world.get(path, { headers: jar.headers }));
  return { url: new URL(path, ORIGIN), status: response.status, text: await response.text(), response };
};
const post = (world: ReturnType<typeof loginWorld>, jar: Jar, path: string, fields: object, headers: object = {}) =>
  world.get(path, {
    method: 'POST',
    body: new URLSearchParams({ ...fields }),
    headers: { ...jar.headers, origin: ORIGIN, ...headers },
  });

test('a login goes to GitHub with a state and a challenge, and comes back to the page it began at', async () => {
  const world = loginWorld();
  const { jar, response } = await logIn(world, new Jar(), '/runs?number=7');
  assert.equal(response.status, 302);
  assert.equal(response.headers.get('location'), '/runs?number=7');
  assert.match((await pageFor(world, jar)).text, /lizmat/);
});

test('the cookies of a site behind TLS are for this host only, out of reach of scripts and of other sites', async () => {
  const world = loginWorld();
  const away = await world.get('/login');
  const { response } = await logIn(world);
  const [kept] = away.headers.getSetCookie();
  const session = response.headers.getSetCookie().find((line) => line.startsWith('__Host-rcb-session='));
  for (const line of [kept, session]) {
    for (const attribute of [/^__Host-rcb-/, /; Path=\/(;|$)/, /; HttpOnly/, /; Secure/, /; SameSite=Lax/])
      assert.match(line ?? '', attribute);
    assert.doesNotMatch(line ?? '', /Domain/i);
  }
  assert.match(session!, /Max-Age=28800/);
});

test('without TLS, on one machine, cookies are plain, and still out of reach', async () => {
  const world = loginWorld(undefined, { publicUrl: 'http://localhost:3000' });
  const [kept] = (await world.get('/login')).headers.getSetCookie();
  assert.match(kept!, /^rcb-login=/);
  assert.doesNotMatch(kept!, /Secure/);
  assert.match(kept!, /HttpOnly; SameSite=Lax/);
});

test('what is stored of a session is of no use to whoever reads it', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  const word = jar.cookies.get('__Host-rcb-session')!;
  assert.ok(word.length >= 43, 'at least 256 bits');
  const [[id, row] = []] = [...world.sessions.rows];
  assert.equal(id, sessionIdOf(word));
  assert.doesNotMatch(JSON.stringify(row), new RegExp(`ghu_|ghr_|${word}`));
});

test('asking to log in stores nothing', async () => {
  const world = loginWorld();
  for (let i = 0; i < 100; i++) assert.equal((await world.get('/login')).status, 302);
  assert.deepEqual([world.sessions.rows.size, world.forge.calls], [0, []]);
});

test('nobody is sent to another site after a login', async () => {
  for (const back of ['https://evil.example', '//evil.example', '/\\evil.example', '/logout']) {
    const { response } = await logIn(loginWorld(), new Jar(), back);
    assert.equal(response.headers.get('location'), '/', back);
  }
});

test('an answer of GitHub that this browser did not ask for is refused, and its code is not used', async () => {
  const world = loginWorld();
  const away = await world.get('/login');
  const callback = callbackOf(away);
  const stranger = await world.get(callback);
  assert.equal(stranger.status, 400);
  assert.match(await stranger.text(), /does not belong to a login that this browser has begun/);
  const other = new Jar();
  other.take(await world.get('/login'));
  assert.equal((await world.get(callback, { headers: other.headers })).status, 400);
  assert.deepEqual(world.forge.calls, []);
  assert.equal(world.sessions.rows.size, 0);
});

test('an answer is good once: replayed, even with its cookie, it makes no second session', async () => {
  const world = loginWorld();
  const jar = new Jar();
  const away = jar.take(await world.get('/login'));
  const before = { ...jar.headers };
  const callback = callbackOf(away);
  assert.equal(jar.take(await world.get(callback, { headers: before })).status, 302);
  assert.equal((await world.get(callback, { headers: jar.headers })).status, 400, 'the cookie is gone');
  const replayed = await world.get(callback, { headers: before });
  assert.equal(replayed.status, 400);
  assert.match(await replayed.text(), /its code was used before/);
  assert.equal(world.sessions.rows.size, 1);
});

test('who takes longer than ten minutes begins anew', async () => {
  const world = loginWorld();
  const jar = new Jar();
  const away = jar.take(await world.get('/login'));
  world.pass(LOGIN_MS);
  assert.equal((await world.get(callbackOf(away), { headers: jar.headers })).status, 400);
});

test('a cookie that was changed is nobody’s', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  const word = jar.cookies.get('__Host-rcb-session')!;
  for (const value of [
    `${word}x`,
    word.slice(1),
    word.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')),
    '',
    '%',
    'x'.repeat(5_000),
  ]) {
    const page = await world
      .text('/runs')
      .then(() => world.get('/runs', { headers: { cookie: `__Host-rcb-session=${value}` } }));
    assert.equal(page.status, 200);
    assert.doesNotMatch(await page.text(), /lizmat/, value.slice(0, 50));
  }
  const kept = new Jar();
  const away = kept.take(await world.get('/login'));
  const box = kept.cookies.get('__Host-rcb-login')!;
  kept.cookies.set('__Host-rcb-login', `${box.slice(0, -2)}AA`);
  assert.equal((await world.get(callbackOf(away), { headers: kept.headers })).status, 400);
});

test('a session ends after an hour without its person, and after eight hours in any case', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  for (let passed = 0; passed + 50 * MINUTE < SESSION_MS; passed += 50 * MINUTE) {
    assert.match((await pageFor(world, jar)).text, /lizmat/, `after ${passed / MINUTE} minutes`);
    world.pass(50 * MINUTE);
  }
  world.pass(50 * MINUTE);
  assert.doesNotMatch((await pageFor(world, jar)).text, /lizmat/);
  assert.equal(world.sessions.rows.size, 0, 'its row is gone, too');

  const idle = await logIn(world);
  world.pass(IDLE_MS);
  assert.doesNotMatch((await pageFor(world, idle.jar)).text, /lizmat/);
});

test('a page that keeps itself fresh keeps nobody logged in', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  const fresh = { ...jar.headers, 'sec-fetch-mode': 'cors' };
  for (let i = 0; i < 6; i++) {
    world.pass(IDLE_MS / 6);
    await world.get('/runs', { headers: fresh });
  }
  assert.doesNotMatch((await pageFor(world, jar)).text, /lizmat/);
});

test('Log out needs the form of this session, from this site; then the token is given back, too', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  const { fields } = formOf(await pageFor(world, jar), 'Log out');
  assert.equal((await post(world, jar, '/logout', fields, { origin: 'https://evil.example' })).status, 403);
  assert.equal((await post(world, jar, '/logout', { form: 'guessed' })).status, 403);
  assert.equal((await post(world, jar, '/logout', {})).status, 400);
  assert.equal(world.sessions.rows.size, 1);
  const response = jar.take(await post(world, jar, '/logout', fields));
  assert.equal(response.status, 303);
  assert.deepEqual([world.sessions.rows.size, jar.cookies.has('__Host-rcb-session')], [0, false]);
  assert.equal(world.forge.calls.at(-1), 'revoke');
  assert.equal((await world.get('/logout')).status, 404, 'a link logs nobody out');
});

test('one is logged out here even while GitHub is away', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  const { fields } = formOf(await pageFor(world, jar), 'Log out');
  world.forge.failures.revoke = 'away';
  assert.equal((await post(world, jar, '/logout', fields)).status, 303);
  assert.equal(world.sessions.rows.size, 0);
  assert.equal(world.faults.length, 1, 'the operator is told');
});

test('a second login in one browser ends the first', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  const away = await world.get('/login');
  jar.take(away);
  await world.get(callbackOf(away), { headers: jar.headers });
  assert.equal(world.sessions.rows.size, 1);
});

const ANSWERS: [what: string, query: string, status: number, words: RegExp][] = [
  ['the user does not agree', 'error=access_denied', 400, /did not let RCB know who you are/],
  ['the addresses do not fit', 'error=redirect_uri_mismatch', 400, /own credentials/],
  ['there is no code', '', 400, /own credentials/],
  ['the code is not one', 'code=guessed', 400, /did not accept the login/],
];
for (const [what, query, status, words] of ANSWERS) {
  test(`${what}: it is said in words`, async () => {
    const world = loginWorld();
    const jar = new Jar();
    const away = jar.take(await world.get('/login'));
    const state = new URL(away.headers.get('location')!).searchParams.get('state');
    const response = await world.get(`/login/callback?state=${state}&${query}`, { headers: jar.headers });
    assert.equal(response.status, status);
    assert.match(await response.text(), words);
  });
}

for (const [kind, status, words] of [
  ['away', 503, /could not be asked who you are/],
  ['setup', 400, /own credentials/],
] as const) {
  test(`GitHub's side is ${kind}: it is said, and nobody is logged in`, async () => {
    const world = loginWorld();
    world.forge.failures.exchange = kind;
    const { response } = await logIn(world);
    assert.equal(response.status, status);
    assert.match(await response.text(), words);
    assert.equal(world.sessions.rows.size, 0);
    assert.equal(world.faults.length, kind === 'setup' ? 1 : 0);
  });
}

test('whoever guesses codes is stopped after some, for a minute', async () => {
  const world = loginWorld();
  const statuses: number[] = [];
  for (let i = 0; i < 31; i++) statuses.push((await world.get('/login/callback?state=x&code=y')).status);
  assert.deepEqual([statuses[29], statuses[30]], [400, 429]);
  world.pass(MINUTE);
  assert.equal((await logIn(world)).response.status, 302);
});

test('the key is replaced: who is logged in stays so; without the old key a login begins anew', async () => {
  const sessions = memorySessions();
  const before = loginWorld(undefined, { keyring: keyringOf([KEYS[1]!]), sessions });
  const { jar } = await logIn(before);
  const during = loginWorld(undefined, { keyring: keyringOf(KEYS), sessions });
  assert.match((await pageFor(during, jar)).text, /lizmat/);
});

test('where logins are switched off the site says so, and why', async () => {
  const off = siteOf(memoryReader([]), { loginOff: 'RCB_SESSION_KEY is not set' });
  const response = await off.get('/login');
  assert.equal(response.status, 404);
  assert.match(await response.text(), /Nobody can log in here: RCB_SESSION_KEY is not set/);
  assert.match(await off.text('/service'), /RCB_SESSION_KEY is not set/);
  assert.doesNotMatch(await off.text('/runs'), /Log in/);
  assert.equal((await off.get('/login/callback?code=x')).status, 404);
  const alone = siteOf(memoryReader([]));
  assert.match(await alone.text('/login'), /serves no GitHub App/);
  assert.doesNotMatch(await alone.text('/service'), /log in/i);
});

test('sessions that cannot be read are nobody’s: pages are shown, and the operator is told', async () => {
  const sessions = memorySessions();
  const world = loginWorld(undefined, { sessions });
  const { jar } = await logIn(world);
  sessions.find = async () => {
    throw new Error('the database is away');
  };
  const page = await pageFor(world, jar);
  assert.deepEqual([page.status, /lizmat/.test(page.text)], [200, false]);
  assert.equal(world.faults.length, 1);
  assert.equal((await world.get('/healthz', { headers: jar.headers })).status, 200);
  assert.equal(world.faults.length, 1);
});

test('a page with somebody’s name is kept by nobody', async () => {
  const world = loginWorld();
  const { jar } = await logIn(world);
  assert.equal((await pageFor(world, jar)).response.headers.get('cache-control'), 'private, no-store');
  assert.equal((await world.get('/runs')).headers.get('cache-control'), 'no-cache');
});

test('who is logged in reads raw logs and downloads as everybody does', async (t) => {
  const run = withJob(aJob());
  const world = loginWorld(memoryReader([run]));
  const log = await world.archive.openLog(run.builds[0]!.jobs[0]!.attempts[0]!.id);
  await log.append(Buffer.from('all is well\n'));
  await log.end();
  const { jar } = await logIn(world);
  const { url, stop } = await serveSite(world.site);
  t.after(stop);
  const response = await fetch(`${url}/runs/01run/jobs/job1/log.txt`, { headers: jar.headers });
  assert.deepEqual([response.status, await response.text()], [200, 'all is well\n']);
  assert.deepEqual(world.faults, []);
});
