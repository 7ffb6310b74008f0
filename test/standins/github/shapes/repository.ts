import type { Hub } from '../hub.ts';
import type { AppRecord, Installation, Repository, Role, User } from '../state.ts';
import { fullNameOf, permissionOf } from '../state.ts';

/** JSON of users, repositories, apps and installations, as REST and webhooks share it. */

export function nodeId(kind: string, id: number): string {
  return Buffer.from(`${kind}:${id}`).toString('base64');
}

export function userJson(hub: Hub, user: User) {
  const url = `${hub.apiUrl}/users/${encodeURIComponent(user.login)}`;
  const app = user.type === 'Bot';
  return {
    login: user.login,
    id: user.id,
    node_id: nodeId(user.type, user.id),
    avatar_url: `${hub.origin}/avatars/u/${user.id}`,
    gravatar_id: '',
    url,
    html_url: `${hub.origin}/${app ? `apps/${user.login.replace('[bot]', '')}` : user.login}`,
    followers_url: `${url}/followers`,
    following_url: `${url}/following{/other_user}`,
    gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`,
    subscriptions_url: `${url}/subscriptions`,
    organizations_url: `${url}/orgs`,
    repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`,
    received_events_url: `${url}/received_events`,
    type: user.type,
    site_admin: false,
  };
}

/** A user as asked for by login or id. */
export function publicUserJson(hub: Hub, user: User) {
  const unsaid = { name: null, company: null, blog: '', location: null, email: null, hireable: null, bio: null };
  const counts = { public_repos: 0, public_gists: 0, followers: 0, following: 0 };
  const times = { created_at: hub.app.createdAt, updated_at: hub.app.createdAt };
  return { ...userJson(hub, user), ...unsaid, twitter_username: null, ...counts, ...times };
}

export function organizationJson(hub: Hub, user: User) {
  const url = `${hub.apiUrl}/orgs/${user.login}`;
  return {
    login: user.login,
    id: user.id,
    node_id: nodeId('Organization', user.id),
    url,
    repos_url: `${url}/repos`,
    events_url: `${url}/events`,
    hooks_url: `${url}/hooks`,
    issues_url: `${url}/issues`,
    members_url: `${url}/members{/member}`,
    public_members_url: `${url}/public_members{/member}`,
    avatar_url: `${hub.origin}/avatars/u/${user.id}`,
    description: null,
  };
}

const PLAIN_URLS =
  'forks teams hooks events tags languages stargazers contributors subscribers subscription merges downloads deployments';
const TEMPLATE_URLS: Record<string, string> = {
  keys: 'keys{/key_id}',
  collaborators: 'collaborators{/collaborator}',
  issue_events: 'issues/events{/number}',
  assignees: 'assignees{/user}',
  branches: 'branches{/branch}',
  blobs: 'git/blobs{/sha}',
  git_tags: 'git/tags{/sha}',
  git_refs: 'git/refs{/sha}',
  trees: 'git/trees{/sha}',
  statuses: 'statuses/{sha}',
  commits: 'commits{/sha}',
  git_commits: 'git/commits{/sha}',
  comments: 'comments{/number}',
  issue_comment: 'issues/comments{/number}',
  contents: 'contents/{+path}',
  compare: 'compare/{base}...{head}',
  archive: '{archive_format}{/ref}',
  issues: 'issues{/number}',
  pulls: 'pulls{/number}',
  milestones: 'milestones{/number}',
  notifications: 'notifications{?since,all,participating}',
  labels: 'labels{/name}',
  releases: 'releases{/id}',
};

export function repositoryUrl(hub: Hub, repository: Repository): string {
  return `${hub.apiUrl}/repos/${fullNameOf(repository)}`;
}

export function pageUrl(hub: Hub, repository: Repository): string {
  return `${hub.origin}/${fullNameOf(repository)}`;
}

function urlsOf(hub: Hub, repository: Repository): Record<string, string> {
  const url = repositoryUrl(hub, repository);
  const plain = PLAIN_URLS.split(' ').map((name) => [`${name}_url`, `${url}/${name}`]);
  const templates = Object.entries(TEMPLATE_URLS).map(([name, path]) => [`${name}_url`, `${url}/${path}`]);
  return Object.fromEntries([...plain, ...templates]);
}

export function repositoryJson(hub: Hub, repository: Repository) {
  const page = pageUrl(hub, repository);
  const openPulls = [...repository.pulls.values(), ...repository.issues.values()];
  const open = openPulls.filter((issue) => issue.state === 'open').length;
  const forks = [...hub.state.repositories.values()].filter((other) => other.forkOf === repository.id).length;
  return {
    id: repository.id,
    node_id: nodeId('Repository', repository.id),
    name: repository.name,
    full_name: fullNameOf(repository),
    private: repository.private,
    owner: userJson(hub, repository.owner),
    html_url: page,
    description: null,
    fork: repository.forkOf !== undefined,
    url: repositoryUrl(hub, repository),
    ...urlsOf(hub, repository),
    created_at: repository.createdAt,
    updated_at: repository.updatedAt,
    pushed_at: repository.pushedAt,
    git_url: `git://${page.replace(/^https?:\/\//, '')}.git`,
    ssh_url: `git@${new URL(hub.origin).hostname}:${fullNameOf(repository)}.git`,
    clone_url: `${page}.git`,
    svn_url: page,
    homepage: null,
    size: 0,
    stargazers_count: 0,
    watchers_count: 0,
    language: null,
    has_issues: true,
    has_projects: true,
    has_downloads: true,
    has_wiki: true,
    has_pages: false,
    has_discussions: false,
    forks_count: forks,
    mirror_url: null,
    archived: repository.archived,
    disabled: false,
    open_issues_count: open,
    license: null,
    allow_forking: true,
    is_template: false,
    web_commit_signoff_required: false,
    topics: [] as string[],
    visibility: repository.private ? 'private' : 'public',
    forks,
    open_issues: open,
    watchers: 0,
    default_branch: repository.defaultBranch,
  };
}

/** What somebody of this role may do. */
export function permissionsJson(role: Role) {
  const is = permissionOf(role);
  return {
    admin: is === 'admin',
    maintain: role === 'admin' || role === 'maintain',
    push: is === 'admin' || is === 'write',
    triage: is === 'admin' || is === 'write' || role === 'triage',
    pull: is !== 'none',
  };
}

/** What `GET /repos/{owner}/{repo}` says in addition. */
export function fullRepositoryJson(hub: Hub, repository: Repository): Record<string, unknown> {
  const origin = repository.forkOf === undefined ? undefined : hub.state.repositories.get(repository.forkOf);
  return {
    ...repositoryJson(hub, repository),
    network_count: 0,
    subscribers_count: 0,
    allow_merge_commit: true,
    allow_squash_merge: true,
    allow_rebase_merge: true,
    allow_auto_merge: false,
    delete_branch_on_merge: false,
    ...(origin ? { parent: repositoryJson(hub, origin), source: repositoryJson(hub, origin) } : {}),
  };
}

export function appJson(hub: Hub, app: AppRecord) {
  return {
    id: app.id,
    slug: app.slug,
    node_id: nodeId('Integration', app.id),
    owner: userJson(hub, app.owner),
    name: app.name,
    description: '',
    external_url: app.homepage,
    html_url: `${hub.origin}/apps/${app.slug}`,
    created_at: app.createdAt,
    updated_at: app.createdAt,
    permissions: app.permissions,
    events: app.events,
  };
}

export function installationJson(hub: Hub, installation: Installation) {
  const api = `${hub.apiUrl}/installation`;
  return {
    id: installation.id,
    account: userJson(hub, installation.account),
    repository_selection: installation.selection,
    access_tokens_url: `${hub.apiUrl}/app/installations/${installation.id}/access_tokens`,
    repositories_url: `${api}/repositories`,
    html_url: `${hub.origin}/settings/installations/${installation.id}`,
    app_id: hub.app.id,
    app_slug: hub.app.slug,
    target_id: installation.account.id,
    target_type: installation.account.type,
    permissions: installation.permissions,
    events: hub.app.events,
    created_at: installation.createdAt,
    updated_at: installation.updatedAt,
    single_file_name: null,
    suspended_by: installation.suspendedBy ? userJson(hub, installation.suspendedBy) : null,
    suspended_at: installation.suspendedAt ?? null,
  };
}

export function repositoryStub(repository: Repository) {
  return {
    id: repository.id,
    node_id: nodeId('Repository', repository.id),
    name: repository.name,
    full_name: fullNameOf(repository),
    private: repository.private,
  };
}
