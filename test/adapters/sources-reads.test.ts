import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Remote, Revision } from '../../src/sources/sources.ts';
import { type GitRepository, runGit } from '../support/git-repository.ts';
import { aGitRepository, aSourcesWorld, isSourceError } from '../support/sources.ts';

const never = new AbortController().signal;
const PIN = 'tools/templates/MOAR_REVISION';

function remoteOf({ path }: GitRepository, key = 'github:123'): Remote {
  return { key, name: 'Raku/nqp', url: path };
}

test('a pin file is read, and what is no small file is a value', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const sha = await repository.commit({
    [PIN]: '2026.07-10-g24430e20d\n',
    large: Buffer.alloc(2000, 'x'),
    link: { symlink: PIN },
    '3rdparty/libuv': { submodule: '1'.repeat(40) },
    '*': 'a star',
    empty: '',
  });
  const remote = remoteOf(repository);
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const read = (path: string) => world.sources.readFile(remote, sha, path, 1000, never);
  assert.deepEqual(await read(PIN), { kind: 'file', bytes: Buffer.from('2026.07-10-g24430e20d\n') });
  assert.deepEqual(await read('empty'), { kind: 'file', bytes: Buffer.alloc(0) });
  assert.deepEqual(await read('*'), { kind: 'file', bytes: Buffer.from('a star') });
  assert.deepEqual(await read('large'), { kind: 'too-large', size: 2000 });
  assert.deepEqual(await read('link'), { kind: 'symlink' });
  assert.deepEqual(await read('tools'), { kind: 'directory' });
  assert.deepEqual(await read('3rdparty/libuv'), { kind: 'submodule' });
  for (const path of ['none', 'tools/', '', '/', 'larg', 'l*', 'large/x', ':(top)large', 'a\0b']) {
    assert.deepEqual(await read(path), { kind: 'missing' }, path);
  }
  for (const path of ['..', '../x', '/etc/passwd', '-x']) {
    assert.deepEqual(await read(path), { kind: 'missing' }, path);
  }
});

test('a commit that was not fetched cannot be read', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const sha = await repository.commit({ a: '1' });
  const remote = remoteOf(repository);
  const missing = isSourceError('commit-missing', /Raku\/nqp at .* was not fetched/);
  await assert.rejects(world.sources.readFile(remote, sha, 'a', 10, never), missing);
  await assert.rejects(world.sources.touchedFiles(remote, sha, sha, never), missing);
  await assert.rejects(world.sources.describe(remote, '--all', '*', never), missing);
});

test('each form of a pin leads to its commit', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const tagged = await repository.commit({ a: '1' });
  await repository.tag('2026.07', tagged, 'Release');
  await repository.tag('light', tagged);
  const sha = await repository.commit({ a: '2' });
  const remote = remoteOf(repository);
  const resolve = (kind: Revision['kind'], text: string) =>
    world.sources.resolveRevision(remote, { kind, text }, never);
  assert.deepEqual(await resolve('describe', `2026.07-1-g${sha.slice(0, 9)}`), { sha });
  assert.deepEqual(await resolve('tag', '2026.07'), { sha: tagged }, 'an annotated tag is peeled');
  assert.deepEqual(await resolve('tag', 'light'), { sha: tagged });
  assert.deepEqual(await resolve('sha', sha), { sha });
  assert.deepEqual(await resolve('sha', tagged.slice(0, 7)), { sha: tagged });
  const { sources } = await aSourcesWorld(t);
  assert.deepEqual(
    await sources.resolveRevision(remote, { kind: 'sha', text: sha }, never),
    { sha },
    'in a new mirror',
  );
});

test('a revision that is not there is a value with its reason', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const sha = await repository.commit({ a: '1' });
  await repository.git(['tag', 'tree', `${sha}^{tree}`]);
  const cases: [Revision['kind'], string, RegExp][] = [
    ['describe', '2026.07-1-gabcdef012', /Raku\/nqp has no commit whose sha begins so/],
    ['describe', '2026.07', /not a sha/],
    ['sha', 'a'.repeat(40), /no commit of this sha/],
    ['sha', 'abc', /not a sha/],
    ['sha', '--all', /not a sha/],
    ['sha', 'HEAD', /not a sha/],
    ['tag', '2031.01', /no tag of this name/],
    ['tag', '../heads/main', /cannot be the name/],
    ['tag', '*', /cannot be the name/],
    ['tag', 'tree', /is not a commit/],
  ];
  for (const [kind, text, why] of cases) {
    const found = await world.sources.resolveRevision(remoteOf(repository), { kind, text }, never);
    assert.equal(found.sha, undefined, text);
    assert.match('why' in found ? found.why : '', why);
  }
});

test('a repository that is away is not taken for one without the revision', async (t) => {
  const world = await aSourcesWorld(t);
  const nowhere = { key: 'github:9', name: 'Raku/nqp', url: join(world.dir, 'nowhere.git') };
  for (const revision of [{ kind: 'tag', text: '2026.07' } as const, { kind: 'sha', text: 'abcdef0' } as const]) {
    const resolved = world.sources.resolveRevision(nowhere, revision, never);
    await assert.rejects(resolved, isSourceError('repository-gone', /Raku\/nqp/));
  }
});

/** Two commits whose shas begin alike are too hard to find, so objects that begin alike are made: commits, by their time. */
async function twoAlike(repository: GitRepository): Promise<[string, string]> {
  const tree = await repository.git(['mktree'], '');
  const seen = new Map<string, string>();
  for (let time = 1_000_000_000; ; time += 1) {
    const identity = `Ada <ada@example.test> ${time} +0000`;
    const text = `tree ${tree}\nauthor ${identity}\ncommitter ${identity}\n\nAlike\n`;
    const sha = createHash('sha1').update(`commit ${text.length}\0${text}`).digest('hex');
    const other = seen.get(sha.slice(0, 7));
    seen.set(sha.slice(0, 7), text);
    if (other === undefined) continue;
    const write = (bytes: string) => repository.git(['hash-object', '-t', 'commit', '-w', '--stdin'], bytes);
    return [await write(other), await write(text)];
  }
}

test('of two commits that begin alike the one on a branch counts, and two on branches are ambiguous', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const [ours, strangers] = await twoAlike(repository);
  await repository.setRef('refs/pull/1/head', strangers);
  const remote = remoteOf(repository);
  const text = ours.slice(0, 7);
  const resolve = () => world.sources.resolveRevision(remote, { kind: 'sha', text }, never);
  await world.sources.ensureCommit(remote, { sha: strangers, ref: 'refs/pull/1/head' }, never);
  assert.deepEqual(await resolve(), { sha: strangers }, 'there is no other one');
  await repository.setRef('refs/heads/main', ours);
  assert.deepEqual(await resolve(), { sha: ours }, 'although the stranger’s was here first');
  await repository.setRef('refs/heads/other', strangers);
  await world.sources.ensureCommit({ ...remote, key: 'github:2' }, { sha: ours }, never);
  const { sources } = await aSourcesWorld(t);
  const found = await sources.resolveRevision(remote, { kind: 'sha', text }, never);
  assert.equal(found.sha, undefined);
  assert.match('why' in found ? found.why : '', /^2 commits begin with/);
});

test('a tag that moved is followed, and what it left can still be packed', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const main = await repository.commit({ a: 'main' });
  const old = await repository.commit({ a: 'old' }, { ref: 'refs/heads/release' });
  await repository.tag('2026.07', old, 'Release');
  await repository.deleteRef('refs/heads/release');
  const remote = remoteOf(repository);
  const resolve = () => world.sources.resolveRevision(remote, { kind: 'tag', text: '2026.07' }, never);
  await world.sources.ensureCommit(remote, { sha: main, ref: 'refs/heads/main' }, never);
  await world.sources.describe(remote, main, '20*', never); // It brings the tags, and nobody asked for their commits.
  const now = await repository.commit({ a: 'new' }, { parent: null });
  await repository.tag('2026.07', now, 'Release, again');
  assert.deepEqual(await resolve(), { sha: now });
  assert.equal(await world.sources.describe(remote, now, '20*', never), '2026.07');
  const mirror = join(world.mirrors, 'github-123.git');
  const keeps = await runGit([`--git-dir=${mirror}`, 'for-each-ref', '--format=%(refname)', 'refs/rcb/keep']);
  assert.ok(keeps.includes(old), keeps);
  await runGit([`--git-dir=${mirror}`, 'gc', '--quiet', '--prune=now']);
  assert.equal((await world.sources.pack(remote, old, { topDirectory: 'nqp' }, never)).files, 1);
  await repository.git(['tag', '-d', '2026.07']);
  assert.equal((await resolve()).sha, undefined, 'a tag that is gone is not found');
});

test('a version is told from tags of now, with as many digits in every mirror', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const remote = remoteOf(repository);
  const first = await repository.commit({ a: '1' });
  await world.sources.ensureCommit(remote, { sha: first, ref: 'refs/heads/main' }, never);
  const describe = (sha: string) => world.sources.describe(remote, sha, '20*', never);
  assert.equal(await describe(first), undefined, 'there is no tag');
  await repository.tag('nightly', first);
  assert.equal(await describe(first), undefined, 'there is no such tag');
  await repository.tag('2026.07', first, 'Release');
  assert.equal(await describe(first), '2026.07');
  const second = await repository.commit({ a: '2' });
  await world.sources.ensureCommit(remote, { sha: second, ref: 'refs/heads/main' }, never);
  assert.equal(await describe(second), `2026.07-1-g${second.slice(0, 10)}`);
});

test('what a branch touched is told since it left the other', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const files = { kept: '1', changed: '1', removed: '1', 'd/ünïcödé': '1', mode: '1' };
  const fork = await repository.commit(files);
  const base = await repository.commit({ ...files, 'only-on-base': '1' });
  const changed = { kept: '1', changed: '2', 'd/renamed': '1', added: '1', mode: { executable: '1' } };
  const head = await repository.commit(changed, { ref: 'refs/pull/7/head', parent: fork });
  const stranger = await repository.commit({ kept: '2' }, { ref: 'refs/heads/stranger', parent: null });
  const remote = remoteOf(repository);
  for (const sha of [base, head, stranger]) await world.sources.ensureCommit(remote, { sha }, never);
  const touched = (from: string, to: string) => world.sources.touchedFiles(remote, from, to, never);
  const expected = ['added', 'changed', 'd/renamed', 'd/ünïcödé', 'mode', 'removed'];
  assert.deepEqual(await touched(base, head), { files: expected, complete: true });
  assert.deepEqual(await touched(fork, base), { files: ['only-on-base'], complete: true });
  assert.deepEqual(await touched(head, head), { files: [], complete: true });
  const apart = await touched(base, stranger);
  assert.deepEqual(apart.files.includes('kept') && apart.files.includes('only-on-base'), true);
});

test('a renamed default branch and a repository that moved on disk change nothing for what is here', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const sha = await repository.commit({ a: '1' }, { ref: 'refs/heads/master' });
  const remote = remoteOf(repository);
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/master' }, never);
  await repository.setRef('refs/heads/main', sha);
  await repository.deleteRef('refs/heads/master');
  const next = await repository.commit({ a: '2' });
  await world.sources.ensureCommit(remote, { sha: next, ref: 'refs/heads/main' }, never);
  assert.deepEqual(await world.sources.resolveRevision(remote, { kind: 'sha', text: next.slice(0, 8) }, never), {
    sha: next,
  });
  await rm(repository.path, { recursive: true });
  const gone = { ...remote, name: 'Raku/nqp-renamed' };
  assert.equal((await world.sources.ensureCommit(gone, { sha }, never)).sha, sha);
  assert.equal((await world.sources.pack(gone, next, { topDirectory: 'nqp' }, never)).files, 1);
});
