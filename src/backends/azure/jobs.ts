import { azureMessages as words } from '../../core/messages-azure.ts';
import type { Verdict } from '../../core/model.ts';
import { stripAnsi } from '../../core/text.ts';
import type { JobObservation } from '../backend.ts';
import {
  type AzureBuild,
  buildResult,
  buildStatus,
  isErrorIssue,
  meaningOf,
  type RecordEnd,
  recordResult,
  recordState,
  type TimelineRecord,
  timeOf,
} from './schema.ts';
import { oneLine } from './text.ts';

/**
 * A build's timeline is a tree: stages, phases, jobs, tasks. A job of ours is a record of type Job; a later attempt stands
 * in the current timeline, those before it in timelines of their own.
 */
export interface Timelines {
  current: TimelineRecord[];
  /** The newest last. */
  earlier: TimelineRecord[][];
}

export interface AzureJob {
  /** Of its newest attempt in the build, and those before: the same name. */
  seen: JobObservation;
  record: TimelineRecord;
  /** Its steps, in the order in which they run. */
  tasks: TimelineRecord[];
}

export type IssuesPolicy = 'passed' | 'failed';

/** Earlier attempts first. Names are unique but for attempts of one job. */
export function jobsIn(build: AzureBuild, timelines: Timelines, issues: IssuesPolicy): AzureJob[] {
  const jobs: AzureJob[] = [];
  const told = new Set<string>();
  const current = namedJobs(timelines.current);
  const all = [...timelines.earlier.flatMap(namedJobs).map((job) => ({ ...job, isPast: true })), ...current];
  for (const job of all.toReversed()) {
    const seen = { name: job.name, attempt: job.record.attempt ?? 1 };
    const key = JSON.stringify(seen);
    if (told.has(key)) continue;
    told.add(key);
    const isPast = 'isPast' in job;
    jobs.push({ ...job, seen: { ...seen, ...progressOf(build, job, issues, isPast) } });
  }
  return asLastIsHeld(build, decideSkipped(build, jobs.toReversed()), timelines.current);
}

interface NamedJob {
  name: string;
  record: TimelineRecord;
  tasks: TimelineRecord[];
}

function namedJobs(records: TimelineRecord[]): NamedJob[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  const jobs = records.filter(({ type }) => type?.toLowerCase() === 'job').sort(byPlace(byId));
  const plain = jobs.map((record) => plainName(record, byId));
  return jobs.map((record, at) => {
    const name = plain[at]!;
    const isTaken = plain.indexOf(name) !== plain.lastIndexOf(name);
    const tasks = records.filter(({ parentId, type }) => parentId === record.id && type?.toLowerCase() === 'task');
    return { name: isTaken ? `${name} (${record.identifier || record.id})` : name, record, tasks: tasks.sort(byOrder) };
  });
}

const byOrder = (one: TimelineRecord, other: TimelineRecord): number => (one.order ?? 0) - (other.order ?? 0);

function byPlace(byId: Map<string, TimelineRecord>) {
  const place = (record: TimelineRecord) =>
    [...above(record, byId).toReversed(), record].map(({ order }) => order ?? 0);
  return (one: TimelineRecord, other: TimelineRecord): number => {
    const [first, second] = [place(one), place(other)];
    const at = first.findIndex((order, index) => order !== second[index]);
    return at < 0 ? 0 : first[at]! - (second[at] ?? 0);
  };
}

/** Parents, the nearest first, as far as they are there: a timeline may be partial. */
function above(record: TimelineRecord, byId: Map<string, TimelineRecord>): TimelineRecord[] {
  const parents: TimelineRecord[] = [];
  for (let at = record.parentId; at && parents.length < 10; at = parents.at(-1)!.parentId) {
    const parent = byId.get(at);
    if (!parent || parents.includes(parent)) break;
    parents.push(parent);
  }
  return parents;
}

/** `Linux`, or `Release / Linux` where the YAML names its stages. */
function plainName(record: TimelineRecord, byId: Map<string, TimelineRecord>): string {
  const stage = above(record, byId).find(({ type }) => type?.toLowerCase() === 'stage')?.name;
  const own = oneLine(stripAnsi(record.name || record.identifier || record.id), 120);
  return stage && stage !== '__default' ? `${oneLine(stripAnsi(stage), 80)} / ${own}` : own;
}

type Seen = Omit<JobObservation, 'name' | 'attempt'>;

function progressOf(build: AzureBuild, job: NamedJob, issues: IssuesPolicy, isPast: boolean): Seen {
  const { record } = job;
  const state = meaningOf(recordState, record.state);
  const times = timesOf(record);
  if (state === undefined) return { ...times, ...unknown('job', record.state), state: 'finished' };
  if (state === 'finished') return { ...times, ...endOf(job, issues), state };
  const isOver = isPast || isBuildOver(build);
  if (!isOver) return { ...times, state };
  if (meaningOf(buildResult, build.result) === 'cancelled') {
    return { ...times, state: 'finished', verdict: 'cancelled', why: words.cancelled };
  }
  return { ...times, state: 'finished', verdict: 'error', why: words.untold };
}

/** A record can have an end before its start, or none: clocks of agents differ. */
function timesOf(record: TimelineRecord): Pick<Seen, 'startedAt' | 'finishedAt'> {
  const [startedAt, finishedAt] = [timeOf(record.startTime), timeOf(record.finishTime)];
  return startedAt && finishedAt && startedAt > finishedAt
    ? { startedAt, finishedAt: startedAt }
    : { startedAt, finishedAt };
}

type End = Pick<Seen, 'verdict' | 'why' | 'timedOut' | 'killed' | 'failedSteps'>;

function endOf(job: NamedJob, issues: IssuesPolicy): End {
  const end = meaningOf(recordResult, job.record.result);
  if (end === undefined) return unknown('job', job.record.result);
  // The only sign of it is this sentence of the agent's [facts K].
  if (end !== 'passed' && saidBy(job.record).some((said) => /ran longer than the maximum time/i.test(said))) {
    return { verdict: 'error', timedOut: true, why: firstSaid(job.record) };
  }
  return ends[end](job, issues);
}

const ends: Record<RecordEnd, (job: NamedJob, issues: IssuesPolicy) => End> = {
  passed: () => ({ verdict: 'passed' }),
  // Its author said that it may go on (continueOnError): Azure calls it a success, and so do we, with the words.
  issues: (job, issues) => ({
    verdict: issues,
    why: words.withIssues(whyFailed(job)),
    ...(issues === 'failed' && whatFailed(job)),
  }),
  failed: (job) => ({ verdict: 'failed', why: whyFailed(job) ?? 'failed', ...whatFailed(job) }),
  cancelled: ({ record }) => ({ verdict: 'cancelled', why: firstSaid(record) ?? words.cancelled }),
  abandoned: ({ record }) => ({ verdict: 'error', why: firstSaid(record) ?? words.agentLost }),
  /** Decided when the build has ended. */
  skipped: () => ({}),
};

const unknown = (of: string, word: unknown): { verdict: Verdict; why: string } => ({
  verdict: 'error',
  why: words.unknownWord(of, oneLine(String(word ?? 'nothing'))),
});

const hasFailed = ({ result }: TimelineRecord): boolean =>
  ['failed', 'abandoned', 'issues'].includes(meaningOf(recordResult, result) ?? '');

/** A job that failed, and none of its steps did: its agent, or Azure, ended it. */
function whatFailed({ record, tasks }: NamedJob): Pick<End, 'killed' | 'failedSteps'> {
  const failedSteps = tasks.filter(hasFailed).map(stepName);
  return failedSteps.length > 0 ? { failedSteps } : { killed: firstSaid(record) ?? words.noStepFailed };
}

const stepName = ({ name }: TimelineRecord): string => oneLine(name ?? 'a step', 120);

function whyFailed({ record, tasks }: NamedJob): string | undefined {
  const step = tasks.find(hasFailed);
  if (!step) return firstSaid(record);
  return words.failedStep(stepName(step), firstSaid(step) ?? firstSaid(record));
}

export const firstSaid = (record: TimelineRecord): string | undefined => saidBy(record)[0];

const saidBy = ({ issues }: TimelineRecord): string[] =>
  (issues ?? []).filter(isErrorIssue).flatMap(({ message }) => (message ? [oneLine(stripAnsi(message))] : []));

/** Whether skipping was meant shows at the end: a build that passed without it says yes; nothing at all is no pass. */
function decideSkipped(build: AzureBuild, jobs: AzureJob[]): AzureJob[] {
  const isOver = isBuildOver(build);
  const isMeant =
    meaningOf(buildResult, build.result) === 'passed' && jobs.some(({ seen }) => seen.verdict === 'passed');
  return jobs.map((job) => {
    if (job.seen.state !== 'finished' || job.seen.verdict) return job;
    if (!isOver) return { ...job, seen: { ...job.seen, state: 'queued', finishedAt: undefined } };
    const end = isMeant
      ? ({ verdict: 'passed', why: words.skipped } as const)
      : ({ verdict: 'cancelled', why: words.skippedAfter } as const);
    return { ...job, seen: { ...job.seen, ...end } };
  });
}

/** What no job owns is kept with the job that ends last, so that one is told as ended with the build: a moment later. */
function asLastIsHeld(build: AzureBuild, jobs: AzureJob[], records: TimelineRecord[]): AzureJob[] {
  if (isBuildOver(build) || jobs.length === 0) return jobs;
  const isOpen = (record: TimelineRecord) => meaningOf(recordState, record.state) !== 'finished' && !isTask(record);
  if (records.some(isOpen)) return jobs;
  const last = lastToEnd(jobs);
  return jobs.map((job) => (job === last ? { ...job, seen: unended(job.seen) } : job));
}

/** A status that nobody knows ends it, too: as an error (observation.ts). */
const isBuildOver = ({ status }: AzureBuild): boolean => (meaningOf(buildStatus, status) ?? 'finished') === 'finished';

const isTask = ({ type }: TimelineRecord): boolean => type?.toLowerCase() === 'task';

const unended = ({ name, attempt, startedAt }: JobObservation): JobObservation => ({
  name,
  attempt,
  startedAt,
  state: 'running',
});

export function lastToEnd(jobs: AzureJob[]): AzureJob | undefined {
  const at = ({ record }: AzureJob) => timeOf(record.finishTime)?.getTime() ?? 0;
  return jobs.reduce<AzureJob | undefined>((last, job) => (last && at(last) > at(job) ? last : job), undefined);
}
