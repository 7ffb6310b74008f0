import { readLogLine } from '../../core/log-line.ts';
import { logMessages } from '../../core/messages-log.ts';
import { createLineRenderer } from '../ansi.ts';
import { emptyState, foreign, fragment, type Html, joined, number, type PageContext, page, timeAgo } from '../html.ts';
import { jobComparePath, jobLogPath, jobPath, runPath, shortRef, withQuery } from '../links.ts';
import type { Comparison, Row } from '../log-compare.ts';
import type { AttemptRow, JobRow, RunRow } from '../reader.ts';

/** One of the two logs that are compared. */
export interface Side {
  run: RunRow;
  job: JobRow;
  attempt: AttemptRow;
}

export interface CompareView {
  shown: Side;
  /** Absent: the job has not passed before. */
  green?: Side;
  /** Absent: `trouble` says why. */
  comparison?: Comparison;
  withMoved: boolean;
  trouble?: { heading: string; words: string };
}

/** How a log differs from the last green one of the same job. */
export function comparePage(context: PageContext, view: CompareView): Html {
  const { shown, green } = view;
  return page(context, {
    title: `Compared with green: ${shown.job.name}`,
    section: 'runs',
    body: fragment`<div class="page-head">
<p class="crumbs"><a href="/runs">Runs</a> / <a href="${runPath(shown.run.id)}">${foreign(shown.run.title || shortRef(shown.run.ref))}</a> / <a href="${sideHref(shown)}">${foreign(shown.job.name)}</a></p>
<h1>Compared with the last green run</h1></div>
<dl class="facts">
<div class="fact-wide"><dt>This log</dt><dd>${sideLine(context, shown)}</dd></div>
${green ? fragment`<div class="fact-wide"><dt>Green</dt><dd>${sideLine(context, green)}</dd></div>` : ''}
</dl>
${content(view)}`,
  });
}

const sideHref = ({ run, job, attempt }: Side, line?: number): string => {
  const path = withQuery(jobPath(run.id, job.id), { attempt: attempt.number, line });
  return line === undefined ? path : `${path}#L${line}`;
};

const sideLine = (context: PageContext, side: Side): Html =>
  fragment`<a href="${sideHref(side)}">Attempt ${side.attempt.number}</a> of <a href="${runPath(side.run.id)}">${foreign(side.run.title || shortRef(side.run.ref))}</a>, ${timeAgo(side.attempt.finishedAt, context.now)}${rawLink(side)}`;

const rawLink = ({ run, job, attempt }: Side): Html | string =>
  attempt.logRemovedAt
    ? ''
    : fragment` · <a href="${withQuery(jobLogPath(run.id, job.id), { attempt: attempt.number })}">Raw log</a>`;

function content(view: CompareView): Html {
  const { green, comparison, trouble } = view;
  if (trouble) return emptyState(trouble.heading, trouble.words);
  if (!green || !comparison) return emptyState(logMessages.compare.noGreen.heading, logMessages.compare.noGreen.words);
  const { same } = logMessages.compare;
  return fragment`<p class="quiet">${logMessages.compare.explain}</p>
${notes(view, comparison)}
${comparison.hunks.length === 0 ? emptyState(same.heading, same.words) : joined(comparison.hunks.map((rows, at) => hunk(view.shown, green, rows, at)))}`;
}

function notes({ shown, withMoved }: CompareView, { hunks, all, moved, added, removed, isCoarse }: Comparison): Html {
  const { compare } = logMessages;
  const path = jobComparePath(shown.run.id, shown.job.id);
  const others = withQuery(path, { attempt: shown.attempt.number, moved: withMoved ? undefined : 'shown' });
  const movedNote = moved > 0 ? fragment`${compare.onlyMoved(moved)} <a href="${others}">Show them</a>` : '';
  return fragment`<p>${compare.counts(added, removed)} ${isCoarse ? compare.coarse : ''} ${all > hunks.length ? compare.cut(hunks.length, all) : ''} ${withMoved ? fragment`<a href="${others}">Leave out what only moved</a>` : movedNote}</p>`;
}

function hunk(shown: Side, green: Side, rows: Row[], at: number): Html {
  return fragment`<section class="log-box hunk" aria-label="Difference ${at + 1}"><div class="log">${rows.map((row) => rowLine(shown, green, row))}</div></section>`;
}

const SIGNS = { same: ' ', removed: '−', added: '+' };

function rowLine(shown: Side, green: Side, row: Row): Html {
  if (row.kind === 'more') {
    const where = row.of === 'added' ? 'this log' : 'the green run';
    return fragment`<p class="log-note">… ${number(row.count)} more lines of ${where}</p>`;
  }
  const old = row.kind === 'same' ? row.old : row.kind === 'removed' ? row.line.number : undefined;
  const fresh = row.kind === 'same' ? row.new : row.kind === 'added' ? row.line.number : undefined;
  const isMoved = row.kind !== 'same' && row.isMoved;
  return fragment`<div class="line diff-${row.kind}${isMoved ? ' diff-moved' : ''}">${numberLink(green, old, 'the green run')}${numberLink(shown, fresh, 'this log')}<span class="sign">${SIGNS[row.kind]}</span><span class="text">${createLineRenderer()(readLogLine(row.line.text).text)}${row.line.cut ? fragment`<em class="cut">… (${number(row.line.cut)} bytes)</em>` : ''}</span></div>`;
}

const numberLink = (side: Side, line: number | undefined, where: string): Html =>
  line === undefined
    ? fragment`<span class="no-line"></span>`
    : fragment`<a href="${sideHref(side, line)}" data-n="${line}" aria-label="Line ${line} of ${where}"></a>`;
