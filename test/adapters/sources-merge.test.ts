import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Remote } from '../../src/sources/sources.ts';
import { type CommitOptions, type Files, type GitRepository, runGit } from '../support/git-repository.ts';
import { aGitRepository, aSourcesWorld } from '../support/sources.ts';

const never = new AbortController().signal;
const HEAD = 'refs/pull/7/head';
const MAIN = 'refs/heads/main';

function remoteOf({ path }: GitRepository): Remote {
  return { key: 'github:123', name: 'Raku/nqp', url: path };
}

/** A fork of main at `start`, and what is on each side. */
async function aFork(repository: GitRepository, start: Files, ours: Files, theirs: Files, head: CommitOptions = {}) {
  const fork = await repository.commit(start, { time: 1_767_225_600 });
  const base = await repository.commit(ours, { time: 1_767_225_700 });
  const options = { ref: HEAD, parent: fork, time: 1_767_225_650, ...head };
  const wanted = await repository.commit(theirs, options);
  return { head: { sha: wanted, ref: HEAD }, base: { sha: base, ref: MAIN } };
}

test('head and base are merged without a work tree, the same in every mirror', async (t) => {
  const repository = await aGitRepository(t);
  const merge = await aFork(
    repository,
    { a: '1\n', b: '1\n' },
    { a: '2\n', b: '1\n' },
    { a: '1\n', b: '2\n' },
    {
      author: 'Zoë <z@e.test>',
    },
  );
  const made: string[] = [];
  for (const world of [await aSourcesWorld(t), await aSourcesWorld(t)]) {
    const merged = await world.sources.ensureMerged(remoteOf(repository), merge, never);
    assert.equal(merged.kind, 'merged');
    if (merged.kind !== 'merged') return;
    made.push(merged.sha);
    assert.deepEqual(await world.sources.ensureMerged(remoteOf(repository), merge, never), merged, 'again');
    const mirror = `--git-dir=${join(world.mirrors, 'github-123.git')}`;
    await runGit([mirror, 'gc', '--quiet', '--prune=now']);
    const format = '--format=%T %P%n%an <%ae> %at%n%cn %ct%n%s';
    assert.deepEqual((await runGit([mirror, 'log', '-1', format, merged.sha])).split('\n'), [
      `${merged.tree} ${merge.base.sha} ${merge.head.sha}`,
      'Zoë <z@e.test> 1767225700',
      'RCB 1767225700',
      `Merge ${merge.head.sha} into ${merge.base.sha}`,
    ]);
    for (const name of ['a', 'b']) assert.equal(await runGit([mirror, 'show', `${merged.sha}:${name}`]), '2');
    await runGit([mirror, 'fsck', '--strict']);
  }
  assert.equal(made[0], made[1]);
});

test('what was merged can be described, read, compared and packed like any commit', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const merge = await aFork(repository, { a: '1' }, { a: '1', b: 'base' }, { a: '1', c: 'head' });
  await repository.tag('2026.07', merge.base.sha, 'Release');
  const remote = remoteOf(repository);
  const merged = await world.sources.ensureMerged(remote, merge, never);
  assert.ok(merged.kind === 'merged');
  const { sha } = merged;
  assert.equal(await world.sources.describe(remote, sha, '20*', never), `2026.07-2-g${sha.slice(0, 10)}`);
  assert.deepEqual((await world.sources.touchedFiles(remote, merge.base.sha, sha, never)).files, ['c']);
  const read = await world.sources.readFile(remote, sha, 'b', 10, never);
  assert.deepEqual(read, { kind: 'file', bytes: Buffer.from('base') });
  assert.equal((await world.sources.pack(remote, sha, { topDirectory: 'nqp' }, never)).files, 3);
});

test('a head that contains its base is tested as it is', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const base = await repository.commit({ a: '1' });
  const head = await repository.commit({ a: '2' }, { ref: HEAD, parent: base });
  const tree = await repository.git(['rev-parse', `${head}^{tree}`]);
  const merge = { head: { sha: head, ref: HEAD }, base: { sha: base, ref: MAIN } };
  const merged = await world.sources.ensureMerged(remoteOf(repository), merge, never);
  assert.deepEqual(merged, { kind: 'head-contains-base', sha: head, tree });
});

test('the head of a fork that was deleted is still the base repository’s, and so is one that was force-pushed away', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const fork = await aGitRepository(t);
  const start = await repository.commit({ a: '1', b: '1' });
  await repository.git(['push', '--quiet', fork.path, 'main']);
  const head = await fork.commit({ a: '1', b: '2' });
  await repository.git(['fetch', '--quiet', fork.path, `main:${HEAD}`]);
  await fork.remove();
  const base = await repository.commit({ a: '2', b: '1' }, { parent: start });
  const wanted = { head: { sha: head, ref: HEAD }, base: { sha: base, ref: MAIN } };
  const merged = await world.sources.ensureMerged(remoteOf(repository), wanted, never);
  assert.equal(merged.kind, 'merged');
  await repository.commit({ c: '1' }, { ref: HEAD, parent: null });
  await repository.commit({ c: '1' }, { ref: MAIN, parent: null });
  const elsewhere = await aSourcesWorld(t);
  assert.deepEqual(await elsewhere.sources.ensureMerged(remoteOf(repository), wanted, never), merged);
});

test('a conflict names its files, and nothing is made', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const start = { a: '1\n', 'b c/ünïcödé': '1\n', d: '1\n' };
  const ours = { a: '2\n', 'b c/ünïcödé': '2\n', d: '1\n' };
  const merge = await aFork(repository, start, ours, { a: '3\n', d: '1\n' });
  const merged = await world.sources.ensureMerged(remoteOf(repository), merge, never);
  assert.deepEqual(merged, { kind: 'conflict', files: ['a', 'b c/ünïcödé'], count: 2 });
  const mirror = `--git-dir=${join(world.mirrors, 'github-123.git')}`;
  const keeps = await runGit([mirror, 'for-each-ref', '--format=%(objectname)', 'refs/rcb/keep']);
  assert.deepEqual(keeps.split('\n').sort(), [merge.base.sha, merge.head.sha].sort());
});

test('histories that have nothing in common are a conflict without files', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const merge = await aFork(repository, { a: '1' }, { a: '2' }, { a: '3' }, { parent: null });
  const merged = await world.sources.ensureMerged(remoteOf(repository), merge, never);
  assert.deepEqual(merged, { kind: 'conflict', files: [], count: 0 });
});

test('a merge driver that the repository asks for is not run', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const attributes = 'a merge=union\n';
  const side = (a: string) => ({ '.gitattributes': attributes, a });
  const merge = await aFork(repository, side('1\n'), side('2\n'), side('3\n'));
  const merged = await world.sources.ensureMerged(remoteOf(repository), merge, never);
  assert.deepEqual(merged, { kind: 'conflict', files: ['a'], count: 1 });
});

test('a commit of an author without a proper name is merged all the same', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const merge = await aFork(repository, { a: '1\n', b: '1' }, { a: '2\n', b: '1' }, { a: '1\n', b: '2' });
  const raw = await repository.git(['cat-file', 'commit', merge.head.sha]);
  const nameless = `${raw.replace(/^author .*<.*> /m, 'author <x@example.test> ')}\n`;
  const sha = await repository.git(['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], nameless);
  await repository.setRef(HEAD, sha);
  const merged = await world.sources.ensureMerged(remoteOf(repository), { ...merge, head: { sha, ref: HEAD } }, never);
  assert.ok(merged.kind === 'merged');
  const mirror = `--git-dir=${join(world.mirrors, 'github-123.git')}`;
  assert.equal(await runGit([mirror, 'log', '-1', '--format=%an', merged.sha]), 'RCB');
});
