/**
 * The bot is killed at every step of a run in turn, and started again. A story has several kills, each at another step:
 * some hit the start itself, some what people did just now, some the recovery from the kill before.
 */

import { Dice } from './dice.ts';
import type { Death, Instance, Steps } from './instance.ts';
import { judge, untilThere, type Verdict } from './judge.ts';
import { type Act, drawActs, OWNER } from './story.ts';
import { type BackendKind, type ChaosWorld, openWorld } from './world.ts';

export interface KillStory {
  title: string;
  seed: string;
  /** One after the other. */
  plan: Death[];
  /** A second instance lives all the time. */
  bystander: boolean;
  backend?: BackendKind;
}

export interface KillVerdict extends Verdict {
  kills: number;
  /** What each one was at. */
  deaths: string[];
  log: string;
}

const KILLS_PER_STORY = 8;
const BYSTANDER_EVERY = 4;
const REPO = `${OWNER}/tool`;
/** When the step does not come by then (nothing of this kind is left to do), any other is as good. */
const STEP_DEADLINE_MS = 6_000;
const DEATH_DEADLINE_MS = 60_000;

/**
 * The steps of a run that is built at Azure which are not those of a local one, and those that keep what was built: an
 * order whose answer is lost, looks, a log, an artifact, a cancelled build.
 */
export async function measureAzureSteps(local: Steps): Promise<Steps> {
  const world = await openWorld({ repositories: [REPO], backend: 'azure' });
  try {
    const instance = await world.start();
    world.azure!.loseAnswers(1);
    await untilThere(world);
    await world.story.perform({ act: 'open', pull: 1, repo: REPO, how: 'fails' });
    await world.story.perform({ act: 'supersede', pull: 1 });
    await untilThere(world);
    const isOfAzure = ([step]: [string, number]) => !(step in local) || ABOUT_BUILDS.test(step);
    return Object.fromEntries(Object.entries(await instance.steps()).filter(isOfAzure));
  } finally {
    await world.stop();
  }
}

const ABOUT_BUILDS = /\/logs\/|\/blobs\/|\b(build|job|attempt|artifact)\b/;

/** The steps that an undisturbed instance takes until a new repository, and then a pull request, has its verdict. */
export async function measureSteps(): Promise<Steps> {
  const world = await openWorld({ repositories: [REPO] });
  try {
    const instance = await world.start();
    await untilThere(world);
    await world.story.perform({ act: 'open', pull: 1, repo: REPO, how: 'fails' });
    await untilThere(world);
    return await instance.steps();
  } finally {
    await world.stop();
  }
}

/** Stories with so many kills in all. Every step has its turn before one is taken a second time; the seed deals. */
export function planKills(kills: number, steps: Steps, seed: string, backend: BackendKind = 'local'): KillStory[] {
  const dice = new Dice(`${seed} kills`);
  const rounds: Death[] = [];
  for (let time = 1; rounds.length < kills; time += 1) {
    const often = Object.keys(steps).filter((step) => time === 1 || steps[step]! >= time);
    // What happens once can be hit again, in another state of affairs.
    const round = often.length > 0 ? often : Object.keys(steps);
    rounds.push(...dice.shuffled(round.sort()).map((step) => ({ step, time: often.length > 0 ? time : 1 })));
  }
  const dealt = rounds.slice(0, kills);
  return Array.from({ length: Math.ceil(kills / KILLS_PER_STORY) }, (_, index) => ({
    title: backend === 'local' ? `kills ${index + 1}` : `kills ${index + 1}, built at Azure`,
    seed: `${seed} kills ${index + 1}`,
    plan: dealt.slice(index * KILLS_PER_STORY, (index + 1) * KILLS_PER_STORY),
    bystander: index % BYSTANDER_EVERY === BYSTANDER_EVERY - 1,
    backend,
  }));
}

export async function tellWithKills({ seed, plan, bystander, backend }: KillStory): Promise<KillVerdict> {
  const world = await openWorld({ repositories: [REPO], backend });
  const deaths: string[] = [];
  try {
    const other = bystander ? await world.start() : undefined;
    world.azure?.loseAnswers(1);
    const acts = backend === 'azure' ? supersedingActs(plan.length) : ordinaryActs(plan.length, seed);
    for (const [index, death] of plan.entries()) deaths.push(await die(world, death, acts[index], other));
    await world.start();
    return { ...(await judge(world)), kills: deaths.length, deaths, log: world.logs() };
  } finally {
    await world.stop();
  }
}

/** Nothing is done before the first kill: what it meets is a repository that is new. */
const ordinaryActs = (count: number, seed: string): (Act | undefined)[] => [
  undefined,
  ...drawActs(new Dice(seed), { repositories: [REPO], pulls: 2, acts: count - 1 }),
];

/** Every build at Azure but the last ones is cancelled: whatever there is to be done to one, comes. */
const supersedingActs = (count: number): Act[] =>
  Array.from({ length: count }, (_, index) =>
    index === 0 ? { act: 'open', pull: 1, repo: REPO, how: 'passes slowly' } : { act: 'supersede', pull: 1 },
  );

/** Answers what it died at. When it died before it could be told of the act, nobody was there to be told. */
async function die(world: ChaosWorld, death: Death, act: Act | undefined, other?: Instance): Promise<string> {
  const instance = await world.start(death);
  if (!instance.isAlive && other) world.deliverTo(other);
  if (act) await world.story.perform(act);
  const hurry = setTimeout(() => instance.hurry(), STEP_DEADLINE_MS);
  const impatience = setTimeout(() => void instance.kill(), DEATH_DEADLINE_MS);
  await instance.died();
  clearTimeout(hurry);
  clearTimeout(impatience);
  if (other) world.deliverTo(other);
  await world.endLeasesOf(instance);
  const isPlanned = instance.diedAt!.startsWith(death.step);
  return `${instance.diedAt}${act ? ` (${act.act})` : ''}${isPlanned ? '' : ` instead of ${death.step}`}`;
}
