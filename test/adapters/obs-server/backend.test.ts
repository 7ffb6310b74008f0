import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { basicAuth } from '../../../src/backends/obs/auth.ts';
import {
  jobsAtEnd,
  logOf,
  never,
  observeUntil,
  openOrWhy,
  PROJECT,
  packageOf,
  RealBench,
  templateOf,
} from './bench.ts';
import { startObsServer, until } from './server.ts';

const { env } = process;
const [server, why] = await openOrWhy(() => startObsServer({ environment: env, workers: 2 }), env);

// One after another: what they measure each other's builds would delay.
describe('a back-end on a real Open Build Service', { skip: why }, () => {
  const bench = server && new RealBench(server);
  const story = (title: string, tell: (bench: RealBench) => Promise<void>) => test(title, () => tell(bench!));
  after(() => bench?.close());

  story('passes, fails, is unresolvable, is left out; logs and binaries are those of the server', async (at) => {
    const strange = { ...packageOf('other'), files: [{ name: 'other.spec', text: 'Name: other\nVersion: 1\n' }] };
    const backend = at.open(
      templateOf([
        packageOf('good'),
        packageOf('bad'),
        packageOf('needy', { head: 'BuildRequires: nonexistent' }),
        { ...strange, mayBeLeftOut: true },
      ]),
    );
    const order = await at.orderThat({ good: 'echo all is well', bad: 'echo alas; exit 1', needy: 'true' });
    const { externalId } = await backend.ensureStarted(order, never);
    assert.equal(externalId, `${PROJECT}:RCB:run-order-1`);
    const jobs = await jobsAtEnd(backend, externalId);
    assert.deepEqual(
      [...jobs].map(([name, { verdict }]) => [name, verdict]),
      [
        ['good', 'passed'],
        ['bad', 'failed'],
        ['needy', 'error'],
      ],
    );
    assert.equal(jobs.get('good')!.name, 'good x86_64-standard');
    assert.match(jobs.get('needy')!.why!, /^unresolvable: nothing provides nonexistent/);
    for (const [name, says] of [
      ['good', 'all is well'],
      ['bad', 'alas'],
    ] as const) {
      const log = await logOf(backend, externalId, jobs.get(name)!);
      assert.ok(log.equals(await at.logAtServer(externalId, name)), `${name}: the log is the server's`);
      assert.ok(log.includes(`] ${says}\n`), `${name} says ${says}`);
      assert.ok((await logOf(backend, externalId, jobs.get(name)!, 1_000)).equals(log.subarray(1_000)));
      assert.equal((await logOf(backend, externalId, jobs.get(name)!, log.length)).length, 0);
      assert.equal((await logOf(backend, externalId, jobs.get(name)!, log.length + 9)).length, 0);
    }
    const left = await backend.listArtifacts(externalId, jobs.get('good')!, never);
    const image = left.find(({ name }) => name.endsWith('.tar.gz'));
    assert.ok(image && image.size > 1_000_000, JSON.stringify(left));
    for (const { name, size } of left) {
      const bytes = await buffer(await backend.readArtifact(externalId, jobs.get('good')!, name, never));
      assert.equal(bytes.length, size);
      assert.ok(bytes.equals(await at.binaryAtServer(externalId, 'good', name)), `${name} is the server's`);
    }
    assert.deepEqual(await backend.listArtifacts(externalId, jobs.get('bad')!, never), []);
    await backend.release(externalId);
    assert.equal((await at.server.behind(`/source/${externalId}`)).status, 404);
    assert.equal((await backend.observe(externalId, { waitMs: 0 }, never)).state, 'lost');
  });

  story('what failed is built again, and its end is the new one; another process sees the same', async (at) => {
    const template = templateOf([packageOf('good'), packageOf('bad')]);
    const backend = at.open(template);
    const order = await at.orderThat({ good: 'true', bad: 'date +%N; exit 1' });
    const { externalId } = await backend.ensureStarted(order, never);
    const first = await jobsAtEnd(backend, externalId);
    const log = await logOf(backend, externalId, first.get('bad')!);
    await backend.ensureRebuilt(externalId, 'again', 'failed', never);
    await backend.ensureRebuilt(externalId, 'again', 'failed', never);
    const second = await jobsAtEnd(backend, externalId);
    assert.deepEqual([second.get('good')!.attempt, second.get('good')!.verdict], [1, 'passed']);
    assert.deepEqual([second.get('bad')!.attempt, second.get('bad')!.verdict], [2, 'failed']);
    assert.ok(second.get('bad')!.startedAt! >= first.get('bad')!.finishedAt!);
    const again = await logOf(backend, externalId, second.get('bad')!);
    assert.ok(again.equals(await at.logAtServer(externalId, 'bad')));
    assert.ok(!again.equals(log));
    const history = await (await at.server.behind(`/build/${externalId}/standard/x86_64/_jobhistory`)).text();
    assert.equal(history.match(/package="bad"/g)?.length, 2, 'built twice, not more often');
    assert.equal(history.match(/package="good"/g)?.length, 1);
    const other = await jobsAtEnd(at.open(template), externalId);
    assert.deepEqual([other.get('bad')!.attempt, other.get('bad')!.verdict], [2, 'failed']);
    await backend.release(externalId);
  });

  story('a cancelled build ends as cancelled, and nothing of it is built any more', async (at) => {
    const backend = at.open(templateOf(['one', 'two', 'three'].map((name) => packageOf(name))));
    const order = await at.orderThat({ one: 'echo begun; sleep 600', two: 'sleep 600', three: 'true' });
    const { externalId } = await backend.ensureStarted(order, never);
    let log: Buffer = Buffer.alloc(0);
    await observeUntil(backend, externalId, ({ jobs }) => jobs.some(({ state }) => state === 'running'));
    await until(
      'the log is read while it grows',
      async () => {
        const seen = await backend.observe(externalId, { waitMs: 0 }, never);
        const job = seen.state !== 'lost' && seen.jobs.find(({ name }) => name.startsWith('one '));
        if (job && job.state === 'running') log = await logOf(backend, externalId, job);
        return log.includes('] begun\n');
      },
      120_000,
    );
    await backend.ensureCancelled(externalId, never);
    await backend.ensureCancelled(externalId, never);
    const jobs = await jobsAtEnd(backend, externalId);
    const verdictOf = (name: string) => jobs.get(name)?.verdict;
    assert.deepEqual([verdictOf('one'), verdictOf('two')], ['cancelled', 'cancelled']);
    // A worker may have had it before the others.
    assert.match(verdictOf('three')!, /^(cancelled|passed)$/);
    await until('nothing is built', async () => {
      const result = await at.resultAtServer(externalId);
      return !/code="(building|scheduled|dispatching|finished)"[ >]/.test(result.replace(/<result .*?>/g, ''));
    });
    // The worker's last words about it may still be on their way.
    await until('its log so far is there until it is released', async () => {
      const kept = await logOf(backend, externalId, jobs.get('one')!);
      return kept.includes('] begun\n') && kept.equals(await at.logAtServer(externalId, 'one'));
    });
    await backend.release(externalId);
  });

  story('a worker that dies leaves its job building: the deadline ends it', async (at) => {
    const backend = at.open(templateOf([packageOf('main')]), { deadlines: { jobMs: 6_000 } });
    const order = await at.orderThat({ main: 'echo begun; sleep 600' });
    const { externalId } = await backend.ensureStarted(order, never);
    await observeUntil(backend, externalId, ({ jobs }) => jobs.some(({ state }) => state === 'running'));
    at.server.killWorkers();
    const job = (await jobsAtEnd(backend, externalId)).get('main')!;
    assert.match(await at.resultAtServer(externalId), /package="main" code="(building|dispatching)"/);
    assert.deepEqual([job.verdict, job.timedOut], ['error', true]);
    assert.match(job.why!, /not over after 6 s; OBS said "(building|dispatching)" last/);
    assert.equal((await logOf(backend, externalId, job)).length, 0, 'its log was at the worker');
    await backend.ensureCancelled(externalId, never);
    await backend.release(externalId);
    at.server.startWorkers();
  });

  story('packages of its own in a project that stands', async (at) => {
    const project = 'home:rcb:standing';
    const repository = '<path project="Base" repository="standard"/><arch>x86_64</arch>';
    const meta = `<project name="${project}"><title/><description/><repository name="standard">${repository}</repository></project>`;
    await at.server.behind(`/source/${encodeURIComponent(project)}/_meta`, { method: 'PUT', body: meta });
    const backend = at.open(templateOf([packageOf('good'), packageOf('bad')]), { mode: 'standing', project });
    const order = await at.orderThat({ good: 'true', bad: 'exit 3' });
    const { externalId } = await backend.ensureStarted(order, never);
    const jobs = await jobsAtEnd(backend, externalId);
    assert.deepEqual(
      [...jobs].map(([name, { verdict }]) => [name, verdict]),
      [
        ['good', 'passed'],
        ['bad', 'failed'],
      ],
    );
    await backend.release(externalId);
    const listed = await (await at.server.behind(`/source/${encodeURIComponent(project)}`)).text();
    assert.doesNotMatch(listed, /<entry/);
  });

  story('leftovers are swept, and nothing else; a stranger is told so', async (at) => {
    const backend = at.open(templateOf([packageOf('main')]));
    const [left, wanted] = await Promise.all(
      [1, 2].map(async () => backend.ensureStarted(await at.orderThat({ main: 'true' }), never)),
    );
    const foreign = `${PROJECT}:RCB:run-foreign`;
    const meta = `<project name="${foreign}"><title/><description/></project>`;
    await at.server.behind(`/source/${foreign}/_meta`, { method: 'PUT', body: meta });
    const options = { olderThanMs: 0, isWanted: async (id: string) => id === wanted!.externalId };
    assert.deepEqual(await backend.sweep(options, never), [left!.externalId]);
    const listed = await (await at.server.behind('/source')).text();
    assert.ok(listed.includes(`"${wanted!.externalId}"`) && listed.includes(`"${foreign}"`));
    await backend.release(wanted!.externalId);
    const health = await at.open(templateOf([packageOf('main')]), { auth: basicAuth('rcb', 'wrong') }).health();
    assert.equal(health.ok, false);
    assert.match(health.note, /401 authentication_required/);
  });
});
