import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/until.ts';
import { REPO, script, startWorld, type World } from '../support/world.ts';

/** The bot's main job, on one world: from a change to its run, log, check and page. */
describe('the first slice', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      validate: true,
      yaml: 'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60, artifacts: ["out/*.txt"] }]',
    });
  });
  after(() => world.stop());

  test('a pull request that passes shows a green check with a link to its log', async () => {
    const pull = await world.github.openPullRequest({
      repo: REPO,
      head: 'good',
      title: 'A good change',
      files: { 'ci/run': script('echo "\x1b[32mgreen\x1b[0m <b>words</b>"', 'mkdir out; echo kept > out/result.txt') },
    });
    const whole = await world.check(pull.headSha, 'rcb');
    assert.equal(whole.conclusion, 'success');
    assert.match(whole.output.summary ?? '', new RegExp(pull.headSha));
    const job = await world.check(pull.headSha, 'local / ci/run');
    assert.equal(job.conclusion, 'success');

    const run = await world.run(pull.headSha);
    assert.deepEqual(
      [run.repository, run.change.kind, run.change.number, run.verdict, run.trigger],
      [REPO, 'pull-request', pull.number, 'passed', 'pull-request'],
    );
    assert.equal(whole.details_url, `${world.rcb.publicUrl}/runs/${run.id}`);
    const [shown] = run.builds[0]!.jobs;
    assert.match(await world.text(shown!.logUrl!), /green.*<b>words<\/b>/);
    const page = await world.text(new URL(job.details_url!).pathname);
    assert.match(page, /green/);
    assert.doesNotMatch(page, /<b>words/, 'a log is text, never markup');
    const [artifact] = shown!.artifacts;
    assert.equal(artifact?.name, 'out/result.txt');
    assert.equal(await world.text(artifact!.url), 'kept\n');
  });

  test('the source archive of a run can be downloaded and has the sha256 that the run names', async () => {
    const sha = await world.github.commit(REPO, 'main', { files: { 'archived.txt': 'packed\n' } });
    const run = await world.run(sha);
    const { url, sha256, size } = run.sources[0]!.archive!;
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
    assert.equal(bytes.length, size);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
  });

  test('a pull request that fails shows a red check with the last lines of its log', async () => {
    const pull = await world.github.openPullRequest({
      repo: REPO,
      head: 'bad',
      files: { 'ci/run': script('echo the reason why', 'exit 3') },
    });
    const job = await world.check(pull.headSha, 'local / ci/run');
    assert.equal(job.conclusion, 'failure');
    assert.match(job.output.title ?? '', /exit status 3/);
    assert.match(job.output.text ?? '', /the reason why/);
    assert.equal((await world.check(pull.headSha, 'rcb')).conclusion, 'failure');
  });

  test('a commit on the default branch is tested, and one on another branch is not', async () => {
    const other = await world.github.commit(REPO, 'elsewhere', { files: { a: '1' } });
    const sha = await world.github.commit(REPO, 'main', { files: { a: '2' } });
    const run = await world.run(sha);
    assert.deepEqual(
      [run.change.kind, run.change.ref, run.trigger, run.verdict],
      ['commit', 'refs/heads/main', 'push', 'passed'],
    );
    assert.equal((await world.check(sha, 'rcb')).conclusion, 'success');
    await world.quiet();
    assert.deepEqual(await world.runs(`?sha=${other}`), []);
  });

  test('a push supersedes the run before it, and the late result stays off the new head', async () => {
    const slow = { 'ci/run': script('echo begun', 'sleep 30') };
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'moving', files: slow });
    await world.check(pull.headSha, 'local / ci/run', 'in_progress');
    const next = await world.github.commit(REPO, 'moving', { files: { 'ci/run': script('echo quick') } });
    const old = await world.check(pull.headSha, 'rcb');
    assert.equal(old.conclusion, 'cancelled');
    assert.equal(old.output.title, `Superseded by ${next.slice(0, 10)}`);
    assert.equal((await world.check(pull.headSha, 'local / ci/run')).conclusion, 'cancelled');
    assert.equal((await world.check(next, 'rcb')).conclusion, 'success');
    assert.equal((await world.run(pull.headSha)).verdict, 'superseded');
    await until(async () => {
      const [run] = await world.runs(`?sha=${pull.headSha}`);
      return run!.builds[0]!.state === 'finished';
    });
  });

  test('closing a pull request cancels its run', async () => {
    const pull = await world.github.openPullRequest({
      repo: REPO,
      head: 'closing',
      files: { 'ci/run': script('sleep 30') },
    });
    await world.check(pull.headSha, 'local / ci/run', 'in_progress');
    await world.github.close(REPO, pull.number);
    const check = await world.check(pull.headSha, 'rcb');
    assert.equal(check.conclusion, 'cancelled');
    assert.match(check.output.title ?? '', /was closed/);
  });

  test('a source without anything to run ends neutral', async () => {
    const pull = await world.github.openPullRequest({
      repo: REPO,
      head: 'empty',
      files: { 'ci/run': 'not executable' },
    });
    const check = await world.check(pull.headSha, 'rcb');
    assert.equal(check.conclusion, 'neutral');
    assert.match(check.output.summary ?? '', /nothing to run/i);
    assert.equal((await world.run(pull.headSha)).verdict, null);
  });

  test("a stranger's pull request from a fork waits for a maintainer, and nothing of it is run", async () => {
    const fork = await world.github.fork(REPO, 'stranger');
    const pull = await world.github.openPullRequest({
      repo: REPO,
      headRepo: fork,
      head: 'patch',
      author: 'stranger',
      files: { 'ci/run': script('echo mine now') },
    });
    const run = await world.run(pull.headSha, 'waiting');
    assert.match(run.why ?? '', /fork/);
    const check = await world.check(pull.headSha, 'rcb', 'queued');
    assert.match(check.output.title ?? '', /maintainer/);
    await world.quiet();
    assert.deepEqual((await world.runs(`?sha=${pull.headSha}`))[0]!.builds, []);
  });

  test('every delivery three times, and reordered, makes one run', async () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    world.github.faults.hooks({ duplicate: 2, shuffle: true, random });
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'thrice', files: { x: '1' } });
    const next = await world.github.commit(REPO, 'thrice', { files: { x: '2' } });
    assert.equal((await world.run(next)).verdict, 'passed');
    await world.quiet();
    world.github.faults.clear();
    assert.ok((await world.runs(`?sha=${pull.headSha}`)).length <= 1);
    assert.equal((await world.runs(`?sha=${next}`)).length, 1);
    assert.equal(world.github.checkRuns(REPO, next).filter((check) => check.name === 'rcb').length, 1);
  });

  test('a head that goes from A to B and back to A is tested three times', async () => {
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'there-and-back', files: { y: '1' } });
    await world.run(pull.headSha);
    const b = await world.github.commit(REPO, 'there-and-back', { files: { y: '2' } });
    await world.run(b);
    await world.github.forcePush(REPO, 'there-and-back', { to: pull.headSha });
    await until(async () => (await world.runs(`?sha=${pull.headSha}`)).length === 2);
    assert.equal((await world.run(pull.headSha)).verdict, 'passed');
  });

  test('every request of all these stories is as GitHub publishes its API', () => {
    assert.ok(world.github.requests.some(({ method }) => method === 'PATCH'));
    assert.deepEqual(world.github.invalidRequests, []);
  });

  test('a hook with a wrong signature is refused and stores nothing', async () => {
    const response = await fetch(`${world.rcb.publicUrl}/api/github/webhooks`, {
      method: 'POST',
      headers: {
        'x-github-delivery': 'forged-1',
        'x-github-event': 'push',
        'x-hub-signature-256': `sha256=${'0'.repeat(64)}`,
      },
      body: '{}',
    });
    assert.equal(response.status, 401);
    const prisma = world.database.database.prisma;
    assert.equal(await prisma.sighting.count({ where: { delivery: 'forged-1' } }), 0);
  });
});
