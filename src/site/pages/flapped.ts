import { type FlapperDetail, type FlapperNote, flapperNotes } from '../../core/flapper-notes.ts';
import { flapperMessages } from '../../core/messages-flappers.ts';
import { foreign, fragment, type Html } from '../html.ts';
import { foreignUrl, jobPath, withQuery } from '../links.ts';
import type { RunDetails } from '../reader.ts';

/** How jobs failed where flappers are known, and what was made of it: it stays to be read when the next attempt passed. */
export function flappedSection(run: RunDetails): Html {
  const notes = flapperNotes(run);
  if (notes.length === 0) return fragment``;
  return fragment`<section aria-labelledby="flapped"><div class="section-head"><h2 id="flapped">${flapperMessages.heading}</h2><span class="quiet">${flapperMessages.headingMeaning}</span></div>
${notes.map((note) => noteOf(run, note))}</section>`;
}

const noteOf = (run: RunDetails, { said, details, jobId, attempt }: FlapperNote): Html =>
  fragment`<p>${foreign(said)}${jobId === undefined ? '' : fragment` <a href="${withQuery(jobPath(run.id, jobId), { attempt })}">${flapperMessages.itsLog}</a>`}</p>
<ul class="plain">${details.map((detail) => fragment`<li>${detailOf(detail)}</li>`)}</ul>`;

function detailOf({ said, issue }: FlapperDetail): Html {
  const url = issue === undefined ? undefined : foreignUrl(issue);
  return fragment`${foreign(said)}${url ? fragment` (<a href="${url}">issue</a>)` : ''}`;
}
