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
import { type LedgerQuery, words } from '../query.ts';
import type { EffectRow, FactDetails, FactRow, Listed } from '../reader.ts';
import { input, select } from './runs.ts';

export interface LedgerView {
  query: LedgerQuery;
  listed: Listed<FactRow>;
  /** Given up: shown first, on the first page. */
  parked: FactRow[];
  effects: { parked: EffectRow[]; running: EffectRow[]; pending: EffectRow[] };
}

export function ledgerPage(context: PageContext, view: LedgerView): Html {
  const { query, listed } = view;
  return page(context, {
    title: 'Ledger',
    section: 'ledger',
    body: fragment`<div class="page-head"><h1>Ledger</h1><p class="quiet">Every fact from outside, stored once: seen by hook, by poll, or only by poll, and how late.</p></div>
${query.before ? '' : parkedBox(context, view)}
${filterForm(query)}
<section class="ledger" aria-label="Facts, newest first">
${listed.rows.length > 0 ? factTable(context, listed.rows) : noFacts(query)}
</section>
<nav class="paging" aria-label="Pages">
${query.before ? fragment`<a href="${withQuery('/ledger', { ...query, before: undefined })}">Newest</a>` : ''}
${listed.next ? fragment`<a href="${withQuery('/ledger', { ...query, before: listed.next })}" rel="next">Older facts</a>` : ''}
</nav>
${query.before ? '' : waitingEffects(context, [...view.effects.running, ...view.effects.pending])}`,
  });
}

function parkedBox(context: PageContext, { parked, effects }: LedgerView): Html {
  if (parked.length + effects.parked.length === 0) return fragment``;
  const facts = parked.map(
    (fact) =>
      fragment`<li>${badge('parked')}<div><a href="${factPath(fact.key)}"><strong>${fact.kind}</strong> <code>${foreign(fact.key)}</code></a><p class="why tone-warn">${foreign(fact.error ?? 'No error was recorded.')}</p><div class="quiet">${tries(fact.tries)}, ${timeAgo(fact.createdAt, context.now)}</div></div></li>`,
  );
  const wanted = effects.parked.map(
    (effect) =>
      fragment`<li>${badge('parked')}<div><strong>${effect.kind}</strong> <code>${foreign(effect.target)}</code><p class="why tone-warn">${foreign(effect.error ?? 'No error was recorded.')}</p><div class="quiet">${tries(effect.tries)}, ${timeAgo(effect.createdAt, context.now)}</div></div></li>`,
  );
  return fragment`<section class="alert" aria-labelledby="parked"><h2 id="parked">Parked: given up after the last try</h2>
<p>Nothing more happens to these by itself. Mend the cause, then let them be tried again.</p>
<ul>${facts}${wanted}</ul></section>`;
}

const tries = (count: number): string => (count === 1 ? '1 try' : `${number(count)} tries`);

function filterForm(query: LedgerQuery): Html {
  return fragment`<form class="filter" method="get" action="/ledger" role="search" aria-label="Filter facts">
${input('subject', 'Subject', query.subject, 'pull-request:github:1#7')}
${input('kind', 'Kind', query.kind, 'push')}
${select('state', 'State', words.factStates, query.state)}
<div class="filter-buttons"><button type="submit">Filter</button><a href="/ledger">Clear</a></div>
</form>`;
}

function noFacts(query: LedgerQuery): Html {
  return query.subject || query.kind || query.state || query.before
    ? emptyState('Nothing matches', fragment`No fact fits this filter. <a href="/ledger">Show all facts</a>.`)
    : emptyState('No facts yet', 'As soon as GitHub sends a hook, or a poll finds something new, it is written here.');
}

function factTable(context: PageContext, facts: FactRow[]): Html {
  return table(
    'Facts',
    ['State', 'Fact', 'Subject', 'Occurred', 'Hook', 'Poll'],
    facts.map((fact) => [
      badge(fact.state),
      fragment`<a href="${factPath(fact.key)}"><strong>${fact.kind}</strong></a><div class="key" title="${fact.key}"><code>${foreign(fact.key)}</code></div>${fact.error ? fragment`<p class="why tone-warn">${foreign(fact.error)} (${tries(fact.tries)})</p>` : ''}`,
      fragment`<a href="${withQuery('/ledger', { subject: fact.subject })}"><code>${foreign(fact.subject)}</code></a>`,
      timeAgo(fact.occurredAt ?? fact.createdAt, context.now),
      lateness(fact.hookAt, fact.occurredAt),
      lateness(fact.pollAt, fact.occurredAt),
    ]),
  );
}

/** How long after it happened we heard of it this way. */
function lateness(at: Date | undefined, occurredAt: Date | undefined): Html {
  if (!at) return fragment`<span class="quiet">–</span>`;
  const text = occurredAt ? `+${lateText(at.getTime() - occurredAt.getTime())}` : exactTime(at).slice(11, 19);
  return fragment`<time class="number" datetime="${at.toISOString()}" title="${exactTime(at)}">${text}</time>`;
}

function lateText(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function waitingEffects(context: PageContext, effects: EffectRow[]): Html {
  return fragment`<section class="ledger" aria-labelledby="effects"><div class="section-head"><h2 id="effects">Effects to come</h2><span class="quiet">what is wanted outside and not yet done</span></div>
${
  effects.length === 0
    ? fragment`<p class="quiet">Nothing waits: everything wanted is done.</p>`
    : table(
        'Effects',
        ['State', 'Effect', 'Lane', 'Due', 'Tries'],
        effects.map((effect) => [
          badge(effect.state),
          fragment`<strong>${effect.kind}</strong><div class="key" title="${effect.target}"><code>${foreign(effect.target)}</code></div>${effect.error ? fragment`<p class="why tone-warn">${foreign(effect.error)}</p>` : ''}`,
          fragment`<code>${effect.lane}</code>`,
          timeAgo(effect.dueAt, context.now),
          fragment`<span class="number">${number(effect.tries)}</span>`,
        ]),
      )
}</section>`;
}

/** One fact with all that was told about it. */
export function factPage(context: PageContext, fact: FactDetails): Html {
  const item = (name: string, value: unknown) => fragment`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return page(context, {
    title: `${fact.kind}: ${fact.key}`,
    section: 'ledger',
    body: fragment`<div class="page-head"><p class="crumbs"><a href="/ledger">Ledger</a> / fact</p>
<h1><code>${foreign(fact.key)}</code></h1>
<div class="verdict-line">${badge(fact.state, { size: 'large' })}<span>${fact.kind}</span></div>
${fact.error ? fragment`<p class="why tone-warn">${foreign(fact.error)}</p>` : ''}</div>
<dl class="facts">
${item('Subject', fragment`<a href="${withQuery('/ledger', { subject: fact.subject })}"><code>${foreign(fact.subject)}</code></a>`)}
${item('Occurred', timeAgo(fact.occurredAt, context.now))}
${item('Stored', timeAgo(fact.createdAt, context.now))}
${item('Done', timeAgo(fact.doneAt, context.now))}
${item('Tries', number(fact.tries))}
</dl>
<section aria-labelledby="sightings"><div class="section-head"><h2 id="sightings">Sightings</h2><span class="quiet">each time it was told</span></div>
${
  fact.sightings.length === 0
    ? fragment`<p class="quiet">None: RCB told itself.</p>`
    : table(
        'Sightings',
        ['By', 'When', 'Delivery'],
        fact.sightings.map((sighting) => [
          sighting.source,
          timeAgo(sighting.at, context.now),
          sighting.delivery
            ? fragment`<code>${foreign(sighting.delivery)}</code>`
            : fragment`<span class="quiet">–</span>`,
        ]),
      )
}</section>
${payloadSection(fact)}`,
  });
}

const MAX_PAYLOAD = 200_000;

function payloadSection(fact: FactDetails): Html {
  const text = fact.payload === undefined || fact.payload === null ? fact.raw : JSON.stringify(fact.payload, null, 2);
  const shown = text === undefined ? undefined : text.slice(0, MAX_PAYLOAD);
  return fragment`<section aria-labelledby="payload"><div class="section-head"><h2 id="payload">${fact.raw !== undefined && !fact.payload ? 'As it came' : 'Payload'}</h2>
${fact.rawSha256 ? fragment`<span class="quiet">whole in the archive, sha256 <code title="${fact.rawSha256}">${fact.rawSha256.slice(0, 12)}</code></span>` : ''}</div>
${
  shown === undefined
    ? fragment`<p class="quiet">Removed by retention; the key stays, so that the fact is never taken for new.</p>`
    : fragment`<pre class="payload" tabindex="0">${shown}${shown.length < text!.length ? '\n… cut' : ''}</pre>`
}</section>`;
}
