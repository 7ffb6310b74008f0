/**
 * What polling costs, and what it saves (`npm run bench:poll`), with 3 and with 50 repositories of one installation:
 *
 * - idle: requests to the stand-in GitHub, and points of its rate limit, per interval in which nothing happens. Both of
 *   the App itself (installations, deliveries) and of the installation. The aim is 0 points.
 * - repair: from a push, or an opened pull request, whose hook is lost to the run that polling makes of it. They come at
 *   moments that are spread evenly over an interval. The aim is at most one interval and 5 s.
 *
 * The interval is shorter than the default of 60 s, so that the bench ends; what is asked in one does not depend on it.
 */
import { until } from '../test/support/until.ts';
import { REPO, startWorld, type World } from '../test/support/world.ts';
import { percentile, round, say, tell } from './support/figures.ts';
import { serverSettings, serverUrl } from './support/server.ts';

const REPOSITORIES = [3, 50];
const INTERVAL_MS = 5_000;
const IDLE_CYCLES = 6;
/** Until all lists were read once, and once more with what the first answers said. */
const WARM_CYCLES = 3;
const LOST_HOOKS = 12;
const SLACK_MS = 5_000;
const SETTLE_MS = 180_000;

const postgres = await serverSettings(serverUrl());
const figures: Record<string, unknown> = {};
for (const count of REPOSITORIES) figures[`repositories${count}`] = await measure(count);
tell('poll', {
  ...figures,
  intervalSeconds: INTERVAL_MS / 1_000,
  aims: { pointsPerIdleCycle: 0, repairMs: INTERVAL_MS + SLACK_MS },
  postgres,
});

async function measure(count: number) {
  const world = await startWorld({
    absent: true,
    files: { 'read.me': 'nothing to run here' },
    yaml: [
      `poll: { github: ${INTERVAL_MS / 1_000} }`,
      'limits: { writeSpacing: 0, catchUpRunsPerMinute: 1000, building: 100 }',
      'backends: [{ name: local, kind: local, slots: 1 }]',
    ].join('\n'),
  });
  // The hooks of so many first tests would be read again and again for ten minutes (they are more than one page of the
  // list of deliveries): an idle bot has no such burst behind it.
  world.github.faults.hooks({ drop: 1 });
  const names = await addRepositories(world, count);
  await world.startBot();
  try {
    await allKnown(world, count);
    const idle = await idleCycles(world);
    say(`${count} repositories, idle: ${JSON.stringify(idle)}`);
    const repairs = await repairLostHooks(world, names);
    say(`${count} repositories, repaired after ${repairs.map(round).join(' ')} ms`);
    const repairMs = { p50: round(percentile(repairs, 0.5)), max: round(Math.max(...repairs)), count: repairs.length };
    return { idlePerCycle: idle, repairMs };
  } finally {
    await world.stop();
  }
}

async function addRepositories(world: World, count: number): Promise<string[]> {
  const names = [REPO, ...Array.from({ length: count - 1 }, (_, index) => `acme/tool-${index + 2}`)];
  for (const name of names.slice(1)) {
    await world.github.createRepository(name, { files: { 'read.me': `${name}: nothing to run here` } });
  }
  return names;
}

/** The first look tests the head of each; after that nothing happens. */
async function allKnown(world: World, count: number): Promise<void> {
  const { prisma } = world.database.database;
  await until(async () => (await prisma.run.count({ where: { state: 'finished' } })) === count, SETTLE_MS);
  world.github.faults.hooks({});
  // So that the list of deliveries is not empty.
  await world.run(await push(world, REPO, LOST_HOOKS));
  await world.quiet(SETTLE_MS);
  await pause(WARM_CYCLES * INTERVAL_MS);
}

async function idleCycles(world: World) {
  const since = world.github.requests.length;
  world.github.resetUsage();
  await pause(IDLE_CYCLES * INTERVAL_MS);
  const all = world.github.usage();
  const own = world.github.usage(world.installationId);
  const paid = world.github.requests.slice(since).filter(({ status }) => status !== 304);
  if (all.points > 0)
    say(`Not answered with 304: ${[...new Set(paid.map(({ method, path }) => `${method} ${path}`))].join(', ')}`);
  const perCycle = (value: number) => round(value / IDLE_CYCLES);
  return {
    requests: perCycle(all.requests),
    points: perCycle(all.points),
    installation: { requests: perCycle(own.requests), points: perCycle(own.points) },
  };
}

async function repairLostHooks(world: World, names: string[]): Promise<number[]> {
  world.github.faults.hooks({ drop: 1 });
  const times: number[] = [];
  for (let index = 0; index < LOST_HOOKS; index += 1) {
    await untilPhase((index / LOST_HOOKS) * INTERVAL_MS);
    const repo = names[Math.floor((index / LOST_HOOKS) * names.length)]!;
    const sha = index % 2 === 0 ? await push(world, repo, index) : await open(world, repo, index);
    const lost = performance.now();
    await until(async () => (await world.runs(`?sha=${sha}`)).length > 0, 4 * INTERVAL_MS + SETTLE_MS);
    times.push(performance.now() - lost);
    await world.quiet();
  }
  return times;
}

function push(world: World, repo: string, index: number): Promise<string> {
  return world.github.commit(repo, 'main', { files: { 'read.me': `lost ${index}` } });
}

async function open(world: World, repo: string, index: number): Promise<string> {
  const files = { [`lost-${index}`]: 'x' };
  return (await world.github.openPullRequest({ repo, head: `lost-${index}`, files })).headSha;
}

/** Intervals begin where the clock is a multiple of them. */
function untilPhase(ms: number): Promise<void> {
  return pause((ms - (Date.now() % INTERVAL_MS) + INTERVAL_MS) % INTERVAL_MS);
}

/** A cycle is a measure of time: there is nothing else to wait for. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
