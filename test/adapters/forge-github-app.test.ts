import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ForgeError } from '../../src/forge/forge.ts';
import { openGitHubApp } from '../../src/forge/github/app.ts';
import type { OctokitAnswer } from '../../src/forge/github/client.ts';
import { parseHook } from '../../src/forge/github/hooks.ts';
import { startReceiver } from '../standins/github-fixture.ts';
import { never, openStory, REPO, story } from './forge-github-story.ts';

const EVER = new Date(0);

describe('installations', () => {
  story('all are listed, suspended ones as such', async (it) => {
    const acme = it.repository.installation;
    const other = await it.github.createInstallation({ account: 'other' });
    await it.github.suspendInstallation(other.id);
    const listed = await it.app.listInstallations(never);
    assert.deepEqual(
      listed.map(({ key, account, suspended }) => [key, account, suspended]),
      [
        [acme, 'acme', false],
        [`github:${other.id}`, 'other', true],
      ],
    );
    assert.match(listed[0]!.accountId, /^\d+$/);
  });

  story('the repositories of one are listed with what decides whether they are served', async (it) => {
    await it.github.createRepository('acme/secret', { private: true, defaultBranch: 'trunk' });
    await it.github.archiveRepository(REPO);
    const listed = await it.app.listRepositories(it.repository.installation!, never);
    assert.deepEqual(listed, [
      { key: it.repository.key, name: REPO, defaultBranch: 'main', private: false, archived: true },
      {
        key: `github:${it.github.repositoryId('acme/secret')}`,
        name: 'acme/secret',
        defaultBranch: 'trunk',
        private: true,
        archived: false,
      },
    ]);
  });

  story('more repositories than a page has are all listed', async (it) => {
    const { state } = it.github['hub'];
    const one = state.repository(REPO);
    for (let id = 10_000; id < 10_120; id += 1) state.repositories.set(id, { ...one, id, name: `r${id}` });
    assert.equal((await it.app.listRepositories(it.repository.installation!, never))?.length, 121);
  });

  story('one that is suspended, or that there is not, has none', async (it) => {
    const key = it.repository.installation!;
    const id = Number(key.replace('github:', ''));
    const listed = () => it.app.listRepositories(key, never);
    assert.equal((await listed())?.length, 1);
    await it.github.suspendInstallation(id);
    assert.equal(await listed(), undefined);
    await it.github.unsuspendInstallation(id);
    assert.equal((await listed())?.length, 1);
    assert.equal(await it.app.listRepositories('github:999999', never), undefined);
  });

  /** A token that is not good any more; what GitHub says of its installation to the App. */
  function withRefusedToken(sayInstallation: () => OctokitAnswer) {
    const refused = Object.assign(new Error('Bad credentials'), { status: 401, response: { headers: {} } });
    const octokit = (answer: () => OctokitAnswer) => ({ auth: async () => ({}), request: async () => answer() });
    return openGitHubApp({
      octokit: async () =>
        octokit(() => {
          throw refused;
        }),
      appOctokit: async () => octokit(sayInstallation),
      now: () => new Date(),
    });
  }

  test('a refusal that concerns us and not the installation is no news of it', async () => {
    const data = { id: 1, account: { id: 2, login: 'acme' }, suspended_at: null };
    const app = withRefusedToken(() => ({ status: 200, headers: {}, data }));
    await assert.rejects(
      app.listRepositories('github:1', never),
      (error) => error instanceof ForgeError && error.kind === 'denied',
    );
  });

  test('a token that is refused because its installation was deleted is such news', async () => {
    const gone = Object.assign(new Error('Not Found'), { status: 404, response: { headers: {} } });
    const app = withRefusedToken(() => {
      throw gone;
    });
    assert.equal(await app.listRepositories('github:1', never), undefined);
  });

  story('an idle look costs nothing', async (it) => {
    const look = async () => [
      await it.app.listInstallations(never),
      await it.app.listRepositories(it.repository.installation!, never),
      await it.app.listDeliveries(EVER, 100, never),
    ];
    const first = await look();
    it.github.resetUsage();
    assert.deepEqual(await look(), first);
    assert.deepEqual(it.github.usage(), { requests: 3, points: 0 });
  });
});

describe('deliveries', () => {
  test('a failed one is listed, read as the hook that it was, and sent once more', async (t) => {
    const it = await openStory();
    t.after(() => it.close());
    const { url, received } = await startReceiver(t);
    it.github.deliverTo(url);
    it.github.faults.hooks({ fail: 1 });
    const pull = await it.github.openPullRequest({ repo: REPO, head: 'fix', title: 'Ünï', files: { a: '1' } });
    await it.github.settled();
    it.github.faults.hooks({});
    await it.commit('main');
    await it.github.settled();
    const listed = await it.app.listDeliveries(EVER, 100, never);
    const lost = listed.find(({ name }) => name === 'pull_request')!;
    assert.deepEqual([lost.ok, lost.redelivery, lost.action], [false, false, 'opened']);
    assert.deepEqual([listed[0]!.ok, listed.some(({ action }) => action === undefined)], [true, true]);
    assert.ok(Math.abs(lost.deliveredAt.getTime() - Date.now()) < 30_000);
    const sent = await it.app.readDelivery(lost.id, never);
    assert.deepEqual([sent?.guid, sent?.name], [lost.guid, 'pull_request']);
    const parsed = parseHook(sent!.name, sent!.body);
    assert.ok('event' in parsed && parsed.event.kind === 'pull-request.hinted');
    assert.deepEqual([parsed.event.number, parsed.event.told.title], [pull.number, 'Ünï']);
    await it.app.redeliver(lost.id, never);
    await it.github.settled();
    assert.equal(received.at(-1)?.headers['x-github-delivery'], lost.guid);
    const [newest] = await it.app.listDeliveries(EVER, 100, never);
    assert.deepEqual([newest?.guid, newest?.ok, newest?.redelivery], [lost.guid, true, true]);
    assert.notEqual(newest?.id, lost.id);
  });

  story('what is not kept any more is undefined, and cannot be sent again', async (it) => {
    assert.equal(await it.app.readDelivery('4711', never), undefined);
    await assert.rejects(
      it.app.redeliver('4711', never),
      (error) => error instanceof ForgeError && error.kind === 'gone' && !error.retry,
    );
  });

  /** An App with so many deliveries, one a minute, the newest first. */
  function withDeliveries(count: number) {
    const asked: Record<string, unknown>[] = [];
    const all = Array.from({ length: count }, (_, index) => ({
      id: 9_007_199_254_740_993n + BigInt(count - index),
      guid: `guid-${count - index}`,
      delivered_at: new Date(Date.UTC(2026, 0, 1, 0, count - index)).toISOString(),
      redelivery: false,
      status_code: 200,
      event: 'push',
      action: null,
    }));
    const request = async (_: string, parameters: Record<string, unknown> = {}) => {
      asked.push(parameters);
      const from = Number(parameters['cursor'] ?? 0);
      const next =
        from + 100 < count ? `<https://api.example/app/hook/deliveries?cursor=${from + 100}>; rel="next"` : '';
      return { status: 200, headers: { link: next }, data: all.slice(from, from + 100) };
    };
    const octokit = { auth: async () => ({}), request };
    const app = openGitHubApp({
      octokit: async () => octokit,
      appOctokit: async () => octokit,
      now: () => new Date(),
    });
    return { app, asked };
  }
  const minute = (number: number) => new Date(Date.UTC(2026, 0, 1, 0, number));

  test('they are read by cursor, back to the moment and no further than wanted', async () => {
    const { app, asked } = withDeliveries(250);
    const count = async (since: Date, most: number) => {
      asked.length = 0;
      const { length } = await app.listDeliveries(since, most, never);
      return [length, asked.length];
    };
    assert.deepEqual(await count(EVER, 1_000), [250, 3]);
    assert.deepEqual(await count(minute(200), 1_000), [51, 1]);
    assert.deepEqual(await count(minute(100), 1_000), [151, 2]);
    assert.deepEqual(await count(EVER, 120), [120, 2]);
    assert.deepEqual(await count(minute(251), 1_000), [0, 1]);
  });

  test('ids over 2^53 stay what they are', async () => {
    const [newest] = await withDeliveries(1).app.listDeliveries(EVER, 10, never);
    assert.equal(newest?.id, '9007199254740994');
  });
});
