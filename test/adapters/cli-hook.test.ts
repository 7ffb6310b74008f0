import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { type HookInstall, installHook } from '../../src/cli/hook-install.ts';
import { postReceive } from '../../src/cli/post-receive.ts';
import { signatureOf } from '../../src/forge/git/wire.ts';
import { createGitRepository, runGit } from '../support/git-repository.ts';
import { Clone, runProgram } from '../support/plain-world.ts';

async function setUp(t: TestContext, change: Partial<HookInstall> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-hook-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const repository = await createGitRepository(join(dir, "it's a repository.git"));
  const server = { host: 'localhost', port: 3000, publicUrl: 'http://localhost:3000', isPublicUrlGuessed: true };
  const config = { git: [repository.path], dataDir: join(dir, 'data'), server };
  const options: HookInstall = {
    path: repository.path,
    config,
    node: process.execPath,
    cli: '/opt/rcb/cli.ts',
    ...change,
  };
  const install = (more: Partial<HookInstall> = {}) => installHook({ ...options, ...more });
  const hook = join(repository.path, 'hooks', 'post-receive');
  return { dir, repository, install, hook, config };
}

test('the hook is written, executable, with the secret made, and again without harm', async (t) => {
  const { install, hook, dir } = await setUp(t);
  const said = await install();
  assert.match(said.join('\n'), /tells http:\/\/localhost:3000 what is pushed\./);
  assert.doesNotMatch(said.join('\n'), /does not watch/);
  assert.equal((await stat(hook)).mode & 0o777, 0o755);
  assert.equal((await stat(join(dir, 'data', 'git-hook-secret'))).mode & 0o777, 0o600);
  const text = await readFile(hook, 'utf8');
  await install({ wait: '30m' });
  const again = await readFile(hook, 'utf8');
  assert.notEqual(again, text);
  assert.match(again, /hook post-receive --url http:\/\/localhost:3000 --secret-file \S+ --wait 30m/);
  assert.deepEqual((await readdir(join(hook, '..'))).sort(), ['post-receive']);
});

test("somebody else's hook is kept: refused, or replaced and put beside", async (t) => {
  const { install, hook } = await setUp(t);
  await install();
  await writeFile(hook, '#!/bin/sh\necho mine\n');
  await assert.rejects(install(), /not RCB's.*hook post-receive.*--force/s);
  assert.equal(await readFile(hook, 'utf8'), '#!/bin/sh\necho mine\n');
  assert.match((await install({ force: true })).join('\n'), /is now .*post-receive\.before-rcb/);
  await writeFile(hook, '#!/bin/sh\necho again\n');
  await install({ force: true });
  assert.equal(await readFile(`${hook}.before-rcb`, 'utf8'), '#!/bin/sh\necho mine\n');
  assert.equal(await readFile(`${hook}.before-rcb.2`, 'utf8'), '#!/bin/sh\necho again\n');
});

test('a repository that is not configured is said, with what to write', async (t) => {
  const { install, config, repository } = await setUp(t);
  const said = (await install({ config: { ...config, git: ['/srv/git/other.git'] } })).join('\n');
  assert.match(said, /does not watch it yet/);
  assert.ok(said.includes(`git: [ "/srv/git/other.git", ${JSON.stringify(repository.path)} ]`));
});

test('core.hooksPath is followed, and said when it is shared', async (t) => {
  const { install, repository, dir } = await setUp(t);
  await repository.git(['config', 'core.hooksPath', join(dir, 'shared')]);
  assert.match((await install()).join('\n'), /core\.hooksPath/);
  assert.ok((await stat(join(dir, 'shared', 'post-receive'))).isFile());
});

test('a repository with a working tree has its hook in .git, by any of its paths', async (t) => {
  const { install, dir } = await setUp(t);
  const work = join(dir, 'work');
  await runGit(['init', '-q', work]);
  await install({ path: join(work, '.git') });
  assert.ok((await stat(join(work, '.git', 'hooks', 'post-receive'))).isFile());
  await assert.rejects(install({ path: join(dir, 'data') }), /no git repository/);
});

test('what listens everywhere is called on loopback, and --url says otherwise', async (t) => {
  const { install, hook, config } = await setUp(t);
  await install({ config: { ...config, server: { ...config.server, host: '0.0.0.0' } } });
  assert.match(await readFile(hook, 'utf8'), /--url http:\/\/127\.0\.0\.1:3000 /);
  await install({ config: { ...config, server: { ...config.server, host: '::1' } } });
  assert.match(await readFile(hook, 'utf8'), /--url 'http:\/\/\[::1\]:3000' /);
  await install({ url: 'http://bot:4000/' });
  assert.match(await readFile(hook, 'utf8'), /--url http:\/\/bot:4000 /);
});

test('a copy of the secret is for who may not read the data directory, and keeps its mode', async (t) => {
  const { install, hook, dir } = await setUp(t);
  const copy = join(dir, 'copy');
  await writeFile(copy, '', { mode: 0o640 });
  await install({ secretFile: copy });
  assert.equal(await readFile(copy, 'utf8'), await readFile(join(dir, 'data', 'git-hook-secret'), 'utf8'));
  assert.equal((await stat(copy)).mode & 0o777, 0o640);
  assert.ok((await readFile(hook, 'utf8')).includes(`--secret-file ${copy}`));
});

test('a hook whose node is gone says so, and the push succeeds', async (t) => {
  const { install, repository, dir } = await setUp(t);
  await install({ node: '/nowhere/node' });
  const output = await runProgram('git', ['clone', '-q', repository.path, join(dir, 'clone')]);
  assert.equal(output.code, 0);
  const clone = new Clone(join(dir, 'clone'));
  await clone.commit({ file: 'x' });
  assert.match(await clone.push('origin', 'HEAD:main'), /remote: RCB: \/nowhere\/node is gone/);
});

/** A bot that answers so. */
async function bot(t: TestContext, answer: (req: IncomingMessage, body: string) => [number, string] | undefined) {
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    const answered = answer(req, body);
    if (!answered) return void req.socket.destroy();
    res.writeHead(answered[0]).end(answered[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const [A, B] = ['a'.repeat(40), 'b'.repeat(40)];

async function told(t: TestContext, url: string, input: string, waitMs?: number) {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-hook-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const secretFile = join(dir, 'secret');
  await writeFile(secretFile, 's'.repeat(64));
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  await postReceive({ input: Readable.from([input]), directory: '/srv/p.git', url, secretFile, waitMs, say });
  return said.join('\n');
}

test('what git tells is signed and sent as it is', async (t) => {
  let seen: { body: string; signature?: unknown } | undefined;
  const url = await bot(t, (req, body) => {
    seen = { body, signature: req.headers['x-rcb-signature-256'] };
    return [202, JSON.stringify({ repository: 'p', site: 'http://site', branches: [], since: '', notes: ['a note'] })];
  });
  assert.equal(await told(t, url, `${A} ${B} refs/heads/ünï\nnonsense\n`), 'RCB: a note.');
  assert.deepEqual(JSON.parse(seen!.body), {
    path: '/srv/p.git',
    updates: [{ ref: 'refs/heads/ünï', old: A, new: B }],
  });
  assert.equal(seen!.signature, signatureOf(seen!.body, 's'.repeat(64)));
});

const troubles: [string, [number, string] | undefined, RegExp][] = [
  ['refused', [401, 'The signature is wrong'], /^RCB: The signature is wrong \(401\)\.$/],
  ['unknown', [404, 'RCB does not watch /srv/p.git'], /^RCB: RCB does not watch .* \(404\)\.$/],
  ['confused', [202, '<html>'], /^RCB: /],
  ['broken off', undefined, /^RCB: it does not answer at .* RCB finds it by polling when it runs\.$/],
];
for (const [name, answer, expected] of troubles) {
  test(`a bot that is ${name} is one line on the terminal`, async (t) => {
    assert.match(await told(t, await bot(t, () => answer), `${A} ${B} refs/heads/main\n`), expected);
  });
}

test('a secret that cannot be read is said', async (t) => {
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const input = () => Readable.from([`${A} ${B} refs/heads/main\n`]);
  await postReceive({ input: input(), directory: '/', url: 'http://127.0.0.1:9', secretFile: '/nowhere', say });
  assert.match(said.join(), /no secret in \/nowhere: was RCB started\?/);
  const dir = await mkdtemp(join(tmpdir(), 'rcb-hook-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await postReceive({ input: input(), directory: '/', url: 'http://127.0.0.1:9', secretFile: dir, say });
  assert.match(said.join(), /the secret cannot be read/);
  await chmod(dir, 0o700);
});

test('who waits is let go when the time is over, with the address of the page', async (t) => {
  const since = '2026-01-01T00:00:00.000Z';
  const change = { ref: 'refs/heads/main', sha: B };
  const run = { id: 'r1', change, state: 'building', verdict: null, builds: [], createdAt: since };
  const url = await bot(t, (req) => {
    if (req.method === 'POST') {
      const branches = [{ ref: 'refs/heads/main', sha: B }];
      return [202, JSON.stringify({ repository: 'p', site: 'https://rcb.example', branches, since, notes: [] })];
    }
    return [200, JSON.stringify(req.url!.startsWith('/api/runs?') ? { runs: [run] } : run)];
  });
  const said = await told(t, url, `${A} ${B} refs/heads/main\n`, 600);
  assert.match(said, /main bbbbbbbbbb is tested: https:\/\/rcb\.example\/runs\/r1\n.*still tested; .*runs\/r1$/);
});
