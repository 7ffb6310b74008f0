import type { LogLine } from '../../archive/archive.ts';
import { createLineRenderer } from '../ansi.ts';
import {
  badge,
  duration,
  emptyState,
  foreign,
  fragment,
  type Html,
  joined,
  number,
  type PageContext,
  page,
  size,
  stateOf,
  timeAgo,
  whyLine,
} from '../html.ts';
import { jobLinesPath, jobLogPath, jobPath, runPath, shortRef, withQuery } from '../links.ts';
import type { AttemptRow, JobRow, RunRow } from '../reader.ts';
import { artifactList } from './run.ts';
import { changeLine } from './runs.ts';

/** The part of a log that a page shows. `lines` and `bytes` are of the whole log as it was when it was read. */
export interface LogWindow {
  from: number;
  count: number;
  lines: number;
  bytes: number;
  shown: LogLine[];
  /** The window includes the newest line of a log that still grows. */
  follows: boolean;
}

export interface JobView {
  run: RunRow;
  job: JobRow;
  attempt?: AttemptRow;
  /** Absent: nothing was ever written. */
  log?: LogWindow;
}

export function jobPage(context: PageContext, view: JobView): Html {
  const { job, attempt } = view;
  const isUnfinished = attempt ? attempt.state !== 'finished' : job.state !== 'finished';
  return page(context, {
    title: `${stateOf(attempt ?? job)}: ${job.name}`,
    section: 'runs',
    refresh: isUnfinished && (view.log?.follows ?? true) ? 5 : undefined,
    scripts: ['site.js', 'log.js'],
    body: fragment`<div id="job-head"${isUnfinished ? LIVE_HEAD : ''}>${head(context, view)}</div>
${logSection(view, isUnfinished)}`,
  });
}

const LIVE_HEAD = fragment` data-live="5"`;

function head(context: PageContext, { run, job, attempt }: JobView): Html {
  return fragment`<div class="page-head">
<p class="crumbs"><a href="/runs">Runs</a> / <a href="${runPath(run.id)}">${foreign(run.title || shortRef(run.ref))}</a></p>
<h1>${foreign(job.name)}</h1>
<div class="verdict-line">${badge(stateOf(attempt ?? job), { size: 'large' })}<div class="meta">${changeLine(context, run)}</div></div>
${whyLine(attempt?.why ?? job.why, stateOf(attempt ?? job))}
</div>
<dl class="facts">
<div><dt>Attempt</dt><dd>${attempts(run, job, attempt)}</dd></div>
<div><dt>Started</dt><dd>${timeAgo(attempt?.startedAt, context.now)}</dd></div>
<div><dt>${attempt?.finishedAt ? 'Took' : 'Running for'}</dt><dd>${duration(attempt?.startedAt, attempt?.finishedAt, context.now)}</dd></div>
${attempt && attempt.artifacts.length > 0 ? fragment`<div class="fact-wide"><dt>Artifacts</dt><dd>${artifactList(attempt.artifacts)}</dd></div>` : ''}
</dl>`;
}

function attempts(run: RunRow, job: JobRow, shown: AttemptRow | undefined): Html {
  if (job.attempts.length < 2) return fragment`${shown?.number ?? job.attempt}`;
  const one = (attempt: AttemptRow) =>
    attempt.number === shown?.number
      ? fragment`<strong aria-current="true">${attempt.number} (${stateOf(attempt)})</strong>`
      : fragment`<a href="${withQuery(jobPath(run.id, job.id), { attempt: attempt.number })}">${attempt.number} (${stateOf(attempt)})</a>`;
  return fragment`<span class="meta">${job.attempts.toReversed().map((attempt) => fragment`<span>${one(attempt)}</span>`)}</span>`;
}

function logSection(view: JobView, isUnfinished: boolean): Html {
  const { run, job, attempt, log } = view;
  if (!log && !isUnfinished) return noLog(attempt);
  const follows = isUnfinished && (log?.follows ?? true);
  const live = fragment` data-lines="${jobLinesPath(run.id, job.id)}" data-attempt="${attempt?.number ?? ''}"`;
  return fragment`<section class="log-box" aria-label="Log">
<div class="log-bar">${log ? windowLinks(view, log) : fragment`<span class="number" data-shown>Waiting for the first line …</span>`}
${follows ? fragment`<span id="log-live" class="live-note" role="status">live</span>` : ''}
${attempt && log ? fragment`<span class="push"><a href="${withQuery(jobLogPath(run.id, job.id), { attempt: attempt.number })}">Raw log</a> ${size(log.bytes)}</span>` : ''}</div>
<div class="log" id="log" data-count="${log?.count ?? ''}" data-total="${log?.lines ?? 0}"${follows ? live : ''}>${log ? logLines(log.shown) : ''}</div>
${log && log.lines > log.count ? fragment`<div class="log-bar">${windowLinks(view, log)}</div>` : ''}
</section>`;
}

function noLog(attempt: AttemptRow | undefined): Html {
  return attempt?.log
    ? emptyState('The log is gone', 'It was removed by retention, or the archive lost it; the verdict stays.')
    : emptyState('No log', 'This attempt ended before it wrote a line.');
}

function windowLinks({ run, job, attempt }: JobView, log: LogWindow): Html {
  const last = log.from + log.shown.length - 1;
  const at = (from: number, label: string, title: string) =>
    fragment`<a href="${withQuery(jobPath(run.id, job.id), {
      from,
      count: log.count === DEFAULT_COUNT ? undefined : log.count,
      attempt: attempt?.number,
    })}" title="${title}">${label}</a>`;
  const lastFrom = Math.max(1, log.lines - log.count + 1);
  return fragment`<span class="number" data-shown>Lines ${number(log.from)} to ${number(last)} of ${number(log.lines)}</span>
${log.from > 1 ? fragment`${at(1, 'First', 'First lines')}${at(Math.max(1, log.from - log.count), 'Earlier', 'Earlier lines')}` : ''}
${last < log.lines ? fragment`${at(last + 1, 'Later', 'Later lines')}${at(lastFrom, 'Last', 'Last lines')}` : ''}`;
}

export const DEFAULT_COUNT = 1000;

/** The numbers are drawn by the stylesheet, so that copied text has none. */
export function logLines(lines: LogLine[]): Html {
  const render = createLineRenderer();
  return joined(
    lines.map(
      (line) =>
        fragment`<div class="line" id="L${line.number}"><a href="#L${line.number}" data-n="${line.number}" aria-label="Line ${line.number}"></a><span>${render(line.text)}${
          line.cut ? fragment`<em class="cut">… (${number(line.cut)} bytes, see raw)</em>` : ''
        }</span></div>`,
    ),
  );
}
