import { git, refs, resolveCommit } from '../git.ts';
import { readCommit, type TreeEntry, treeEntries, treeEntry } from '../git-read.ts';
import type { Hub } from '../hub.ts';
import { commitJson } from '../shapes/commit.ts';
import { fullRepositoryJson, nodeId, pageUrl, permissionsJson, repositoryUrl, userJson } from '../shapes/repository.ts';
import type { Repository } from '../state.ts';
import { fullNameOf, permissionOf, roleOf } from '../state.ts';
import { type Api, type Ctx, paged, repositoryOf } from './context.ts';
import { ApiError, notFound } from './errors.ts';

/** A repository: itself, its branches, refs, files, archives, people. */
export function repositoryRoutes(hub: Hub, api: Api): void {
  api.get('/repos/:owner/:repo', (c) => c.json(fullRepositoryJson(hub, repositoryOf(hub, c, 'metadata'))));
  api.get('/repos/:owner/:repo/branches', (c) => branches(hub, c));
  api.get('/repos/:owner/:repo/branches/:branch{.+}', (c) => branch(hub, c));
  api.get('/repos/:owner/:repo/git/ref/:ref{.+}', (c) => oneRef(hub, c));
  api.get('/repos/:owner/:repo/git/matching-refs/:ref{.+}', (c) => matchingRefs(hub, c));
  api.get('/repos/:owner/:repo/contents', (c) => contents(hub, c));
  api.get('/repos/:owner/:repo/contents/:path{.+}', (c) => contents(hub, c));
  api.get('/repos/:owner/:repo/tarball', (c) => tarball(hub, c));
  api.get('/repos/:owner/:repo/tarball/:ref{.+}', (c) => tarball(hub, c));
  api.get('/repos/:owner/:repo/collaborators/:user/permission', (c) => permission(hub, c));
}

async function branches(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const all = [...(await refs(repository.dir, 'refs/heads'))];
  const listed = paged(hub, c, all).map(([ref, sha]) => {
    const name = ref.replace('refs/heads/', '');
    const commit = { sha, url: `${repositoryUrl(hub, repository)}/commits/${sha}` };
    return { name, commit, protected: repository.requiredChecks.has(name) };
  });
  return c.json(listed);
}

async function branch(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const name = c.req.param('branch') ?? '';
  const sha = await resolveCommit(repository.dir, `refs/heads/${name}`);
  if (!sha) throw new ApiError(404, 'Branch not found');
  const self = `${repositoryUrl(hub, repository)}/branches/${name}`;
  const required = repository.requiredChecks.get(name);
  return c.json({
    name,
    commit: commitJson(hub, repository, await readCommit(repository.dir, sha)),
    _links: { self, html: `${pageUrl(hub, repository)}/tree/${name}` },
    protected: required !== undefined,
    protection: {
      enabled: required !== undefined,
      required_status_checks: {
        enforcement_level: required ? 'non_admins' : 'off',
        contexts: required ?? [],
        checks: (required ?? []).map((context) => ({ context, app_id: null })),
      },
    },
    protection_url: `${self}/protection`,
  });
}

async function refJson(hub: Hub, repository: Repository, ref: string, sha: string) {
  const type = (await git(repository.dir, ['cat-file', '-t', sha])).text;
  const url = repositoryUrl(hub, repository);
  return {
    ref,
    node_id: nodeId(`Ref:${ref}`, repository.id),
    url: `${url}/git/${ref}`,
    object: { sha, type, url: `${url}/git/${type}s/${sha}` },
  };
}

async function oneRef(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const ref = `refs/${c.req.param('ref')}`;
  const sha = (await refs(repository.dir, 'refs')).get(ref);
  if (!sha) throw notFound();
  return c.json(await refJson(hub, repository, ref, sha));
}

async function matchingRefs(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const prefix = `refs/${c.req.param('ref')}`;
  const all = [...(await refs(repository.dir, 'refs'))].filter(([ref]) => ref.startsWith(prefix));
  return c.json(await Promise.all(all.map(([ref, sha]) => refJson(hub, repository, ref, sha))));
}

const LARGEST_FILE = 1_000_000;

async function contents(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const path = (c.req.param('path') ?? '').replace(/^\/+|\/+$/g, '');
  const ref = c.req.query('ref') ?? repository.defaultBranch;
  const sha = await resolveCommit(repository.dir, ref);
  if (!sha) throw new ApiError(404, `No commit found for the ref ${ref}`);
  const entry = path === '' ? undefined : await treeEntry(repository.dir, sha, path);
  if (path !== '' && !entry) throw notFound();
  if (entry && entry.type !== 'tree') return c.json(await fileJson(hub, repository, ref, entry));
  const entries = await treeEntries(repository.dir, sha, path);
  return c.json(entries.map((one) => entryJson(hub, repository, ref, one)));
}

function entryJson(hub: Hub, repository: Repository, ref: string, entry: TreeEntry) {
  const path = entry.path.split('/').map(encodeURIComponent).join('/');
  const self = `${repositoryUrl(hub, repository)}/contents/${path}?ref=${encodeURIComponent(ref)}`;
  const isFile = entry.type === 'blob';
  const gitUrl = `${repositoryUrl(hub, repository)}/git/${entry.type}s/${entry.sha}`;
  const html = `${pageUrl(hub, repository)}/blob/${encodeURIComponent(ref)}/${path}`;
  return {
    name: entry.path.split('/').at(-1),
    path: entry.path,
    sha: entry.sha,
    size: entry.size,
    url: self,
    html_url: html,
    git_url: gitUrl,
    download_url: isFile ? `${pageUrl(hub, repository)}/raw/${encodeURIComponent(ref)}/${path}` : null,
    type: typeOf(entry),
    _links: { self, git: gitUrl, html },
  };
}

function typeOf(entry: TreeEntry): string {
  if (entry.mode === '120000') return 'symlink';
  if (entry.type === 'commit') return 'submodule';
  return entry.type === 'tree' ? 'dir' : 'file';
}

async function fileJson(hub: Hub, repository: Repository, ref: string, entry: TreeEntry) {
  const common = entryJson(hub, repository, ref, entry);
  if (entry.type === 'commit') return { ...common, submodule_git_url: null };
  const blob = (await git(repository.dir, ['cat-file', 'blob', entry.sha])).stdout;
  if (entry.mode === '120000') return { ...common, target: blob.toString('utf8') };
  // Larger files come without their content (GitHub: 1 to 100 MB).
  if (blob.length > LARGEST_FILE) return { ...common, encoding: 'none', content: '' };
  return { ...common, encoding: 'base64', content: blob.toString('base64').replace(/.{60}/g, '$&\n') };
}

async function tarball(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const ref = c.req.param('ref') ?? repository.defaultBranch;
  const sha = await resolveCommit(repository.dir, ref);
  if (!sha) throw notFound();
  return c.redirect(`${hub.origin}/_codeload/${fullNameOf(repository)}/legacy.tar.gz/${sha}`, 302);
}

/** Who may do what; whoever is nobody here still has a login. */
function permission(hub: Hub, c: Ctx): Response {
  const repository = repositoryOf(hub, c, 'metadata');
  const user = hub.state.users.get((c.req.param('user') ?? '').toLowerCase());
  if (!user) throw new ApiError(404, `${c.req.param('user')} is not a user`);
  const role = roleOf(repository, user);
  return c.json({
    permission: permissionOf(role),
    role_name: role,
    user: {
      ...userJson(hub, user),
      role_name: role,
      permissions: permissionsJson(role),
    },
  });
}
