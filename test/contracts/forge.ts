import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RepositoryRef } from '../../src/core/model.ts';
import { type Forge, ForgeError } from '../../src/forge/forge.ts';
import { openSourcesWorld } from '../support/sources.ts';

export interface ForgeUnderTest {
  forge: Forge;
  /** Its default branch is `main`, and has a commit. */
  repository: RepositoryRef;
  /** A new commit on the branch, which is made when it is not there; answers the sha. */
  commit(branch: string, title?: string): Promise<string>;
  /** More branches at a commit, in no time. */
  createBranches(names: string[], sha: string): Promise<void>;
  deleteBranch(branch: string): Promise<void>;
  /** The repository goes, with all that is in it. */
  removeRepository(): Promise<void>;
  close(): Promise<void>;
}

const never = new AbortController().signal;

/** Legal names that URLs, globs and git's own patterns trip over. */
const ODD_NAMES = [
  'fix/with/slashes',
  'ünïcödé-名前',
  'per%2Fcent',
  'number#1',
  'a&b=c+d',
  'quote\'"',
  '-dash',
  'x@y',
  'refs/heads/x',
];

/** The port's promises, in the port's words: run on every adapter. */
export function forgeContract(name: string, open: () => Promise<ForgeUnderTest>): void {
  const promise = (title: string, story: (under: ForgeUnderTest) => Promise<void>) =>
    test(title, { timeout: 40_000 }, async () => {
      const under = await open();
      try {
        await story(under);
      } finally {
        await under.close();
      }
    });

  describe(`${name} keeps the promises of a forge`, () => {
    promise('its name begins the keys that it serves', async ({ forge, repository }) => {
      assert.ok(repository.key.startsWith(`${forge.name}:`));
    });

    promise('a branch is read live, with its title and its repository', async ({ forge, repository, commit }) => {
      const first = await commit('main', 'The first line\n\nand more');
      const seen = await forge.readBranch(repository, 'refs/heads/main', never);
      assert.equal(seen?.sha, first);
      assert.equal(seen.title, 'The first line');
      assert.deepEqual(
        [seen.ref, seen.repositoryName, seen.defaultBranch, seen.private],
        ['refs/heads/main', repository.name, 'main', false],
      );
      const second = await commit('main', 'Another');
      assert.equal((await forge.readBranch(repository, 'refs/heads/main', never))?.sha, second);
    });

    promise(
      'a branch that is missing, or was deleted, has no sha',
      async ({ forge, repository, commit, deleteBranch }) => {
        assert.equal((await forge.readBranch(repository, 'refs/heads/none', never))?.sha, null);
        await commit('short-lived');
        await deleteBranch('short-lived');
        assert.equal((await forge.readBranch(repository, 'refs/heads/short-lived', never))?.sha, null);
      },
    );

    promise('a branch is not mistaken for one below it', async ({ forge, repository, commit }) => {
      await commit('a/b');
      assert.equal((await forge.readBranch(repository, 'refs/heads/a', never))?.sha, null);
    });

    promise('odd names are read and listed like others', async ({ forge, repository, commit, createBranches }) => {
      const sha = await commit('main');
      await createBranches(ODD_NAMES, sha);
      for (const odd of ODD_NAMES) {
        assert.equal((await forge.readBranch(repository, `refs/heads/${odd}`, never))?.sha, sha, odd);
      }
      const listed = await forge.listBranches(repository, never);
      assert.deepEqual(
        listed?.branches.map(({ ref }) => ref).sort(),
        ['main', ...ODD_NAMES].map((odd) => `refs/heads/${odd}`).sort(),
      );
    });

    promise(
      'more branches than a page has are all listed, each once',
      async ({ forge, repository, commit, createBranches }) => {
        const sha = await commit('main');
        const names = Array.from({ length: 230 }, (_, index) => `branch-${index}`);
        await createBranches(names, sha);
        const listed = await forge.listBranches(repository, never);
        assert.equal(listed?.defaultBranch, 'main');
        assert.equal(listed.branches.length, 231);
        assert.equal(new Set(listed.branches.map(({ ref }) => ref)).size, 231);
        assert.ok(listed.branches.every((branch) => branch.sha === sha));
      },
    );

    promise('a repository that is gone is undefined, not an error', async ({ forge, repository, removeRepository }) => {
      await removeRepository();
      assert.equal(await forge.readBranch(repository, 'refs/heads/main', never), undefined);
      assert.equal(await forge.listBranches(repository, never), undefined);
      assert.equal(await forge.readPullRequest(repository, 1, never), undefined);
    });

    promise('a pull request that is not there is undefined', async ({ forge, repository }) => {
      assert.equal(await forge.readPullRequest(repository, 999, never), undefined);
    });

    promise('git fetches from its remote, at any branch', async ({ forge, repository, commit }) => {
      const sha = await commit('fix/fetch', 'To be fetched');
      const remote = await forge.remote(repository, never);
      assert.deepEqual([remote.key, remote.name], [repository.key, repository.name]);
      const { sources, remove } = await openSourcesWorld();
      try {
        const facts = await sources.ensureCommit(remote, { sha, ref: 'refs/heads/fix/fetch' }, never);
        assert.deepEqual([facts.sha, facts.title], [sha, 'To be fetched']);
      } finally {
        await remove();
      }
    });

    promise('what was given up ends soon, whatever it is', async ({ forge, repository }) => {
      const gone = AbortSignal.abort(new Error('given up'));
      await assert.rejects(forge.readBranch(repository, 'refs/heads/main', gone));
      await assert.rejects(forge.listBranches(repository, gone));
    });

    promise(
      'a check that cannot be written is refused for good, with a reason',
      async ({ forge, repository, removeRepository }) => {
        await removeRepository();
        const content = { ...CONTENT, headSha: 'f'.repeat(40) };
        const error = await forge.ensureCheck(repository, content, undefined, never).catch((thrown) => thrown);
        assert.ok(error instanceof ForgeError, String(error));
        assert.equal(error.retry, false);
        assert.match(error.message, /cannot be written/);
      },
    );
  });
}

export const CONTENT = {
  name: 'rcb',
  headSha: '',
  externalId: 'check-1',
  detailsUrl: 'https://rcb.example.test/runs/1',
  status: 'in_progress' as const,
  title: 'Building',
  summary: 'All is well.',
};
