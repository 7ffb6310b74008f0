import {
  emptyState,
  foreign,
  fragment,
  type Html,
  icon,
  maybeLink,
  number,
  type PageContext,
  page,
  table,
  timeAgo,
} from '../html.ts';
import type { InstallationRow, QueueCounts, RepositoryRow } from '../reader.ts';

export interface Health {
  ok: boolean;
  checks: Record<string, { ok: boolean; note: string }>;
}

export interface BackendState {
  name: string;
  kind: string;
  ok: boolean;
  note: string;
}

export interface ServiceView {
  health: Health;
  backends: BackendState[];
  counts: QueueCounts;
  installations: InstallationRow[];
  repositories: RepositoryRow[];
}

/** How the bot itself is, and whom it serves. */
export function servicePage(context: PageContext, view: ServiceView): Html {
  const checks = Object.entries(view.health.checks);
  return page(context, {
    title: 'Service',
    section: 'service',
    body: fragment`<div class="page-head"><h1>Service</h1><div class="verdict-line">${sign(view.health.ok, 'all is well', 'something is wrong', true)}</div></div>
${section(
  'health',
  'Health',
  checks.length > 0
    ? table(
        'Health',
        ['State', 'What', 'Note'],
        checks.map(([name, check]) => [sign(check.ok), name, foreign(check.note)]),
      )
    : fragment`<p class="quiet">Nothing is checked.</p>`,
)}
${section(
  'backends',
  'Backends',
  view.backends.length > 0
    ? table(
        'Backends',
        ['State', 'Name', 'Kind', 'Note'],
        view.backends.map((backend) => [
          sign(backend.ok),
          fragment`<strong class="keep">${backend.name}</strong>`,
          fragment`<span class="keep">${backend.kind}</span>`,
          foreign(backend.note),
        ]),
      )
    : emptyState('No backend', 'Name one under "backends:" in rcb.yaml; until then nothing can be built.'),
)}
${section('queue', 'Queue', queueTable(context, view.counts))}
${section('installations', 'Installations', installationTable(view.installations))}
${section('repositories', 'Repositories', repositoryTable(context, view.repositories))}`,
  });
}

function sign(ok: boolean, good = 'ok', bad = 'not ok', isLarge = false): Html {
  return fragment`<span class="badge tone-${ok ? 'good' : 'bad'}${isLarge ? ' badge-large' : ''}">${icon(ok ? 'check' : 'cross')}<span>${ok ? good : bad}</span></span>`;
}

const section = (id: string, heading: string, body: Html): Html =>
  fragment`<section aria-labelledby="${id}"><div class="section-head"><h2 id="${id}">${heading}</h2></div>${body}</section>`;

function queueTable(context: PageContext, counts: QueueCounts): Html {
  const states = ['pending', 'running', 'parked'];
  const cells = (name: string, row: Record<string, number>) => [
    name,
    ...states.map((state) => fragment`<span class="number">${number(row[state] ?? 0)}</span>`),
  ];
  return fragment`${table('Queue', ['Rows', ...states], [cells('events', counts.events), cells('effects', counts.effects)])}
${counts.oldestPendingAt ? fragment`<p class="quiet">The oldest row that waits was due ${timeAgo(counts.oldestPendingAt, context.now)}.</p>` : ''}`;
}

function installationTable(installations: InstallationRow[]): Html {
  if (installations.length === 0)
    return emptyState(
      'No installation',
      'Install the GitHub App on an organisation that is listed under "owners:" in rcb.yaml.',
    );
  return table(
    'Installations',
    ['Account', 'State', 'Served'],
    installations.map((row) => [
      foreign(row.account),
      row.state,
      row.served ? 'yes' : fragment`<span class="tone-warn">no: its owner is not listed in rcb.yaml</span>`,
    ]),
  );
}

function repositoryTable({ forge }: PageContext, repositories: RepositoryRow[]): Html {
  if (repositories.length === 0) return fragment`<p class="quiet">None is known yet.</p>`;
  return table(
    'Repositories',
    ['Repository', 'Default branch', 'State'],
    repositories.map((row) => [
      maybeLink(forge.repository(row.name), row.name),
      row.defaultBranch ? foreign(row.defaultBranch) : fragment`<span class="quiet">–</span>`,
      fragment`${row.state}${row.why ? fragment` <span class="tone-warn">${foreign(row.why)}</span>` : ''}`,
    ]),
  );
}
