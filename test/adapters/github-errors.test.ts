import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForgeError, type ForgeErrorKind } from '../../src/forge/forge.ts';
import { toForgeError } from '../../src/forge/github/errors.ts';
import { NOW } from '../support/builders.ts';

const WHAT = 'Reading MoarVM/MoarVM';

/** An error as Octokit throws it. */
const answered = (status: number, headers: Record<string, string> = {}, message = 'said so'): unknown =>
  Object.assign(new Error(message), { status, response: { headers } });

const inSeconds = (seconds: number): string => String(Math.floor(NOW.getTime() / 1_000) + seconds);

const SECONDARY = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
const table: [string, unknown, ForgeErrorKind, boolean, number?][] = [
  ['not there', answered(404), 'gone', false],
  ['gone for good', answered(410), 'gone', false],
  ['the token is not good', answered(401), 'denied', false],
  ['not allowed', answered(403, {}, 'Resource not accessible by integration'), 'denied', false],
  ['not allowed, with requests left', answered(403, { 'x-ratelimit-remaining': '4999' }), 'denied', false],
  ['the head moved', answered(409), 'refused', false],
  ['not mergeable', answered(405), 'refused', false],
  ['not valid', answered(422), 'refused', false],
  ['too slow', answered(408), 'unreachable', true],
  ['broken', answered(500), 'unreachable', true],
  ['bad gateway', answered(502), 'unreachable', true],
  ['unavailable', answered(503), 'unreachable', true],
  ['no answer at all', new TypeError('fetch failed'), 'unreachable', true],
  ['something that is not even an error', 'broken pipe', 'unreachable', true],
  [
    'the primary limit',
    answered(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(90) }),
    'rate-limited',
    true,
    90_000,
  ],
  [
    'the primary limit, told by 429',
    answered(429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(90) }),
    'rate-limited',
    true,
    90_000,
  ],
  [
    'a reset that is over already',
    answered(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(-5) }),
    'rate-limited',
    true,
    1_000,
  ],
  ['a limit without a reset', answered(403, { 'x-ratelimit-remaining': '0' }), 'rate-limited', true, 60_000],
  [
    'a limit whose reset is nonsense',
    answered(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'soon' }),
    'rate-limited',
    true,
    60_000,
  ],
  [
    'retry-after goes first',
    answered(403, { 'retry-after': '7', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(90) }),
    'rate-limited',
    true,
    7_000,
  ],
  ['retry-after of nothing is a second', answered(429, { 'retry-after': '0' }), 'rate-limited', true, 1_000],
  [
    'a date as retry-after',
    answered(429, { 'retry-after': 'Sat, 21 Nov 2026 12:01:00 GMT' }),
    'rate-limited',
    true,
    60_000,
  ],
  ['429 without a word', answered(429), 'rate-limited', true, 60_000],
  ['a secondary limit, told only by its text', answered(403, {}, SECONDARY), 'rate-limited', true, 60_000],
  [
    'a secondary limit with requests left',
    answered(403, { 'x-ratelimit-remaining': '4000' }, SECONDARY),
    'rate-limited',
    true,
    60_000,
  ],
  [
    'the old name of it',
    answered(403, {}, 'You have triggered an abuse detection mechanism.'),
    'rate-limited',
    true,
    60_000,
  ],
];

for (const [title, error, kind, retry, retryAfterMs] of table) {
  test(`GitHub’s answers: ${title}`, () => {
    const translated = toForgeError(error, WHAT, NOW);
    assert.deepEqual([translated.kind, translated.retry, translated.retryAfterMs], [kind, retry, retryAfterMs]);
    assert.equal(translated.cause, error);
    assert.match(translated.message, /^Reading MoarVM\/MoarVM: GitHub /);
  });
}

test('nothing at all was thrown: still an error that can be tried again', () => {
  for (const nothing of [undefined, null]) assert.equal(toForgeError(nothing, WHAT, NOW).kind, 'unreachable');
});

test('what was translated already stays as it is', () => {
  const error = new ForgeError('gone', 'it is gone');
  assert.equal(toForgeError(error, WHAT, NOW), error);
});

test('the words name what was done and the status, in one line of bounded length', () => {
  const { message } = toForgeError(answered(422, {}, `${'x'.repeat(10_000)}\nsecond line`), WHAT, NOW);
  assert.match(message, /^Reading MoarVM\/MoarVM: GitHub answered 422 \(x{300}\)$/);
});
