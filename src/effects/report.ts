import { createHash } from 'node:crypto';
import { type CheckContent, checkContent, jobsOf, withoutDetails } from '../core/check.ts';
import type { EffectOf } from '../core/effect.ts';
import type { Check, Run } from '../core/model.ts';
import { ForgeError } from '../forge/forge.ts';
import { done, type Performed, type World } from './effect.ts';
import { untoldNames } from './stack.ts';

const TAIL_LINES = 40;

/** Bring one check to what the run's rows say at this moment. */
export async function reportCheck(
  effect: EffectOf<'check.report'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const run = await world.store.run(effect.runId);
  const check = run?.checks.find((each) => each.id === effect.checkId);
  if (!run || !check) return done;
  const whole = checkContent(run, check, world.publicUrl, await logTail(run, check, world));
  const content = (await mayTell(run, world)) ? whole : withoutDetails(whole);
  const reported = digestOf(content);
  if (check.reported === reported) return done;
  try {
    // Renamed, or transferred to another installation, since the run began?
    const stored = await world.store.repository(run.repository.key);
    const repository = { ...run.repository, name: stored?.name ?? run.repository.name };
    if (stored?.installation) repository.installation = stored.installation;
    const externalId = await world.forge(repository).ensureCheck(repository, content, check.externalId, signal);
    return {
      events: [{ kind: 'check.reported', runId: run.id, checkId: check.id, externalId, reported }],
      spacingMs: world.writeSpacingMs,
    };
  } catch (error) {
    if (error instanceof ForgeError && !error.retry) {
      return { events: [{ kind: 'check.refused', runId: run.id, checkId: check.id, why: error.message }] };
    }
    throw error;
  }
}

/** It may have begun while the repository was private, with others that still are. */
async function mayTell({ repository, sources, manifest }: Run, world: World): Promise<boolean> {
  const names = [
    ...sources.map((source) => source.repository.name),
    ...(manifest?.trees ?? []).map((tree) => tree.repository),
  ];
  return (await untoldNames(repository, names, world)).length === 0;
}

const digestOf = (content: CheckContent): string => createHash('sha256').update(JSON.stringify(content)).digest('hex');

/** The last lines of a job that did not pass: most readers need no more than these. */
async function logTail(run: Run, check: Check, world: World): Promise<string[]> {
  const job = jobsOf(run).find((each) => each.id === check.jobId);
  if (job?.state !== 'finished' || job.verdict === 'passed') return [];
  const newest = job.attempts.at(-1);
  const reader = newest && (await world.archive.readLog(newest.id));
  if (!reader) return [];
  const lines = await reader.lineRange(Math.max(1, reader.lines - TAIL_LINES + 1), TAIL_LINES, 2_000);
  return lines.map((line) => line.text);
}
