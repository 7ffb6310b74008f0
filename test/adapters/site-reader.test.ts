import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { seedDatabase } from '../../prisma/seed.ts';
import type { Reader, RunRow } from '../../src/site/reader.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { memoryArchive, NOW, readerOfEverybody, siteOf } from './site-fakes.ts';

// Read-only tests on one seeded database: none of them writes.
let seeded: TestDatabase;
let reader: Reader;
const archive = memoryArchive();

before(async () => {
  seeded = await testDatabase();
  await seedDatabase(seeded.database.prisma, archive, { now: NOW });
  reader = createPrismaReader(seeded.database.prisma, { now: () => NOW });
});
after(() => seeded.close());

const pick = ({ id, state, trigger }: RunRow) => ({ id, state, trigger });

async function everyPage<T extends { id: string }>(
  list: (before?: string) => Promise<{ rows: T[]; next?: string }>,
): Promise<T[]> {
  const all: T[] = [];
  let next: string | undefined;
  do {
    const page = await list(next);
    all.push(...page.rows);
    next = page.next;
  } while (next !== undefined);
  return all;
}

test('paging by key visits every run once, newest first', async () => {
  const runs = await everyPage((before) => reader.listRuns({}, { before, limit: 7 }));
  assert.equal(runs.length, 40);
  assert.deepEqual(
    runs.map((run) => run.id),
    runs
      .map((run) => run.id)
      .toSorted()
      .toReversed(),
  );
  assert.equal(new Set(runs.map((run) => run.id)).size, 40);
});

test('the last page, even when it is full, has no next', async () => {
  assert.equal((await reader.listRuns({}, { limit: 40 })).next, undefined);
  assert.notEqual((await reader.listRuns({}, { limit: 39 })).next, undefined);
});

test('the seed has every state and verdict', async () => {
  const { rows } = await reader.listRuns({}, { limit: 200 });
  assert.deepEqual(
    new Set(rows.map((run) => run.state)),
    new Set(['waiting', 'resolving', 'packing', 'building', 'finished']),
  );
  assert.deepEqual(
    new Set(rows.map((run) => run.verdict)),
    new Set([undefined, 'passed', 'failed', 'error', 'cancelled', 'superseded']),
  );
});

test('each filter keeps what it names and nothing else', async () => {
  const all = (await reader.listRuns({}, { limit: 200 })).rows;
  const some = all.find((run) => run.kind === 'pull-request' && run.verdict === 'failed')!;
  const filters = [
    { repository: some.repository },
    { number: some.number },
    { state: 'building' },
    { verdict: 'failed' },
    { ref: some.ref },
    { sha: some.sha },
    { repository: some.repository, verdict: 'failed' },
  ] as const;
  for (const filter of filters) {
    const expected = all.filter((run) =>
      Object.entries(filter).every(([name, value]) => run[name as keyof typeof run] === value),
    );
    const { rows } = await reader.listRuns(filter, { limit: 200 });
    assert.ok(expected.length > 0);
    assert.deepEqual(
      rows.map((run) => run.id),
      expected.map((run) => run.id),
      JSON.stringify(filter),
    );
  }
  const byPrefix = await reader.listRuns({ sha: some.sha.slice(0, 8) }, { limit: 200 });
  assert.deepEqual(
    byPrefix.rows.map((run) => run.id),
    [some.id],
  );
});

test('a branch is found by its short name and by its ref', async () => {
  const short = await reader.listRuns({ ref: 'main' }, { limit: 200 });
  const full = await reader.listRuns({ ref: 'refs/heads/main' }, { limit: 200 });
  assert.ok(full.rows.length > 0);
  const inShort = new Set(short.rows.map((run) => run.id));
  assert.ok(full.rows.every((run) => inShort.has(run.id)));
});

test('the jobs of a listed run are counted as its page shows them', async () => {
  const { rows } = await reader.listRuns({ verdict: 'failed' }, { limit: 1 });
  assert.deepEqual(rows[0]!.jobs, { failed: 1, passed: 3 });
  const details = await reader.run(rows[0]!.id);
  assert.deepEqual(details!.jobs, { failed: 1, passed: 3 });
  assert.equal(details!.builds[0]!.jobs.length, 4);
});

test('whole runs are the same whether they are listed or read one by one', async () => {
  const { rows } = await reader.listRunDetails({ state: 'finished' }, { limit: 5 });
  for (const listed of rows) {
    const single = await reader.run(listed.id);
    const { previous: _, next: __, ...rest } = single!;
    assert.deepEqual(listed, rest);
  }
});

test('a run knows the run that followed it', async () => {
  const { rows } = await reader.listRuns({}, { limit: 200 });
  const later = rows.find((run) => run.previousId)!;
  assert.equal((await reader.run(later.previousId!))!.next!.id, later.id);
  const { id, state, trigger } = (await reader.run(later.id))!.previous!;
  assert.deepEqual({ id, state, trigger }, pick(rows.find((run) => run.id === later.previousId)!));
  const others = await reader.runsOfSubject(later.subject, 50);
  assert.deepEqual(
    others.map((run) => run.id),
    rows.filter((run) => run.subject === later.subject).map((run) => run.id),
  );
});

test('attempts come newest first, and a job only under its own run', async () => {
  const { rows } = await reader.listRunDetails({}, { limit: 200 });
  const run = rows.find((row) => row.builds.some((build) => build.jobs.some((job) => job.attempts.length > 1)))!;
  const job = run.builds[0]!.jobs.find(({ attempts }) => attempts.length > 1)!;
  assert.deepEqual(
    job.attempts.map((attempt) => attempt.number),
    [2, 1],
  );
  assert.deepEqual((await reader.job(run.id, job.id))!.job, job);
  assert.equal(await reader.job(rows.find((row) => row.id !== run.id)!.id, job.id), undefined);
});

test('a download is known by its digest', async () => {
  const { rows } = await reader.listRunDetails({ verdict: 'passed' }, { limit: 1 });
  const { archive: packed, repository, sha } = rows[0]!.sources[0]!;
  assert.deepEqual(await reader.sourceByArchive(packed!.sha256), { repository, sha, size: packed!.size });
  const artifact = rows[0]!.builds[0]!.jobs[0]!.attempts[0]!.artifacts[0]!;
  assert.equal((await reader.artifactBySha256(artifact.sha256))!.size, artifact.size);
  assert.equal(await reader.sourceByArchive('0'.repeat(64)), undefined);
});

test('facts are paged and filtered; a fact has its payload and sightings', async () => {
  const facts = await everyPage((before) => reader.listFacts({}, { before, limit: 9 }));
  assert.equal(facts.length, 44);
  const parked = await reader.listFacts({ state: 'parked' }, { limit: 50 });
  assert.deepEqual(
    parked.rows.map((fact) => fact.kind),
    ['unreadable', 'comment-written'],
  );
  const hooked = facts.find((fact) => fact.hookAt && fact.pollAt)!;
  const details = await reader.fact(hooked.key);
  assert.deepEqual(details!.sightings.map(({ source }) => source).toSorted(), ['hook', 'poll']);
  assert.equal((details!.payload as { sha: string }).sha.length, 40);
  assert.equal(await reader.fact('none'), undefined);
});

test('effects and counts tell what waits and what is stuck', async () => {
  assert.deepEqual(
    (await reader.listEffects('pending', 10)).map((effect) => effect.kind),
    ['ensure-check', 'start-build'],
  );
  assert.equal((await reader.listEffects('parked', 10))[0]!.tries, 12);
  const counts = await reader.counts();
  assert.deepEqual(counts.events, { parked: 2, pending: 1, running: 1 });
  assert.deepEqual(counts.effects, { parked: 1, pending: 2, running: 1 });
  assert.equal(counts.oldestPendingAt?.toISOString(), new Date(NOW.getTime() - 12_000).toISOString());
});

test('the name of a private repository is not for everybody', async () => {
  const everybody = await readerOfEverybody(seeded.database.prisma, { now: () => NOW });
  const names = (await everybody.repositories()).map((repository) => repository.name);
  assert.deepEqual(names.toSorted(), ['MoarVM/MoarVM', 'Raku/nqp', 'rakudo/rakudo']);
});

test('every page of every seeded run can be opened', async () => {
  const world = siteOf(reader, { archive });
  const { rows } = await reader.listRunDetails({}, { limit: 200 });
  for (const run of rows) {
    const page = await world.text(`/runs/${run.id}`);
    assert.match(page, new RegExp(`<span>${run.verdict ?? run.state}</span>`));
    for (const job of run.builds.flatMap((build) => build.jobs).slice(0, 2)) {
      assert.equal((await world.get(`/runs/${run.id}/jobs/${job.id}`)).status, 200);
    }
  }
  for (const path of ['/', '/ledger', '/service', '/api/runs', '/api/ledger'])
    assert.equal((await world.get(path)).status, 200);
  assert.deepEqual(world.faults, []);
});

test('an empty database has pages too', async () => {
  const empty = await testDatabase();
  try {
    const world = siteOf(createPrismaReader(empty.database.prisma, { now: () => NOW }));
    for (const path of ['/', '/ledger', '/service', '/api/runs', '/api/ledger'])
      assert.equal((await world.get(path)).status, 200, path);
    assert.deepEqual(world.faults, []);
  } finally {
    await empty.close();
  }
});
