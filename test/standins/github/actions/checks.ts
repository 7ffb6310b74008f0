import { emitRun, emitSuite } from '../events.ts';
import type { Hub } from '../hub.ts';
import { timestamp } from '../hub.ts';
import { suiteState } from '../shapes/check.ts';
import type { Annotation, AppRecord, CheckRun, CheckStatus, CheckSuite, Repository } from '../state.ts';

/** One suite per app and sha. */
export function ensureSuite(
  hub: Hub,
  repository: Repository,
  sha: string,
  more: { branch?: string | null; before?: string | null; app?: AppRecord } = {},
): CheckSuite {
  const app = more.app ?? hub.app;
  const known = [...hub.state.suites.values()].find(
    (suite) => suite.repositoryId === repository.id && suite.headSha === sha && suite.app.id === app.id,
  );
  if (known) return known;
  const now = timestamp(hub);
  const suite: CheckSuite = {
    id: hub.state.nextId(),
    repositoryId: repository.id,
    app,
    headSha: sha,
    headBranch: more.branch ?? null,
    before: more.before ?? null,
    createdAt: now,
    updatedAt: now,
  };
  hub.state.suites.set(suite.id, suite);
  return suite;
}

export interface RunFields {
  name?: string;
  status?: CheckStatus;
  conclusion?: string;
  external_id?: string;
  details_url?: string;
  started_at?: string;
  completed_at?: string;
  output?: { title?: string; summary?: string; text?: string; annotations?: Annotation[] };
  actions?: CheckRun['actions'];
}

export async function createRun(
  hub: Hub,
  repository: Repository,
  suite: CheckSuite,
  fields: RunFields & { name: string },
): Promise<CheckRun> {
  const run: CheckRun = {
    id: hub.state.nextId(),
    suite,
    name: fields.name,
    status: 'queued',
    conclusion: null,
    externalId: '',
    detailsUrl: suite.app.homepage,
    startedAt: timestamp(hub),
    completedAt: null,
    output: { title: null, summary: null, text: null },
    annotations: [],
    actions: [],
  };
  hub.state.runs.set(run.id, run);
  applyFields(hub, run, fields);
  emitRun(hub, repository, run, suite.app.bot, 'created');
  if (run.status === 'completed') await emitCompleted(hub, repository, run);
  return run;
}

export async function updateRun(hub: Hub, repository: Repository, run: CheckRun, fields: RunFields): Promise<void> {
  const wasCompleted = run.status === 'completed';
  applyFields(hub, run, fields);
  if (!wasCompleted && run.status === 'completed') await emitCompleted(hub, repository, run);
}

/** A conclusion completes a run even when its status is not given. */
function applyFields(hub: Hub, run: CheckRun, fields: RunFields): void {
  run.name = fields.name ?? run.name;
  run.status = fields.conclusion ? 'completed' : (fields.status ?? run.status);
  run.conclusion = fields.conclusion ?? run.conclusion;
  run.externalId = fields.external_id ?? run.externalId;
  run.detailsUrl = fields.details_url ?? run.detailsUrl;
  run.startedAt = fields.started_at ?? run.startedAt;
  run.actions = fields.actions ?? run.actions;
  if (fields.conclusion) run.completedAt = fields.completed_at ?? timestamp(hub);
  if (fields.output) {
    const { title, summary, text, annotations } = fields.output;
    run.output = { title: title ?? run.output.title, summary: summary ?? null, text: text ?? null };
    run.annotations.push(...(annotations ?? [])); // Those of later requests are added.
  }
  run.suite.updatedAt = timestamp(hub);
}

async function emitCompleted(hub: Hub, repository: Repository, run: CheckRun): Promise<void> {
  emitRun(hub, repository, run, run.suite.app.bot, 'completed');
  if (suiteState(hub, run.suite).status !== 'completed') return;
  await emitSuite(hub, repository, run.suite, run.suite.app.bot, 'completed');
}
