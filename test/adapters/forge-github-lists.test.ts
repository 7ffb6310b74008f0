import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { commentFactKey } from '../../src/core/fact-key.ts';
import { openClient } from '../../src/forge/github/client.ts';
import { openGitHub } from '../../src/forge/github/github.ts';
import { parseHook } from '../../src/forge/github/hooks.ts';
import { CONTENT } from '../contracts/forge.ts';
import { never, REPO, type Story, story } from './forge-github-story.ts';

const EVER = new Date(0);

/** What the hooks of this name told, parsed as intake parses them. */
const hooksOf = (it: Story, name: string) =>
  it.github.events
    .filter(({ event }) => event === name)
    .map(({ event, payload }) => parseHook(event, JSON.stringify(payload)))
    .flatMap((parsed) => ('event' in parsed ? [parsed.event] : []));

describe('pull requests in lists', () => {
  story('a list tells what the newest hook told', async (it) => {
    const open = (head: string, draft = false) =>
      it.github.openPullRequest({ repo: REPO, head, title: `A ${head}`, draft, files: { [head]: '1' } });
    const [merged, closed, drafted] = [await open('merged'), await open('closed'), await open('draft', true)];
    await it.github.edit(REPO, drafted.number, { title: 'With a \0 in it' });
    await it.github.merge(REPO, merged.number);
    await it.github.close(REPO, closed.number);
    const listed = await it.forge.listPullRequests(it.repository, EVER, never);
    const told = new Map(
      hooksOf(it, 'pull_request').flatMap((event) =>
        event.kind === 'pull-request.hinted' ? [[event.number, event.told] as const] : [],
      ),
    );
    assert.equal(listed?.length, 3);
    for (const { number, updatedAt, head, ...facts } of listed) {
      assert.deepEqual(facts, told.get(number));
      assert.deepEqual([head?.fork, head?.author.login], [false, 'acme']);
      assert.equal(head?.ref, it.github.pull(REPO, number).head.ref);
      assert.equal(updatedAt, it.github.pull(REPO, number).updated_at);
    }
    assert.deepEqual(listed.find(({ number }) => number === merged.number)?.state, 'merged');
    const open_ = await it.forge.listPullRequests(it.repository, undefined, never);
    assert.deepEqual(
      open_?.map(({ number }) => number),
      [drafted.number],
    );
  });

  story('a list is read as far back as is asked, and no further', async (it) => {
    const pages = Array.from({ length: 250 }, (_, index) => index + 1);
    const { number } = await it.github.openPullRequest({ repo: REPO, head: 'x', files: { a: '1' } });
    const { pulls } = it.github['hub'].state.repository(REPO);
    const one = pulls.get(number)!;
    // Opened a minute apart, the newest last.
    for (const index of pages) {
      const at = new Date(Date.UTC(2026, 0, 1, 0, index)).toISOString().replace('.000', '');
      pulls.set(index, { ...one, number: index, createdAt: at, updatedAt: at });
    }
    const since = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));
    const count = async (minute: number) =>
      (await it.forge.listPullRequests(it.repository, since(minute), never))?.length;
    assert.deepEqual([await count(251), await count(200), await count(100), await count(1)], [100, 100, 200, 250]);
    const all = await it.forge.listPullRequests(it.repository, undefined, never);
    assert.deepEqual(
      all?.map((pull) => pull.number),
      pages.toReversed(),
    );
  });
});

describe('a list that moves while it is read', () => {
  test('what is closed between two pages hides no other open pull request', async () => {
    let open = Array.from({ length: 150 }, (_, index) => index + 1);
    const listed = (page: number) =>
      open.slice((page - 1) * 100, page * 100).map((number) => ({
        number,
        title: 't',
        state: 'open',
        updated_at: '2026-11-21T00:00:00Z',
        user: null,
        head: { ref: 'x', sha: 'a'.repeat(40), repo: null },
        base: { ref: 'main' },
      }));
    const octokit = {
      auth: async () => ({}),
      request: async (route: string, parameters: Record<string, unknown> = {}) => {
        const headers = { link: '<https://api.github.example/x?page=2>; rel="last"' };
        if (route.includes('/repositories/'))
          return { status: 200, headers, data: { id: 1, full_name: REPO, default_branch: 'main', private: false } };
        const data = listed(Number(parameters['page']));
        open = open.filter((number) => number > 1); // The first is closed once a page was read.
        return { status: 200, headers, data };
      },
    };
    const settings = { octokit: async () => octokit, appId: '1', htmlUrl: '', now: () => new Date() };
    const forge = openGitHub(settings, openClient(settings));
    const found = await forge.listPullRequests({ key: 'github:1', name: REPO }, undefined, never);
    const numbers = new Set(found?.map(({ number }) => number));
    assert.deepEqual(
      open.filter((number) => !numbers.has(number)),
      [],
    );
    assert.equal(numbers.size, found?.length);
  });
});

describe('comments in lists', () => {
  story('a comment has the key that its hook has, and the same facts', async (it) => {
    const pull = await it.github.openPullRequest({ repo: REPO, head: 'fix', files: { a: '1' } });
    await it.github.comment(REPO, pull.number, '{re-test} \0', { by: 'alice' });
    it.github.createUser('helper[bot]', 'Bot');
    await it.github.comment(REPO, pull.number, 'a bot speaks', { by: 'helper[bot]' });
    const listed = await it.forge.listComments(it.repository, EVER, never);
    const told = hooksOf(it, 'issue_comment').flatMap((event) =>
      event.kind === 'comment.told' ? [event.comment] : [],
    );
    const byId = (one: { id: string }, other: { id: string }) => Number(one.id) - Number(other.id);
    assert.deepEqual(listed?.toSorted(byId), told.toSorted(byId));
    assert.deepEqual(
      listed?.map((comment) => commentFactKey(it.repository.key, comment)).sort(),
      told.map((comment) => commentFactKey(it.repository.key, comment)).sort(),
    );
    assert.deepEqual(told.map(({ author }) => author.bot).sort(), [false, true]);
  });

  story('of an edit nobody says who made it, and comments on issues are marked', async (it) => {
    const { number } = it.github.openIssue(REPO, { title: 'An issue' });
    const { id } = await it.github.comment(REPO, number, 'first', { by: 'alice' });
    const comment = it.github['hub'].state.comments.get(id)!;
    comment.createdAt = '2026-01-01T00:00:00Z';
    await it.github.editComment(id, 'second', { by: 'bob' });
    const [listed] = (await it.forge.listComments(it.repository, EVER, never)) ?? [];
    assert.deepEqual(
      [listed?.action, listed?.sender, listed?.author.login, listed?.onPullRequest, listed?.number, listed?.body],
      ['edited', undefined, 'alice', false, number, 'second'],
    );
    await it.github.deleteComment(id);
    assert.deepEqual(await it.forge.listComments(it.repository, EVER, never), []);
  });
});

describe('commits and verdicts', () => {
  story('of many commits the newest hundred are listed, with their authors', async (it) => {
    const commits = Array.from({ length: 110 }, (_, index) => ({ files: { n: String(index) }, message: `n ${index}` }));
    const shas = await it.github.push(REPO, 'main', commits);
    const listed = await it.forge.listCommits(it.repository, it.sha, shas.at(-1)!, never);
    assert.deepEqual(
      listed?.map(({ sha }) => sha),
      shas.slice(-100),
    );
    assert.deepEqual([listed?.at(-1)?.title, listed?.at(-1)?.author?.login], ['n 109', 'acme']);
  });

  story('a completed check of ours named rcb is a verdict, whoever else passes', async (it) => {
    const has = () => it.forge.hasVerdict(it.repository, it.sha, never);
    await it.github.createCheckRun(REPO, it.sha, { name: 'rcb', conclusion: 'success' });
    assert.equal(await has(), false, 'of another app');
    const content = { ...CONTENT, headSha: it.sha };
    const known = await it.forge.ensureCheck(it.repository, content, undefined, never);
    assert.equal(await has(), false, 'in progress');
    const done = { ...content, status: 'completed', conclusion: 'failure', completedAt: new Date() } as const;
    await it.forge.ensureCheck(it.repository, done, known, never);
    assert.equal(await has(), true);
    await it.forge.ensureCheck(it.repository, { ...content, externalId: 'again' }, undefined, never);
    assert.equal(await has(), true, 'a further run is under way');
  });

  story('what was cancelled has told nothing of the commit', async (it) => {
    const has = () => it.forge.hasVerdict(it.repository, it.sha, never);
    const end = (externalId: string, conclusion: 'cancelled' | 'timed_out') =>
      it.forge.ensureCheck(
        it.repository,
        { ...CONTENT, headSha: it.sha, externalId, status: 'completed', conclusion, completedAt: new Date() },
        undefined,
        never,
      );
    await end('one', 'cancelled');
    assert.equal(await has(), false);
    await end('two', 'timed_out');
    await end('three', 'cancelled');
    assert.equal(await has(), true, 'the newest need not be the one that tells');
  });
});
