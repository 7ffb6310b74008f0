import type { LogLine } from '../../archive/archive.ts';
import { dayOf, listedAs } from '../../core/flapper-suggest.ts';
import { failureMessages, mainWords } from '../../core/messages-failures.ts';
import { flapperMessages } from '../../core/messages-flappers.ts';
import { createLineRenderer } from '../ansi.ts';
import { excerptKey, type FailuresView, firstOfEachFile, type LogTail } from '../failures-view.ts';
import {
  foreign,
  fragment,
  type Html,
  icon,
  joined,
  maybeLink,
  number,
  type PageContext,
  shortSha,
  timeAgo,
} from '../html.ts';
import { flapperFilePath, foreignUrl, jobPath, logLinePath, runPath, withQuery } from '../links.ts';
import type { RunDetails } from '../reader.ts';
import type { FailedTest, OtherTrouble } from '../reader-tests.ts';

/** What failed in a run: each test file with the lines that tell it, and whether that is news. */
export function failuresSection(context: PageContext, run: RunDetails, view: FailuresView): Html {
  const { failures, tails } = view;
  const files = [...Map.groupBy(failures.files, ({ file }) => file).values()];
  const count =
    files.length > 0 ? fragment`<span class="quiet">${failureMessages.files(files.length, failures.isCut)}</span>` : '';
  return fragment`<section class="failures" aria-labelledby="failures"><div class="section-head">
<h2 id="failures">${failureMessages.heading(run.verdict === 'passed')}</h2>${count}</div>
${files.length > 0 ? fragment`<ul class="failure-list">${files.map((own, at) => fileItem(context, run, own, view, at))}</ul>` : ''}
${failures.isCut ? fragment`<p class="quiet">${failureMessages.cut}</p>` : ''}
${failures.others.length > 0 ? othersPart(run, failures.others, files.length > 0) : ''}
${tails.length > 0 ? tailsPart(run, tails) : ''}
</section>`;
}

/** The first ones are open: most runs have one or two. */
const OPEN_FILES = 3;

function fileItem(context: PageContext, run: RunDetails, own: FailedTest[], view: FailuresView, at: number): Html {
  const [first] = own as [FailedTest];
  const tags = own.map((failed) => tagsOf(context, run, failed, view));
  const areSame = tags.every((each) => each.toString() === tags[0]!.toString());
  return fragment`<li class="failure"><div class="failure-head">${icon('cross')}<a class="job-name" href="${flapperFilePath(first.file)}">${foreign(first.file)}</a> ${areSame ? tags[0] : ''}</div>
<ul class="failure-jobs">${own.map((failed, i) => jobLine(run, failed, areSame ? undefined : tags[i]))}</ul>
${excerpt(run, own, view, at)}</li>`;
}

function tagsOf(context: PageContext, run: RunDetails, failed: FailedTest, { failures, known }: FailuresView): Html {
  const entry = listedAs({ name: failed.file, platform: failed.platform }, known, dayOf(failed.at));
  const onMain = mainWords(failed.main, failures.mainBranch);
  return fragment`${entry ? tag(maybeLink(foreignUrl(entry.issue), failureMessages.knownFlapper)) : ''}${
    failed.flapped ? tag(failureMessages.flapped) : ''
  }${newsTag(context, run, failed, runsById(failures.runs))}${onMain ? tag(foreign(onMain)) : ''}`;
}

type Runs = Map<string, FailuresView['failures']['runs'][number]>;
const runsById = (runs: FailuresView['failures']['runs']): Runs => new Map(runs.map((each) => [each.id, each]));

const tag = (words: Html | string): Html => fragment` <span class="tag">${words}</span>`;

function newsTag({ now }: PageContext, run: RunDetails, { news, flapped }: FailedTest, runs: Runs): Html {
  // What passed with the same commits is no news about them.
  if (news.kind === 'unknown' || (news.kind === 'new' && flapped)) return fragment``;
  if (news.kind === 'new') {
    return fragment` <span class="tag tone-bad" title="${failureMessages.newHereWhy}">${failureMessages.newHere}</span>`;
  }
  const words = news.orEarlier ? failureMessages.failingSinceOrEarlier : failureMessages.failingSince;
  const first = runs.get(news.runId);
  const which = first
    ? fragment`${shortSha(first.sha, runPath(first.id))}, ${timeAgo(first.createdAt, now)}`
    : news.runId;
  return tag(fragment`${words(run.kind)} ${which}`);
}

function jobLine(run: RunDetails, failed: FailedTest, tags: Html | undefined): Html {
  const { job, jobId, attempt, line, file, details } = failed;
  const words = flapperMessages.failureOf({ name: file, outcome: 'failed', ...details });
  const name = maybeLink(jobId && withQuery(jobPath(run.id, jobId), { attempt }), foreign(job));
  const where =
    jobId && line !== undefined
      ? fragment` · <a href="${logLinePath(run.id, jobId, line, attempt)}">line ${number(line)}</a>`
      : '';
  return fragment`<li>${name}${attempt !== undefined && attempt > 1 ? ` (attempt ${attempt})` : ''}: ${foreign(words)}${where}${tags ?? ''}</li>`;
}

function excerpt(run: RunDetails, own: FailedTest[], { excerpts }: FailuresView, at: number): Html {
  const [shown] = firstOfEachFile(own);
  const lines = shown && excerpts.get(excerptKey(shown));
  if (!shown || !lines || lines.length === 0) return fragment``;
  const href = (line: number) => (shown.jobId ? logLinePath(run.id, shown.jobId, line, shown.attempt) : undefined);
  return fragment`<details class="excerpt" id="failure-${at + 1}"${at < OPEN_FILES ? fragment` open` : ''}><summary class="excerpt-title">${foreign(shown.job)}, lines ${number(lines[0]!.number)} to ${number(lines.at(-1)!.number)}</summary>
${logExcerpt(lines, href, shown.line)}</details>`;
}

/** Lines of a log on another page: their numbers lead to the log. */
function logExcerpt(lines: LogLine[], href: (line: number) => string | undefined, marked?: number): Html {
  const render = createLineRenderer();
  const rows = lines.map((line) => {
    const link = href(line.number);
    const anchor = link
      ? fragment`<a href="${link}" data-n="${line.number}" aria-label="Line ${line.number}"></a>`
      : '';
    const cut = line.cut ? fragment`<em class="cut">… (${number(line.cut)} bytes, see raw)</em>` : '';
    return fragment`<div class="line${line.number === marked ? ' marked' : ''}">${anchor}<span>${render(line.text)}${cut}</span></div>`;
  });
  return fragment`<div class="log">${joined(rows)}</div>`;
}

function othersPart(run: RunDetails, others: OtherTrouble[], hasFiles: boolean): Html {
  const item = (other: OtherTrouble) => {
    const { job, jobId, attempt, unreadable, otherFailures } = other;
    const at = (line: number | undefined) =>
      jobId && line !== undefined
        ? fragment` · <a href="${logLinePath(run.id, jobId, line, attempt)}">line ${number(line)}</a>`
        : '';
    return fragment`<li>${maybeLink(jobId && withQuery(jobPath(run.id, jobId), { attempt }), foreign(job))}
<ul class="failure-jobs">${otherFailures.map(({ line, text }) => fragment`<li><code>${foreign(text)}</code>${at(line)}</li>`)}
${unreadable.map((found) => fragment`<li>${foreign(failureMessages.unreadable(found))}${at(found.line)}</li>`)}</ul></li>`;
  };
  return fragment`${hasFiles ? fragment`<h3>${failureMessages.others}</h3>` : ''}<ul class="failure-list">${others.map(item)}</ul>`;
}

function tailsPart(run: RunDetails, tails: LogTail[]): Html {
  const item = ({ job, attempt, lines }: LogTail) =>
    fragment`<li class="failure"><div class="failure-head">${icon('cross')}<a class="job-name" href="${jobPath(run.id, job.id)}">${foreign(job.name)}</a></div>
<details class="excerpt" id="tail-${job.id}" open><summary class="excerpt-title">Last lines</summary>${logExcerpt(lines, (line) => logLinePath(run.id, job.id, line, attempt))}</details></li>`;
  return fragment`<p class="quiet">${failureMessages.noTests}</p><ul class="failure-list">${tails.map(item)}</ul>`;
}
