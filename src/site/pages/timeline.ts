import { runPageMessages } from '../../core/messages-run-page.ts';
import { answerLine, type TimelineLine, type TimelineNames, timelineLine } from '../../core/messages-timeline.ts';
import { badge, exactTime, foreign, fragment, type Html, table } from '../html.ts';
import { factPath, withQuery } from '../links.ts';
import type { RunDetails, Timeline, TimelineRow } from '../reader.ts';

/** At most so many lines; what is more is in the ledger. */
export const TIMELINE_ROWS = 200;

/** What was told of a run, line by line; folded, for it is for those who ask why. */
export function timelineSection(run: RunDetails, { rows, isCut }: Timeline): Html {
  if (rows.length === 0) return fragment``;
  const lines = linesOf(rows, namesOf(run));
  return fragment`<section aria-labelledby="timeline"><details class="fold" id="timeline-fold"><summary><h2 id="timeline">${runPageMessages.timeline}</h2> <span class="quiet">${runPageMessages.timelineMeaning}</span></summary>
${isCut ? fragment`<p class="quiet">${runPageMessages.timelineCut(TIMELINE_ROWS)}<a href="${withQuery('/ledger', { subject: `run:${run.id}` })}">the run’s ledger</a> and <a href="${withQuery('/ledger', { subject: run.subject })}">its change’s</a>.</p>` : ''}
${table('Timeline, oldest first', ['Time', 'What', 'Why'], lines.map(lineCells))}</details></section>`;
}

function namesOf(run: RunDetails): TimelineNames {
  const sources = new Map(run.sources.map(({ id, repository }) => [id, repository]));
  const builds = new Map(run.builds.map(({ id, backend }) => [id, backend]));
  const checks = new Map(run.checks.map(({ id, name }) => [id, name]));
  return { source: (id) => sources.get(id), build: (id) => builds.get(id), check: (id) => checks.get(id) };
}

interface Line extends TimelineLine {
  first: TimelineRow;
  times: number;
}

/** What is told several times in a row is one line. */
function linesOf(rows: TimelineRow[], names: TimelineNames): Line[] {
  const lines: Line[] = [];
  for (const row of rows) {
    const line = row.isEffect ? answerLine(row.kind, row.payload) : timelineLine(row.kind, row.payload, names);
    const last = lines.at(-1);
    if (last && last.what === line.what && last.why === line.why && isPlain(last.first) && isPlain(row))
      last.times += 1;
    else lines.push({ ...line, first: row, times: 1 });
  }
  return lines;
}

/** What is stuck must be seen, each of them. */
const isPlain = ({ state, error }: TimelineRow): boolean => state === 'done' && error === undefined;

function lineCells({ first, times, what, why }: Line): unknown[] {
  const { at, key, kind, state, error, isEffect } = first;
  const time = fragment`<time class="keep" datetime="${at.toISOString()}">${exactTime(at).replace(' UTC', '')}</time>`;
  return [
    isEffect ? time : fragment`<a href="${factPath(key)}" title="${kind}">${time}</a>`,
    fragment`${foreign(what)}${times > 1 ? fragment` <span class="quiet">(${times} times)</span>` : ''}${state === 'done' ? '' : fragment` ${badge(state)}`}`,
    fragment`${why ? foreign(why) : ''}${error ? fragment`<p class="why tone-warn">${foreign(error)}</p>` : ''}`,
  ];
}
