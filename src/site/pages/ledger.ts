import { ledgerMessages } from '../../core/messages-ledger.ts';
import { lagSeconds } from '../api.ts';
import {
  badge,
  emptyState,
  exactTime,
  foreign,
  fragment,
  type Html,
  number,
  type PageContext,
  page,
  table,
  timeAgo,
} from '../html.ts';
import { factPath, withQuery } from '../links.ts';
import { type LedgerQuery, type Period, words } from '../query.ts';
import type { EffectRow, FactRow, FactTotals, Lag, Listed, QueueCounts } from '../reader.ts';
import { restartFact, retryEffect } from './commands.ts';
import { input, select } from './runs.ts';

export interface LedgerView {
  query: LedgerQuery;
  /** Are hooks listed from which nothing follows? */
  noted: 'shown' | 'hidden';
  over: Period;
  listed: Listed<FactRow>;
  /** On the first page. */
  whole?: LedgerWhole;
}

/** What is told of the whole ledger, whatever the filter. */
export interface LedgerWhole {
  totals: FactTotals;
  counts: QueueCounts;
  /** Given up; the newest few. */
  parked: FactRow[];
  effects: { parked: EffectRow[]; running: EffectRow[]; pending: EffectRow[] };
}

export function ledgerPage(context: PageContext, view: LedgerView): Html {
  const { query, listed, whole } = view;
  return page(context, {
    title: 'Ledger',
    section: 'ledger',
    body: fragment`<div class="page-head"><h1>Ledger</h1><p class="quiet">Every fact from outside, stored once: told by a hook, seen by a poll, or both, and how late.</p></div>
${whole ? parkedBox(context, whole) : ''}
${whole ? totalsSection(view, whole.totals) : ''}
${filterForm(query)}
${notedLine(view)}
<section class="ledger ledger-facts" aria-label="Facts, newest first">
${listed.rows.length > 0 ? factTable(context, listed.rows) : noFacts(view)}
</section>
<nav class="paging" aria-label="Pages">
${query.before ? fragment`<a href="${withQuery('/ledger', { ...query, before: undefined })}">Newest</a>` : ''}
${listed.next ? fragment`<a href="${withQuery('/ledger', { ...query, before: listed.next })}" rel="next">Older facts</a>` : ''}
</nav>
${whole ? waitingEffects(context, whole) : ''}`,
  });
}

function parkedBox(context: PageContext, { parked, effects, counts }: LedgerWhole): Html {
  const shown = parked.length + effects.parked.length;
  if (shown === 0) return fragment``;
  const all = Math.max(shown, (counts.events['parked'] ?? 0) + (counts.effects['parked'] ?? 0));
  const item = (row: FactRow | EffectRow, heading: Html, how: Html) =>
    fragment`<li>${badge('parked')}<div>${heading}<p class="why tone-warn">${foreign(row.error ?? 'No error was recorded.')}</p>
<div class="quiet">${row.tries > 0 ? `${tries(row.tries)}, ` : ''}${timeAgo(row.createdAt, context.now)}</div>${how}</div></li>`;
  const facts = parked.map((fact) => {
    const heading = fragment`<a href="${factPath(fact.key)}"><strong>${fact.kind}</strong> <code>${foreign(fact.key)}</code></a>`;
    return item(fact, heading, restartFact(fact));
  });
  const wanted = effects.parked.map((effect) => {
    const heading = fragment`<strong>${effect.kind}</strong> <code>${foreign(effect.target)}</code>`;
    return item(effect, heading, retryEffect(effect.id));
  });
  return fragment`<section class="alert" aria-labelledby="parked"><h2 id="parked">Parked: given up after the last try</h2>
<p>Nothing more happens to these by itself. Mend the cause, then type its command where RCB is installed.${
    all > shown ? fragment` The newest ${number(shown)} of ${number(all)}:` : ''
  }</p>
<ul>${facts}${wanted}</ul></section>`;
}

const tries = (count: number): string => (count === 1 ? '1 try' : `${number(count)} tries`);

const PERIOD_WORDS: Record<Period, string> = { hour: 'last hour', day: 'last day', '30-days': 'last 30 days' };

function totalsSection({ query, over }: LedgerView, totals: FactTotals): Html {
  const item = (name: string, value: Html | string) => fragment`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const periods = words.periods.map((period) =>
    period === over
      ? fragment`<strong aria-current="true">${PERIOD_WORDS[period]}</strong>`
      : fragment`<a href="${withQuery('/ledger', { ...query, over: period })}">${PERIOD_WORDS[period]}</a>`,
  );
  const byPoll = number(totals.pollOnly);
  return fragment`<section class="totals" aria-labelledby="totals"><div class="section-head"><h2 id="totals">Told in the</h2><div class="periods">${periods}</div></div>
<dl class="facts">
${item('By hook and poll', number(totals.both))}
${item('By hook only', number(totals.hookOnly))}
${item('By poll only: repaired', totals.pollOnly > 0 ? fragment`<a href="${withQuery('/ledger', { told: 'poll', over })}">${byPoll}</a>` : byPoll)}
${item('Nothing follows', number(totals.noted))}
${item('Lag by hook', lagText(totals.lagByHook))}
${item('Lag by poll only', lagText(totals.lagByPollOnly))}
</dl>${totals.cutAt ? fragment`<p class="quiet">There were more: these are the newest ${number(totals.cutAt)} facts.</p>` : ''}</section>`;
}

/** Lists of branches do not say when a branch moved: not every fact has a lag. */
function lagText(lag: Lag | undefined): Html {
  if (!lag) return fragment`<span class="quiet">–</span>`;
  const facts = lag.facts === 1 ? '1 fact' : `${number(lag.facts)} facts`;
  return fragment`<span title="of ${facts} whose time is known"><span class="keep">p50 ${lateText(lag.p50)}</span> · <span class="keep">p99 ${lateText(lag.p99)}</span></span>`;
}

function filterForm(query: LedgerQuery): Html {
  const kept = (['noted', 'over'] as const).map((name) =>
    query[name] ? fragment`<input type="hidden" name="${name}" value="${query[name]}">` : '',
  );
  return fragment`<form class="filter" method="get" action="/ledger" role="search" aria-label="Filter facts">
${input('subject', 'Subject', query.subject, 'pull-request:github:1#7')}
${input('kind', 'Kind', query.kind, 'branch.hinted')}
${select('state', 'State', words.factStates, query.state)}
${select('told', 'Told by', words.toldBy, query.told)}
<div class="filter-buttons">${kept}<button type="submit">Filter</button><a href="/ledger">Clear</a></div>
</form>`;
}

function notedLine({ query, noted }: LedgerView): Html {
  const other = (value: 'shown' | 'hidden') => withQuery('/ledger', { ...query, before: undefined, noted: value });
  if (noted === 'hidden')
    return fragment`<p class="quiet noted">${ledgerMessages.leftOut} <a href="${other('shown')}">Show all</a></p>`;
  return query.noted === 'shown'
    ? fragment`<p class="quiet noted">${ledgerMessages.allShown} <a href="${other('hidden')}">Leave them out</a></p>`
    : fragment``;
}

function noFacts({ query }: LedgerView): Html {
  return query.subject || query.kind || query.state || query.told || query.before
    ? emptyState('Nothing matches', fragment`No fact fits this filter. <a href="/ledger">Show all facts</a>.`)
    : emptyState('No facts yet', 'As soon as GitHub sends a hook, or a poll finds something new, it is written here.');
}

function factTable(context: PageContext, facts: FactRow[]): Html {
  return table(
    'Facts',
    ['State', 'Fact', 'Subject', 'Occurred', 'Hook', 'Poll', 'Lag'],
    facts.map((fact) => [
      badge(fact.state),
      fragment`<a href="${factPath(fact.key)}"><strong>${fact.kind}</strong></a><div class="key" title="${fact.key}"><code>${foreign(fact.key)}</code></div>${fact.error ? fragment`<p class="why tone-warn">${foreign(fact.error)}${fact.tries > 0 ? ` (${tries(fact.tries)})` : ''}</p>` : ''}`,
      fragment`<a href="${withQuery('/ledger', { subject: fact.subject })}"><code>${foreign(fact.subject)}</code></a>`,
      clockTime(fact.occurredAt, context.now),
      clockTime(fact.hookAt, context.now),
      clockTime(fact.pollAt, context.now),
      lagCell(fact),
    ]),
  );
}

const DAY_MS = 86_400_000;
const MONTH_AND_DAY = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', timeZone: 'UTC' });

/** The time of day: three times beside each other are compared. Of another day its date, too. */
function clockTime(at: Date | undefined, now: Date): Html {
  if (!at) return fragment`<span class="quiet">–</span>`;
  const isToday = Math.floor(at.getTime() / DAY_MS) === Math.floor(now.getTime() / DAY_MS);
  const day = isToday ? '' : fragment`<span class="keep">${MONTH_AND_DAY.format(at)},</span> `;
  return fragment`<time class="clock" datetime="${at.toISOString()}" title="${exactTime(at)}">${day}<span class="keep">${at.toISOString().slice(11, 19)}</span></time>`;
}

/** From the fact to the first telling of it. */
export function lagCell(fact: FactRow): Html {
  const lag = lagSeconds(fact);
  const isRepaired = !fact.hookAt && fact.pollAt !== undefined;
  const late =
    lag === undefined ? fragment`<span class="quiet">–</span>` : fragment`<span class="number">${lateText(lag)}</span>`;
  return fragment`${late}${isRepaired ? fragment` <span class="tag" title="No hook told it: a poll found it.">repaired</span>` : ''}`;
}

function lateText(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function waitingEffects(context: PageContext, { effects: { running, pending }, counts }: LedgerWhole): Html {
  const shown = [...running, ...pending];
  const all = (counts.effects['pending'] ?? 0) + (counts.effects['running'] ?? 0);
  const heading =
    all > shown.length
      ? `the next ${number(shown.length)} of ${number(all)} that are wanted outside and not yet done`
      : 'what is wanted outside and not yet done';
  return fragment`<section class="ledger" aria-labelledby="effects"><div class="section-head"><h2 id="effects">Effects to come</h2><span class="quiet">${heading}</span></div>
${
  shown.length === 0
    ? fragment`<p class="quiet">Nothing waits: everything wanted is done.</p>`
    : table(
        'Effects',
        ['State', 'Effect', 'Lane', 'Due', 'Tries'],
        shown.map((effect) => [
          badge(effect.state),
          fragment`<strong>${effect.kind}</strong><div class="key" title="${effect.target}"><code>${foreign(effect.target)}</code></div>${effect.error ? fragment`<p class="why tone-warn">${foreign(effect.error)}</p>` : ''}`,
          fragment`<code>${effect.lane}</code>`,
          timeAgo(effect.dueAt, context.now),
          fragment`<span class="number">${number(effect.tries)}</span>`,
        ]),
      )
}</section>`;
}
