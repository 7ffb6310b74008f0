/** The same story told under one fault after the other: it must end as it does without any. */

import type { ApiFaultAnswer } from '../standins/github/faults.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';
import { Dice } from './dice.ts';
import { judge, type Verdict } from './judge.ts';
import { type Act, drawActs, OWNER } from './story.ts';
import { type ChaosWorld, openWorld } from './world.ts';

export interface Trial {
  title: string;
  /** Answers what differs, and what the instances said. */
  run(seed: string): Promise<Verdict & { log: string }>;
}

const REPOSITORIES = [`${OWNER}/tool`, `${OWNER}/library`];
const ACTS = 15;
const PULLS = 4;

export const trials: Trial[] = [
  trial('nothing goes wrong', tell),
  trial('all hooks are lost', async (world, acts) => {
    world.github.faults.hooks({ drop: 1 });
    await tell(world, acts);
  }),
  trial('half of the hooks are lost, the others come three times and in any order', async (world, acts, dice) => {
    world.github.faults.hooks({ drop: 0.5, duplicate: 2, shuffle: true, random: () => dice.next() });
    await tell(world, acts);
  }),
  trial('two instances are told everything three times', async (world, acts, dice) => {
    const instances = [await world.start(), await world.start()];
    world.github.faults.hooks({ duplicate: 2, shuffle: true, random: () => dice.next() });
    await perform(world, acts, (index) => world.deliverTo(instances[index % 2]!));
  }),
  trial('GitHub is away, then answers errors, limits and broken connections', async (world, acts, dice) => {
    await world.start();
    const middle = Math.floor(acts.length / 2);
    await perform(world, acts.slice(0, middle));
    makeTrouble(world, dice);
    const since = world.github.requests.length;
    for (const act of acts.slice(middle)) await world.story.perform(act);
    await until(() => world.github.requests.length - since > TROUBLED_REQUESTS, 60_000);
    world.github.faults.clear();
  }),
  { title: 'PostgreSQL is restarted', run: tellWithoutDatabase },
];

function trial(title: string, play: (world: ChaosWorld, acts: Act[], dice: Dice) => Promise<void>): Trial {
  const run = async (seed: string) => {
    const world = await openWorld({ repositories: REPOSITORIES });
    return judged(world, () => play(world, actsOf(seed), new Dice(`${seed} ${title}`)));
  };
  return { title, run };
}

const actsOf = (seed: string): Act[] =>
  drawActs(new Dice(seed), { repositories: REPOSITORIES, pulls: PULLS, acts: ACTS });

async function judged(world: ChaosWorld, play: () => Promise<void>): Promise<Verdict & { log: string }> {
  try {
    await play();
    return { ...(await judge(world)), log: world.logs() };
  } finally {
    await world.stop();
  }
}

async function tell(world: ChaosWorld, acts: Act[]): Promise<void> {
  await world.start();
  await perform(world, acts);
}

async function perform(world: ChaosWorld, acts: Act[], before?: (index: number) => void): Promise<void> {
  for (const [index, act] of acts.entries()) {
    before?.(index);
    await world.story.perform(act);
    // In a burst nearly every run is superseded before it began; so some are let to begin.
    if (index % 3 === 2) await until(async () => hasBegun(await world.runs()), BEGIN_DEADLINE_MS);
  }
}

const BEGIN_DEADLINE_MS = 60_000;

const hasBegun = (runs: { state: string }[]): boolean => runs.every(({ state }) => state !== 'resolving');

const TROUBLED_REQUESTS = 150;
const OUTAGE_REQUESTS = 30;
const LOST_CHECKS = 3;

function makeTrouble(world: ChaosWorld, dice: Dice): void {
  const { faults } = world.github;
  const makesCheck = (method: string, path: string) => method === 'POST' && path.endsWith('/check-runs');
  faults.api({ match: makesCheck, answer: 'lost', times: LOST_CHECKS });
  faults.api({ match: () => true, answer: 'reset', times: OUTAGE_REQUESTS });
  faults.api({ match: () => dice.next() < 0.1, answer: 'secondary-limit', times: 3, retryAfter: 1 });
  const answers: ApiFaultAnswer[] = [500, 502, 503, 'reset', 'lost'];
  for (const answer of answers) faults.api({ match: () => dice.next() < 0.08, answer });
}

/** On a server of its own: others are at the one that all share. */
async function tellWithoutDatabase(seed: string): Promise<Verdict & { log: string }> {
  const server = await startPostgres();
  try {
    const world = await openWorld({ repositories: REPOSITORIES, serverUrl: server.url });
    return await judged(world, async () => {
      const acts = actsOf(seed);
      const third = Math.floor(acts.length / 3);
      await world.start();
      await perform(world, acts.slice(0, third));
      await server.halt();
      // Their hooks are refused, and GitHub is asked later for what it could not deliver.
      for (const act of acts.slice(third, 2 * third)) await world.story.perform(act);
      await server.resume();
      await perform(world, acts.slice(2 * third));
    });
  } finally {
    await server.stop();
  }
}
