import assert from 'node:assert/strict';
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

async function start(t: TestContext, change: { clientSecret?: string; timeoutMs?: number } = {}) {
  let now = Date.parse('2026-11-21T12:00:00Z');
  const clock = { now: () => new Date(now) };
  const { github } = await startWithRepository(t, { clock, basePath: '/api/v3' });
  const { id: clientId, secret: clientSecret } = github.client;
  const login = openGitHubLogin({ clientId, clientSecret, apiUrl: github.url, htmlUrl: github.origin, ...change });
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
  return { github, login, agree, pass };
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
    const { login, agree, github } = await start(t, { timeoutMs: answer === 'slow' ? 50 : 10_000 });
    const code = (await agree()).get('code')!;
    const tokens = await login.exchange({ code, verifier: VERIFIER, redirectUrl }, never);
    github.faults.api({ match: (_, path) => path === '/user', answer, delayMs: 5_000 });
    await assert.rejects(login.userOf(tokens, never), refusal('away'));
    github.faults.clear();
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
