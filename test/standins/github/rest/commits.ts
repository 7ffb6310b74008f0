import { git, mergeBase, resolveCommit } from '../git.ts';
import { countCommits, difference, log, readCommit } from '../git-read.ts';
import type { Hub } from '../hub.ts';
import { commitJson, fileJson, gitCommitJson } from '../shapes/commit.ts';
import { pullJson } from '../shapes/pull.ts';
import { pageUrl, repositoryUrl } from '../shapes/repository.ts';
import type { Repository } from '../state.ts';
import { listRunsForRef, listSuitesForRef } from './checks-read.ts';
import { type Api, type Ctx, commitOf, link, paged, pageOf, repositoryOf } from './context.ts';
import { ApiError, notFound } from './errors.ts';
import { combinedStatus, listStatuses } from './statuses.ts';

export function commitRoutes(hub: Hub, api: Api): void {
  api.get('/repos/:owner/:repo/commits', (c) => list(hub, c));
  api.get('/repos/:owner/:repo/git/commits/:sha{[0-9a-f]{40}}', (c) => gitCommit(hub, c));
  api.get('/repos/:owner/:repo/compare/:basehead{.+}', (c) => compare(hub, c));
  api.get('/repos/:owner/:repo/commits/:rest{.+}', (c) => ofCommit(hub, c));
}

type OfCommit = (hub: Hub, c: Ctx, ref: string) => Promise<Response>;

const OF_COMMIT: Record<string, OfCommit> = {
  'check-runs': listRunsForRef,
  'check-suites': listSuitesForRef,
  status: combinedStatus,
  statuses: listStatuses,
  pulls: pullsWith,
};

/** A ref may hold slashes, so what is asked about it is looked for at the end. */
function ofCommit(hub: Hub, c: Ctx): Promise<Response> {
  const rest = c.req.param('rest') ?? '';
  const cut = rest.lastIndexOf('/');
  const question = OF_COMMIT[rest.slice(cut + 1)];
  return cut > 0 && question ? question(hub, c, rest.slice(0, cut)) : one(hub, c, rest);
}

async function one(hub: Hub, c: Ctx, ref: string): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const sha = await commitOf(repository, ref);
  if (c.req.header('accept')?.includes('vnd.github.sha')) return c.text(sha);
  const commit = await readCommit(repository.dir, sha);
  const parent = commit.parents[0] ?? (await emptyTree(repository));
  const files = await difference(repository.dir, parent, sha);
  const sum = (of: 'additions' | 'deletions') => files.reduce((total, file) => total + file[of], 0);
  const [additions, deletions] = [sum('additions'), sum('deletions')];
  return c.json({
    ...commitJson(hub, repository, commit),
    stats: { additions, deletions, total: additions + deletions },
    files: files.map((file) => fileJson(hub, repository, sha, file)),
  });
}

/** A commit as git has it, without what GitHub knows of it. */
async function gitCommit(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const sha = await resolveCommit(repository.dir, c.req.param('sha') ?? '');
  if (!sha) throw notFound();
  return c.json(gitCommitJson(hub, repository, await readCommit(repository.dir, sha)));
}

/** Pull requests that have this commit as their head or as their merge. */
async function pullsWith(hub: Hub, c: Ctx, ref: string): Promise<Response> {
  const repository = repositoryOf(hub, c, 'pull_requests');
  const sha = await commitOf(repository, ref);
  const all = [...repository.pulls.values()].filter((pull) => pull.head.sha === sha || pull.mergeCommitSha === sha);
  return c.json(paged(hub, c, all).map((pull) => pullJson(hub, repository, pull)));
}

async function emptyTree(repository: Repository): Promise<string> {
  return (await git(repository.dir, ['hash-object', '-t', 'tree', '-w', '--stdin'], { input: '' })).text;
}

async function list(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const start = c.req.query('sha') ?? repository.defaultBranch;
  const sha = await resolveCommit(repository.dir, start);
  if (!sha) throw notFound();
  const { page, perPage } = pageOf(c);
  const filters = [...dateOption(c, 'since'), ...dateOption(c, 'until')];
  const window = [`--skip=${(page - 1) * perPage}`, `--max-count=${perPage + 1}`];
  const path = c.req.query('path');
  const commits = await log(repository.dir, [...window, ...filters, sha], { path });
  link(hub, c, page, commits.length > perPage ? page + 1 : page);
  return c.json(commits.slice(0, perPage).map((commit) => commitJson(hub, repository, commit)));
}

function dateOption(c: Ctx, name: 'since' | 'until'): string[] {
  const value = c.req.query(name);
  if (value === undefined) return [];
  if (Number.isNaN(Date.parse(value))) throw new ApiError(422, `Invalid ${name}: ${value}`);
  return [`--${name}=${new Date(value).toISOString()}`];
}

async function compare(hub: Hub, c: Ctx): Promise<Response> {
  const repository = repositoryOf(hub, c, 'contents');
  const basehead = c.req.param('basehead') ?? '';
  const [base, head] = await Promise.all(basehead.split('...').map((name) => sideOf(repository, name)));
  if (!base || !head) throw notFound();
  const common = await mergeBase(repository.dir, base, head);
  if (!common) throw new ApiError(404, `No common ancestor between ${basehead.replace('...', ' and ')}.`);
  const ahead = await countCommits(repository.dir, `${base}..${head}`);
  const behind = await countCommits(repository.dir, `${head}..${base}`);
  const { commits, isFirst } = await comparedCommits(hub, c, repository, `${base}..${head}`, ahead);
  const files = isFirst ? await difference(repository.dir, common, head) : [];
  const page = `${pageUrl(hub, repository)}/compare/${basehead}`;
  return c.json({
    url: `${repositoryUrl(hub, repository)}/compare/${basehead}`,
    html_url: page,
    permalink_url: page,
    diff_url: `${page}.diff`,
    patch_url: `${page}.patch`,
    base_commit: commitJson(hub, repository, await readCommit(repository.dir, base)),
    merge_base_commit: commitJson(hub, repository, await readCommit(repository.dir, common)),
    status: statusOf(ahead, behind),
    ahead_by: ahead,
    behind_by: behind,
    total_commits: ahead,
    commits: commits.map((commit) => commitJson(hub, repository, commit)),
    files: files.map((file) => fileJson(hub, repository, head, file)),
  });
}

/** Oldest first: without pages the newest 250, with pages from the oldest on. */
async function comparedCommits(hub: Hub, c: Ctx, repository: Repository, range: string, ahead: number) {
  if (c.req.query('page') === undefined && c.req.query('per_page') === undefined) {
    return {
      commits: await log(repository.dir, ['--topo-order', '--reverse', '--max-count=250', range]),
      isFirst: true,
    };
  }
  const { page, perPage } = pageOf(c);
  link(hub, c, page, Math.max(1, Math.ceil(ahead / perPage)));
  const all = await log(repository.dir, ['--topo-order', '--reverse', range]);
  return { commits: all.slice((page - 1) * perPage, page * perPage), isFirst: page === 1 };
}

/** `owner:branch` is understood where the owner is this repository's. */
function sideOf(repository: Repository, name: string): Promise<string | undefined> {
  return resolveCommit(repository.dir, name.replace(`${repository.owner.login}:`, ''));
}

function statusOf(ahead: number, behind: number): string {
  if (ahead > 0 && behind > 0) return 'diverged';
  if (ahead > 0) return 'ahead';
  return behind > 0 ? 'behind' : 'identical';
}
