import { retentionMessages } from '../../core/messages-retention.ts';
import { serviceMessages as words } from '../../core/messages-service.ts';
import { foreign, fragment, type Html, number, type PageContext, size, table, timeAgo } from '../html.ts';
import type { PollTroubleRow, RetentionStand } from '../reader-service.ts';

/** Polls of the App and of back-ends that cannot read; nothing where all can. */
export function pollTroubles({ now }: PageContext, troubles: PollTroubleRow[]): Html {
  if (troubles.length === 0) return fragment``;
  return fragment`<div class="alert"><h3>${words.troubled}</h3><ul>${troubles.map(
    ({ poll, why, since }) =>
      fragment`<li><span class="quiet">since ${timeAgo(since, now)}</span><div><strong>${foreign(words.poll(poll))}</strong><p class="why tone-warn">${foreign(why)}</p></div></li>`,
  )}</ul></div>`;
}

/** What the last sweep removed, and whether one is under way. */
export function retentionSection({ now }: PageContext, stand: RetentionStand | undefined): Html {
  const { beganAt, last } = stand ?? {};
  if (!last && !beganAt) return fragment`<p class="quiet">${words.neverSwept}</p>`;
  return fragment`${beganAt ? fragment`<p>${words.sweeping} ${timeAgo(beganAt, now)}.</p>` : ''}
${last ? lastSweep(now, last) : ''}`;
}

function lastSweep(now: Date, { endedAt, swept, trouble }: NonNullable<RetentionStand['last']>): Html {
  const rows = swept.map(({ kind, count, bytes }) => [
    kindWords(kind),
    fragment`<span class="number">${number(count)}</span>`,
    bytes > 0 ? size(bytes) : fragment`<span class="quiet">–</span>`,
  ]);
  return fragment`<p>${words.sweptAt} ${timeAgo(endedAt, now)}.${rows.length === 0 ? ` ${words.nothingSwept}` : ''}</p>
${rows.length > 0 ? table(words.retention, ['Removed', 'How many', 'Size'], rows) : ''}
${trouble.length > 0 ? fragment`<p class="tone-warn">${words.sweepTrouble}</p><ul class="plain">${trouble.map((each) => fragment`<li>${foreign(each)}</li>`)}</ul>` : ''}`;
}

/** A newer version may sweep what this one has no word for. */
const kindWords = (kind: string): string =>
  Object.hasOwn(retentionMessages.kinds, kind)
    ? retentionMessages.kinds[kind as keyof typeof retentionMessages.kinds]
    : kind;
