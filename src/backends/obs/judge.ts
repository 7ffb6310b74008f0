import { createHash } from 'node:crypto';
import { obsMessages } from '../../core/messages-obs.ts';
import type { BuildObservation, JobObservation } from '../backend.ts';
import type { StartedMark } from './mark.ts';
import { jobName, type TargetName } from './names.ts';
import { type EndedJob, endOf, isLeftOut, isQuiet, meaningOf, type ResultList, type TargetResult } from './schema.ts';

/**
 * Is this result ours? OBS's result list names no source: right after a commit it can say `succeeded` of the one
 * before, or `broken` of what is just being made. So:
 *
 * - `succeeded` and `failed` count when the job history names the srcmd5 that was committed, and after a re-test a
 *   build beyond the one before it. The numbers compared are all the server's: no clock of ours is asked.
 * - What has no job (`unresolvable`, `broken`, …) counts when nothing is dirty, the scheduler has come to rest, the
 *   same was said twice with a settle time between, and the sources are still ours. While other packages are built it
 *   means nothing: what needs them is unresolvable until they are there.
 * - Everything else is still going on, strange words as well, until a deadline says otherwise.
 */

export interface ObsJob extends TargetName {
  /** `<package> <arch>-<repository>` */
  name: string;
  /** In the template; a flavor of it has the same. */
  package: string;
  /** At OBS, with the build's suffix, and its flavor. */
  serverName: string;
  attempt: number;
}

/** What the result list says of a job at the moment. */
export interface Sight {
  code: string;
  details?: string;
  /** Whether a verdict without a job may be believed there: at `rest`, soon; where only `others` are being built, whose
   *  project it is as well, late; not before ours are. */
  quiet: 'rest' | 'others' | 'no';
}

const target = ({ repository, arch }: TargetName): string => `${repository}/${arch}`;

export { target as targetKey };

export function jobsOf(mark: StartedMark, suffix: string, list: ResultList): ObsJob[] {
  const packages = Object.keys(mark.started.packages);
  return mark.started.targets.flatMap(([repository, arch]) => {
    const codes = resultOf(list, { repository, arch })?.packages ?? new Map();
    return packages.flatMap((name) => {
      // A multibuild's flavors are jobs of their own, which the server makes up.
      const own = `${name}${suffix}`;
      const flavors = [...codes.keys()].filter((key: string) => key.startsWith(`${own}:`));
      return [own, ...flavors].map((serverName): ObsJob => {
        const job = jobName(`${name}${serverName.slice(own.length)}`, { repository, arch });
        return { name: job, package: name, serverName, repository, arch, attempt: attemptOf(mark, job) };
      });
    });
  });
}

export const attemptOf = (mark: StartedMark, job: string): number =>
  1 + mark.rebuilds.filter(({ before }) => Object.hasOwn(before, job)).length;

export const resultOf = (list: ResultList, { repository, arch }: TargetName): TargetResult | undefined =>
  list.results.find((result) => result.repository === repository && result.arch === arch);

/** `own`: the names at OBS of all packages of the build. `overdue`: of those of the same target that were given up. */
export function sightOf(job: ObsJob, list: ResultList, own: string[], overdue: ReadonlySet<string> = new Set()): Sight {
  const result = resultOf(list, job);
  if (!result) return { code: 'unknown', quiet: 'no' };
  const quiet = quietOf(result, own, overdue);
  // Then it lists no packages.
  if (result.code === 'broken') {
    return { code: 'broken', details: obsMessages.repositoryBroken(result.details), quiet };
  }
  const status = result.packages.get(job.serverName);
  return { code: status?.code ?? 'unknown', details: status?.details, quiet };
}

function quietOf(result: TargetResult, own: string[], overdue: ReadonlySet<string>): Sight['quiet'] {
  if (result.dirty) return 'no';
  if (isQuiet(result.code)) return 'rest';
  const codes = [...result.packages]
    .filter(([name]) => own.includes(name.split(':', 1)[0]!) && !overdue.has(name))
    .map(([, { code }]) => code);
  if (codes.length === 0 || !codes.every((code) => ['built', 'no-job'].includes(meaningOf(code)))) return 'no';
  // A worker that died keeps its repository from ever coming to rest.
  return overdue.size > 0 ? 'rest' : 'others';
}

/** The job's own end in the history of its repository and architecture: the newest one that is ours. */
export function endIn(history: EndedJob[], job: ObsJob, mark: StartedMark): EndedJob | undefined {
  const { srcmd5 } = mark.started.packages[job.package]!;
  const before = mark.rebuilds.findLast((rebuild) => Object.hasOwn(rebuild.before, job.name))?.before[job.name];
  return history.findLast(
    (ended) =>
      ended.package === job.serverName &&
      ended.srcmd5 === srcmd5 &&
      (!before || ended.bcnt > before.bcnt || ended.readyTime > before.readyTime),
  );
}

const date = (seconds: number): Date => new Date(seconds * 1_000);

/** `killed`: the end of its log says that it was aborted, which the history calls failed. */
export function endedObservation(job: ObsJob, ended: EndedJob, killed: boolean): JobObservation {
  const { name, attempt } = job;
  const times = { startedAt: date(ended.startTime), finishedAt: date(Math.max(ended.startTime, ended.endTime)) };
  const end = endOf(ended.code);
  if (end === 'passed') return { name, attempt, state: 'finished', verdict: 'passed', ...times };
  if (end === undefined) return error(job, obsMessages.strangeEnd(ended.code), times);
  if (killed) return error(job, obsMessages.killed, times);
  return { name, attempt, state: 'finished', verdict: 'failed', why: obsMessages.failed, ...times };
}

const error = ({ name, attempt }: ObsJob, why: string, more: Partial<JobObservation> = {}): JobObservation => ({
  name,
  attempt,
  state: 'finished',
  verdict: 'error',
  why,
  ...more,
});

/** What there is to say of a job that settled without one. Undefined: it was meant to be left out. */
export function withoutJob(
  job: ObsJob,
  sight: Sight,
  mark: StartedMark,
  isSourceOurs: boolean,
): JobObservation | undefined {
  if (!isSourceOurs) return error(job, obsMessages.otherSources);
  if (isLeftOut(sight.code) && mark.started.packages[job.package]!.mayBeLeftOut) return undefined;
  const details = brief(sight.details);
  return error(job, details && sight.code === 'broken' ? details : obsMessages.noJob(sight.code, details));
}

export interface Deadlines {
  /** From the start, or the last re-test, to the end of everything; by the clock of this machine. */
  buildMs: number;
  /** From when a worker was first seen to have a job. A worker that dies leaves its job standing as `building`. */
  jobMs: number;
}

/** A job that has not ended: how it is, or that its time is up. */
export function openObservation(
  job: ObsJob,
  sight: Sight,
  mark: StartedMark,
  deadlines: Deadlines,
  now: Date,
  runningSince: Date | undefined,
): JobObservation {
  const begun = Date.parse(mark.rebuilds.at(-1)?.at ?? mark.started.at);
  const lasted = runningSince && now.getTime() - runningSince.getTime();
  if (now.getTime() - begun > deadlines.buildMs) {
    const why = obsMessages.buildOverdue(brief(sight.code)!, words(deadlines.buildMs));
    return error(job, why, { timedOut: true, startedAt: runningSince, finishedAt: now });
  }
  if (lasted !== undefined && lasted > deadlines.jobMs) {
    const why = obsMessages.jobOverdue(brief(sight.code)!, words(deadlines.jobMs));
    return error(job, why, { timedOut: true, startedAt: runningSince, finishedAt: now });
  }
  const why = obsMessages.live(brief(sight.code)!, brief(sight.details));
  const { name, attempt } = job;
  return isRunning(sight.code)
    ? { name, attempt, state: 'running', why, startedAt: runningSince }
    : { name, attempt, state: 'queued', why };
}

/** A word that we do not know may be one for a job that runs; it is none for a verdict. */
export const isRunning = (code: string): boolean => ['running', 'strange'].includes(meaningOf(code));

export function cancelledObservation({ name, attempt }: ObsJob, at: string): JobObservation {
  return { name, attempt, state: 'finished', verdict: 'cancelled', finishedAt: new Date(at) };
}

/** `unsettled`: jobs that are not to be shown, but may still come. */
export function buildObservation(
  jobs: JobObservation[],
  unsettled: number,
): Exclude<BuildObservation, { state: 'lost' }> {
  const finished = jobs.filter(({ state }) => state === 'finished').length;
  const isFinished = finished === jobs.length && unsettled === 0;
  const isBegun = finished > 0 || jobs.some(({ state }) => state === 'running');
  return { state: isFinished ? 'finished' : isBegun ? 'running' : 'queued', digest: digestOf(jobs, isFinished), jobs };
}

function digestOf(jobs: JobObservation[], isFinished: boolean): string {
  // What an open job is said to wait for changes by the second, and is no news.
  const told = jobs.map(({ name, attempt, state, verdict, why }) => [name, attempt, state, verdict, verdict && why]);
  return createHash('sha256')
    .update(JSON.stringify([isFinished, told]))
    .digest('hex')
    .slice(0, 32);
}

const MOST_DETAILS = 500;

/** A list of what is missing can be as long as a distribution. */
function brief(text: string | undefined): string | undefined {
  const line = text?.replace(/\s+/g, ' ').trim();
  return line && line.length > MOST_DETAILS ? `${line.slice(0, MOST_DETAILS)}…` : line;
}

function words(ms: number): string {
  if (ms >= 2 * 3_600_000) return `${Math.round(ms / 3_600_000)} hours`;
  return ms >= 120_000 ? `${Math.round(ms / 60_000)} minutes` : `${ms / 1_000} s`;
}
