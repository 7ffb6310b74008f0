import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe } from 'node:test';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { NOT_KEPT } from '../../src/backends/azure/artifacts.ts';
import type { AzureBackend } from '../../src/backends/azure/azure.ts';
import { BackendError, type JobObservation } from '../../src/backends/backend.ts';
import { attemptId } from '../../src/core/build.ts';
import { openLogTests } from '../../src/effects/log-tests.ts';
import { keepOutput } from '../../src/effects/logs.ts';
import { jobsOf, logOf, never } from '../contracts/backend.ts';
import { zipOf } from '../standins/azure/zip.ts';
import { aBuild } from '../support/builders.ts';
import { until } from '../support/until.ts';
import { atEnd, azureStory, seen } from './azure/bench.ts';

const jobOf = async (backend: AzureBackend, id: string, name = 'Linux'): Promise<JobObservation> => {
  backend.expectNews(id);
  const job = jobsOf(await backend.observe(id, { waitMs: 0 }, never)).find((each) => each.name === name);
  assert.ok(job, name);
  return job;
};

/** Without the times, which are Azure's. */
const plain = (log: string): string => log.replace(/^\d{4}-\S+Z /gm, '');

describe("a job's log on Azure", { concurrency: 3 }, () => {
  azureStory('is read step by step while it runs, by lines that were not read before', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    const job = build.job('Linux').step('Build').print('compiling', 'linking');
    let read = await logOf(backend, build.id, await jobOf(backend, build.id));
    assert.equal(plain(read), 'compiling\nlinking\n');
    job.print('linked').step('Test').print('ok 1');
    read += await logOf(backend, build.id, await jobOf(backend, build.id), Buffer.byteLength(read));
    assert.ok(seen(bench, /logs\/1\?startLine=3&/).length === 1, 'only what is new is asked for');
    job.print('ok 2 — Größe').finish('succeeded');
    build.finish('succeeded');
    read += await logOf(backend, build.id, await jobOf(backend, build.id), Buffer.byteLength(read));
    assert.equal(plain(read), 'compiling\nlinking\nlinked\nok 1\nok 2 — Größe\n');
    assert.equal(await logOf(bench.open(), build.id, await jobOf(backend, build.id)), read, 'read anew it is the same');
    const cut = Buffer.byteLength(read) - 7;
    assert.equal(
      await logOf(bench.open(), build.id, await jobOf(backend, build.id), cut),
      Buffer.from(read).subarray(cut).toString(),
    );
  });

  azureStory('is worth reading when it has more lines, and not before', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    const job = build.job('Linux').print('one');
    const first = await jobOf(backend, build.id);
    assert.ok(first.logBytes === undefined || first.logBytes > 0);
    const read = Buffer.byteLength(await logOf(backend, build.id, first));
    assert.equal((await jobOf(backend, build.id)).logBytes, read);
    job.print('two');
    assert.ok((await jobOf(backend, build.id)).logBytes! > read);
  });

  azureStory('is not asked for again by who comes back for its last bytes', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').print('one', 'half a secret');
    const job = await jobOf(backend, build.id);
    const log = await logOf(backend, build.id, job);
    const asked = seen(bench, /logs\/1/).length;
    for (let again = 0; again < 3; again += 1)
      assert.equal(await logOf(backend, build.id, job, log.length - 7), 'secret\n');
    assert.equal(seen(bench, /logs\/1/).length, asked);
  });

  azureStory('waits for a step whose log is not there yet, so that nothing is put between later', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    const job = build.job('Linux').step('Build').print('built').step('Test').print('tested');
    const step = build.build.records.find(({ name }) => name === 'Build')!;
    const { log } = step;
    step.log = null;
    assert.equal(await logOf(backend, build.id, await jobOf(backend, build.id)), '');
    step.log = log;
    assert.equal(plain(await logOf(backend, build.id, await jobOf(backend, build.id))), 'built\ntested\n');
    job.finish('succeeded');
    step.log = null;
    assert.equal(plain(await logOf(backend, build.id, await jobOf(backend, build.id))), 'tested\n', 'the job is over');
  });

  azureStory('is archived as it grows, and whole at its end, with its files', async (bench) => {
    const dir = await mkdtemp(join(tmpdir(), 'rcb-azure-'));
    try {
      const archive = await openDiskArchive({ dir, secrets: ['sesame-open'] });
      const backend = bench.open({ timestamps: 'strip' });
      const build = await bench.started(backend);
      const ours = aBuild({ externalId: build.id });
      const keep = async () =>
        keepOutput(backend, ours, await jobOf(backend, build.id), { archive, logTests: openLogTests(archive) }, never);
      const job = build.job('Linux').step('Build').print('one', 'the word is sesame-open', 'sesame-');
      const first = await keep();
      assert.equal(first.log?.lines, 3);
      assert.deepEqual(await keep(), first, 'nothing new');
      job
        .step('Test')
        .print('two')
        .publish('out', [{ name: 'out/a', contents: 'a' }])
        .finish('failed', 'no');
      build.finish('failed');
      const last = await keep();
      assert.deepEqual(
        last.artifacts.map(({ name, size }) => [name, size]),
        [['out/a', 1]],
      );
      const reader = await archive.readLog(attemptId(ours.id, 'Linux', 1));
      const lines = (await reader!.lineRange(1, 9)).map(({ text }) => text);
      assert.deepEqual(lines, ['one', 'the word is ***', 'sesame-', 'two']);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  azureStory('is never an error page', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').print('one').finish('succeeded');
    build.finish('succeeded');
    const job = await jobOf(backend, build.id);
    for (const fault of [
      { does: 'sign-in' },
      { does: 'status', status: 500 },
      { does: 'status', status: 200, body: { message: 'an error as JSON' } },
      { does: 'half' },
      { does: 'drop' },
    ] as const) {
      bench.azure.faults.add({ path: /logs\/1/, ...fault });
      await assert.rejects(logOf(backend, build.id, job), BackendError, JSON.stringify(fault));
    }
    assert.equal(plain(await logOf(backend, build.id, job)), 'one\n');
  });

  azureStory('that is gone in parts says so', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build.job('Linux').step('Build').print('built').step('Test').print('tested').finish('succeeded');
    build.finish('succeeded');
    build.build.logs.delete(1);
    const log = await logOf(backend, build.id, await jobOf(backend, build.id));
    assert.equal(plain(log), '[RCB: Azure does not have this part of the log any more]\ntested\n');
  });

  azureStory('is cut where it is too long, at the same byte each time', async (bench) => {
    const backend = bench.open({ logLimitBytes: 2 ** 20, timestamps: 'strip' });
    const build = await bench.started(backend);
    build
      .job('Linux')
      .print(...Array.from({ length: 30_000 }, (_, at) => `${at} ${'x'.repeat(60)}`))
      .finish('succeeded');
    build.finish('succeeded');
    const job = await jobOf(backend, build.id);
    const log = await logOf(backend, build.id, job);
    assert.match(log, /\n\[RCB: the log is longer than 1 MiB; the rest was not kept\]\n$/);
    assert.ok(log.length < 2 ** 20 + 100);
    assert.equal(await logOf(backend, build.id, job, 2 ** 20), log.slice(2 ** 20));
    assert.equal(await logOf(backend, build.id, job, log.length), '');
  });

  azureStory('loses its times, and nothing else, when they are not wanted', async (bench) => {
    const backend = bench.open({ timestamps: 'strip' });
    const build = await bench.started(backend);
    const lines = ['2026-01-01T00:00:00.0000000Z is a time of its own', '', 'x'.repeat(200_000), 'last'];
    build
      .job('Linux')
      .print(...lines)
      .finish('succeeded');
    build.finish('succeeded');
    assert.equal(await logOf(backend, build.id, await jobOf(backend, build.id)), `${lines.join('\n')}\n`);
  });
});

describe("a job's artifacts on Azure", { concurrency: 3 }, () => {
  const ended = async (backend: AzureBackend, id: string, name = 'Linux') => {
    await atEnd(backend, id);
    return await jobOf(backend, id, name);
  };
  const filesOf = async (backend: AzureBackend, id: string, job: JobObservation): Promise<Record<string, string>> => {
    const listed = await backend.listArtifacts(id, job, never);
    const files: Record<string, string> = {};
    for (const { name, size } of listed) {
      files[name] = await text(await backend.readArtifact(id, job, name, never));
      assert.equal(Buffer.byteLength(files[name]), size, name);
    }
    return files;
  };

  azureStory('come from both places, each to the job that published it', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build
      .job('Linux')
      .start()
      .publish('logs', [{ name: 'logs/a.txt', contents: 'a' }], 'Container')
      .finish('succeeded');
    build
      .job('macOS')
      .start()
      .publish('tree', [{ name: 'bin/raku', contents: 'b' }])
      .finish('succeeded');
    build.job('macOS').publish('loose', [{ name: 'loose/c', contents: 'c' }], 'Container', { source: null });
    build.finish('succeeded');
    assert.deepEqual(await filesOf(backend, build.id, await ended(backend, build.id)), { 'logs/a.txt': 'a' });
    assert.deepEqual(await filesOf(backend, build.id, await ended(backend, build.id, 'macOS')), {
      'tree/bin/raku': 'b',
      'loose/c': 'c',
    });
    const elsewhere = bench.azure.requests.filter(({ host }) => host === 'artifacts');
    assert.ok(elsewhere.length === 1 && elsewhere[0]?.authorization, 'its host is named, so it sees the credentials');
  });

  azureStory('from a host that is not named are asked for without credentials, and told as not kept', async (bench) => {
    const backend = bench.open({ credentialHosts: [] });
    const build = await bench.started(backend);
    build
      .job('Linux')
      .start()
      .publish('tree', [{ name: 'x', contents: 'x' }])
      .finish('succeeded');
    build.finish('succeeded');
    const files = await filesOf(backend, build.id, await ended(backend, build.id));
    assert.deepEqual(Object.keys(files), [NOT_KEPT]);
    assert.match(files[NOT_KEPT]!, /tree: .*localhost:\d+ wants credentials.*credentialHosts/);
    const elsewhere = bench.azure.requests.filter(({ host }) => host === 'artifacts');
    assert.deepEqual(
      elsewhere.map(({ authorization }) => authorization),
      [undefined],
    );
  });

  azureStory('that lie about paths, kinds and sizes are left out, one by one, with the reason', async (bench) => {
    const backend = bench.open({ artifacts: { maxFiles: 5, maxBytes: 1000, maxZipBytes: 100_000 } });
    const build = await bench.started(backend);
    const job = build.job('Linux').start();
    job.publish('evil', [
      { name: 'evil/../../etc/passwd', contents: 'slip' },
      { name: '/absolute', contents: 'slip' },
      { name: 'C:\\windows', contents: 'slip' },
      { name: 'evil/link', contents: '/etc/passwd', mode: 0o120777 },
      { name: 'evil/device', contents: '', mode: 0o020666 },
      { name: 'evil/good.txt', contents: 'good' },
      { name: 'evil/good.txt', contents: 'twice' },
      { name: 'evil/back\\slash.txt', contents: 'old .NET' },
      { name: 'evil/huge', contents: 'x'.repeat(1001) },
    ]);
    job.publish('page', Buffer.from('<html>an error</html>'));
    job.publish('share', [], 'FilePath');
    job.publish('fat', Buffer.alloc(100_001));
    job.publish('../out', [{ name: 'x', contents: 'x' }]);
    job.publish('far', [{ name: 'far/x', contents: 'x' }], 'Container', { downloadUrl: 'file:///etc/passwd' });
    job.finish('succeeded');
    build.finish('succeeded');
    const files = await filesOf(backend, build.id, await ended(backend, build.id));
    assert.deepEqual(Object.keys(files).sort(), ['evil/back/slash.txt', 'evil/good.txt', NOT_KEPT]);
    assert.equal(files['evil/good.txt'], 'good');
    const told = files[NOT_KEPT]!;
    for (const [name, why] of [
      ['passwd', 'not a relative path'],
      ['absolute', 'not a relative path'],
      ['windows', 'not a relative path'],
      ['evil/link', 'symbolic link'],
      ['evil/device', 'special file'],
      ['evil/good.txt', 'same name'],
      ['evil/huge', 'MiB are kept'],
      ['page', 'zip cannot be read'],
      ['share', '"FilePath" cannot be downloaded'],
      ['fat', 'MiB are kept'],
      ['../out', 'not a relative path'],
      ['far', 'download address'],
    ]) {
      assert.match(told, new RegExp(`^.*${why === '' ? '' : name!.replace(/\W/g, '.')}.*: .*${why}`, 'm'), name);
    }
    assert.equal(told.trimEnd().split('\n').length, 13);
  });

  azureStory('that are not what they say are left out', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    const bomb = { name: 'odd/bomb', contents: Buffer.alloc(50_000_000), claims: 10 };
    const damaged = zipOf([
      bomb,
      { name: 'odd/bits', contents: 'abcdefgh', sum: 1 },
      { name: 'odd/good', contents: 'g' },
    ]);
    build.job('Linux').start().publish('odd', damaged).finish('succeeded');
    build.finish('succeeded');
    const files = await filesOf(backend, build.id, await ended(backend, build.id));
    assert.deepEqual(Object.keys(files), ['odd/good', NOT_KEPT]);
    assert.match(files[NOT_KEPT]!, /^odd\/bomb: it is damaged: too many bytes/m);
    assert.match(files[NOT_KEPT]!, /^odd\/bits: it is damaged: wrong checksum$/m);
  });

  azureStory('whose transfer breaks off are tried again, not called bad', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    build
      .job('Linux')
      .start()
      .publish('tree', [{ name: 'tree/x', contents: 'x' }])
      .finish('succeeded');
    build.finish('succeeded');
    const job = await ended(backend, build.id);
    for (const does of ['half', 'drop'] as const) {
      bench.azure.faults.add({ path: /content/, does });
      await assert.rejects(
        backend.listArtifacts(build.id, job, never),
        (error) => error instanceof BackendError && error.retry,
      );
    }
    assert.deepEqual(await filesOf(backend, build.id, job), { 'tree/x': 'x' });
  });

  azureStory('larger than the zip may be are refused while they come, and leave nothing behind', async (bench) => {
    const backend = bench.open({ artifacts: { maxZipBytes: 1000 } });
    const build = await bench.started(backend);
    const noise = Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * 7919) % 251));
    const zip = zipOf([{ name: 'tree/x', contents: noise }]);
    const job = build
      .job('Linux')
      .start()
      .publish('tree', Buffer.concat([zip, Buffer.alloc(5000)]), 'Container');
    job.finish('succeeded');
    build.finish('succeeded');
    const files = await filesOf(backend, build.id, await ended(backend, build.id));
    assert.match(files[NOT_KEPT]!, /^tree: only 0 MiB are kept$/m);
    await until(async () => !(await readdir(tmpdir())).some((name) => name.startsWith('rcb-zip-')));
  });

  azureStory('go on being read after they were released', async (bench) => {
    const backend = bench.open();
    const build = await bench.started(backend);
    const contents = 'y'.repeat(1_000_000);
    build
      .job('Linux')
      .start()
      .publish('tree', [{ name: 'tree/x', contents }])
      .finish('succeeded');
    build.finish('succeeded');
    const job = await ended(backend, build.id);
    const reading = await backend.readArtifact(build.id, job, 'tree/x', never);
    await backend.release(build.id);
    assert.equal((await text(reading)).length, contents.length);
  });
});
