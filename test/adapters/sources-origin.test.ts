import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openGit } from '../../src/sources/git.ts';
import { fetchInto } from '../../src/sources/origin.ts';
import { type GitHttpOptions, serveGit } from '../support/git-http.ts';
import { createGitRepository } from '../support/git-repository.ts';

const { signal } = new AbortController();

/** A server, a repository `r.git` on it, and how to fetch that under another host's name, which nobody resolves. */
async function aPinned(t: TestContext, intercept?: GitHttpOptions['intercept']) {
  const root = await mkdtemp(join(tmpdir(), 'rcb-pinned-'));
  const server = await serveGit({ root, intercept });
  t.after(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });
  const sha = await (await createGitRepository(join(root, 'r.git'))).commit({ a: '1' });
  const mirror = await createGitRepository(join(root, 'mirror.git'));
  const git = openGit('git', { PATH: process.env['PATH'] });
  const { port } = new URL(server.url);
  const fetchFrom = (name: string, addresses: string[]) => {
    const origin = { key: 'x:1', name: 'x', url: `http://git.invalid:${port}/${name}.git`, addresses };
    const what = { refspecs: ['+refs/heads/main:refs/heads/main'] };
    const options = { git, fetchTimeoutMs: 10_000, trustingConfig: '/dev/null' };
    return fetchInto(mirror.path, origin, what, options, signal);
  };
  return { fetchFrom, mirror, sha };
}

test('a name is taken to be at the addresses that were checked', async (t) => {
  const { fetchFrom, mirror, sha } = await aPinned(t);
  const result = await fetchFrom('r', ['127.0.0.1']);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(await mirror.git(['rev-parse', 'main']), sha);
});

test('so it is when the repository was renamed', async (t) => {
  const { fetchFrom, mirror, sha } = await aPinned(t, (request, response) => {
    if (!request.url?.startsWith('/old.git/')) return false;
    response.writeHead(301, { location: request.url.replace('/old.git/', '/r.git/') }).end();
    return true;
  });
  const result = await fetchFrom('old', ['127.0.0.1']);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(await mirror.git(['rev-parse', 'main']), sha);
});

test('and nowhere else', async (t) => {
  const { fetchFrom } = await aPinned(t);
  const result = await fetchFrom('r', ['127.0.0.2']);
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /Failed to connect to git\.invalid/);
});
