import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { openSources } from '../../src/sources/index.ts';
import type { Remote, SourceError } from '../../src/sources/sources.ts';
import { type GitHttp, type GitHttpOptions, serveGit } from '../support/git-http.ts';
import { createGitRepository, type GitRepository, runGit } from '../support/git-repository.ts';
import { isSourceError, openSourcesWorld, type SourcesWorld } from '../support/sources.ts';

const never = new AbortController().signal;
const TOKEN = `Basic ${Buffer.from('x-access-token:ghs_verysecrettoken').toString('base64')}`;

async function aWorld(t: TestContext, fetchTimeoutMs?: number): Promise<SourcesWorld> {
  const world = await openSourcesWorld(fetchTimeoutMs);
  t.after(() => world.remove());
  return world;
}

async function aRepository(t: TestContext): Promise<GitRepository> {
  const repository = await createGitRepository();
  t.after(() => repository.remove());
  return repository;
}

/** A repository at `/raku/nqp.git` of an HTTP server, like GitHub's: any sha can be asked for. */
async function aServedRepository(t: TestContext, options: Partial<GitHttpOptions> = {}) {
  const root = await mkdtemp(join(tmpdir(), 'rcb-served-'));
  await mkdir(join(root, 'raku'));
  const repository = await createGitRepository(join(root, 'raku', 'nqp.git'));
  await repository.git(['config', 'uploadpack.allowAnySHA1InWant', 'true']);
  const server = await serveGit({ root, ...options });
  t.after(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });
  return { repository, server, remote: remoteOf(`${server.url}/raku/nqp.git`), root };
}

function remoteOf(url: string, authorization?: string): Remote {
  return { key: 'github:123', name: 'Raku/nqp', url, authorization };
}

const runProgram = promisify(execFile);
const requestsTo = (server: GitHttp) => server.requests.length;

test('a commit is fetched by its own ref, with its facts', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const sha = await repository.commit({ a: '1' }, { message: 'Fix the GC\nat once\n\nBody', author: 'Zoë <z@e.test>' });
  const other = await repository.commit({ a: '2' }, { ref: 'refs/heads/other' });
  const facts = await world.sources.ensureCommit(remoteOf(repository.path), { sha, ref: 'refs/heads/main' }, never);
  const tree = await repository.git(['rev-parse', `${sha}^{tree}`]);
  const committedAt = new Date('2026-01-01T00:00:00Z');
  assert.deepEqual(facts, { sha, tree, committedAt, title: 'Fix the GC', authorName: 'Zoë' });
  const mirror = join(world.mirrors, 'github-123.git');
  assert.equal(
    await runGit([`--git-dir=${mirror}`, 'for-each-ref', '--format=%(refname)']),
    `refs/heads/main\nrefs/rcb/keep/${sha}`,
  );
  await assert.rejects(runGit([`--git-dir=${mirror}`, 'cat-file', '-e', other]), /failed/, 'only what was wanted came');
});

test('what is here already is not asked for again', async (t) => {
  const world = await aWorld(t);
  const { repository, server, remote } = await aServedRepository(t);
  const first = await repository.commit({ a: '1' });
  const second = await repository.commit({ a: '2' }, { ref: 'refs/pull/7/head', parent: first });
  await world.sources.ensureCommit(remote, { sha: second, ref: 'refs/pull/7/head' }, never);
  const before = requestsTo(server);
  await world.sources.ensureCommit(remote, { sha: second, ref: 'refs/pull/7/head' }, never);
  await world.sources.ensureCommit(remote, { sha: first }, never);
  assert.equal(requestsTo(server), before);
});

test('a commit that was force-pushed away is asked for by its sha', async (t) => {
  const world = await aWorld(t);
  const { repository, remote } = await aServedRepository(t);
  const old = await repository.commit({ a: 'old' }, { ref: 'refs/pull/7/head' });
  const now = await repository.commit({ a: 'new' }, { ref: 'refs/pull/7/head', parent: null });
  const facts = await world.sources.ensureCommit(remote, { sha: old, ref: 'refs/pull/7/head' }, never);
  assert.equal(facts.sha, old);
  assert.equal((await world.sources.ensureCommit(remote, { sha: now }, never)).sha, now);
});

test('where shas are not given out, all refs are searched', async (t) => {
  const world = await aWorld(t);
  const { repository, remote } = await aServedRepository(t, {
    // Protocol version 0, in which a server may refuse a sha that no ref has.
    intercept: (request) => {
      delete request.headers['git-protocol'];
      return false;
    },
  });
  await repository.git(['config', 'uploadpack.allowAnySHA1InWant', 'false']);
  const below = await repository.commit({ a: '1' }, { ref: 'refs/heads/elsewhere' });
  await repository.commit({ a: '2' }, { ref: 'refs/heads/elsewhere' });
  await repository.commit({ a: '3' });
  assert.equal((await world.sources.ensureCommit(remote, { sha: below, ref: 'refs/heads/main' }, never)).sha, below);
});

test('a commit that nobody has is missing, and a tag is no commit', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const sha = await repository.commit({ a: '1' });
  await repository.tag('v1', sha, 'Version 1');
  const nobody = '1234567890'.repeat(4);
  const remote = remoteOf(repository.path);
  await assert.rejects(
    world.sources.ensureCommit(remote, { sha: nobody, ref: 'refs/heads/main' }, never),
    isSourceError('commit-missing', /Raku\/nqp has no commit 1234.*refs\/heads\/main.*force-pushed/),
  );
  const tag = await repository.git(['rev-parse', 'v1']);
  await assert.rejects(
    world.sources.ensureCommit(remote, { sha: tag }, never),
    isSourceError('commit-missing', /no commit/),
  );
});

test('what was fetched for a run stays, whatever is pushed and collected later', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const old = await repository.commit({ a: 'old' });
  await world.sources.ensureCommit(remoteOf(repository.path), { sha: old, ref: 'refs/heads/main' }, never);
  const now = await repository.commit({ a: 'new' }, { parent: null });
  await world.sources.ensureCommit(remoteOf(repository.path), { sha: now, ref: 'refs/heads/main' }, never);
  await repository.remove();
  await runGit([`--git-dir=${join(world.mirrors, 'github-123.git')}`, 'gc', '--quiet', '--prune=now']);
  const facts = await world.sources.ensureCommit(
    remoteOf(repository.path),
    { sha: old, ref: 'refs/heads/main' },
    never,
  );
  assert.equal(facts.sha, old);
});

test('two commits asked for at once in one mirror both come', async (t) => {
  const world = await aWorld(t);
  const { repository, remote } = await aServedRepository(t);
  const shas = await Promise.all(['a', 'b'].map((name) => repository.commit({ name }, { ref: `refs/heads/${name}` })));
  const facts = await Promise.all(shas.map((sha) => world.sources.ensureCommit(remote, { sha }, never)));
  assert.deepEqual(
    facts.map(({ sha }) => sha),
    shas,
  );
});

test('a branch that makes way for one below its name is no hindrance', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const first = await repository.commit({ a: '1' }, { ref: 'refs/heads/fix' });
  await world.sources.ensureCommit(remoteOf(repository.path), { sha: first, ref: 'refs/heads/fix' }, never);
  await repository.deleteRef('refs/heads/fix');
  const second = await repository.commit({ a: '2' }, { ref: 'refs/heads/fix/gc' });
  const wanted = { sha: second, ref: 'refs/heads/fix/gc' };
  assert.equal((await world.sources.ensureCommit(remoteOf(repository.path), wanted, never)).sha, second);
});

test('the authorization is sent, and neither written down nor shown', async (t) => {
  const world = await aWorld(t);
  const { repository, server, remote } = await aServedRepository(t, { authorization: TOKEN });
  const sha = await repository.commit({ a: '1' });
  await assert.rejects(
    world.sources.ensureCommit(remote, { sha }, never),
    isSourceError('denied', /Raku\/nqp.*denied/),
  );
  const wrong = `${TOKEN}x`;
  await assert.rejects(world.sources.ensureCommit({ ...remote, authorization: wrong }, { sha }, never), (error) => {
    assert.ok(!String(error).includes('ghs_') && !String(error).includes(wrong));
    return isSourceError('denied', /denied/)(error);
  });
  const facts = await world.sources.ensureCommit({ ...remote, authorization: TOKEN }, { sha }, never);
  assert.equal(facts.sha, sha);
  assert.equal(server.requests.at(-1)?.authorization, TOKEN);
  for (const name of await readdir(world.mirrors, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    const text = await readFile(join(name.parentPath, name.name), 'latin1');
    assert.ok(!text.includes('ghs_') && !text.includes(TOKEN.slice(6)), `the token is in ${name.name}`);
  }
});

test('a renamed repository is followed on its own host', async (t) => {
  const world = await aWorld(t);
  const { repository, remote } = await aServedRepository(t, {
    authorization: TOKEN,
    intercept: (request, response) => {
      if (!request.url?.startsWith('/old/name.git/')) return false;
      response.writeHead(301, { location: request.url.replace('/old/name.git/', '/raku/nqp.git/') }).end();
      return true;
    },
  });
  const sha = await repository.commit({ a: '1' });
  const renamed = { ...remote, url: remote.url.replace('/raku/nqp.git', '/old/name.git'), authorization: TOKEN };
  assert.equal((await world.sources.ensureCommit(renamed, { sha }, never)).sha, sha);
});

test('a redirect to another host is not followed, and the authorization does not go there', async (t) => {
  const world = await aWorld(t);
  const elsewhere = await aServedRepository(t);
  const sha = await elsewhere.repository.commit({ a: '1' });
  const { remote } = await aServedRepository(t, {
    intercept: (request, response) => {
      response.writeHead(302, { location: elsewhere.server.url + request.url }).end();
      return true;
    },
  });
  const wanted = world.sources.ensureCommit({ ...remote, authorization: TOKEN }, { sha }, never);
  await assert.rejects(wanted, isSourceError('repository-gone', /redirects elsewhere/));
  assert.equal(requestsTo(elsewhere.server), 0);
});

for (const [status, kind] of [
  [404, 'repository-gone'],
  [403, 'denied'],
  [500, 'unreachable'],
  [503, 'unreachable'],
] as const) {
  test(`an answer ${status} means: ${kind}`, async (t) => {
    const world = await aWorld(t);
    const { remote } = await aServedRepository(t, {
      intercept: (_, response) => {
        response.writeHead(status).end();
        return true;
      },
    });
    const wanted = world.sources.ensureCommit(remote, { sha: 'a'.repeat(40), ref: 'refs/heads/main' }, never);
    await assert.rejects(wanted, (error: SourceError) => {
      assert.equal(error.retry, kind === 'unreachable');
      return isSourceError(kind, /Raku\/nqp/)(error);
    });
  });
}

test('a vanished repository on disk, and a server that is off', async (t) => {
  const world = await aWorld(t);
  const wanted = { sha: 'a'.repeat(40), ref: 'refs/heads/main' };
  const nowhere = remoteOf(join(world.dir, 'nowhere.git'));
  await assert.rejects(
    world.sources.ensureCommit(nowhere, wanted, never),
    isSourceError('repository-gone', /Raku\/nqp/),
  );
  const { server, remote } = await aServedRepository(t);
  await server.close();
  await assert.rejects(world.sources.ensureCommit(remote, wanted, never), isSourceError('unreachable', /tried again/));
});

test('a repository on disk that belongs to another user can be fetched', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const sha = await repository.commit({ a: '1' });
  const git = join(world.dir, 'git-of-another-user');
  await writeFile(git, '#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec git "$@"\n', { mode: 0o755 });
  await assert.rejects(runProgram(git, ['-C', repository.path, 'log']), 'this git does suspect other owners');
  const archive = { put: () => Promise.reject(new Error('not used')) };
  const environment = { PATH: process.env['PATH'] };
  const sources = await openSources({ dir: world.mirrors, archive, git, fetchTimeoutMs: 20_000, environment });
  for (const url of [repository.path, `file://${repository.path}`]) {
    const remote = { ...remoteOf(url), key: `git:${url}` };
    assert.equal((await sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never)).sha, sha);
  }
});

test('a repository of sha256 objects has a mirror of its own kind', async (t) => {
  const world = await aWorld(t);
  const path = join(world.dir, 'sha256.git');
  await runGit(['init', '--bare', '--quiet', '--object-format=sha256', path]);
  const sha = await (await createGitRepository(path)).commit({ a: '1' });
  assert.equal(sha.length, 64);
  const facts = await world.sources.ensureCommit(remoteOf(path), { sha, ref: 'refs/heads/main' }, never);
  assert.equal(facts.tree.length, 64);
  assert.equal((await world.sources.pack(remoteOf(path), sha, { topDirectory: 'nqp' }, never)).files, 1);
});

test('hostile names, URLs and headers get no further than the door', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const sha = await repository.commit({ a: '1' });
  const remote = remoteOf(repository.path);
  const refs = ['--upload-pack=x', '-x', 'main', 'refs/heads/', 'refs/heads/a..b', 'refs/heads/a b', 'refs/heads/*'];
  refs.push('refs/heads/a:refs/heads/b', 'refs/heads/a\nb', 'refs/heads/.a', 'refs/heads/a.lock', 'refs/heads/a@{1}');
  for (const ref of refs) {
    await assert.rejects(
      world.sources.ensureCommit(remote, { sha, ref }, never),
      isSourceError('commit-missing', /name of a ref/),
    );
  }
  for (const bad of ['--all', 'HEAD', sha.slice(1), sha.toUpperCase(), `${sha}\n`, `-${sha.slice(1)}`]) {
    await assert.rejects(
      world.sources.ensureCommit(remote, { sha: bad }, never),
      isSourceError('commit-missing', /full sha/),
    );
  }
  const urls = ['ext::sh -c true', 'ssh://host/x', '-x', 'git@host:x', '../x', 'file://host/x', 'https://a:b@host/x'];
  for (const url of [...urls, 'fd::0', 'http://host/\nx']) {
    await assert.rejects(
      world.sources.ensureCommit(remoteOf(url), { sha }, never),
      isSourceError('denied', /Raku\/nqp/),
    );
  }
  const header = remoteOf('https://host/x', 'Bearer a\r\nX-Evil: 1');
  await assert.rejects(world.sources.ensureCommit(header, { sha }, never), isSourceError('denied', /authorization/));
  assert.deepEqual(await readdir(world.mirrors), ['local-remotes.gitconfig'], 'no mirror was made for any of them');
});

test('each key has a directory of its own, below the mirrors', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const sha = await repository.commit({ a: '1' });
  for (const key of ['github:1', 'git:/srv/git/a.git', 'git:/srv/git-a.git', 'git:../../x', 'github-1']) {
    await world.sources.ensureCommit({ ...remoteOf(repository.path), key }, { sha, ref: 'refs/heads/main' }, never);
  }
  const names = (await readdir(world.mirrors)).filter((name) => name.endsWith('.git'));
  assert.equal(names.length, 5);
  assert.ok(names.every((name) => /^[a-z0-9-]+\.git$/.test(name)) && names.includes('github-1.git'), names.join());
});

test('an abort stops git at once, and the mirror can be used afterwards', async (t) => {
  const world = await aWorld(t);
  const { repository, server, remote, root } = await aServedRepository(t, { stallPackAfter: 30_000 });
  const sha = await repository.commit({ noise: noise(200_000) });
  const stop = new AbortController();
  const waiting = world.sources.ensureCommit(remote, { sha }, stop.signal);
  const behind = world.sources.ensureCommit(remote, { sha }, stop.signal);
  await until(() => server.requests.some(({ method }) => method === 'POST'));
  stop.abort(new Error('shutting down'));
  await assert.rejects(waiting, /shutting down/);
  await assert.rejects(behind, /shutting down/);
  const healthy = await serveGit({ root });
  t.after(() => healthy.close());
  assert.equal((await world.sources.ensureCommit(remoteOf(`${healthy.url}/raku/nqp.git`), { sha }, never)).sha, sha);
});

test('a fetch that takes too long is given up, to be tried again', async (t) => {
  const world = await aWorld(t, 700);
  const { repository, remote } = await aServedRepository(t, { stallPackAfter: 30_000 });
  const sha = await repository.commit({ noise: noise(200_000) });
  await assert.rejects(
    world.sources.ensureCommit(remote, { sha }, never),
    isSourceError('unreachable', /did not finish/),
  );
});

test('a mirror heals after kill -9 in the middle of a fetch', async (t) => {
  const world = await aWorld(t);
  const { repository, server, remote, root } = await aServedRepository(t, { stallPackAfter: 100_000 });
  const first = await repository.commit({ noise: noise(20_000) });
  await world.sources.ensureCommit(remoteOf(repository.path), { sha: first, ref: 'refs/heads/main' }, never);
  const sha = await repository.commit({ noise: noise(400_000) });
  const child = spawnFetch(world.mirrors, remote, sha);
  const packs = join(world.mirrors, 'github-123.git', 'objects', 'pack');
  await until(async () => (await readdir(packs)).some((name) => name.startsWith('tmp_pack')));
  await killWithChildren(child.pid!);
  await until(() => child.signalCode !== null);
  assert.ok(requestsTo(server) > 0);
  const mirror = join(world.mirrors, 'github-123.git');
  const leftovers = ['shallow.lock', 'packed-refs.lock', 'config.lock', 'refs/heads/main.lock'];
  for (const name of leftovers) await writeFile(join(mirror, name), '');
  await backdate(mirror, [...leftovers, ...(await temporaryPacks(packs))]);
  const healthy = await serveGit({ root });
  t.after(() => healthy.close());
  const wanted = { sha, ref: 'refs/heads/main' };
  assert.equal((await world.sources.ensureCommit(remoteOf(`${healthy.url}/raku/nqp.git`), wanted, never)).sha, sha);
  assert.deepEqual(await temporaryPacks(packs), []);
  await runGit([`--git-dir=${mirror}`, 'fsck', '--strict']);
});

test('a fresh lock is respected', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const first = await repository.commit({ a: '1' });
  const remote = remoteOf(repository.path);
  await world.sources.ensureCommit(remote, { sha: first, ref: 'refs/heads/main' }, never);
  await writeFile(join(world.mirrors, 'github-123.git', 'config.lock'), '');
  const sha = await repository.commit({ a: '2' });
  await assert.rejects(world.sources.ensureCommit(remote, { sha }, never), isSourceError('unreachable', /lock/));
});

test('a commit whose tree came only in part is fetched again', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const sha = await repository.commit({ a: 'whole' });
  const mirror = await createGitRepository(join(world.mirrors, 'github-123.git'));
  const raw = await repository.git(['cat-file', 'commit', sha]);
  assert.equal(await mirror.git(['hash-object', '-t', 'commit', '-w', '--stdin'], raw), sha);
  await world.sources.ensureCommit(remoteOf(repository.path), { sha, ref: 'refs/heads/main' }, never);
  assert.equal(await mirror.git(['show', `${sha}:a`]), 'whole');
});

test('objects that do not pass the checks are not taken', async (t) => {
  const [world, repository] = [await aWorld(t), await aRepository(t)];
  const blob = await repository.git(['hash-object', '-w', '--stdin'], 'x');
  const bytes = Buffer.concat([Buffer.from('100644 ..\0'), Buffer.from(blob, 'hex')]);
  const tree = await repository.git(['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], bytes);
  const sha = await commitTree(repository, tree);
  await assert.rejects(
    world.sources.ensureCommit(remoteOf(repository.path), { sha, ref: 'refs/heads/main' }, never),
    isSourceError('bad-tree', /Raku\/nqp.*do not pass/),
  );
});

async function commitTree(repository: GitRepository, tree: string): Promise<string> {
  const identity = 'Ada Tester <ada@example.test> 1767225600 +0000';
  const text = `tree ${tree}\nauthor ${identity}\ncommitter ${identity}\n\nHostile\n`;
  const sha = await repository.git(['hash-object', '-t', 'commit', '-w', '--stdin'], text);
  await repository.setRef('refs/heads/main', sha);
  return sha;
}

/** Bytes that do not compress, the same each time. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let index = 0, state = 1; index < size; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

function spawnFetch(mirrors: string, remote: Remote, sha: string) {
  const program = `
    import { openSources } from ${JSON.stringify(new URL('../../src/sources/index.ts', import.meta.url).href)};
    const { mirrors, remote, sha, path } = JSON.parse(process.env.FETCH);
    const archive = { put: () => Promise.reject(new Error('not here')) };
    const sources = await openSources({ dir: mirrors, archive, fetchTimeoutMs: 20000, environment: { PATH: path } });
    await sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, new AbortController().signal);`;
  const FETCH = JSON.stringify({ mirrors, remote, sha, path: process.env['PATH'] });
  return spawn(process.execPath, ['--input-type=module', '-e', program], { env: { FETCH }, stdio: 'inherit' });
}

/** All that are found before any is killed, and it before them: none gets to clean up or to complain. */
async function killWithChildren(pid: number): Promise<void> {
  for (const found of await withChildren(pid)) process.kill(found, 'SIGKILL');
}

async function withChildren(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const pids = children.trim().split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(pids.map(withChildren))).flat()];
}

async function temporaryPacks(packs: string): Promise<string[]> {
  return (await readdir(packs)).filter((name) => name.startsWith('tmp_')).map((name) => `objects/pack/${name}`);
}

async function backdate(mirror: string, names: string[]): Promise<void> {
  const time = new Date(Date.now() - 3_600_000);
  for (const name of names) await utimes(join(mirror, name), time, time);
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, 'waited too long');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
