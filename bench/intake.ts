/**
 * How many hooks the bot takes in (`npm run bench:intake`): signed pushes of 8 KB, sent from this process over kept-alive
 * HTTP into receivers that are processes of their own, all on one PostgreSQL, interleaved.
 *
 * - `rcb`         the whole bot; its worker handles the pushes at the same time, in the same process. Their owner is not
 *                 served, so handling one asks nobody and ends in its own transaction.
 * - `rcbNoted`    the same bot, pushes of tags: stored as done, so that the intake is all that happens
 * - `probot`      a bare Probot, empty handler
 * - `probotInsert` a bare Probot, one Prisma insert per hook
 * - `insertLoop`  single-row Prisma inserts over the same pool, no HTTP
 *
 * Every hook has a delivery, a sha and one of 500 branches of its own. RCB answers after its commit; so does Probot.
 */
import { type Contender, startContender } from './support/contenders.ts';
import { interleaved, latency, median, round, say, tell } from './support/figures.ts';
import { hookMaker } from './support/hooks.ts';
import { fullSpeed, type Load, steady } from './support/load.ts';
import { serverSettings, serverUrl, versionOf } from './support/server.ts';

const ROUNDS = 3;
const ROUND_MS = 1_800;
const WARM_UP_MS = 700;
const CONNECTIONS = 32;
const STEADY_PER_SECOND = 200;
const STEADY_MS = 5_000;

const postgres = await serverSettings(serverUrl());
const started = await Promise.all((['rcb', 'empty', 'insert', 'loop'] as const).map(startContender));
const [bot, empty, insert, loop] = started as [Contender, Contender, Contender, Contender];
try {
  const branch = hookMaker('branch');
  const tag = hookMaker('tag');
  let handled = 0;
  const hooks = (contender: Contender, next: () => Buffer) => async (ms: number) => {
    const load = await fullSpeed(contender.port, next, CONNECTIONS, ms);
    const cleared = await contender.clear();
    if (next === branch && contender === bot && ms === ROUND_MS) handled += cleared.handled;
    return load;
  };
  const contenders = {
    rcb: hooks(bot, branch),
    rcbNoted: hooks(bot, tag),
    probotInsert: hooks(insert, branch),
    insertLoop: async (ms: number) => {
      const load = await loop.run<Load>({ connections: CONNECTIONS, ms });
      await loop.clear();
      return load;
    },
    probot: hooks(empty, branch),
  };
  for (const measure of Object.values(contenders)) await measure(WARM_UP_MS);
  const loads = await interleaved(
    {
      rcb: () => contenders.rcb(ROUND_MS),
      rcbNoted: () => contenders.rcbNoted(ROUND_MS),
      probotInsert: () => contenders.probotInsert(ROUND_MS),
      insertLoop: () => contenders.insertLoop(ROUND_MS),
      probot: () => contenders.probot(ROUND_MS),
    },
    ROUNDS,
  );
  const perSecond = (name: keyof typeof loads) => median(loads[name].map((load) => load.perSecond));
  const figures = (name: keyof typeof loads) => {
    say(`${name}: ${loads[name].map((load) => round(load.perSecond)).join(', ')} hooks/s`);
    const { p50, p99, count } = latency(loads[name].flatMap(({ times }) => times));
    return { hooksPerSecond: round(perSecond(name)), p50Ms: p50, p99Ms: p99, count };
  };
  const steadily = async (contender: Contender) => {
    const { times } = await steady(contender.port, branch, STEADY_PER_SECOND, STEADY_MS);
    const { p50, p99, count } = latency(times);
    await contender.clear();
    return { p50Ms: p50, p99Ms: p99, count };
  };
  const atSteadyPace = { rcb: await steadily(bot), probotInsert: await steadily(insert) };
  tell('intake', {
    rcb: figures('rcb'),
    rcbNoted: figures('rcbNoted'),
    probot: figures('probot'),
    probotInsert: figures('probotInsert'),
    insertLoop: figures('insertLoop'),
    ratio: {
      toProbotInsert: round(perSecond('rcb') / perSecond('probotInsert')),
      toProbot: round(perSecond('rcb') / perSecond('probot')),
      toInsertLoop: round(perSecond('rcb') / perSecond('insertLoop')),
      notedToProbotInsert: round(perSecond('rcbNoted') / perSecond('probotInsert')),
      notedToInsertLoop: round(perSecond('rcbNoted') / perSecond('insertLoop')),
    },
    handledMeanwhilePerSecond: round(handled / ((ROUNDS * ROUND_MS) / 1_000)),
    [`at${STEADY_PER_SECOND}PerSecond`]: atSteadyPace,
    connections: CONNECTIONS,
    rounds: ROUNDS,
    postgres,
    probotVersion: versionOf('probot'),
  });
} finally {
  for (const contender of started) await contender.stop();
}
