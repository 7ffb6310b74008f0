import { NO_SHA } from './git.ts';
import { type CommitInfo, log } from './git-read.ts';
import type { Hub } from './hub.ts';
import { mergeView } from './mergeability.ts';
import { runJson, suiteJson, suiteStub } from './shapes/check.ts';
import { commentJson } from './shapes/comment.ts';
import { emailOf, pushedCommitJson } from './shapes/commit.ts';
import { fullPullJson, issueJson } from './shapes/pull.ts';
import {
  installationJson,
  nodeId,
  organizationJson,
  pageUrl,
  repositoryJson,
  repositoryStub,
  userJson,
} from './shapes/repository.ts';
import type { CheckRun, CheckSuite, Comment, Installation, Pull, Repository, User } from './state.ts';

/** Webhooks, made from the state as it is at the moment of the event. */

export interface RefChange {
  ref: string;
  before: string;
  after: string;
}

/** Emit for a repository, if an installation that is not suspended covers it and the app listens to such events. */
function emit(hub: Hub, repository: Repository, sender: User, event: string, payload: Record<string, unknown>): void {
  const installation = hub.state.installationOf(repository);
  if (!installation || installation.suspendedAt || !isHeard(hub, event)) return;
  const owner = repository.owner;
  hub.hooks.emit(event, {
    ...payload,
    ...(payload['repository'] ? {} : { repository: repositoryJson(hub, repository) }),
    ...(owner.type === 'Organization' ? { organization: organizationJson(hub, owner) } : {}),
    sender: userJson(hub, sender),
    installation: { id: installation.id, node_id: nodeId('Integration', installation.id) },
  });
}

/** Installation events reach every app, whatever it asked for. */
function isHeard(hub: Hub, event: string): boolean {
  return event.startsWith('installation') || hub.app.events.includes(event);
}

const MOST_COMMITS = 2048;

/** Commits of a push: of a new branch those that no other branch has. */
async function pushedCommits(repository: Repository, change: RefChange): Promise<CommitInfo[]> {
  if (change.after === NO_SHA || change.ref.startsWith('refs/tags/')) return [];
  const others = ['--not', `--exclude=${change.ref.replace('refs/heads/', '')}`, '--branches'];
  const range = change.before === NO_SHA ? [change.after, ...others] : [`${change.before}..${change.after}`];
  const options = ['--reverse', `--max-count=${MOST_COMMITS}`, ...range];
  return log(repository.dir, options, { files: true });
}

export async function emitPush(
  hub: Hub,
  repository: Repository,
  sender: User,
  change: RefChange,
  forced: boolean,
): Promise<void> {
  const commits = await pushedCommits(repository, change);
  const head = change.after === NO_SHA ? [] : await log(repository.dir, ['-1', change.after], { files: true });
  const page = pageUrl(hub, repository);
  const created = change.before === NO_SHA;
  const short = (sha: string) => sha.slice(0, 12);
  emit(hub, repository, sender, 'push', {
    ref: change.ref,
    before: change.before,
    after: change.after,
    repository: pushedRepository(hub, repository),
    pusher: { name: sender.login, email: emailOf(sender) },
    created,
    deleted: change.after === NO_SHA,
    forced,
    base_ref: null,
    compare: created
      ? `${page}/commit/${short(change.after)}`
      : `${page}/compare/${short(change.before)}...${short(change.after)}`,
    commits: commits.map((commit) => pushedCommitJson(hub, repository, commit)),
    head_commit: head[0] ? pushedCommitJson(hub, repository, head[0]) : null,
  });
}

/** Push events alone count time in seconds, and tell the owner's name and address. */
function pushedRepository(hub: Hub, repository: Repository) {
  const json = repositoryJson(hub, repository);
  const owner = { ...json.owner, name: repository.owner.login, email: null };
  const seconds = (time: string) => Math.floor(Date.parse(time) / 1000);
  return {
    ...json,
    owner,
    created_at: seconds(repository.createdAt),
    pushed_at: seconds(repository.pushedAt),
    master_branch: repository.defaultBranch,
    stargazers: 0,
  };
}

export async function emitPull(
  hub: Hub,
  repository: Repository,
  pull: Pull,
  sender: User,
  action: string,
  more: Record<string, unknown> = {},
): Promise<void> {
  const view = await mergeView(hub, repository, pull, { ask: false });
  const pull_request = await fullPullJson(hub, repository, pull, view);
  emit(hub, repository, sender, 'pull_request', { action, number: pull.number, pull_request, ...more });
}

export function emitRun(
  hub: Hub,
  repository: Repository,
  run: CheckRun,
  sender: User,
  action: string,
  more: Record<string, unknown> = {},
): void {
  const check_run = { ...runJson(hub, repository, run), check_suite: suiteStub(hub, repository, run.suite) };
  emit(hub, repository, sender, 'check_run', { action, check_run, ...more });
}

export async function emitSuite(
  hub: Hub,
  repository: Repository,
  suite: CheckSuite,
  sender: User,
  action: string,
): Promise<void> {
  const { repository: _, ...check_suite } = await suiteJson(hub, repository, suite);
  emit(hub, repository, sender, 'check_suite', { action, check_suite });
}

export function emitComment(
  hub: Hub,
  repository: Repository,
  comment: Comment,
  sender: User,
  action: string,
  more: Record<string, unknown> = {},
): void {
  const issue = repository.pulls.get(comment.number) ?? repository.issues.get(comment.number);
  if (!issue) return;
  const payload = { issue: issueJson(hub, repository, issue), comment: commentJson(hub, repository, comment) };
  emit(hub, repository, sender, 'issue_comment', { action, ...payload, ...more });
}

export function emitRepository(
  hub: Hub,
  repository: Repository,
  sender: User,
  action: string,
  more: Record<string, unknown> = {},
): void {
  emit(hub, repository, sender, 'repository', { action, ...more });
}

export function emitInstallation(hub: Hub, installation: Installation, sender: User, action: string): void {
  const repositories = repositoriesOf(hub, installation).map(repositoryStub);
  const payload = { action, installation: installationJson(hub, installation), sender: userJson(hub, sender) };
  const listed = action === 'created' || action === 'deleted' || action.includes('suspend');
  hub.hooks.emit('installation', { ...payload, ...(listed ? { repositories } : {}) });
}

export function emitInstallationRepositories(
  hub: Hub,
  installation: Installation,
  sender: User,
  change: { added: Repository[]; removed: Repository[] },
): void {
  hub.hooks.emit('installation_repositories', {
    action: change.added.length > 0 ? 'added' : 'removed',
    installation: installationJson(hub, installation),
    repository_selection: installation.selection,
    repositories_added: change.added.map(repositoryStub),
    repositories_removed: change.removed.map(repositoryStub),
    requester: null,
    sender: userJson(hub, sender),
  });
}

export function emitInstallationTarget(hub: Hub, installation: Installation, account: User, from: string): void {
  hub.hooks.emit('installation_target', {
    action: 'renamed',
    account: { ...userJson(hub, account), description: null },
    changes: { login: { from } },
    installation: { id: installation.id, node_id: nodeId('Integration', installation.id) },
    target_type: account.type,
    sender: userJson(hub, account),
  });
}

export function repositoriesOf(hub: Hub, installation: Installation): Repository[] {
  return [...hub.state.repositories.values()].filter((one) => hub.state.installationOf(one) === installation);
}
