import { checkContent, checkName, jobsOf } from './check.ts';
import type { Effect } from './effect.ts';
import type { Build, Check, Job, Run } from './model.ts';
import { isHeld } from './run-flappers.ts';

/** The checks of a run: which there are, and when they are written again. */

/** A report for every check that now says something else than before; the report itself reads what to say. */
export function reports(run: Run, before?: Run): Effect[] {
  const { installation } = run.repository;
  if (!installation) return [];
  return run.checks
    .filter((check) => !before || said(run, check) !== said(before, check))
    .map((check) => ({ kind: 'check.report', runId: run.id, checkId: check.id, installation }));
}

const said = (run: Run, check: Check): string | undefined =>
  run.checks.some((each) => each.id === check.id) ? JSON.stringify(checkContent(run, check, '')) : undefined;

export const withCheck = (
  run: Run,
  id: string,
  facts: { externalId?: string; reported?: string; error?: string },
): Run => ({
  ...run,
  checks: run.checks.map((check) => (check.id === id ? { ...check, ...facts } : check)),
});

/** A check for every job of these builds that became known; none appears on a run that has ended. */
export function withChecks(run: Run, builds: Build[], context: { newId(): string }): Run {
  if (run.checks.length === 0 || run.state === 'finished') return run;
  const known = new Set(run.checks.map((check) => check.jobId));
  const added = builds
    .flatMap(({ jobs }) => jobs)
    .filter((job) => !known.has(job.id))
    .map((job) => ({ id: context.newId(), jobId: job.id, name: checkName(job.name) }));
  return added.length ? { ...run, checks: [...run.checks, ...added] } : run;
}

/** A job that runs again gets a new check: GitHub never reopens a completed one. That of a held job was not completed. */
export function withNewChecks(run: Run, before: Run): Run {
  const hasEnded = (job: Job): boolean => job.state === 'finished' && !isHeld(before, job);
  const ended = new Map(jobsOf(before).flatMap((job) => (hasEnded(job) ? [[job.id, job.attempt]] : [])));
  const isAgain = ({ id, state, attempt }: Job) =>
    ended.has(id) && (state !== 'finished' || attempt > (ended.get(id) ?? attempt));
  const again = new Set(jobsOf(run).flatMap((job) => (isAgain(job) ? [job.id] : [])));
  if (again.size === 0) return run;
  const forget = { externalId: undefined, reported: undefined };
  const checks = run.checks.map((check) => (check.jobId && again.has(check.jobId) ? { ...check, ...forget } : check));
  return { ...run, checks };
}
