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

const NO_COMMIT = 'f'.repeat(40);

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
      assert.equal(await forge.listPullRequests(repository, undefined, never), undefined);
      assert.equal(await forge.listPullRequests(repository, new Date(0), never), undefined);
      assert.equal(await forge.listComments(repository, new Date(0), never), undefined);
      assert.equal(await forge.listCommits(repository, NO_COMMIT, NO_COMMIT, never), undefined);
      assert.equal(await forge.hasVerdict(repository, NO_COMMIT, never), false);
      assert.equal(await forge.findRepository(repository.name, never), undefined);
      assert.equal(await forge.permissionOf(repository, NOBODY, never), 'none');
      assert.equal(await forge.treeOf(repository, NO_COMMIT, never), undefined);
      await assertNoPullRequest(forge, repository);
    });

    promise('a repository is found by its name, and no other', async ({ forge, repository }) => {
      const { key, name } = repository;
      assert.deepEqual(await forge.findRepository(name, never), { key, name });
      for (const odd of ['nobody/nothing', 'nothing', '', '../..', `${name}/x`, 'a b/c', '-/--help']) {
        assert.equal(await forge.findRepository(odd, never), undefined, odd);
      }
    });

    promise('commits with the same content have the same tree', async ({ forge, repository, commit }) => {
      const [one, other] = [await commit('main'), await commit('main')];
      const tree = await forge.treeOf(repository, one, never);
      assert.match(tree ?? '', /^[0-9a-f]{40}$/);
      assert.notEqual(await forge.treeOf(repository, other, never), tree);
      assert.equal(await forge.treeOf(repository, one, never), tree);
      for (const odd of [NO_COMMIT, 'main', '--all', '']) {
        assert.equal(await forge.treeOf(repository, odd, never), undefined, odd);
      }
    });

    promise('where nothing was opened or said, the lists are empty', async ({ forge, repository }) => {
      assert.deepEqual(await forge.listPullRequests(repository, undefined, never), []);
      assert.deepEqual(await forge.listPullRequests(repository, new Date(0), never), []);
      assert.deepEqual(await forge.listComments(repository, new Date(0), never), []);
    });

    promise('the commits between two are listed, the oldest first', async ({ forge, repository, commit }) => {
      const from = await commit('main', 'Known');
      const one = await commit('main', 'One\n\nand why');
      const to = await commit('main', 'Two');
      const listed = await forge.listCommits(repository, from, to, never);
      assert.deepEqual(
        listed?.map(({ sha, title }) => [sha, title]),
        [
          [one, 'One'],
          [to, 'Two'],
        ],
      );
      assert.deepEqual(await forge.listCommits(repository, to, to, never), []);
      assert.deepEqual(await forge.listCommits(repository, to, from, never), [], 'what was taken back');
    });

    promise('beside a fork in the road only its own side is listed', async ({ forge, repository, commit }) => {
      const main = await commit('main', 'Base');
      const side = await commit('side', 'Aside');
      const onward = await commit('main', 'Onward');
      const shas = async (from: string, to: string) =>
        (await forge.listCommits(repository, from, to, never))?.map(({ sha }) => sha);
      assert.deepEqual(await shas(onward, side), await shas(main, side));
      assert.equal((await shas(onward, side))?.at(-1), side);
    });

    promise('a commit that is not there has no list', async ({ forge, repository, commit }) => {
      const sha = await commit('main');
      for (const odd of [NO_COMMIT, 'main', '--all', `${sha}^`, '']) {
        assert.equal(await forge.listCommits(repository, odd, sha, never), undefined, odd);
        assert.equal(await forge.listCommits(repository, sha, odd, never), undefined, odd);
      }
    });

    promise('a commit that was never tested has no verdict', async ({ forge, repository, commit }) => {
      assert.equal(await forge.hasVerdict(repository, await commit('main'), never), false);
      assert.equal(await forge.hasVerdict(repository, NO_COMMIT, never), false);
    });

    promise('a pull request that is not there is undefined', async ({ forge, repository }) => {
      assert.equal(await forge.readPullRequest(repository, 999, never), undefined);
      await assertNoPullRequest(forge, repository);
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
      await assert.rejects(forge.listCommits(repository, 'a'.repeat(40), 'b'.repeat(40), gone));
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

/** What is not there is undefined, and cannot be written. */
async function assertNoPullRequest(forge: Forge, repository: RepositoryRef): Promise<void> {
  const sha = NO_COMMIT;
  assert.equal(await forge.readComment(repository, '999', never), undefined);
  assert.equal(await forge.readDescription(repository, 999, never), undefined);
  assert.equal(await forge.readMergeState(repository, 999, never), undefined);
  const targets = [{ kind: 'comment', id: '999' } as const, { kind: 'pull-request', number: 999 } as const];
  for (const target of targets) {
    assert.equal(await forge.ensureReaction(repository, target, { content: 'eyes' }, never), false);
  }
  const refusals = [
    await forge.enableAutoMerge(repository, 999, { sha, method: 'merge' }, never),
    await forge.ensureQueued(repository, 999, sha, never),
  ];
  assert.deepEqual(
    refusals.map(({ kind }) => kind),
    ['refused', 'refused'],
  );
  await forge.ensureNotQueued(repository, 999, never);
  const isGone = (error: unknown) => error instanceof ForgeError && error.kind === 'gone';
  await assert.rejects(forge.ensureComment(repository, 999, { key: 'k', text: 't' }, never), isGone);
  await assert.rejects(forge.ensureMerged(repository, 999, { sha, method: 'merge' }, never), isGone);
}

const NOBODY = { id: '999999', login: 'nobody' };

export const CONTENT = {
  name: 'rcb',
  headSha: '',
  externalId: 'check-1',
  detailsUrl: 'https://rcb.example.test/runs/1',
  status: 'in_progress' as const,
  title: 'Building',
  summary: 'All is well.',
};
