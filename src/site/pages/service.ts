import { loginMessages } from '../../core/messages-buttons.ts';
import { type KnownLimits, ledgerMessages } from '../../core/messages-ledger.ts';
import { serviceMessages } from '../../core/messages-service.ts';
import { isPlain } from '../../core/serving.ts';
import {
  emptyState,
  foreign,
  fragment,
  type Html,
  maybeLink,
  number,
  type PageContext,
  page,
  table,
  timeAgo,
} from '../html.ts';
import type { InstallationRow, PollRow, Polls, QueueCounts, RepositoryRow, Waiting } from '../reader.ts';
import {
  type BackendMeasures,
  type HeldRun,
  MOST_BUILDS,
  type PollTroubleRow,
  type Rest,
  type RetentionStand,
} from '../reader-service.ts';
import { waitingNotice } from './runs.ts';
import { backendTable, heldTable, restTable } from './service-backends.ts';
import { pollTroubles, retentionSection } from './service-house.ts';
import { quietSign, sign } from './service-signs.ts';

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
  waiting: Waiting;
  limits?: KnownLimits;
  installations: InstallationRow[];
  repositories: RepositoryRow[];
  polls: Polls;
  measures: ReadonlyMap<string, BackendMeasures>;
  held: HeldRun[];
  rests: Rest[];
  troubles: PollTroubleRow[];
  retention?: RetentionStand;
}

/** What was given up waits for a person: then not all is well, however healthy the bot is. */
function verdict({ health, counts }: ServiceView): Html {
  const parked = (counts.events['parked'] ?? 0) + (counts.effects['parked'] ?? 0);
  if (!health.ok || parked === 0) return sign(health.ok, serviceMessages.well, serviceMessages.wrong, true);
  return fragment`${sign(false, '', serviceMessages.parked(parked), true)} <a href="/ledger#parked">${serviceMessages.seeParked}</a>`;
}

/** How the bot itself is, and whom it serves. */
export function servicePage(context: PageContext, view: ServiceView): Html {
  const checks = Object.entries(view.health.checks);
  return page(context, {
    title: 'Service',
    section: 'service',
    body: fragment`<div class="page-head"><h1>Service</h1><div class="verdict-line">${verdict(view)}</div></div>
${waitingNotice(view)}
${context.account?.kind === 'off' ? fragment`<p class="quiet">${loginMessages.off(context.account.why)}</p>` : ''}
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
${section('backends', 'Backends', backendTable(context, view.backends, view.measures), serviceMessages.backendsNote(MOST_BUILDS))}
${section('held', serviceMessages.held, heldTable(context, view.held), serviceMessages.heldNote)}
${section('rests', serviceMessages.rests, restTable(context, view.rests), serviceMessages.restsNote)}
${section('queue', 'Queue', queueTable(context, view.counts))}
${section('polls', 'Polls', fragment`${pollTroubles(context, view.troubles)}${pollTable(context, view.polls)}`, 'each list is read again and again, in case its hooks are lost')}
${section('retention', serviceMessages.retention, retentionSection(context, view.retention))}
${section('installations', 'Installations', installationTable(view.installations))}
${section('repositories', 'Repositories', repositoryTable(context, view.repositories))}`,
  });
}

const section = (id: string, heading: string, body: Html, note = ''): Html =>
  fragment`<section aria-labelledby="${id}"><div class="section-head"><h2 id="${id}">${heading}</h2>${note ? fragment`<span class="quiet">${note}</span>` : ''}</div>${body}</section>`;

function queueTable(context: PageContext, counts: QueueCounts): Html {
  const states = ['pending', 'running', 'parked'];
  const cells = (name: string, row: Record<string, number>) => [
    name,
    ...states.map((state) => fragment`<span class="number">${number(row[state] ?? 0)}</span>`),
  ];
  return fragment`${table('Queue', ['Rows', ...states], [cells('events', counts.events), cells('effects', counts.effects)])}
${counts.oldestPendingAt ? fragment`<p class="quiet">The oldest row that waits was due ${timeAgo(counts.oldestPendingAt, context.now)}.</p>` : ''}`;
}

/** What is not well first. */
function pollTable(context: PageContext, { repositories, deliveriesUntil }: Polls): Html {
  const rows = repositories.map((row) => ({ row, why: notPolled(row) }));
  const urgency = ({ row, why }: (typeof rows)[number]) => (row.trouble && !why ? 0 : why ? 1 : 2);
  const watched =
    rows.length === 0
      ? fragment`<p class="quiet">No repository is watched yet.</p>`
      : table(
          'Polls',
          ['State', 'Repository', 'Last look', 'Note'],
          rows
            .sort((one, other) => urgency(one) - urgency(other))
            .map(({ row, why }) => [
              why
                ? quietSign('not polled', 'pause')
                : row.trouble || row.lookedAt
                  ? sign(!row.trouble, 'ok', 'trouble')
                  : quietSign('new', 'queued'),
              maybeLink(context.forge.repository(row.name), row.name),
              row.lookedAt
                ? timeAgo(row.lookedAt, context.now)
                : fragment`<span class="quiet">${ledgerMessages.neverLooked}</span>`,
              why ? fragment`<span class="quiet">${why}</span>` : trouble(context, row),
            ]),
        );
  return fragment`${watched}${
    deliveriesUntil
      ? fragment`<p class="quiet">Hooks that GitHub says it has sent: settled up to ${timeAgo(deliveriesUntil, context.now)}.</p>`
      : ''
  }`;
}

/** Why nobody looks; undefined: it is looked at. */
function notPolled({ key, installation }: PollRow): string | undefined {
  if (isPlain(key)) return undefined;
  if (!installation) return ledgerMessages.notInstalled;
  const state = installation.state === 'active' && !installation.served ? 'not served' : installation.state;
  return state === 'active' ? undefined : ledgerMessages.installationIs(installation.account, state);
}

const trouble = (context: PageContext, { trouble: told }: PollRow): Html =>
  told
    ? fragment`<p class="why tone-warn">${foreign(told.why)}</p><div class="quiet">since ${timeAgo(told.since, context.now)}. ${ledgerMessages.lookedAgain}</div>`
    : fragment`<span class="quiet">–</span>`;

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
      row.state === 'active'
        ? sign(true, 'active')
        : row.state === 'deleted'
          ? quietSign('deleted', 'slash')
          : sign(false, '', row.state),
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
