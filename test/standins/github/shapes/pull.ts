import { git, mergeBase } from '../git.ts';
import { countCommits } from '../git-read.ts';
import type { Hub } from '../hub.ts';
import type { Issue, Pull, Repository, User } from '../state.ts';
import { permissionOf, roleOf } from '../state.ts';
import { nodeId, pageUrl, repositoryJson, repositoryUrl, userJson } from './repository.ts';

export function associationOf(repository: Repository, user: User): string {
  if (repository.owner.id === user.id) return 'OWNER';
  const permission = permissionOf(roleOf(repository, user));
  if (repository.roles.has(user.id) && permission !== 'none' && permission !== 'read') return 'COLLABORATOR';
  const merged = [...repository.pulls.values()].some((pull) => pull.mergedAt && pull.author.id === user.id);
  return merged ? 'CONTRIBUTOR' : 'NONE';
}

function commentsOf(hub: Hub, repository: Repository, number: number): number {
  const comments = [...hub.state.comments.values()];
  return comments.filter((comment) => comment.repositoryId === repository.id && comment.number === number).length;
}

export function reactionsJson(url: string, contents: string[]) {
  const count = (content: string) => contents.filter((other) => other === content).length;
  return {
    url: `${url}/reactions`,
    total_count: contents.length,
    '+1': count('+1'),
    '-1': count('-1'),
    laugh: count('laugh'),
    hooray: count('hooray'),
    confused: count('confused'),
    heart: count('heart'),
    rocket: count('rocket'),
    eyes: count('eyes'),
  };
}

function pullUrls(hub: Hub, repository: Repository, pull: Pull) {
  const url = repositoryUrl(hub, repository);
  const page = `${pageUrl(hub, repository)}/pull/${pull.number}`;
  return {
    url: `${url}/pulls/${pull.number}`,
    html_url: page,
    diff_url: `${page}.diff`,
    patch_url: `${page}.patch`,
    issue_url: `${url}/issues/${pull.number}`,
    commits_url: `${url}/pulls/${pull.number}/commits`,
    review_comments_url: `${url}/pulls/${pull.number}/comments`,
    review_comment_url: `${url}/pulls/comments{/number}`,
    comments_url: `${url}/issues/${pull.number}/comments`,
    statuses_url: `${url}/statuses/${pull.head.sha}`,
  };
}

function linksOf(urls: ReturnType<typeof pullUrls>) {
  const link = (href: string) => ({ href });
  return {
    self: link(urls.url),
    html: link(urls.html_url),
    issue: link(urls.issue_url),
    comments: link(urls.comments_url),
    review_comments: link(urls.review_comments_url),
    review_comment: link(urls.review_comment_url),
    commits: link(urls.commits_url),
    statuses: link(urls.statuses_url),
  };
}

/** A pull request as lists have it. */
export function pullJson(hub: Hub, repository: Repository, pull: Pull) {
  const urls = pullUrls(hub, repository, pull);
  const headRepository = hub.state.repositories.get(pull.head.repositoryId);
  return {
    ...urls,
    id: pull.id,
    node_id: nodeId('PullRequest', pull.id),
    number: pull.number,
    state: pull.state,
    locked: false,
    title: pull.title,
    user: userJson(hub, pull.author),
    body: pull.body,
    created_at: pull.createdAt,
    updated_at: pull.updatedAt,
    closed_at: pull.closedAt ?? null,
    merged_at: pull.mergedAt ?? null,
    merge_commit_sha: pull.mergeCommitSha ?? null,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    labels: [],
    milestone: null,
    draft: pull.draft,
    head: {
      label: `${pull.head.owner.login}:${pull.head.ref}`,
      ref: pull.head.ref,
      sha: pull.head.sha,
      user: userJson(hub, pull.head.owner),
      repo: headRepository ? repositoryJson(hub, headRepository) : null,
    },
    base: {
      label: `${repository.owner.login}:${pull.base.ref}`,
      ref: pull.base.ref,
      sha: pull.base.sha,
      user: userJson(hub, repository.owner),
      repo: repositoryJson(hub, repository),
    },
    _links: linksOf(urls),
    author_association: associationOf(repository, pull.author),
    auto_merge: pull.autoMerge ? autoMergeJson(hub, pull, pull.autoMerge) : null,
    active_lock_reason: null,
  };
}

function autoMergeJson(hub: Hub, pull: Pull, { by, method }: NonNullable<Pull['autoMerge']>) {
  const words = { commit_title: `${pull.title} (#${pull.number})`, commit_message: pull.body ?? '' };
  return { enabled_by: userJson(hub, by), merge_method: method, ...words };
}

/** Whether a pull request merges: null as long as nobody knows. */
export interface MergeView {
  mergeable: boolean | null;
  state: string;
}

/** A pull request as asked for by number, and as webhooks have it. */
export async function fullPullJson(hub: Hub, repository: Repository, pull: Pull, view: MergeView) {
  return {
    ...pullJson(hub, repository, pull),
    merged: pull.mergedAt !== undefined,
    mergeable: view.mergeable,
    rebaseable: view.mergeable,
    mergeable_state: view.state,
    merged_by: pull.mergedBy ? userJson(hub, pull.mergedBy) : null,
    comments: commentsOf(hub, repository, pull.number),
    review_comments: 0,
    maintainer_can_modify: false,
    ...(await sizeOf(repository, pull)),
  };
}

async function sizeOf(repository: Repository, pull: Pull) {
  const from = (await mergeBase(repository.dir, pull.base.sha, pull.head.sha)) ?? pull.base.sha;
  const stat = (await git(repository.dir, ['diff', '--shortstat', from, pull.head.sha])).text;
  const number = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(stat)?.[1] ?? 0);
  return {
    commits: await countCommits(repository.dir, `${from}..${pull.head.sha}`),
    additions: number('insertion'),
    deletions: number('deletion'),
    changed_files: number('file'),
  };
}

/** The issue that every pull request also is. */
export function issueJson(hub: Hub, repository: Repository, issue: Issue | Pull) {
  const url = `${repositoryUrl(hub, repository)}/issues/${issue.number}`;
  const pull = 'head' in issue ? issue : undefined;
  const page = `${pageUrl(hub, repository)}/${pull ? 'pull' : 'issues'}/${issue.number}`;
  return {
    id: issue.id + 1_000_000, // An issue's id is never its pull request's.
    node_id: nodeId('Issue', issue.id),
    number: issue.number,
    url,
    repository_url: repositoryUrl(hub, repository),
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    html_url: page,
    title: issue.title,
    user: userJson(hub, issue.author),
    labels: [],
    state: issue.state,
    locked: false,
    assignee: null,
    assignees: [],
    milestone: null,
    comments: commentsOf(hub, repository, issue.number),
    created_at: issue.createdAt,
    updated_at: issue.updatedAt,
    closed_at: issue.closedAt ?? null,
    author_association: associationOf(repository, issue.author),
    active_lock_reason: null,
    body: issue.body,
    reactions: reactionsJson(
      url,
      issue.reactions.map((reaction) => reaction.content),
    ),
    performed_via_github_app: null,
    ...(pull ? { draft: pull.draft, pull_request: pullLinks(hub, repository, pull) } : {}),
  };
}

function pullLinks(hub: Hub, repository: Repository, pull: Pull) {
  const { url, html_url, diff_url, patch_url } = pullUrls(hub, repository, pull);
  return { url, html_url, diff_url, patch_url, merged_at: pull.mergedAt ?? null };
}
