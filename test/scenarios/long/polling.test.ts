import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, script, startWorld, type World } from '../../support/world.ts';

/** Hooks are lost; polling finds what they would have told, and a fact that both tell is one fact. */
describe('polling', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      yaml: [
        'poll: { github: 1 }',
        'watch: ["release-*"]',
        'limits: { writeSpacing: 0, catchUpRunsPerMinute: 600 }',
        'policy: [{ branches: ["release-each"], commits: all }]',
        'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60 }]',
      ].join('\n'),
    });
  });
  after(() => world.stop());
  beforeEach(() => world.github.faults.hooks({ drop: 1 }));

  const branchFacts = async (branch: string) => {
    const subject = `branch:github:${world.github.repositoryId(REPO)}:refs/heads/${branch}`;
    const { facts } = await world.json<{ facts: { key: string; hookAt?: string; pollAt?: string }[] }>(
      `/api/ledger?subject=${encodeURIComponent(subject)}`,
    );
    return facts.filter(({ key }) => key.startsWith('branch:'));
  };

  test('a new installation is found, and the head of its default branch is taken up', async () => {
    const sha = (await world.github.sha(REPO, 'main'))!;
    const run = await world.run(sha);
    assert.deepEqual([run.verdict, run.trigger], ['passed', 'reconciliation']);
    assert.equal((await world.check(sha, 'rcb')).conclusion, 'success');
  });

  test('a pull request is opened, pushed to and closed', async () => {
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'silent', files: { a: '1' } });
    assert.equal((await world.run(pull.headSha)).verdict, 'passed');
    const slow = { 'ci/run': script('sleep 30') };
    const second = await world.github.commit(REPO, 'silent', { files: slow });
    await world.run(second, 'building');
    const third = await world.github.commit(REPO, 'silent', { files: { ...slow, b: '1' } });
    assert.equal((await world.run(second)).verdict, 'superseded');
    assert.equal((await world.check(second, 'rcb')).output.title, `Superseded by ${third.slice(0, 10)}`);
    await world.run(third, 'building');
    await world.github.close(REPO, pull.number);
    assert.equal((await world.run(third)).verdict, 'cancelled');
  });

  test('a pull request gets another base', async () => {
    await world.github.commit(REPO, 'release-1', { files: { r: '1' } });
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'rebased', files: { c: '1' } });
    await world.run(pull.headSha);
    await world.github.edit(REPO, pull.number, { base: 'release-1' });
    await until(async () => (await world.runs(`?sha=${pull.headSha}`)).length === 2);
    assert.equal((await world.run(pull.headSha)).verdict, 'passed');
  });

  test('several commits are pushed to main, one of them twice: the newest is tested, and A, B, A are three facts', async () => {
    const shas = await world.github.push(REPO, 'main', [{ files: { d: '1' } }, { files: { d: '2' } }]);
    assert.equal((await world.run(shas[1]!)).verdict, 'passed');
    assert.equal((await world.runs(`?sha=${shas[0]}`)).length, 0);
    await world.github.forcePush(REPO, 'main', { to: shas[0]! });
    assert.equal((await world.run(shas[0]!)).verdict, 'passed');
    await world.github.forcePush(REPO, 'main', { to: shas[1]! });
    await until(async () => (await world.runs(`?sha=${shas[1]}`)).length === 2);
    assert.equal((await world.run(shas[1]!)).verdict, 'passed');
  });

  test('where each commit is tested, those that came in one push are, and a later push ends none of them', async () => {
    const start = await world.github.commit(REPO, 'release-each', { files: { k: '0' } });
    await world.run(start);
    const slow = { 'ci/run': script('sleep 5') };
    const shas = await world.github.push(
      REPO,
      'release-each',
      [1, 2, 3].map((each) => ({ files: { ...slow, k: String(each) } })),
    );
    await world.run(shas[2]!, 'building', 40_000);
    const last = await world.github.commit(REPO, 'release-each', { files: { k: '4' } });
    for (const sha of [...shas, last]) {
      assert.equal((await world.run(sha, 'finished', 60_000)).verdict, 'passed');
      assert.equal((await world.runs(`?sha=${sha}`)).length, 1);
    }
  });

  test('a branch that is watched beside the default one is tested, others are not', async () => {
    const watched = await world.github.commit(REPO, 'release-2', { files: { e: '1' } });
    const other = await world.github.commit(REPO, 'wip', { files: { f: '1' } });
    assert.equal((await world.run(watched)).verdict, 'passed');
    assert.equal((await world.runs(`?sha=${other}`)).length, 0);
  });

  test('what a hook told is seen by the next poll: one fact, two sightings, one run', async () => {
    world.github.faults.hooks({});
    const sha = await world.github.commit(REPO, 'release-3', { files: { g: '1' } });
    await world.run(sha);
    let facts: Awaited<ReturnType<typeof branchFacts>> = [];
    await until(async () => {
      facts = await branchFacts('release-3');
      return facts.some(({ hookAt, pollAt }) => hookAt !== undefined && pollAt !== undefined);
    });
    assert.equal(facts.length, 1);
    assert.equal((await world.runs(`?sha=${sha}`)).length, 1);
  });

  test('a comment whose hook was lost is in the ledger, and once with the hook', async () => {
    const pull = await world.github.openPullRequest({ repo: REPO, head: 'talk', files: { h: '1' } });
    await world.run(pull.headSha);
    const comments = async () => {
      const subject = `pull-request:github:${world.github.repositoryId(REPO)}#${pull.number}`;
      const { facts } = await world.json<{ facts: { kind: string; hookAt?: string; pollAt?: string }[] }>(
        `/api/ledger?subject=${encodeURIComponent(subject)}`,
      );
      return facts.filter(({ kind }) => kind === 'comment.told');
    };
    await world.github.comment(REPO, pull.number, 'a lost one');
    await until(async () => (await comments()).length === 1);
    world.github.faults.hooks({});
    await world.github.comment(REPO, pull.number, 'a told one');
    await until(async () => (await comments()).filter(({ hookAt, pollAt }) => hookAt && pollAt).length === 1);
    assert.equal((await comments()).length, 2);
  });

  test('a click on "Re-run" that GitHub could not deliver is read from its list of deliveries', async () => {
    const sha = (await world.github.sha(REPO, 'main'))!;
    const check = await world.check(sha, 'rcb');
    world.github.faults.hooks({ fail: 1 });
    await world.github.rerequestCheckRun(check.id);
    const { prisma } = world.database.database;
    await until(async () => (await prisma.event.count({ where: { kind: 'check.rerequested' } })) === 1);
    world.github.faults.hooks({});
  });

  test('the App is removed from a repository: its runs end, and it is not asked about any more', async () => {
    world.github.faults.hooks({});
    await world.github.createRepository('acme/other', { files: { 'ci/run': script('sleep 30') } });
    const pull = await world.github.openPullRequest({ repo: 'acme/other', head: 'x', files: { a: '1' } });
    await world.run(pull.headSha, 'building');
    world.github.faults.hooks({ drop: 1 });
    await world.github.suspendInstallation(world.installationId);
    const run: RunJson = await world.run(pull.headSha);
    assert.equal(run.verdict, 'cancelled');
    await world.quiet();
    const since = world.github.requests.length;
    await until(
      async () =>
        world.github.requests.slice(since).filter(({ path }) => path.includes('/app/installations')).length >= 2,
    );
    const asked = world.github.requests.slice(since).filter(({ path }) => path.includes('/repo'));
    assert.deepEqual(
      asked.map(({ method, path }) => `${method} ${path}`),
      [],
    );
  });
});
