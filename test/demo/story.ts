import { until } from '../support/until.ts';
import type { Playground, ShownCheck } from './playground.ts';
import { PAYLOAD, SLOW_SECONDS } from './rocket.ts';

/** The short story that the demo begins with: what passes, what fails, and what a push does to a running test. */

export const WRITERS = ['grace', 'alan', 'margaret'];

export interface StoryOptions {
  playground: Playground;
  say(line: string): void;
  /** Milliseconds. */
  sinceStart(): number;
}

export async function playStory(options: StoryOptions): Promise<void> {
  await tellOfPassing(options);
  await tellOfFailing(options);
  await tellOfSuperseding(options);
  await tellOfPrivate(options);
}

async function tellOfPassing({ playground, say, sinceStart }: StoryOptions): Promise<void> {
  const pull = await playground.open('passing', 'Burn the first stage a second longer', 'grace');
  say(`grace opens pull request #${pull.number}. RCB hears of it, packs the source, runs its ci/run …`);
  say(ending(await completed(playground, pull.headSha, 'rcb')));
  say(`  The first run finished ${seconds(sinceStart())} after the start of the demo.`);
}

async function tellOfFailing({ playground, say }: StoryOptions): Promise<void> {
  const pull = await playground.open('failing', 'Save weight: five engines are enough', 'alan');
  say(`alan opens pull request #${pull.number}, whose tests do not pass …`);
  say(ending(await completed(playground, pull.headSha, 'rcb')));
}

async function tellOfSuperseding({ playground, say }: StoryOptions): Promise<void> {
  const pull = await playground.open('slow', 'Hold the rocket down until the engines are warm', 'margaret');
  say(`margaret opens pull request #${pull.number}, whose test takes ${SLOW_SECONDS} s …`);
  await until(() => playground.checks(pull.headSha).some(isRunningJob), PATIENCE_MS);
  const next = await playground.push(pull.number, 'passing', 'A second is enough', 'margaret');
  say('  While it runs she pushes a quicker one: the old run is of no use any more, and is stopped.');
  say(ending(await completed(playground, pull.headSha, 'rcb')));
  say(ending(await completed(playground, next, 'rcb')));
}

async function tellOfPrivate({ playground, say }: StoryOptions): Promise<void> {
  const pull = await playground.openPrivately('Take a second telescope along', 'grace');
  say(`grace opens pull request #${pull.number} in ${PAYLOAD}, a private repository …`);
  say(ending(await completed(playground, pull.headSha, 'rcb', PAYLOAD)));
  say('  The site shows it to those who may read that repository: log in as grace, or as yourself.');
}

const PATIENCE_MS = 60_000;

const isRunningJob = (check: ShownCheck): boolean => check.name !== 'rcb' && check.status === 'in_progress';

async function completed(playground: Playground, sha: string, name: string, repository?: string): Promise<ShownCheck> {
  const find = () => playground.checks(sha, repository).find((check) => check.name === name);
  await until(() => find()?.status === 'completed', PATIENCE_MS);
  return find()!;
}

const ending = (check: ShownCheck): string =>
  `  ${check.conclusion}: ${check.output.title ?? check.name}\n    ${check.details_url}`;

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
