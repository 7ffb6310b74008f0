import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { RepositoryRef } from '../../src/core/model.ts';
import { type Forge, ForgeError } from '../../src/forge/forge.ts';
import { CONTENT, forgeContract } from '../contracts/forge.ts';
import type { ApiFault } from '../standins/github/index.ts';
import { never, openStory, REPO, type Story, story } from './forge-github-story.ts';

forgeContract('GitHub', openStory);

describe('pull requests on GitHub', () => {
  story('a pull request of the repository itself needs no standing', async ({ github, forge, repository }) => {
    const pull = await github.openPullRequest({
      repo: REPO,
      head: 'fix',
      title: 'A fix',
      draft: true,
      files: { a: '1' },
    });
    const seen = await forge.readPullRequest(repository, pull.number, never);
    assert.equal(seen?.head.sha, pull.headSha);
    assert.deepEqual(
      [seen.title, seen.state, seen.draft, seen.head.ref, seen.head.repositoryKey, seen.base.ref, seen.standing],
      ['A fix', 'open', true, 'fix', repository.key, 'main', undefined],
    );
    await github.markReady(REPO, pull.number);
    assert.equal((await forge.readPullRequest(repository, pull.number, never))?.draft, false);
  });

  story('a fork says who may write, and whose work was merged before', async ({ github, forge, repository }) => {
    const fork = await github.fork(REPO, 'stranger');
    const options = { repo: REPO, headRepo: fork, author: 'stranger' };
    const first = await github.openPullRequest({ ...options, head: 'one', files: { a: '1' } });
    const seen = await forge.readPullRequest(repository, first.number, never);
    assert.equal(seen?.head.repositoryKey, `github:${github.repositoryId(fork)}`);
    assert.deepEqual(seen.standing, { canWrite: false, hasMerged: false });
    await github.merge(REPO, first.number);
    assert.equal((await forge.readPullRequest(repository, first.number, never))?.state, 'merged');
    const second = await github.openPullRequest({ ...options, head: 'two', files: { b: '1' } });
    const known = await forge.readPullRequest(repository, second.number, never);
    assert.deepEqual(known?.standing, { canWrite: false, hasMerged: true });
    github.setPermission(REPO, 'stranger', 'write');
    const trusted = await forge.readPullRequest(repository, second.number, never);
    assert.equal(trusted?.standing?.canWrite, true);
  });

  story('a fork that was deleted is still a fork', async ({ github, forge, repository }) => {
    const fork = await github.fork(REPO, 'stranger');
    const pull = await github.openPullRequest({
      repo: REPO,
      headRepo: fork,
      head: 'x',
      author: 'stranger',
      files: { a: '1' },
    });
    await github.deleteRepository(fork);
    const seen = await forge.readPullRequest(repository, pull.number, never);
    assert.equal(seen?.head.repositoryKey, null);
    assert.ok(seen.standing);
  });

  story('a renamed repository is read by its id, and tells its new name', async ({ github, forge, repository }) => {
    const pull = await github.openPullRequest({ repo: REPO, head: 'fix', files: { a: '1' } });
    await github.renameRepository(REPO, 'renamed');
    await github.createRepository(REPO, { files: { other: 'somebody else has the name now' } });
    assert.equal((await forge.readPullRequest(repository, pull.number, never))?.repositoryName, 'acme/renamed');
    const branch = await forge.readBranch(repository, 'refs/heads/main', never);
    assert.equal(branch?.repositoryName, 'acme/renamed');
    assert.equal((await forge.listBranches(repository, never))?.branches.length, 2);
  });
});

describe('checks on GitHub', () => {
  const write = (it: Story, content: Partial<Parameters<Forge['ensureCheck']>[1]> = {}, known?: string) =>
    it.forge.ensureCheck(it.repository, { ...CONTENT, headSha: it.sha, ...content }, known, never);

  story('a check is created once, and then brought up to date', async (it) => {
    const id = await write(it);
    const completed = { status: 'completed', conclusion: 'success', completedAt: new Date(), title: 'Passed' } as const;
    assert.equal(await write(it, completed, id), id);
    const [check, ...others] = it.github.checkRuns(REPO, it.sha);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [String(check!.id), check!.status, check!.conclusion, check!.output.title, check!.external_id],
      [id, 'completed', 'success', 'Passed', CONTENT.externalId],
    );
  });

  story('a check whose creation was answered to nobody is found again', async (it) => {
    it.fault('lost', { match: (method, path) => method === 'POST' && path.endsWith('/check-runs') });
    await assert.rejects(write(it), (error) => error instanceof ForgeError && error.retry);
    const [made] = it.github.checkRuns(REPO, it.sha);
    assert.equal(await write(it, { title: 'After the crash' }), String(made!.id));
    const checks = it.github.checkRuns(REPO, it.sha);
    assert.deepEqual(
      checks.map((check) => check.output.title),
      ['After the crash'],
    );
  });

  story('checks of one name are told apart by our id, however many there are', async (it) => {
    const first = await write(it);
    const second = await write(it, { externalId: 'check-2' });
    assert.notEqual(first, second);
    assert.equal(await write(it), first);
    assert.equal(await write(it, { externalId: 'check-2' }), second);
  });

  story('texts of the largest size are taken', async (it) => {
    const text = 'x'.repeat(65_000);
    await write(it, { summary: text, text });
    assert.deepEqual(it.github.invalidRequests, []);
    assert.equal(it.github.checkRuns(REPO, it.sha)[0]!.output.text?.length, 65_000);
  });

  story('a check offers buttons, keeps them, and takes them away', async (it) => {
    const actions = [
      { label: 'Re-test failed', description: 'Run the failed jobs again', identifier: 'retest-failed' },
    ];
    const offered = () => it.github.checkRuns(REPO, it.sha)[0]!.actions;
    const id = await write(it, { actions });
    await write(it, { title: 'Still building' }, id);
    assert.deepEqual(offered(), actions);
    await write(it, { actions: [] }, id);
    assert.deepEqual(offered(), []);
  });

  story('a commit that GitHub does not have is refused for good', async (it) => {
    await assert.rejects(
      write(it, { headSha: 'f'.repeat(40) }),
      (error) => error instanceof ForgeError && !error.retry,
    );
  });
});

describe('trouble with GitHub', () => {
  const read = ({ forge, repository }: Story, signal = never) =>
    forge.readBranch(repository, 'refs/heads/main', signal);
  const kinds: [ApiFault['answer'], string, boolean][] = [
    [500, 'unreachable', true],
    [502, 'unreachable', true],
    [503, 'unreachable', true],
    ['reset', 'unreachable', true],
    ['rate-limit', 'rate-limited', true],
    ['secondary-limit', 'rate-limited', true],
  ];
  for (const [answer, kind, retry] of kinds) {
    story(`${answer} is ${kind}, and passes`, async (it) => {
      await read(it);
      it.fault(answer, { retryAfter: 7 });
      const error = await read(it).catch((thrown) => thrown);
      assert.ok(error instanceof ForgeError, String(error));
      assert.deepEqual([error.kind, error.retry], [kind, retry]);
      assert.match(error.message, /acme\/tool/);
      if (answer === 'secondary-limit') assert.equal(error.retryAfterMs, 7_000);
      if (answer === 'rate-limit') assert.ok(error.retryAfterMs! > 0 && error.retryAfterMs! <= 3_601_000);
      it.wait((error.retryAfterMs ?? 0) + 1);
      assert.equal((await read(it))?.sha, it.sha);
    });
  }

  story('an installation that was removed is denied or gone', async (it) => {
    const id = Number(it.repository.installation!.replace('github:', ''));
    await it.github.suspendInstallation(id);
    const error = await it.forge.remote(it.repository, never).catch((thrown) => thrown);
    assert.ok(error instanceof ForgeError, String(error));
    assert.equal(error.retry, false);
  });

  story('a private repository that we may not read is not there for us', async (it) => {
    await it.github.createRepository('other/secret', { private: true, files: { a: '1' } });
    const key = `github:${it.github.repositoryId('other/secret')}`;
    const foreign: RepositoryRef = { ...it.repository, key, name: 'other/secret' };
    assert.equal(await it.forge.readBranch(foreign, 'refs/heads/main', never), undefined);
  });

  story(
    'an answer that does not come in time is unreachable',
    async (it) => {
      it.fault('slow', { delayMs: 5_000 });
      const error = await read(it).catch((thrown) => thrown);
      assert.ok(error instanceof ForgeError, String(error));
      assert.equal(error.kind, 'unreachable');
    },
    { timeoutMs: 300 },
  );

  story('a request that is given up ends at once', async (it) => {
    await read(it);
    it.fault('slow', { delayMs: 30_000 });
    const stop = new AbortController();
    const reading = read(it, stop.signal);
    setImmediate(() => stop.abort());
    await assert.rejects(reading);
  });
});
