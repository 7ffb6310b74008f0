import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistakes } from '../../src/config/mistake.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const app = {
  APP_ID: '17',
  PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  WEBHOOK_SECRET: 'current',
};
const KEY = 'a'.repeat(32);
const client = { ...app, GITHUB_CLIENT_ID: 'Iv23liAbCdEf', GITHUB_CLIENT_SECRET: 'hush' };

function load(env: Record<string, string>, files: Record<string, string> = {}): Config | string[] {
  const loaded = loadConfig(env, { read: (path) => (path in files ? Buffer.from(files[path]!) : undefined) });
  return 'mistakes' in loaded ? formatMistakes(loaded.mistakes).split('\n  ').slice(1) : loaded.config;
}

function loginOf(env: Record<string, string>, files: Record<string, string> = {}) {
  const config = load(env, files);
  assert.ok(!Array.isArray(config), String(config));
  return config.github?.login;
}

test('people can log in where client and session key are given', () => {
  assert.deepEqual(loginOf({ ...client, RCB_SESSION_KEY: KEY }), {
    clientId: 'Iv23liAbCdEf',
    clientSecret: 'hush',
    sessionKeys: [KEY],
  });
});

test('without a session key, or a client, nobody can, and it is known why', () => {
  assert.deepEqual(loginOf(client), { off: 'RCB_SESSION_KEY is not set' });
  assert.deepEqual(loginOf({ ...app, RCB_SESSION_KEY: KEY }), {
    off: 'GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are not set',
  });
});

test('while the session key is replaced, the new one comes first', () => {
  const login = loginOf({ ...client, RCB_SESSION_KEY: KEY, RCB_SESSION_KEY_PREVIOUS: 'b'.repeat(40) });
  assert.deepEqual(login && 'sessionKeys' in login && login.sessionKeys, [KEY, 'b'.repeat(40)]);
});

test('both secrets may be in files, with a line end after them', () => {
  const { GITHUB_CLIENT_SECRET: _, ...rest } = client;
  const env = { ...rest, GITHUB_CLIENT_SECRET_FILE: 'client', RCB_SESSION_KEY_FILE: 'key' };
  const login = loginOf(env, { client: 'from a file'.replaceAll(' ', '-').concat('\n'), key: `${KEY}\n` });
  assert.deepEqual(login, { clientId: 'Iv23liAbCdEf', clientSecret: 'from-a-file', sessionKeys: [KEY] });
});

test('the secrets are known for masking', () => {
  const config = load({ ...client, RCB_SESSION_KEY: KEY });
  assert.ok(!Array.isArray(config));
  for (const secret of ['hush', KEY]) assert.ok(config.secrets().includes(secret), secret);
});

const { GITHUB_CLIENT_ID: _, ...noId } = client;
const { GITHUB_CLIENT_SECRET: __, ...noSecret } = client;
const random = 'expected at least 32 random ones. openssl rand -hex 32 makes one.';
const MISTAKES: [env: Record<string, string>, ...lines: string[]][] = [
  [noId, 'environment: GITHUB_CLIENT_ID: found nothing, expected the client ID of the GitHub App.'],
  [
    noSecret,
    'environment: GITHUB_CLIENT_SECRET: found nothing, expected a client secret of the GitHub App beside its client ID.',
  ],
  [
    { ...client, GITHUB_CLIENT_ID: 'a b' },
    'environment: GITHUB_CLIENT_ID: found "a b", expected the client ID of the GitHub App, like Iv23liAbCdEf.',
  ],
  [{ ...client, RCB_SESSION_KEY: 'short' }, `environment: RCB_SESSION_KEY: found 5 characters, ${random}`],
  [
    { ...client, RCB_SESSION_KEY_PREVIOUS: KEY },
    'environment: RCB_SESSION_KEY: found nothing, expected the key that replaces the previous one.',
  ],
  [
    { ...client, GITHUB_CLIENT_SECRET_FILE: 'x' },
    'environment: GITHUB_CLIENT_SECRET_FILE: found it beside GITHUB_CLIENT_SECRET, expected one of the two.',
  ],
  [
    { ...noSecret, GITHUB_CLIENT_SECRET_FILE: 'x' },
    'environment: GITHUB_CLIENT_SECRET_FILE: found "x", which does not exist, expected a file that holds a secret of one line.',
  ],
  [
    { ...client, RCB_SESSION_KEY_FILE: 'empty' },
    'environment: RCB_SESSION_KEY_FILE: found "empty", an empty file, expected a file that holds a secret of one line.',
  ],
  [
    { ...client, RCB_SESSION_KEY_FILE: 'two' },
    'environment: RCB_SESSION_KEY_FILE: found "two", which holds more than one word, expected a file that holds a secret of one line.',
  ],
];
for (const [env, ...lines] of MISTAKES) {
  test(`said: ${lines[0]!.slice(0, 90)}`, () => assert.deepEqual(load(env, { empty: '\n', two: 'a b' }), lines));
}

test('a client without an App is an App whose rest was forgotten', () => {
  const lines = load({ GITHUB_CLIENT_ID: 'Iv1.0', GITHUB_CLIENT_SECRET: 'x' });
  assert.ok(Array.isArray(lines));
  assert.match(lines.join('\n'), /APP_ID: found nothing/);
});
