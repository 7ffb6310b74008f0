import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { BackendError, type BuildObservation, type JobObservation } from '../../../src/backends/backend.ts';
import type { ObsFetch } from '../../../src/backends/obs/http.ts';
import type { ObsBackend } from '../../../src/backends/obs/obs.ts';
import { digestOf, jobsAtEnd, jobsOf, logOf, never, observeEnd, observeUntil, until } from '../../contracts/backend.ts';
import type { ObsStandInOptions } from '../../standins/obs/index.ts';
import { ObsBench, PROJECT, packageOf, type Scripts, templateOf } from './bench.ts';

const story = (title: string, tell: (bench: ObsBench) => Promise<void>, options: Partial<ObsStandInOptions> = {}) =>
  test(title, { timeout: 40_000 }, async () => {
    const bench = await ObsBench.make(options);
    try {
      await tell(bench);
    } finally {
      await bench.close();
    }
  });

const start = async (bench: ObsBench, backend: ObsBackend, scripts: Scripts) =>
  (await backend.ensureStarted(bench.orderOf(scripts), never)).externalId;

const told = (jobs: JobObservation[]) => Object.fromEntries(jobs.map(({ name, verdict }) => [name, verdict]));

async function endOf(bench: ObsBench, scripts: Scripts, more: Parameters<ObsBench['open']>[0] = {}) {
  const backend = bench.open(more);
  const externalId = await start(bench, backend, scripts);
  return { backend, externalId, jobs: await jobsAtEnd(backend, externalId) };
}

const three = templateOf([
  packageOf('moarvm'),
  packageOf('nqp-moarvm', { needs: ['moarvm'] }),
  packageOf('rakudo-moarvm', { needs: ['nqp-moarvm'] }),
]);

const chain: Scripts = {
  moarvm: { ends: 'passes' },
  'nqp-moarvm': { ends: 'passes', needs: ['moarvm'] },
  'rakudo-moarvm': { ends: 'passes', needs: ['nqp-moarvm'] },
};

/** An open job's words are no news: they are looked at again and again. */
async function saysOfJob(backend: ObsBackend, externalId: string, words: string): Promise<BuildObservation> {
  let seen = await backend.observe(externalId, { waitMs: 0 }, never);
  await until(`a job says ${words}`, async () => {
    seen = await backend.observe(externalId, { seen: digestOf(seen), waitMs: 20 }, never);
    return jobsOf(seen).some(({ why }) => why === words);
  });
  return seen;
}

describe('is this result ours?', { concurrency: 3 }, () => {
  story('packages build on one another: unresolvable until then is no verdict', async (bench) => {
    const { jobs } = await endOf(bench, chain, { template: three, settleMs: 1 });
    assert.deepEqual(told(jobs), {
      'moarvm x86_64-standard': 'passed',
      'nqp-moarvm x86_64-standard': 'passed',
      'rakudo-moarvm x86_64-standard': 'passed',
    });
  });

  story('what needs a package that failed is unresolvable in the end, and says so', async (bench) => {
    const { jobs } = await endOf(bench, { ...chain, 'nqp-moarvm': { ends: 'fails' } }, { template: three });
    assert.deepEqual(told(jobs), {
      'moarvm x86_64-standard': 'passed',
      'nqp-moarvm x86_64-standard': 'failed',
      'rakudo-moarvm x86_64-standard': 'error',
    });
    assert.equal(jobs.at(-1)?.why, 'unresolvable: nothing provides nqp-moarvm');
  });

  story('the project has no repository before all its sources are committed', async (bench) => {
    await start(bench, bench.open({ template: three }), chain);
    const writes = bench.obs.requests
      .filter(({ method }) => method !== 'GET')
      .map(({ method, path }) => `${method} ${path}`);
    const metas = writes.filter((write) => write.endsWith('/_meta'));
    assert.equal(metas[0], writes[0]);
    assert.match(writes[0]!, /^PUT \/source\/home:rcb:RCB:run-order-\d+\/_meta$/);
    assert.equal(writes.at(-1), writes[0], 'the repositories, last');
    assert.equal(metas.length, 5);
    assert.equal(
      writes.filter((write) => write.startsWith('POST')).length,
      6,
      'each package: what lacks, and the commit',
    );
  });

  for (const stale of [
    { code: 'succeeded', steps: 15 },
    { code: 'broken', details: 'no source uploaded', steps: 15 },
  ]) {
    story(`an old verdict without dirty is not taken for ours: ${stale.code}`, async (bench) => {
      const { jobs } = await endOf(bench, { ends: 'fails', stale }, { settleMs: 5_000 });
      assert.equal(jobs[0]?.verdict, 'failed');
    });
  }

  for (const [code, details] of [
    ['unresolvable', 'nothing provides foo, nothing provides bar'],
    ['broken', 'conflict in file x.spec'],
    ['excluded', undefined],
    ['disabled', undefined],
    ['locked', undefined],
  ] as const) {
    story(`a verdict without a job settles, and is no pass: ${code}`, async (bench) => {
      const { backend, externalId, jobs } = await endOf(bench, { ends: code, details });
      assert.equal(jobs[0]?.verdict, 'error');
      assert.match(jobs[0].why!, details ? new RegExp(`${details}$`) : new RegExp(`"${code}"`));
      assert.equal(await logOf(backend, externalId, jobs[0]), '', 'there is no log');
    });
  }

  story('a verdict without a job is not told before it was seen twice with the settle time between', async (bench) => {
    const backend = bench.open({ settleMs: 1_000_000 });
    const externalId = await start(bench, backend, { ends: 'unresolvable', details: 'nothing provides foo' });
    await until('it was asked for', () => bench.obs.job(externalId, 'main')?.code === 'unresolvable');
    const seen = await backend.observe(externalId, { seen: 'x', waitMs: 50 }, never);
    assert.equal(jobsOf(seen)[0]?.state, 'queued');
    const quick = bench.open({ settleMs: 20 });
    assert.equal((await jobsAtEnd(quick, externalId))[0]?.verdict, 'error');
  });

  story('dirty is waited out', async (bench) => {
    const backend = bench.open({ settleMs: 5, pollMs: 20 });
    const externalId = await start(bench, backend, { ends: 'unresolvable' });
    const project = bench.obs.projects.get(externalId)!;
    await until('it is unresolvable', () => bench.obs.job(externalId, 'main')?.code === 'unresolvable');
    bench.obs.scheduler.heldDirty.add(project);
    const polls = bench.obs.count(/_result$/);
    let seen = await backend.observe(externalId, { waitMs: 0 }, never);
    await until('it was asked often', async () => {
      seen = await backend.observe(externalId, { seen: digestOf(seen), waitMs: 10 }, never);
      return bench.obs.count(/_result$/) > polls + 5;
    });
    assert.equal(jobsOf(seen)[0]?.state, 'queued');
    bench.obs.scheduler.heldDirty.delete(project);
    bench.obs.touch(externalId);
    assert.equal((await jobsAtEnd(backend, externalId))[0]?.verdict, 'error');
  });

  story('excluded where the recipe means it is no job at all', async (bench) => {
    const template = templateOf([packageOf('main'), packageOf('arm-only', { mayBeLeftOut: true })]);
    const { jobs } = await endOf(bench, { main: { ends: 'passes' }, 'arm-only': { ends: 'excluded' } }, { template });
    assert.deepEqual(told(jobs), { 'main x86_64-standard': 'passed' });
  });

  story('what may be left out is not shown while it only waits: nothing would tell its end', async (bench) => {
    const template = templateOf([packageOf('main'), packageOf('arm-only', { mayBeLeftOut: true })]);
    const backend = bench.open({ template });
    const late = { ends: 'excluded', stale: { code: 'scheduled', steps: 5 } };
    const externalId = await start(bench, backend, { main: { ends: 'passes' }, 'arm-only': late });
    const shown = new Set<string>();
    const seen = await observeUntil(backend, externalId, (observation) => {
      for (const { name } of jobsOf(observation)) shown.add(name);
      return observation.state === 'finished';
    });
    assert.equal(seen.state, 'finished');
    assert.deepEqual([...shown], ['main x86_64-standard']);
  });

  story('what may be left out may not be broken', async (bench) => {
    const template = templateOf([packageOf('main', { mayBeLeftOut: true })]);
    const { jobs } = await endOf(bench, { ends: 'unresolvable', details: 'nothing provides foo' }, { template });
    assert.deepEqual(told(jobs), { 'main x86_64-standard': 'error' });
  });

  story('in a project that never comes to rest it settles, too, but late', async (bench) => {
    bench.obs.addProject(PROJECT, '<repository name="standard"><arch>x86_64</arch></repository>');
    const backend = bench.open({ mode: 'standing', settleMs: 5 });
    const busy = await start(bench, backend, { ends: 'never' });
    await observeUntil(backend, busy, (seen) => seen.state === 'running');
    const externalId = await start(bench, backend, { ends: 'unresolvable', details: 'nothing provides foo' });
    const begun = performance.now();
    assert.equal((await jobsAtEnd(backend, externalId))[0]?.why, 'unresolvable: nothing provides foo');
    assert.ok(performance.now() - begun > 30 * 5);
  });

  story('sources that somebody else changed are no result of ours', async (bench) => {
    const backend = bench.open({ settleMs: 200 });
    const externalId = await start(bench, backend, { ends: 'unresolvable' });
    await until('it is looked at', () => bench.obs.job(externalId, 'main')?.code === 'unresolvable');
    bench.obs.projects.get(externalId)!.packages.get('main')!.srcmd5 = 'f'.repeat(32);
    const [job] = await jobsAtEnd(backend, externalId);
    assert.match(job?.why ?? '', /somebody changed them/);
  });

  story('a job of other sources is no verdict, though its code is succeeded', async (bench) => {
    const backend = bench.open({ deadlines: { buildMs: 400 } });
    const externalId = await start(bench, backend, { ends: 'never' });
    await until('it runs', () => bench.obs.job(externalId, 'main')?.code === 'building');
    const job = bench.obs.job(externalId, 'main')!;
    const times = { readyTime: 1, startTime: 1, endTime: 2 };
    job.history.push({ srcmd5: '1'.repeat(32), rev: 1, bcnt: 1, ...times, code: 'succeeded' });
    Object.assign(job, { code: 'succeeded', details: undefined, isOver: true });
    bench.obs.touch(externalId);
    const [seen] = await jobsAtEnd(backend, externalId);
    assert.deepEqual([seen?.verdict, seen?.timedOut], ['error', true]);
    assert.match(seen?.why ?? '', /OBS said "succeeded" last/);
  });

  story('a srcmd5 of digits only stays what it is', async (bench) => {
    const backend = bench.open();
    const externalId = await start(bench, backend, { ends: 'passes' });
    const digits = '00012345678901234567890123456789';
    const each = bench.obs.projects.get(externalId)!.packages.get('main')!;
    const meta = bench.obs.projects.get(externalId)!;
    meta.meta = meta.meta.replace(each.srcmd5!, digits);
    each.srcmd5 = digits;
    const [job] = await jobsAtEnd(bench.open(), externalId);
    assert.equal(job?.verdict, 'passed');
  });

  story('a repository that is broken lists no packages, and all its jobs say why', async (bench) => {
    const backend = bench.open({ template: templateOf([packageOf('main')], ['x86_64', 'aarch64']) });
    const order = bench.orderOf({ ends: 'passes' });
    const project = `${PROJECT}:RCB:run-${order.key}`;
    bench.obs.scheduler.brokenRepositories.set(`${project} standard/aarch64`, 'no build type (P)');
    const jobs = await jobsAtEnd(backend, (await backend.ensureStarted(order, never)).externalId);
    assert.deepEqual(told(jobs), { 'main x86_64-standard': 'passed', 'main aarch64-standard': 'error' });
    assert.equal(jobs[1]?.why, 'the repository is broken: no build type (P)');
  });

  story('one job and many, over repositories and architectures', async (bench) => {
    const template = templateOf([packageOf('one'), packageOf('two')], ['x86_64', 'i586'], ['tumbleweed', 'debian_12']);
    const { jobs } = await endOf(bench, { one: { ends: 'passes' }, two: { ends: 'fails' } }, { template });
    assert.equal(jobs.length, 8);
    assert.equal(told(jobs)['two i586-debian_12'], 'failed');
  });

  story('flavors of a multibuild are jobs of their own', async (bench) => {
    const backend = bench.open();
    const externalId = await start(bench, backend, { ends: 'never' });
    await until('it runs', () => bench.obs.job(externalId, 'main')?.code === 'building');
    const project = bench.obs.projects.get(externalId)!;
    const { srcmd5 } = project.packages.get('main')!;
    const times = { readyTime: 5, startTime: 5, endTime: 6 };
    const history = [{ srcmd5: srcmd5!, rev: 1, bcnt: 1, ...times, code: 'succeeded' }];
    const flavor = {
      ...bench.obs.job(externalId, 'main')!,
      package: 'main:fast',
      code: 'succeeded',
      details: undefined,
    };
    project.jobs.set('standard/x86_64/main:fast', { ...flavor, history, isOver: true });
    bench.obs.touch(externalId);
    const seen = await observeUntil(backend, externalId, (each) => jobsOf(each).length === 2);
    assert.deepEqual(told(jobsOf(seen)), { 'main x86_64-standard': undefined, 'main:fast x86_64-standard': 'passed' });
  });
});

describe('jobs that do not end as others', { concurrency: 3 }, () => {
  story('a word that RCB does not know runs on until the deadline, and is shown', async (bench) => {
    const backend = bench.open({ deadlines: { buildMs: 400 }, pollMs: 50 });
    const externalId = await start(bench, backend, { ends: 'transmogrifying' });
    const running = await saysOfJob(backend, externalId, 'transmogrifying');
    assert.equal(running.state, 'running');
    const [job] = await jobsAtEnd(backend, externalId);
    assert.deepEqual([job?.verdict, job?.timedOut], ['error', true]);
    assert.equal(job?.why, 'the build was not over after 0.4 s; OBS said "transmogrifying" last');
  });

  story('a worker that is lost leaves its job as building: the deadline ends it', async (bench) => {
    const options = { deadlines: { jobMs: 100 }, pollMs: 50 };
    const { backend, externalId, jobs } = await endOf(bench, { ends: 'lost' }, options);
    assert.deepEqual([jobs[0]?.verdict, jobs[0]?.timedOut], ['error', true]);
    assert.equal(await logOf(backend, externalId, jobs[0]!), '', 'nobody has it, and that keeps nothing from ending');
    assert.match(jobs[0]?.why ?? '', /^the job was not over after 0.1 s; OBS said "building" last$/);
  });

  story('what never had a job is told when all that still runs was given up', async (bench) => {
    const template = templateOf([
      packageOf('main'),
      packageOf('needy', { needs: ['main'] }),
      packageOf('extra', { mayBeLeftOut: true }),
    ]);
    const scripts = { main: { ends: 'lost' }, needy: { ends: 'passes', needs: ['main'] }, extra: { ends: 'excluded' } };
    const { jobs } = await endOf(bench, scripts, { template, deadlines: { jobMs: 100 }, pollMs: 50 });
    assert.deepEqual(told(jobs), { 'main x86_64-standard': 'error', 'needy x86_64-standard': 'error' });
  });

  story('finished is not final', async (bench) => {
    const backend = bench.open();
    const externalId = await start(bench, backend, { ends: 'never' });
    await until('it runs', () => bench.obs.job(externalId, 'main')?.code === 'building');
    Object.assign(bench.obs.job(externalId, 'main')!, { code: 'finished', details: 'succeeded' });
    bench.obs.touch(externalId);
    const seen = await saysOfJob(backend, externalId, 'finished: succeeded');
    assert.equal(seen.state, 'running');
  });

  story('unchanged is a pass', async (bench) => {
    assert.equal((await endOf(bench, { ends: 'unchanged' })).jobs[0]?.verdict, 'passed');
  });

  story('what somebody else aborted looks failed, and is none', async (bench) => {
    const backend = bench.open();
    const externalId = await start(bench, backend, { prints: ['so far'], ends: 'never' });
    await observeUntil(backend, externalId, (seen) => seen.state === 'running');
    await until('it runs', () => bench.obs.job(externalId, 'main')?.code === 'building');
    bench.obs.scheduler.abort(bench.obs.projects.get(externalId)!, bench.obs.job(externalId, 'main')!);
    const [job] = await jobsAtEnd(backend, externalId);
    assert.deepEqual([job?.verdict, job?.why], ['error', 'the job was stopped at OBS, by somebody else than RCB']);
  });

  story('what was over when it was cancelled stays what it was; another process sees the same', async (bench) => {
    const template = templateOf([packageOf('quick'), packageOf('slow')]);
    const backend = bench.open({ template });
    const other = bench.open({ template });
    const externalId = await start(bench, backend, { quick: { ends: 'fails' }, slow: { ends: 'never' } });
    await observeUntil(other, externalId, (seen) => jobsOf(seen).some(({ state }) => state === 'finished'));
    await observeUntil(backend, externalId, (seen) => jobsOf(seen).some(({ state }) => state === 'finished'));
    await backend.ensureCancelled(externalId, never);
    const expected = { 'quick x86_64-standard': 'failed', 'slow x86_64-standard': 'cancelled' };
    assert.deepEqual(told(await jobsAtEnd(backend, externalId)), expected);
    assert.deepEqual(told(await jobsAtEnd(other, externalId)), expected);
    assert.deepEqual(told(await jobsAtEnd(bench.open({ template }), externalId)), expected);
    await until('it does not run any more', () => bench.obs.job(externalId, 'slow')?.code !== 'building');
  });

  story('a project that somebody deleted is a lost build', async (bench) => {
    const backend = bench.open();
    const externalId = await start(bench, backend, { ends: 'never' });
    const running = await observeUntil(backend, externalId, (seen) => seen.state === 'running');
    const waiting = backend.observe(externalId, { seen: digestOf(running), waitMs: 20_000 }, never);
    bench.obs.deleteProject(externalId);
    const seen = await waiting;
    assert.equal(seen.state, 'lost');
  });
});

describe('logs and files', { concurrency: 3 }, () => {
  story("another job's log is not read as ours", async (bench) => {
    const head = "Building ok for project 'P' repository 'standard' arch 'x86_64' srcmd5 'abc123'";
    const { backend, externalId, jobs } = await endOf(bench, { head, prints: ['of another'], ends: 'passes' });
    assert.equal(await logOf(backend, externalId, jobs[0]!), '');
  });

  story('a log that is replaced while it is read is not read on', async (bench) => {
    const { backend, externalId, jobs } = await endOf(bench, { prints: ['first', 'second'], ends: 'passes' });
    const all = await logOf(backend, externalId, jobs[0]!);
    const job = bench.obs.job(externalId, 'main')!;
    job.log = Buffer.from(`other times\n${all}and more of it\n`);
    assert.equal(await logOf(backend, externalId, jobs[0]!, all.length), '');
  });

  story('a log is cut at the limit', async (bench) => {
    const { backend, externalId, jobs } = await endOf(
      bench,
      { prints: ['x'.repeat(500)], ends: 'passes' },
      { logLimitBytes: 200 },
    );
    assert.equal((await logOf(backend, externalId, jobs[0]!)).length, 200);
    assert.equal((await logOf(backend, externalId, jobs[0]!, 150)).length, 50);
    assert.equal((await logOf(backend, externalId, jobs[0]!, 300)).length, 0);
  });

  story("a failed job does not hand out the last success's files", async (bench) => {
    const { backend, externalId, jobs } = await endOf(bench, { leaves: { 'new.rpm': 'new' }, ends: 'fails' });
    bench.obs.job(externalId, 'main')!.binaries.set('old.rpm', { bytes: Buffer.from('old'), mtime: 1_000 });
    assert.deepEqual(await backend.listArtifacts(externalId, jobs[0]!, never), [{ name: 'new.rpm', size: 3 }]);
    await assert.rejects(backend.readArtifact(externalId, jobs[0]!, 'old.rpm', never), BackendError);
  });

  story('files are counted and weighed, and a name that leads out is none', async (bench) => {
    const leaves = { 'a.rpm': 'a', 'b.rpm': 'bb', 'c.rpm': 'c'.repeat(50), '../../etc/passwd': 'x' };
    const limits = { artifacts: { maxFiles: 3, maxBytes: 40 } };
    const { backend, externalId, jobs } = await endOf(bench, { leaves, ends: 'passes' }, limits);
    const listed = await backend.listArtifacts(externalId, jobs[0]!, never);
    assert.deepEqual(
      listed.map(({ name }) => name),
      ['a.rpm', 'b.rpm'],
    );
    assert.equal(await text(await backend.readArtifact(externalId, jobs[0]!, 'b.rpm', never)), 'bb');
  });
});

describe('re-tests, leftovers, hints', { concurrency: 3 }, () => {
  story('a re-test of what failed is matched by its count, not by its source', async (bench) => {
    const template = templateOf([packageOf('good'), packageOf('flaky')]);
    const scripts: Scripts = {
      good: { ends: 'passes' },
      flaky: [
        { ends: 'fails', prints: ['one'] },
        { ends: 'passes', prints: ['two'] },
      ],
    };
    const { backend, externalId, jobs } = await endOf(bench, scripts, { template });
    assert.equal(told(jobs)['flaky x86_64-standard'], 'failed');
    await backend.ensureRebuilt(externalId, 'again', 'failed', never);
    await backend.ensureRebuilt(externalId, 'again', 'failed', never);
    const after = await jobsAtEnd(backend, externalId);
    const flaky = after.find(({ name }) => name.startsWith('flaky'))!;
    assert.deepEqual([flaky.verdict, flaky.attempt], ['passed', 2]);
    assert.equal(after.find(({ name }) => name.startsWith('good'))?.attempt, 1);
    assert.match(await logOf(backend, externalId, flaky), /two/);
    await assert.rejects(logOf(backend, externalId, { ...flaky, attempt: 1 }), /attempt 1/);
    assert.equal(bench.obs.job(externalId, 'flaky')?.history.length, 2, 'asked once');
    const fresh = await jobsAtEnd(bench.open({ template }), externalId);
    assert.deepEqual(told(fresh), told(after));
    await backend.ensureRebuilt(externalId, 'all of it', 'all', never);
    assert.deepEqual(
      (await jobsAtEnd(backend, externalId)).map(({ attempt }) => attempt),
      [2, 3],
    );
  });

  story('leftovers are swept by name, mark, age and want', async (bench) => {
    const backend = bench.open();
    const wanted = await start(bench, backend, { ends: 'passes' });
    const left = await start(bench, backend, { ends: 'passes' });
    bench.obs.addProject(`${PROJECT}:RCB:run-by-hand`, '');
    bench.obs.addProject('home:rcb2:RCB:run-other', '');
    const options = { olderThanMs: 0, isWanted: async (id: string) => id === wanted };
    assert.deepEqual(await backend.sweep({ ...options, olderThanMs: 1_000_000 }, never), []);
    assert.deepEqual(await backend.sweep(options, never), [left]);
    assert.deepEqual([...bench.obs.projects.keys()], [wanted, `${PROJECT}:RCB:run-by-hand`, 'home:rcb2:RCB:run-other']);
    bench.obs.fail({ path: /search/, status: 404 });
    assert.deepEqual(await backend.sweep({ ...options, isWanted: async () => false }, never), [wanted]);
  });

  story('in a standing project only the packages of builds that nobody wants are swept', async (bench) => {
    bench.obs.addProject(PROJECT, '<repository name="standard"><arch>x86_64</arch></repository>');
    const backend = bench.open({ mode: 'standing', template: three });
    const wanted = await start(bench, backend, chain);
    const left = await start(bench, backend, chain);
    bench.obs.projects.get(PROJECT)!.packages.set('theirs', {
      name: 'theirs',
      meta: '<package name="theirs"/>',
      store: new Map(),
      files: new Map(),
      rev: 0,
    });
    assert.deepEqual(await backend.sweep({ olderThanMs: 0, isWanted: async (id) => id === wanted }, never), [left]);
    const packages = [...bench.obs.projects.get(PROJECT)!.packages.keys()];
    assert.equal(packages.length, 4);
    assert.ok(packages.includes('theirs'));
    assert.equal((await observeEnd(backend, wanted)).state, 'finished');
  });

  story('a project that somebody else made is neither used nor deleted', async (bench) => {
    const backend = bench.open();
    const order = bench.orderOf({ ends: 'passes' });
    const project = `${PROJECT}:RCB:run-${order.key}`;
    bench.obs.addProject(project, '');
    await assert.rejects(backend.ensureStarted(order, never), /RCB did not make it/);
    await backend.release(project);
    assert.ok(bench.obs.projects.has(project));
  });

  story(
    'a hint makes it look before its interval is over',
    async (bench) => {
      const backend = bench.open({ pollMs: 60_000, settleMs: 10 });
      const externalId = await start(bench, backend, { ends: 'never' });
      let seen = await observeUntil(backend, externalId, (each) => jobsOf(each).length === 1);
      await until('it runs', () => bench.obs.job(externalId, 'main')?.code === 'building');
      const building = async () => {
        seen = await backend.observe(externalId, { seen: digestOf(seen), waitMs: 20 }, never);
        backend.expectNews(externalId);
        return jobsOf(seen)[0]?.state === 'running';
      };
      await until('it is seen', building);
    },
    { longPoll: false },
  );

  story('a start that was killed at any step is gone on with', async (bench) => {
    const order = bench.orderOf(chain);
    for (let step = 1; ; step += 1) {
      const backend = bench.open({ template: three });
      const before = bench.obs.requests.length;
      const { http } = bench.options();
      const dies: ObsFetch = async (...given) => {
        if (bench.obs.requests.length - before >= step) throw new TypeError('killed');
        return await http.fetch(...given);
      };
      const dying = bench.open({ template: three, http: { ...http, fetch: dies } });
      const isDone = await dying.ensureStarted(order, never).then(
        () => true,
        () => false,
      );
      if (!isDone) continue;
      const { externalId } = await backend.ensureStarted(order, never);
      assert.equal(
        Object.values(told(await jobsAtEnd(backend, externalId))).filter((each) => each === 'passed').length,
        3,
      );
      const revisions = [...bench.obs.projects.get(externalId)!.packages.values()].map(({ rev }) => rev);
      assert.deepEqual(revisions, [1, 1, 1], 'each committed once');
      return;
    }
  });

  story('an order that the template builds nothing of is refused', async (bench) => {
    const order = bench.orderOf({ ends: 'passes' });
    const strange = { ...order, sources: [bench.source('raku/other', { ends: 'passes' })] };
    await assert.rejects(bench.open().ensureStarted(strange, never), (error: BackendError) => {
      assert.match(error.message, /its template builds nothing of raku\/other/);
      return error.kind === 'refused' && !error.retry;
    });
  });
});
