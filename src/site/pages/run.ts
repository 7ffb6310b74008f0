import { runPageMessages } from '../../core/messages-run-page.ts';
import { triggerWords } from '../../core/messages-timeline.ts';
import type { FailuresView } from '../failures-view.ts';
import {
  badge,
  duration,
  emptyState,
  exactTime,
  foreign,
  fragment,
  type Html,
  icon,
  maybeLink,
  number,
  type PageContext,
  page,
  shortSha,
  size,
  stateOf,
  table,
  timeAgo,
  whyLine,
} from '../html.ts';
import { apiRunPath, archivePath, foreignUrl, jobLogPath, jobPath, runPath, shortRef, withQuery } from '../links.ts';
import type {
  AttemptRow,
  BuildRow,
  CheckRow,
  JobRow,
  LinkedRun,
  MergeWishRow,
  RunDetails,
  RunRow,
  Timeline,
} from '../reader.ts';
import type { Pressing } from '../reader-buttons.ts';
import { buttonsSection, isAnswerDue } from './buttons.ts';
import { failuresSection } from './failures.ts';
import { flappedSection } from './flapped.ts';
import { manifestSection, pinFile } from './manifest.ts';
import { changeLine, runList, runPreview } from './runs.ts';
import { timelineSection } from './timeline.ts';
import { wishesSection } from './wishes.ts';

/** `others`: runs of the same change, this one among them. */
export interface RunView {
  run: RunDetails;
  others: RunRow[];
  wishes: MergeWishRow[];
  timeline: Timeline;
  failures?: FailuresView;
  pressing?: Pressing;
}

/** Everything about one run. While it is unfinished the page refreshes itself. */
export function runPage(context: PageContext, { run, others, wishes, timeline, failures, pressing }: RunView): Html {
  const isFinished = run.state === 'finished' && !isAnswerDue(pressing);
  return page(context, {
    title: `${stateOf(run)}: ${run.title || shortRef(run.ref)} · ${run.repository}`,
    section: 'runs',
    description: runPreview(run),
    refresh: isFinished ? undefined : 5,
    body: fragment`<article id="run"${isFinished ? '' : LIVE}>
${head(context, run)}
${buttonsSection(context, run, pressing)}
${failures ? failuresSection(context, run, failures) : ''}
${run.builds.length === 0 ? noBuilds(context, run) : run.builds.map((build) => buildSection(context, run, build))}
${flappedSection(run)}
${wishesSection(context, run, wishes)}
${manifestSection(context, run)}
${checksSection(context, run)}
${timelineSection(run, timeline)}
</article>
${othersSection(context, run, others)}`,
  });
}

const LIVE = fragment` data-live="3"`;

function head(context: PageContext, run: RunDetails): Html {
  return fragment`<div class="page-head">
<p class="crumbs"><a href="/runs">Runs</a> / <a href="${withQuery('/runs', { repository: run.repository })}">${run.repository}</a></p>
<h1>${foreign(run.title || '(no title)')}</h1>
<div class="verdict-line">${badge(stateOf(run), { size: 'large' })}<div class="meta">${changeLine(context, run)}</div></div>
${whyLine(run.why, stateOf(run))}
${pinFile(run)}</div>
<dl class="facts">
${factItem('Triggered by', triggerWords[run.trigger] ?? run.trigger)}
${run.base ? factItem('Base', fragment`${foreign(shortRef(run.base.ref))} at ${shortSha(run.base.sha, context.forge.commit(run.repository, run.base.sha))}`) : ''}
${factItem('Created', timeAgo(run.createdAt, context.now))}
${run.finishedAt ? factItem('Finished', timeAgo(run.finishedAt, context.now)) : ''}
${factItem(run.finishedAt ? 'Took' : run.state === 'waiting' ? 'Waiting for' : 'Running for', duration(run.createdAt, run.finishedAt, context.now))}
${run.supersededBySha ? factItem('Superseded by', shortSha(run.supersededBySha, context.forge.commit(run.repository, run.supersededBySha))) : ''}
${run.previousId ? factItem('Re-test of', previousRun(context, run)) : ''}
${run.next ? factItem('Tested again', nextRun(context, run.next)) : ''}
${factItem('Run', fragment`<a class="keep" href="${apiRunPath(run.id)}" title="This run as JSON"><code>${run.id}</code></a>`)}
</dl>`;
}

/** What asked for the re-test is said by "Triggered by". */
const previousRun = (context: PageContext, { previousId = '', previous }: RunDetails): Html =>
  fragment`<a href="${runPath(previousId)}">the run before</a>${previous ? linked(context, previous) : ''}<div class="quiet">${runPageMessages.previousKeeps}</div>`;

const nextRun = (context: PageContext, next: LinkedRun): Html =>
  fragment`<a href="${runPath(next.id)}">the run after</a>${linked(context, next)}<div class="quiet">by ${triggerWords[next.trigger] ?? next.trigger}</div>`;

const linked = ({ now }: PageContext, run: LinkedRun): Html =>
  fragment` ${badge(stateOf(run))} <span class="quiet">${timeAgo(run.createdAt, now)}</span>`;

const factItem = (name: string, value: Html | string): Html => fragment`<div><dt>${name}</dt><dd>${value}</dd></div>`;

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

function buildSection(context: PageContext, run: RunRow, build: BuildRow): Html {
  const url = foreignUrl(build.url);
  const heading = `build-${build.id}`;
  return fragment`<section aria-labelledby="${heading}">
<div class="section-head"><h2 id="${heading}">${build.backend}</h2>${badge(stateOf(build))}
<span class="quiet">${duration(build.createdAt, build.finishedAt, context.now)}${build.attempt > 1 ? `, started ${build.attempt} times` : ''}</span>
${url ? fragment`<a class="push" href="${url}" rel="noreferrer">Open on ${build.backend}</a>` : ''}</div>
${whyLine(build.why, stateOf(build))}
${
  build.jobs.length === 0
    ? fragment`<p class="quiet">${build.state === 'finished' ? 'It ended without a job.' : 'Its jobs are not known yet.'}</p>`
    : table(
        `Jobs on ${build.backend}`,
        ['State', 'Job', 'Duration', 'Log', 'Artifacts'],
        build.jobs.map((job) => jobCells(context, run, job)),
      )
}
</section>`;
}

function jobCells(context: PageContext, run: RunRow, job: JobRow): unknown[] {
  const newest = job.attempts[0];
  return [
    badge(stateOf(job)),
    fragment`<a class="job-name" href="${jobPath(run.id, job.id)}">${foreign(job.name)}</a>
${whyLine(job.why && (job.timedOut ? `${job.why} (a deadline passed)` : job.why), stateOf(job))}
${job.attempts.length > 1 ? earlierAttempts(run, job) : ''}`,
    duration(newest?.startedAt, newest?.finishedAt, context.now),
    newest ? logLinks(run, job, newest) : fragment`<span class="quiet">–</span>`,
    artifactList(newest?.artifacts ?? []),
  ];
}

function earlierAttempts(run: RunRow, job: JobRow): Html {
  const links = job.attempts.map(
    (attempt) =>
      fragment`<li><a href="${withQuery(jobPath(run.id, job.id), { attempt: attempt.number })}">attempt ${attempt.number}</a> ${badge(stateOf(attempt))}</li>`,
  );
  return fragment`<ul class="attempts" aria-label="Attempts">${links}</ul>`;
}

function logLinks(run: RunRow, job: JobRow, attempt: AttemptRow): Html {
  if (!attempt.log && attempt.state !== 'running') return fragment`<span class="quiet">none</span>`;
  const raw = withQuery(jobLogPath(run.id, job.id), { attempt: attempt.number });
  return fragment`<a href="${jobPath(run.id, job.id)}">${attempt.log ? `${number(attempt.log.lines)} lines` : 'live'}</a> · <a href="${raw}">raw</a>`;
}

export function artifactList(artifacts: AttemptRow['artifacts']): Html {
  if (artifacts.length === 0) return fragment`<span class="quiet">–</span>`;
  return fragment`<ul class="artifacts">${artifacts.map(
    (artifact) =>
      fragment`<li><a href="${archivePath(artifact.sha256, artifact.name)}" title="sha256 ${artifact.sha256}" download>${icon('download')}${foreign(artifact.name)}</a> <span class="quiet">${size(artifact.size)}</span></li>`,
  )}</ul>`;
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
  return fragment`<section aria-labelledby="checks"><div class="section-head"><h2 id="checks">Checks</h2><span class="quiet">what the pull request shows</span></div>
<ul class="checks">${run.checks.map(item)}</ul></section>`;
}

function othersSection(context: PageContext, run: RunDetails, others: RunRow[]): Html {
  const rest = others.filter((other) => other.id !== run.id);
  const whose = run.kind === 'pull-request' ? 'this pull request' : 'this branch';
  return fragment`<section aria-labelledby="others"><div class="section-head"><h2 id="others">Other runs of ${whose}</h2>
<a class="push" href="${withQuery('/ledger', { subject: run.subject })}">Its ledger</a></div>
${rest.length > 0 ? runList(context, rest) : fragment`<p class="quiet">This is the only one. It started ${exactTime(run.createdAt)}.</p>`}</section>`;
}
