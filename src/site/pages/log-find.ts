import { readLogLine } from '../../core/log-line.ts';
import { logMessages } from '../../core/messages-log.ts';
import { harmless } from '../ansi.ts';
import { foreign, fragment, type Html, number } from '../html.ts';
import { jobGotoPath, jobPath, withQuery } from '../links.ts';
import { KEPT_HITS } from '../log-finder.ts';
import type { Look } from '../query.ts';
import type { JobView } from './job.ts';

/** What leads through a log: to what failed, to a line, to what a reader searches for. Links and a form: no script. */

/** The address of a place in the log that is shown, with what was searched for. */
export function lineHref({ run, job, attempt, query }: JobView, line: number): string {
  const { q, count } = query;
  return `${withQuery(jobPath(run.id, job.id), { line, attempt: attempt?.number, q, count })}#L${line}`;
}

function gotoHref({ run, job, attempt, query }: JobView, to: Look, line: number, q: string | undefined): string {
  const { count } = query;
  return withQuery(jobGotoPath(run.id, job.id), { to, line, attempt: attempt?.number, q, count });
}

/** Before and behind these, without a script: what the reader asked for, else what the page begins with. */
function here({ log, query }: JobView): { before: number; behind: number } {
  const from = log?.from ?? 1;
  return { before: query.line?.from ?? from, behind: query.line?.to ?? from - 1 };
}

export function findBar(view: JobView): Html {
  const { query } = view;
  const { before, behind } = here(view);
  const what = query.q === undefined ? 'failure' : 'match';
  const step = (key: string, to: Look, line: number, words: string, q = query.q) =>
    fragment`<a class="step" href="${gotoHref(view, to, line, q)}" data-key="${key}" aria-keyshortcuts="${key}">${words} <kbd>${key}</kbd></a>`;
  return fragment`<div class="log-find">
<nav class="steps" aria-label="Failures">${step('e', 'first', 1, 'First failure', '')}${step('p', 'previous', before, `Previous ${what}`)}${step('n', 'next', Math.max(1, behind), `Next ${what}`)}</nav>
<label class="keys"><input type="checkbox" id="log-keys" checked disabled autocomplete="off"> ${logMessages.keys}</label>
<form class="find" role="search" action="${jobPath(view.run.id, view.job.id)}">
<input type="search" name="q" value="${query.q ?? ''}" maxlength="200" placeholder="Search this log" aria-label="Search this log" aria-keyshortcuts="/" autocomplete="off">
<input class="find-line" name="line" inputmode="numeric" pattern="\\d+(-\\d+)?" placeholder="Line" aria-label="Go to line" autocomplete="off">
${view.attempt ? fragment`<input type="hidden" name="attempt" value="${view.attempt.number}">` : ''}
<button>Find</button></form>
</div>`;
}

/** Under the bar: what a search found, what failed, and what a step did not find. */
export const findResults = (view: JobView): Html => fragment`${nothingFound(view)}${hits(view)}${failures(view)}`;

function nothingFound({ query }: JobView): Html | string {
  if (!query.none) return '';
  const words = query.looked ? logMessages.nothingUntil(query.looked) : logMessages.nothing[query.none];
  return fragment`<p class="log-note" role="status">${words}</p>`;
}

const LISTED = 50;

function hits(view: JobView): Html | string {
  const { search, query, log } = view;
  if (!search || query.q === undefined || !log) return '';
  const at = view.query.line?.from ?? 0;
  // Around the place where the reader is.
  const place = search.hits.findIndex(({ line }) => line >= at);
  const first = Math.max(0, Math.min(place < 0 ? search.hits.length : place - LISTED / 5, search.hits.length - LISTED));
  const shown = search.hits.slice(first, first + LISTED);
  const notes = [
    ...(search.isWhole ? [] : [logMessages.foundUntil(search.until, log.lines)]),
    ...(search.count > KEPT_HITS ? [logMessages.keptHits(KEPT_HITS)] : []),
  ];
  const heading = fragment`<span role="status">${search.count === 0 ? logMessages.notFound(query.q) : logMessages.found(query.q, search.count)}</span>${place >= 0 && search.hits[place]?.line === at ? ` · ${number(place + 1)} of ${number(search.count)}` : ''}`;
  const more = notes.length > 0 ? fragment`<p class="log-note">${notes.join(' ')}</p>` : '';
  const clear = fragment`<p class="log-note"><a href="${withQuery(jobPath(view.run.id, view.job.id), { line: query.line?.from, attempt: view.attempt?.number })}">Clear the search</a></p>`;
  if (shown.length === 0)
    return fragment`<div class="log-list"><p class="log-note">${heading}</p>${more}${clear}</div>`;
  return fragment`<details class="log-list" id="log-hits" open><summary class="log-list-head">${heading}</summary>
<ol>${shown.map((hit) => entry(view, hit.line, hit.text))}</ol>${more}${clear}</details>`;
}

const MOST_FAILURES = 100;

function failures(view: JobView): Html | string {
  const { overview, tests = [] } = view;
  const known = new Set(tests.map(({ line }) => line));
  const others = (overview?.lines ?? []).filter(({ line }) => !known.has(line));
  const lines = [...tests, ...others].sort((one, other) => one.line - other.line);
  if (lines.length === 0) return '';
  const count = (kind: string) => lines.filter((each) => each.kind === kind).length;
  const isMore = overview !== undefined && overview.count > overview.lines.length;
  return fragment`<details class="log-list" id="log-failures"><summary class="log-list-head">${logMessages.failures(count('test'), count('error'), isMore)}</summary>
<ol>${lines.slice(0, MOST_FAILURES).map(({ line, text }) => entry(view, line, text))}</ol></details>`;
}

/** What of a line fits into a list. */
const SHOWN = 300;

function entry(view: JobView, line: number, text: string): Html {
  const { text: bare, command } = readLogLine(text);
  const shown = harmless(bare.slice(command))
    .replace(/\u001b\[[\d;]*m/g, '')
    .trim()
    .slice(0, SHOWN);
  return fragment`<li><a href="${lineHref(view, line)}"><span class="number">${number(line)}</span> <code>${foreign(shown)}</code></a></li>`;
}
