import type { RunFlappers } from '../../src/core/run-flappers.ts';
import type { Prisma, PrismaClient } from '../../src/generated/prisma/client.ts';
import { openStore } from '../../src/store/prisma.ts';
import { sha } from '../support/builders.ts';
import { aFailure, aReading, tests } from '../support/readings.ts';
import { ago, type memoryArchive, NOW } from './site-fakes.ts';

/** All that can be told of one repository, with its word in every text, id and name: where the word is, something of it is. */
export interface Told {
  word: string;
  key: string;
  /** Of its source archive, and of an artifact. */
  archives: string[];
  /** Addresses of the site at which something of it is. */
  addresses: string[];
}

const SHARED_SHA = sha('a commit that is in two repositories');

export async function tellAbout(
  prisma: PrismaClient,
  archive: ReturnType<typeof memoryArchive>,
  { word, key, isPrivate }: { word: string; key: string; isPrivate: boolean },
): Promise<Told> {
  const name = `acme/${word}`;
  const pull = `pull-request:${key}#7`;
  const main = `branch:${key}:refs/heads/${word}-main`;
  const packed = await archive.put(Buffer.from(`${word} source`));
  const built = await archive.put(Buffer.from(`${word} artifact`));
  await prisma.repository.create({
    data: {
      ...{ key, name, private: isPrivate, state: 'watched', why: `${word} repository`, installation: 'github:71' },
      ...{ defaultBranch: `${word}-main`, updatedAt: NOW },
    },
  });
  const run = (id: string, change: Partial<Prisma.RunCreateManyInput>): Prisma.RunCreateManyInput => ({
    ...{ id: `${word}-${id}`, repositoryKey: key, repository: name, installation: 'github:71', subject: main },
    ...{ kind: 'commit', ref: `refs/heads/${word}-main`, sha: sha(`${word} ${id}`), title: `${word} ${id}` },
    ...{ authorId: '5', authorLogin: `${word}-author`, state: 'finished', verdict: 'failed', why: `${word} why` },
    ...{ trigger: 'push', createdAt: ago(600), finishedAt: ago(300), changedAt: ago(300) },
    ...change,
  });
  const flappers: RunFlappers = {
    judged: [
      {
        ...{ jobId: `${word}-job1`, job: `azure / ${word}-job`, attempt: 1, isFlapperOnly: true, obstacles: [] },
        decision: { rerun: false, because: 'run-before' },
        files: [
          { isKnown: true, file: aFailure(`t/${word}.t`), entry: { name: `t/${word}-listed.t`, repository: name } },
        ],
      },
    ],
    faults: [`${word} fault`],
  };
  await prisma.run.createMany({
    data: [
      run('first', { verdict: 'passed', sha: SHARED_SHA, why: null }),
      run('main', {}),
      run('pull', {
        ...{ kind: 'pull-request', number: 7, subject: pull, ref: `${word}-branch`, sha: SHARED_SHA },
        flappers: flappers as unknown as Prisma.InputJsonValue,
        manifest: { trees: [], partners: [], notes: [`${word} note`] },
      }),
      run('retest', {
        ...{ kind: 'pull-request', number: 7, subject: pull, ref: `${word}-branch`, previousId: `${word}-pull` },
        ...{ state: 'building', verdict: null, finishedAt: null },
      }),
      run('waits', { state: 'waiting', verdict: null, finishedAt: null }),
    ],
  });
  await prisma.source.createMany({
    data: ['first', 'main', 'pull', 'retest'].map((id) => ({
      ...{ id: `${word}-source-${id}`, runId: `${word}-${id}`, repositoryKey: key, repository: name },
      ...{ sha: sha(`${word} ${id}`), changed: true, why: `${word} reason`, ref: `refs/heads/${word}-main` },
      ...{ archiveSha256: packed.sha256, archiveSize: packed.size, tarSha256: sha(`${word} tar`) },
    })),
  });
  const jobs: [run: string, job: string, state: string, verdict: string | null][] = [
    ['first', 'job0', 'finished', 'passed'],
    ['pull', 'job1', 'finished', 'failed'],
    ['retest', 'job2', 'running', null],
  ];
  for (const [at, job, state, verdict] of jobs) {
    await prisma.build.create({
      data: {
        ...{ id: `${word}-build-${job}`, runId: `${word}-${at}`, backend: 'azure', state, verdict },
        ...{ externalId: `${word}-${job}`, url: `https://ci.example/${word}`, why: `${word} build` },
        createdAt: ago(500),
        jobs: {
          create: {
            ...{ id: `${word}-${job}`, name: `azure / ${word}-job`, externalName: `${word}-job`, state, verdict },
            why: `${word} job`,
            attempts: {
              create: {
                ...{ id: `${word}-attempt-${job}`, number: 1, state, verdict, startedAt: ago(400) },
                ...{ finishedAt: verdict ? ago(350) : null, logBytes: 40, logLines: 2 },
                artifacts: {
                  create: {
                    id: `${word}-artifact-${job}`,
                    name: `${word}.zip`,
                    size: built.size,
                    sha256: built.sha256,
                  },
                },
              },
            },
          },
        },
      },
    });
    const log = await archive.openLog(`${word}-attempt-${job}`);
    await log.append(Buffer.from(`##[error]${word} went wrong\nnot ok 1 - ${word}\n`));
    if (verdict) await log.end();
  }
  await prisma.check.create({
    data: { id: `${word}-check`, runId: `${word}-pull`, name: `azure / ${word}-job`, error: `${word} refused` },
  });
  // What is due first is told first.
  await tellQueue(prisma, { word, key, name, pull, main, dueAt: ago(isPrivate ? 120 : 100) });
  await tellPeople(prisma, { word, pull });
  await tellTests(prisma, { word, pull, main });
  return { word, key, archives: [packed.sha256, built.sha256], addresses: addressesOf(word, key, [packed, built]) };
}

interface Place {
  word: string;
  key: string;
  name: string;
  pull: string;
  main: string;
  dueAt: Date;
}

async function tellQueue(prisma: PrismaClient, { word, key, name, pull, main, dueAt }: Place): Promise<void> {
  const subjects = [pull, main, `repository:${key}`, `run:${word}-pull`, `run:${word}-retest`];
  const states = ['done', 'pending', 'parked', 'running'];
  const told = { error: `${word} error`, tries: 2, dueAt, createdAt: ago(100) };
  await prisma.event.createMany({
    data: subjects.flatMap((subject, at) =>
      states.map((state, nth) => ({
        ...told,
        ...{ id: `${word}-event-${at}${nth}`, key: `${word}-key-${at}${nth}`, kind: 'branch.hinted', subject, state },
        ...{ payload: { kind: 'branch.hinted', repository: { key, name }, ref: word }, raw: `${word} raw` },
        ...{ hookAt: ago(99), occurredAt: ago(101) },
      })),
    ),
  });
  const sighting = { id: `${word}-sighting`, eventId: `${word}-event-00`, source: 'hook', at: ago(99) };
  await prisma.sighting.create({ data: { ...sighting, delivery: `${word}-delivery` } });
  const payloads = [
    { kind: 'build.start', runId: `${word}-retest`, buildId: `${word}-build-job2`, backend: 'azure' },
    { kind: 'inspect.branch', subject: main, repository: { key, name } },
    { kind: 'inspect.partners', subject: pull },
  ];
  await prisma.effect.createMany({
    data: payloads.flatMap((payload, at) =>
      ['pending', 'running', 'parked'].map((state, nth) => ({
        ...told,
        ...{ id: `${word}-effect-${at}${nth}`, target: `${word}-target-${at}`, lane: `write:${word}-${at}` },
        ...{ kind: payload.kind, payload, state },
      })),
    ),
  });
  const trouble = { why: `${word} trouble`, since: ago(300).toISOString() };
  await prisma.cursor.create({ data: { name: `poll:${key}`, value: { trouble }, movedAt: NOW } });
}

async function tellPeople(prisma: PrismaClient, { word, pull }: Pick<Place, 'word' | 'pull'>): Promise<void> {
  await prisma.mergeRequest.create({
    data: {
      ...{
        id: `${word}-wish`,
        subject: pull,
        requesterId: '5',
        requester: `${word}-asker`,
        commentId: `${word}-comment`,
      },
      ...{ headSha: SHARED_SHA, baseRef: `${word}-main`, askedAt: ago(50), state: 'open', retestedBases: [], told: [] },
      updatedAt: ago(50),
    },
  });
  await prisma.press.create({
    data: {
      ...{ key: `${word}-press`, runId: `${word}-pull`, command: 're-test', actorId: '5', actor: `${word}-presser` },
      ...{ state: 'refused', why: `${word} press`, at: ago(40) },
    },
  });
}

async function tellTests(prisma: PrismaClient, { word, pull, main }: Pick<Place, 'word' | 'pull' | 'main'>) {
  const readings = [
    { attemptId: `${word}-attempt-job0`, runId: `${word}-first`, subject: main, tests: tests([`t/${word}.t`]) },
    { attemptId: `${word}-attempt-job1`, runId: `${word}-pull`, subject: pull, tests: tests([], [`t/${word}.t`]) },
  ];
  for (const reading of readings) {
    const told = aReading({ ...reading, job: `azure / ${word}-job`, platform: `${word}-job`, sourceSet: word });
    await prisma.$transaction((client) => openStore(client, () => NOW).saveTests(told));
  }
}

function addressesOf(word: string, key: string, archives: { sha256: string }[]): string[] {
  const name = `acme/${word}`;
  const on = (path: string, query: Record<string, string>) => `${path}?${new URLSearchParams(query)}`;
  const job = `/runs/${word}-pull/jobs/${word}-job1`;
  const runFilters: Record<string, string>[] = [
    { repository: name },
    { text: word },
    { author: `${word}-author` },
    { ref: `${word}-branch` },
    { sha: sha(`${word} main`) },
  ];
  const factFilters: Record<string, string>[] = [
    { subject: `pull-request:${key}#7` },
    { subject: `branch:${key}:refs/heads/${word}-main`, state: 'parked' },
    { subject: `repository:${key}` },
    { subject: `run:${word}-pull` },
  ];
  return [
    ...['first', 'main', 'pull', 'retest', 'waits'].flatMap((id) => [`/runs/${word}-${id}`, `/api/runs/${word}-${id}`]),
    ...['', '/log.txt', '/lines', '/compare'].map((what) => `${job}${what}`),
    on(job, { q: word }),
    ...archives.flatMap(({ sha256 }) => [`/archive/${sha256}`, `/archive/${sha256}/x`, `/archive/${sha256}/x/files`]),
    ...runFilters.flatMap((filter) => [on('/runs', filter), on('/api/runs', filter)]),
    ...factFilters.flatMap((filter) => [on('/ledger', filter), on('/api/ledger', filter)]),
    ...['00', '01', '02', '10', '20', '30'].map((id) => on('/ledger/fact', { key: `${word}-key-${id}` })),
    ...['/flappers', '/api/flappers'].map((path) => on(path, { file: word, show: 'failed' })),
    ...['/flappers/file', '/api/flappers/file'].map((path) => on(path, { name: `t/${word}.t` })),
    `/stacks/${name}`,
  ];
}
