import { readCommit } from '../git-read.ts';
import type { Hub } from '../hub.ts';
import type { CheckRun, CheckSuite, CommitStatus, Pull, Repository } from '../state.ts';
import { simpleCommitJson } from './commit.ts';
import { appJson, nodeId, pageUrl, repositoryJson, repositoryUrl, userJson } from './repository.ts';

/** Only pull requests of the repository itself: those of forks are not listed with a check (facts of GitHub). */
function pullsAt(repository: Repository, sha: string): Pull[] {
  return [...repository.pulls.values()].filter(
    (pull) => pull.state === 'open' && pull.head.sha === sha && pull.head.repositoryId === repository.id,
  );
}

function pullStub(hub: Hub, repository: Repository, pull: Pull) {
  const repo = { id: repository.id, url: repositoryUrl(hub, repository), name: repository.name };
  return {
    url: `${repositoryUrl(hub, repository)}/pulls/${pull.number}`,
    id: pull.id,
    number: pull.number,
    head: { ref: pull.head.ref, sha: pull.head.sha, repo },
    base: { ref: pull.base.ref, sha: pull.base.sha, repo },
  };
}

const WORST_FIRST = ['action_required', 'timed_out', 'cancelled', 'failure', 'startup_failure', 'stale'];

/** A suite is what its newest runs are. */
export function suiteState(hub: Hub, suite: CheckSuite): { status: string; conclusion: string | null } {
  const runs = newestByName(hub.state.runsOf(suite));
  if (runs.length === 0) return { status: 'queued', conclusion: null };
  if (runs.every((run) => run.status === 'completed')) return { status: 'completed', conclusion: conclusionOf(runs) };
  const started = runs.some((run) => run.status !== 'queued');
  return { status: started ? 'in_progress' : 'queued', conclusion: null };
}

function conclusionOf(runs: CheckRun[]): string {
  const found = new Set(runs.map((run) => run.conclusion));
  const worst = WORST_FIRST.find((word) => found.has(word));
  if (worst) return worst;
  if (found.has('success')) return 'success';
  return found.has('neutral') ? 'neutral' : 'skipped';
}

/** A later run of a name hides the earlier ones. */
export function newestByName(runs: CheckRun[]): CheckRun[] {
  const newest = new Map<string, CheckRun>();
  for (const run of runs) newest.set(`${run.suite.app.id} ${run.name}`, run);
  return [...newest.values()];
}

export function runJson(hub: Hub, repository: Repository, run: CheckRun) {
  const url = `${repositoryUrl(hub, repository)}/check-runs/${run.id}`;
  return {
    id: run.id,
    name: run.name,
    node_id: nodeId('CheckRun', run.id),
    head_sha: run.suite.headSha,
    external_id: run.externalId,
    url,
    html_url: `${pageUrl(hub, repository)}/runs/${run.id}`,
    details_url: run.detailsUrl,
    status: run.status,
    conclusion: run.conclusion,
    started_at: run.startedAt,
    completed_at: run.completedAt,
    output: { ...run.output, annotations_count: run.annotations.length, annotations_url: `${url}/annotations` },
    check_suite: { id: run.suite.id },
    app: appJson(hub, run.suite.app),
    pull_requests: pullsAt(repository, run.suite.headSha).map((pull) => pullStub(hub, repository, pull)),
  };
}

/** A suite inside a check run's event. */
export function suiteStub(hub: Hub, repository: Repository, suite: CheckSuite) {
  return {
    id: suite.id,
    node_id: nodeId('CheckSuite', suite.id),
    head_branch: suite.headBranch,
    head_sha: suite.headSha,
    ...suiteState(hub, suite),
    url: `${repositoryUrl(hub, repository)}/check-suites/${suite.id}`,
    before: suite.before,
    after: suite.headSha,
    pull_requests: pullsAt(repository, suite.headSha).map((pull) => pullStub(hub, repository, pull)),
    app: appJson(hub, suite.app),
    created_at: suite.createdAt,
    updated_at: suite.updatedAt,
  };
}

export async function suiteJson(hub: Hub, repository: Repository, suite: CheckSuite) {
  return {
    ...suiteStub(hub, repository, suite),
    latest_check_runs_count: newestByName(hub.state.runsOf(suite)).length,
    check_runs_url: `${repositoryUrl(hub, repository)}/check-suites/${suite.id}/check-runs`,
    head_commit: simpleCommitJson(await readCommit(repository.dir, suite.headSha)),
    repository: repositoryJson(hub, repository),
    rerequestable: true,
    runs_rerequestable: true,
  };
}

export function statusJson(hub: Hub, repository: Repository, status: CommitStatus) {
  return {
    url: `${repositoryUrl(hub, repository)}/statuses/${status.sha}`,
    avatar_url: `${hub.origin}/avatars/u/${status.creator.id}`,
    id: status.id,
    node_id: nodeId('Status', status.id),
    state: status.state,
    description: status.description,
    target_url: status.targetUrl,
    context: status.context,
    created_at: status.createdAt,
    updated_at: status.createdAt,
    creator: userJson(hub, status.creator),
  };
}
