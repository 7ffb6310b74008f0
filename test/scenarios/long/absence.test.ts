import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../support/until.ts';
import { REPO, startWorld, type World } from '../../support/world.ts';

/** The bot was not there: what it missed is taken up once, in turn, and what has a verdict is not built again. */
describe('an absence', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      yaml: [
        'poll: { github: 1 }',
        'limits: { writeSpacing: 0, catchUpRunsPerMinute: 120, building: 1 }',
        'backends: [{ name: local, kind: local, slots: 2, timeout: 60, silence: 60 }]',
      ].join('\n'),
      absent: true,
    });
  });
  after(() => world.stop());
  const open = (head: string) => world.github.openPullRequest({ repo: REPO, head, files: { [head]: '1' } });
  const everyRun = async () => (await world.runs('?limit=200')).length;

  test('open pull requests and the default branch are taken up in turn, and never more are built than may be', async () => {
    const pulls = await Promise.all(['a', 'b', 'c', 'd'].map(open));
    const closed = await open('closed');
    await world.github.close(REPO, closed.number);
    await world.startBot();
    let most = 0;
    const { prisma } = world.database.database;
    const started = { state: { not: 'finished' }, externalId: { not: null } };
    await until(async () => {
      most = Math.max(most, await prisma.run.count({ where: { builds: { some: started } } }));
      return (await world.runs('?state=finished')).length === 5;
    }, 40_000);
    assert.equal(most, 1);
    for (const { headSha } of pulls) {
      const run = await world.run(headSha);
      assert.deepEqual([run.verdict, run.trigger], ['passed', 'reconciliation']);
    }
    assert.equal((await world.runs(`?sha=${closed.headSha}`)).length, 0, 'what was closed before is of no interest');
  });

  test('with an empty database nothing is built again that has a verdict on GitHub', async () => {
    await world.stopBot();
    const fresh = await open('e');
    await world.emptyDatabase();
    await world.startBot();
    assert.equal((await world.run(fresh.headSha)).verdict, 'passed');
    const { prisma } = world.database.database;
    await until(async () => (await prisma.pullRequest.count()) === 5 && (await prisma.branch.count()) === 1);
    await until(
      async () =>
        (await prisma.effect.count({
          where: { state: { in: ['pending', 'running'] }, kind: { startsWith: 'inspect' } },
        })) === 0,
    );
    assert.equal(await everyRun(), 1);
  });

  test('after days what moved is tested at where it is now, and what was not obeyed is in the ledger', async () => {
    await world.stopBot();
    const pull = world.github.pull(REPO, 1);
    await world.github.push(REPO, pull.head.ref, [{ files: { x: '1' } }, { files: { x: '2' } }]);
    await world.github.comment(REPO, pull.number, 'while you were away');
    const { prisma } = world.database.database;
    await prisma.$executeRaw`UPDATE cursor SET value = jsonb_set(value, '{lookedAt}', '"2026-01-01T00:00:00Z"') WHERE name LIKE 'poll:%'`;
    await world.startBot();
    const head = (await world.github.sha(REPO, pull.head.ref))!;
    const run = await world.run(head);
    assert.deepEqual([run.verdict, run.trigger], ['passed', 'reconciliation']);
    assert.equal(await prisma.event.count({ where: { kind: 'comment.told' } }), 1);
    assert.equal(await everyRun(), 2);
  });
});
