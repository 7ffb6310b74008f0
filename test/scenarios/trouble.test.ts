import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/until.ts';
import { REPO, script, startWorld, type World } from '../support/world.ts';

/** What goes wrong outside is said where people look, tried again, and nothing is lost. */
describe('trouble', () => {
  let world: World;
  before(async () => {
    world = await startWorld({ env: { GITHUB_CLIENT_ID: '', GITHUB_CLIENT_SECRET: '', RCB_SESSION_KEY: '' } });
  });
  after(() => world.stop());

  const deliver = (name: string, body: string, id: string) =>
    fetch(`${world.rcb.publicUrl}/api/github/webhooks`, {
      method: 'POST',
      headers: {
        'x-github-delivery': id,
        'x-github-event': name,
        'x-hub-signature-256': `sha256=${createHmac('sha256', world.github.webhookSecret).update(body).digest('hex')}`,
      },
      body,
    });

  test('a signed payload that is broken or unknown is stored, parked, and answered 200', async () => {
    assert.equal((await deliver('push', '{"ref":', 'broken-1')).status, 200);
    assert.equal((await deliver('push', '{"ref":"refs/heads/x"}', 'broken-2')).status, 200);
    assert.equal((await deliver('tea_time', '{}', 'unknown-1')).status, 200);
    const ledger = await world.text('/ledger');
    assert.match(ledger, /is not JSON/);
    assert.match(ledger, /not as GitHub publishes it/);
    assert.match(ledger, /does not know the hook/);
  });

  test('GitHub answering 502 and resets for a while delays a run and loses nothing', async () => {
    world.github.faults.api({ match: () => true, answer: 502, times: 4 });
    world.github.faults.api({ match: () => true, answer: 'reset', times: 2 });
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'stormy', files: { a: '1' } });
    assert.equal((await world.run(pull.headSha, 'finished', 60_000)).verdict, 'passed');
    assert.equal((await world.check(pull.headSha, 'rcb')).conclusion, 'success');
    world.github.faults.clear();
  });

  test('a secondary rate limit rests the lane of writes and the check still comes', async () => {
    world.github.faults.api({
      match: (method, path) => method === 'POST' && path.endsWith('/check-runs'),
      answer: 'secondary-limit',
      retryAfter: 2,
      times: 1,
    });
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'limited', files: { b: '1' } });
    const { prisma } = world.database.database;
    await until(async () => (await prisma.lane.count({ where: { why: { contains: 'secondary' } } })) > 0);
    assert.equal((await world.check(pull.headSha, 'rcb')).conclusion, 'success');
  });

  test('a commit that vanished before it was fetched ends its run with the reason', async () => {
    world.github.faults.api({ match: (_, path) => path.includes('/branches/'), answer: 502, times: 1 });
    const sha = await world.github.commit(REPO, 'main', { files: { gone: '1' } });
    await world.run(sha);
    const missing = 'f'.repeat(40);
    const { prisma } = world.database.database;
    const run = await prisma.run.findFirstOrThrow({ where: { sha } });
    await prisma.event.create({
      data: {
        id: 'missing-commit',
        key: 'missing-commit',
        kind: 'run.requested',
        subject: 'run:missing-commit',
        state: 'pending',
        dueAt: new Date(0),
        createdAt: new Date(0),
        payload: {
          kind: 'run.requested',
          runId: 'missing-commit',
          request: {
            repository: { key: run.repositoryKey, name: REPO, installation: run.installation },
            change: { kind: 'commit', ref: 'refs/heads/main', sha: missing, title: '' },
            subject: run.subject,
            trigger: 'push',
          },
        },
      },
    });
    await prisma.$executeRaw`SELECT pg_notify('rcb_queue', '')`;
    const ended = await world.run(missing);
    assert.equal(ended.verdict, 'error');
    assert.match(ended.why ?? '', new RegExp(missing.slice(0, 10)));
  });

  test('a pull request of an account that is not an owner is refused with a reason, and not run', async () => {
    await world.github.createRepository('foreign/thing', { files: { 'ci/run': script('echo no') } });
    await world.github.createInstallation({ account: 'foreign' });
    const pull = await world.github.openPullRequest({ repo: 'foreign/thing', head: 'x', files: { a: '1' } });
    await world.quiet();
    assert.deepEqual(await world.runs(`?sha=${pull.headSha}`), []);
    const { prisma } = world.database.database;
    const repository = await prisma.repository.findFirstOrThrow({ where: { name: 'foreign/thing' } });
    assert.equal(repository.state, 'refused');
    assert.match(repository.why ?? '', /owners/);
    assert.equal((await prisma.installation.findFirstOrThrow({ where: { account: 'foreign' } })).served, false);
  });

  test('a private repository is refused where nobody can log in, and it is said what to set', async () => {
    await world.github.createRepository('acme/secret', { private: true, files: { 'ci/run': script('echo hush') } });
    const pull = await world.github.openPullRequest({ repo: 'acme/secret', head: 'x', files: { a: '1' } });
    await world.quiet();
    assert.deepEqual(await world.runs(`?sha=${pull.headSha}`), []);
    const { prisma } = world.database.database;
    const { state, why } = await prisma.repository.findFirstOrThrow({ where: { name: 'acme/secret' } });
    assert.equal(state, 'refused');
    assert.match(
      why ?? '',
      /^private repositories are served only where .* GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are not/,
    );
  });

  test('a repository that is gone between hook and look is noted, and nothing runs', async () => {
    await world.github.createRepository('acme/fleeting', { files: { 'ci/run': script('echo gone') } });
    world.github.faults.hooks({ delayMs: 50 });
    const sha = await world.github.commit('acme/fleeting', 'main', { files: { a: '1' } });
    await world.github.deleteRepository('acme/fleeting');
    world.github.faults.clear();
    await world.quiet();
    assert.deepEqual(await world.runs(`?sha=${sha}`), []);
  });

  test('every delivery that was answered 2xx is in the ledger, also one without use for us', async () => {
    const delivered = world.github.deliveries().filter((each) => each.statusCode === 200);
    assert.ok(delivered.length > 0);
    for (const { guid } of delivered) {
      const sighting = await world.database.database.prisma.sighting.findUnique({ where: { delivery: guid } });
      assert.ok(sighting, `delivery ${guid} is not in the ledger`);
    }
  });
});

test('a bot that is stopped in the middle of a build adopts it when it comes back', async () => {
  const world = await startWorld({ files: { 'ci/run': script('echo begun', 'sleep 5', 'echo ended') } });
  try {
    const sha = await world.github.commit(REPO, 'main', { files: { a: '1' } });
    await world.check(sha, 'local / ci/run', 'in_progress');
    await world.stopBot();
    await world.startBot();
    const run = await world.run(sha);
    assert.equal(run.verdict, 'passed');
    assert.match(await world.text(run.builds[0]!.jobs[0]!.logUrl!), /begun\nended/);
    assert.equal(run.builds[0]!.jobs[0]!.attempt, 1);
  } finally {
    await world.stop();
  }
});

test('the two secrets of a rotation are both taken', async () => {
  const world = await startWorld({ env: { WEBHOOK_SECRET: 'the-new-secret-of-today' } });
  try {
    assert.equal(await delivered(world, 'the-new-secret-of-today'), 200);
    assert.equal(await delivered(world, 'some-other-secret'), 401);
  } finally {
    await world.stop();
  }
});

async function delivered(world: World, secret: string): Promise<number> {
  const body = '{"zen":"Design for failure."}';
  const response = await fetch(`${world.rcb.publicUrl}/api/github/webhooks`, {
    method: 'POST',
    headers: {
      'x-github-delivery': `by-${secret}`,
      'x-github-event': 'ping',
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
    body,
  });
  return response.status;
}
