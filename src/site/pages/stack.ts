import { runsMessages } from '../../core/messages-runs.ts';
import type { Stack } from '../../core/stack.ts';
import {
  badge,
  duration,
  emptyState,
  foreign,
  fragment,
  type Html,
  maybeLink,
  type PageContext,
  page,
  shortSha,
  stateOf,
  timeAgo,
} from '../html.ts';
import { runPath, stackPath, withQuery } from '../links.ts';
import type { Listed, RunRow } from '../reader.ts';
import type { StackRun } from '../reader-runs.ts';
import { jobCounts } from './runs.ts';

const words = runsMessages.stack;

export interface StackView {
  stack: Pick<Stack, 'name' | 'repositories'>;
  listed: Listed<StackRun>;
  /** One for each repository that has any; on the first page only. */
  newest: RunRow[];
  before?: string;
  limit?: number;
}

/** A row for each test of a commit on a default branch, a column for each repository of the stack. */
export function stackPage(context: PageContext, { stack, listed, newest, before, limit }: StackView): Html {
  const names = stack.repositories.map(({ repository }) => repository);
  const isLive = !before && listed.rows.some((row) => row.state !== 'finished');
  const path = stackPath(stack.name);
  return page(context, {
    title: `Stack ${stack.name}`,
    section: 'stacks',
    refresh: isLive ? 10 : undefined,
    body: fragment`<div class="page-head"><h1>Stack ${stack.name}</h1><p class="quiet">${words.intro(names)}</p></div>
<section id="stack" aria-label="Tests of the stack, newest first"${before ? '' : LIVE}>
${before ? '' : now(context, names, newest)}
${listed.rows.length > 0 ? combinations(context, names, listed.rows) : emptyState('Nothing here', words.noRuns)}
</section>
<nav class="paging" aria-label="Pages">
${before ? fragment`<a href="${withQuery(path, { limit })}">Newest</a>` : ''}
${listed.next ? fragment`<a href="${withQuery(path, { before: listed.next, limit })}" rel="next">Older</a>` : ''}
</nav>`,
  });
}

const LIVE = fragment` data-live="5"`;

/** How each default branch is, by its newest verdict. */
function now(context: PageContext, names: string[], newest: RunRow[]): Html {
  const of = (name: string) => newest.find(({ repository }) => isSame(repository, name));
  return fragment`<dl class="facts">${names.map((name) => {
    const run = of(name);
    const told = run
      ? fragment`<a href="${runPath(run.id)}">${badge(stateOf(run))}</a> <span class="quiet small">${timeAgo(run.finishedAt, context.now)}</span>`
      : fragment`<span class="quiet">never tested</span>`;
    return fragment`<div><dt>${maybeLink(context.forge.repository(name), name)}</dt><dd>${told}</dd></div>`;
  })}</dl>`;
}

function combinations(context: PageContext, names: string[], rows: StackRun[]): Html {
  const columns = ['Result', 'Change', ...names, 'Jobs', 'When'];
  return fragment`<table class="rows stack"><caption class="hidden">Which commits were tested together, newest first</caption>
<thead><tr>${columns.map((column) => fragment`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${rows.map((row) => combination(context, names, row))}</tbody></table>`;
}

function combination(context: PageContext, names: string[], run: StackRun): Html {
  const cell = (label: string, inner: Html) => fragment`<td data-label="${label}"><div>${inner}</div></td>`;
  return fragment`<tr>
${cell('Result', badge(stateOf(run)))}
<th scope="row" data-label="Change"><div><a class="run-title" href="${runPath(run.id)}">${foreign(run.title || '(no title)')}</a></div></th>
${names.map((name) => cell(name, commitOf(context, name, run)))}
${cell('Jobs', Object.keys(run.jobs).length > 0 ? fragment`<span class="run-jobs">${jobCounts(run.jobs)}</span>` : fragment``)}
${cell('When', fragment`${timeAgo(run.createdAt, context.now)}<br><span class="quiet small">${duration(run.createdAt, run.finishedAt, context.now)}</span>`)}
</tr>`;
}

function commitOf(context: PageContext, name: string, run: StackRun): Html {
  const sources = run.sources.filter(({ repository }) => isSame(repository, name));
  // Until its commits are chosen, only the change itself is known.
  if (sources.length === 0 && isSame(run.repository, name)) return changed(context, name, run.sha);
  if (sources.length === 0) return fragment`<span class="quiet" title="${words.notTested}">–</span>`;
  return fragment`${sources.map(({ sha, version, why, changed: isChanged }) =>
    isChanged
      ? changed(context, name, sha)
      : fragment`${shortSha(sha, context.forge.commit(name, sha))}<div class="quiet small">${foreign(version ?? why)}</div>`,
  )}`;
}

const changed = ({ forge }: PageContext, name: string, sha: string): Html =>
  fragment`<strong>${shortSha(sha, forge.commit(name, sha))}</strong> <span class="tag">changed</span>`;

const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** Where there is no stack. */
export const noStackPage = (context: PageContext): Html =>
  page(context, {
    title: 'Stacks',
    section: 'stacks',
    body: fragment`<div class="page-head"><h1>Stacks</h1></div>${emptyState('No stack', words.noStacks)}`,
  });
