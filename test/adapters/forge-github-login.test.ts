import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { challengeOf } from '../../src/core/session.ts';
import { LoginError } from '../../src/forge/forge-login.ts';
import { openGitHubLogin } from '../../src/forge/github/login.ts';
import { validateResponse } from '../standins/github/validate.ts';
import { startWithRepository } from '../standins/github-fixture.ts';

const never = new AbortController().signal;
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const redirectUrl = 'https://rcb.example/login/callback';
const HOUR = 3_600_000;

async function start(t: TestContext, change: { clientSecret?: string } = {}) {
  let now = Date.parse('2026-11-21T12:00:00Z');
  const clock = { now: () => new Date(now) };
  const { github } = await startWithRepository(t, { clock, basePath: '/api/v3' });
  const { id: clientId, secret: clientSecret } = github.client;
  const open = (more: { clientSecret?: string; timeoutMs?: number }) =>
    openGitHubLogin({ clientId, clientSecret, apiUrl: github.url, htmlUrl: github.origin, ...more });
  const login = open(change);
  /** Waits for nothing that is late by intention. */
  const hurried = open({ timeoutMs: 50 });
  github.signIn('lizmat');
  /** What GitHub sends the browser back with. */
  const agree = async (challenge = challengeOf(VERIFIER)): Promise<URLSearchParams> => {
    const asked = login.authorizeUrl({ state: 'a state', challenge, redirectUrl });
    const response = await fetch(asked, { redirect: 'manual' });
    return new URL(response.headers.get('location')!).searchParams;
  };
  const pass = (ms: number) => {
    now += ms;
  };
  const logIn = async () =>
    login.exchange({ code: (await agree()).get('code')!, verifier: VERIFIER, redirectUrl }, never);
  return { github, login, hurried, agree, logIn, pass };
}

const refusal = (kind: LoginError['kind']) => (error: unknown) => {
  assert.ok(error instanceof LoginError, String(error));
  assert.equal(error.kind, kind, error.message);
  assert.doesNotMatch(error.message, /ghu_|ghr_/);
  return true;
};

test('a browser is sent to GitHub with a state and a challenge, and its code is good for tokens of its user', async (t) => {
  const { login, agree, github } = await start(t);
  const back = await agree();
  assert.equal(back.get('state'), 'a state');
  const tokens = await login.exchange({ code: back.get('code')!, verifier: VERIFIER, redirectUrl }, never);
  assert.match(tokens.access, /^ghu_/);
  assert.match(tokens.refresh!, /^ghr_/);
  const lasts = Date.parse(tokens.accessUntil!) - Date.now();
  assert.ok(Math.abs(lasts - 8 * HOUR) < HOUR, `${lasts} ms`);
  assert.equal((await login.userOf(tokens, never)).login, 'lizmat');
  const answer = await fetch(`${github.url}/user`, { headers: { authorization: `bearer ${tokens.access}` } });
  assert.deepEqual(validateResponse('GET', '/user', answer.status, await answer.json()), []);
});

test('a code is good once, for ten minutes, and for whoever knows what the challenge was made of', async (t) => {
  const { login, agree, pass } = await start(t);
  const exchange = (code: string, verifier = VERIFIER) => login.exchange({ code, verifier, redirectUrl }, never);
  const used = (await agree()).get('code')!;
  await exchange(used);
  await assert.rejects(exchange(used), refusal('refused'));
  await assert.rejects(exchange((await agree()).get('code')!, 'guessed'), refusal('refused'));
  const old = (await agree()).get('code')!;
  pass(10 * 60_000);
  await assert.rejects(exchange(old), refusal('refused'));
  await assert.rejects(exchange('guessed'), refusal('refused'));
});

test('tokens are renewed; what they replace is void', async (t) => {
  const { login, agree, pass } = await start(t);
  const code = (await agree()).get('code')!;
  const first = await login.exchange({ code, verifier: VERIFIER, redirectUrl }, never);
  pass(8 * HOUR);
  await assert.rejects(login.userOf(first, never), refusal('refused'));
  const second = await login.refresh(first, never);
  assert.equal((await login.userOf(second, never)).login, 'lizmat');
  await assert.rejects(login.refresh(first, never), refusal('refused'));
  await assert.rejects(login.refresh({ access: 'x' }, never), refusal('refused'));
});

test('a token that is given back is void, and may be given back again', async (t) => {
  const { login, agree, github } = await start(t);
  const code = (await agree()).get('code')!;
  const tokens = await login.exchange({ code, verifier: VERIFIER, redirectUrl }, never);
  await login.revoke(tokens, never);
  assert.equal(github.logins('lizmat'), 0);
  await assert.rejects(login.userOf(tokens, never), refusal('refused'));
  await login.revoke(tokens, never);
});

test('wrong credentials, and an address that is not registered, are matters of the set-up', async (t) => {
  const { login, agree, github } = await start(t, { clientSecret: 'wrong' });
  const code = (await agree()).get('code')!;
  await assert.rejects(login.exchange({ code, verifier: VERIFIER, redirectUrl }, never), refusal('setup'));
  github.sendBackTo('https://other.example/callback');
  assert.equal((await agree()).get('error'), 'redirect_uri_mismatch');
});

test('who does not agree is sent back with that', async (t) => {
  const { login, github } = await start(t);
  github.signIn(undefined);
  const page = await (await fetch(login.authorizeUrl({ state: 's', challenge: 'c', redirectUrl }))).text();
  assert.match(page, /lizmat/);
  assert.match(page, /error=access_denied/);
});

for (const answer of [503, 'reset', 'lost', 'slow'] as const) {
  test(`GitHub fails by ${answer}: it is away, and nothing is known`, async (t) => {
    const { login, hurried, logIn, github } = await start(t);
    const tokens = await logIn();
    github.faults.api({ match: (_, path) => path === '/user', answer, delayMs: 5_000 });
    await assert.rejects((answer === 'slow' ? hurried : login).userOf(tokens, never), refusal('away'));
    github.faults.clear();
  });
}

/** Two installations, each with one private repository that lizmat may read, and one that she may not. */
async function startWithPrivates(t: TestContext) {
  const it = await start(t);
  const { github } = it;
  const [raku] = github['hub'].state.installations.keys();
  const acme = await github.createInstallation({ account: 'acme' });
  for (const name of ['raku/secret', 'raku/closed', 'acme/secret', 'acme/closed'])
    await github.createRepository(name, { private: true });
  for (const name of ['raku/secret', 'acme/secret']) github.setPermission(name, 'lizmat', 'read');
  const keyOf = (name: string) => `github:${github.repositoryId(name)}`;
  const installations = [`github:${raku}`, `github:${acme.id}`];
  const tokens = await it.logIn();
  const readable = (asked = installations, login = it.login) => login.repositoriesOf(tokens, asked, never);
  return { ...it, keyOf, installations, readable, acme: acme.id };
}

test('what a user may read is asked with his own token, of the installations that are named', async (t) => {
  const { readable, keyOf, installations, github } = await startWithPrivates(t);
  assert.deepEqual(await readable(), [keyOf('raku/secret'), keyOf('acme/secret')]);
  assert.deepEqual(await readable(installations.slice(1)), [keyOf('acme/secret')]);
  assert.deepEqual(await readable([]), []);
  github.setPermission('raku/secret', 'lizmat', 'none');
  github.setPermission('acme/closed', 'lizmat', 'admin');
  assert.deepEqual(await readable(), [keyOf('acme/secret'), keyOf('acme/closed')]);
});

test('what the App was not given is not asked about, whoever may read it', async (t) => {
  const { readable, github } = await startWithPrivates(t);
  await github.createRepository('other/secret', { private: true });
  await github.createRepository('other/given', { private: true });
  for (const name of ['other/secret', 'other/given']) github.setPermission(name, 'lizmat', 'admin');
  const { id } = await github.createInstallation({ account: 'other', repositories: ['other/given'] });
  assert.deepEqual(await readable([`github:${id}`]), [`github:${github.repositoryId('other/given')}`]);
});

test('more repositories than a page has are all known; how many pages are read has a bound', async (t) => {
  const { readable, installations, github } = await startWithPrivates(t);
  const { state } = github['hub'];
  const one = state.repository('raku/secret');
  const add = (from: number, to: number) => {
    for (let id = from; id < to; id += 1) state.repositories.set(id, { ...one, id, name: `r${id}` });
  };
  add(10_000, 10_099);
  assert.equal((await readable(installations.slice(0, 1))).length, 100);
  add(10_099, 10_100);
  const keys = await readable(installations.slice(0, 1));
  assert.equal(new Set(keys).size, 101);
  add(10_100, 13_000);
  assert.equal((await readable(installations.slice(0, 1))).length, 3_000);
});

test('an installation that was removed, suspended, or is of strangers gives nothing; the others do', async (t) => {
  const { readable, keyOf, github, acme, installations } = await startWithPrivates(t);
  assert.deepEqual(await readable(['github:999999', ...installations.slice(0, 1)]), [keyOf('raku/secret')]);
  github.setPermission('acme/secret', 'lizmat', 'none');
  assert.deepEqual(await readable(), [keyOf('raku/secret')]);
  github.setPermission('acme/secret', 'lizmat', 'read');
  await github.suspendInstallation(acme);
  assert.deepEqual(await readable(), [keyOf('raku/secret')]);
  await github.deleteInstallation(acme);
  assert.deepEqual(await readable(), [keyOf('raku/secret')]);
});

for (const answer of [500, 'rate-limit', 'secondary-limit', 'reset', 'lost', 'slow'] as const) {
  test(`GitHub fails by ${answer} at one of the installations: nobody knows what may be read`, async (t) => {
    const { readable, installations, login, hurried, github, acme } = await startWithPrivates(t);
    github.faults.api({ match: (_, path) => path.includes(`/${acme}/`), answer, delayMs: 5_000 });
    await assert.rejects(readable(installations, answer === 'slow' ? hurried : login), refusal('away'));
    github.faults.clear();
  });
}

test('who took his agreement back is not told what he may read', async (t) => {
  const { readable, github } = await startWithPrivates(t);
  github.revokeLogins('lizmat');
  await assert.rejects(readable(), refusal('refused'));
});

const ANSWERS: [what: string, status: number, body: unknown, told: string[] | LoginError['kind']][] = [
  ['says what he may do', 200, { repositories: [{ id: 7, permissions: { pull: true } }] }, ['github:7']],
  ['says that he may not pull', 200, { repositories: [{ id: 7, permissions: { pull: false } }] }, []],
  ['does not say what he may do', 200, { repositories: [{ id: 7 }] }, []],
  ['is of another shape', 200, [{ id: 7, permissions: { pull: true } }], 'away'],
  ['has an id that is none', 200, { repositories: [{ id: {}, permissions: { pull: true } }] }, 'away'],
  ['is longer than asked for', 200, { repositories: Array(101).fill({ id: 7, permissions: { pull: true } }) }, 'away'],
  ['leads elsewhere', 302, {}, 'away'],
  ['is of a proxy without its server', 503, { error: 'Service Unavailable' }, 'away'],
];
for (const [what, status, body, told] of ANSWERS) {
  test(`an answer about what somebody may read that ${what}`, async (t) => {
    const server = createServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' });
      response.end(JSON.stringify(body));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const login = openGitHubLogin({ clientId: 'x', clientSecret: 'y', apiUrl: url, htmlUrl: url });
    const asked = login.repositoriesOf({ access: 'ghu_x' }, ['github:1'], never);
    if (typeof told === 'string') await assert.rejects(asked, refusal(told));
    else assert.deepEqual(await asked, told);
  });
}

test('an answer that is none is GitHub’s trouble, not the user’s', async (t) => {
  const { github } = await start(t);
  const { id: clientId, secret: clientSecret } = github.client;
  // Pages instead of an API.
  const login = openGitHubLogin({ clientId, clientSecret, apiUrl: `${github.origin}/raku`, htmlUrl: github.origin });
  await assert.rejects(login.userOf({ access: 'ghu_x' }, never), (error: LoginError) => error instanceof LoginError);
  await assert.rejects(
    login.exchange({ code: 'x', verifier: 'y', redirectUrl }, never),
    (error: LoginError) => error instanceof LoginError,
  );
});
