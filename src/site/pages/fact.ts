import { ledgerMessages } from '../../core/messages-ledger.ts';
import { lagSeconds } from '../api.ts';
import { badge, foreign, fragment, type Html, number, type PageContext, page, table, timeAgo } from '../html.ts';
import { withQuery } from '../links.ts';
import type { FactDetails, FactRow } from '../reader.ts';
import { replayFact, restartFact } from './commands.ts';
import { lagCell } from './ledger.ts';

/** One fact with all that was told about it. */
export function factPage(context: PageContext, fact: FactDetails): Html {
  const item = (name: string, value: unknown) => fragment`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const at = (time: Date | undefined) => timeAgo(time, context.now);
  return page(context, {
    title: `${fact.kind}: ${fact.key}`,
    section: 'ledger',
    body: fragment`<div class="page-head"><p class="crumbs"><a href="/ledger">Ledger</a> / fact</p>
<h1><code>${foreign(fact.key)}</code></h1>
<div class="verdict-line">${badge(fact.state, { size: 'large' })}<span>${fact.kind}</span></div>
${fact.error ? fragment`<p class="why tone-warn">${foreign(fact.error)}</p>` : ''}
${fact.state === 'parked' ? restartFact(fact) : ''}</div>
<dl class="facts">
${item('Subject', fragment`<a href="${withQuery('/ledger', { subject: fact.subject })}"><code>${foreign(fact.subject)}</code></a>`)}
${item('Occurred', at(fact.occurredAt))}
${item('Told by hook', at(fact.hookAt))}
${item('Seen by poll', at(fact.pollAt))}
${lagSeconds(fact) === undefined ? '' : item('Lag', lagCell(fact))}
${item('Stored', at(fact.createdAt))}
${item('Done', at(fact.doneAt))}
${item('Tries', triesOf(fact))}
</dl>
<section aria-labelledby="sightings"><div class="section-head"><h2 id="sightings">Sightings</h2><span class="quiet">each time it was told</span></div>
${
  fact.sightings.length === 0
    ? fragment`<p class="quiet">${(fact.hookAt ?? fact.pollAt) ? 'None is kept.' : 'None: RCB told itself.'}</p>`
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

/** What was done or parked as it came in was never tried, and needs no number for that. */
function triesOf({ state, tries }: FactRow): string {
  if (tries === 0 && state === 'done') return ledgerMessages.notTried;
  if (tries === 0 && state === 'parked') return ledgerMessages.notReadable;
  return number(tries);
}

const MAX_SHOWN = 200_000;

function payloadSection(fact: FactDetails): Html {
  const { payload, raw, rawSha256 } = fact;
  const event = payload === undefined || payload === null ? undefined : JSON.stringify(payload, null, 2);
  const inArchive = rawSha256
    ? fragment`<p class="quiet">Whole in the archive: sha256 <code title="${rawSha256}">${rawSha256.slice(0, 12)}</code>, as it came.</p>`
    : '';
  return fragment`${raw === undefined ? '' : textSection('raw', 'As it came', raw)}
${event === undefined ? '' : textSection('payload', 'Payload', event)}
${
  raw === undefined && event === undefined
    ? fragment`<section aria-labelledby="payload"><div class="section-head"><h2 id="payload">Payload</h2></div>
<p class="quiet">Removed by retention; the key stays, so that the fact is never taken for new.</p></section>`
    : ''
}${inArchive}${isWorthReplaying(fact) ? replayFact(fact.key) : ''}`;
}

function textSection(id: string, heading: string, text: string): Html {
  const shown = text.slice(0, MAX_SHOWN);
  return fragment`<section aria-labelledby="${id}"><div class="section-head"><h2 id="${id}">${heading}</h2></div>
<pre class="payload" tabindex="0">${shown}${shown.length < text.length ? '\n… cut' : ''}</pre></section>`;
}

/** A parked one says how to go on at its top. What RCB told itself belongs to its moment. */
const isWorthReplaying = ({ kind, state, payload, hookAt, pollAt }: FactDetails): boolean =>
  Boolean(payload) && (hookAt ?? pollAt) !== undefined && state !== 'parked' && kind !== 'hook.noted';
