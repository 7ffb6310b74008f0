import type { Hub } from '../hub.ts';
import { newestByName, runJson, suiteJson } from '../shapes/check.ts';
import type { CheckRun, CheckSuite, Repository } from '../state.ts';
import { type Api, type Ctx, commitOf, paged, repositoryOf } from './context.ts';
import { notFound } from './errors.ts';

export function checkReadRoutes(hub: Hub, api: Api): void {
  const base = '/repos/:owner/:repo';
  api.get(`${base}/check-runs/:id{[0-9]+}`, (c) => {
    const repository = repositoryOf(hub, c, 'checks');
    return c.json(runJson(hub, repository, runOf(hub, c, repository)));
  });
  api.get(`${base}/check-runs/:id{[0-9]+}/annotations`, (c) => annotations(hub, c));
  api.get(`${base}/check-suites/:id{[0-9]+}`, async (c) => {
    const repository = repositoryOf(hub, c, 'checks');
    return c.json(await suiteJson(hub, repository, suiteOf(hub, c, repository)));
  });
  api.get(`${base}/check-suites/:id{[0-9]+}/check-runs`, (c) => {
    const repository = repositoryOf(hub, c, 'checks');
    return listed(hub, c, repository, hub.state.runsOf(suiteOf(hub, c, repository)));
  });
}

export function runOf(hub: Hub, c: Ctx, repository: Repository): CheckRun {
  const run = hub.state.runs.get(Number(c.req.param('id')));
  if (!run || run.suite.repositoryId !== repository.id) throw notFound();
  return run;
}

export function suiteOf(hub: Hub, c: Ctx, repository: Repository): CheckSuite {
  const suite = hub.state.suites.get(Number(c.req.param('id')));
  if (!suite || suite.repositoryId !== repository.id) throw notFound();
  return suite;
}

function annotations(hub: Hub, c: Ctx): Response {
  const repository = repositoryOf(hub, c, 'checks');
  const run = runOf(hub, c, repository);
  const filled = run.annotations.map((annotation) => ({
    start_column: null,
    end_column: null,
    title: null,
    raw_details: null,
    blob_href: `${hub.origin}/${repository.owner.login}/${repository.name}/blob/${run.suite.headSha}/${annotation.path}`,
    ...annotation,
  }));
  return c.json(paged(hub, c, filled));
}

/** Check runs, narrowed by check_name, status, app_id, and filter (latest, all). */
function listed(hub: Hub, c: Ctx, repository: Repository, runs: CheckRun[]): Response {
  const { check_name, status, app_id, filter = 'latest' } = c.req.query();
  const found = (filter === 'all' ? runs : newestByName(runs))
    .filter((run) => !check_name || run.name === check_name)
    .filter((run) => !status || run.status === status)
    .filter((run) => !app_id || run.suite.app.id === Number(app_id))
    .toReversed();
  const check_runs = paged(hub, c, found).map((run) => runJson(hub, repository, run));
  return c.json({ total_count: found.length, check_runs });
}

export async function listRunsForRef(hub: Hub, c: Ctx, ref: string): Promise<Response> {
  const repository = repositoryOf(hub, c, 'checks');
  const sha = await commitOf(repository, ref);
  return listed(hub, c, repository, hub.state.runsAt(repository.id, sha));
}

export async function listSuitesForRef(hub: Hub, c: Ctx, ref: string): Promise<Response> {
  const repository = repositoryOf(hub, c, 'checks');
  const sha = await commitOf(repository, ref);
  const { app_id, check_name } = c.req.query();
  const found = [...hub.state.suites.values()]
    .filter((suite) => suite.repositoryId === repository.id && suite.headSha === sha)
    .filter((suite) => !app_id || suite.app.id === Number(app_id))
    .filter((suite) => !check_name || hub.state.runsOf(suite).some((run) => run.name === check_name));
  const check_suites = await Promise.all(paged(hub, c, found).map((suite) => suiteJson(hub, repository, suite)));
  return c.json({ total_count: found.length, check_suites });
}
