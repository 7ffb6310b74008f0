import assert from 'node:assert/strict';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Archive } from '../../src/archive/archive.ts';
import { openDiskArchive } from '../../src/archive/disk.ts';
import type { Verdict } from '../../src/core/model.ts';
import type { Keeps } from '../../src/core/retention.ts';
import { type Swept, type SweptKind, sweepPage } from '../../src/effects/sweep.ts';
import { openStore } from '../../src/store/prisma.ts';
import { openRetentionStore } from '../../src/store/prisma-retention.ts';
import type { RetentionStore } from '../../src/store/store.ts';
import { aBranch, aBuild, aJob, anAttempt, aPullRequest, aRun, aSource, later, NOW, sha } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const DAY_MS = 86_400_000;
const daysAgo = (days: number): Date => later((-days * DAY_MS) / 1_000);
const KEEP: Keeps = {
  sources: 60 * DAY_MS,
  logs: 90 * DAY_MS,
  artifacts: 30 * DAY_MS,
  events: 30 * DAY_MS,
  // Nothing has a value, where that is not what is tested.
  valued: 30 * DAY_MS,
  releases: [],
};

// What the store finds, what is removed from a real archive, and what the rows say afterwards.
describe('what retention removes', () => {
  let stored: TestDatabase;
  let archive: Archive;
  let store: RetentionStore;
  before(async () => {
    stored = await testDatabase();
    store = openRetentionStore(stored.database.prisma);
    archive = await openDiskArchive({ dir: join(stored.dataDir, 'archive'), secrets: [] });
  });
  after(() => stored.close());
  beforeEach(async () => {
    const { prisma } = stored.database;
    for (const table of ['run', 'event', 'effect', 'branch', 'pull_request', 'repository']) {
      await prisma.$executeRawUnsafe(`TRUNCATE ${table} CASCADE`);
    }
  });

  /** Bytes in the archive, as if they had been put long ago. */
  async function oldBlob(text: string): Promise<string> {
    const { sha256 } = await archive.put(Buffer.from(text));
    const blobs = join(stored.dataDir, 'archive', 'blobs');
    for (const file of await readdir(blobs, { recursive: true })) {
      if (file.replace('/', '').startsWith(sha256)) await utimes(join(blobs, file), daysAgo(100), daysAgo(100));
    }
    return sha256;
  }

  interface Told {
    id: string;
    finishedAt?: Date;
    archive?: string;
    artifact?: string;
    subject?: string;
    source?: Partial<Parameters<typeof aSource>[0]>;
  }

  async function addRun({ id, finishedAt, archive: sha256, artifact, subject, source }: Told): Promise<void> {
    const artifacts = artifact ? [{ name: 'report.txt', size: 10, sha256: artifact }] : [];
    const attempt = anAttempt({ id: `attempt-${id}`, finishedAt, artifacts, log: { bytes: 9, lines: 1 } });
    const build = aBuild({ id: `build-${id}`, jobs: [aJob({ id: `job-${id}`, attempts: [attempt] })] });
    const packed = sha256 ? { sha256, size: 100, tarSha256: 'd'.repeat(64) } : undefined;
    const run = aRun({
      id,
      subject: subject ?? `branch:github:1:refs/heads/of-${id}`,
      state: finishedAt ? 'finished' : 'building',
      verdict: finishedAt ? 'passed' : undefined,
      finishedAt,
      createdAt: daysAgo(200),
      sources: [aSource({ id: `source-${id}`, archive: packed, ...source })],
      builds: [build],
      checks: [],
    });
    await openStore(stored.database.prisma, () => NOW).saveRun(run);
  }

  async function sweep(kind: SweptKind, keep: Keeps = KEEP): Promise<Swept[]> {
    const all: Swept[] = [];
    let after: string | undefined;
    do {
      const { swept, next } = await sweepPage(kind, after, { keep, store, archive, now: NOW });
      all.push(...swept);
      after = next;
    } while (after !== undefined);
    return all;
  }

  const decisions = (swept: Swept[]) => swept.map(({ decision }) => (decision.goes ? 'goes' : decision.because));
  const isThere = async (sha256: string) => (await archive.stat(sha256)) !== undefined;

  test('an archive that several runs share stays while one of them needs it', async () => {
    const { prisma } = stored.database;
    const shared = await oldBlob('shared');
    await addRun({ id: 'run1', finishedAt: daysAgo(100), archive: shared });
    await addRun({ id: 'run2', archive: shared });
    assert.deepEqual(decisions(await sweep('sources')), ['unfinished']);
    await prisma.run.update({ where: { id: 'run2' }, data: { state: 'finished', finishedAt: daysAgo(10) } });
    assert.deepEqual(decisions(await sweep('sources')), ['young']);
    await prisma.run.update({ where: { id: 'run2' }, data: { finishedAt: daysAgo(61) } });
    assert.deepEqual(decisions(await sweep('sources', { ...KEEP, artifacts: 'forever' })), ['goes']);
    assert.equal(await isThere(shared), false);
    const rows = await prisma.source.findMany({ orderBy: { id: 'asc' } });
    assert.deepEqual(
      rows.map(({ archiveRemovedAt, archiveSha256 }) => [archiveRemovedAt?.getTime(), archiveSha256]),
      [
        [NOW.getTime(), shared],
        [NOW.getTime(), shared],
      ],
    );
    assert.deepEqual(await sweep('sources'), []);
  });

  test('the newest run of an open pull request and of a branch keep theirs until they are the newest no more', async () => {
    const { prisma } = stored.database;
    const writing = openStore(prisma, () => NOW);
    const pull = aPullRequest({ runId: 'run1' });
    const branch = aBranch({ runId: 'run2' });
    await addRun({ id: 'run1', finishedAt: daysAgo(100), archive: await oldBlob('of a pull'), subject: pull.subject });
    await addRun({
      id: 'run2',
      finishedAt: daysAgo(100),
      archive: await oldBlob('of a branch'),
      subject: branch.subject,
    });
    await writing.savePullRequest(pull);
    await writing.saveBranch(branch);
    assert.deepEqual(decisions(await sweep('sources')).sort(), ['newest-of-branch', 'newest-of-open-pull-request']);
    await writing.savePullRequest({ ...pull, state: 'merged' });
    await writing.saveBranch({ ...branch, runId: 'run3' });
    assert.deepEqual(decisions(await sweep('sources')), ['goes', 'goes']);
  });

  test('bytes that something younger shares stay, and go with the last of them', async () => {
    const { prisma } = stored.database;
    const same = await oldBlob('the same report');
    await addRun({ id: 'run1', finishedAt: daysAgo(40), artifact: same });
    await addRun({ id: 'run2', finishedAt: daysAgo(20), artifact: same });
    assert.deepEqual(decisions(await sweep('artifacts')), ['goes']);
    assert.equal(await isThere(same), true);
    await prisma.attempt.updateMany({ data: { finishedAt: daysAgo(50) } });
    assert.deepEqual(decisions(await sweep('artifacts')), ['goes']);
    assert.equal(await isThere(same), false);
  });

  test('bytes that were put again a moment ago stay: who did may not be stored yet', async () => {
    const { prisma } = stored.database;
    const same = await oldBlob('built again');
    await addRun({ id: 'run1', finishedAt: daysAgo(40), artifact: same });
    await archive.put(Buffer.from('built again'));
    assert.deepEqual(decisions(await sweep('artifacts')), ['used-lately']);
    assert.equal(await isThere(same), true);
    assert.equal(await prisma.artifact.count({ where: { removedAt: null } }), 1);
    // Packed once is enough: what is looked up for use counts as put.
    await oldBlob('built again');
    await archive.stat(same, 'use');
    assert.deepEqual(decisions(await sweep('artifacts')), ['used-lately']);
    await oldBlob('built again');
    await archive.stat(same);
    assert.deepEqual(decisions(await sweep('artifacts')), ['goes']);
  });

  test('logs go by their own age, and not when they are kept for ever', async () => {
    await addRun({ id: 'run1', finishedAt: daysAgo(100) });
    await addRun({ id: 'run2', finishedAt: daysAgo(80) });
    for (const id of ['attempt-run1', 'attempt-run2']) {
      const log = await archive.openLog(id);
      await log.append(Buffer.from('ok 1\n'));
      await log.end();
    }
    assert.deepEqual(await sweep('logs', { ...KEEP, logs: 'forever' }), []);
    assert.deepEqual(decisions(await sweep('logs')), ['goes']);
    assert.equal(await archive.readLog('attempt-run1'), undefined);
    assert.equal((await archive.readLog('attempt-run2'))?.lines, 1);
    assert.deepEqual(await sweep('logs'), []);
  });

  /** Runs of one job on one branch, told by how each attempt ended; the oldest first. */
  async function addHistory(subject: string, ...runs: Verdict[][]): Promise<void> {
    for (const [at, verdicts] of runs.entries()) {
      const id = `${subject}-${at}`;
      const finishedAt = daysAgo(400 - at);
      const attempts = verdicts.map((verdict, index) =>
        anAttempt({ id: `${id}-${index + 1}`, number: index + 1, verdict, finishedAt, log: { bytes: 9, lines: 1 } }),
      );
      const builds = [aBuild({ id: `build-${id}`, jobs: [aJob({ id: `job-${id}`, attempts })] })];
      const run = aRun({ id, subject, state: 'finished', finishedAt, sources: [], builds, checks: [] });
      await openStore(stored.database.prisma, () => NOW).saveRun(run);
    }
  }

  test('first failures and last passes are found per job and branch, over runs and attempts', async () => {
    await addHistory(
      'main',
      ['failed', 'passed'],
      ['error'],
      ['failed'],
      ['cancelled', 'failed'],
      ['passed'],
      ['failed'],
    );
    await addHistory('other', ['failed'], ['failed'], ['passed']);
    const told = await sweep('logs', { ...KEEP, valued: 'forever' });
    const stay = told.filter(({ decision }) => !decision.goes);
    assert.deepEqual(Object.fromEntries(stay.map(({ id, decision }) => [id, !decision.goes && decision.because])), {
      'main-0-1': 'first-failure',
      'main-2-1': 'first-failure',
      'main-4-1': 'last-green',
      'main-5-1': 'first-failure',
      'other-0-1': 'first-failure',
      'other-2-1': 'last-green',
    });
    assert.equal(told.length, 11);
  });

  test('what is linked to or kept is known by its run; of a release by the branch, and by its tag', async () => {
    const { prisma } = stored.database;
    const writing = openStore(prisma, () => NOW);
    for (const id of ['linked', 'kept', 'tagged', 'plain']) {
      await addRun({
        id,
        finishedAt: daysAgo(200),
        source: { version: id === 'tagged' ? '2026.08' : '2026.08-3-gabcdef1' },
      });
    }
    await prisma.attempt.updateMany({ data: { verdict: 'error' } });
    await writing.saveKeeps('comment:github:1:7', ['linked', 'kept', 'unknown']);
    await prisma.runKeep.create({ data: { runId: 'kept', source: 'operator', at: NOW } });
    const stay = async () => {
      const told = await sweep('logs', { ...KEEP, valued: 'forever', releases: ['20*'] });
      return Object.fromEntries(told.map(({ id, decision }) => [id, decision.goes ? 'goes' : decision.because]));
    };
    assert.deepEqual(await stay(), {
      'attempt-kept': 'kept',
      'attempt-linked': 'linked',
      'attempt-plain': 'goes',
      'attempt-tagged': 'release',
    });
    // The comment was edited.
    await writing.saveKeeps('comment:github:1:7', []);
    assert.deepEqual(await stay(), { 'attempt-kept': 'kept', 'attempt-linked': 'goes', 'attempt-tagged': 'release' });
  });

  test('bytes that something of value shares stay', async () => {
    const same = await oldBlob('the same report');
    await addRun({ id: 'run1', finishedAt: daysAgo(40), artifact: same });
    await addRun({ id: 'run2', finishedAt: daysAgo(40), artifact: same });
    await openStore(stored.database.prisma, () => NOW).saveKeeps('operator', ['run1']);
    assert.deepEqual(decisions(await sweep('artifacts')).sort(), ['goes', 'kept']);
    assert.equal(await isThere(same), true);
    await openStore(stored.database.prisma, () => NOW).saveKeeps('operator', []);
    assert.deepEqual(decisions(await sweep('artifacts')), ['goes']);
    assert.equal(await isThere(same), false);
  });

  test('payloads of old done events go in pages, their keys stay; parked ones and young ones are left alone', async () => {
    const { prisma } = stored.database;
    const raw = await oldBlob('a large payload');
    const row = (id: string, state: string, days: number, more = {}) => ({
      id,
      key: `key-${id}`,
      kind: 'hook.noted',
      subject: 'hook:label',
      payload: { kind: 'hook.noted', hook: 'label' },
      state,
      dueAt: daysAgo(days),
      createdAt: daysAgo(days),
      ...(state === 'done' && { doneAt: daysAgo(days) }),
      ...more,
    });
    const many = Array.from({ length: 2_500 }, (_, at) => row(`old${at}`, 'done', 40));
    await prisma.event.createMany({
      data: [
        ...many,
        row('large', 'done', 40, { rawSha256: raw }),
        row('parked', 'parked', 40),
        row('young', 'done', 2),
      ],
    });
    const swept = await sweep('events');
    assert.equal(swept.filter(({ decision }) => decision.goes).length, 2_501);
    assert.deepEqual(
      swept.filter(({ decision }) => !decision.goes).map(({ name }) => name),
      ['key-parked'],
    );
    assert.equal(await isThere(raw), false);
    assert.equal(await prisma.event.count(), 2_503);
    const left = await prisma.$queryRaw<{ key: string }[]>`
      SELECT key FROM event WHERE payload IS NOT NULL OR raw_sha256 IS NOT NULL ORDER BY key`;
    assert.deepEqual(left, [{ key: 'key-parked' }, { key: 'key-young' }]);
    assert.deepEqual(decisions(await sweep('events')), ['waits-for-a-person']);
  });

  test('old done effects are deleted, others are not', async () => {
    const { prisma } = stored.database;
    const row = (id: string, state: string, days: number) => ({
      id,
      kind: 'check.report',
      target: id,
      lane: 'write:1',
      payload: {},
      state,
      dueAt: daysAgo(days),
      createdAt: daysAgo(days),
      ...(state === 'done' && { doneAt: daysAgo(days) }),
    });
    await prisma.effect.createMany({ data: [row('a', 'done', 40), row('b', 'done', 2), row('c', 'parked', 40)] });
    assert.deepEqual(
      (await sweep('effects')).map(({ count }) => count),
      [1],
    );
    assert.deepEqual(
      (await prisma.effect.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id),
      ['b', 'c'],
    );
  });

  test('commits stay in the mirrors that open pull requests, unfinished runs and kept archives refer to', async () => {
    const { prisma } = stored.database;
    const writing = openStore(prisma, () => NOW);
    await writing.savePullRequest(aPullRequest({ headSha: sha('1'), base: undefined, baseSha: sha('2') } as object));
    await writing.savePullRequest(aPullRequest({ subject: 'other', number: 8, state: 'closed', headSha: sha('9') }));
    const merged = { sha: sha('4'), tree: sha('5') };
    await addRun({ id: 'run1', source: { sha: sha('3'), merged } });
    await addRun({ id: 'run2', finishedAt: daysAgo(100), archive: 'a'.repeat(64), source: { sha: sha('6') } });
    await addRun({ id: 'run3', finishedAt: daysAgo(100), source: { sha: sha('7') } });
    await prisma.run.update({ where: { id: 'run1' }, data: { manifest: { trees: [{ sha: sha('8') }] } } });
    const needed = await store.neededCommits();
    for (const name of ['1', '2', '3', '4', '6', '8']) assert.ok(needed.includes(sha(name)), name);
    for (const name of ['5', '7', '9']) assert.ok(!needed.includes(sha(name)), name);
    assert.equal(new Set(needed).size, needed.length);
  });

  test('mirrors are listed by key, one page after the other', async () => {
    const writing = openStore(stored.database.prisma, () => NOW);
    await writing.saveRepository({ key: 'github:2', name: 'Raku/roast', private: false, state: 'removed' });
    await addRun({ id: 'run1', finishedAt: daysAgo(1) });
    assert.deepEqual(await store.mirrored({ limit: 1 }), [{ key: 'github:1', name: 'MoarVM/MoarVM' }]);
    assert.deepEqual(await store.mirrored({ after: 'github:1', limit: 5 }), [{ key: 'github:2', name: 'Raku/roast' }]);
  });
});
