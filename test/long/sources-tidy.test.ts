import assert from 'node:assert/strict';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSources } from '../../src/sources/index.ts';
import type { Remote } from '../../src/sources/sources.ts';
import { type GitRepository, runGit } from '../support/git-repository.ts';
import {
  aGitRepository,
  aSourcesWorld,
  isSourceError,
  rememberingArchive,
  type SourcesWorld,
} from '../support/sources.ts';

const never = new AbortController().signal;
const TOP = { topDirectory: 'nqp' };
const DAY = 86_400_000;

function remoteOf({ path }: GitRepository): Remote {
  return { key: 'github:123', name: 'Raku/nqp', url: path };
}

const mirrorOf = (world: SourcesWorld): string => join(world.mirrors, 'github-123.git');

/** Everything in the mirror was last touched two days ago. */
async function twoDaysLater(world: SourcesWorld): Promise<void> {
  const time = new Date(Date.now() - 2 * DAY);
  for (const name of await readdir(mirrorOf(world), { recursive: true })) {
    await utimes(join(mirrorOf(world), name), time, time);
  }
}

/** Pull requests 0 to `count`, each with a file that does not compress, force-pushed away afterwards. */
async function fetchPullRequests(world: SourcesWorld, repository: GitRepository, count: number): Promise<string[]> {
  const shas: string[] = [];
  for (let number = 0; number < count; number += 1) {
    const ref = `refs/pull/${number}/head`;
    const sha = await repository.commit({ a: noise(50_000, number + 1) }, { ref, parent: null });
    await world.sources.ensureCommit(remoteOf(repository), { sha, ref }, never);
    shas.push(sha);
  }
  return shas;
}

function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let index = 0; index < size; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

test('what nobody refers to goes, what is kept or was used lately stays, and packs become one', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const remote = remoteOf(repository);
  const main = await repository.commit({ a: 'main' });
  await world.sources.ensureCommit(remote, { sha: main, ref: 'refs/heads/main' }, never);
  const shas = await fetchPullRequests(world, repository, 6);
  await twoDaysLater(world);
  const [kept, used, ...unwanted] = shas as [string, string, ...string[]];
  await world.sources.pack(remote, used, TOP, never);
  const tidied = await world.sources.tidy(remote, { keep: [kept], unusedForMs: DAY }, never);
  assert.ok(tidied.kind === 'tidied');
  assert.equal(tidied.dropped, 5, 'main’s too: its branch holds it');
  assert.ok(tidied.after < tidied.before - 180_000, `${tidied.before} → ${tidied.after}`);
  for (const sha of [main, kept, used]) assert.equal((await world.sources.pack(remote, sha, TOP, never)).files, 1);
  const git = `--git-dir=${mirrorOf(world)}`;
  for (const sha of unwanted) await assert.rejects(runGit([git, 'cat-file', '-e', sha]), sha);
  await runGit([git, 'fsck', '--strict']);
  const packs = (await readdir(join(mirrorOf(world), 'objects', 'pack'))).filter((name) => name.endsWith('.pack'));
  assert.equal(packs.length, 1);
  const back = await world.sources.ensureCommit(remote, { sha: unwanted[0]!, ref: 'refs/pull/2/head' }, never);
  assert.equal(back.sha, unwanted[0], 'what went can be fetched again');
});

test('a merge of the bot goes like the rest, and is made again with the same sha', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const remote = remoteOf(repository);
  const fork = await repository.commit({ a: '1', b: '1' });
  const head = await repository.commit({ a: '1', b: '2' }, { ref: 'refs/pull/1/head', parent: fork });
  const base = await repository.commit({ a: '2', b: '1' });
  const wanted = { head: { sha: head, ref: 'refs/pull/1/head' }, base: { sha: base, ref: 'refs/heads/main' } };
  const merged = await world.sources.ensureMerged(remote, wanted, never);
  assert.ok(merged.kind === 'merged');
  await twoDaysLater(world);
  await world.sources.tidy(remote, { keep: [merged.sha], unusedForMs: DAY }, never);
  await runGit([`--git-dir=${mirrorOf(world)}`, 'cat-file', '-e', merged.sha]);
  await twoDaysLater(world);
  await world.sources.tidy(remote, { keep: [], unusedForMs: DAY }, never);
  await assert.rejects(runGit([`--git-dir=${mirrorOf(world)}`, 'cat-file', '-e', merged.sha]));
  assert.deepEqual(await world.sources.ensureMerged(remote, wanted, never), merged);
});

test('while another process tidies, nothing counts as kept that had no ref before', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const remote = remoteOf(repository);
  const known = await repository.commit({ a: '1' });
  await world.sources.ensureCommit(remote, { sha: known, ref: 'refs/heads/main' }, never);
  const mark = join(mirrorOf(world), 'rcb-tidying');
  await writeFile(mark, '1\n');
  assert.deepEqual(await world.sources.tidy(remote, { keep: [], unusedForMs: 0 }, never), { kind: 'busy' });
  assert.equal((await world.sources.ensureCommit(remote, { sha: known }, never)).sha, known);
  const fresh = await repository.commit({ a: '2' });
  const fetched = world.sources.ensureCommit(remote, { sha: fresh, ref: 'refs/heads/main' }, never);
  await assert.rejects(fetched, isSourceError('unreachable', /being tidied up. It is tried again/));
  await rm(mark);
  assert.equal((await world.sources.ensureCommit(remote, { sha: fresh, ref: 'refs/heads/main' }, never)).sha, fresh);
});

test('a commit that is wanted in the moment in which its ref goes gets it back', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const shas = await fetchPullRequests(world, repository, 2);
  await twoDaysLater(world);
  const git = join(world.dir, 'git-beside-which-another-process-packs');
  const wanted = join(mirrorOf(world), 'rcb-used', shas[0]!);
  const script = `#!/bin/sh\ngit "$@" || exit\ncase "$*" in *'update-ref --stdin'*) touch '${wanted}';; esac\n`;
  await writeFile(git, script, { mode: 0o755 });
  const archive = rememberingArchive(join(world.dir, 'blobs'));
  const environment = { PATH: process.env['PATH'] };
  const sources = await openSources({ dir: world.mirrors, archive, git, fetchTimeoutMs: 20_000, environment });
  const tidied = await sources.tidy(remoteOf(repository), { keep: [], unusedForMs: DAY }, never);
  assert.ok(tidied.kind === 'tidied' && tidied.dropped === 1, JSON.stringify(tidied));
  assert.equal((await sources.pack(remoteOf(repository), shas[0]!, TOP, never)).files, 1);
});

test('the mark of a process that died is overcome', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const remote = remoteOf(repository);
  const sha = await repository.commit({ a: '1' });
  await world.sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const mark = join(mirrorOf(world), 'rcb-tidying');
  await writeFile(mark, '1\n');
  await utimes(mark, 1, 1);
  assert.equal((await world.sources.tidy(remote, { keep: [sha], unusedForMs: DAY }, never)).kind, 'tidied');
  assert.ok(!(await readdir(mirrorOf(world))).includes('rcb-tidying'));
});

test('a mirror that is not there is tidy', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const tidied = await world.sources.tidy(remoteOf(repository), { keep: [], unusedForMs: 0 }, never);
  assert.deepEqual(tidied, { kind: 'tidied', dropped: 0, before: 0, after: 0 });
});

test('fetching, packing and tidying at once lose nothing', async (t) => {
  const [world, repository] = [await aSourcesWorld(t), await aGitRepository(t)];
  const remote = remoteOf(repository);
  const shas = await fetchPullRequests(world, repository, 4);
  const fresh = await repository.commit({ a: 'new' });
  await twoDaysLater(world);
  const wanted = { sha: fresh, ref: 'refs/heads/main' };
  const [, facts, ...packed] = await Promise.all([
    world.sources.tidy(remote, { keep: [], unusedForMs: DAY }, never),
    world.sources.ensureCommit(remote, wanted, never),
    ...shas.map((sha) => world.sources.pack(remote, sha, TOP, never)),
  ]);
  assert.equal(facts.sha, fresh);
  assert.deepEqual(
    packed.map(({ files }) => files),
    [1, 1, 1, 1],
  );
  await runGit([`--git-dir=${mirrorOf(world)}`, 'fsck', '--strict']);
});

test('notes of archives that are gone go as well', async (t) => {
  const world = await aSourcesWorld(t);
  const repository = await aGitRepository(t);
  const archive = rememberingArchive(join(world.dir, 'blobs'));
  const environment = { PATH: process.env['PATH'] };
  const sources = await openSources({ dir: world.mirrors, archive, fetchTimeoutMs: 20_000, environment });
  const remote = remoteOf(repository);
  const sha = await repository.commit({ a: '1' });
  await sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const first = await sources.pack(remote, sha, TOP, never);
  const second = await sources.pack(remote, sha, { topDirectory: 'other' }, never);
  await rm(world.blobPath(first.sha256));
  await sources.tidy(remote, { keep: [sha], unusedForMs: DAY }, never);
  assert.equal((await readdir(join(mirrorOf(world), 'rcb-packed'))).length, 1);
  assert.deepEqual(await sources.pack(remote, sha, { topDirectory: 'other' }, never), second);
});
