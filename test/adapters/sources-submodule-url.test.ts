import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSubmoduleUrl, isPublic } from '../../src/sources/submodule-url.ts';
import { isSourceError } from '../support/sources.ts';

const PARENT = 'https://github.com/MoarVM/MoarVM';
const PUBLIC = ['140.82.121.4', '2a00:1450:4001:80b::200e'];
const resolveHost = async (name: string) => (name === 'rebound.example.com' ? [...PUBLIC, '10.0.0.1'] : PUBLIC);

const check = (url: string, allow: string[] = [], parent = PARENT) =>
  checkSubmoduleUrl('The submodule "x"', parent, url, { allow, resolveHost });

const accepted: [url: string, meant: string][] = [
  ['https://github.com/libuv/libuv.git', 'https://github.com/libuv/libuv.git'],
  ['HTTPS://GitHub.com/libuv/libuv', 'https://github.com/libuv/libuv'],
  ['http://example.com/x.git', 'http://example.com/x.git'],
  ['../../libuv/libuv.git', 'https://github.com/libuv/libuv.git'],
  ['../dyncall', 'https://github.com/MoarVM/dyncall'],
  ['./nested', 'https://github.com/MoarVM/MoarVM/nested'],
  ['https://1.1.1.1/x', 'https://1.1.1.1/x'],
];
for (const [url, meant] of accepted) {
  test(`a submodule may be at ${url}`, async () => {
    const checked = await check(url);
    assert.equal(checked.url, meant);
    assert.ok(checked.addresses?.length, 'what it is fetched from is what was checked');
  });
}

const refused: [url: string, why: RegExp][] = [
  ['file:///srv/git/secret.git', /only https and http/],
  ['/srv/git/secret.git', /only https and http/],
  ['ext::sh -c "touch /tmp/x"', /no URL/],
  ['ext::sh', /only https and http/],
  ['fd::0', /only https and http/],
  ['ssh://git@github.com/x/y', /only https and http/],
  ['git@github.com:x/y.git', /only https and http/],
  ['git://github.com/x/y', /only https and http/],
  ['ftp://github.com/x/y', /only https and http/],
  ['--upload-pack=touch', /no URL/],
  ['-x', /no URL/],
  ['', /only https and http/],
  ['plain', /only https and http/],
  ['https://github.com/x\ny', /no URL/],
  ['https:\\\\evil', /no URL/],
  [`https://github.com/${'x'.repeat(3000)}`, /no URL/],
  ['https://user:secret@github.com/x/y', /name or a password/],
  ['https://token@github.com/x/y', /name or a password/],
  ['https://github.com:8443/x/y', /port/],
  ['https://github.com/x?y=z', /query/],
  ['../../../../x', /leads out/],
  ['http://localhost/x', /host is not a public/],
  ['http://intranet/x', /host is not a public/],
  ['http://printer.local/x', /host is not a public/],
  ['http://metadata.google.internal/x', /host is not a public/],
  ['http://github.com./x', /host is not a public/],
  ['http://127.0.0.1/x', /address is not a public/],
  ['http://2130706433/x', /address is not a public/],
  ['http://0x7f.1/x', /address is not a public/],
  ['http://169.254.169.254/latest', /address is not a public/],
  ['http://[::1]/x', /address is not a public/],
  ['http://[::ffff:10.0.0.1]/x', /address is not a public/],
  ['http://rebound.example.com/x', /address of its host is not a public/],
];
for (const [url, why] of refused) {
  test(`a submodule is refused at ${JSON.stringify(url.slice(0, 60))}`, async () => {
    await assert.rejects(check(url), isSourceError('denied', why));
    await assert.rejects(
      check(url),
      isSourceError('denied', /^The submodule "x" is not fetched from .* Correct \.gitmod/),
    );
  });
}

test('what the operator allows may be anywhere, and nothing beside it', async () => {
  const allow = ['https://git.corp.example:8443/mirrors/', '/srv/git', 'file:///srv/more', 'http://10.0.0.1'];
  const allowed = [
    'https://git.corp.example:8443/mirrors/x.git',
    '/srv/git/x.git',
    'file:///srv/more/x',
    'http://10.0.0.1/x',
  ];
  for (const url of allowed) assert.deepEqual(await check(url, allow), { url });
  const beside = [
    'https://git.corp.example:8443/mirrorsx/x',
    'https://git.corp.example:8443/mirrors/../secret',
    'https://git.corp.example:8443/mirrors/%2e%2e/secret',
    '/srv/git/../secret.git',
    '/srv/gitx/secret.git',
    'http://10.0.0.10/x',
    'http://10.0.0.1:81/x',
  ];
  for (const url of beside) await assert.rejects(check(url, allow), isSourceError('denied', /is not fetched/), url);
});

test('a relative URL of a repository on this disk stays on it, if it is allowed', async () => {
  const parent = '/srv/git/rakudo.git';
  assert.deepEqual(await check('../nqp-configure.git', ['/srv/git/'], parent), { url: '/srv/git/nqp-configure.git' });
  await assert.rejects(check('../nqp-configure.git', [], parent), isSourceError('denied', /only https and http/));
  await assert.rejects(check('../../etc/x', ['/srv/git/'], parent), isSourceError('denied', /only https and http/));
});

test('behind a proxy names are not resolved here, addresses are still looked at', async () => {
  const rules = { allow: [] };
  const url = 'https://github.com/x/y';
  assert.deepEqual(await checkSubmoduleUrl('It', PARENT, url, rules), { url, addresses: undefined });
  const refusal = checkSubmoduleUrl('It', PARENT, 'http://10.0.0.1/x', rules);
  await assert.rejects(refusal, isSourceError('denied', /address/));
});

test('public addresses are told from the others', () => {
  const others = ['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.9.9.9', '172.16.0.1', '172.31.255.255', '192.168.1.1'];
  others.push('198.18.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fc00::1', 'fd12::1', 'ff02::1');
  others.push('2001:db8::1', '2002:a00:1::', '64:ff9b::a00:1', '::ffff:8.8.8.8', '2001::1', 'nonsense', '');
  for (const address of others) assert.equal(isPublic(address), false, address);
  for (const address of ['8.8.8.8', '172.15.0.1', '172.32.0.1', '100.128.0.1', ...PUBLIC]) {
    assert.equal(isPublic(address), true, address);
  }
});
