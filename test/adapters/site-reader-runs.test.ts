import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import type { Reader, RunFilter } from '../../src/site/reader.ts';
import { openStore } from '../../src/store/prisma.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { aBuild, aJob, aRun as aStoredRun } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { NOW, readerOfEverybody } from './site-fakes.ts';

/** Lists of runs, default branches and changes, on rows that are chosen for each of them. */
let world: TestDatabase;
let reader: Reader;

const RAKUDO = { key: 'github:1', name: 'rakudo/rakudo' };
const NQP = { key: 'github:2', name: 'Raku/nqp' };
const SECRET = { key: 'github:3', name: 'rakudo/secret' };
const sha = (digit: string) => digit.repeat(40);

function run(id: string, change: Partial<Prisma.RunCreateManyInput> = {}): Prisma.RunCreateManyInput {
  const isPull = change.number !== undefined;
  const repository = change.repositoryKey === NQP.key ? NQP : change.repositoryKey === SECRET.key ? SECRET : RAKUDO;
  const ref = change.ref ?? (isPull ? 'fix-gc' : 'refs/heads/main');
  return {
    id,
    repositoryKey: repository.key,
    repository: repository.name,
    subject: isPull ? `pull-request:${repository.key}#${change.number}` : `branch:${repository.key}:${ref}`,
    kind: isPull ? 'pull-request' : 'commit',
    ref,
    sha: sha('a'),
    title: 'Something else',
    state: 'finished',
    verdict: 'passed',
    trigger: 'push',
    createdAt: NOW,
    changedAt: NOW,
    ...change,
  };
}

const RUNS = [
  run('01', {
    number: 7,
    title: 'Fix the garbage collector',
    ref: 'fix/hash-map',
    authorLogin: 'LizMat',
    sha: `beef${'1'.repeat(36)}`,
  }),
  run('02', { number: 8, title: 'Über-Größe: 日本語 (again)', authorLogin: 'niner', verdict: 'failed' }),
  run('03', { verdict: 'failed' }),
  run('04', { verdict: 'superseded' }),
  run('05', { repositoryKey: NQP.key, verdict: 'error' }),
  run('06', { ref: 'refs/heads/release', verdict: 'failed' }),
  run('07', { repositoryKey: SECRET.key, verdict: 'failed' }),
  run('08', { repositoryKey: NQP.key, verdict: 'passed', title: "'; DROP TABLE run; -- \\ & | ! :*" }),
  run('09', { state: 'building', verdict: null, sha: sha('c') }),
  run('10', { number: 9, title: `${'long'.repeat(300)} tail`, authorLogin: 'dependabot[bot]' }),
];

before(async () => {
  world = await testDatabase();
  const { prisma } = world.database;
  const watched = { defaultBranch: 'main', state: 'watched', updatedAt: NOW };
  await prisma.repository.createMany({
    data: [
      { ...RAKUDO, ...watched },
      { ...NQP, ...watched },
      { ...SECRET, ...watched, private: true },
    ],
  });
  await prisma.run.createMany({ data: RUNS });
  const build = { state: 'finished', createdAt: NOW };
  await prisma.build.createMany({
    data: [
      { ...build, id: 'b1', runId: '01', backend: 'azure' },
      { ...build, id: 'b2', runId: '01', backend: 'obs' },
      { ...build, id: 'b3', runId: '03', backend: 'local' },
    ],
  });
  const source = { changed: true, why: 'head of main', repositoryKey: RAKUDO.key, repository: RAKUDO.name };
  await prisma.source.createMany({
    data: [
      { ...source, id: 's1', runId: '03', sha: sha('a') },
      { ...source, id: 's2', runId: '03', sha: sha('d'), repositoryKey: NQP.key, repository: NQP.name, changed: false },
    ],
  });
  reader = await readerOfEverybody(prisma, { now: () => NOW });
});
after(() => world.close());

const found = async (filter: RunFilter) => (await reader.listRuns(filter, { limit: 50 })).rows.map(({ id }) => id);

const TEXTS: [text: string, ids: string[], why: string][] = [
  ['garbage', ['01'], 'a word of the title'],
  ['GARB coll', ['01'], 'beginnings of words, in any case'],
  ['collector garbage', ['01'], 'in any order'],
  ['hash', ['01'], 'a part of a branch'],
  ['fix/hash-map', ['01'], 'a whole branch'],
  ['lizmat', ['01'], 'an author'],
  ['dependabot[bot]', ['10'], 'an author with brackets'],
  ['#8', ['02'], 'a number'],
  ['beef111', ['01'], 'the start of a sha'],
  ['BEEF111', ['01'], 'in capitals'],
  [`beef${'1'.repeat(36)}`, ['01'], 'a whole sha'],
  ['größe', ['02'], 'letters that are not ASCII'],
  ['日本', ['02'], 'a script without blanks'],
  ["drop table run' -- ", ['08'], 'what looks like SQL'],
  ['garbage & nothing', [], 'no operators'],
  ["garb':* | 'x", [], 'nor quotes'],
  ['!!! ---', [], 'no words at all'],
  ['tail', [], 'after the first 500 characters of a title nobody looks'],
];
for (const [text, ids, why] of TEXTS) {
  test(`text ${JSON.stringify(text)}: ${why}`, async () => assert.deepEqual(await found({ text }), ids));
}

test('a word of 500 letters is stored and found', async () => {
  assert.deepEqual(await found({ text: 'long'.repeat(125) }), ['10']);
  assert.deepEqual(await found({ text: 'long'.repeat(10_000) }), ['10'], 'and no longer one is looked for');
});

test('authors in any case, back-ends by name, and all of it together', async () => {
  assert.deepEqual(await found({ author: 'lizMAT' }), ['01']);
  assert.deepEqual(await found({ author: 'liz' }), []);
  assert.deepEqual(await found({ backend: 'obs' }), ['01']);
  assert.deepEqual(await found({ backend: 'local', verdict: 'failed', repository: RAKUDO.name }), ['03']);
  assert.deepEqual(await found({ backend: 'local', verdict: 'passed' }), []);
  assert.deepEqual(await found({ text: 'fix', author: 'LizMat', backend: 'azure', number: 7, ref: 'fix/hash-map' }), [
    '01',
  ]);
  assert.deepEqual(await reader.backendNames(), ['azure', 'local', 'obs']);
});

test('a filtered list is paged by key', async () => {
  const first = await reader.listRuns({ verdict: 'failed' }, { limit: 2 });
  assert.deepEqual([first.rows.map(({ id }) => id), first.next], [['06', '03'], '03']);
  const second = await reader.listRuns({ verdict: 'failed' }, { limit: 2, before: first.next });
  assert.deepEqual([second.rows.map(({ id }) => id), second.next], [['02'], undefined]);
});

test('the default branches of a stack, whatever case its names have, with what was tested together', async () => {
  const names = ['RAKUDO/rakudo', NQP.name, SECRET.name, 'not/there'];
  const first = await reader.defaultBranchRuns(names, { limit: 3 });
  assert.deepEqual([first.rows.map(({ id }) => id), first.next], [['09', '08', '05'], '05']);
  const { rows, next } = await reader.defaultBranchRuns(names, { limit: 3, before: first.next });
  assert.deepEqual([rows.map(({ id }) => id), next], [['04', '03'], undefined]);
  assert.deepEqual(
    rows[1]!.sources.map((source) => [source.repository, source.sha[0], source.changed]),
    [
      [RAKUDO.name, 'a', true],
      [NQP.name, 'd', false],
    ],
  );
  assert.deepEqual((await reader.defaultBranchRuns([], { limit: 3 })).rows, []);
});

test('the newest verdict of each default branch: no branch besides, nothing superseded or under way', async () => {
  const rows = await reader.newestVerdicts([RAKUDO.name, NQP.name, SECRET.name]);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['08', '03'],
  );
});

test('failures are of default branches that everybody may see', async () => {
  const ids = async (repository?: string, limit = 50) => (await reader.failures(repository, limit)).map(({ id }) => id);
  assert.deepEqual(await ids(), ['05', '03']);
  assert.deepEqual(await ids(undefined, 1), ['05']);
  assert.deepEqual(await ids('raku/NQP'), ['05']);
  assert.deepEqual(await ids(SECRET.name), []);
  assert.deepEqual(await ids('not/there'), []);
});

test('the state of a branch: its newest verdict, and whether it is being tested again', async () => {
  assert.deepEqual(await reader.branchState('Rakudo/rakudo'), { branch: 'main', verdict: 'failed', isRunning: true });
  assert.deepEqual(await reader.branchState(RAKUDO.name, 'release'), {
    branch: 'release',
    verdict: 'failed',
    isRunning: false,
  });
  assert.deepEqual(await reader.branchState(NQP.name), { branch: 'main', verdict: 'passed', isRunning: false });
  for (const [repository, branch] of [
    [SECRET.name],
    [RAKUDO.name, 'never'],
    ['not/there'],
    ['not/there', 'main'],
  ] as const) {
    assert.equal(await reader.branchState(repository!, branch), undefined);
  }
});

test('a run is stamped by the database when it, a build or a job of it is saved, and not when nothing changes', async () => {
  const other = await testDatabase();
  try {
    const { prisma } = other.database;
    // The store's own clock is wrong by years: the stamp is not its.
    const store = openStore(prisma, () => new Date(0));
    const reads = createPrismaReader(prisma, { now: () => NOW });
    assert.equal(await reads.lastChange(), undefined);
    const running = aJob({ id: 'j1', name: 'local / test', state: 'running', verdict: undefined, attempts: [] });
    const builds = [aBuild({ id: 'x1', backend: 'local', externalId: 'x', jobs: [running] })];
    const first = aStoredRun({ id: 'r1', builds });
    await store.saveRun(first);
    assert.ok((await reads.lastChange())! > new Date('2020-01-01'));
    // A stamp is a millisecond, and two saves may share it: the row's own version tells whether it was stamped.
    const version = async () => (await prisma.$queryRaw<{ xmin: string }[]>`SELECT xmin::text FROM run`)[0]!.xmin;
    const created = await version();
    await store.saveRun(first, first);
    assert.equal(await version(), created);
    const ended = { ...first, builds: [{ ...builds[0]!, jobs: [{ ...running, state: 'finished' as const }] }] };
    await store.saveRun(ended, first);
    assert.notEqual(await version(), created);
  } finally {
    await other.close();
  }
});

test('changes come in the order of their stamps, from a time on, and only so many', async () => {
  const other = await testDatabase();
  try {
    const { prisma } = other.database;
    const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
    await prisma.run.createMany({
      data: [run('a', { changedAt: at(3) }), run('b', { changedAt: at(1) }), run('c', { changedAt: at(2) })],
    });
    const reads = createPrismaReader(prisma, { now: () => NOW });
    const ids = async (since: Date, limit: number) => (await reads.changesSince(since, limit)).map(({ id }) => id);
    assert.deepEqual(await ids(at(0), 10), ['b', 'c', 'a']);
    assert.deepEqual(await ids(at(1), 10), ['c', 'a']);
    assert.deepEqual(await ids(at(0), 2), ['b', 'c']);
    assert.deepEqual(await reads.lastChange(), at(3));
    await prisma.run.update({ where: { id: 'b' }, data: { title: 'Renamed', changedAt: at(0) } });
    const { changedAt } = await prisma.run.findUniqueOrThrow({ where: { id: 'b' } });
    assert.ok(![at(0).getTime(), at(1).getTime()].includes(changedAt.getTime()), 'the trigger has the last word');
    assert.deepEqual(
      (await reads.runRows(['b', 'gone'])).map(({ title }) => title),
      ['Renamed'],
    );
  } finally {
    await other.close();
  }
});
