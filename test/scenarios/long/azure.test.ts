import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { BuildDriver } from '../../standins/azure/driver.ts';
import { StandInAzure } from '../../standins/azure/index.ts';
import { playAgents } from '../../standins/azure/play.ts';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, startWorld, type World } from '../../support/world.ts';

/** Builds on Azure Pipelines, through the whole bot: what becomes of them when Azure, its hooks, or people, do not behave. */

const PAT = 'a-pat-that-is-good';
const PASSWORD = 'the-password-of-the-hooks';

interface AzureWorld {
  world: World;
  azure: StandInAzure;
  stop(): Promise<void>;
}

async function startAzureWorld(options: { poll?: number; azure?: string; yaml?: string } = {}): Promise<AzureWorld> {
  const azure = await StandInAzure.start();
  const own = `name: azure, kind: azure, url: "${azure.url}", project: raku, pipeline: 7, credentialHosts: ["localhost:*"]`;
  const world = await startWorld({
    yaml: [
      'limits: { writeSpacing: 0 }',
      `poll: { azure: ${options.poll ?? 1} }`,
      `backends: [{ ${own}${options.azure ?? ''} }]`,
      options.yaml ?? '',
    ].join('\n'),
    env: { AZURE_DEVOPS_TOKEN: PAT, AZURE_HOOK_PASSWORD: PASSWORD },
  });
  world.github.setPermission(REPO, 'maintainer', 'write');
  const stop = async () => {
    await world.stop();
    await azure.close();
  };
  return { world, azure, stop };
}

let branches = 0;
const open = (world: World, more: Partial<Parameters<World['github']['openPullRequest']>[0]> = {}) => {
  branches += 1;
  const head = `branch-${branches}`;
  return world.github.openPullRequest({ repo: REPO, head, files: { [head]: '1' }, ...more });
};

/** The build that was queued for a run, once it is there. */
async function buildOf(azure: StandInAzure, run: Pick<RunJson, 'id'>, number = 1): Promise<BuildDriver> {
  const find = () => azure.builds.filter(({ templateParameters }) => templateParameters['rcbRun'] === run.id);
  await until(() => find().length >= number);
  return azure.driver(find()[number - 1]!.id);
}

const jobsOf = (run: RunJson) => run.builds.flatMap(({ jobs }) => jobs);
const verdicts = (run: RunJson) => Object.fromEntries(jobsOf(run).map(({ name, verdict }) => [name, verdict]));

/** The run of a sha, once this is so. */
async function runThat(world: World, sha: string, isIt: (run: RunJson) => boolean): Promise<RunJson> {
  let seen: RunJson | undefined;
  await until(async () => {
    seen = (await world.runs(`?sha=${sha}`))[0];
    return seen !== undefined && isIt(seen);
  }, 45_000).catch((cause) => {
    throw new Error(`the run of ${sha} is ${JSON.stringify(seen)}`, { cause });
  });
  return seen!;
}

const hasJobs = (run: RunJson) => jobsOf(run).length > 0;
const hasEnded = (run: RunJson) => run.state === 'finished';
const ends = (build: BuildDriver, result: string) => build.job('Linux').finish(result) && build.finish(result);

describe('builds on Azure Pipelines', { timeout: 240_000 }, () => {
  let world: World;
  let azure: StandInAzure;
  let stop = async () => {};
  before(async () => {
    ({ world, azure, stop } = await startAzureWorld());
  });
  after(() => stop());
  afterEach(() => {
    azure.onQueued = () => {};
    azure.faults.clear();
  });

  test('a run on three systems passes: a check, a log and artifacts of each', async () => {
    const sendHome = playAgents(azure, { stepMs: 20 });
    const pull = await open(world);
    const run = await world.run(pull.headSha);
    sendHome();
    assert.deepEqual(verdicts(run), {
      'azure / Linux': 'passed',
      'azure / Windows': 'passed',
      'azure / macOS': 'passed',
    });
    assert.equal((await world.check(pull.headSha, 'azure / Windows')).conclusion, 'success');
    assert.equal((await world.check(pull.headSha, 'rcb')).conclusion, 'success');
    const linux = jobsOf(run).find(({ name }) => name === 'azure / Linux')!;
    assert.match(
      await world.text(`/runs/${run.id}/jobs/${new URL(linux.logUrl!).pathname.split('/')[4]}/log.txt`),
      /Result: PASS/,
    );
    assert.deepEqual(
      linux.artifacts.map(({ name }) => name).map((name) => name.split('/').at(-1)),
      ['junit.xml'],
    );
    const { templateParameters } = (await buildOf(azure, run)).build;
    assert.equal(templateParameters['toolUrl'], `${world.rcb.publicUrl}/archive/${run.sources[0]!.archive!.sha256}`);
  });

  test('a build is stopped when a newer head takes its place', async () => {
    const pull = await open(world);
    const run = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    const build = (await buildOf(azure, run)).start();
    await world.github.commit(REPO, pull.head, { files: { next: '1' } });
    await until(() => build.build.status === 'completed');
    assert.equal(build.build.result, 'canceled');
  });

  test('a token that expires in the middle holds the build, and a new one lets it go on', async () => {
    const pull = await open(world);
    const { id } = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    const build = (await buildOf(azure, { id })).start();
    build.job('Linux').start();
    await runThat(world, pull.headSha, hasJobs);
    azure.tokens.delete(PAT);
    const held = await runThat(world, pull.headSha, ({ why }) =>
      /put a new one into AZURE_DEVOPS_TOKEN/.test(why ?? ''),
    );
    assert.equal(held.state, 'building');
    ends(build, 'succeeded');
    azure.tokens.add(PAT);
    const run = await runThat(world, pull.headSha, hasEnded);
    assert.deepEqual([run.verdict, run.why ?? null], ['passed', null]);
  });

  test('while Azure is down builds stay queued and say so; when it is back they go on by themselves', async () => {
    azure.faults.add({ does: 'drop', times: 1_000_000 });
    const pull = await open(world);
    const held = await runThat(world, pull.headSha, ({ why }) => /could not be reached.*tried again/.test(why ?? ''));
    assert.deepEqual([held.state, held.builds[0]?.state], ['building', 'queued']);
    await until(async () => {
      const check = world.github.checkRuns(REPO, pull.headSha).find(({ name }) => name === 'rcb');
      return /could not be reached/.test(check?.output.title ?? '');
    });
    azure.onQueued = (build) => ends(build.start(), 'succeeded');
    azure.faults.clear();
    const run = await runThat(world, pull.headSha, hasEnded);
    assert.equal(run.verdict, 'passed');
  });

  test('a build that was deleted gets one new attempt', async () => {
    const pull = await open(world);
    const { id } = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    const first = (await buildOf(azure, { id })).start();
    first.job('Linux').start();
    await runThat(world, pull.headSha, hasJobs);
    first.delete();
    ends((await buildOf(azure, { id }, 2)).start(), 'succeeded');
    const run = await runThat(world, pull.headSha, hasEnded);
    assert.deepEqual(verdicts(run), { 'azure / Linux': 'passed' });
    assert.equal(jobsOf(run)[0]?.attempt, 2);
  });

  test('what a person has run again on Azure’s own page opens the run again, with new checks', async () => {
    const pull = await open(world);
    const { id } = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    const build = (await buildOf(azure, { id })).start();
    build.job('Windows').finish('succeeded');
    ends(build, 'failed');
    assert.equal((await world.run(pull.headSha)).verdict, 'failed');
    await world.check(pull.headSha, 'rcb');
    await world.check(pull.headSha, 'azure / Linux');
    build.retry();
    await runThat(world, pull.headSha, ({ state }) => state === 'building');
    ends(build, 'succeeded');
    const run = await runThat(world, pull.headSha, hasEnded);
    assert.deepEqual(verdicts(run), { 'azure / Linux': 'passed', 'azure / Windows': 'passed' });
    assert.equal((await world.runs(`?sha=${pull.headSha}`)).length, 1);
    await until(() => conclusionsOf(pull.headSha, 'rcb').length === 2);
    await until(() => conclusionsOf(pull.headSha, 'rcb').includes('success'));
    assert.deepEqual(conclusionsOf(pull.headSha, 'rcb').sort(), ['failure', 'success']);
    await until(() => conclusionsOf(pull.headSha, 'azure / Linux').includes('success'));
    assert.deepEqual(conclusionsOf(pull.headSha, 'azure / Linux').sort(), ['failure', 'success']);
    assert.deepEqual(conclusionsOf(pull.headSha, 'azure / Windows'), ['success']);
  });

  test('{re-test failed} runs the failed jobs again, and only these', async () => {
    const pull = await open(world);
    const { id } = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    const build = (await buildOf(azure, { id })).start();
    build.job('Windows').finish('succeeded');
    ends(build, 'failed');
    assert.equal((await world.run(pull.headSha)).verdict, 'failed');
    const before = azure.builds.length;
    await world.github.comment(REPO, pull.number, '{re-test failed}', { by: 'maintainer' });
    await until(() => build.build.status === 'inProgress');
    await runThat(world, pull.headSha, ({ state }) => state === 'building');
    ends(build, 'succeeded');
    const run = await runThat(world, pull.headSha, hasEnded);
    assert.equal(run.verdict, 'passed');
    assert.deepEqual(Object.fromEntries(jobsOf(run).map(({ name, attempt }) => [name, attempt])), {
      'azure / Linux': 2,
      'azure / Windows': 1,
    });
    assert.equal(azure.builds.length, before, 'no build was queued');
    await until(() => conclusionsOf(pull.headSha, 'rcb').includes('success'));
  });

  test('Re-run on the check of a job that failed runs it again; of one that passed tests everything, and says why', async () => {
    const pull = await open(world);
    const { id } = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    const build = (await buildOf(azure, { id })).start();
    build.job('Windows').finish('succeeded');
    ends(build, 'failed');
    const linux = await world.check(pull.headSha, 'azure / Linux');
    const windows = await world.check(pull.headSha, 'azure / Windows');
    await runThat(world, pull.headSha, hasEnded);
    const before = azure.builds.length;
    await world.github.rerequestCheckRun(linux.id, { by: 'maintainer' });
    await until(() => build.build.status === 'inProgress');
    ends(build, 'succeeded');
    await until(() => conclusionsOf(pull.headSha, 'rcb').includes('success'));
    const run = await runThat(world, pull.headSha, hasEnded);
    assert.deepEqual([run.id, run.verdict, azure.builds.length], [id, 'passed', before]);

    await world.github.rerequestCheckRun(windows.id, { by: 'maintainer' });
    await until(async () => (await world.runs(`?sha=${pull.headSha}`)).length === 2);
    const whole = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    assert.match(await world.text(`/runs/${whole.id}`), /its back-end cannot run it alone, so everything is tested/);
    ends((await buildOf(azure, whole)).start(), 'succeeded');
    assert.equal((await runThat(world, pull.headSha, hasEnded)).verdict, 'passed');
  });

  test('a fork is not sent to a pipeline that may reach secrets', async () => {
    const headRepo = await world.github.fork(REPO, 'stranger');
    const pull = await open(world, { headRepo, author: 'stranger' });
    await runThat(world, pull.headSha, ({ state }) => state === 'waiting');
    await world.github.comment(REPO, pull.number, '{re-test}', { by: 'maintainer' });
    const run = await runThat(world, pull.headSha, hasEnded);
    assert.equal(run.verdict, 'error');
    assert.match(run.why ?? '', /secrets: none/);
    assert.ok(!azure.builds.some(({ templateParameters }) => templateParameters['rcbRun'] === run.id));
  });

  const conclusionsOf = (sha: string, name: string) =>
    world.github.checkRuns(REPO, sha).flatMap((check) => (check.name === name ? [check.conclusion] : []));
});

describe('service hooks of Azure', { timeout: 120_000 }, () => {
  let world: World;
  let azure: StandInAzure;
  let stop = async () => {};
  before(async () => {
    // Nothing is found by polling while these stories last.
    ({ world, azure, stop } = await startAzureWorld({ poll: 3_600 }));
    const url = `${world.rcb.publicUrl}/hooks/azure`;
    const hook = { url, password: PASSWORD };
    azure.hooks.subscribe({ ...hook, eventType: 'build.complete', resourceVersion: '1.0' });
    azure.hooks.subscribe({ ...hook, eventType: 'build.complete', resourceVersion: '2.0' });
    const eventType = 'ms.vss-pipelines.run-state-changed-event';
    azure.hooks.subscribe({ ...hook, eventType, resourceVersion: '5.1-preview.1' });
  });
  after(() => stop());

  test('doubled and in any order, they end the run at once', async () => {
    const pull = await open(world);
    const { id } = await runThat(world, pull.headSha, ({ builds }) => builds.length > 0);
    const build = await buildOf(azure, { id });
    ends(build.start(), 'succeeded');
    const told = azure.hooks.waiting.splice(0).reverse();
    const answers = await azure.hooks.deliver([...told, ...told]);
    assert.deepEqual(new Set(answers), new Set([202]));
    assert.equal((await runThat(world, pull.headSha, hasEnded)).verdict, 'passed');
    const { facts } = await world.json<{ facts: { kind: string }[] }>(
      `/api/ledger?subject=${encodeURIComponent(`build:azure:rcb-org/${build.id}`)}`,
    );
    assert.equal(facts.length, told.length);
  });

  test('one that overtakes the row of its build is put back until the row is there', async () => {
    const before = azure.builds.length;
    // The answer to the order takes its time; the hook does not.
    azure.onQueued = (build) => {
      ends(build.start(), 'succeeded');
      void azure.hooks.deliver();
    };
    const pull = await open(world);
    assert.equal((await runThat(world, pull.headSha, hasEnded)).verdict, 'passed');
    azure.onQueued = () => {};
    assert.equal(azure.builds.length, before + 1);
  });

  test('whatever is authenticated is answered 202, and a wrong password 401', async () => {
    const post = (body: string, password = PASSWORD) =>
      fetch(`${world.rcb.publicUrl}/hooks/azure`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`azure:${password}`).toString('base64')}` },
        body,
      }).then(({ status }) => status);
    assert.equal(await post('{ nonsense'), 202);
    assert.equal(await post(JSON.stringify({ id: 'e1', eventType: 'workitem.created', resource: {} })), 202);
    assert.equal(await post(JSON.stringify({ id: 'e2', eventType: 'build.complete', resource: { id: 999 } })), 202);
    assert.equal(await post('x'.repeat(3_000_000)), 202);
    assert.equal(await post('{}', 'guessed'), 401);
    const { facts } = await world.json<{ facts: { state: string }[] }>('/api/ledger?subject=hook:azure');
    assert.deepEqual(facts.map(({ state }) => state).sort(), ['done', 'parked', 'parked']);
  });
});

describe('mode: observe', { timeout: 120_000 }, () => {
  test('what Azure’s own integration builds is on the page; nothing is queued, and no check is written', async () => {
    const { world, azure, stop } = await startAzureWorld({ azure: ', mode: observe' });
    try {
      const pull = await open(world);
      const triggerInfo = { 'pr.number': String(pull.number), 'pr.sourceSha': pull.headSha };
      const sourceBranch = `refs/pull/${pull.number}/merge`;
      const build = azure.queue({ reason: 'pullRequest', sourceBranch, triggerInfo }).start();
      build.job('Linux').start().print('built by others');
      const seen = await runThat(world, pull.headSha, hasJobs);
      assert.equal(seen.state, 'building');
      ends(build, 'failed');
      const run = await runThat(world, pull.headSha, hasEnded);
      assert.deepEqual(verdicts(run), { 'azure / Linux': 'failed' });
      await world.github.settled();
      assert.deepEqual(world.github.checkRuns(REPO, pull.headSha), []);
      assert.deepEqual(
        azure.requests.filter(({ method }) => method !== 'GET').map(({ method, url }) => `${method} ${url}`),
        [],
      );
    } finally {
      await stop();
    }
  });
});
