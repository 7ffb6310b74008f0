import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { AzureBackend } from '../../src/backends/azure/azure.ts';
import type { BuildObservation, JobObservation } from '../../src/backends/backend.ts';
import { digestOf, jobsOf, logOf, never, observeUntil } from '../contracts/backend.ts';
import { atEnd, azureStory, seen } from './azure/bench.ts';

const short = ({ name, attempt, state, verdict }: JobObservation) => [name, attempt, state, verdict];
const endOf = async (backend: AzureBackend, id: string): Promise<Exclude<BuildObservation, { state: 'lost' }>> => {
  const end = await atEnd(backend, id);
  assert.equal(end.state, 'finished', JSON.stringify(end));
  return end as Exclude<BuildObservation, { state: 'lost' }>;
};

describe('a build on Azure', { concurrency: 3 }, () => {
  azureStory('is its jobs, by stage where there are stages, in the order of the YAML', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').start();
    build.job('Windows');
    build.job('Upload', 'Release');
    const jobs = jobsOf(await backend.observe(build.id, { waitMs: 0 }, never));
    assert.deepEqual(jobs.map(short), [
      ['Linux', 1, 'running', undefined],
      ['Windows', 1, 'queued', undefined],
      ['Release / Upload', 1, 'queued', undefined],
    ]);
  });

  azureStory('tells what failed, in which step, and which agent was lost', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').step('Build').step('Test Rakudo').finish('failed', 'Bash exited with code 2.');
    build.job('macOS').finish('abandoned', 'We stopped hearing from agent Azure Pipelines 2.');
    build.job('Windows').finish('succeededWithIssues');
    build.job('Slow').finish('canceled', 'The job running on agent 2 ran longer than the maximum time of 180 minutes.');
    build.finish('failed');
    const { jobs } = await endOf(backend, build.id);
    assert.deepEqual(
      jobs.map(({ name, verdict, why, timedOut }) => [name, verdict, why, timedOut ?? false]),
      [
        ['Linux', 'failed', 'Test Rakudo: Bash exited with code 2.', false],
        ['macOS', 'error', 'We stopped hearing from agent Azure Pipelines 2.', false],
        ['Windows', 'passed', 'with issues', false],
        ['Slow', 'error', 'The job running on agent 2 ran longer than the maximum time of 180 minutes.', true],
      ],
    );
  });

  azureStory('never passes by a word that nobody knows', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').finish('vaporised');
    build.finish('succeeded');
    const [job] = (await endOf(backend, build.id)).jobs;
    assert.deepEqual([job?.verdict, /"vaporised"/.test(job?.why ?? '')], ['error', true]);
    for (const [word, told] of [
      ['evaporated', { result: 'evaporated' }],
      ['limbo', { status: 'limbo' }],
    ] as const) {
      const strange = await bench.started(backend);
      strange.job('Linux').finish('succeeded');
      Object.assign(strange.finish('succeeded').build, told);
      const end = await endOf(backend, strange.id);
      assert.deepEqual([end.verdict, end.why?.includes(`"${word}"`)], ['error', true]);
    }
  });

  azureStory('is the same in numbers', async (bench) => {
    bench.azure.numbers = true;
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').finish('succeeded');
    build.job('macOS').finish('failed');
    build.finish('failed');
    assert.deepEqual(
      (await endOf(backend, build.id)).jobs.map(({ verdict }) => verdict),
      ['passed', 'failed'],
    );
  });

  azureStory('whose YAML does not compile has no jobs, and says so', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.breakYaml('/azure-pipelines.rcb.yml (Line: 3): Unexpected value "stps"');
    const end = await endOf(backend, build.id);
    assert.deepEqual([end.verdict, end.jobs], ['error', []]);
    assert.match(end.why ?? '', /does not compile.*Unexpected value "stps"/);
  });

  azureStory('that fails without a failed job says what its stages say', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').finish('succeeded');
    const gate = build.checkpoint('Release');
    const waiting = await observeUntil(backend, build.id, (seen) => 'why' in seen && seen.why !== undefined);
    assert.match((waiting as { why: string }).why, /waits for an approval/);
    assert.deepEqual(jobsOf(waiting).map(short), [['Linux', 1, 'finished', 'passed']], 'not held back by a gate');
    Object.assign(gate, {
      state: 'completed',
      result: 'failed',
      issues: [{ type: 'error', message: 'Approval timed out' }],
    });
    build.finish('failed');
    const end = await endOf(backend, build.id);
    assert.deepEqual([end.verdict, end.why], ['failed', 'Approval timed out']);
  });

  azureStory('whose timeline is partial is read as far as it goes', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').start();
    build.build.records = build.build.records.filter(({ type }) => type === 'Job');
    assert.deepEqual(jobsOf(await backend.observe(build.id, { waitMs: 0 }, never)).map(short), [
      ['Linux', 1, 'running', undefined],
    ]);
  });

  azureStory('with skipped jobs passes by the others, and by none it does not', async (bench) => {
    const backend = bench.open();
    const [some, none] = [await bench.started(backend), await bench.started(backend)];
    some.job('Linux').finish('succeeded');
    some.job('Release').finish('skipped');
    some.job('Later');
    const meanwhile = jobsOf(await backend.observe(some.id, { waitMs: 0 }, never)).find(
      ({ name }) => name === 'Release',
    );
    assert.equal(meanwhile?.state, 'queued', 'whether that is good shows at the end');
    some.job('Later').finish('succeeded');
    some.finish('succeeded');
    assert.deepEqual(
      (await endOf(backend, some.id)).jobs.map(({ verdict }) => verdict),
      ['passed', 'passed', 'passed'],
    );
    none.job('Linux').finish('skipped');
    none.finish('succeeded');
    assert.deepEqual(
      (await endOf(backend, none.id)).jobs.map(({ verdict }) => verdict),
      ['cancelled'],
    );
  });

  azureStory('that retention deleted is lost; one that an expired token hides is not', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.delete();
    assert.equal((await backend.observe(build.id, { waitMs: 0 }, never)).state, 'lost');
    const other = await bench.started(backend);
    bench.azure.tokens.clear();
    await assert.rejects(backend.observe(other.id, { waitMs: 0 }, never), /AZURE_DEVOPS_TOKEN/);
    bench.azure.tokens.add('a-pat-that-is-good');
    assert.equal((await backend.observe(other.id, { waitMs: 0 }, never)).state, 'running', 'it goes on by itself');
  });

  azureStory("that a person retries on Azure's page has both attempts, each with its log", async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').print('all is well').finish('succeeded');
    build.job('macOS').print('first try').finish('failed', 'no');
    build.finish('failed');
    await endOf(backend, build.id);
    build.retry();
    build.job('macOS').start().print('second try');
    const running = await observeUntil(backend, build.id, ({ state }) => state === 'running');
    assert.deepEqual(jobsOf(running).map(short), [
      ['macOS', 1, 'finished', 'failed'],
      ['Linux', 1, 'finished', 'passed'],
      ['macOS', 2, 'running', undefined],
    ]);
    build.job('macOS').finish('succeeded');
    build.finish('succeeded');
    const { jobs } = await endOf(backend, build.id);
    const logs = await Promise.all(jobs.map((job) => logOf(backend, build.id, job)));
    assert.deepEqual(
      jobs.map(({ name, attempt }, at) => [name, attempt, logs[at]!.replace(/^\S+ /, '')]),
      [
        ['macOS', 1, 'first try\n'],
        ['Linux', 1, 'all is well\n'],
        ['macOS', 2, 'second try\n'],
      ],
    );
  });

  azureStory('is retried once for the attempts that were not good enough', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    const failed = [{ name: 'Linux', attempt: 1 }];
    build.job('Linux').finish('failed');
    build.finish('failed');
    await backend.ensureRetried(build.id, failed, never);
    await backend.ensureRetried(build.id, failed, never);
    build.job('Linux').finish('failed');
    build.finish('failed');
    await backend.ensureRetried(build.id, failed, never);
    assert.equal(seen(bench, /^PATCH .*retry=true/).length, 1);
    await backend.ensureRetried(build.id, [{ name: 'Linux', attempt: 2 }], never);
    assert.equal(build.build.status, 'inProgress');
  });

  azureStory('takes its time to be cancelled, and is not cancelled until Azure says so', async (bench) => {
    bench.azure.endsCancelling = false;
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').start();
    await backend.ensureCancelled(build.id, never);
    assert.equal((await backend.observe(build.id, { waitMs: 0 }, never)).state, 'running');
    build.finishCancelled();
    assert.deepEqual(
      (await endOf(backend, build.id)).jobs.map(({ verdict }) => verdict),
      ['cancelled'],
    );
  });

  azureStory('is looked at when its interval is over, or when a hook says that it changed', async (bench) => {
    const day = 24 * 3600 * 1000;
    const backend = bench.open({ intervalsMs: { queued: day, running: day, finished: day } });
    const build = await bench.started(backend);
    const running = await backend.observe(build.id, { waitMs: 0 }, never);
    const looks = seen(bench, /^GET .*\/builds\/\d+\?/).length;
    build.job('Linux').finish('succeeded');
    build.finish('succeeded');
    assert.equal((await backend.observe(build.id, { seen: digestOf(running), waitMs: 50 }, never)).state, 'running');
    assert.equal(seen(bench, /^GET .*\/builds\/\d+\?/).length, looks, 'asked often, Azure is asked no more');
    const waiting = backend.observe(build.id, { seen: digestOf(running), waitMs: 20_000 }, never);
    backend.expectNews(build.id);
    assert.equal((await waiting).state, 'finished');
  });

  azureStory('that is finished but for its last moment holds its last job, for what no job owns', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').finish('succeeded');
    build.job('macOS').finish('succeeded');
    for (const record of build.build.records) record.state = 'completed';
    const held = jobsOf(await backend.observe(build.id, { waitMs: 0 }, never));
    assert.deepEqual(
      held.map(({ name, state }) => [name, state]),
      [
        ['Linux', 'finished'],
        ['macOS', 'running'],
      ],
    );
    build.finish('succeeded');
    assert.deepEqual(
      (await endOf(backend, build.id)).jobs.map(({ verdict }) => verdict),
      ['passed', 'passed'],
    );
  });
});
