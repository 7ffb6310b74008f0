import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Budget } from '../../src/core/budget.ts';
import { ForgeError } from '../../src/forge/forge.ts';
import { type Octokit, openClient } from '../../src/forge/github/client.ts';
import { KeptAnswers } from '../../src/forge/github/etags.ts';
import { nothing } from '../../src/forge/github/schema.ts';
import { CONTENT } from '../contracts/forge.ts';
import { never, REPO, type Story, story } from './forge-github-story.ts';

const installationOf = (it: Story) => Number(it.repository.installation!.replace('github:', ''));

/** All that a poll reads of a repository. */
async function poll({ forge, repository }: Story) {
  return {
    branches: await forge.listBranches(repository, never),
    pulls: await forge.listPullRequests(repository, new Date(0), never),
    open: await forge.listPullRequests(repository, undefined, never),
    comments: await forge.listComments(repository, new Date(0), never),
  };
}

const statuses = (it: Story) => it.github.requests.map(({ status }) => status);

async function thrownBy(work: Promise<unknown>): Promise<ForgeError> {
  const error = await work.then(
    () => assert.fail('it should have failed'),
    (thrown) => thrown,
  );
  assert.ok(error instanceof ForgeError, String(error));
  return error;
}

describe('what has not changed costs nothing', () => {
  story('an idle poll is answered with 304 only, for no points, and says the same', async (it) => {
    const pull = await it.github.openPullRequest({ repo: REPO, head: 'fix', files: { a: '1' } });
    await it.github.comment(REPO, pull.number, 'hello');
    const first = await poll(it);
    it.github.resetUsage();
    it.github.requests.length = 0;
    assert.deepEqual(await poll(it), first);
    assert.deepEqual(new Set(statuses(it)), new Set([304]));
    assert.deepEqual(it.github.usage(installationOf(it)), { requests: it.github.requests.length, points: 0 });
  });

  story('only the list that moved is paid for', async (it) => {
    const pull = await it.github.openPullRequest({ repo: REPO, head: 'fix', files: { a: '1' } });
    // GitHub counts time in seconds: what follows shall not be in the same one.
    it.github['hub'].state.pull(REPO, pull.number).updatedAt = '2026-01-01T00:00:00Z';
    await poll(it);
    it.github.resetUsage();
    const { id } = await it.github.comment(REPO, pull.number, 'news');
    const { comments } = await poll(it);
    assert.equal(comments?.[0]?.id, String(id));
    // The comment, and both lists of pull requests: a comment changes when its pull request was changed.
    assert.deepEqual(it.github.usage(installationOf(it)).points, 3);
  });

  story('tags are kept per installation, and for those who ask anonymously', async (it) => {
    const read = (installation: string | undefined) =>
      it.forge.readBranch({ ...it.repository, installation }, 'refs/heads/main', never);
    const other = await it.github.createInstallation({ account: 'other' });
    for (const installation of [it.repository.installation, `github:${other.id}`, undefined]) {
      it.github.requests.length = 0;
      assert.equal((await read(installation))?.sha, it.sha);
      assert.deepEqual(statuses(it).filter((status) => status === 304).length, 0, installation);
      await read(installation);
      assert.deepEqual(statuses(it).slice(-2), [304, 304], installation);
    }
  });

  story(
    'what there is no room to keep is asked for anew',
    async (it) => {
      const first = await poll(it);
      it.github.requests.length = 0;
      assert.deepEqual(await poll(it), first);
      assert.deepEqual(new Set(statuses(it)), new Set([200]));
    },
    { cacheBytes: 1_000 },
  );

  story('what is gone is not remembered as being there', async (it) => {
    await it.commit('short-lived');
    const read = () => it.forge.readBranch(it.repository, 'refs/heads/short-lived', never);
    assert.ok((await read())?.sha);
    await it.deleteBranch('short-lived');
    assert.equal((await read())?.sha, null);
    assert.equal((await read())?.sha, null);
  });

  test('the answers kept are bounded in bytes; the one not asked for the longest time goes first', () => {
    const kept = new KeptAnswers(12_000);
    const schema = {};
    const answer = (size: number) => ({ etag: 'x', value: 'v'.repeat(size), links: {}, schema });
    for (const key of ['a', 'b', 'c']) kept.set(key, answer(1_000));
    assert.ok(kept.get('a', schema));
    for (const key of ['d', 'e']) kept.set(key, answer(1_000));
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e'].filter((key) => kept.get(key, schema)),
      ['a', 'c', 'd', 'e'],
    );
    assert.ok(kept.bytes <= 12_000);
    kept.set('giant', answer(4_000));
    assert.equal(kept.get('giant', schema), undefined, 'more than a quarter of all');
    kept.set('a', answer(10));
    for (const key of ['a', 'c', 'd', 'e']) kept.delete(key);
    assert.equal(kept.bytes, 0);
  });

  story('one address that is asked for by several gives each its own fields', async (it) => {
    const { number } = await it.github.openPullRequest({ repo: it.repository.name, head: 'two', files: { a: '1' } });
    assert.equal((await it.forge.readPullRequest(it.repository, number, never))?.number, number);
    const described = await it.forge.readDescription(it.repository, number, never);
    assert.ok(described?.createdAt, 'what the first question did not ask for is there');
    assert.equal((await it.forge.readPullRequest(it.repository, number, never))?.number, number);
  });
});

describe('while GitHub wants a rest nothing is sent', () => {
  const read = (it: Story, installation = it.repository.installation) =>
    it.forge.readBranch({ ...it.repository, installation }, 'refs/heads/main', never);

  story('of that installation, until the rest is over', async (it) => {
    await read(it);
    it.fault('secondary-limit', { retryAfter: 30 });
    assert.equal((await thrownBy(read(it))).retryAfterMs, 30_000);
    it.github.requests.length = 0;
    it.wait(10_000);
    const error = await thrownBy(read(it));
    assert.equal(error.kind, 'rate-limited');
    assert.ok(error.retryAfterMs! > 15_000 && error.retryAfterMs! <= 20_000, String(error.retryAfterMs));
    await thrownBy(it.forge.ensureCheck(it.repository, { ...CONTENT, headSha: it.sha }, undefined, never));
    assert.deepEqual(it.github.requests, []);
    const other = await it.github.createInstallation({ account: 'other' });
    assert.equal((await read(it, `github:${other.id}`))?.sha, it.sha);
    it.wait(20_001);
    assert.equal((await read(it))?.sha, it.sha);
  });

  story('who has nothing left this hour does not ask to be refused', async (it) => {
    const id = installationOf(it);
    it.github.limits.installation = it.github.usage(id).requests + 2;
    await read(it);
    it.github.requests.length = 0;
    const error = await thrownBy(read(it));
    assert.equal(error.kind, 'rate-limited');
    assert.ok(error.retryAfterMs! > 3_500_000, String(error.retryAfterMs));
    assert.deepEqual(it.github.requests, []);
    it.github.resetRateLimits();
    it.wait(error.retryAfterMs! + 1_000);
    assert.equal((await read(it))?.sha, it.sha);
  });

  story('anonymous readers rest by themselves', async (it) => {
    const anonymous = { ...it.repository, installation: undefined };
    it.github.limits.anonymous = 2;
    assert.equal((await it.forge.readBranch(anonymous, 'refs/heads/main', never))?.sha, it.sha);
    assert.equal((await thrownBy(it.forge.readBranch(anonymous, 'refs/heads/main', never))).kind, 'rate-limited');
    assert.equal((await read(it))?.sha, it.sha);
  });

  story('searches have a limit of their own, and leave everything else alone', async (it) => {
    const fork = await it.github.fork(REPO, 'stranger');
    const made = { repo: REPO, headRepo: fork, author: 'stranger', head: 'x', files: { a: '1' } };
    const { number } = await it.github.openPullRequest(made);
    it.github.limits.search = 1;
    await it.forge.readPullRequest(it.repository, number, never);
    const error = await thrownBy(it.forge.readPullRequest(it.repository, number, never));
    assert.equal(error.kind, 'rate-limited');
    assert.ok(error.retryAfterMs! <= 62_000, String(error.retryAfterMs));
    assert.equal((await read(it))?.sha, it.sha);
  });
});

describe('the budget is told', () => {
  const told: { installation: string | undefined; remaining: number; budget: Budget }[] = [];
  story(
    'with each answer, of ordinary requests only',
    async (it) => {
      const fork = await it.github.fork(REPO, 'stranger');
      const made = { repo: REPO, headRepo: fork, author: 'stranger', head: 'x', files: { a: '1' } };
      const { number } = await it.github.openPullRequest(made);
      await it.forge.readPullRequest(it.repository, number, never);
      assert.equal(told.length, 3, 'repository, pull request, permission; not the search');
      const { installation, remaining, budget } = told.at(-1)!;
      assert.deepEqual([installation, remaining], [String(installationOf(it)), budget.remaining]);
      assert.deepEqual([budget.limit, budget.remaining], [5_000, 4_997]);
      assert.ok(Math.abs(budget.resetAt!.getTime() - Date.now() - 3_600_000) < 30_000);
      await it.forge.readBranch({ ...it.repository, installation: undefined }, 'refs/heads/main', never);
      assert.deepEqual([told.at(-1)?.installation, told.at(-1)?.budget.limit], [undefined, 60]);
      await it.app.listInstallations(never);
      assert.equal(told.at(-1)?.installation, 'app');
    },
    { onBudget: (installation, remaining, budget) => told.push({ installation, remaining, budget }) },
  );
});

describe('repositories that have moved', () => {
  story('a check is written to a repository that is asked for by its former name', async (it) => {
    await it.github.renameRepository(REPO, 'renamed');
    const content = { ...CONTENT, headSha: it.sha };
    const id = await it.forge.ensureCheck(it.repository, content, undefined, never);
    const done = { ...content, status: 'completed', conclusion: 'success', completedAt: new Date() } as const;
    assert.equal(await it.forge.ensureCheck(it.repository, done, id, never), id);
    assert.equal(await it.forge.ensureCheck(it.repository, done, undefined, never), id, 'found again');
    const [check, ...others] = it.github.checkRuns('acme/renamed', it.sha);
    assert.deepEqual([String(check?.id), check?.conclusion, others], [id, 'success', []]);
    const writes = it.github.requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD');
    assert.ok(writes.some(({ status }) => status === 307));
  });

  story('reads find a transferred repository, as long as it is for us to read', async (it) => {
    await it.github.transferRepository(REPO, 'beyond');
    const seen = await it.forge.readBranch(it.repository, 'refs/heads/main', never);
    assert.deepEqual([seen?.repositoryName, seen?.sha], ['beyond/tool', it.sha]);
    assert.equal((await it.forge.listBranches(it.repository, never))?.branches.length, 1);
  });

  /** An Octokit that is sent on. */
  const sentOn = (location: (hops: number) => string, sent: string[]): Octokit => ({
    auth: async () => ({}),
    request: async (route) => {
      sent.push(route);
      const url = 'https://api.github.example/repos/a/b';
      return { status: 307, headers: { location: location(sent.length) }, data: '', url };
    },
  });
  const write = (octokit: Octokit) =>
    openClient({ octokit: async () => octokit, now: () => new Date() }).ask(
      { installation: 'github:1' },
      { route: 'POST /repos/{owner}/{repo}/check-runs', schema: nothing, about: 'a/b' },
      never,
    );

  for (const elsewhere of [
    'https://evil.example/repositories/1',
    'http://api.github.example/x',
    '//evil.example/',
    'https://api.github.example:444/x',
    'javascript:alert(1)',
  ]) {
    test(`nobody is followed to another host: ${elsewhere}`, async () => {
      const sent: string[] = [];
      const error = await thrownBy(write(sentOn(() => elsewhere, sent)) as Promise<unknown>);
      assert.deepEqual([error.kind, sent.length], ['refused', 1]);
      assert.match(error.message, /another host/);
    });
  }

  test('who is sent on for ever stops', async () => {
    const sent: string[] = [];
    const error = await thrownBy(write(sentOn((hops) => `/repositories/${hops}`, sent)) as Promise<unknown>);
    assert.deepEqual([error.kind, sent.length], ['refused', 4]);
  });

  test('who is sent on to nowhere says so', async () => {
    const error = await thrownBy(write(sentOn(() => 'http://[', [])) as Promise<unknown>);
    assert.equal(error.kind, 'unparsable');
  });
});
