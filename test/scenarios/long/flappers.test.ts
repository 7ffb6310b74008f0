import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { BuildDriver, JobDriver } from '../../standins/azure/driver.ts';
import { StandInAzure } from '../../standins/azure/index.ts';
import { type ProvedFiles, proveLog } from '../../support/prove-log.ts';
import { until } from '../../support/until.ts';
import { REPO, type RunJson, startWorld, type World } from '../../support/world.ts';

/** Test files that fail now and then: known ones run once more, and everybody can see that they did. */

const FLAPPER = 't/spec/S17-procasync/kill.t';
const ISSUE = 'https://github.com/acme/tool/issues/4212';
const LIST = [`- name: ${FLAPPER}`, `  issue: ${ISSUE}`, '- name: t/never.t', '  rerun: off', ''].join('\n');

/** Deadlines for a machine with much else to do. */
const LONG_MS = 150_000;
const ended = (world: World, sha: string) => world.run(sha, 'finished', LONG_MS);
const jobsOf = (run: RunJson) => run.builds.flatMap(({ jobs }) => jobs);
const attemptsOf = (run: RunJson) => Object.fromEntries(jobsOf(run).map(({ name, attempt }) => [name, attempt]));

/** On this machine. What a build does is in the commit that it tests: one file for each of its attempts. */
describe('flappers on a backend that starts builds anew', { timeout: 1_200_000 }, () => {
  let world: World;
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rcb-flappers-'));
    await writeFile(join(dir, 'play'), PLAY);
    world = await startWorld({
      yaml: [
        'limits: { writeSpacing: 0 }',
        `backends: [{ name: local, kind: local, slots: 2, timeout: 120, silence: 120, sandbox: plain, command: "sh ${dir}/play ${dir}" }]`,
        'policy:',
        '- { branches: [release-*], flappers: off }',
        '- { branches: [strict], flapped: refuse }',
      ].join('\n'),
      files: { '.rcb/flappers.yml': LIST },
    });
    world.github.setPermission(REPO, 'maintainer', 'write');
  });
  after(async () => {
    await world.stop();
    await rm(dir, { recursive: true, force: true });
  });

  let opened = 0;
  const open = (attempts: Attempt[], more: Partial<Parameters<World['github']['openPullRequest']>[0]> = {}) => {
    opened += 1;
    const head = `flap-${opened}`;
    const played = Object.fromEntries(attempts.map((each, index) => [`attempt-${index + 1}`, playedBy(each)]));
    return world.github.openPullRequest({ repo: REPO, head, ...more, files: { ...played, ...more.files } });
  };
  const conclusionsOf = (sha: string, name: string) =>
    world.github.checkRuns(REPO, sha).flatMap((check) => (check.name === name ? [check.conclusion] : []));
  const jobCheck = (run: RunJson) => world.check(run.change.sha, jobsOf(run)[0]!.name);

  test('a job in which only a known flapper failed runs once more, and its first failure stays to be read', async () => {
    const pull = await open([fails({ failed: { [FLAPPER]: [2, 3] } }), passes()]);
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, run.why], ['passed', `Passed on the second attempt; flapper: ${FLAPPER}`]);
    assert.equal(jobsOf(run)[0]!.attempt, 2);
    for (const check of [await world.check(pull.headSha, 'rcb'), await jobCheck(run)]) {
      assert.equal(check.conclusion, 'success');
      assert.match(check.output.title!, /^Passed on the second attempt; flapper: t\/spec\/S17-procasync\/kill\.t$/);
      assert.match(
        check.output.summary!,
        /attempt 1 failed where known flappers are\. Nothing else failed, so it was run/,
      );
      assert.match(check.output.summary!, /failed 2-3; exit status 1.*issues\/4212/);
    }
    await world.quiet();
    assert.deepEqual(conclusionsOf(pull.headSha, 'rcb'), ['success'], 'no check was ever red');
    assert.deepEqual(conclusionsOf(pull.headSha, jobsOf(run)[0]!.name), ['success']);
    const page = await world.text(`/runs/${run.id}`);
    assert.match(page, /Passed on the second attempt/);
    const { prisma } = world.database.database;
    const attempts = await prisma.attempt.findMany({ where: { job: { build: { runId: run.id } } } });
    assert.deepEqual(attempts.map(({ number, verdict }) => [number, verdict]).sort(), [
      [1, 'failed'],
      [2, 'passed'],
    ]);
    const jobId = (await prisma.job.findFirstOrThrow({ where: { build: { runId: run.id } } })).id;
    assert.match(await world.text(`/runs/${run.id}/jobs/${jobId}/log.txt?attempt=1`), /Result: FAIL/);
    assert.match(await world.text(`/runs/${run.id}/jobs/${jobId}/log.txt`), /Result: PASS/);
  });

  test('a flapper that fails at both attempts is a failure, and there is no third', async () => {
    const pull = await open([fails({ failed: { [FLAPPER]: [2] } }), fails({ failed: { [FLAPPER]: [5] } }), passes()]);
    const run = await ended(world, pull.headSha);
    assert.equal(run.verdict, 'failed');
    assert.equal(jobsOf(run)[0]!.attempt, 2);
    assert.match(run.why!, /this run has had its re-run: the second failure is final/);
    const check = await jobCheck(run);
    assert.deepEqual([check.conclusion, check.output.title], ['failure', 'Failed on both attempts']);
    assert.match(check.output.summary!, /attempt 1 .*[\s\S]*attempt 2 /);
  });

  test('another test that failed beside a flapper makes it a failure at once', async () => {
    const pull = await open([fails({ failed: { [FLAPPER]: [2], 't/real.t': [1] } }), passes()]);
    const run = await ended(world, pull.headSha);
    assert.equal(run.verdict, 'failed');
    assert.equal(jobsOf(run)[0]!.attempt, 1);
    assert.match(run.why!, /known flappers are not run again: not only known flappers failed/);
    assert.match(
      (await jobCheck(run)).output.summary!,
      /t\/real\.t \\\(failed 1; exit status 1\\\): not a known flapper/,
    );
  });

  test('on a release branch a failure is a failure', async () => {
    await world.github.commit(REPO, 'release-2026.11', { files: { cut: '1' } });
    const pull = await open([fails({ failed: { [FLAPPER]: [2] } }), passes()], { base: 'release-2026.11' });
    const run = await ended(world, pull.headSha);
    assert.equal(run.verdict, 'failed');
    assert.equal(jobsOf(run)[0]!.attempt, 1);
    assert.match(run.why!, /re-runs of flappers are off for this branch \(policy\.flappers\)/);
    assert.match(
      (await jobCheck(run)).output.summary!,
      /known flapper \(\[issue\]\(https:\/\/github\.com\/acme\/tool\/issues\/4212\)\)/,
    );
  });

  test('a TODO that passed in a flapper is no failure: a green log is left alone', async () => {
    const pull = await open([{ log: proveLog({ todoPassed: [FLAPPER] }), status: 0 }]);
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, run.why ?? null, jobsOf(run)[0]!.attempt], ['passed', null, 1]);
  });

  test('and it is no reason to excuse what else made the job fail', async () => {
    const pull = await open([
      { log: [...proveLog({ todoPassed: [FLAPPER] }), 'cp: no space left'], status: 1 },
      passes(),
    ]);
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, jobsOf(run)[0]!.attempt], ['failed', 1]);
  });

  test('a log that ends within its summary is not excused', async () => {
    const whole = fails({ failed: { [FLAPPER]: [2] } });
    const pull = await open([{ ...whole, log: whole.log.slice(0, -3) }, passes()]);
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, jobsOf(run)[0]!.attempt], ['failed', 1]);
  });

  test('a job that was killed is not excused by the tests that it had run', async () => {
    const pull = await open([{ ...fails({ failed: { [FLAPPER]: [2] } }), status: 139 }, passes()]);
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, jobsOf(run)[0]!.attempt], ['failed', 1]);
    assert.match(
      (await jobCheck(run)).output.summary!,
      /the job did not end by itself: exit status 139 \\\(SIGSEGV\\\)/,
    );
  });

  test('a flapper that its list does not want to run again is not', async () => {
    const pull = await open([fails({ failed: { 't/never.t': [2] } }), passes()]);
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, jobsOf(run)[0]!.attempt], ['failed', 1]);
    assert.match(run.why!, /re-runs are off for t\/never\.t/);
  });

  test('nobody’s own pull request can list his failure as a flapper', async () => {
    const files = { '.rcb/flappers.yml': `${LIST}- name: t/mine.t\n` };
    const pull = await open([fails({ failed: { 't/mine.t': [2] } }), passes()], { files });
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, jobsOf(run)[0]!.attempt], ['failed', 1]);
  });

  test('a list with mistakes excuses nothing, and the check says what is wrong with it', async () => {
    await world.github.commit(REPO, 'broken-list', { files: { '.rcb/flappers.yml': `- nam: ${FLAPPER}\n` } });
    const pull = await open([fails({ failed: { [FLAPPER]: [2] } }), passes()], { base: 'broken-list' });
    const run = await ended(world, pull.headSha);
    assert.deepEqual([run.verdict, jobsOf(run)[0]!.attempt], ['failed', 1]);
    const { summary } = (await world.check(pull.headSha, 'rcb')).output;
    assert.match(summary!, /A list of known flappers has mistakes\. Until they are mended nothing is a flapper/);
    assert.match(summary!, /nam: found an unknown key, expected name, .*Did you mean "name"/);
  });

  test('a commit of a watched branch is judged by its own list', async () => {
    const files = { 'attempt-1': playedBy(fails({ failed: { 't/new.t': [1] } })), 'attempt-2': playedBy(passes()) };
    const list = { '.rcb/flappers.yml': `${LIST}- name: t/new.t\n` };
    const sha = await world.github.commit(REPO, 'main', { files: { ...files, ...list } });
    const run = await ended(world, sha);
    assert.deepEqual([run.verdict, attemptsOf(run)], ['passed', { [jobsOf(run)[0]!.name]: 2 }]);
  });

  test('what passed at the second attempt is merged, where policy.flapped does not refuse it', async () => {
    await world.github.commit(REPO, 'strict', { files: { strict: '1' } });
    await world.github.commit(REPO, 'lax', { files: { lax: '1' } });
    const flaps = [fails({ failed: { [FLAPPER]: [2] } }), passes()];
    const [strict, lax] = [await open(flaps, { base: 'strict' }), await open(flaps, { base: 'lax' })];
    for (const pull of [strict, lax]) {
      await ended(world, pull.headSha);
      const heads = [{ sha: pull.headSha, seenAt: '2026-01-01T00:00:00Z' }];
      await world.quiet();
      await world.database.database.prisma.pullRequest.updateMany({
        where: { headSha: pull.headSha },
        data: { heads },
      });
      await world.github.comment(REPO, pull.number, '{merge on success}', { by: 'maintainer' });
    }
    const isMerged = (number: number) => world.github.pull(REPO, number).merged;
    await until(async () => isMerged(lax.number), LONG_MS);
    await until(async () =>
      world.github
        .comments(REPO, strict.number)
        .some(({ body }) => /at the second attempt only.*policy\.flapped/.test(body)),
    );
    assert.equal(isMerged(strict.number), false);
  });
});

interface Attempt {
  log: string[];
  status: number;
}

const fails = (files: ProvedFiles): Attempt => ({ log: proveLog(files), status: 1 });
const passes = (files: ProvedFiles = { passed: ['t/ok.t', FLAPPER] }): Attempt => ({ log: proveLog(files), status: 0 });
const playedBy = ({ log, status }: Attempt): string => `cat <<'END'\n${log.join('\n')}\nEND\nexit ${status}\n`;

/** The first attempt at a commit that nobody has taken. */
const PLAY = `
n=1
until mkdir "$1/$RCB_SHA-$n" 2>/dev/null; do n=$((n + 1)); done
[ -f "attempt-$n" ] || exit 0
exec sh "attempt-$n"
`;

/** On Azure, which runs single jobs again within a build. */
describe('flappers on a backend that runs single jobs again', { timeout: 1_200_000 }, () => {
  let world: World;
  let azure: StandInAzure;

  before(async () => {
    azure = await StandInAzure.start();
    const own = `name: azure, kind: azure, url: "${azure.url}", project: raku, pipeline: 7, credentialHosts: ["localhost:*"]`;
    world = await startWorld({
      yaml: [
        'limits: { writeSpacing: 0 }',
        'poll: { azure: 1 }',
        `backends: [{ ${own} }]`,
        `flappers: { known: [{ name: ${FLAPPER}, platforms: [Linux*, Windows] }] }`,
      ].join('\n'),
      env: { AZURE_DEVOPS_TOKEN: 'a-pat-that-is-good', AZURE_HOOK_PASSWORD: 'the-password-of-the-hooks' },
    });
  });
  after(async () => {
    await world.stop();
    await azure.close();
  });

  let opened = 0;
  const start = async (): Promise<{ sha: string; build: BuildDriver }> => {
    opened += 1;
    const head = `azure-${opened}`;
    const { headSha: sha } = await world.github.openPullRequest({ repo: REPO, head, files: { [head]: '1' } });
    let run: RunJson | undefined;
    await until(async () => {
      run = (await world.runs(`?sha=${sha}`))[0];
      return azure.builds.some(({ templateParameters }) => templateParameters['rcbRun'] === run?.id);
    }, LONG_MS);
    const found = azure.builds.find(({ templateParameters }) => templateParameters['rcbRun'] === run!.id)!;
    return { sha, build: azure.driver(found.id).start() };
  };
  const isRunAgain = (build: BuildDriver) => until(() => build.build.earlier.size === 1, LONG_MS);
  const checksOf = (sha: string, name: string) =>
    world.github.checkRuns(REPO, sha).filter((check) => check.name === name);

  /** One step, with the agent's mark before what it prints. */
  function step(job: JobDriver, name: string, log: string[], result = 'succeeded'): JobDriver {
    return job
      .step(name)
      .print(`##[section]Starting: ${name}`, ...log, `##[section]Finishing: ${name}`)
      .endStep(result);
  }
  const failsIn = (job: JobDriver, files: ProvedFiles) =>
    step(step(job, 'Build', ['cc -c gc.c']), 'Test', proveLog(files), 'failed').finish(
      'failed',
      'Bash exited with code 1.',
    );
  const passesIn = (job: JobDriver) => step(job, 'Test', proveLog({ passed: [FLAPPER] })).finish('succeeded');
  const flaps = { failed: { [FLAPPER]: [2] } };

  test('of two jobs the one that flapped runs again; its check is held and never red', async () => {
    const { sha, build } = await start();
    build.job('Windows').start();
    failsIn(build.job('Linux'), flaps);
    const name = 'azure / Linux';
    await until(() => checksOf(sha, name).some(({ output }) => /^Only known flappers failed/.test(output.title ?? '')));
    assert.deepEqual(
      checksOf(sha, name).map(({ status }) => status),
      ['in_progress'],
    );
    passesIn(build.job('Windows'));
    build.finish('failed');
    await isRunAgain(build);
    passesIn(build.job('Linux'));
    build.finish('succeeded');
    const run = await ended(world, sha);
    assert.deepEqual([run.verdict, run.why], ['passed', `Passed on the second attempt; flapper: ${FLAPPER}`]);
    assert.deepEqual(attemptsOf(run), { 'azure / Linux': 2, 'azure / Windows': 1 });
    assert.match((await world.check(sha, name)).output.title!, /^Passed on the second attempt/);
    assert.equal((await world.check(sha, 'azure / Windows')).output.title, 'Passed');
    assert.equal((await world.check(sha, 'rcb')).conclusion, 'success');
    assert.deepEqual(
      checksOf(sha, name).map(({ conclusion }) => conclusion),
      ['success'],
    );
    assert.deepEqual(
      checksOf(sha, 'rcb').map(({ conclusion }) => conclusion),
      ['success'],
    );
  });

  test('beside a job that really failed a re-run is of no use, and the run says so', async () => {
    const { sha, build } = await start();
    failsIn(build.job('Linux'), flaps);
    failsIn(build.job('Windows'), { failed: { 't/real.t': [1] } });
    build.finish('failed');
    const run = await ended(world, sha);
    assert.equal(run.verdict, 'failed');
    assert.match(run.why!, /known flappers are not run again: more than known flappers failed: azure \/ Windows/);
    const check = await world.check(sha, 'azure / Linux');
    assert.equal(check.conclusion, 'failure');
    assert.match(check.output.summary!, /It was not run again: more than known flappers failed: azure \/ Windows/);
    assert.equal(build.build.earlier.size, 0);
  });

  test('both jobs flapped: both run again, and one fails for good', async () => {
    const { sha, build } = await start();
    failsIn(build.job('Linux'), flaps);
    failsIn(build.job('Windows'), flaps);
    build.finish('failed');
    await isRunAgain(build);
    passesIn(build.job('Linux'));
    failsIn(build.job('Windows'), flaps);
    build.finish('failed');
    const run = await ended(world, sha);
    assert.equal(run.verdict, 'failed');
    assert.match((await world.check(sha, 'azure / Linux')).output.title!, /^Passed on the second attempt/);
    assert.equal((await world.check(sha, 'azure / Windows')).output.title, 'Failed on both attempts');
    assert.equal(build.build.earlier.size, 1);
  });

  test('a flapper in one step does not excuse another step that failed', async () => {
    const { sha, build } = await start();
    const job = step(build.job('Linux'), 'Test', proveLog(flaps));
    step(job, 'Package', ['tar: out of room'], 'failed').finish('failed', 'Bash exited with code 2.');
    build.finish('failed');
    const run = await ended(world, sha);
    assert.deepEqual([run.verdict, attemptsOf(run)], ['failed', { 'azure / Linux': 1 }]);
    assert.match(
      (await world.check(sha, 'azure / Linux')).output.summary!,
      /step Package failed, and it tells no tests/,
    );
  });

  test('a flapper of other platforms is none here', async () => {
    const { sha, build } = await start();
    failsIn(build.job('macOS'), flaps);
    build.finish('failed');
    const run = await ended(world, sha);
    assert.equal(run.verdict, 'failed');
    assert.match(
      (await world.check(sha, 'azure / macOS')).output.summary!,
      /a known flapper on Linux\\\*, Windows, not on macOS/,
    );
  });

  test('a JUnit file tells what the console does not', async () => {
    const { sha, build } = await start();
    const failure = '<testcase name="2 - it dies"><failure message="not ok 2 - it dies"/></testcase>';
    const suite = (body: string, failures: number) =>
      `<testsuites><testsuite name="${FLAPPER}" tests="2" failures="${failures}" errors="0"><testcase name="1 - it lives"/>${body}</testsuite></testsuites>`;
    const results = (attempt: number, body: string, failures: number) =>
      build.job('Linux').publish(`results-Linux-${attempt}`, [{ name: 'kill.xml', contents: suite(body, failures) }]);
    step(build.job('Linux').start(), 'Test Rakudo', ['prove --formatter TAP::Formatter::JUnit'], 'failed');
    results(1, failure, 1).finish('failed', 'Bash exited with code 1.');
    build.finish('failed');
    await isRunAgain(build);
    step(build.job('Linux').start(), 'Test Rakudo', ['prove --formatter TAP::Formatter::JUnit']);
    results(2, '<testcase name="2 - it dies"/>', 0).finish('succeeded');
    build.finish('succeeded');
    const run = await ended(world, sha);
    assert.deepEqual([run.verdict, run.why], ['passed', `Passed on the second attempt; flapper: ${FLAPPER}`]);
  });
});
