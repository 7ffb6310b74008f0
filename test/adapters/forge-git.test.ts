import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RepositoryRef } from '../../src/core/model.ts';
import { ForgeError } from '../../src/forge/forge.ts';
import { openPlainGit } from '../../src/forge/git/git.ts';
import { findRepositories, gitDirectoryOf, identityOf } from '../../src/forge/git/repositories.ts';
import { ensureSecret, readSecret } from '../../src/forge/git/secret.ts';
import { openGit } from '../../src/sources/git.ts';
import { type ForgeUnderTest, forgeContract } from '../contracts/forge.ts';
import { createGitRepository, runGit } from '../support/git-repository.ts';

const never = new AbortController().signal;
const git = openGit('git', { PATH: process.env['PATH'] });

async function openUnderTest(): Promise<ForgeUnderTest> {
  const made = await createGitRepository();
  let count = 0;
  const commit = (branch: string, message = 'A commit') =>
    made.commit({ file: String(++count) }, { ref: `refs/heads/${branch}`, message });
  await commit('main');
  const [found] = await findRepositories([made.path]);
  return {
    forge: openPlainGit({ repositories: [found!], git }),
    repository: { key: found!.key, name: found!.name },
    commit,
    createBranches: async (names, sha) => {
      const commands = names.map((name) => `create refs/heads/${name} ${sha}\n`);
      await made.git(['update-ref', '--stdin'], commands.join(''));
    },
    deleteBranch: (branch) => made.deleteRef(`refs/heads/${branch}`),
    removeRepository: () => rm(made.path, { recursive: true }),
    close: () => made.remove(),
  };
}

forgeContract('plain git', openUnderTest);

async function temporary(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-forge-git-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('a repository is one, whichever of its paths is given', async (t) => {
  const dir = await temporary(t);
  const work = join(dir, 'project');
  await runGit(['init', '-q', work]);
  await symlink(work, join(dir, 'link'));
  const found = await findRepositories([work, join(work, '.git'), join(dir, 'link'), `${work}/`]);
  assert.equal(found.length, 1);
  assert.equal(found[0]!.name, 'project');
  assert.match(found[0]!.key, /^git:[0-9a-f]{16}$/);
  assert.equal(await gitDirectoryOf(found[0]!.path), join(found[0]!.path, '.git'));
  assert.equal(await identityOf(join(dir, 'link', '.git')), found[0]!.path);
});

test('names are plain, and unique among the configured ones', async () => {
  const named = async (...paths: string[]) => (await findRepositories(paths)).map(({ name }) => name);
  assert.deepEqual(await named('/srv/git/project.git', '/srv/git/other.git'), ['project', 'other']);
  assert.deepEqual(await named('/srv/a/project.git', '/srv/b/project.git'), ['a-project', 'b-project']);
  const [one, two] = await named('/x/a/p.git', '/y/a/p.git');
  assert.notEqual(one, two);
  assert.match(one!, /^a-p-[0-9a-f]{6}$/);
  assert.deepEqual(await named('/srv/My Project ünï.git', '/srv/...git'), ['My-Project-n-', 'repository']);
});

test('what is no repository is undefined, and what comes later is found', async (t) => {
  const dir = await temporary(t);
  const path = join(dir, 'later.git');
  const [found] = await findRepositories([path]);
  const forge = openPlainGit({ repositories: [found!], git });
  const repository: RepositoryRef = { key: found!.key, name: found!.name };
  assert.equal(await forge.listBranches(repository, never), undefined);
  await mkdir(path);
  await writeFile(join(path, 'HEAD'), 'a text');
  assert.equal(await forge.listBranches(repository, never), undefined);
  await rm(path, { recursive: true });
  await runGit(['init', '-q', '--bare', '--initial-branch=trunk', path]);
  assert.deepEqual(await forge.listBranches(repository, never), { defaultBranch: 'trunk', branches: [] });
  assert.equal(await forge.listBranches({ key: 'git:0000000000000000', name: 'unknown' }, never), undefined);
});

test('a detached HEAD is no default branch', async (t) => {
  const made = await createGitRepository();
  t.after(() => made.remove());
  const sha = await made.commit({ a: '1' });
  await made.git(['update-ref', '--no-deref', 'HEAD', sha]);
  const [found] = await findRepositories([made.path]);
  const forge = openPlainGit({ repositories: [found!], git });
  assert.equal((await forge.listBranches({ key: found!.key, name: 'x' }, never))?.defaultBranch, '');
});

test('hostile names of refs never reach git, and never name a branch', async (t) => {
  const made = await createGitRepository();
  t.after(() => made.remove());
  await made.commit({ a: '1' });
  const [found] = await findRepositories([made.path]);
  const forge = openPlainGit({ repositories: [found!], git });
  const hostile = [
    '--help',
    'refs/heads/*',
    'refs/heads/../main',
    'refs/tags/v1',
    'refs/heads/a\nb',
    `refs/heads/${'x'.repeat(600)}`,
  ];
  for (const ref of hostile) {
    assert.equal((await forge.readBranch({ key: found!.key, name: 'x' }, ref, never))?.sha, null, ref);
  }
});

test('a broken repository is an error that may pass, in the words of git', async (t) => {
  const made = await createGitRepository();
  t.after(() => made.remove());
  await made.commit({ a: '1' });
  await rename(join(made.path, 'config'), join(made.path, 'config.away'));
  await writeFile(join(made.path, 'config'), '[core\nnonsense');
  const [found] = await findRepositories([made.path]);
  const forge = openPlainGit({ repositories: [found!], git });
  const error = await forge.listBranches({ key: found!.key, name: 'broken' }, never).catch((thrown) => thrown);
  assert.ok(error instanceof ForgeError);
  assert.equal(error.retry, true);
  assert.match(error.message, /broken in .*bad config/);
});

test('the secret is made once, by whoever is first, for its owner only', async (t) => {
  const path = join(await temporary(t), 'data', 'secret');
  assert.equal(await readSecret(path), undefined);
  const secrets = await Promise.all([1, 2, 3, 4].map(() => ensureSecret(path)));
  assert.equal(new Set(secrets).size, 1);
  const { stat } = await import('node:fs/promises');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFile(path, 'short');
  await assert.rejects(ensureSecret(path), /holds no secret/);
});
