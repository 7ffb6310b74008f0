import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { git } from './github/git.ts';
import type { StandInGitHub } from './github/index.ts';
import { octokitOf, REPO, startWithRepository, statusOf } from './github-fixture.ts';

const [owner, repo] = REPO.split('/') as [string, string];
const AUTHOR = ['-c', 'user.name=Alice', '-c', 'user.email=alice@example.org'];

async function clone(github: StandInGitHub, dir: string, as?: string): Promise<string> {
  const work = join(dir, 'work');
  await mkdir(work, { recursive: true });
  await git(work, ['clone', '--quiet', github.gitUrl(REPO, { as }), '.']);
  return work;
}

async function commitFile(work: string, name: string, content: string): Promise<string> {
  await writeFile(join(work, name), content);
  await git(work, ['add', '--all']);
  await git(work, [...AUTHOR, 'commit', '--quiet', '-m', `Write ${name}`]);
  return (await git(work, ['rev-parse', 'HEAD'])).text;
}

test('clone, fetch and the heads of pull requests go over HTTP', async (t) => {
  const { github, dir } = await startWithRepository(t);
  const work = await clone(github, dir);
  const fork = await github.fork(REPO, 'bob');
  const pull = await github.openPullRequest({ repo: REPO, headRepo: fork, head: 'fix', files: { b: 'b' } });
  await git(work, ['fetch', '--quiet', 'origin', `refs/pull/${pull.number}/head`]);
  assert.equal((await git(work, ['rev-parse', 'FETCH_HEAD'])).text, pull.headSha);
  const sha = await github.commit(fork, 'fix', { files: { b: 'more' } });
  await git(work, ['fetch', '--quiet', 'origin', sha]);
  assert.equal(github.pull(REPO, pull.number).head.sha, sha);
});

test('a push over HTTP makes the same events as any push', async (t) => {
  const { github, dir } = await startWithRepository(t);
  github.setPermission(REPO, 'alice', 'write');
  const work = await clone(github, dir, 'alice');
  await git(work, ['checkout', '--quiet', '-b', 'fix']);
  const first = await commitFile(work, 'x.txt', 'x\n');
  await git(work, ['push', '--quiet', 'origin', 'fix']);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix' });
  github.events.length = 0;
  const second = await commitFile(work, 'x.txt', 'y\n');
  await git(work, ['push', '--quiet', 'origin', 'fix']);
  const [push, synchronize] = github.events.map(({ payload }) => payload);
  assert.deepEqual(
    [push?.['ref'], push?.['before'], push?.['after'], push?.['forced']],
    ['refs/heads/fix', first, second, false],
  );
  assert.equal((push?.['sender'] as { login: string } | undefined)?.login, 'alice');
  assert.deepEqual((push?.['commits'] as { modified: string[] }[] | undefined)?.[0]?.modified, ['x.txt']);
  assert.deepEqual(
    [synchronize?.['action'], synchronize?.['before'], synchronize?.['after']],
    ['synchronize', first, second],
  );
  assert.equal(github.pull(REPO, pull.number).head.sha, second);
  await git(work, ['reset', '--quiet', '--hard', 'HEAD~1']);
  await commitFile(work, 'x.txt', 'z\n');
  await git(work, ['push', '--quiet', '--force', 'origin', 'fix']);
  assert.equal(github.events.findLast(({ event }) => event === 'push')?.payload['forced'], true);
  await git(work, ['push', '--quiet', 'origin', ':fix']);
  assert.equal(github.pull(REPO, pull.number).state, 'closed');
});

test('a push that breaks off holds nobody up', async (t) => {
  const { github } = await startWithRepository(t);
  const url = new URL(github.gitUrl(REPO, { as: 'raku' }));
  const authorization = `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`;
  const headers = {
    authorization,
    'content-type': 'application/x-git-receive-pack-request',
    'content-length': '99999',
  };
  const sending = request(`${github.origin}/${REPO}.git/git-receive-pack`, { method: 'POST', headers });
  const broken = once(sending, 'error');
  sending.write('00a0', () => sending.destroy(new Error('enough')));
  await broken;
  assert.ok(await github.commit(REPO, 'main', { files: { b: 'b' } }));
});

test('several commits are one push', async (t) => {
  const { github } = await startWithRepository(t);
  const before = await github.sha(REPO, 'main');
  github.events.length = 0;
  const shas = await github.push(REPO, 'main', [{ files: { b: '1' } }, { files: { b: '2' } }]);
  const pushes = github.events.filter(({ event }) => event === 'push').map(({ payload }) => payload);
  assert.deepEqual(
    pushes.map((push) => [push['before'], push['after'], (push['commits'] as { id: string }[]).map(({ id }) => id)]),
    [[before, shas[1], shas]],
  );
});

test('a closed pull request does not follow its branch until it is reopened', async (t) => {
  const { github } = await startWithRepository(t);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  await assert.rejects(github.openPullRequest({ repo: REPO, head: 'fix' }), /already exists/);
  await github.close(REPO, pull.number);
  const sha = await github.commit(REPO, 'fix', { files: { b: 'c' } });
  assert.equal(github.pull(REPO, pull.number).head.sha, pull.headSha);
  await github.reopen(REPO, pull.number);
  assert.equal(github.pull(REPO, pull.number).head.sha, sha);
  assert.equal(await github.sha(REPO, `refs/pull/${pull.number}/head`), sha);
});

test('only who may write pushes, and nobody pushes to refs/pull', async (t) => {
  const { github, dir } = await startWithRepository(t);
  const work = await clone(github, dir, 'mallory');
  await commitFile(work, 'x.txt', 'x\n');
  await assert.rejects(git(work, ['push', '--quiet', 'origin', 'HEAD:main']), /403|denied|ended with/);
  github.setPermission(REPO, 'alice', 'write');
  const url = github.gitUrl(REPO, { as: 'alice' });
  await assert.rejects(git(work, ['push', '--quiet', url, 'HEAD:refs/pull/1/head']), /hidden|deny|reject/);
  await git(work, ['push', '--quiet', url, 'HEAD:main']);
});

test('private repositories are cloned with a token only', async (t) => {
  const { github, installation, dir } = await startWithRepository(t);
  await github.createRepository('raku/secret', { private: true });
  await assert.rejects(git(dir, ['ls-remote', github.gitUrl('raku/secret')]), /Authentication|could not read/i);
  const token = github.installationToken(installation.id);
  const listed = await git(dir, ['ls-remote', github.gitUrl('raku/secret', { token })]);
  assert.match(listed.text, /refs\/heads\/main/);
});

test('a renamed repository is still fetched by its old name', async (t) => {
  const { github, dir } = await startWithRepository(t);
  const old = github.gitUrl(REPO);
  await github.renameRepository(REPO, 'renamed');
  assert.match((await git(dir, ['ls-remote', old])).text, /refs\/heads\/main/);
});

test('files, modes and archives are those of the commit', async (t) => {
  const { github, installation, dir } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const files = {
    'ci/run': { content: '#!/bin/sh\n', mode: '100755' as const },
    'odd "name"': 'odd',
    'lib/ü.txt': 'ü',
  };
  const sha = await github.commit(REPO, 'main', { files, delete: ['lib/a.txt'], message: 'Move\n\nabout' });
  const tree = (await git(github.gitDir(REPO), ['ls-tree', '-r', sha])).text;
  assert.match(tree, /^100755 blob \w+\tci\/run$/m);
  assert.doesNotMatch(tree, /a\.txt/);
  const { data } = await rest.repos.getContent({ owner, repo, path: 'lib/ü.txt', ref: 'main' });
  assert.equal(Buffer.from((data as { content: string }).content, 'base64').toString('utf8'), 'ü');
  assert.equal(await github.file(REPO, 'main', 'odd "name"'), 'odd');
  const archive = await fetch(`${github.url}/repos/${REPO}/tarball/main`);
  await writeFile(join(dir, 'a.tar.gz'), Buffer.from(await archive.arrayBuffer()));
  assert.equal(archive.headers.get('content-type'), 'application/x-gzip');
  assert.match(
    (await git(dir, ['get-tar-commit-id'], { input: await unzipped(join(dir, 'a.tar.gz')) })).text,
    new RegExp(sha),
  );
});

async function unzipped(file: string): Promise<Buffer> {
  return gunzipSync(await readFile(file));
}

test('mergeable is unknown at first, and then what git finds', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { 'lib/a.txt': '1\nX\n3\n' } });
  const ask = async () => {
    const { data } = await rest.pulls.get({ owner, repo, pull_number: pull.number });
    return [data.mergeable, data.mergeable_state];
  };
  assert.deepEqual(await ask(), [null, 'unknown']);
  assert.deepEqual(await ask(), [true, 'clean']);
  assert.ok(await github.sha(REPO, `refs/pull/${pull.number}/merge`));
  await github.createCheckRun(REPO, pull.headSha, { name: 'lint', conclusion: 'failure' });
  assert.deepEqual(await ask(), [true, 'unstable']);
  github.protectBranch(REPO, 'main', ['tests']);
  assert.deepEqual(await ask(), [true, 'blocked']);
  await github.commit(REPO, 'main', { files: { 'lib/a.txt': '1\nY\n3\n' } });
  assert.deepEqual(await ask(), [null, 'unknown']);
  assert.deepEqual(await ask(), [false, 'dirty']);
});

test('a merge is refused when it must be, and is a real merge otherwise', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' }, title: 'Fix', draft: true });
  const merge = (sha: string) => rest.pulls.merge({ owner, repo, pull_number: pull.number, sha });
  assert.equal(await statusOf(merge(pull.headSha)), 405, 'a draft');
  await github.markReady(REPO, pull.number);
  github.protectBranch(REPO, 'main', ['tests']);
  assert.equal(await statusOf(merge(pull.headSha)), 405, 'a required check is missing');
  const head_sha = await github.commit(REPO, 'fix', { files: { b: 'b2' } });
  await rest.checks.create({ owner, repo, name: 'tests', head_sha, conclusion: 'success' });
  assert.equal(await statusOf(merge(pull.headSha)), 409, 'the head has moved');
  const before = await github.commit(REPO, 'main', { files: { c: 'c' } });
  github.events.length = 0;
  const { data } = await merge(head_sha);
  const parents = (await git(github.gitDir(REPO), ['rev-parse', `${data.sha}^1`, `${data.sha}^2`])).text.split('\n');
  assert.deepEqual(parents, [before, head_sha]);
  assert.equal(await github.sha(REPO, 'main'), data.sha);
  assert.deepEqual(
    github.events.map(({ event, payload }) => `${event} ${payload['action'] ?? payload['ref']}`),
    ['push refs/heads/main', 'check_suite requested', 'pull_request closed'],
  );
  assert.deepEqual(
    [github.pull(REPO, pull.number).merged, github.pull(REPO, pull.number).mergedBy],
    [true, 'rcb[bot]'],
  );
  assert.equal(await statusOf(merge(head_sha)), 405, 'merged already');
});

test('a conflict is not merged', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { 'lib/a.txt': '1\nX\n3\n' } });
  const base = await github.commit(REPO, 'main', { files: { 'lib/a.txt': '1\nY\n3\n' } });
  assert.equal(await statusOf(rest.pulls.merge({ owner, repo, pull_number: pull.number })), 405);
  assert.equal(await github.sha(REPO, 'main'), base);
});

test('squash and rebase leave a straight line', async (t) => {
  const { github } = await startWithRepository(t);
  for (const method of ['squash', 'rebase'] as const) {
    const pull = await github.openPullRequest({ repo: REPO, head: method, files: { [method]: '1' } });
    await github.commit(REPO, method, { files: { [method]: '2' }, message: 'Second' });
    const base = await github.commit(REPO, 'main', { files: { other: method } });
    const sha = await github.merge(REPO, pull.number, { method });
    const parents = (await git(github.gitDir(REPO), ['rev-list', '--parents', `${base}..${sha}`])).text.split('\n');
    assert.equal(parents.length, method === 'squash' ? 1 : 2);
    assert.equal(await github.file(REPO, 'main', method), '2');
  }
});

test('a pull request counts as merged when its commits are pushed to the base', async (t) => {
  const { github } = await startWithRepository(t);
  const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  await github.forcePush(REPO, 'main', { to: 'fix', author: 'alice' });
  assert.deepEqual([github.pull(REPO, pull.number).merged, github.pull(REPO, pull.number).mergedBy], [true, 'alice']);
});

test('a comparison tells how far two commits are apart', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  await github.commit(REPO, 'fix', { files: { b: 'b\n' } });
  await github.commit(REPO, 'main', { files: { c: 'c' } });
  const { data } = await rest.repos.compareCommitsWithBasehead({ owner, repo, basehead: 'main...fix' });
  assert.deepEqual([data.status, data.ahead_by, data.behind_by], ['diverged', 1, 1]);
  assert.deepEqual(
    data.files?.map((file) => [file.filename, file.status, file.additions]),
    [['b', 'added', 1]],
  );
});
