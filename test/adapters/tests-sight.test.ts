/** The record of tests and what failed in a run, as people see them who may not read every repository. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { KnownFlapper } from '../../src/core/flapper.ts';
import { EVERYTHING, type Sight, sightOf } from '../../src/core/sight.ts';
import { openStore } from '../../src/store/prisma.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { readFailures } from '../../src/store/prisma-reader-failures.ts';
import { listRecord } from '../../src/store/prisma-reader-flappers.ts';
import { readListed } from '../../src/store/prisma-reader-listed.ts';
import { later, NOW } from '../support/builders.ts';
import { aFailure, tests } from '../support/readings.ts';
import { type SiteWorld, siteOf } from './site-fakes.ts';
import { MAIN, PULL, type TestsWorld, testsWorld } from './site-tests-world.ts';

const DAY = 86_400;
const SECRET = { key: 'github:7', name: 'acme/secret' };
const HUSH = { key: 'github:8', name: 'acme/hush' };
const ON_SECRET = 'branch:github:7:refs/heads/main';
const ON_HUSH = 'branch:github:8:refs/heads/main';
const NOBODY = sightOf([SECRET, HUSH]);
const MEMBER = sightOf([SECRET, HUSH], new Set([SECRET.key]));

/** The site as somebody of this sight has it: of these repositories he may read none. */
function seenBy(sight: Sight, { prisma }: TestsWorld, knownFlappers: KnownFlapper[] = []): SiteWorld {
  const readerOf = (each: Sight) => createPrismaReader(prisma, { now: () => NOW }, each);
  const readers = { privates: async () => [...sight.hidden], seenBy: readerOf };
  return siteOf(readerOf(sight), { readers, knownFlappers });
}

const sayPrivate = (world: TestsWorld, repository: { key: string; name: string }, isPrivate: boolean) =>
  openStore(world.prisma, () => NOW).saveRepository({
    ...{ ...repository, defaultBranch: 'main', state: 'watched' },
    private: isPrivate,
  });

/** Fails and passes with the same commits, `flaps` times. */
async function flap(world: TestsWorld, file: string, subject: string, flaps = 1): Promise<void> {
  for (let at = 0; at < flaps; at += 1) {
    const id = `${file.replace(/\W/g, '')}-${subject.replace(/\W/g, '')}-${at}`;
    await world.told({ id: `${id}a`, subject, sourceSet: id }, tests([], [file]));
    await world.told({ id: `${id}b`, subject, sourceSet: id, verdict: 'passed' }, tests([file]));
  }
}

interface Row {
  file: string;
  job: string;
  repository?: string;
  runs: number;
  failed: number;
  flapped: number;
  failures: { run: string }[];
}
interface Answer {
  flappers: Row[];
  suggestions: { add: { name: string; repository?: string; flaps: number }[]; yaml: string };
}
interface File {
  jobs: Omit<Row, 'file'>[];
  failures: { run: string; repository?: string }[];
}

async function listed(site: SiteWorld, query = '?show=failed'): Promise<Answer> {
  return (await (await site.get(`/api/flappers${query}`)).json()) as Answer;
}
const sums = ({ file, repository = 'public', runs, failed, flapped }: Row) =>
  `${file}, ${repository}: ${runs} runs, ${failed} failed, ${flapped} flapped`;
const list = async (site: SiteWorld) => (await listed(site)).flappers.map(sums).sort();

async function file(site: SiteWorld, name: string): Promise<File | number> {
  const answer = await site.get(`/api/flappers/file?name=${encodeURIComponent(name)}`);
  return answer.status === 200 ? ((await answer.json()) as File) : answer.status;
}
const told = (answer: File | number) => {
  assert.ok(typeof answer === 'object', `answered ${answer}`);
  return {
    jobs: answer.jobs.map(({ repository = 'public', runs, failed }) => `${repository}: ${failed} of ${runs}`).sort(),
    failures: answer.failures.map(({ run }) => run).sort(),
  };
};

describe('one file in one job of a public and of two private repositories', () => {
  let world: TestsWorld;
  let [nobody, member, all]: SiteWorld[] = [];
  before(async () => {
    world = await testsWorld();
    for (const each of [SECRET, HUSH]) await sayPrivate(world, each, true);
    await flap(world, 't/same.t', MAIN, 3);
    await flap(world, 't/same.t', ON_SECRET, 4);
    await flap(world, 't/same.t', ON_HUSH, 5);
    await flap(world, 't/secret.t', ON_SECRET);
    await world.told({ id: 'calm', subject: ON_SECRET, verdict: 'passed' }, tests(['t/calm.t']));
    [nobody, member, all] = [NOBODY, MEMBER, EVERYTHING].map((sight) => seenBy(sight, world));
  });
  after(() => world.close());

  test('everybody sees the public sums, a member his own beside them', async () => {
    const forAll = 't/same.t, public: 6 runs, 3 failed, 3 flapped';
    const ofSecret = [
      't/same.t, acme/secret: 8 runs, 4 failed, 4 flapped',
      't/secret.t, acme/secret: 2 runs, 1 failed, 1 flapped',
    ];
    assert.deepEqual(await list(nobody!), [forAll]);
    assert.deepEqual(await list(member!), [ofSecret[0], forAll, ofSecret[1]]);
    assert.equal((await list(all!)).length, 4);
  });

  test('the page of a file shows the same, each job with its repository', async () => {
    assert.deepEqual(told(await file(nobody!, 't/same.t')), {
      jobs: ['public: 3 of 6'],
      failures: [0, 1, 2].map((at) => `tsamet-branchgithub1refsheadsmain-${at}a`),
    });
    const own = told(await file(member!, 't/same.t'));
    assert.deepEqual(own.jobs, ['acme/secret: 4 of 8', 'public: 3 of 6']);
    assert.equal(own.failures.length, 7);
    assert.equal(own.failures.filter((run) => run.includes('github8')).length, 0);
    assert.equal(told(await file(all!, 't/same.t')).failures.length, 12);
    const page = await member!.text('/flappers/file?name=t/same.t');
    assert.equal(page.match(/azure \/ Lin_MVM · acme\/secret/g)?.length, 1 + 4);
    assert.match(await member!.text('/flappers'), /azure \/ Lin_MVM · acme\/secret/);
  });

  test('a file of which nothing is left was never seen, whether it failed or not', async () => {
    for (const name of ['t/secret.t', 't/calm.t']) {
      assert.equal(await file(nobody!, name), 404, name);
      assert.equal((await nobody!.get(`/flappers/file?name=${name}`)).status, 404, name);
      assert.notEqual(await file(member!, name), 404, name);
    }
    const words = async (name: string) => (await nobody!.text(`/flappers/file?name=${name}`)).replaceAll(name, '');
    assert.equal(await words('t/secret.t'), await words('t/nothing.t'), 'the same words');
  });

  test('nothing that nobody may see is named anywhere', async () => {
    for (const path of ['/flappers?show=failed', '/api/flappers?show=failed', '/flappers/file?name=t/same.t'])
      assert.doesNotMatch(await nobody!.text(path), /secret|hush|calm|github:?[78]/i, path);
    assert.doesNotMatch(await member!.text('/api/flappers?show=failed'), /hush|github:?8/);
    for (const { faults } of [nobody!, member!]) assert.deepEqual(faults, []);
  });

  test('suggestions are for each record, and of a private one with its repository', async () => {
    const add = async (site: SiteWorld) =>
      (await listed(site)).suggestions.add.map(({ name, repository, flaps }) => [name, repository, flaps]);
    assert.deepEqual(await add(nobody!), [['t/same.t', undefined, 3]]);
    assert.deepEqual(await add(member!), [
      ['t/same.t', 'acme/secret', 4],
      ['t/same.t', undefined, 3],
    ]);
    assert.match((await listed(member!)).suggestions.yaml, /- name: "t\/same\.t"\n {2}repository: "acme\/secret"\n/);
  });

  test('pages of the list are paged without what is hidden', async () => {
    const first = (await (await nobody!.get('/api/flappers?show=failed&limit=1')).json()) as { next?: string };
    assert.equal(first.next, undefined);
  });
});

describe('a repository that became private', () => {
  let world: TestsWorld;
  let nobody: SiteWorld;
  let member: SiteWorld;
  before(async () => {
    world = await testsWorld();
    await sayPrivate(world, SECRET, false);
    await flap(world, 't/both.t', MAIN);
    await flap(world, 't/both.t', ON_SECRET);
    await flap(world, 't/open.t', MAIN);
    await flap(world, 't/old.t', ON_SECRET);
    await world.told(
      { id: 'q1', subject: ON_SECRET, verdict: 'passed' },
      tests(['t/quiet.t', 't/common.t', 't/open.t']),
    );
    await world.told({ id: 'q2', subject: MAIN, verdict: 'passed' }, tests(['t/common.t']));
    await sayPrivate(world, SECRET, true);
    await flap(world, 't/new.t', ON_SECRET);
    [nobody, member] = [seenBy(NOBODY, world), seenBy(MEMBER, world)];
  });
  after(() => world.close());

  test('sums with one of its failures are hidden, with what it told since then', async () => {
    assert.deepEqual(await list(nobody), ['t/open.t, public: 3 runs, 1 failed, 1 flapped']);
    assert.deepEqual(await list(member), [
      't/both.t, public: 4 runs, 2 failed, 2 flapped',
      't/new.t, acme/secret: 2 runs, 1 failed, 1 flapped',
      't/old.t, public: 2 runs, 1 failed, 1 flapped',
      't/open.t, public: 3 runs, 1 failed, 1 flapped',
    ]);
  });

  test('its failures are listed to nobody, those of others still are', async () => {
    assert.deepEqual(told(await file(nobody, 't/both.t')), {
      jobs: [],
      failures: ['tbotht-branchgithub1refsheadsmain-0a'],
    });
    assert.match(await nobody.text('/flappers/file?name=t/both.t'), /Newest failures/);
    assert.equal(told(await file(member, 't/both.t')).failures.length, 2);
  });

  test('what only it ran was never seen, and what others ran, too, is there', async () => {
    for (const name of ['t/old.t', 't/new.t', 't/quiet.t']) assert.equal(await file(nobody, name), 404, name);
    assert.deepEqual(told(await file(nobody, 't/common.t')).jobs, ['public: 0 of 2']);
    assert.deepEqual(told(await file(member, 't/quiet.t')).jobs, ['public: 0 of 1']);
  });
});

test('a repository that became public: its record from before is shown, and says whose it is', async () => {
  const world = await testsWorld();
  try {
    await sayPrivate(world, SECRET, true);
    await flap(world, 't/a.t', ON_SECRET);
    await sayPrivate(world, SECRET, false);
    await world.told({ id: 'since', subject: ON_SECRET }, tests([], ['t/a.t']));
    assert.deepEqual(await list(seenBy(sightOf([HUSH]), world)), [
      't/a.t, acme/secret: 2 runs, 1 failed, 1 flapped',
      't/a.t, public: 1 runs, 1 failed, 0 flapped',
    ]);
  } finally {
    await world.close();
  }
});

test('failures in runs that were tested with a hidden repository are not listed', async () => {
  const world = await testsWorld();
  try {
    await sayPrivate(world, SECRET, true);
    await world.told({ id: 'seen1' }, tests([], ['t/a.t']));
    await world.told({ id: 'beside', beside: [{ ...SECRET, installation: 'github:9' }] }, tests([], ['t/a.t']));
    const nobody = seenBy(NOBODY, world);
    assert.deepEqual(
      (await listed(nobody)).flappers.map(({ failures }) => failures.map(({ run }) => run)),
      [['seen1']],
    );
    assert.deepEqual(told(await file(nobody, 't/a.t')).failures, ['seen1']);
    assert.deepEqual(told(await file(seenBy(MEMBER, world), 't/a.t')).failures, ['beside', 'seen1']);
  } finally {
    await world.close();
  }
});

test('what the record says about a list is of what somebody may see', async () => {
  const world = await testsWorld();
  try {
    await sayPrivate(world, SECRET, true);
    const old = later(-400 * DAY);
    await world.told({ id: 'first', subject: ON_SECRET, at: old }, tests(['t/gone.t', 't/lives.t']));
    await world.told({ id: 'then', at: later(-2 * DAY) }, tests(['t/lives.t']));
    await world.told({ id: 'runs', subject: ON_SECRET }, tests(['t/lives.t', 't/only-there.t', 't/only-passes.t']));
    await flap(world, 't/only-there.t', ON_SECRET);
    const record = (sight: Sight) =>
      listRecord(world.prisma, sight, ['t/gone.t', 't/lives.t', 't/only-*.t'], later(-30 * DAY));
    const forNobody = await record(NOBODY);
    assert.deepEqual(forNobody, {
      ...{ running: ['t/lives.t'], gone: [] },
      ...{
        lastFlapped: new Map(),
        recordedSince: later(-2 * DAY)
          .toISOString()
          .slice(0, 10),
      },
    });
    const forMember = await record(MEMBER);
    assert.deepEqual(forMember.running.toSorted(), ['t/lives.t', 't/only-passes.t', 't/only-there.t']);
    assert.deepEqual(forMember.gone, ['t/gone.t']);
    assert.deepEqual([...forMember.lastFlapped.keys()], ['t/only-there.t']);
    assert.equal(forMember.recordedSince, old.toISOString().slice(0, 10));
  } finally {
    await world.close();
  }
});

test("entries of repositories' own lists are told of runs that may be seen", async () => {
  const world = await testsWorld();
  try {
    await sayPrivate(world, SECRET, true);
    const judge = async (id: string, subject: string, entry: KnownFlapper) => {
      await world.told({ id, subject }, tests([], [entry.name]));
      const judged = [{ files: [{ file: aFailure(entry.name), isKnown: true, entry }] }];
      await world.prisma.run.update({ where: { id }, data: { flappers: JSON.parse(JSON.stringify({ judged })) } });
    };
    await judge('open', MAIN, { name: 't/open.t' });
    await judge('closed', ON_SECRET, { name: 't/closed.t' });
    const names = async (sight: Sight, where: Parameters<typeof readListed>[2]) =>
      (await readListed(world.prisma, sight, where)).map(({ name }) => name).sort();
    const since = later(-DAY);
    assert.deepEqual(await names(NOBODY, { since }), ['t/open.t']);
    assert.deepEqual(await names(MEMBER, { since }), ['t/closed.t', 't/open.t']);
    assert.deepEqual(await names(NOBODY, { runId: 'closed' }), []);
    assert.deepEqual(await names(MEMBER, { runId: 'closed' }), ['t/closed.t']);
  } finally {
    await world.close();
  }
});

test('what a list says of a hidden repository is for its members', async () => {
  const world = await testsWorld();
  try {
    await world.told({ id: 'seen1' }, tests([], ['t/a.t', 't/b.t']));
    const known: KnownFlapper[] = [
      { name: 't/a.t', repository: 'Acme/Secret', issue: 'https://github.example/acme/secret/issues/1' },
      { name: 't/b.t', issue: 'https://github.example/acme/secret/issues/2' },
      { name: 't/over.t', repository: 'acme/secret', until: '2026-01-01' },
    ];
    const [nobody, member] = [NOBODY, MEMBER].map((sight) => seenBy(sight, world, known));
    for (const path of [
      '/flappers?show=failed',
      '/api/flappers?show=failed',
      '/flappers/file?name=t/a.t',
      '/runs/seen1',
    ]) {
      assert.doesNotMatch(await nobody!.text(path), /secret|t\/over\.t/i, path);
      assert.match(await member!.text(path), /acme\/secret\/issues\/[12]/i, path);
    }
    assert.doesNotMatch(await nobody!.text('/api/runs/seen1'), /secret/i);
    const { files } = ((await (await nobody!.get('/api/runs/seen1')).json()) as { failures: { files: object[] } })
      .failures;
    assert.deepEqual(
      files.map((each) => (each as { known?: object }).known),
      [undefined, { name: 't/b.t' }],
    );
    assert.deepEqual([...nobody!.faults, ...member!.faults], []);
  } finally {
    await world.close();
  }
});

test('news never names a run that was tested with a hidden repository', async () => {
  const world = await testsWorld();
  try {
    const beside = [{ ...SECRET, installation: 'github:9' }];
    await world.told({ id: 'm1' }, tests([], ['t/a.t']));
    await world.told({ id: 'm2', beside }, tests(['t/a.t']));
    await world.told({ id: 'p1', subject: PULL, beside }, tests([], ['t/a.t']));
    await world.told({ id: 'p2', subject: PULL }, tests([], ['t/a.t']));
    await world.told({ id: 'p3', subject: PULL }, tests([], ['t/a.t']));
    const newsFor = async (sight: Sight) => {
      const { files, runs } = await readFailures(world.prisma, sight, { id: 'p3', subject: PULL });
      return { news: files[0]!.news, main: files[0]!.main?.runId, runs: runs.map(({ id }) => id) };
    };
    const since = (runId: string) => ({ kind: 'since', runId }) as const;
    assert.deepEqual(await newsFor(EVERYTHING), { news: since('p1'), main: 'm2', runs: ['p1'] });
    assert.deepEqual(await newsFor(NOBODY), { news: since('p2'), main: 'm1', runs: ['p2'] });
  } finally {
    await world.close();
  }
});
