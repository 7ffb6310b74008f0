import { createHash } from 'node:crypto';
import { retestFailedButton } from './command.ts';
import { type FlapperDetail, flapperNotes } from './flapper-notes.ts';
import { messages } from './messages.ts';
import { flapperMessages } from './messages-flappers.ts';
import type { Check, Job, Run, Source } from './model.ts';
import { flappedFiles, isHeld, judgementOf, rerunOf } from './run-flappers.ts';
import { cutText, escapeMarkdown, fenced, stripAnsi } from './text.ts';

/** A check run as GitHub takes it (GitHub REST, "Check runs"). */
export interface CheckContent {
  name: string;
  headSha: string;
  /** Our check's id and the job's attempt: answers "was it created before the crash?". */
  externalId: string;
  detailsUrl: string;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion?: 'success' | 'failure' | 'neutral' | 'cancelled' | 'timed_out';
  startedAt?: Date;
  completedAt?: Date;
  title: string;
  summary: string;
  text?: string;
  /** Buttons, at most three; an empty list takes earlier ones away, none leaves them. At most 20, 40 and 20 characters. */
  actions?: { label: string; description: string; identifier: string }[];
}

/** GitHub takes 65,535 characters each; bytes are the safer count, and the note about the cut needs room. */
const TEXT_BYTES = 65_000;
const TITLE_BYTES = 250;
const TAIL_LINES = 40;

export const RUN_CHECK = 'rcb';

const NAME_BYTES = 200;

/** Unique as the job's name is, and not longer than a list of checks can show. */
export function checkName(jobName: string): string {
  if (Buffer.byteLength(jobName) <= NAME_BYTES) return jobName;
  return cutText(jobName, NAME_BYTES, `… ${createHash('sha256').update(jobName).digest('hex').slice(0, 8)}`);
}

/** What the check shall say now. `tail`: the last lines of a failed job's log. */
export function checkContent(run: Run, check: Check, publicUrl: string, tail: string[] = []): CheckContent {
  const job = check.jobId === undefined ? undefined : jobOf(run, check.jobId);
  const said = job ? sayJob(run, job, tail) : sayRun(run);
  const page = `${publicUrl}/runs/${encodeURIComponent(run.id)}`;
  const logPage = job && `${page}/jobs/${encodeURIComponent(job.id)}`;
  const cutNote = `\n\n… cut here; the whole is on [the page](${logPage ?? page}).`;
  return {
    name: check.name,
    headSha: run.change.sha,
    externalId: job ? `${check.id}:${roundOf(run, job)}` : runCheckId(run, check),
    detailsUrl: logPage ?? page,
    ...said,
    title: cutText(said.title, TITLE_BYTES),
    summary: cutText(`${said.summary}\n\n${links(page, logPage)}`, TEXT_BYTES, cutNote),
    ...(said.text === undefined ? {} : { text: cutText(said.text, TEXT_BYTES, cutNote) }),
  };
}

/** How it ended, and where more is told: all that everybody may read of a run that private repositories took part in. */
export function withoutDetails({ text: _, ...content }: CheckContent): CheckContent {
  const { status, conclusion, detailsUrl } = content;
  return {
    ...content,
    title: messages.withoutDetails(conclusion ?? status),
    summary: messages.whyWithoutDetails(detailsUrl),
  };
}

/** A run whose failed jobs run again has a new check of the same name: GitHub never reopens a completed one. */
function runCheckId(run: Run, check: Check): string {
  const attempts = run.builds.flatMap(({ jobs, earlierAttempts }) =>
    jobs.map((job) => job.attempt - earlierAttempts - (rerunOf(run, job)?.inPlace ? 1 : 0)),
  );
  const round = Math.max(1, ...attempts);
  return round === 1 ? check.id : `${check.id}:${round}`;
}

/** A job that flappers failed is held, and runs again under the check that it has. */
const roundOf = (run: Run, job: Job): number => job.attempt - (rerunOf(run, job) ? 1 : 0);

type Said = Pick<
  CheckContent,
  'actions' | 'status' | 'conclusion' | 'title' | 'summary' | 'text' | 'startedAt' | 'completedAt'
>;

function sayRun(run: Run): Said {
  const summary = [manifest(run), jobTable(run), flappers(run)].filter(Boolean).join('\n\n');
  if (run.state !== 'finished') {
    // "Queued" lasts only while nothing is done: a waiting run does not look like a working one.
    const status = run.state === 'waiting' || run.state === 'resolving' ? 'queued' : 'in_progress';
    return { status, title: progressTitle(run), summary, startedAt: run.createdAt };
  }
  return {
    status: 'completed',
    ...runConclusion(run),
    summary: run.why ? `${escapeMarkdown(run.why)}\n\n${summary}` : summary,
    startedAt: run.createdAt,
    completedAt: run.finishedAt,
    ...((run.verdict === 'failed' || run.verdict === 'error') && { actions: [retestFailedButton] }),
  };
}

function progressTitle(run: Run): string {
  if (run.why) return cutText(run.why, TITLE_BYTES);
  const jobs = jobsOf(run);
  switch (run.state) {
    case 'waiting':
      return messages.waiting('for a maintainer');
    case 'resolving':
      return messages.resolving;
    case 'packing':
      return messages.packing;
    default:
      return messages.building(jobs.filter((job) => job.state === 'finished').length, jobs.length);
  }
}

function runConclusion(run: Run): { conclusion: NonNullable<CheckContent['conclusion']>; title: string } {
  const jobs = jobsOf(run);
  switch (run.verdict) {
    case 'passed':
      return { conclusion: 'success', title: flappedTitle(run) ?? messages.passed(jobs.length) };
    case 'failed':
      return {
        conclusion: 'failure',
        title: messages.failed(jobs.filter((job) => job.verdict !== 'passed').length, jobs.length),
      };
    case 'error':
      return {
        conclusion: jobs.some((job) => job.timedOut) ? 'timed_out' : 'failure',
        title: messages.infrastructureError(run.why ?? jobs.find((job) => job.verdict === 'error')?.why),
      };
    case 'cancelled':
      return { conclusion: 'cancelled', title: messages.cancelled(run.why) };
    case 'superseded':
      return { conclusion: 'cancelled', title: messages.superseded(run.supersededBySha ?? '') };
    case undefined:
      return { conclusion: 'neutral', title: messages.nothingToRun };
  }
}

function flappedTitle(run: Run): string | undefined {
  const files = flappedFiles(run);
  return files.length > 0 ? flapperMessages.passedOnSecondAttempt(files) : undefined;
}

function sayJob(run: Run, job: Job, tail: string[]): Said {
  const attempt = job.attempts.find((each) => each.number === job.attempt);
  const times = { startedAt: attempt?.startedAt ?? run.createdAt };
  if (endedWithoutJob(run, job)) {
    return { status: 'completed', ...conclusionWithoutJob(run), summary: '', ...times, completedAt: run.finishedAt };
  }
  if (job.state !== 'finished') {
    const status = job.state === 'running' ? 'in_progress' : 'queued';
    const title = status === 'queued' ? messages.checkQueued : 'Running';
    return { status, title: againTitle(run, job) ?? title, summary: flappers(run, job), ...times };
  }
  if (isHeld(run, job)) {
    const title = flapperMessages.held(fileNames(run, job));
    return { status: 'in_progress', title, summary: flappers(run, job), ...times };
  }
  return {
    status: 'completed',
    ...jobConclusion(run, job),
    summary: [job.why ? escapeMarkdown(job.why) : '', flappers(run, job)].filter(Boolean).join('\n\n'),
    text: tail.length ? `The log's last lines:\n\n${fencedTail(tail)}` : undefined,
    ...times,
    completedAt: attempt?.finishedAt ?? run.finishedAt,
  };
}

/** A run that was ended early takes its jobs' checks with it: late results stay on the page and off the head. */
const endedWithoutJob = (run: Run, job: Job): boolean =>
  run.state === 'finished' && (run.verdict === 'superseded' || run.verdict === 'cancelled' || job.state !== 'finished');

/** A job without an end is no success, whatever the others were. */
const conclusionWithoutJob = (run: Run): ReturnType<typeof runConclusion> =>
  run.verdict === 'passed'
    ? { conclusion: 'failure', title: messages.infrastructureError(messages.untoldEnd) }
    : runConclusion(run);

/** The end of a log in a fence, as many whole lines as fit: the end is what tells. */
function fencedTail(lines: string[]): string {
  const kept: string[] = [];
  for (const line of lines.slice(-TAIL_LINES).reverse()) {
    const longer = fenced([cutText(stripAnsi(line), 2_000), ...kept].join('\n'));
    if (Buffer.byteLength(longer) > TEXT_BYTES - 1_000) break;
    kept.unshift(cutText(stripAnsi(line), 2_000));
  }
  return fenced(kept.join('\n'));
}

/** What had failed before, while it runs once more. */
const againTitle = (run: Run, job: Job): string | undefined =>
  rerunOf(run, job) && run.flappers?.rerun && flapperMessages.rerunning(run.flappers.rerun.files);

const fileNames = (run: Run, job: Pick<Job, 'id' | 'attempt'>): string[] =>
  (judgementOf(run, job)?.files ?? []).map(({ file }) => file.name);

/** How attempts failed where flappers are known: this stays to be read whatever became of it. */
function flappers(run: Run, job?: Job): string {
  const notes = flapperNotes(run, job?.id).map(({ said, details }) =>
    [escapeMarkdown(said), ...details.map(detailLine)].join('\n'),
  );
  return notes.slice(0, MOST_NOTES).join('\n\n');
}

const detailLine = ({ said, issue }: FlapperDetail): string =>
  `- ${escapeMarkdown(cutText(said, 500))}${issue ? ` ([issue](${linkTarget(issue)}))` : ''}`;

/** Brackets would end the link. */
const linkTarget = (url: string): string => new URL(url).href.replaceAll('(', '%28').replaceAll(')', '%29');

/** Passed, and not at once; or failed at both. Undefined: flappers had nothing to do with it. */
function rerunTitle(run: Run, job: Job): string | undefined {
  const rerun = rerunOf(run, job);
  if (!rerun) return undefined;
  const files = fileNames(run, { id: job.id, attempt: rerun.attempt });
  if (job.verdict === 'passed') return flapperMessages.passedOnSecondAttempt(files);
  return job.verdict === 'failed' ? flapperMessages.failedTwice : undefined;
}

function jobConclusion(run: Run, job: Job): { conclusion: NonNullable<CheckContent['conclusion']>; title: string } {
  switch (job.verdict) {
    case 'passed':
      return { conclusion: 'success', title: rerunTitle(run, job) ?? messages.jobPassed };
    case 'failed':
      return { conclusion: 'failure', title: rerunTitle(run, job) ?? messages.jobFailed(job.why) };
    case 'cancelled':
      return { conclusion: 'cancelled', title: messages.cancelled(job.why) };
    default:
      return { conclusion: job.timedOut ? 'timed_out' : 'failure', title: messages.infrastructureError(job.why) };
  }
}

function manifest(run: Run): string {
  const rows = run.sources.map((source) => row(source.repository.name, commitOf(source), source.why));
  const trees = (run.manifest?.trees ?? []).map((tree) =>
    row(`${tree.repository} (${tree.path} of ${tree.into})`, tree.sha, tree.why),
  );
  const notes = (run.manifest?.notes ?? []).map((note) => `- ${escapeMarkdown(cutText(note, 500))}`);
  const pin = run.manifest?.pinText === undefined ? [] : [`That file says:\n\n${fenced(run.manifest.pinText)}`];
  const table = ['| repository | commit | why |', '|---|---|---|', ...rows, ...trees].join('\n');
  return [...pin, table, ...(notes.length ? [notes.slice(0, MOST_NOTES).join('\n')] : [])].join('\n\n');
}

const MOST_NOTES = 20;

const row = (repository: string, commit: string, why: string): string =>
  `| ${escapeMarkdown(repository)} | ${commit} | ${escapeMarkdown(why)} |`;

const commitOf = ({ sha, baseSha, merged }: Source): string =>
  merged ? `${sha}<br>merged with ${baseSha ?? 'its base'}<br>tree ${merged.tree}` : sha;

function jobTable(run: Run): string {
  const jobs = jobsOf(run);
  if (jobs.length === 0) return '';
  const rows = jobs.map(
    (job) =>
      `| ${escapeMarkdown(job.name)} | ${job.verdict ?? job.state} | ${escapeMarkdown(cutText(job.why ?? '', 200))} |`,
  );
  return ['| job | verdict | why |', '|---|---|---|', ...rows].join('\n');
}

const links = (page: string, logPage?: string): string =>
  logPage ? `[Log](${logPage}) · [run](${page})` : `[Everything about this run](${page})`;

export const jobsOf = (run: Run): Job[] => run.builds.flatMap((build) => build.jobs);

const jobOf = (run: Run, id: string): Job | undefined => jobsOf(run).find((job) => job.id === id);
