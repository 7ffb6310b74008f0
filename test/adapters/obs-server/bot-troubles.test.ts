import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { openOrWhy } from './bench.ts';
import { startObsServer, until } from './server.ts';
import { assertVerdicts, BUILD_MS, idle, jobsOf, names, openPull, startStage, verdicts } from './stage.ts';

/** The whole bot on a real Open Build Service that is in trouble: what cannot be built, and what is not built to its end. */

const { env } = process;
const [server, why] = await openOrWhy(() => startObsServer({ environment: env, workers: 2 }), env);

// One after another: workers that are killed are those of all.
describe('the bot on a real Open Build Service in trouble', { skip: why }, () => {
  after(() => server?.close());

  test('a package that needs what nobody has: its check says so', { timeout: 2 * BUILD_MS }, async () => {
    const stage = await startStage(server!, { heads: { wanting: 'BuildRequires: nonexistent' } });
    const { world } = stage;
    try {
      await idle(stage);
      const pull = await openPull(stage, { wanting: 'true' });
      const run = await world.run(pull.headSha, 'finished', BUILD_MS);
      const wanting = 'obs / wanting x86_64-standard';
      assert.deepEqual(verdicts(run), { [names.good]: 'passed', [names.other]: 'passed', [wanting]: 'error' });
      const { conclusion, output } = await world.check(pull.headSha, wanting);
      assert.equal(conclusion, 'failure');
      assert.match(JSON.stringify(output), /unresolvable: nothing provides nonexistent/);
      await idle(stage);
    } finally {
      await stage.stop();
    }
  });

  test('a worker that is killed: the job ends as an error, in time', { timeout: 2 * BUILD_MS }, async () => {
    const stage = await startStage(server!, { jobTimeout: '60s' });
    const { world, server: at } = stage;
    try {
      await idle(stage);
      const pull = await openPull(stage, { good: 'sleep 600', other: 'sleep 600' });
      const isRunning = async () => {
        const [run] = await world.runs(`?sha=${pull.headSha}`);
        return run !== undefined && jobsOf(run).filter(({ state }) => state === 'running').length === 2;
      };
      await until('both jobs run', isRunning, BUILD_MS);
      at.killWorkers();
      const run = await world.run(pull.headSha, 'finished', BUILD_MS);
      await assertVerdicts(stage, run, { [names.good]: 'error', [names.other]: 'error' });
      const { conclusion, output } = await world.check(pull.headSha, names.good);
      assert.equal(conclusion, 'timed_out', JSON.stringify(output));
    } finally {
      at.startWorkers();
      await stage.stop();
    }
  });
});
