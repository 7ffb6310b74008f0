import { flapRate, type KnownFlapper, type ListRemark } from '../../core/flapper.ts';
import { type Addition, dayOf, listedAs } from '../../core/flapper-suggest.ts';
import { additionsYaml, flapperPageMessages, percent, remarkText } from '../../core/messages-flapper-page.ts';
import {
  emptyState,
  foreign,
  fragment,
  type Html,
  maybeLink,
  number,
  type PageContext,
  page,
  table,
  timeAgo,
} from '../html.ts';
import { flapperFilePath, foreignUrl, logLinePath, runPath, withQuery } from '../links.ts';
import type { FlappersQuery } from '../query-flappers.ts';
import type { Listed } from '../reader.ts';
import type { FailureLink, FlapperRow } from '../reader-tests.ts';
import { sparkline } from '../sparkline.ts';

/** How far the small diagrams reach. */
export const WEEKS_OF_LIST = 26;

export interface FlappersView {
  query: FlappersQuery;
  listed: Listed<FlapperRow>;
  known: readonly KnownFlapper[];
  /** On the first page only. */
  advice?: ListAdvice;
}

export interface ListAdvice {
  additions: Addition[];
  remarks: ListRemark[];
}

export function flappersPage(context: PageContext, { query, listed, known, advice }: FlappersView): Html {
  const { before: _, ...kept } = query;
  const isFiltered = query.file !== undefined || query.platform !== undefined || query.before !== undefined;
  return page(context, {
    title: flapperPageMessages.title,
    section: 'flappers',
    body: fragment`<div class="page-head"><h1>${flapperPageMessages.title}</h1><p class="quiet">${flapperPageMessages.meaning}</p></div>
${filterForm(query)}
${listed.rows.length > 0 ? rows(context, query, listed.rows, known) : nothing(isFiltered)}
${listed.next ? fragment`<p class="paging"><a href="${withQuery('/flappers', { ...kept, before: listed.next })}">Further</a></p>` : ''}
${advice ? adviceSection(advice) : ''}`,
  });
}

const nothing = (isFiltered: boolean): Html =>
  emptyState(flapperPageMessages.none, isFiltered ? flapperPageMessages.noneLike : flapperPageMessages.noneYet);

function filterForm({ file, platform, show, sort }: FlappersQuery): Html {
  const option = (value: string, words: string, current: string | undefined) =>
    fragment`<option value="${value}"${value === (current ?? '') ? fragment` selected` : ''}>${words}</option>`;
  return fragment`<form class="filter" method="get" action="/flappers" role="search" aria-label="Filter flappers">
<label>Test file <input name="file" value="${file ?? ''}" placeholder="a part of its path" maxlength="200"></label>
<label>Job <input name="platform" value="${platform ?? ''}" placeholder="a part of its name" maxlength="200"></label>
<label>Show <select name="show">${option('', 'flappers', show)}${option('failed', 'all that have failed', show)}</select></label>
<label>Sort by <select name="sort">${option('', 'rate', sort)}${option('last', 'last failure', sort)}</select></label>
<div class="filter-buttons"><button type="submit">Filter</button><a href="/flappers">Reset</a></div>
</form>`;
}

function rows(context: PageContext, query: FlappersQuery, shown: FlapperRow[], known: readonly KnownFlapper[]): Html {
  const caption = `${flapperPageMessages.title}, ${query.sort === 'last' ? 'the last failure first' : 'the highest rate first'}`;
  return fragment`<div class="flappers">${table(
    caption,
    ['Test file', 'Flaps', 'Rate', flapperPageMessages.weeks(WEEKS_OF_LIST), 'Seen', 'Newest failures'],
    shown.map((row) => cells(context, row, known)),
  )}
${query.sort === 'last' ? '' : fragment`<p class="quiet small">${flapperPageMessages.sortedByRate}</p>`}</div>`;
}

function cells(context: PageContext, row: FlapperRow, known: readonly KnownFlapper[]): unknown[] {
  const { runs, failed, flapped, firstFailedAt, lastFailedAt } = row.tally;
  return [
    fragment`<a class="job-name" href="${flapperFilePath(row.name)}">${foreign(row.name)}</a> ${knownTag(row, known, context.now)}
<div class="quiet">${foreign(flapperPageMessages.jobOf(row.job, row.repository))}</div>`,
    fragment`<span class="number">${number(flapped)}</span> <span class="quiet">of ${number(failed)} ${failed === 1 ? 'failure' : 'failures'} in ${number(runs)} ${runs === 1 ? 'run' : 'runs'}</span>`,
    rateText(flapped, runs),
    sparkline(row.weeks, context.now, WEEKS_OF_LIST),
    fragment`${timeAgo(lastFailedAt, context.now)}<div class="quiet">first ${timeAgo(firstFailedAt, context.now)}</div>`,
    failureLinks(context, row.newest),
  ];
}

export function rateText(flapped: number, runs: number): Html {
  const { rate, low, high } = flapRate(flapped, runs);
  return fragment`<span class="number">${percent(rate)}</span> <span class="quiet number">${percent(low)} to ${percent(high)}</span>`;
}

/** That it is listed, with the issue. */
export function knownTag(
  place: { name: string; platform: string },
  known: readonly KnownFlapper[],
  now: Date,
  words = 'listed',
): Html {
  const entry = listedAs(place, known, dayOf(now));
  return entry ? fragment`<span class="tag">${maybeLink(foreignUrl(entry.issue), words)}</span>` : fragment``;
}

const failureLinks = (context: PageContext, newest: FailureLink[]): Html =>
  newest.length === 0
    ? fragment`<span class="quiet">–</span>`
    : fragment`<ul class="failure-links">${newest.map(
        (link) => fragment`<li>${failureLink(link)} <span class="quiet">${timeAgo(link.at, context.now)}</span></li>`,
      )}</ul>`;

/** To the line of the log, or to the run where the log has none. */
export function failureLink({ runId, jobId, attempt, line }: FailureLink): Html {
  if (jobId === undefined) return fragment`<span class="quiet">run removed</span>`;
  if (line === undefined) return fragment`<a href="${runPath(runId)}">run</a>`;
  return fragment`<a href="${logLinePath(runId, jobId, line, attempt)}">line ${number(line)}</a>`;
}

function adviceSection({ additions, remarks }: ListAdvice): Html {
  return fragment`<section aria-labelledby="list"><div class="section-head"><h2 id="list">${flapperPageMessages.suggestions}</h2>
<span class="quiet">${flapperPageMessages.suggestionsMeaning}</span></div>
${
  additions.length > 0
    ? fragment`<p class="quiet">${whereToPut()}</p><pre class="payload" tabindex="0" data-copy>${additionsYaml(additions)}</pre>`
    : remarks.length === 0
      ? fragment`<p class="quiet">${flapperPageMessages.nothingToChange}</p>`
      : fragment`<p class="quiet">${flapperPageMessages.nothingToAdd}</p>`
}
${remarks.length > 0 ? remarksList(remarks) : ''}</section>`;
}

const whereToPut = (): Html =>
  fragment`${flapperPageMessages.whereToPut
    .split('`')
    .map((piece, at) => (at % 2 ? fragment`<code>${piece}</code>` : fragment`${piece}`))}`;

const remarksList = (remarks: ListRemark[]): Html => fragment`<h3>${flapperPageMessages.remarks}</h3>
<p class="quiet small">${flapperPageMessages.remarksMeaning}</p>
<ul class="plain">${remarks.map(
  (remark) =>
    fragment`<li>${foreign(remarkText(remark))}${foreignUrl(remark.entry.issue) ? fragment` (<a href="${foreignUrl(remark.entry.issue)}">issue</a>)` : ''}</li>`,
)}</ul>`;
