/**
 * Is everything as the story says it must end? Each difference is a sentence. What is not (yet) there is *lost*; what is
 * there more often than it was told is *duplicated*.
 */
import type { RunJson } from '../support/world.ts';
import type { Final } from './story.ts';
import type { ChaosWorld } from './world.ts';

export interface Verdict {
  lost: string[];
  duplicated: string[];
}

const DEADLINE_MS = 90_000;
const LOOK_EVERY_MS = 200;

/** Wait until nothing is under way any more and nothing is lost, then judge; late doubles must have had their time. */
export async function judge(world: ChaosWorld, deadlineMs = DEADLINE_MS): Promise<Verdict> {
  await world.github.settled();
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const open = await openRows(world);
    const isLate = Date.now() > deadline;
    if (open.length === 0 || isLate) {
      const verdict = await look(world);
      verdict.lost.push(...open.map((row) => `is still under way: ${row}`));
      if (verdict.lost.length === 0 || isLate) return verdict;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Nothing is lost, whatever is still under way. */
export async function untilThere(world: ChaosWorld, deadlineMs = DEADLINE_MS): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const { lost } = await look(world);
    if (lost.length === 0) return;
    if (Date.now() > deadline) throw new Error(`Still lost after ${deadlineMs} ms:\n${lost.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Rows that will still do something, but for the polls, which never end. */
async function openRows(world: ChaosWorld): Promise<string[]> {
  const open = await world.ask<{ row: string }>(`
    SELECT kind || ' of ' || subject || coalesce(': ' || error, '') AS row FROM event
      WHERE state IN ('pending', 'running') AND kind <> 'tick'
    UNION ALL
    SELECT kind || ' of ' || target || coalesce(': ' || error, '') FROM effect
      WHERE state IN ('pending', 'running') AND kind NOT LIKE 'poll.%'`);
  return open.map(({ row }) => row);
}

async function look(world: ChaosWorld): Promise<Verdict> {
  const verdict: Verdict = { lost: [], duplicated: [] };
  const runs = await world.runs();
  judgeFinals(world, runs, verdict);
  judgeCounts(world, runs, verdict);
  judgeChecks(world, runs, verdict);
  await judgeBuilds(world, runs, verdict);
  await world.azure?.judge(runs, (path) => world.textAt(path), verdict);
  await judgeKnowledge(world, verdict);
  await judgeComments(world, verdict);
  return verdict;
}

function judgeFinals(world: ChaosWorld, runs: RunJson[], { lost }: Verdict): void {
  for (const final of world.story.finals()) {
    const newest = runs.filter((run) => isOf(run, final)).at(-1);
    if (!newest) lost.push(`${final.label} has no run`);
    else if (newest.change.sha !== final.sha) {
      lost.push(`the newest run of ${final.label} is of ${world.story.labelOf(final.repo, newest.change.sha)}`);
    } else if (newest.verdict !== final.verdict) {
      const said = `${newest.state}, ${newest.verdict}${newest.why ? ` (${newest.why})` : ''}`;
      lost.push(`the newest run of ${final.label} is ${said}, and must be ${final.verdict}`);
    }
  }
}

const isOf = ({ repository, change }: RunJson, { repo, number }: Pick<Final, 'repo' | 'number'>): boolean =>
  repository === repo && change.number === number;

/** A change that was told once is run once. */
function judgeCounts(world: ChaosWorld, runs: RunJson[], { lost, duplicated }: Verdict): void {
  const counts = new Map<string, RunJson[]>();
  for (const run of runs) {
    const key = `${run.repository}#${run.change.number} ${run.change.sha}`;
    counts.set(key, [...(counts.get(key) ?? []), run]);
    if (run.state !== 'finished')
      lost.push(`a run of ${world.story.labelOf(run.repository, run.change.sha)} is ${run.state}`);
  }
  for (const [first, ...others] of counts.values()) {
    const { repository, change } = first!;
    const told = world.story.toldOf(repository, change.number, change.sha);
    if (1 + others.length <= told) continue;
    const ends = [first!, ...others].map(({ id, verdict, trigger }) => `${id} by ${trigger}: ${verdict}`);
    duplicated.push(
      `${world.story.labelOf(repository, change.sha)} was told ${told} times and has the runs ${ends.join(', ')}`,
    );
  }
}

type CheckRun = ReturnType<ChaosWorld['github']['checkRuns']>[number];

function judgeChecks(world: ChaosWorld, runs: RunJson[], verdict: Verdict): void {
  const { story, github } = world;
  const found = story.shas().flatMap(({ repo, sha }) => github.checkRuns(repo, sha).map((check) => ({ repo, check })));
  const all = found.map(({ check }) => check);
  for (const { repo, check } of found) {
    const label = `the check "${check.name}" of ${story.labelOf(repo, check.head_sha)}`;
    if (check.status !== 'completed') verdict.lost.push(`${label} is ${check.status}`);
    if (!runs.some((run) => isOfRun(check, run))) verdict.duplicated.push(`${label} is of no run that there is`);
  }
  for (const run of runs)
    judgeChecksOf(
      run,
      all.filter((check) => isOfRun(check, run)),
      story.labelOf(run.repository, run.change.sha),
      verdict,
    );
}

const isOfRun = ({ details_url }: CheckRun, { id }: RunJson): boolean =>
  details_url?.split('/runs/')[1]?.split('/')[0] === id;

const CONCLUSIONS: Record<string, string> = {
  passed: 'success',
  failed: 'failure',
  cancelled: 'cancelled',
  superseded: 'cancelled',
};

function judgeChecksOf(run: RunJson, checks: CheckRun[], label: string, { lost, duplicated }: Verdict): void {
  const whole = checks.filter(({ name }) => name === 'rcb');
  const wanted = CONCLUSIONS[run.verdict ?? ''];
  if (whole.length === 0) lost.push(`run ${run.id} of ${label} has no check "rcb"`);
  if (whole.length > 1) duplicated.push(`run ${run.id} of ${label} has ${whole.length} checks "rcb"`);
  for (const { conclusion } of whole) {
    if (conclusion !== wanted) lost.push(`"rcb" of ${label} says ${conclusion}; its run ${run.id} is ${run.verdict}`);
  }
  for (const job of run.builds.flatMap(({ jobs }) => jobs)) {
    const its = checks.filter(({ name }) => name === job.name);
    if (its.length > job.attempt) {
      duplicated.push(`"${job.name}" of ${label} has ${its.length} checks for ${job.attempt} attempts`);
    }
    if (run.verdict !== 'passed' && run.verdict !== 'failed') continue;
    const said = its.at(-1)?.conclusion;
    if (said !== CONCLUSIONS[job.verdict ?? '']) lost.push(`"${job.name}" of ${label} says ${said}; it ${job.verdict}`);
  }
}

async function judgeBuilds(world: ChaosWorld, runs: RunJson[], { lost, duplicated }: Verdict): Promise<void> {
  const begun = await world.buildsBegun();
  for (const run of runs) {
    const times = begun.get(run.id) ?? 0;
    begun.delete(run.id);
    const label = `run ${run.id} of ${world.story.labelOf(run.repository, run.change.sha)}`;
    const attempts = run.builds.flatMap(({ jobs }) => jobs).reduce((sum, { attempt }) => sum + attempt, 0);
    if (run.verdict === 'passed' && times === 0) lost.push(`${label} passed, and no build of it was ever begun`);
    if (times > Math.max(attempts, 1)) duplicated.push(`${label} was built ${times} times in ${attempts} attempts`);
  }
  for (const [run, times] of begun) duplicated.push(`${times} builds of ${run} were begun, a run that there is not`);
}

/** What the bot knows of the pull requests; one that was closed before it knew it is no loss. */
async function judgeKnowledge(world: ChaosWorld, { lost }: Verdict): Promise<void> {
  const known = await world.ask<{ key: string; knows: string }>(`
    SELECT repository.name || '#' || number AS key,
      pull_request.state || ' at ' || head_sha || ' onto ' || base_ref AS knows
    FROM pull_request JOIN repository ON repository.key = repository_key`);
  const knows = new Map(known.map((row) => [row.key, row.knows]));
  for (const { repo, number, state, sha, base } of world.story.pulls()) {
    const found = knows.get(`${repo}#${number}`);
    const wanted = `${state} at ${sha} onto ${base}`;
    if (found === undefined ? state === 'open' : found !== wanted) {
      lost.push(`${repo}#${number} is ${wanted}; the bot believes: ${found ?? 'nothing'}`);
    }
  }
  const parked = await world.ask<{ row: string }>(`
    SELECT kind || ' of ' || key || ': ' || error AS row FROM event WHERE state = 'parked'
    UNION ALL SELECT kind || ' of ' || target || ': ' || error FROM effect WHERE state = 'parked'`);
  for (const { row } of parked) lost.push(`parked: ${row}`);
}

async function judgeComments(world: ChaosWorld, { lost, duplicated }: Verdict): Promise<void> {
  const told = await world.ask<{ id: string }>(
    `SELECT payload->'comment'->>'id' AS id FROM event WHERE kind = 'comment.told'`,
  );
  for (const { repo, number, id } of world.story.comments) {
    const times = told.filter((each) => each.id === String(id)).length;
    if (times === 0) lost.push(`comment ${id} on ${repo}#${number} is not in the ledger`);
    if (times > 1) duplicated.push(`comment ${id} on ${repo}#${number} is ${times} times in the ledger`);
  }
}
