/**
 * The bot is killed at every step of a run in turn, and started again. A story has several kills, each at another step
 * from its start: some hit the start itself, some what people did just now, some the recovery from the kill before.
 */
import { Dice } from './dice.ts';
import type { Instance } from './instance.ts';
import { judge, untilThere, type Verdict } from './judge.ts';
import { type Act, drawActs, OWNER } from './story.ts';
import { type ChaosWorld, openWorld } from './world.ts';

export interface KillStory {
  /** For `RCB_CHAOS_ONLY`. */
  title: string;
  seed: string;
  /** The steps at which the instances die, one after the other. */
  steps: number[];
  /** A second instance lives all the time. */
  bystander: boolean;
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
const DEATH_DEADLINE_MS = 60_000;

/** How many steps an undisturbed instance takes until a new repository, and then a pull request, has its verdict:
 *  whichever is more. */
export async function measureSteps(): Promise<number> {
  const world = await openWorld({ repositories: [REPO] });
  try {
    const instance = await world.start();
    const started = await instance.steps();
    await untilThere(world);
    const takenUp = await instance.steps();
    await world.story.perform({ act: 'open', pull: 1, repo: REPO, how: 'fails' });
    await untilThere(world);
    return Math.max(takenUp, started + (await instance.steps()) - takenUp);
  } finally {
    await world.stop();
  }
}

/** Stories with so many kills in all, spread evenly over the steps of a run and dealt out by the seed. */
export function planKills(kills: number, steps: number, seed: string): KillStory[] {
  const dice = new Dice(`${seed} kills`);
  const spread = Array.from({ length: kills }, (_, index) => 1 + Math.floor(((index + dice.next()) / kills) * steps));
  const dealt = dice.shuffled(spread);
  return Array.from({ length: Math.ceil(kills / KILLS_PER_STORY) }, (_, index) => ({
    title: `kills ${index + 1}`,
    seed: `${seed} kills ${index + 1}`,
    steps: dealt.slice(index * KILLS_PER_STORY, (index + 1) * KILLS_PER_STORY),
    bystander: index % BYSTANDER_EVERY === BYSTANDER_EVERY - 1,
  }));
}

export async function tellWithKills({ seed, steps, bystander }: KillStory): Promise<KillVerdict> {
  const world = await openWorld({ repositories: [REPO] });
  const deaths: string[] = [];
  try {
    const other = bystander ? await world.start() : undefined;
    // Nothing is done before the first of them: what it meets is a repository that is new.
    const acts = [undefined, ...drawActs(new Dice(seed), { repositories: [REPO], pulls: 2, acts: steps.length - 1 })];
    for (const [index, step] of steps.entries()) deaths.push(await dieAt(world, step, acts[index], other));
    await world.start();
    return { ...(await judge(world)), kills: deaths.length, deaths, log: world.logs() };
  } finally {
    await world.stop();
  }
}

/** Answers what it died at. When it died before it could be told of the act, nobody was there to be told. */
async function dieAt(world: ChaosWorld, step: number, act: Act | undefined, other?: Instance): Promise<string> {
  const instance = await world.start(step);
  if (!instance.isAlive && other) world.deliverTo(other);
  if (act) await world.story.perform(act);
  const impatience = setTimeout(() => void instance.kill(), DEATH_DEADLINE_MS);
  await instance.died();
  clearTimeout(impatience);
  if (other) world.deliverTo(other);
  await world.endLeasesOf(instance);
  return `${instance.diedAt}${act ? ` (${act.act})` : ''}`;
}
