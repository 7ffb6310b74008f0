/**
 * What following 100 jobs on an Open Build Service costs in requests (`npm run bench:obs`): one project of 25 packages
 * on 2 repositories and 2 architectures, on the stand-in, first while nothing changes, then while all of it ends, with a
 * server that waits and with one that answers at once. The interval is 1 s instead of 30: what counts is requests for
 * each. Live logs are read as the bot does, and counted apart.
 */
import type { BuildObservation } from '../src/backends/backend.ts';
import type { ObsBackend } from '../src/backends/obs/obs.ts';
import { ObsBench, packageOf, templateOf } from '../test/adapters/obs/bench.ts';
import { until } from '../test/support/until.ts';
import { round, say, tell } from './support/figures.ts';

const INTERVAL_MS = 1_000;
/** The bot waits 2 s of 30 for each answer. */
const WAIT_MS = INTERVAL_MS / 15;
const INTERVALS = 10;
const JOBS = 100;
const never = new AbortController().signal;

const names = Array.from({ length: JOBS / 4 }, (_, index) => `package-${index}`);
const template = templateOf(
  names.map((name) => packageOf(name)),
  ['x86_64', 'aarch64'],
  ['tumbleweed', 'debian_12'],
);

tell('obs', {
  jobs: JOBS,
  intervalSeconds: INTERVAL_MS / 1_000,
  longPoll: await follow(true),
  plainPoll: await follow(false),
});

async function follow(longPoll: boolean) {
  const bench = await ObsBench.make({ longPoll });
  try {
    const backend = bench.open({
      template,
      pollMs: INTERVAL_MS,
      changeMs: INTERVAL_MS / 10,
      settleMs: 300,
      liveLogMs: 300,
    });
    const { externalId } = await backend.ensureStarted(bench.orderOf({ prints: ['a line'], ends: 'never' }), never);
    const startRequests = bench.obs.requests.length;
    const project = bench.obs.projects.get(externalId)!;
    const isBuilding = () => [...project.jobs.values()].filter(({ code }) => code === 'building').length === JOBS;
    await until(isBuilding, 20_000);
    const seen = await backend.observe(externalId, { waitMs: 2 * INTERVAL_MS, seen: '' }, never);
    say(`${longPoll ? 'long poll' : 'plain poll'}: ${startRequests} requests to start`);
    const quiet = await counting(bench, () => observeFor(backend, externalId, seen, INTERVALS * INTERVAL_MS));
    const ending = await counting(bench, async () => {
      for (const job of project.jobs.values()) bench.obs.scheduler.abort(project, job);
      await observeEnd(backend, externalId);
    });
    return {
      startRequests,
      quiet: {
        resultRequestsPerInterval: round(quiet.results / INTERVALS),
        otherRequestsPerInterval: round(quiet.others / INTERVALS),
        liveLogRequestsPerInterval: round(quiet.logs / INTERVALS),
      },
      // Each history answers for the jobs of one repository and architecture; each failure's log is looked at once.
      ending: { results: ending.results, histories: ending.histories, logs: ending.logs, others: ending.others },
    };
  } finally {
    await bench.close();
  }
}

async function counting(bench: ObsBench, act: () => Promise<void>) {
  const before = bench.obs.requests.length;
  await act();
  const paths = bench.obs.requests.slice(before).map(({ path }) => path);
  const results = paths.filter((path) => path.endsWith('/_result')).length;
  const histories = paths.filter((path) => path.endsWith('/_jobhistory')).length;
  const logs = paths.filter((path) => path.endsWith('/_log')).length;
  return { results, histories, logs, others: paths.length - results - histories - logs };
}

async function observeFor(backend: ObsBackend, id: string, first: BuildObservation, ms: number): Promise<void> {
  const end = performance.now() + ms;
  let seen = first;
  while (performance.now() < end) seen = await step(backend, id, seen);
}

async function observeEnd(backend: ObsBackend, id: string): Promise<void> {
  let seen = await step(backend, id);
  while (seen.state !== 'finished') seen = await step(backend, id, seen);
}

async function step(backend: ObsBackend, id: string, before?: BuildObservation): Promise<BuildObservation> {
  const digest = before && before.state !== 'lost' ? before.digest : undefined;
  const seen = await backend.observe(id, { seen: digest, waitMs: WAIT_MS }, never);
  if (seen.state === 'lost') throw new Error(seen.why);
  for (const job of seen.jobs) {
    if (job.state !== 'running' || job.logBytes !== undefined) continue;
    for await (const _ of await backend.readLog(id, job, 0, never)) {
      // It is read, as the bot does.
    }
  }
  return seen;
}
