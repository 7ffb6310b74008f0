import type { LogLine } from '../../archive/archive.ts';
import type { MarkedLine } from '../../core/log-line.ts';
import { logMessages } from '../../core/messages-log.ts';
import {
  badge,
  duration,
  emptyState,
  foreign,
  fragment,
  type Html,
  number,
  type PageContext,
  page,
  size,
  stateOf,
  timeAgo,
  whyLine,
} from '../html.ts';
import { jobComparePath, jobLinesPath, jobLogPath, jobPath, runPath, shortRef, withQuery } from '../links.ts';
import type { Overview } from '../log-finder.ts';
import type { Scan } from '../log-scan.ts';
import type { LogQuery } from '../query.ts';
import type { AttemptRow, JobRow, RunRow } from '../reader.ts';
import { findBar, findResults } from './log-find.ts';
import { foldedLines, hasStamps } from './log-lines.ts';
import { artifactList } from './run.ts';
import { changeLine } from './runs.ts';

/** The part of a log that a page shows. `lines` and `bytes` are of the whole log as it was when it was read. */
export interface LogWindow {
  from: number;
  count: number;
  lines: number;
  bytes: number;
  shown: LogLine[];
  /** The groups and phases that its first line is in: the lines that began them, the outermost first. */
  around: LogLine[];
  /** The window includes the newest line of a log that still grows. */
  follows: boolean;
}

export interface JobView {
  run: RunRow;
  job: JobRow;
  attempt?: AttemptRow;
  /** What the reader asked for. */
  query: LogQuery;
  /** Absent: nothing was ever written, or it is gone. */
  log?: LogWindow;
  /** Of `query.q`. */
  search?: Scan;
  /** Failed tests, as they were stored, in the order of their lines. */
  tests?: MarkedLine[];
  /** What looks like a failure. Absent: the log is too long to be read for it. */
  overview?: Overview;
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
  if (attempt?.logRemovedAt && !log) return goneLog(attempt);
  if (!log && !isUnfinished) return noLog(attempt);
  const follows = isUnfinished && (log?.follows ?? true);
  const live = fragment` data-lines="${jobLinesPath(run.id, job.id)}" data-attempt="${attempt?.number ?? ''}"`;
  const find = view.query.q === undefined ? '' : fragment` data-find`;
  return fragment`<section class="log-box" aria-label="Log">
${log ? fragment`${findBar(view)}${findResults(view)}` : ''}
<div class="log-bar">${log ? windowLinks(view, log) : fragment`<span class="number" data-shown>${logMessages.waiting}</span>`}
${follows ? fragment`<span class="live-note"><span id="log-live" role="status">live</span> <a id="log-news" href="#log-end" hidden></a></span>` : ''}
${attempt && log ? fragment`<span class="push">${compareLink(view)}</span><span><a href="${withQuery(jobLogPath(run.id, job.id), { attempt: attempt.number })}">Raw log</a> ${size(log.bytes)}</span>` : ''}</div>
<div class="log${log && hasStamps([...log.around, ...log.shown]) ? ' timed' : ''}" id="log" data-count="${log?.count ?? ''}" data-total="${log?.lines ?? 0}"${find}${follows ? live : ''}>${log ? shownLines(view, log) : ''}</div>
<div id="log-end">${log && log.lines > log.count ? fragment`<div class="log-bar">${windowLinks(view, log)}</div>` : ''}</div>
</section>`;
}

function shownLines({ query, tests = [] }: JobView, log: LogWindow): Html {
  return foldedLines(log.shown, {
    around: log.around,
    target: query.line,
    text: query.q,
    tests: new Set(tests.map(({ line }) => line)),
  });
}

const compareLink = ({ run, job, attempt }: JobView): Html | string =>
  attempt?.state === 'finished'
    ? fragment`<a href="${withQuery(jobComparePath(run.id, job.id), { attempt: attempt.number })}">Compare with the last green run</a>`
    : '';

function noLog(attempt: AttemptRow | undefined): Html {
  return attempt?.log ? goneLog(attempt) : emptyState(logMessages.none.heading, logMessages.none.words);
}

export function goneLog(attempt: AttemptRow): Html {
  const { heading, words } = logMessages.gone(attempt.logRemovedAt);
  return emptyState(heading, words);
}

function windowLinks({ run, job, attempt, query }: JobView, log: LogWindow): Html {
  const last = log.from + log.shown.length - 1;
  const at = (from: number, label: string, title: string) =>
    fragment`<a href="${withQuery(jobPath(run.id, job.id), {
      from,
      count: log.count === DEFAULT_COUNT ? undefined : log.count,
      attempt: attempt?.number,
      q: query.q,
    })}" title="${title}">${label}</a>`;
  const lastFrom = Math.max(1, log.lines - log.count + 1);
  return fragment`<span class="number" data-shown>Lines ${number(log.from)} to ${number(last)} of ${number(log.lines)}</span>
${log.from > 1 ? fragment`${at(1, 'First', 'First lines')}${at(Math.max(1, log.from - log.count), 'Earlier', 'Earlier lines')}` : ''}
${last < log.lines ? fragment`${at(last + 1, 'Later', 'Later lines')}${at(lastFrom, 'Last', 'Last lines')}` : ''}`;
}

export const DEFAULT_COUNT = 1000;
