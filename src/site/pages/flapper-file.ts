import type { KnownFlapper } from '../../core/flapper.ts';
import { flapperPageMessages } from '../../core/messages-flapper-page.ts';
import { flapperMessages } from '../../core/messages-flappers.ts';
import { foreign, fragment, type Html, number, type PageContext, page, table, timeAgo } from '../html.ts';
import { runPath } from '../links.ts';
import type { TestFileRecord } from '../reader-tests.ts';
import { sparkline } from '../sparkline.ts';
import { failureLink, knownTag, rateText } from './flappers.ts';

export const WEEKS_OF_FILE = 52;

/** One test file: how it does in every job, and its newest failures. */
export function flapperFilePage(context: PageContext, file: TestFileRecord, known: readonly KnownFlapper[]): Html {
  return page(context, {
    title: file.name,
    section: 'flappers',
    body: fragment`<div class="page-head"><p class="crumbs"><a href="/flappers">${flapperPageMessages.title}</a></p>
<h1>${foreign(file.name)}</h1>${file.jobs.length > 0 ? fragment`<p class="quiet">${flapperPageMessages.fileIntro(file.jobs.length)}</p>` : ''}</div>
${file.jobs.length > 0 ? jobsSection(context, file, known) : ''}
${failuresSection(context, file)}`,
  });
}

const jobsSection = (context: PageContext, { name, jobs }: TestFileRecord, known: readonly KnownFlapper[]): Html =>
  fragment`<section class="flappers" aria-labelledby="jobs"><div class="section-head"><h2 id="jobs">Jobs</h2></div>
${table(
  `Jobs in which ${name} ran`,
  ['Job', 'Runs', 'Failures', 'Flaps', 'Rate', flapperPageMessages.weeks(WEEKS_OF_FILE), 'Last failure'],
  jobs.map((job) => jobCells(context, name, job, known)),
)}</section>`;

function jobCells(
  context: PageContext,
  name: string,
  { job, platform, repository, runs, tally, weeks }: TestFileRecord['jobs'][number],
  known: readonly KnownFlapper[],
): unknown[] {
  const { failed = 0, flapped = 0 } = tally ?? {};
  return [
    fragment`${foreign(flapperPageMessages.jobOf(job, repository))} ${knownTag({ name, platform }, known, context.now)}`,
    number(runs),
    number(failed),
    number(flapped),
    rateText(flapped, runs),
    sparkline(weeks, context.now, WEEKS_OF_FILE),
    timeAgo(tally?.lastFailedAt, context.now),
  ];
}

function failuresSection(context: PageContext, { name, failures }: TestFileRecord): Html {
  if (failures.length === 0) return fragment`<p class="quiet">${flapperPageMessages.neverFailed}</p>`;
  return fragment`<section aria-labelledby="failures"><div class="section-head"><h2 id="failures">Newest failures</h2></div>
${table(
  `Newest failures of ${name}`,
  ['When', 'Job', 'What', 'Where'],
  failures.map(({ job, repository, details, ...link }) => [
    timeAgo(link.at, context.now),
    foreign(flapperPageMessages.jobOf(job, repository)),
    fragment`${foreign(flapperMessages.failureOf({ name, outcome: 'failed', ...details }))}${link.flapped ? fragment` <span class="tag" title="${flapperPageMessages.flapNote}">flap</span>` : ''}`,
    fragment`${failureLink(link)}${link.jobId && link.line ? fragment` · <a href="${runPath(link.runId)}">run</a>` : ''}`,
  ]),
)}</section>`;
}
