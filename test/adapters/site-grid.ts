import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Archive } from '../../src/archive/archive.ts';
import type { Artifact, Attempt, Job, Run } from '../../src/core/model.ts';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { openStore } from '../../src/store/prisma.ts';
import { zipOf } from '../standins/azure/zip.ts';
import { aBuild, aPull, aRepository, aRun, aSource, sha } from '../support/builders.ts';
import { aReading, tests } from '../support/readings.ts';

/**
 * Runs with many jobs: four that passed, one that is under way, one that failed long ago and of which retention removed
 * what it may; and one in which everything that strangers name is hostile.
 */
export const GRID = { running: '02grid5', failed: '02grid6', hostile: '02grid7' } as const;
export const EVIL = `"><script>alert(1)</script><img src=x onerror=alert(2)>`;
/** Right-to-left override, zero-width space, line break, and what an unwary template could take for its own. */
export const SLY = `\u202egnp.exe\u200b\n{{7*7}} \${7*7} &lt;b&gt; ‮`;

const MOAR = aRepository({ key: 'github:31', name: 'MoarVM/MoarVM' });
const PULL = 'pull-request:github:31#1999';
const SYSTEMS = ['Linux x86_64', 'macOS arm64', 'Windows x86_64', 'openSUSE_Tumbleweed aarch64'];
const CONFIGURATIONS = ['gcc', 'gcc no-jit', 'clang asan', 'relocatable'];
const NAMES = SYSTEMS.flatMap((system) => CONFIGURATIONS.map((configuration) => `${system} ${configuration}`));

export interface GridFiles {
  /** In the archive, by what they are. */
  zip: Artifact;
  tar: Artifact;
  sources: Artifact;
}

export async function addGrid(
  prisma: PrismaClient,
  archive: Pick<Archive, 'put' | 'openLog'>,
  now: Date,
): Promise<GridFiles> {
  const store = openStore(prisma, () => now);
  const files = await putFiles(archive);
  for (const run of [...passedRuns(now), runningRun(now, files), failedRun(now, files), hostileRun(now, files)])
    await store.saveRun(run);
  await removeOld(prisma, now);
  for (const id of [`${GRID.running}-j0-1`, `${GRID.hostile}-j0-1`]) await writeLog(archive, id);
  return files;
}

async function putFiles(archive: Pick<Archive, 'put'>): Promise<GridFiles> {
  const put = async (name: string, bytes: Buffer): Promise<Artifact> => ({ name, ...(await archive.put(bytes)) });
  const hostile = ['../../../etc/passwd', EVIL, SLY, 'a/b/c/only.txt', 'a/b/c/d/deep.log', 't/01-basic.t', ''];
  return {
    zip: await put(
      'install/moar.zip',
      zipOf(hostile.map((name) => ({ name: name || 'x', contents: `This is ${name}\n` }))),
    ),
    tar: await put('logs/spectest-failures.tar.gz', gzipSync(await tarOf(hostile))),
    sources: await put(
      'MoarVM.tar.gz',
      gzipSync(await tarOf(['MoarVM/Configure.pl', 'MoarVM/src/gc/collect.c', 'MoarVM/VERSION'])),
    ),
  };
}

async function tarOf(names: string[]): Promise<Buffer> {
  const tar = pack();
  for (const name of names) tar.entry({ name: name || 'x' }, `This is ${name}\n`);
  tar.entry({ name: 'link', type: 'symlink', linkname: '/etc/shadow' });
  tar.finalize();
  return Buffer.concat(await Array.fromAsync(Readable.from(tar) as AsyncIterable<Buffer>));
}

const changeOf = (title: string) =>
  aPull({
    number: 1999,
    ref: 'fix-gc',
    sha: sha('f'),
    title,
    author: { id: '7', login: 'niner' },
    base: { ref: 'main', sha: sha('0') },
  });

const gridRun = (id: string, more: Partial<Run>): Run =>
  aRun({
    id,
    repository: MOAR,
    change: changeOf('Collect less often'),
    subject: PULL,
    trigger: 'pull-request',
    sources: [],
    checks: [],
    ...more,
  });

interface JobEnd {
  state?: Job['state'];
  verdict?: Job['verdict'];
  why?: string;
  /** Of its newest attempt, in seconds. */
  took?: number;
  startedAt?: Date;
  artifacts?: Artifact[];
  /** Attempts before it, which failed. */
  before?: number;
}

function aGridJob(run: string, place: number, name: string, backend: string, end: JobEnd): Job {
  const { state = 'finished', verdict, why, took = 240, startedAt, artifacts = [], before = 0 } = end;
  const attempt = (number: number, more: Partial<Attempt>): Attempt => ({
    id: `${run}-j${place}-${number}`,
    number,
    state,
    verdict,
    startedAt,
    finishedAt: state === 'finished' && startedAt ? new Date(startedAt.getTime() + took * 1000) : undefined,
    log: state === 'queued' ? undefined : { bytes: 5_000, lines: 12 },
    artifacts,
    ...more,
  });
  const failed = Array.from({ length: before }, (_, i) =>
    attempt(i + 1, { state: 'finished', verdict: 'failed', artifacts: [] }),
  );
  return {
    id: `${run}-j${place}`,
    name: `${backend} / ${name}`,
    externalName: name,
    state,
    verdict,
    why,
    attempt: before + 1,
    attempts: state === 'queued' ? failed : [...failed, attempt(before + 1, {})],
  };
}

const at = (now: Date, secondsAgo: number): Date => new Date(now.getTime() - secondsAgo * 1000);

/** Their Linux jobs took 200, 240, 280 and 320 s: the median is 260 s. */
function passedRuns(now: Date): Run[] {
  return [1, 2, 3, 4].map((place) => {
    const id = `02grid${place}`;
    const startedAt = at(now, 86_400 * (10 - place));
    const jobs = NAMES.map((name, i) =>
      aGridJob(id, i, name, 'azure', { verdict: 'passed', startedAt, took: 160 + 40 * place + (i >= 4 ? 300 : 0) }),
    );
    const build = aBuild({
      id: `${id}-build`,
      backend: 'azure',
      externalId: id,
      jobs,
      createdAt: at(now, 86_400 * (10 - place) + 90),
    });
    return gridRun(id, {
      builds: [build],
      createdAt: at(now, 86_400 * (10 - place) + 120),
      finishedAt: at(now, 86_400 * (10 - place) - 900),
    });
  });
}

function runningRun(now: Date, files: GridFiles): Run {
  const id = GRID.running;
  const ends: JobEnd[] = NAMES.map((_, i) => {
    if (i < 5)
      return {
        verdict: 'passed',
        startedAt: at(now, 700),
        took: 180 + 20 * i,
        artifacts: i === 0 ? artifactsOf(files) : [],
      };
    if (i === 5)
      return { verdict: 'failed', why: 'not ok 12 - nothing leaks', startedAt: at(now, 600), took: 580, before: 1 };
    if (i < 11) return { state: 'running', startedAt: at(now, i === 10 ? 2_000 : 120) };
    return { state: 'queued' };
  });
  const grid = ends.map((end, i) => aGridJob(id, i, NAMES[i]!, 'azure', end));
  const extra = aGridJob(id, 90, 'Prepare', 'azure', { verdict: 'passed', startedAt: at(now, 800), took: 31 });
  const obs = aGridJob(id, 91, 'rakudo x86_64-openSUSE_Tumbleweed', 'obs', {
    state: 'running',
    startedAt: at(now, 60),
  });
  return gridRun(id, {
    state: 'building',
    verdict: undefined,
    createdAt: at(now, 2_150),
    finishedAt: undefined,
    sources: [
      aSource({
        id: `${id}-s`,
        repository: MOAR,
        sha: sha('f'),
        why: 'head of pull request #1999',
        archive: { ...files.sources, tarSha256: 'd4'.repeat(32) },
      }),
    ],
    builds: [
      aBuild({
        id: `${id}-b1`,
        backend: 'azure',
        state: 'running',
        verdict: undefined,
        externalId: 'a1',
        url: 'https://dev.azure.com/acme/raku/_build/results?buildId=7',
        createdAt: at(now, 2_100),
        jobs: [...grid, extra],
      }),
      aBuild({
        id: `${id}-b2`,
        backend: 'obs',
        state: 'running',
        verdict: undefined,
        externalId: 'o1',
        createdAt: at(now, 840),
        jobs: [obs],
      }),
    ],
  });
}

const artifactsOf = ({ zip, tar }: GridFiles): Artifact[] => [
  zip,
  tar,
  { name: 'logs/config.log', size: 48_211, sha256: 'e1'.repeat(32) },
  { name: 'logs/spesh/01.log', size: 12_000_000, sha256: 'e2'.repeat(32) },
];

/** All of it was removed: sources, artifacts, and the log of its first job. */
function failedRun(now: Date, files: GridFiles): Run {
  const id = GRID.failed;
  const old = { ...files.zip, sha256: 'f1'.repeat(32) };
  const jobs = NAMES.map((name, i) =>
    aGridJob(id, i, name, 'azure', {
      verdict: i === 0 ? 'failed' : 'passed',
      startedAt: at(now, 500_000),
      artifacts: i === 0 ? [old] : [],
    }),
  );
  return gridRun(id, {
    change: { ...changeOf('Collect never'), number: 1500 } as Run['change'],
    subject: 'pull-request:github:31#1500',
    verdict: 'failed',
    why: '1 of 16 jobs failed: azure / Linux x86_64 gcc.',
    createdAt: at(now, 500_900),
    finishedAt: at(now, 499_000),
    sources: [
      aSource({
        id: `${id}-s`,
        repository: MOAR,
        archive: { sha256: 'f2'.repeat(32), size: 6_100_000, tarSha256: 'f3'.repeat(32) },
      }),
    ],
    builds: [
      aBuild({
        id: `${id}-b`,
        backend: 'azure',
        verdict: 'failed',
        externalId: 'a2',
        jobs,
        createdAt: at(now, 500_800),
        finishedAt: at(now, 499_000),
      }),
    ],
  });
}

async function removeOld(prisma: PrismaClient, now: Date): Promise<void> {
  const removedAt = at(now, 86_400);
  await prisma.source.updateMany({ where: { runId: GRID.failed }, data: { archiveRemovedAt: removedAt } });
  await prisma.artifact.updateMany({ where: { attemptId: `${GRID.failed}-j0-1` }, data: { removedAt } });
  await prisma.attempt.updateMany({ where: { id: `${GRID.failed}-j0-1` }, data: { logRemovedAt: removedAt } });
}

/** A title, branch, login, job, reason, file, check, note and pin by somebody who means harm. */
function hostileRun(now: Date, files: GridFiles): Run {
  const id = GRID.hostile;
  const artifacts = [
    { ...files.zip, name: `${EVIL}.zip` },
    { ...files.tar, name: `../../${SLY}/x.tar.gz` },
    { name: 'javascript:alert(1)', size: 1, sha256: 'e3'.repeat(32) },
    { name: `${'long/'.repeat(60)}${'w'.repeat(300)}.txt`, size: 1, sha256: 'e4'.repeat(32) },
  ];
  const names = [EVIL, SLY, 'linux a', 'linux b', 'mac a', `mac ${'m'.repeat(200)}`];
  const jobs = names.map((name, i) =>
    aGridJob(id, i, name, EVIL, {
      verdict: i % 2 ? 'passed' : 'failed',
      why: `${EVIL}${SLY}`,
      startedAt: at(now, 300),
      artifacts: i === 0 ? artifacts : [],
    }),
  );
  const change = {
    ...changeOf(`${EVIL} ${SLY}`),
    number: 666,
    ref: EVIL,
    author: { id: '6', login: EVIL },
    fork: true,
    base: { ref: SLY, sha: sha('6') },
  };
  return gridRun(id, {
    change: change as Run['change'],
    subject: 'pull-request:github:31#666',
    verdict: 'failed',
    why: `${EVIL} \`${EVIL}\` ${SLY}`,
    createdAt: at(now, 400),
    finishedAt: at(now, 10),
    sources: [
      aSource({
        id: `${id}-s`,
        repository: MOAR,
        ref: EVIL,
        why: EVIL,
        version: SLY,
        archive: { ...files.sources, tarSha256: 'd4'.repeat(32) },
      }),
    ],
    manifest: {
      trees: [{ into: EVIL, path: SLY, repository: EVIL, sha: sha('3'), ref: EVIL, why: EVIL }],
      partners: [
        { repository: EVIL, number: 1, ref: EVIL, sha: sha('1'), fork: true, author: { id: '6', login: SLY } },
      ],
      notes: [EVIL, SLY],
      matching: {
        subject: 'match:raku:x',
        repository: 'MoarVM/MoarVM',
        branch: EVIL,
        author: { id: '6', login: EVIL },
      },
      pinText: `${EVIL}\n${SLY}`,
    },
    builds: [
      aBuild({
        id: `${id}-b`,
        backend: EVIL,
        verdict: 'failed',
        externalId: 'h1',
        url: 'javascript:alert(1)',
        why: EVIL,
        jobs,
        createdAt: at(now, 390),
        finishedAt: at(now, 10),
      }),
    ],
    checks: [{ id: `${id}-c`, name: EVIL, error: EVIL }],
  });
}

/** What the tests of these jobs said; test files that strangers named, too. */
export async function addReadings(prisma: PrismaClient, now: Date): Promise<void> {
  const reading = (run: string, place: number, job: string, failed: string[]) =>
    aReading({
      ...{ attemptId: `${run}-j${place}-1`, runId: run, subject: PULL, job, platform: job, sourceSet: run, at: now },
      tests: tests(['t/01-basic.t', EVIL], failed),
    });
  const readings = [
    reading(GRID.hostile, 0, `${EVIL} / ${EVIL}`, [`t/${EVIL}`, SLY, `t/${'w'.repeat(300)}.t`]),
    reading(GRID.failed, 0, `azure / ${NAMES[0]}`, ['t/spec/S17-procasync/kill.t', 't/01-basic.t']),
    reading('02grid1', 0, `azure / ${NAMES[0]}`, ['t/spec/S17-procasync/kill.t']),
  ];
  for (const each of readings) await prisma.$transaction((client) => openStore(client, () => now).saveTests(each));
}

async function writeLog(archive: Pick<Archive, 'openLog'>, id: string): Promise<void> {
  const writer = await archive.openLog(id);
  await writer.append(
    Buffer.from(
      `\u001b[31mnot ok 1 - ${EVIL}\u001b[0m\n${SLY}\n\u001b]8;;javascript:alert(1)\u0007link\u001b]8;;\u0007\nok 2\n`,
    ),
  );
  await writer.end();
}
