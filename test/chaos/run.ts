/**
 * No change is ever lost, none is handled twice (`npm run test:chaos`): real processes on a real PostgreSQL, and a
 * stand-in GitHub. One story is told under faults of all kinds; then the bot is killed -9 at every step of a run in turn.
 * In the end everything must be as if nothing had gone wrong: runs, verdicts, checks, comments, builds that were begun.
 *
 * So also with builds at a stand-in for Azure, at each step that is not one of a local build: RCB_CHAOS_AZURE_KILLS
 * (default: each once). RCB_CHAOS_KILLS (default 200) and RCB_CHAOS_SEED change it; RCB_CHAOS_ONLY tells only the story of this title.
 */
import { trials } from './faults.ts';
import type { Verdict } from './judge.ts';
import { measureAzureSteps, measureSteps, planKills, tellWithKills } from './kills.ts';
import { abandonWorlds } from './world.ts';

const kills = Number(process.env.RCB_CHAOS_KILLS ?? 200);
const seed = process.env.RCB_CHAOS_SEED ?? '20261121';
const only = process.env.RCB_CHAOS_ONLY;
const AT_ONCE = 3;
const LOG_SHOWN = 6_000;

if (!process.env.RCB_TEST_DATABASE_URL) {
  console.error('The chaos needs a PostgreSQL server: npm run test:chaos starts one.');
  process.exit(2);
}

process.on('exit', abandonWorlds);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const deaths: string[] = [];
const total = { kills: 0, lost: 0, duplicated: 0 };
const steps = await measureSteps();
const azureSteps = await measureAzureSteps(steps);
const azureKills = Number(process.env.RCB_CHAOS_AZURE_KILLS ?? Object.keys(azureSteps).length);
const killings = [...planKills(kills, steps, seed), ...planKills(azureKills, azureSteps, `${seed} azure`, 'azure')].map(
  (story) => ({
    title: story.title,
    run: () => tellWithKills(story),
  }),
);
const waiting = [...trials, ...killings].filter(({ title }) => only === undefined || title === only);
// Each story waits most of the time: for a poll, a back-off, a start.
await Promise.all(Array.from({ length: AT_ONCE }, tellWaiting));
const elsewhere = deaths.filter((death) => death.includes(' instead of ')).length;
console.error(
  `${Object.keys(steps).length} different steps, ${Object.keys(azureSteps).length} more at Azure; ${elsewhere} kills were at another step than planned`,
);
console.log(`${total.kills} kills, ${total.lost} lost, ${total.duplicated} duplicated`);
process.exitCode = total.lost + total.duplicated > 0 ? 1 : 0;

async function tellWaiting(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { title, run } = next;
    await tell(title, () => run(seed));
  }
}

interface Told extends Verdict {
  kills?: number;
  deaths?: string[];
  log: string;
}

async function tell(title: string, play: () => Promise<Told>): Promise<void> {
  const started = performance.now();
  const told = await play().catch((error): Told => {
    return { lost: [`the story could not be told to its end: ${error.stack}`], duplicated: [], log: '' };
  });
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  total.kills += told.kills ?? 0;
  deaths.push(...(told.deaths ?? []));
  total.lost += told.lost.length;
  total.duplicated += told.duplicated.length;
  const isWell = told.lost.length + told.duplicated.length === 0;
  console.error(`${isWell ? 'well' : 'NOT WELL'}: ${title}, ${seconds} s`);
  if (!isWell) explain(title, told);
}

function explain(title: string, { lost, duplicated, deaths, log }: Told): void {
  for (const death of deaths ?? []) console.error(`  died at ${death}`);
  for (const what of lost) console.error(`  LOST: ${what}`);
  for (const what of duplicated) console.error(`  DUPLICATED: ${what}`);
  console.error(`  again: RCB_CHAOS_SEED=${seed} RCB_CHAOS_KILLS=${kills} RCB_CHAOS_ONLY="${title}"`);
  console.error(log.slice(-LOG_SHOWN));
}
