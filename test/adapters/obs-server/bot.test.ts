import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { REPO, type RunJson } from '../../support/world.ts';
import { openOrWhy } from './bench.ts';
import { startObsServer, until } from './server.ts';
import {
  assertVerdicts,
  BUILD_MS,
  filesOf,
  idle,
  jobOf,
  logOf,
  names,
  openPull,
  PACKAGES,
  projectOf,
  type Stage,
  startStage,
  verdicts,
} from './stage.ts';

/** The whole bot on a real Open Build Service: a push, a project there, and what people see of it. */

const { env } = process;
const [server, why] = await openOrWhy(() => startObsServer({ environment: env, workers: 2 }), env);

describe('the bot on a real Open Build Service', { skip: why }, () => {
  const staged = server && startStage(server);
  after(async () => {
    await (await staged)?.stop();
    await server?.close();
  });
  const story = (title: string, tell: (stage: Stage) => Promise<void>) =>
    test(title, { timeout: 2 * BUILD_MS }, async () => {
      const stage = (await staged)!;
      await idle(stage);
      try {
        await tell(stage);
      } finally {
        stage.server.front.keepsAll = false;
      }
      await idle(stage);
    });

  story('passes; log and binaries in the archive are those of the server', async (stage) => {
    const { world, server: at } = stage;
    at.front.keepsAll = true;
    const pull = await openPull(stage, { good: 'echo the first' });
    const run = await world.run(pull.headSha, 'finished', BUILD_MS);
    await assertVerdicts(stage, run, { [names.good]: 'passed', [names.other]: 'passed' });
    assert.equal((await world.check(pull.headSha, names.good)).conclusion, 'success');
    assert.equal((await world.check(pull.headSha, 'rcb')).conclusion, 'success');
    const project = await projectOf(stage, run);
    for (const name of PACKAGES) {
      const there = `/build/${project}/standard/x86_64/${name}`;
      assert.equal(await logOf(stage, run, name), await (await at.behind(`${there}/_log?nostream=1`)).text());
      const { artifacts } = jobOf(run, name);
      assert.ok(artifacts.some((artifact) => artifact.name.endsWith('.tar.gz') && artifact.size > 1_000_000));
      for (const artifact of artifacts) {
        const kept = await fetch(new URL(new URL(artifact.url, world.rcb.publicUrl).pathname, world.rcb.publicUrl));
        const bytes = Buffer.from(await kept.arrayBuffer());
        const theirs = await at.behind(`${there}/${encodeURIComponent(artifact.name)}`);
        assert.ok(bytes.equals(Buffer.from(await theirs.arrayBuffer())), artifact.name);
      }
    }
  });

  story('fails, and is tested again', async (stage) => {
    const { world } = stage;
    const pull = await openPull(stage, { good: 'echo alas; exit 1' });
    const first = await world.run(pull.headSha, 'finished', BUILD_MS);
    await assertVerdicts(stage, first, { [names.good]: 'failed', [names.other]: 'passed' });
    assert.match(await logOf(stage, first, 'good'), /\] alas\n/);
    assert.equal((await world.check(pull.headSha, names.good)).conclusion, 'failure');
    world.github.comment(REPO, pull.number, '{re-test}', { by: 'maintainer' });
    await until('a second run', async () => (await world.runs(`?sha=${pull.headSha}`)).length === 2);
    const second = await world.run(pull.headSha, 'finished', BUILD_MS);
    assert.notEqual(second.id, first.id);
    await assertVerdicts(stage, second, verdicts(first));
  });

  story('{re-test failed} builds the failed package again, in the project where it failed', async (stage) => {
    const { world } = stage;
    // The second build is of the same sources, and fails as well: its attempt says that it was one.
    const pull = await openPull(stage, { good: 'echo alas; exit 1' });
    const first = await world.run(pull.headSha, 'finished', BUILD_MS);
    assert.deepEqual(verdicts(first), { [names.good]: 'failed', [names.other]: 'passed' });
    await idle(stage);
    assert.ok(await projectOf(stage, first), 'it stays');
    await world.github.comment(REPO, pull.number, '{re-test failed}', { by: 'maintainer' });
    const again = () => world.json<RunJson>(`/api/runs/${first.id}`);
    const hasEnded = async () => jobOf(await again(), 'good').attempt === 2 && (await again()).state === 'finished';
    await until('the second attempt has ended', hasEnded, BUILD_MS);
    const run = await again();
    assert.deepEqual(verdicts(run), { [names.good]: 'failed', [names.other]: 'passed' });
    assert.equal(jobOf(run, 'other').attempt, 1);
    assert.match(await logOf(stage, run, 'good'), /\] alas\n/);
    assert.equal((await world.runs(`?sha=${pull.headSha}`)).length, 1);
  });

  story('a newer head: what is built for the one before is stopped', async (stage) => {
    const { world, server: at } = stage;
    const pull = await openPull(stage, { good: 'echo begun; sleep 600', other: 'exit 1' });
    // A worker that is stopped before its build has begun takes minutes to see it.
    const hasBegun = async () => {
      const [run] = await world.runs(`?sha=${pull.headSha}`);
      const project = run && (await projectOf(stage, run));
      if (!project) return false;
      const log = await at.behind(`/build/${project}/standard/x86_64/good/_log?nostream=1`);
      return (await log.text()).includes('] begun\n');
    };
    await until('its build has begun', hasBegun, BUILD_MS);
    const next = await world.github.commit(REPO, pull.head, { files: filesOf({ good: 'true', other: 'true' }) });
    const run = await world.run(next, 'finished', BUILD_MS);
    await assertVerdicts(stage, run, { [names.good]: 'passed', [names.other]: 'passed' });
    assert.equal((await world.run(pull.headSha)).verdict, 'superseded');
  });
});
