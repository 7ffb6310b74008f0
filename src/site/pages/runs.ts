import { type KnownLimits, ledgerMessages } from '../../core/messages-ledger.ts';
import { runsMessages } from '../../core/messages-runs.ts';
import { triggerWords } from '../../core/messages-timeline.ts';
import {
  badge,
  duration,
  durationText,
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
  backends: string[];
  waiting: Waiting;
  limits?: KnownLimits;
  /** Up to when the rows are known, for what follows them. */
  lastChange?: Date;
}

/** The list of runs, newest first: what a person sees first. */
export function runsPage(context: PageContext, view: RunsView): Html {
  const { query, listed } = view;
  const older = listed.next && withQuery('/runs', { ...query, before: listed.next });
  const isLive = !query.before && listed.rows.some((row) => row.state !== 'finished');
  return page(context, {
    title: 'Runs',
    section: 'runs',
    refresh: isLive ? 10 : undefined,
    scripts: ['site.js', 'runs.js'],
    body: fragment`<div class="page-head with-live"><h1>Runs</h1><p class="live-line" id="live-line" role="status"></p></div>
${filterForm(view)}
<section id="runs" aria-label="Runs, newest first"${query.before ? '' : LIVE_LIST}>
${query.before ? '' : waitingNotice(view)}
${listed.rows.length > 0 ? liveList(context, view) : noRuns(query)}
</section>
<nav class="paging" aria-label="Pages">
${query.before ? fragment`<a href="${withQuery('/runs', { ...query, before: undefined })}">Newest</a>` : ''}
${older ? fragment`<a href="${older}" rel="next">Older runs</a>` : ''}
</nav>`,
  });
}

/** Followed by runs.js. What comes new has its place at the top of the whole list only: through a filter the page has to
 *  be asked, and an older page stays as it is. */
function liveList(context: PageContext, { query, listed, lastChange }: RunsView): Html {
  const follow = withQuery('/api/live', { since: lastChange?.getTime() });
  const arrivals = query.before ? 'ignore' : isFiltered(query) ? 'ask' : 'show';
  return fragment`<ol class="runs" data-follow="${follow}" data-arrivals="${arrivals}" data-now="${context.now.toISOString()}">${listed.rows.map((row) => runItem(context, row))}</ol>`;
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

const isFiltered = (query: RunsQuery): boolean =>
  Object.entries(query).some(([name, value]) => name !== 'limit' && name !== 'before' && value !== undefined);

function noRuns(query: RunsQuery): Html {
  if (isFiltered(query))
    return emptyState('Nothing matches', fragment`No run fits this filter. <a href="/runs">Show all runs</a>.`);
  if (query.before) return emptyState('No older runs', fragment`<a href="/runs">Show the newest runs</a>.`);
  return emptyState(
    'No runs yet',
    'Open a pull request in a repository that RCB is installed on, or push to one of its branches: the run appears here within seconds.',
  );
}

/** What most people ask for is in sight; the rest is folded away, unless it is in use. */
function filterForm({ query, repositories, backends }: RunsView): Html {
  const { state, ref, number, sha, author, backend } = query;
  const isMoreUsed = [state, ref, number, sha, author, backend].some((value) => value !== undefined);
  return fragment`<form class="filter" method="get" action="/runs" role="search" aria-label="Filter runs">
<div class="filter-row">
${search('text', 'Title, branch, author or commit', query.text)}
${select('repository', 'Repository', known(namesOf(repositories), query.repository), query.repository)}
${select('verdict', 'Verdict', words.runVerdicts, query.verdict)}
<div class="filter-buttons"><button type="submit">Filter</button><a href="/runs">Clear</a></div>
</div>
<details class="filter-more digest" id="filter-more"${isMoreUsed ? OPEN : ''}><summary>More filters</summary>
<div class="filter-row">
${select('state', 'State', words.runStates, state)}
${input('ref', 'Branch', ref, 'main')}
${input('number', 'Pull request', number, '7', 'numeric')}
${input('author', 'Author', author, 'login')}
${select('backend', 'Back-end', known(backends, backend), backend)}
${input('sha', 'Commit', sha, 'sha')}
</div></details>
</form>`;
}

const OPEN = fragment` open`;
const namesOf = (repositories: RepositoryRow[]): string[] => repositories.map(({ name }) => name);

/** What is asked for can be chosen again, even where we know nothing of it. */
const known = (names: string[], chosen?: string): string[] =>
  [...new Set(chosen === undefined ? names : [...names, chosen])].sort();

function search(name: string, label: string, value = ''): Html {
  return fragment`<label class="filter-text"><span>${label}</span><input type="search" name="${name}" value="${value}" maxlength="200" autocomplete="off" spellcheck="false"></label>`;
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

type RowContext = Pick<PageContext, 'now' | 'forge'>;

/** The same for every reader: a row is told to all who follow the list. */
export function runItem(context: RowContext, run: RunRow): Html {
  return fragment`<li class="run" data-run="${run.id}">
<div class="run-state">${badge(stateOf(run))}</div>
<div class="run-what"><a class="run-title" href="${runPath(run.id)}">${foreign(run.title || '(no title)')}</a>
<div class="meta">${changeLine(context, run)}${run.trigger === 'push' || run.trigger === 'pull-request' ? '' : fragment`<span>by ${triggerWords[run.trigger] ?? run.trigger}</span>`}</div>
${whyLine(run.why, stateOf(run))}</div>
<div class="run-jobs">${jobCounts(run.jobs)}</div>
<div class="run-when">${timeAgo(run.createdAt, context.now)}<br>${took(run, context.now)}</div>
</li>`;
}

/** While it goes on, runs.js lets it count. */
const took = ({ createdAt, finishedAt }: RunRow, now: Date): Html =>
  finishedAt
    ? duration(createdAt, finishedAt, now)
    : fragment`<span class="number" data-since="${createdAt.toISOString()}">${durationText(now.getTime() - createdAt.getTime())}</span>`;

/** Repository, pull request or branch, commit and author, each linked to where it lives. */
export function changeLine(context: RowContext, run: RunRow): Html {
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

/** In a line, without markup: for who links to a run. */
export function runPreview(run: RunRow): string {
  const number = run.number === undefined ? '' : ` #${run.number}`;
  return runsMessages.preview(stateOf(run), `${run.repository}${number} ${shortRef(run.ref)}`, run.sha, run.jobs);
}
