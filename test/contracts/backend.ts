import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Backend,
  BackendError,
  type BuildObservation,
  type BuildOrder,
  type JobObservation,
} from '../../src/backends/backend.ts';

/** What a build is to do: print the lines, leave the files, then end so or not at all. */
export interface BuildScript {
  prints?: string[];
  /** Contents by relative path; the backend under test keeps artifacts below `out/`. */
  leaves?: Record<string, string>;
  ends: 'passes' | 'fails' | 'never';
}

export interface BackendUnderTest {
  backend: Backend;
  /** An order, under a key never used before, of a build that does that. */
  orderThat(script: BuildScript): Promise<BuildOrder>;
  /** The backend as another process would see it that starts after this one died. */
  restart(): Promise<Backend>;
  /** An id that the backend could have given, but did not. */
  unknownId: string;
  /** Ends what still runs, removes what was made. */
  close(): Promise<void>;
}

const deadlineMs = 20_000;
const stepMs = 2_000;

/** The port's promises, in the port's words: run on every adapter. */
export function backendContract(name: string, open: () => Promise<BackendUnderTest>): void {
  const promise = (title: string, story: (under: BackendUnderTest) => Promise<void>) =>
    test(title, { timeout: deadlineMs * 2 }, async () => {
      const under = await open();
      try {
        await story(under);
      } finally {
        await under.close();
      }
    });

  describe(`${name} keeps the promises of a backend`, { concurrency: 3 }, () => {
    promise('a build that passes', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ ends: 'passes' }), never);
      const [job] = await jobsAtEnd(backend, externalId);
      assert.equal(job?.verdict, 'passed');
      assert.equal(job.attempt, 1);
      assert.ok(job.startedAt && job.finishedAt && job.startedAt <= job.finishedAt);
    });

    promise('a build that fails says why', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ ends: 'fails' }), never);
      const [job] = await jobsAtEnd(backend, externalId);
      assert.equal(job?.verdict, 'failed');
      assert.ok(job.why);
    });

    promise('the same key starts one build, at once or later', async ({ backend, orderThat }) => {
      const order = await orderThat({ prints: ['once'], ends: 'passes' });
      const both = await Promise.all([backend.ensureStarted(order, never), backend.ensureStarted(order, never)]);
      assert.equal(both[0].externalId, both[1].externalId);
      const { externalId } = both[0];
      const [job] = await jobsAtEnd(backend, externalId);
      assert.deepEqual(await backend.ensureStarted(order, never), both[0]);
      assert.equal((await logOf(backend, externalId, job!)).match(/once/g)?.length, 1);
    });

    promise('other keys are other builds', async ({ backend, orderThat }) => {
      const one = await backend.ensureStarted(await orderThat({ ends: 'passes' }), never);
      const two = await backend.ensureStarted(await orderThat({ ends: 'passes' }), never);
      assert.notEqual(one.externalId, two.externalId);
    });

    promise('an observation waits while nothing differs, and no longer', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ ends: 'never' }), never);
      const running = await observeUntil(backend, externalId, (seen) => seen.state === 'running');
      const again = await backend.observe(externalId, { seen: digestOf(running), waitMs: 50 }, never);
      assert.equal(digestOf(again), digestOf(running));
      const waiting = backend.observe(externalId, { seen: digestOf(running), waitMs: deadlineMs }, never);
      await backend.ensureCancelled(externalId, never);
      assert.notEqual(digestOf(await waiting), digestOf(running));
    });

    promise('a wait can be given up', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ ends: 'never' }), never);
      const running = await observeUntil(backend, externalId, (seen) => seen.state === 'running');
      const stop = new AbortController();
      const waiting = backend.observe(externalId, { seen: digestOf(running), waitMs: deadlineMs }, stop.signal);
      stop.abort();
      await assert.rejects(waiting, (error) => error instanceof BackendError && error.retry);
    });

    promise('a log is read from any byte on', async ({ backend, orderThat }) => {
      const order = await orderThat({ prints: ['first line', 'second line'], ends: 'passes' });
      const { externalId } = await backend.ensureStarted(order, never);
      const [job] = await jobsAtEnd(backend, externalId);
      const all = await logOf(backend, externalId, job!);
      assert.match(all, /first line\nsecond line\n/);
      const from = Buffer.byteLength(all.slice(0, all.indexOf('second')));
      assert.equal(await logOf(backend, externalId, job!, from), all.slice(all.indexOf('second')));
      assert.equal(await logOf(backend, externalId, job!, Buffer.byteLength(all)), '');
      assert.equal(await logOf(backend, externalId, job!, Buffer.byteLength(all) + 1000), '');
    });

    promise('a log is read while the build runs', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ prints: ['early'], ends: 'never' }), never);
      await until('the line is there', async () => {
        const [job] = jobsOf(await backend.observe(externalId, { waitMs: 0 }, never));
        return job?.state === 'running' && (await logOf(backend, externalId, job)).includes('early');
      });
    });

    promise('a cancelled build ends as cancelled; cancelling is repeatable', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ ends: 'never' }), never);
      await observeUntil(backend, externalId, (seen) => seen.state === 'running');
      await Promise.all([backend.ensureCancelled(externalId, never), backend.ensureCancelled(externalId, never)]);
      const [job] = await jobsAtEnd(backend, externalId);
      assert.equal(job?.verdict, 'cancelled');
      await backend.ensureCancelled(externalId, never);
      assert.deepEqual(await jobsAtEnd(backend, externalId), [job]);
    });

    promise('cancelling a finished build changes nothing', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ ends: 'passes' }), never);
      await jobsAtEnd(backend, externalId);
      await backend.ensureCancelled(externalId, never);
      assert.equal((await jobsAtEnd(backend, externalId))[0]?.verdict, 'passed');
    });

    promise('a build that the backend does not know is lost, and may be cancelled and released', async (under) => {
      const seen = await under.backend.observe(under.unknownId, { waitMs: 0 }, never);
      assert.equal(seen.state, 'lost');
      await under.backend.ensureCancelled(under.unknownId, never);
      await under.backend.release(under.unknownId);
    });

    promise('artifacts are listed and read; others are refused', async ({ backend, orderThat }) => {
      const leaves = { 'out/a.txt': 'contents of a', 'out/deep/b.txt': 'contents of b' };
      const { externalId } = await backend.ensureStarted(await orderThat({ leaves, ends: 'fails' }), never);
      const [job] = await jobsAtEnd(backend, externalId);
      const listed = await backend.listArtifacts(externalId, job!, never);
      assert.deepEqual(
        listed.map(({ name, size }) => [name, size]).sort(),
        Object.entries(leaves).map(([name, contents]) => [name, contents.length]),
      );
      assert.equal(await text(await backend.readArtifact(externalId, job!, 'out/deep/b.txt', never)), 'contents of b');
      for (const name of ['out/none.txt', '../order.json', '/etc/passwd', 'out/../../x']) {
        await assert.rejects(backend.readArtifact(externalId, job!, name, never), BackendError, name);
      }
    });

    promise('a job that is not there is refused', async ({ backend, orderThat }) => {
      const { externalId } = await backend.ensureStarted(await orderThat({ ends: 'passes' }), never);
      await jobsAtEnd(backend, externalId);
      await assert.rejects(backend.readLog(externalId, { name: 'no such job', attempt: 1 }, 0, never), BackendError);
    });

    promise('a restarted backend knows the running build and starts it no second time', async (under) => {
      const order = await under.orderThat({ prints: ['before'], ends: 'never' });
      const { externalId } = await under.backend.ensureStarted(order, never);
      await observeUntil(under.backend, externalId, (seen) => seen.state === 'running');
      const later = await under.restart();
      assert.equal((await later.ensureStarted(order, never)).externalId, externalId);
      assert.equal((await later.observe(externalId, { waitMs: 0 }, never)).state, 'running');
      await later.ensureCancelled(externalId, never);
      assert.equal((await jobsAtEnd(later, externalId))[0]?.verdict, 'cancelled');
    });

    promise('a released build is not started again; releasing is repeatable', async ({ backend, orderThat }) => {
      const order = await orderThat({ ends: 'passes' });
      const { externalId } = await backend.ensureStarted(order, never);
      await jobsAtEnd(backend, externalId);
      await Promise.all([backend.release(externalId), backend.release(externalId)]);
      await backend.release(externalId);
      assert.equal((await backend.ensureStarted(order, never)).externalId, externalId);
      const seen = await backend.observe(externalId, { waitMs: 0 }, never);
      assert.ok(seen.state === 'finished' || seen.state === 'lost', seen.state);
    });

    promise('it says how it is', async ({ backend }) => {
      const health = await backend.health();
      assert.equal(health.ok, true);
      assert.notEqual(health.note, '');
    });
  });
}

export const never: AbortSignal = new AbortController().signal;

/** The last observation; throws when it does not come to that in time. */
export async function observeUntil(
  backend: Backend,
  externalId: string,
  isIt: (seen: BuildObservation) => boolean,
): Promise<BuildObservation> {
  const deadline = performance.now() + deadlineMs;
  let seen = await backend.observe(externalId, { waitMs: 0 }, never);
  while (!isIt(seen)) {
    if (performance.now() > deadline) throw new Error(`not in ${deadlineMs} ms; last seen: ${JSON.stringify(seen)}`);
    seen = await backend.observe(externalId, { seen: digestOf(seen), waitMs: stepMs }, never);
  }
  return seen;
}

export async function observeEnd(backend: Backend, externalId: string): Promise<BuildObservation> {
  return await observeUntil(backend, externalId, (seen) => seen.state === 'finished' || seen.state === 'lost');
}

/** The jobs of a finished build: each with a verdict, names unique. */
export async function jobsAtEnd(backend: Backend, externalId: string): Promise<JobObservation[]> {
  const seen = await observeEnd(backend, externalId);
  assert.equal(seen.state, 'finished', JSON.stringify(seen));
  const jobs = jobsOf(seen);
  assert.ok(jobs.every((job) => job.state === 'finished' && job.verdict !== undefined));
  assert.equal(new Set(jobs.map((job) => job.name)).size, jobs.length);
  return jobs;
}

export function jobsOf(seen: BuildObservation): JobObservation[] {
  return seen.state === 'lost' ? [] : seen.jobs;
}

export function digestOf(seen: BuildObservation): string | undefined {
  return seen.state === 'lost' ? undefined : seen.digest;
}

export async function logOf(backend: Backend, externalId: string, job: JobObservation, from = 0): Promise<string> {
  const log: Readable = await backend.readLog(externalId, { name: job.name, attempt: job.attempt }, from, never);
  return await text(log);
}

/** Look again and again, at most until the deadline. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await sleep(20);
  }
}
