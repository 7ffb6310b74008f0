import { serviceMessages as words } from '../../core/messages-service.ts';
import {
  durationText,
  emptyState,
  foreign,
  fragment,
  type Html,
  maybeLink,
  number,
  type PageContext,
  table,
  timeAgo,
} from '../html.ts';
import { runPath } from '../links.ts';
import type { BackendMeasures, HeldRun, Rest } from '../reader-service.ts';
import type { BackendState } from './service.ts';
import { sign } from './service-signs.ts';

type ByName = ReadonlyMap<string, BackendMeasures>;

/** How each back-end is, and how it has done lately. */
export function backendTable(context: PageContext, backends: BackendState[], measures: ByName): Html {
  if (backends.length === 0)
    return emptyState('No backend', 'Name one under "backends:" in rcb.yaml; until then nothing can be built.');
  return table(
    'Backends',
    ['State', 'Name', 'Note', words.waited, words.errors, words.builds, words.answered, words.next],
    backends.map((backend) => backendCells(context, backend, measures.get(backend.name))),
  );
}

const NOTHING = fragment`<span class="quiet">–</span>`;

function backendCells({ now }: PageContext, backend: BackendState, measured?: BackendMeasures): unknown[] {
  const { queued, ended = 0, errors = 0, running = 0, waiting = 0, answeredAt, nextAt, trouble } = measured ?? {};
  return [
    sign(backend.ok),
    fragment`<strong class="keep">${backend.name}</strong> <span class="quiet keep">${backend.kind}</span>`,
    fragment`${foreign(backend.note)}${trouble ? fragment`<p class="why tone-warn">${foreign(trouble.why)}</p><div class="quiet">${words.triedAgain(trouble.tries)}</div>` : ''}`,
    queued
      ? fragment`<span class="number" title="${words.waitedMeans(queued.builds)}">${seconds(queued.p50)} · ${seconds(queued.p90)}</span>`
      : NOTHING,
    ended > 0 ? errorRate(errors, ended) : NOTHING,
    words.runningAndWaiting(running, waiting),
    timeAgo(answeredAt, now),
    timeAgo(nextAt && nextAt < now ? now : nextAt, now),
  ];
}

/** A clock of theirs that goes before ours makes no negative wait. */
const seconds = (value: number): string => durationText(Math.max(0, value) * 1000);

function errorRate(errors: number, ended: number): Html {
  const percent = (100 * errors) / ended;
  const text = `${percent > 0 && percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
  return fragment`<span class="keep"><span class="number${errors > 0 ? ' tone-warn' : ''}" title="${words.errorsMeans(errors, ended)}">${text}</span> <span class="quiet">of ${number(ended)}</span></span>`;
}

export function heldTable(context: PageContext, held: HeldRun[]): Html {
  if (held.length === 0) return fragment`<p class="quiet">${words.noneHeld}</p>`;
  return table(
    words.held,
    ['Run', 'Why', 'Since'],
    held.map(({ runId, title, repository, backend, why, since }) => [
      fragment`<a href="${runPath(runId)}">${foreign(title || '(no title)')}</a><div class="quiet">${maybeLink(context.forge.repository(repository), repository)}${backend === undefined ? '' : fragment`, on ${backend}`}</div>`,
      foreign(why ?? words.heldNowhere),
      timeAgo(since, context.now),
    ]),
  );
}

export function restTable({ now }: PageContext, rests: Rest[]): Html {
  if (rests.length === 0) return fragment`<p class="quiet">${words.noRests}</p>`;
  return table(
    words.rests,
    ['What rests', 'Why', 'Until'],
    rests.map(({ lane, why, until }) => [foreign(words.lane(lane)), foreign(why), timeAgo(until, now)]),
  );
}
