/**
 * The pages of the site on a year of runs (`npm run bench:site`): 50 readers at a time ask for one page over and over, each
 * as soon as it was answered, beside `/healthz`, which asks nothing of the database. The site is a process of its own; so
 * are these readers and PostgreSQL, and all of them share the machine.
 *
 *   RCB_BENCH_RUNS=5000       fewer runs than 100,000 (and some 2,000,000 jobs)
 *   RCB_BENCH_SEEDED=URL      a database that `npm run seed` has filled already
 *   RCB_BENCH_PAGES=list,run  only these
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORIES } from '../prisma/seed.ts';
import { seedAll } from '../prisma/seed-command.ts';
import { openDatabase } from '../src/database/database.ts';
import type { PrismaClient } from '../src/generated/prisma/client.ts';
import { createServerDatabase } from '../test/support/database.ts';
import { latency, round, say, tell } from './support/figures.ts';
import { fullSpeed } from './support/load.ts';
import { serverSettings, serverUrl } from './support/server.ts';

const RUNS = Number(process.env['RCB_BENCH_RUNS'] ?? 100_000);
const SEEDED = process.env['RCB_BENCH_SEEDED'];
const ONLY = process.env['RCB_BENCH_PAGES']?.split(',');
const READERS = 50;
const PAGE_MS = 3_000;
const WARM_UP_MS = 500;
const MB = 1_000_000;

const postgres = await serverSettings(SEEDED ?? serverUrl());
const directory = await mkdtemp(join(tmpdir(), 'rcb-bench-site-'));
const created = SEEDED === undefined ? await createServerDatabase(serverUrl()) : undefined;
const url = SEEDED ?? created!.url;
const database = await openDatabase({ url, dataDir: directory });
let server: ChildProcess | undefined;
try {
  const begun = performance.now();
  if (created) await seedAll(database, { runs: RUNS, seed: 1, now: new Date(), force: false, dataDir: directory, say });
  const seedSeconds = created && round((performance.now() - begun) / 1_000);
  const rows = { runs: await database.prisma.run.count(), jobs: await database.prisma.job.count() };
  const started = await startServer();
  server = started.child;
  const pages = await pagesOf(database.prisma, rows.runs);
  const chosen = Object.entries(pages).filter(([name]) => name === 'healthz' || !ONLY || ONLY.includes(name));
  for (const [, path] of chosen) {
    await assertServed(started.port, path);
    await read(started.port, path, WARM_UP_MS);
  }
  const before = await memoryOf(started.child);
  const figures: Record<string, { perSecond: number; p50Ms: number; p99Ms: number }> = {};
  for (const [name, path] of chosen) {
    figures[name] = await read(started.port, path, PAGE_MS);
    say(`${name}: ${JSON.stringify(figures[name])} ${path}`);
  }
  const after = await memoryOf(started.child);
  const times = (name: string) => round(figures[name]!.p99Ms / figures['healthz']!.p99Ms);
  tell('site', {
    pages: figures,
    p99ToHealthz: Object.fromEntries(Object.keys(figures).map((name) => [name, times(name)])),
    worstP99Ms: Math.max(...Object.values(figures).map(({ p99Ms }) => p99Ms)),
    memoryMB: { before: round(before.rss / MB), after: round(after.rss / MB) },
    heapMB: { before: round(before.heap / MB), after: round(after.heap / MB) },
    ...rows,
    ...(seedSeconds !== undefined && { seedSeconds }),
    readers: READERS,
    postgres,
  });
} finally {
  server?.kill();
  await database.close();
  await created?.drop();
  await rm(directory, { recursive: true, force: true });
}

async function startServer(): Promise<{ child: ChildProcess; port: number }> {
  const repositories = REPOSITORIES.map(({ name }) => name).join(',');
  const path = join(import.meta.dirname, 'support', 'site-server.ts');
  const child = fork(path, [url, join(directory, 'archive'), repositories], { execArgv: ['--expose-gc'] });
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`The site ended with ${code}.`)));
  const [{ port }] = (await Promise.race([once(child, 'message'), ended])) as [{ port: number }];
  ended.catch(() => undefined);
  return { child, port };
}

async function memoryOf(child: ChildProcess): Promise<{ rss: number; heap: number }> {
  child.send('memory');
  const [told] = await once(child, 'message');
  return told;
}

/** A page that says what is wrong is quick, and no figure. */
async function assertServed(port: number, path: string): Promise<void> {
  const { status } = await fetch(`http://127.0.0.1:${port}${path}`);
  if (status !== 200) throw new Error(`${path} was answered with ${status}.`);
}

async function read(port: number, path: string, ms: number) {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: rcb.example\r\nAccept: text/html\r\n\r\n`);
  const { perSecond, times } = await fullSpeed(port, () => request, READERS, ms);
  const { p50, p99 } = latency(times);
  return { perSecond: round(perSecond), p50Ms: p50, p99Ms: p99 };
}

/** Of each kind of page one, and of the list of runs each filter: what many runs fit, and what few do. */
async function pagesOf(prisma: PrismaClient, runs: number): Promise<Record<string, string>> {
  const at = async (share: number) =>
    (await prisma.run.findMany({ orderBy: { id: 'asc' }, skip: Math.floor(runs * share), take: 1 }))[0]!;
  const [middle, eldest] = [await at(0.5), await at(0.01)];
  const job = await prisma.job.findFirstOrThrow({ where: { build: { runId: middle.id } } });
  const fact = await prisma.event.findFirstOrThrow({ where: { subject: middle.subject } });
  const { file } = await prisma.testFailure.findFirstOrThrow({ where: { flapped: true }, include: { file: true } });
  const name = REPOSITORIES[0]!.name;
  const asked = (query: Record<string, string>) => `/runs?${new URLSearchParams(query)}`;
  return {
    healthz: '/healthz',
    list: '/',
    listMiddle: asked({ before: middle.id }),
    listEldest: asked({ before: eldest.id }),
    repository: asked({ repository: name }),
    branch: asked({ ref: 'main' }),
    branchOfFew: asked({ ref: middle.ref }),
    pullRequest: asked({ number: String(middle.number ?? 7), repository: middle.repository }),
    verdict: asked({ verdict: 'error' }),
    author: asked({ author: 'lizmat' }),
    authorOfFew: asked({ author: 'a-rare-guest' }),
    backend: asked({ backend: 'azure' }),
    backendOfFew: asked({ backend: 'local' }),
    text: asked({ text: 'fix' }),
    textOfFew: asked({ text: 'rare guest' }),
    textOfNone: asked({ text: 'nobody wrote this' }),
    sha: asked({ text: middle.sha.slice(0, 10) }),
    manyAtOnce: asked({ text: 'lazy', author: 'niner', verdict: 'failed', repository: name, backend: 'obs' }),
    noneOfMany: asked({ author: 'a-rare-guest', backend: 'local', verdict: 'error' }),
    run: `/runs/${middle.id}`,
    job: `/runs/${middle.id}/jobs/${job.id}`,
    stack: '/stacks/raku',
    stackEldest: `/stacks/raku?before=${eldest.id}`,
    ledger: '/ledger',
    fact: `/ledger/fact?${new URLSearchParams({ key: fact.key })}`,
    flappers: '/flappers',
    flappersByName: `/flappers?${new URLSearchParams({ file: 'S17' })}`,
    flapper: `/flappers/file?${new URLSearchParams({ name: file.name })}`,
    service: '/service',
    metrics: '/metrics',
    badge: `/badge/${name}.svg`,
    feed: '/feed.atom',
    apiRuns: '/api/runs',
    apiRun: `/api/runs/${middle.id}`,
  };
}
