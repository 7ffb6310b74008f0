import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JobObservation, JobRef } from '../../../src/backends/backend.ts';
import type { ObsBackend } from '../../../src/backends/obs/obs.ts';
import { jobsAtEnd, logOf, never } from '../../contracts/backend.ts';
import type { JobScript, ObsStandInOptions } from '../../standins/obs/index.ts';
import { ObsBench, PROJECT, packageOf, type Scripts, templateOf } from './bench.ts';

/** `{re-test failed}`: what did not pass rests at OBS, and is built again there within its build. */

type More = Parameters<ObsBench['open']>[0];

const story = (title: string, tell: (bench: ObsBench) => Promise<void>, options: Partial<ObsStandInOptions> = {}) =>
  test(title, { timeout: 40_000 }, async () => {
    const bench = await ObsBench.make(options);
    try {
      await tell(bench);
    } finally {
      await bench.close();
    }
  });

const template = templateOf([
  packageOf('moarvm'),
  packageOf('nqp', { needs: ['moarvm'] }),
  packageOf('rakudo', { needs: ['nqp'] }),
]);

/** In the middle one fails, once. */
const scripts: Scripts = {
  moarvm: { ends: 'passes' },
  nqp: [
    { ends: 'fails', needs: ['moarvm'], prints: ['one'] },
    { ends: 'passes', needs: ['moarvm'], prints: ['two'] },
  ],
  rakudo: { ends: 'passes', needs: ['nqp'] },
};

async function failed(bench: ObsBench, more: More = {}, given: Scripts = scripts) {
  const backend = bench.open({ template, ...more });
  const { externalId } = await backend.ensureStarted(bench.orderOf(given), never);
  const jobs = await jobsAtEnd(backend, externalId);
  return { backend, externalId, after: jobs.filter(({ verdict }) => verdict !== 'passed').map(refOf) };
}

const refOf = ({ name, attempt }: JobRef): JobRef => ({ name, attempt });
const attempts = (jobs: JobObservation[]) =>
  jobs.map(({ name, verdict, attempt }) => [name.split(' ')[0], verdict, attempt]);
const ALL_WELL = [
  ['moarvm', 'passed', 1],
  ['nqp', 'passed', 2],
  ['rakudo', 'passed', 2],
];

describe('failed packages are built again', { concurrency: 3 }, () => {
  story('with what needed them; what passed is not; the log of the new attempt is read', async (bench) => {
    const { backend, externalId, after } = await failed(bench);
    assert.deepEqual(
      after.map(({ name }) => name),
      ['nqp x86_64-standard', 'rakudo x86_64-standard'],
    );
    await backend.rest(externalId);
    assert.match(bench.obs.projects.get(externalId)!.meta, /<build><disable\/><\/build>/);
    await backend.ensureRetried(externalId, after, never);
    const jobs = await jobsAtEnd(backend, externalId);
    assert.deepEqual(attempts(jobs), ALL_WELL);
    assert.match(await logOf(backend, externalId, jobs.find(({ name }) => name.startsWith('nqp'))!), /two/);
    assert.doesNotMatch(bench.obs.projects.get(externalId)!.meta, /<build>/);
    assert.equal(bench.obs.job(externalId, 'moarvm')!.history.length, 1);
  });

  story(
    'by a process that knows nothing of them, asked twice, after a rest of which it knows nothing',
    async (bench) => {
      const { backend, externalId, after } = await failed(bench);
      await backend.rest(externalId);
      await backend.rest(externalId);
      const other = bench.open({ template });
      await other.ensureRetried(externalId, after, never);
      await bench.open({ template }).ensureRetried(externalId, after, never);
      assert.deepEqual(attempts(await jobsAtEnd(other, externalId)), ALL_WELL);
      assert.equal(bench.obs.job(externalId, 'nqp')!.history.length, 2, 'once');
      await other.ensureRetried(externalId, after, never);
      assert.deepEqual(attempts(await jobsAtEnd(other, externalId)), ALL_WELL);
    },
  );

  story('a crash after it was written down, before OBS was asked', async (bench) => {
    const { backend, externalId, after } = await failed(bench);
    await backend.rest(externalId);
    bench.obs.fail({ method: 'POST', path: /^\/build\//, status: 500, times: 4 });
    await assert.rejects(backend.ensureRetried(externalId, after, never));
    const other = bench.open({ template });
    // Its client asks more than once by itself.
    for (let tries = 0; tries < 5; tries += 1) {
      const isDone = await other.ensureRetried(externalId, after, never).then(
        () => true,
        () => false,
      );
      if (isDone) break;
    }
    assert.deepEqual(attempts(await jobsAtEnd(other, externalId)), ALL_WELL);
  });

  story('again and again: attempts go on, and an old wish changes nothing', async (bench) => {
    const { backend, externalId, after } = await failed(
      bench,
      {},
      { ...scripts, nqp: { ends: 'fails', needs: ['moarvm'] } },
    );
    await backend.ensureRetried(externalId, after, never);
    const second = await jobsAtEnd(backend, externalId);
    assert.deepEqual(attempts(second), [
      ['moarvm', 'passed', 1],
      ['nqp', 'failed', 2],
      ['rakudo', 'error', 2],
    ]);
    await backend.rest(externalId);
    await backend.ensureRetried(externalId, second.slice(1).map(refOf), never);
    assert.deepEqual(
      (await jobsAtEnd(backend, externalId)).map(({ attempt }) => attempt),
      [1, 3, 3],
    );
    await backend.ensureRetried(externalId, after, never);
    assert.equal(bench.obs.job(externalId, 'nqp')!.history.length, 3);
  });

  story(
    'a job whose worker died is begun anew',
    async (bench) => {
      const one = templateOf([packageOf('main')]);
      const { externalId, after } = await failed(bench, { template: one, deadlines: { jobMs: 40 } });
      // One with time enough.
      const backend = bench.open({ template: one });
      await backend.ensureRetried(externalId, after, never);
      const [job] = await jobsAtEnd(backend, externalId);
      assert.deepEqual([job?.verdict, job?.attempt], ['passed', 2]);
    },
    { decide: lostOnce() },
  );

  story('in a standing project, too', async (bench) => {
    bench.obs.addProject(PROJECT, '<repository name="standard"><arch>x86_64</arch></repository>');
    const lone: Scripts = { main: [{ ends: 'fails' }, { ends: 'passes' }] };
    const more = { mode: 'standing', template: templateOf([packageOf('main')]) } as const;
    const { backend, externalId, after } = await failed(bench, more, lone);
    await backend.rest(externalId);
    const [name] = bench.obs.projects.get(PROJECT)!.packages.keys();
    assert.match(bench.obs.projects.get(PROJECT)!.packages.get(name!)!.meta, /<disable\/>/);
    await backend.ensureRetried(externalId, after, never);
    assert.deepEqual(attempts(await jobsAtEnd(backend, externalId)), [['main', 'passed', 2]]);
  });

  story('what is gone, or was cancelled, is refused in words', async (bench) => {
    const { backend, externalId, after } = await failed(bench);
    bench.obs.deleteProject(externalId);
    const refused = (words: RegExp) => (error: Error) =>
      'kind' in error && error.kind === 'refused' && words.test(error.message);
    await assert.rejects(backend.ensureRetried(externalId, after, never), refused(/not at OBS any more: \{re-test\}/));
    await backend.rest(externalId);
    const cancelled = await cancelledBuild(bench, backend);
    await assert.rejects(backend.ensureRetried(cancelled, after, never), refused(/was cancelled/));
  });
});

function lostOnce(): () => JobScript {
  const ends = ['lost'];
  return () => ({ ends: ends.pop() ?? 'passes' });
}

async function cancelledBuild(bench: ObsBench, backend: ObsBackend): Promise<string> {
  const endless = { ends: 'never' } as const;
  const { externalId } = await backend.ensureStarted(
    bench.orderOf({ moarvm: endless, nqp: endless, rakudo: endless }),
    never,
  );
  await backend.observe(externalId, { waitMs: 0 }, never);
  await backend.ensureCancelled(externalId, never);
  return externalId;
}
