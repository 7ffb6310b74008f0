import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StandInGitHub } from './github/index.ts';
import { octokitOf, REPO, startReceiver, startWithRepository, statusOf } from './github-fixture.ts';

const [owner, repo] = REPO.split('/') as [string, string];

async function commentThrice(github: StandInGitHub): Promise<number> {
  const { number } = await github.openPullRequest({ repo: REPO, head: 'fix', files: { b: 'b' } });
  for (const body of ['one', 'two', 'three']) await github.comment(REPO, number, body);
  return number;
}

/** Always the same numbers. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

test('a failed delivery is listed, and redelivered under the same guid', async (t) => {
  const { github, installation } = await startWithRepository(t);
  let status = 500;
  const { url, received } = await startReceiver(t, (response) => response.writeHead(status).end('no'));
  github.deliverTo(url);
  await github.commit(REPO, 'main', { files: { b: 'b' } });
  await github.settled();
  status = 200;
  const app = octokitOf(github);
  const { data } = await app.rest.apps.listWebhookDeliveries();
  assert.deepEqual(
    data.map((one) => [one.event, one.status_code, one.redelivery]),
    [
      ['check_suite', 500, false],
      ['push', 500, false],
    ],
  );
  assert.equal(data[1]!.installation_id, installation.id);
  assert.equal(data[1]!.repository_id, github.repositoryId(REPO));
  const lost = await app.rest.apps.getWebhookDelivery({ delivery_id: data[1]!.id });
  assert.equal((lost.data.request.payload as { ref: string }).ref, 'refs/heads/main');
  assert.equal(lost.data.response.payload, 'no');
  await app.rest.apps.redeliverWebhookDelivery({ delivery_id: data[1]!.id });
  await github.settled();
  assert.equal(received.length, 3);
  assert.equal(received[2]!.headers['x-github-delivery'], data[1]!.guid);
  const [newest] = (await app.rest.apps.listWebhookDeliveries()).data;
  assert.deepEqual([newest!.guid, newest!.redelivery, newest!.status_code], [data[1]!.guid, true, 200]);
});

test('deliveries come in pages by cursor, and are forgotten after three days', async (t) => {
  let now = new Date();
  const { github } = await startWithRepository(t, { clock: { now: () => now } });
  const { url } = await startReceiver(t);
  github.deliverTo(url);
  await commentThrice(github);
  await github.settled();
  const app = octokitOf(github);
  const ids: number[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await app.rest.apps.listWebhookDeliveries({ per_page: 2, ...(cursor ? { cursor } : {}) });
    ids.push(...page.data.map((one) => one.id));
    cursor = /[?&]cursor=([^&>]+)/.exec(page.headers.link ?? '')?.[1];
    if (!cursor) break;
  }
  assert.deepEqual(ids, [6, 5, 4, 3, 2, 1]);
  now = new Date(now.getTime() + 4 * 24 * 3600_000);
  assert.deepEqual(github.deliveries(), []);
});

test('dropped webhooks are in no list; failed ones are', async (t) => {
  const { github } = await startWithRepository(t);
  const { url, received } = await startReceiver(t);
  github.deliverTo(url);
  github.faults.hooks({ drop: ({ event }) => event === 'push' });
  await github.commit(REPO, 'main', { files: { b: 'b' } });
  await github.settled();
  assert.deepEqual(
    github.deliveries().map((one) => one.event),
    ['check_suite'],
  );
  github.faults.hooks({ fail: 1, random: seeded(1) });
  await github.commit(REPO, 'main', { files: { b: 'c' } });
  await github.settled();
  assert.equal(received.length, 1);
  assert.deepEqual(
    github.deliveries().map((one) => one.statusCode),
    [502, 502, 200],
  );
});

test('duplicates share a guid, and held deliveries are shuffled', async (t) => {
  const { github } = await startWithRepository(t);
  const { url, received } = await startReceiver(t);
  github.deliverTo(url);
  github.faults.hooks({ duplicate: 2, hold: true });
  await commentThrice(github);
  await github.settled();
  assert.equal(received.length, 0);
  github.faults.hooks({ shuffle: true, random: seeded(7) });
  await github.settled();
  const guids = received.map(({ headers }) => headers['x-github-delivery']);
  assert.equal(guids.length, 18);
  assert.equal(new Set(guids).size, 6);
  assert.notDeepEqual(
    guids,
    guids.toSorted((a, b) => guids.indexOf(a) - guids.indexOf(b)),
    'in another order',
  );
});

test('a fraction of webhooks is dropped, the same for the same seed', async (t) => {
  const { github } = await startWithRepository(t);
  const { url, received } = await startReceiver(t);
  github.deliverTo(url);
  github.faults.hooks({ drop: 0.5, random: seeded(3) });
  await commentThrice(github);
  await github.settled();
  assert.ok(received.length > 0 && received.length < 6, `${received.length} of 6 arrived`);
});

test('a receiver that nobody listens at makes failed deliveries, and no fault elsewhere', async (t) => {
  const { github } = await startWithRepository(t);
  github.deliverTo('http://127.0.0.1:1/hooks');
  await github.commit(REPO, 'main', { files: { b: 'b' } });
  await github.settled();
  assert.equal(github.deliveries()[0]!.statusCode, 502);
  assert.equal(github.deliveries()[0]!.status, 'failed to connect');
});

test('the API fails as often as told', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const get = () => rest.repos.get({ owner, repo });
  const match = (method: string, path: string) => method === 'GET' && path === `/repos/${REPO}`;
  github.faults.api({ match, answer: 502, times: 1 });
  github.faults.api({ match, answer: 'secondary-limit', times: 1, retryAfter: 5 });
  github.faults.api({ match, answer: 'reset', times: 1 });
  github.faults.api({ match, answer: 'slow', times: 1, delayMs: 1 });
  assert.equal(await statusOf(get()), 502);
  const limited = await get().catch((error) => error);
  assert.equal(limited.response.headers['retry-after'], '5');
  assert.match(limited.message, /secondary rate/);
  assert.equal(await statusOf(get()), 500, 'octokit tells a broken connection as 500');
  assert.equal((await get()).status, 200);
});

test('a lost answer leaves what was done', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  const head_sha = (await github.sha(REPO, 'main'))!;
  github.faults.api({
    match: (method, path) => method === 'POST' && path.endsWith('/check-runs'),
    answer: 'lost',
    times: 1,
  });
  await assert.rejects(rest.checks.create({ owner, repo, name: 'tests', head_sha, external_id: 'once' }));
  assert.deepEqual(
    github.checkRuns(REPO, head_sha).map((run) => run.external_id),
    ['once'],
  );
});

test('what the bot asked is remembered', async (t) => {
  const { github, installation } = await startWithRepository(t);
  const { rest } = octokitOf(github, installation.id);
  github.requests.length = 0;
  await rest.repos.get({ owner, repo });
  await statusOf(rest.pulls.get({ owner, repo, pull_number: 99 }));
  const told = github.requests.filter(({ caller }) => caller === 'installation');
  assert.deepEqual(
    told.map(({ method, path, status, installationId }) => [method, path, status, installationId]),
    [
      ['GET', `/repos/${REPO}`, 200, installation.id],
      ['GET', `/repos/${REPO}/pulls/99`, 404, installation.id],
    ],
  );
});
