import { type JobGrid, jobGrid } from '../../core/job-grid.ts';
import { retentionMessages } from '../../core/messages-retention.ts';
import { runJobsMessages as words } from '../../core/messages-run-jobs.ts';
import { estimateRest, paceOf } from '../../core/run-estimate.ts';
import {
  badge,
  duration,
  durationText,
  foreign,
  fragment,
  type Html,
  number,
  type PageContext,
  size,
  stateOf,
  table,
  toneOf,
  verdictIcon,
  whyLine,
} from '../html.ts';
import { foreignUrl, jobLogPath, jobPath, withQuery } from '../links.ts';
import type { AttemptRow, BuildRow, JobRow, RunDetails, RunRow } from '../reader.ts';
import type { JobMedian } from '../reader-run.ts';
import { filesId } from './artifacts.ts';

/** By a job's name. */
export type Medians = ReadonlyMap<string, JobMedian>;

/** A build: where it runs, how far it is, and its jobs: as a grid where their names make one, and as a table. */
export function buildSection(context: PageContext, run: RunRow, build: BuildRow, medians: Medians): Html {
  const url = foreignUrl(build.url);
  const heading = `build-${build.id}`;
  return fragment`<section aria-labelledby="${heading}">
<div class="section-head"><h2 id="${heading}">${build.backend}</h2>${badge(stateOf(build))}
<span class="quiet">${duration(build.createdAt, build.finishedAt, context.now)}${build.attempt > 1 ? `, started ${build.attempt} times` : ''}</span>
${url ? fragment`<a class="push" href="${url}" rel="noreferrer">Open on ${build.backend}</a>` : ''}</div>
${whyLine(build.why, stateOf(build))}
${build.state === 'finished' ? '' : progress(context, build.jobs, medians)}
${build.jobs.length === 0 ? noJobs(build) : jobsOf(context, run, build, medians)}
</section>`;
}

const noJobs = (build: BuildRow): Html =>
  fragment`<p class="quiet">${build.state === 'finished' ? 'It ended without a job.' : 'Its jobs are not known yet.'}</p>`;

/** How far it is, and how long it may still take. */
export function progress({ now }: PageContext, jobs: readonly JobRow[], medians: Medians): Html {
  if (jobs.length === 0) return fragment``;
  const timed = jobs.map(({ state, name, attempts }) => ({
    state,
    startedAt: attempts[0]?.startedAt,
    medianMs: medians.get(name)?.ms,
  }));
  const estimate = estimateRest(timed, now);
  const text = words.progress(estimate);
  return fragment`<p class="progress"><progress max="${estimate.all}" value="${estimate.finished}" aria-label="Jobs finished"></progress><span title="${estimate.leftMs === undefined ? '' : words.estimate}">${text}</span></p>`;
}

function jobsOf(context: PageContext, run: RunDetails | RunRow, build: BuildRow, medians: Medians): Html {
  const list = (jobs: JobRow[], caption: string) => jobTable(context, run, jobs, medians, caption);
  const grid = jobGrid(build.jobs, ({ name }) => ownName(build, name));
  if (!grid) return list(build.jobs, `Jobs on ${build.backend}`);
  // What stands beside the grid is told there already.
  const attention = build.jobs.filter((job) => needsAttention(job) && !grid.others.includes(job));
  return fragment`${gridTable(context, run, build, grid, medians)}
${grid.others.length > 0 ? fragment`<h3>${words.others}</h3>${list(grid.others, words.others)}` : ''}
${attention.length > 0 ? fragment`<h3>${words.notPassed(attention.length)}</h3>${list(attention, words.notPassed(attention.length))}` : ''}
<details class="fold" id="jobs-${build.id}"><summary>${words.all(build.jobs.length)} <span class="quiet">${words.allMeaning}</span></summary>${list(build.jobs, `Jobs on ${build.backend}`)}</details>`;
}

const needsAttention = ({ state, verdict }: JobRow): boolean => state === 'finished' && verdict !== 'passed';

/** Without the backend, which stands above. */
const ownName = (build: BuildRow, name: string): string =>
  name.startsWith(`${build.backend} / `) ? name.slice(build.backend.length + 3) : name;

/** Wider than the page it scrolls by itself, by keyboard too. */
function gridTable(context: PageContext, run: RunRow, build: BuildRow, grid: JobGrid<JobRow>, medians: Medians): Html {
  return fragment`<div class="scroll" tabindex="0" role="region" aria-label="Grid of the jobs on ${build.backend}"><table class="grid">
<thead><tr><th scope="col">${words.platform}</th>${grid.configurations.map(
    (title) => fragment`<th scope="col" title="${title}">${title === '' ? words.plain : foreign(title)}</th>`,
  )}</tr></thead>
<tbody>${grid.platforms.map(
    (platform, row) =>
      fragment`<tr><th scope="row">${foreign(platform)}</th>${grid.cells[row]!.map((job) => fragment`<td>${job ? gridCell(context, run, job, medians) : ''}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

function gridCell({ now }: PageContext, run: RunRow, job: JobRow, medians: Medians): Html {
  const newest = job.attempts[0];
  const state = stateOf(job);
  const median = medians.get(job.name);
  const ms = durationOf(newest, now);
  const time = ms === undefined ? state : durationText(ms);
  const usual = median ? `, usually ${durationText(median.ms)}` : '';
  return fragment`<a class="cell tone-${toneOf(state)}" href="${jobPath(run.id, job.id)}" title="${job.name}: ${state}${usual}">${verdictIcon(state)}<span class="hidden">${state} </span><span class="number">${time}</span></a>`;
}

function durationOf(attempt: AttemptRow | undefined, now: Date): number | undefined {
  if (!attempt?.startedAt) return undefined;
  return (attempt.finishedAt ?? now).getTime() - attempt.startedAt.getTime();
}

function jobTable(context: PageContext, run: RunRow, jobs: JobRow[], medians: Medians, caption: string): Html {
  const rows = jobs.map((job) => jobCells(context, run, job, medians));
  return table(caption, ['State', 'Job', 'Duration', words.usually, 'Log', 'Files'], rows);
}

function jobCells(context: PageContext, run: RunRow, job: JobRow, medians: Medians): unknown[] {
  const newest = job.attempts[0];
  const median = medians.get(job.name);
  return [
    badge(stateOf(job)),
    fragment`<a class="job-name" href="${jobPath(run.id, job.id)}">${foreign(job.name)}</a>
${whyLine(job.why && (job.timedOut ? `${job.why} (a deadline passed)` : job.why), stateOf(job))}
${job.attempts.length > 1 ? earlierAttempts(run, job) : ''}`,
    durationCell(context, newest, median),
    median
      ? fragment`<span class="number quiet" title="${words.medianOf(median.of)}">${durationText(median.ms)}</span>`
      : NOTHING,
    newest ? logLinks(run, job, newest) : NOTHING,
    filesLink(newest),
  ];
}

const NOTHING = fragment`<span class="quiet">–</span>`;

function durationCell({ now }: PageContext, newest: AttemptRow | undefined, median: JobMedian | undefined): Html {
  const shown = duration(newest?.startedAt, newest?.finishedAt, now);
  const ms = durationOf(newest, now);
  const pace = ms === undefined || !median ? 'usual' : paceOf(ms, median.ms);
  // What goes on is faster than usual until it is not.
  const isNews = pace === 'slower' || (pace === 'faster' && newest?.verdict === 'passed');
  return isNews ? fragment`${shown} <span class="tag">${pace}</span>` : shown;
}

function earlierAttempts(run: RunRow, job: JobRow): Html {
  const links = job.attempts.map(
    (attempt) =>
      fragment`<li><a href="${withQuery(jobPath(run.id, job.id), { attempt: attempt.number })}">attempt ${attempt.number}</a> ${badge(stateOf(attempt))}</li>`,
  );
  return fragment`<ul class="attempts" aria-label="Attempts">${links}</ul>`;
}

function logLinks(run: RunRow, job: JobRow, { log, logRemovedAt, state, number: attempt }: AttemptRow): Html {
  if (logRemovedAt) return fragment`<span class="quiet">${retentionMessages.removed(logRemovedAt)}</span>`;
  if (!log && state !== 'running') return fragment`<span class="quiet">none</span>`;
  const raw = withQuery(jobLogPath(run.id, job.id), { attempt });
  return fragment`<a href="${jobPath(run.id, job.id)}">${log ? `${number(log.lines)} lines` : 'live'}</a> · <a href="${raw}">raw</a>`;
}

function filesLink(attempt: AttemptRow | undefined): Html {
  if (!attempt || attempt.artifacts.length === 0) return NOTHING;
  const bytes = attempt.artifacts.reduce((sum, artifact) => sum + artifact.size, 0);
  return fragment`<a href="#${filesId(attempt)}">${words.files(attempt.artifacts.length)}</a> <span class="quiet">${size(bytes)}</span>`;
}
