import { runPageMessages } from '../../core/messages-run-page.ts';
import type { FailuresView } from '../failures-view.ts';
import {
  emptyState,
  exactTime,
  foreign,
  fragment,
  type Html,
  maybeLink,
  type PageContext,
  page,
  stateOf,
  whyLine,
} from '../html.ts';
import { jobPath, shortRef, withQuery } from '../links.ts';
import type { CheckRow, MergeWishRow, RunDetails, RunRow, Timeline } from '../reader.ts';
import type { Pressing } from '../reader-buttons.ts';
import type { Neighbours } from '../reader-run.ts';
import { artifactsSection } from './artifacts.ts';
import { buildSection, type Medians, progress } from './builds.ts';
import { buttonsSection, isAnswerDue } from './buttons.ts';
import { failuresSection } from './failures.ts';
import { flappedSection } from './flapped.ts';
import { manifestSection } from './manifest.ts';
import { runHead } from './run-head.ts';
import { runList, runPreview } from './runs.ts';
import { timelineSection } from './timeline.ts';
import { wishesSection } from './wishes.ts';

export { artifactList } from './artifacts.ts';

/** `others`: runs of the same change, this one among them. */
export interface RunView {
  run: RunDetails;
  /** Not for everybody. */
  isPrivate: boolean;
  others: RunRow[];
  wishes: MergeWishRow[];
  timeline: Timeline;
  failures?: FailuresView;
  pressing?: Pressing;
  beside: Neighbours;
  medians: Medians;
}

/** Everything about one run. While it is unfinished the page refreshes itself. */
export function runPage(context: PageContext, view: RunView): Html {
  const { run, others, wishes, timeline, failures, pressing, medians } = view;
  const isFinished = run.state === 'finished' && !isAnswerDue(pressing);
  return page(context, {
    title: `${stateOf(run)}: ${run.title || shortRef(run.ref)} · ${run.repository}`,
    section: 'runs',
    description: runPreview(run),
    refresh: isFinished ? undefined : 5,
    body: fragment`<article id="run"${isFinished ? '' : LIVE}>
${runHead(context, view)}
${buttonsSection(context, run, pressing)}
${failures ? failuresSection(context, run, failures) : ''}
${run.builds.length > 1 && !isFinished ? wholeProgress(context, run, medians) : ''}
${run.builds.length === 0 ? noBuilds(context, run) : run.builds.map((build) => buildSection(context, run, build, medians))}
${artifactsSection(run)}
${flappedSection(run)}
${wishesSection(context, run, wishes)}
${manifestSection(context, run, view.isPrivate)}
${checksSection(context, run)}
${timelineSection(run, timeline)}
</article>
${othersSection(context, run, others)}`,
  });
}

const LIVE = fragment` data-live="3"`;

const wholeProgress = (context: PageContext, run: RunDetails, medians: Medians): Html =>
  progress(
    context,
    run.builds.flatMap(({ jobs }) => jobs),
    medians,
  );

const WAITING_WORDS: Record<string, [string, string]> = {
  waiting: [runPageMessages.waitingHeading, runPageMessages.waitingElse],
  resolving: [
    'Choosing commits',
    'The commits of all repositories of the stack are being looked up. Builds start after packing.',
  ],
  packing: ['Packing sources', 'The source archives are being made. Builds start as soon as they are stored.'],
  building: ['Starting builds', 'The backends are being asked; jobs appear as soon as they are known.'],
  finished: ['No builds', 'This run ended before anything was built.'],
};

function noBuilds(context: PageContext, run: RunDetails): Html {
  if (run.state === 'waiting' && run.number !== undefined) return waitingForWord(context, run, run.number);
  const [heading, text] = WAITING_WORDS[run.state] ?? ['No builds', ''];
  return emptyState(heading!, text!);
}

/** Which word releases it, who may say it, and where. */
function waitingForWord({ forge }: PageContext, { repository }: RunDetails, number: number): Html {
  const pull = maybeLink(forge.pullRequest(repository, number), `pull request #${number}`);
  return emptyState(
    runPageMessages.waitingHeading,
    fragment`${runPageMessages.waitingWord(repository)} <code class="command keep" data-copy>{re-test}</code> (${pull}). ${runPageMessages.waitingRest}`,
  );
}

function checksSection({ forge }: PageContext, run: RunDetails): Html {
  if (run.checks.length === 0) return fragment``;
  const item = (check: CheckRow) => {
    const name = check.jobId
      ? fragment`<a href="${jobPath(run.id, check.jobId)}">${foreign(check.name)}</a>`
      : foreign(check.name);
    const there = check.externalId
      ? maybeLink(forge.check(run.repository, check.externalId), 'on GitHub')
      : 'not written yet';
    return fragment`<li><strong>${name}</strong> <span class="quiet">${there}</span>${whyLine(check.error, 'error')}</li>`;
  };
  return fragment`<section aria-labelledby="checks"><div class="section-head"><h2 id="checks">Checks</h2><span class="quiet">${runPageMessages.checksOf(run.kind)}</span></div>
<ul class="checks">${run.checks.map(item)}</ul></section>`;
}

function othersSection(context: PageContext, run: RunDetails, others: RunRow[]): Html {
  const rest = others.filter((other) => other.id !== run.id);
  const whose = run.kind === 'pull-request' ? 'this pull request' : 'this branch';
  return fragment`<section aria-labelledby="others"><div class="section-head"><h2 id="others">Other runs of ${whose}</h2>
<a class="push" href="${withQuery('/ledger', { subject: run.subject })}">Its ledger</a></div>
${rest.length > 0 ? runList(context, rest) : fragment`<p class="quiet">This is the only one. It started ${exactTime(run.createdAt)}.</p>`}</section>`;
}
