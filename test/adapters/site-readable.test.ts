import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { keyringOf } from '../../src/core/secret-box.ts';
import { SESSION_MS } from '../../src/core/session.ts';
import { openLogin, type Readable, type Visitor } from '../../src/site/login.ts';
import { KEYS, MemoryForge, memorySessions } from './login-fakes.ts';
import { NOW } from './site-fakes.ts';

const never = new AbortController().signal;
const MINUTE = 60_000;
const RAKU = 'github:1';
const ACME = 'github:2';

function start() {
  let at = NOW.getTime();
  const clock = { now: () => new Date(at) };
  const forge = new MemoryForge(clock.now);
  forge.repositories = { [RAKU]: ['github:10', 'github:11'], [ACME]: ['github:20'] };
  const sessions = memorySessions();
  /** One of several processes. */
  const instance = () =>
    openLogin({ forge, sessions, keyring: keyringOf(KEYS), randomBytes }, { publicUrl: 'https://rcb.example', clock });
  const login = instance();
  const logIn = async (): Promise<Visitor> => {
    const { url, kept } = login.begin('/');
    const { searchParams } = new URL(url);
    const answer = { state: searchParams.get('state')!, code: searchParams.get('code')! };
    const { word } = await login.finish(kept, answer, never);
    return (await login.visitor(word, true))!;
  };
  const pass = (ms: number) => {
    at += ms;
  };
  const asked = (verb = 'repositoriesOf') => forge.calls.filter((call) => call === verb).length;
  return { forge, sessions, login, instance, logIn, pass, asked };
}

const keysOf = (told: Readable): string[] => {
  assert.equal(told.kind, 'known');
  return told.kind === 'known' ? [...told.keys] : [];
};

test('what somebody may read is what GitHub says of the installations that are asked about', async () => {
  const { login, logIn } = start();
  const lizmat = await logIn();
  assert.deepEqual(keysOf(await login.readable(lizmat, [RAKU, ACME], never)), ['github:10', 'github:11', 'github:20']);
  assert.deepEqual(keysOf(await login.readable(lizmat, [ACME], never)), ['github:20']);
  assert.deepEqual(keysOf(await login.readable(lizmat, ['github:3'], never)), []);
});

test('where nothing is private GitHub is not asked', async () => {
  const { login, logIn, asked, forge } = start();
  forge.failures.repositoriesOf = 'away';
  assert.deepEqual(keysOf(await login.readable(await logIn(), [], never)), []);
  assert.equal(asked(), 0);
});

test('an answer is good for a minute; who was shut out at GitHub reads for no longer', async () => {
  const { login, logIn, asked, forge, pass } = start();
  const lizmat = await logIn();
  await login.readable(lizmat, [RAKU, ACME], never);
  forge.repositories = {};
  pass(MINUTE - 1);
  assert.equal(keysOf(await login.readable(lizmat, [ACME, RAKU, ACME], never)).length, 3, 'in any order');
  assert.equal(asked(), 1);
  pass(1);
  assert.deepEqual(keysOf(await login.readable(lizmat, [RAKU, ACME], never)), []);
  assert.equal(asked(), 2);
});

test('two who are logged in are asked about each for himself', async () => {
  const { login, logIn, asked } = start();
  const [one, other] = [await logIn(), await logIn()];
  await login.readable(one, [RAKU], never);
  await login.readable(other, [RAKU], never);
  assert.equal(asked(), 2);
});

test('fifty pages at once ask once, also while GitHub is away; that is not remembered', async () => {
  const { login, logIn, asked, forge } = start();
  const lizmat = await logIn();
  const storm = () => Promise.all(Array.from({ length: 50 }, () => login.readable(lizmat, [RAKU], never)));
  forge.failures.repositoriesOf = 'away';
  assert.deepEqual(new Set((await storm()).map(({ kind }) => kind)), new Set(['unknown']));
  assert.equal(asked(), 1);
  forge.failures = {};
  for (const told of await storm()) assert.equal(keysOf(told).length, 2);
  assert.equal(asked(), 2);
});

test('a set-up that GitHub refuses makes nobody read, and is told apart', async () => {
  const { login, logIn, forge, sessions } = start();
  forge.failures.repositoriesOf = 'setup';
  const told = await login.readable(await logIn(), [RAKU], never);
  assert.equal(told.kind === 'unknown' && told.cause.kind, 'setup');
  assert.equal(sessions.rows.size, 1);
});

test('who took his agreement back at GitHub is logged out here', async () => {
  const { login, logIn, forge, sessions, pass } = start();
  const lizmat = await logIn();
  await login.readable(lizmat, [RAKU], never);
  forge.forget();
  pass(MINUTE);
  assert.deepEqual(await login.readable(lizmat, [RAKU], never), { kind: 'ended' });
  assert.equal(sessions.rows.size, 0);
});

/** So late that the token is about to end; the session does not end yet. */
async function lateStart() {
  const it = start();
  const lizmat = await it.logIn();
  it.pass(SESSION_MS - MINUTE / 2);
  return { ...it, lizmat };
}

test('a token that is about to end is renewed first, and its successor is kept sealed', async () => {
  const { login, lizmat, sessions, asked } = await lateStart();
  assert.equal(keysOf(await login.readable(lizmat, [RAKU], never)).length, 2);
  const { tokens } = sessions.rows.get(lizmat.session.id)!;
  assert.notEqual(tokens, lizmat.session.tokens);
  assert.doesNotMatch(tokens, /ghu_|ghr_/);
  assert.deepEqual([asked('refresh'), asked()], [1, 1]);
});

test('a token that another process has renewed meanwhile is void: its successor is asked with', async () => {
  const { login, instance, lizmat, sessions, asked } = await lateStart();
  assert.equal(await instance().confirm(lizmat, never), true);
  assert.equal(keysOf(await login.readable(lizmat, [RAKU], never)).length, 2);
  assert.deepEqual([sessions.rows.size, asked('refresh')], [1, 2]);
});

test('a token that is renewed by another process while it is asked with ends no session', async () => {
  const { login, instance, lizmat, sessions, forge, pass } = await lateStart();
  pass(-MINUTE);
  forge.meanwhile = async () => {
    forge.meanwhile = async () => {};
    pass(MINUTE);
    await instance().confirm(lizmat, never);
  };
  assert.equal(keysOf(await login.readable(lizmat, [RAKU], never)).length, 2);
  assert.equal(sessions.rows.size, 1);
});

test('a press that comes after another process has renewed the token is its user’s, and asks with the new one', async () => {
  const { login, instance, lizmat, forge } = await lateStart();
  await instance().confirm(lizmat, never);
  assert.equal(await login.confirm(lizmat, never), true);
  assert.equal(forge.calls.at(-1), 'userOf');
});

test('a token that cannot be renewed any more ends the session', async () => {
  const { login, lizmat, sessions, forge } = await lateStart();
  forge.failures.refresh = 'refused';
  assert.deepEqual(await login.readable(lizmat, [RAKU], never), { kind: 'ended' });
  assert.equal(sessions.rows.size, 0);
});

test('tokens that no key opens any more end the session, and GitHub is not asked', async () => {
  const { login, logIn, sessions, asked } = start();
  const lizmat = await logIn();
  const foreign: Visitor = { ...lizmat, session: { ...lizmat.session, tokens: 'v1.of.another.key' } };
  assert.deepEqual(await login.readable(foreign, [RAKU], never), { kind: 'ended' });
  assert.deepEqual([sessions.rows.size, asked()], [0, 0]);
});

test('who logs out is forgotten', async () => {
  const { login, logIn } = start();
  const lizmat = await logIn();
  await login.readable(lizmat, [RAKU], never);
  await login.end(lizmat, never);
  assert.deepEqual(await login.readable(lizmat, [RAKU], never), { kind: 'ended' });
});

test('who logs out while GitHub is being asked is forgotten, too', async () => {
  const { login, logIn, forge, asked } = start();
  const lizmat = await logIn();
  const { promise: answer, resolve: say } = Promise.withResolvers<void>();
  forge.meanwhile = () => answer;
  const underWay = login.readable(lizmat, [RAKU], never);
  // His token stays good: that GitHub refuses it is not what makes him forgotten.
  forge.failures.revoke = 'away';
  await assert.rejects(login.end(lizmat, never));
  say();
  assert.equal(keysOf(await underWay).length, 2, 'the page was asked for before');
  await login.readable(lizmat, [RAKU], never);
  assert.equal(asked(), 2);
});

test('a browser that has gone does not take the answer from the others', async () => {
  const { login, logIn, forge, asked } = start();
  const lizmat = await logIn();
  const { promise: answer, resolve: say } = Promise.withResolvers<void>();
  forge.meanwhile = () => answer;
  const browser = new AbortController();
  const first = login.readable(lizmat, [RAKU], browser.signal);
  const second = login.readable(lizmat, [RAKU], never);
  browser.abort();
  assert.equal((await first).kind, 'unknown', 'before GitHub has answered');
  assert.equal((await login.readable(lizmat, [RAKU], browser.signal)).kind, 'unknown');
  say();
  assert.equal(keysOf(await second).length, 2);
  assert.equal(asked(), 1);
});

test('a database that is away is a fault, and the next one asks again', async () => {
  const { login, lizmat, sessions } = await lateStart();
  const { replaceTokens } = sessions;
  sessions.replaceTokens = async () => {
    throw new Error('the database is away');
  };
  const both = [login.readable(lizmat, [RAKU], never), login.readable(lizmat, [RAKU], never)];
  for (const one of await Promise.allSettled(both)) assert.equal(one.status, 'rejected');
  sessions.replaceTokens = replaceTokens;
  // The tokens that were to be kept are lost with it, and the old ones are void.
  assert.deepEqual(await login.readable(lizmat, [RAKU], never), { kind: 'ended' });
});
