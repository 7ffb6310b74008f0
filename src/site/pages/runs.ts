import { type KnownLimits, ledgerMessages } from '../../core/messages-ledger.ts';
import { triggerWords } from '../../core/messages-timeline.ts';
import {
  badge,
  duration,
  emptyState,
  foreign,
  fragment,
  type Html,
  icon,
  maybeLink,
  type PageContext,
  page,
  shortSha,
  stateOf,
  timeAgo,
  whyLine,
} from '../html.ts';
import { runPath, shortRef, withQuery } from '../links.ts';
import { type RunsQuery, words } from '../query.ts';
import type { Listed, RepositoryRow, RunRow, Waiting } from '../reader.ts';

export interface RunsView {
  query: RunsQuery;
  listed: Listed<RunRow>;
  repositories: RepositoryRow[];
  waiting: Waiting;
  limits?: KnownLimits;
}

/** The list of runs, newest first: what a person sees first. */
export function runsPage(context: PageContext, view: RunsView): Html {
  const { query, listed, repositories } = view;
  const older = listed.next && withQuery('/runs', { ...query, before: listed.next });
  const isLive = !query.before && listed.rows.some((row) => row.state !== 'finished');
  return page(context, {
    title: 'Runs',
    section: 'runs',
    refresh: isLive ? 10 : undefined,
    body: fragment`<div class="page-head"><h1>Runs</h1></div>
${filterForm(query, repositories)}
<section id="runs" aria-label="Runs, newest first"${query.before ? '' : LIVE_LIST}>
${query.before ? '' : waitingNotice(view)}
${listed.rows.length > 0 ? runList(context, listed.rows) : noRuns(query)}
</section>
<nav class="paging" aria-label="Pages">
${query.before ? fragment`<a href="${withQuery('/runs', { ...query, before: undefined })}">Newest</a>` : ''}
${older ? fragment`<a href="${older}" rel="next">Older runs</a>` : ''}
</nav>`,
  });
}

/** Much to do is no trouble: it is said, so that nobody takes a wait for one. */
export function waitingNotice({ waiting, limits }: Pick<RunsView, 'waiting' | 'limits'>): Html {
  const sentences = [
    ...(waiting.catchUp > 0 ? [ledgerMessages.catchingUp(waiting.catchUp, limits)] : []),
    ...(waiting.held > 0 ? [ledgerMessages.held(waiting.held, limits)] : []),
  ];
  if (sentences.length === 0) return fragment``;
  return fragment`<div class="notice">${icon('queued')}<div>${sentences.map((words) => fragment`<p>${words}</p>`)}</div></div>`;
}

const LIVE_LIST = fragment` data-live="5"`;

function noRuns(query: RunsQuery): Html {
  const isFiltered = Object.entries(query).some(([name, value]) => name !== 'limit' && value !== undefined);
  return isFiltered
    ? emptyState('Nothing matches', fragment`No run fits this filter. <a href="/runs">Show all runs</a>.`)
    : emptyState(
        'No runs yet',
        'Open a pull request in a repository that RCB is installed on, or push to one of its branches: the run appears here within seconds.',
      );
}

function filterForm(query: RunsQuery, repositories: RepositoryRow[]): Html {
  const names = new Set(repositories.map((repository) => repository.name));
  if (query.repository) names.add(query.repository);
  return fragment`<form class="filter" method="get" action="/runs" role="search" aria-label="Filter runs">
${select('repository', 'Repository', [...names].sort(), query.repository)}
${select('state', 'State', words.runStates, query.state)}
${select('verdict', 'Verdict', words.runVerdicts, query.verdict)}
${input('ref', 'Branch', query.ref, 'main')}
${input('number', 'Pull request', query.number, '7', 'numeric')}
${input('sha', 'Commit', query.sha, 'sha')}
<div class="filter-buttons"><button type="submit">Filter</button><a href="/runs">Clear</a></div>
</form>`;
}

export function select(name: string, label: string, options: readonly string[], chosen?: string): Html {
  return fragment`<label><span>${label}</span><select name="${name}"><option value="">Any</option>${options.map(
    (option) => fragment`<option value="${option}"${option === chosen ? SELECTED : ''}>${option}</option>`,
  )}</select></label>`;
}

const SELECTED = fragment` selected`;

export function input(name: string, label: string, value?: string | number, hint = '', mode = 'text'): Html {
  return fragment`<label><span>${label}</span><input name="${name}" value="${value ?? ''}" placeholder="${hint}" inputmode="${mode}" autocomplete="off" spellcheck="false"></label>`;
}

export function runList(context: PageContext, rows: RunRow[]): Html {
  return fragment`<ol class="runs">${rows.map((row) => runItem(context, row))}</ol>`;
}

function runItem(context: PageContext, run: RunRow): Html {
  return fragment`<li class="run">
<div class="run-state">${badge(stateOf(run))}</div>
<div class="run-what"><a class="run-title" href="${runPath(run.id)}">${foreign(run.title || '(no title)')}</a>
<div class="meta">${changeLine(context, run)}${run.trigger === 'push' || run.trigger === 'pull-request' ? '' : fragment`<span>by ${triggerWords[run.trigger] ?? run.trigger}</span>`}</div>
${whyLine(run.why, stateOf(run))}</div>
<div class="run-jobs">${jobCounts(run.jobs)}</div>
<div class="run-when">${timeAgo(run.createdAt, context.now)}<br>${duration(run.createdAt, run.finishedAt, context.now)}</div>
</li>`;
}

/** Repository, pull request or branch, commit and author, each linked to where it lives. */
export function changeLine(context: PageContext, run: RunRow): Html {
  const { forge } = context;
  const branch = run.fork ? undefined : forge.branch(run.repository, run.ref);
  return fragment`<span>${maybeLink(forge.repository(run.repository), run.repository)}${
    run.number === undefined
      ? ''
      : fragment` ${maybeLink(forge.pullRequest(run.repository, run.number), `#${run.number}`)}`
  }</span><span class="ref">${maybeLink(branch, foreign(shortRef(run.ref)))}${run.fork ? ' (fork)' : ''}</span><span>${shortSha(
    run.sha,
    forge.commit(run.repository, run.sha),
  )}</span>${run.author ? fragment`<span>${maybeLink(forge.author(run.author), foreign(run.author))}</span>` : ''}`;
}

const ORDER = ['failed', 'error', 'running', 'queued', 'passed', 'cancelled'];

export function jobCounts(jobs: Record<string, number>): Html {
  const present = Object.keys(jobs).sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  return fragment`${present.map((word) => badge(word, { count: jobs[word] ?? 0 }))}`;
}
