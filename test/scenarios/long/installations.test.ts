import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../support/until.ts';
import { REPO, script, startWorld, type World } from '../../support/world.ts';

/** Repositories are renamed, transferred and taken away; all is keyed by ids, whether a hook tells it or a poll sees it. */
describe('installations', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      yaml: [
        'poll: { github: 1 }',
        'limits: { writeSpacing: 0, catchUpRunsPerMinute: 600 }',
        'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60 }]',
      ].join('\n'),
    });
    await world.run((await world.github.sha(REPO, 'main'))!, 'finished', PATIENCE);
  });
  after(() => world.stop());

  const PATIENCE = 60_000;
  const stored = async () => {
    const key = `github:${world.github.repositoryId(current)}`;
    return world.database.database.prisma.repository.findUniqueOrThrow({ where: { key } });
  };
  let current = REPO;

  test('a repository is renamed while it is built, and its hook is lost: the check is written all the same', async () => {
    const pull = await world.github.openPullRequest({
      repo: REPO,
      head: 'slow',
      files: { 'ci/run': script('sleep 5') },
    });
    await world.run(pull.headSha, 'building', PATIENCE);
    world.github.faults.hooks({ drop: 1 });
    await world.github.renameRepository(REPO, 'renamed');
    current = 'acme/renamed';
    await world.run(pull.headSha, 'finished', PATIENCE);
    await until(async () => (await stored()).name === current, PATIENCE);
    assert.equal((await world.check(pull.headSha, 'rcb', 'completed', current)).conclusion, 'success');
    const next = await world.github.commit(current, 'slow', { files: { 'ci/run': script('exit 0') } });
    assert.equal((await world.run(next, 'finished', PATIENCE)).verdict, 'passed');
    assert.equal((await world.run(next)).repository, current);
  });

  test('another branch becomes the default one: its head is tested', async () => {
    const sha = await world.github.commit(current, 'trunk', { files: { t: '1' } });
    await world.github.setDefaultBranch(current, 'trunk');
    assert.equal((await world.run(sha, 'finished', PATIENCE)).verdict, 'passed');
    await until(async () => (await stored()).defaultBranch === 'trunk', PATIENCE);
  });

  test('the App is suspended and comes back: what was pushed meanwhile is tested then', async () => {
    await world.github.suspendInstallation(world.installationId);
    await until(async () => (await stored()).state === 'removed', PATIENCE);
    const sha = await world.github.commit(current, 'trunk', { files: { t: '2' } });
    await world.github.unsuspendInstallation(world.installationId);
    assert.equal((await world.run(sha, 'finished', PATIENCE)).verdict, 'passed');
  });

  test('a repository is transferred to somebody whom we do not serve: it is not tested there', async () => {
    const slow = { 'ci/run': script('sleep 30') };
    const pull = await world.github.openPullRequest({ repo: current, head: 'leaves', files: slow });
    await world.run(pull.headSha, 'building', PATIENCE);
    await world.github.transferRepository(current, 'stranger');
    current = 'stranger/renamed';
    assert.equal((await world.run(pull.headSha, 'finished', PATIENCE)).verdict, 'cancelled');
    assert.notEqual((await stored()).state, 'watched');
  });
});
