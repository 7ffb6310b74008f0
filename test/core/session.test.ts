import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  challengeOf,
  formToken,
  IDLE_MS,
  isAlive,
  isFormToken,
  isLoginAlive,
  isSameText,
  LOGIN_MS,
  needsTouch,
  returnPath,
  SESSION_MS,
  sessionIdOf,
} from '../../src/core/session.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const ago = (ms: number) => new Date(NOW.getTime() - ms);

test('a session ends after eight hours, and after one hour without its person', () => {
  assert.equal(isAlive({ createdAt: ago(SESSION_MS - 1), usedAt: ago(0) }, NOW), true);
  assert.equal(isAlive({ createdAt: ago(SESSION_MS), usedAt: ago(0) }, NOW), false);
  assert.equal(isAlive({ createdAt: ago(IDLE_MS), usedAt: ago(IDLE_MS - 1) }, NOW), true);
  assert.equal(isAlive({ createdAt: ago(IDLE_MS), usedAt: ago(IDLE_MS) }, NOW), false);
});

test('that somebody is there is written every few minutes, not with every page', () => {
  assert.equal(needsTouch({ usedAt: ago(60_000) }, NOW), false);
  assert.equal(needsTouch({ usedAt: ago(5 * 60_000) }, NOW), true);
});

test('a login that was begun is good for ten minutes, and not before it was begun', () => {
  assert.equal(isLoginAlive({ at: ago(LOGIN_MS - 1).toISOString() }, NOW), true);
  assert.equal(isLoginAlive({ at: ago(LOGIN_MS).toISOString() }, NOW), false);
  assert.equal(isLoginAlive({ at: ago(-1).toISOString() }, NOW), false);
  assert.equal(isLoginAlive({ at: 'never' }, NOW), false);
});

test('the challenge of PKCE is that of RFC 7636, appendix B', () => {
  const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
  assert.equal(challengeOf(verifier), 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM');
});

test('the id of a session does not tell its word', () => {
  assert.match(sessionIdOf('word'), /^[0-9a-f]{64}$/);
  assert.notEqual(sessionIdOf('word'), sessionIdOf('Word'));
});

test('the token of a form is good for this form in this session only', () => {
  const token = formToken('word', ['press', '01run', 're-test', 'seen']);
  assert.equal(isFormToken(token, 'word', ['press', '01run', 're-test', 'seen']), true);
  assert.equal(isFormToken(token, 'other', ['press', '01run', 're-test', 'seen']), false);
  assert.equal(isFormToken(token, 'word', ['press', '01run', 'cancel', 'seen']), false);
  assert.equal(isFormToken(token, 'word', ['press', '01runre-test', '', 'seen']), false);
  assert.equal(isFormToken('', 'word', ['press', '01run', 're-test', 'seen']), false);
});

test('texts are the same or not, of whatever length', () => {
  assert.equal(isSameText('a', 'a'), true);
  for (const given of ['', 'b', 'aa', 'ä']) assert.equal(isSameText(given, 'a'), false);
});

const PATHS = [
  '/',
  '/runs',
  '/runs/01abc?attempt=2&x=%20',
  '/ledger/fact?key=a%2Fb%23c',
  "/runs?repository=o/r&ref=it's",
];
for (const path of PATHS) {
  test(`after a login one comes back to ${path}`, () => assert.equal(returnPath(path), path));
}

const ELSEWHERE = [
  undefined,
  '',
  'runs',
  'https://evil.example/',
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  ' //evil.example',
  'javascript:alert(1)',
  '/runs#<script>',
  '/login?return=/',
  '/login/callback?code=x',
  '/logout',
  `/${'a'.repeat(500)}`,
];
for (const path of ELSEWHERE) {
  test(`nobody is sent to ${JSON.stringify(path)?.slice(0, 40)}`, () => assert.equal(returnPath(path), '/'));
}

test('whatever a return path is, it stays on this site', () => {
  for (let code = 0; code < 0x300; code++) {
    for (const path of [`/${String.fromCharCode(code)}evil.example`, `/${String.fromCharCode(code)}/evil.example`]) {
      const url = new URL(returnPath(path), 'https://rcb.example');
      assert.equal(url.origin, 'https://rcb.example', JSON.stringify(path));
    }
  }
});
