import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, script, startWorld, type World } from '../../support/world.ts';

const SLOTS = 2;

/** People type words into comments and press buttons; the bot does what they may ask for, and says what it did not do. */
describe('commands', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      validate: true,
      yaml: [
        'limits: { writeSpacing: 0, catchUpRunsPerMinute: 600 }',
        `backends: [{ name: local, kind: local, slots: ${SLOTS}, timeout: 300, silence: 300 }]`,
        'policy: [{ branches: ["*"], optional: ["local / optional*"] }]',
      ].join('\n'),
    });
    world.github.setPermission(REPO, 'maintainer', 'write');
    world.github.setPermission(REPO, 'reader', 'read');
  });
  after(() => world.stop());

  const open = (head: string, more: Partial<Parameters<World['github']['openPullRequest']>[0]> = {}) =>
    world.github.openPullRequest({ repo: REPO, head, files: { [head]: '1' }, ...more });
  const runsOf = (sha: string) => world.runs(`?sha=${sha}`);
  const say = (number: number, body: string, by = 'maintainer') => world.github.comment(REPO, number, body, { by });
  const commentsOf = (number: number) => world.github.comments(REPO, number);
  const answers = (number: number) => commentsOf(number).filter(({ user }) => user?.login === world.github.botLogin);
  const reactions = (number: number, id: number) =>
    commentsOf(number)
      .find((comment) => comment.id === id)!
      .reactedBy.map(({ content }) => content);
  const reacted = (number: number, id: number, content: string) =>
    until(async () => reactions(number, id).includes(content), 30_000);
  /** The ledger proves a head older than a comment only after half a minute; the story does not wait for that. */
  const age = async (...pulls: { repo: string; number: number; headSha: string }[]) => {
    const { prisma } = world.database.database;
    const open = { in: ['pending', 'running'] };
    for (const { repo, number, headSha } of pulls) {
      const subject = `pull-request:github:${world.github.repositoryId(repo)}#${number}`;
      await until(async () => (await prisma.pullRequest.count({ where: { headSha } })) === 1);
      // Whoever has read the row already would write it as it was.
      await until(async () => {
        const looks = await prisma.effect.count({ where: { target: subject, state: open } });
        return looks + (await prisma.event.count({ where: { subject, state: open } })) === 0;
      });
      const heads = [{ sha: headSha, seenAt: '2026-01-01T00:00:00Z' }];
      await prisma.pullRequest.updateMany({ where: { headSha }, data: { heads } });
    }
  };
  let turn = 0;
  /** Nothing more is built until `release` is called: how fast the machine is decides no story. */
  const takeSlots = async (): Promise<{ release(): Promise<void> }> => {
    const blockers = await Promise.all(
      Array.from({ length: SLOTS }, () => open(`blocker-${++turn}`, { files: { 'ci/run': script('sleep 300') } })),
    );
    const isBuilding = async (sha: string) => (await runsOf(sha))[0]?.builds[0]?.jobs[0]?.state === 'running';
    for (const { headSha } of blockers) await until(() => isBuilding(headSha), 60_000);
    return {
      release: async () => {
        for (const { number } of blockers) await world.github.close(REPO, number);
      },
    };
  };
  const settledWish = async (number: number) => {
    const { prisma } = world.database.database;
    const where = { subject: `pull-request:github:${world.github.repositoryId(REPO)}#${number}` };
    const newest = () => prisma.mergeRequest.findFirst({ where, orderBy: { id: 'desc' } });
    await until(async () => ((await newest())?.state ?? 'open') !== 'open', 60_000);
    return prisma.mergeRequest.findFirstOrThrow({ where, orderBy: { id: 'desc' } });
  };

  test('{re-test} tests the same commits again, as a new run that names the one before', async () => {
    const pull = await open('again');
    const first = await world.run(pull.headSha);
    const bases = (run: RunJson) => run.sources.map((source) => (source as { base?: string }).base);
    await world.github.commit(REPO, 'main', { files: { 'moved-on': '1' } });
    const { id } = await say(pull.number, 'Flaky? <re-test>');
    await until(async () => (await runsOf(pull.headSha)).length === 2);
    const second = await world.run(pull.headSha);
    assert.equal(second.verdict, 'passed');
    assert.deepEqual([second.trigger, (second as { previous?: string }).previous], ['command', first.id]);
    assert.deepEqual(
      second.sources.map(({ sha }) => sha),
      first.sources.map(({ sha }) => sha),
    );
    await reacted(pull.number, id, 'rocket');
    assert.deepEqual(bases(second), bases(first), 'the base is that of the run before');
    await say(pull.number, '{re-test latest}');
    await until(async () => (await runsOf(pull.headSha)).length === 3);
    assert.notDeepEqual(bases(await world.run(pull.headSha)), bases(first));
    assert.deepEqual(reactions(pull.number, id), ['rocket'], 'the eyes are gone');
    assert.deepEqual(answers(pull.number), []);
    assert.equal(world.github.checkRuns(REPO, pull.headSha).filter(({ name }) => name === 'rcb').length, 3);
  });

  test('who only reads is told so, and text without a command never gets an answer', async () => {
    const pull = await open('reads');
    await world.run(pull.headSha);
    await say(pull.number, '`{re-test}` is a command, `False` is not', 'reader');
    const { id } = await say(pull.number, '{re-test}', 'reader');
    await reacted(pull.number, id, 'confused');
    await until(async () => answers(pull.number).length === 1);
    assert.match(answers(pull.number)[0]!.body, /needs write permission/);
    assert.equal((await runsOf(pull.headSha)).length, 1);
  });

  test('{rcb: …} with an unknown word gets one friendly answer with the list', async () => {
    const pull = await open('unknown');
    await world.run(pull.headSha);
    await say(pull.number, '{rcb: make coffee}');
    await until(async () => answers(pull.number).length === 1);
    assert.match(answers(pull.number)[0]!.body, /I do not know “make coffee”/);
    assert.match(answers(pull.number)[0]!.body, /\{merge on success\}/);
  });

  test('{merge on success} merges just the head that was asked for, when all has passed', async () => {
    const pull = await open('lands', { files: { 'ci/run': script('sleep 1; echo fine') } });
    await age(pull);
    const { id } = await say(pull.number, '{merge on success}');
    await until(async () => world.github.pull(REPO, pull.number).merged, 40_000);
    assert.equal((await settledWish(pull.number)).state, 'merged');
    await reacted(pull.number, id, 'rocket');
    assert.deepEqual(answers(pull.number), []);
  });

  test('a red run never merges, and that is said once', async () => {
    const pull = await open('red', { files: { 'ci/run': script('exit 1') } });
    await age(pull);
    await say(pull.number, '{merge on success}');
    assert.equal((await settledWish(pull.number)).state, 'refused');
    await world.quiet();
    assert.equal(world.github.pull(REPO, pull.number).merged, false);
    assert.equal(answers(pull.number).length, 1);
    assert.match(answers(pull.number)[0]!.body, /Automatic merging did not happen: these did not pass: local/);
  });

  test('the head moved between the command and the merge: the unseen commit is not merged', async () => {
    const slots = await takeSlots();
    const pull = await open('moves');
    await age(pull);
    await world.run(pull.headSha, 'building');
    await say(pull.number, '{merge on success}');
    const { prisma } = world.database.database;
    await until(async () => (await prisma.mergeRequest.count({ where: { headSha: pull.headSha } })) === 1);
    const next = await world.github.commit(REPO, 'moves', { files: { unseen: '1' } });
    await slots.release();
    const wish = await settledWish(pull.number);
    assert.equal(wish.state, 'refused');
    await world.run(next);
    assert.equal(world.github.pull(REPO, pull.number).merged, false);
    await until(async () => answers(pull.number).length === 1);
    assert.match(answers(pull.number)[0]!.body, /its head has moved/);
  });

  test('a head that moved at about the time of the comment: the bot asks instead of merging', async () => {
    const pull = await open('unclear');
    const { id } = await say(pull.number, '{merge on success}');
    assert.equal((await settledWish(pull.number)).state, 'asked');
    await reacted(pull.number, id, 'confused');
    await until(async () => answers(pull.number).length === 1);
    assert.match(answers(pull.number)[0]!.body, /I do not know which commit you mean/);
  });

  test('a command that is read before its pull request is known waits for it', async () => {
    const isLook = (method: string, path: string) => method === 'GET' && /\/pulls\/\d+$/.test(path);
    world.github.faults.api({ match: isLook, answer: 'lost', times: 2 });
    const pull = await open('at-once');
    await say(pull.number, '{rcb: help}');
    await until(async () => answers(pull.number).length === 1);
    world.github.faults.clear();
  });

  test('permission that was lost before the merge counts; a deleted comment asks for nothing', async () => {
    const slots = await takeSlots();
    const lost = await open('lost');
    const deleted = await open('deleted');
    await age(lost, deleted);
    world.github.setPermission(REPO, 'leaver', 'write');
    await say(lost.number, '{merge on success}', 'leaver');
    const { id } = await say(deleted.number, '{merge on success}');
    const { prisma } = world.database.database;
    await until(
      async () =>
        (await prisma.mergeRequest.count({ where: { headSha: { in: [lost.headSha, deleted.headSha] } } })) === 2,
    );
    world.github.setPermission(REPO, 'leaver', 'read');
    await world.github.deleteComment(id);
    await slots.release();
    assert.equal((await settledWish(deleted.number)).state, 'withdrawn');
    assert.equal((await settledWish(lost.number)).state, 'refused');
    assert.equal(world.github.pull(REPO, lost.number).merged, false);
    assert.equal(world.github.pull(REPO, deleted.number).merged, false);
  });

  test('both sides touched one file: it is tested again with the moved base before it is merged', async () => {
    await world.github.commit(REPO, 'main', { files: { shared: 'one\ntwo\nthree\nfour\nfive\n' } });
    await world.quiet();
    const pull = await open('overlap', { files: { shared: 'ONE\ntwo\nthree\nfour\nfive\n' } });
    await world.run(pull.headSha);
    await world.github.commit(REPO, 'main', { files: { shared: 'one\ntwo\nthree\nfour\nFIVE\n' } });
    await age(pull);
    await say(pull.number, '{merge on success}');
    await until(async () => world.github.pull(REPO, pull.number).merged, 60_000);
    const runs = await runsOf(pull.headSha);
    assert.equal(runs.length, 2);
    assert.match(answers(pull.number)[0]!.body, /both sides touched the same: shared/);
  });

  test('a stranger’s fork waits for a maintainer’s word, his own does not lift it, and it is for one head', async () => {
    const fork = await world.github.fork(REPO, 'stranger');
    const pull = await open('from-fork', { headRepo: fork, author: 'stranger' });
    await world.run(pull.headSha, 'waiting');
    const own = await say(pull.number, '{re-test}', 'stranger');
    await reacted(pull.number, own.id, 'confused');
    assert.equal((await world.run(pull.headSha, 'waiting')).verdict, null);
    await say(pull.number, '{re-test}');
    await until(async () => (await runsOf(pull.headSha))[0]!.state !== 'waiting');
    assert.equal((await runsOf(pull.headSha)).length, 1);
  });

  test('GitHub’s Re-run button asks for the same as {re-test}', async () => {
    const pull = await open('button');
    await world.run(pull.headSha);
    const check = await world.check(pull.headSha, 'rcb');
    await world.github.rerequestCheckRun(check.id, { by: 'reader' });
    await world.github.rerequestCheckRun(check.id, { by: 'maintainer' });
    await until(async () => (await runsOf(pull.headSha)).length === 2);
    const run = await world.run(pull.headSha);
    assert.deepEqual([run.trigger, run.verdict], ['button', 'passed']);
    await world.quiet();
    assert.equal((await runsOf(pull.headSha)).length, 2, 'the reader’s click asked for nothing');
  });

  test('{rcb: cancel} stops the tests and takes the wish back; {rcb: why} says what is waited for', async () => {
    const pull = await open('stop', { files: { 'ci/run': script('sleep 30') } });
    await age(pull);
    await world.run(pull.headSha, 'building');
    const wish = await say(pull.number, '{merge on success}');
    await reacted(pull.number, wish.id, 'eyes');
    await until(async () =>
      Boolean(
        (await world.database.database.prisma.mergeRequest.findFirst({ where: { headSha: pull.headSha } }))?.decision,
      ),
    );
    await say(pull.number, '{rcb: why}');
    await until(async () => answers(pull.number).length === 1);
    assert.match(answers(pull.number)[0]!.body, /Merging: the tests are running/);
    await say(pull.number, '{rcb: cancel}');
    assert.equal((await world.run(pull.headSha)).verdict, 'cancelled');
    assert.equal((await settledWish(pull.number)).state, 'withdrawn');
  });

  test('two people type the same command: one run, and the second is told so', async () => {
    const pull = await open('twice');
    await world.run(pull.headSha);
    const slots = await takeSlots();
    const [one, two] = await Promise.all([say(pull.number, '{re-test}'), say(pull.number, '{re-test}', 'acme')]);
    await until(async () => answers(pull.number).length === 1, 30_000);
    assert.match(answers(pull.number)[0]!.body, /is being tested already/);
    await slots.release();
    await world.run(pull.headSha);
    await world.quiet();
    assert.equal((await runsOf(pull.headSha)).length, 2);
    const last = [one, two].map(({ id }) => reactions(pull.number, id).join());
    assert.deepEqual(last.sort(), ['confused', 'rocket']);
  });

  test('an empty set of jobs is no success: it is not merged', async () => {
    const repo = 'acme/empty';
    await world.github.createRepository(repo, { files: { 'README.md': 'nothing to run' } });
    world.github.setPermission(repo, 'maintainer', 'write');
    const pull = await world.github.openPullRequest({ repo, head: 'nothing', files: { a: '1' } });
    assert.equal((await world.run(pull.headSha)).verdict, null);
    await age(pull);
    await world.github.comment(repo, pull.number, '{merge on success}', { by: 'maintainer' });
    await until(async () => world.github.comments(repo, pull.number).length === 2, 30_000);
    assert.match(world.github.comments(repo, pull.number)[1]!.body, /there was nothing to test/);
    assert.equal(world.github.pull(repo, pull.number).merged, false);
  });

  test('a pull request asks in its own description when it is opened', async () => {
    const pull = await open('described', { author: 'maintainer', body: 'Ready.\n\n{rcb: MOS}' });
    await until(async () => world.github.pull(REPO, pull.number).merged, 60_000);
    assert.equal((await settledWish(pull.number)).state, 'merged');
  });

  test('a draft is not merged, and that is said', async () => {
    const pull = await open('draft', { draft: true });
    await age(pull);
    await say(pull.number, '{merge on success}');
    assert.equal((await settledWish(pull.number)).state, 'refused');
    await until(async () => answers(pull.number).length === 1, 30_000);
    assert.match(answers(pull.number)[0]!.body, /it is a draft/);
  });

  test('where a merge queue is required the pull request is handed over to it', async () => {
    const repo = 'acme/queued';
    await world.github.createRepository(repo, { files: { 'ci/run': script('echo fine') } });
    world.github.setPermission(repo, 'maintainer', 'write');
    world.github.requireMergeQueue(repo, 'main');
    const pull = await world.github.openPullRequest({ repo, head: 'line-up', files: { a: '1' } });
    await age(pull);
    await world.github.comment(repo, pull.number, '{merge on success}', { by: 'maintainer' });
    await until(async () => world.github.pull(repo, pull.number).queued, 40_000);
    await until(async () => world.github.comments(repo, pull.number).length === 2, 30_000);
    assert.match(world.github.comments(repo, pull.number)[1]!.body, /Handed over to GitHub’s merge queue/);
    await world.github.letThrough(repo, pull.number);
    const { prisma } = world.database.database;
    await until(
      async () => (await prisma.mergeRequest.findFirst({ where: { headSha: pull.headSha } }))?.state === 'merged',
      30_000,
    );
  });

  test('the answer to the merge call is lost: it is found out that it merged, and nothing is said twice', async () => {
    const pull = await open('doubtful');
    await world.run(pull.headSha);
    await age(pull);
    world.github.faults.api({
      match: (method, path) => method === 'PUT' && path.endsWith('/merge'),
      answer: 'lost',
      times: 1,
    });
    await say(pull.number, '{merge on success}');
    assert.equal((await settledWish(pull.number)).state, 'merged');
    assert.equal(world.github.pull(REPO, pull.number).merged, true);
    await world.quiet();
    assert.deepEqual(answers(pull.number), []);
    world.github.faults.clear();
  });

  test('all that the bot sent was as GitHub publishes it', () => {
    assert.deepEqual(world.github.invalidRequests, []);
  });
});
