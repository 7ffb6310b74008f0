import { runPageMessages } from '../../core/messages-run-page.ts';
import { triggerWords } from '../../core/messages-timeline.ts';
import { askedBy } from '../../core/run-asked.ts';
import {
  badge,
  duration,
  foreign,
  fragment,
  type Html,
  maybeLink,
  type PageContext,
  shortSha,
  stateOf,
  timeAgo,
  whyLine,
} from '../html.ts';
import { apiRunPath, runPath, shortRef, withQuery } from '../links.ts';
import type { LinkedRun, RunDetails, Timeline } from '../reader.ts';
import type { NeighbourRun, Neighbours } from '../reader-run.ts';
import { pinFile } from './manifest.ts';
import type { RunView } from './run.ts';
import { changeLine } from './runs.ts';

/** What a run is of, how it stands, what asked for it, and the runs beside it. */
export function runHead(
  context: PageContext,
  { run, isPrivate, timeline, beside }: Pick<RunView, 'run' | 'isPrivate' | 'timeline' | 'beside'>,
): Html {
  return fragment`<div class="page-head">
<p class="crumbs"><a href="/runs">Runs</a> / <a href="${withQuery('/runs', { repository: run.repository })}">${run.repository}</a>${isPrivate ? fragment` <span class="tag" title="${runPageMessages.privateMeaning}">${runPageMessages.private}</span>` : ''}</p>
<h1>${foreign(run.title || '(no title)')}</h1>
<div class="verdict-line">${badge(stateOf(run), { size: 'large' })}<div class="meta">${changeLine(context, run)}</div></div>
${whyLine(run.why, stateOf(run))}
${pinFile(run)}</div>
<dl class="facts">
${factItem('Triggered by', trigger(context, run, timeline))}
${run.base ? factItem('Base', fragment`${foreign(shortRef(run.base.ref))} at ${shortSha(run.base.sha, context.forge.commit(run.repository, run.base.sha))}`) : ''}
${factItem('Created', timeAgo(run.createdAt, context.now))}
${run.finishedAt ? factItem('Finished', timeAgo(run.finishedAt, context.now)) : ''}
${factItem(run.finishedAt ? 'Took' : run.state === 'waiting' ? 'Waiting for' : 'Running for', duration(run.createdAt, run.finishedAt, context.now))}
${run.supersededBySha ? factItem('Superseded by', shortSha(run.supersededBySha, context.forge.commit(run.repository, run.supersededBySha))) : ''}
${run.previousId ? factItem('Re-test of', previousRun(context, run)) : ''}
${run.next ? factItem('Tested again', nextRun(context, run.next)) : ''}
${factItem('Run', fragment`<a class="keep" href="${apiRunPath(run.id)}" title="This run as JSON"><code>${run.id}</code></a>`)}
</dl>
${neighbourLinks(context, run, beside)}`;
}

/** What, by whom, and where on the forge. */
function trigger({ forge }: PageContext, run: RunDetails, { rows }: Timeline): Html {
  const words = triggerWords[run.trigger] ?? run.trigger;
  const { repository, number } = run;
  if (run.trigger === 'push') return maybeLink(run.fork ? undefined : forge.commit(repository, run.sha), words);
  const pull = number === undefined ? undefined : forge.pullRequest(repository, number);
  if (run.trigger === 'pull-request') return maybeLink(pull, words);
  if (run.trigger !== 'command' && run.trigger !== 'button') return fragment`${words}`;
  const asked = askedBy(rows);
  if (!asked) return maybeLink(run.trigger === 'command' ? pull : undefined, words);
  const comment =
    number !== undefined && asked.commentId !== undefined
      ? forge.comment(repository, number, asked.commentId)
      : undefined;
  return fragment`${maybeLink(comment ?? (run.trigger === 'command' ? pull : undefined), words)}<div class="quiet">by ${maybeLink(forge.author(asked.login), foreign(asked.login))}</div>`;
}

/** What asked for the re-test is said by "Triggered by". */
const previousRun = (context: PageContext, { previousId = '', previous }: RunDetails): Html =>
  fragment`<a href="${runPath(previousId)}">the run before</a>${previous ? linked(context, previous) : ''}<div class="quiet">${runPageMessages.previousKeeps}</div>`;

const nextRun = (context: PageContext, next: LinkedRun): Html =>
  fragment`<a href="${runPath(next.id)}">the run after</a>${linked(context, next)}<div class="quiet">by ${triggerWords[next.trigger] ?? next.trigger}</div>`;

const linked = ({ now }: PageContext, run: LinkedRun): Html =>
  fragment` ${badge(stateOf(run))} <span class="quiet">${timeAgo(run.createdAt, now)}</span>`;

const factItem = (name: string, value: Html | string): Html => fragment`<div><dt>${name}</dt><dd>${value}</dd></div>`;

function neighbourLinks(context: PageContext, run: RunDetails, { earlier, later, sameCommit }: Neighbours): Html {
  if (!earlier && !later && sameCommit.length === 0) return fragment``;
  const one = (beside: NeighbourRun, words: string, rel: 'prev' | 'next') =>
    fragment`<a href="${runPath(beside.id)}" rel="${rel}">${words}</a>${linked(context, beside)}${beside.sha === run.sha ? fragment` <span class="quiet">${runPageMessages.sameCommit}</span>` : ''}`;
  return fragment`<nav class="beside" aria-label="${runPageMessages.beside}"><ul>
${earlier ? fragment`<li>${one(earlier, runPageMessages.earlier, 'prev')}</li>` : ''}
${later ? fragment`<li>${one(later, runPageMessages.later, 'next')}</li>` : ''}
${sameCommit.map((other) => fragment`<li><a href="${runPath(other.id)}">${runPageMessages.sameCommitIn} ${foreign(placeOf(other))}</a>${linked(context, other)}</li>`)}
</ul></nav>`;
}

const placeOf = ({ repository, number, ref }: NeighbourRun): string =>
  `${repository} ${number === undefined ? shortRef(ref) : `#${number}`}`;
