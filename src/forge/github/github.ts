import type { CheckContent } from '../../core/check.ts';
import type { BranchSnapshot, PullRequestSnapshot } from '../../core/event.ts';
import type { RepositoryRef } from '../../core/model.ts';
import type { Remote } from '../../sources/sources.ts';
import { type BranchList, type Forge, ForgeError } from '../forge.ts';
import { toForgeError } from './errors.ts';
import { githubKey } from './hooks.ts';
import { branchAnswer, branchPage, checkList, pullAnswer, repositoryAnswer } from './schema.ts';

/** The part of Octokit that we use; Probot gives one per installation. */
export interface Octokit {
  request(route: string, parameters?: Record<string, unknown>): Promise<OctokitAnswer>;
  auth(options: { type: 'installation' }): Promise<unknown>;
}

export interface OctokitAnswer {
  data: unknown;
  status: number;
  headers: Record<string, string | number | undefined>;
}

export interface GitHubOptions {
  /** As the installation; without one, anonymously. */
  octokit(installationId: string | undefined): Promise<Octokit>;
  appId: string;
  /** `https://github.com`, or the GHES's */
  htmlUrl: string;
  now(): Date;
  timeoutMs?: number;
  /** Told how many requests an installation has left in its hour; undefined: anonymously. */
  onBudget?(installation: string | undefined, remaining: number): void;
}

/** GitHub, and GitHub Enterprise Server, through Probot's Octokit. */
export function openGitHub(options: GitHubOptions): Forge {
  const timeoutMs = options.timeoutMs ?? 30_000;

  /** One request; the answer's data, or undefined on 404 and 410. */
  async function ask(
    repository: RepositoryRef,
    route: string,
    parameters: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      const octokit = await options.octokit(foreignId(repository.installation));
      const request = { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) };
      const { data, headers } = await octokit.request(route, { ...parameters, request });
      const remaining = Number(headers['x-ratelimit-remaining'] ?? Number.NaN);
      if (Number.isFinite(remaining)) options.onBudget?.(foreignId(repository.installation), remaining);
      return data;
    } catch (error) {
      const translated = toForgeError(error, `${route} of ${repository.name}`, options.now());
      if (translated.kind === 'gone') return undefined;
      throw translated;
    }
  }

  async function readRepository(repository: RepositoryRef, signal: AbortSignal) {
    const data = await ask(repository, 'GET /repositories/{id}', { id: foreignId(repository.key) }, signal);
    return data === undefined ? undefined : parsed(repositoryAnswer.safeParse(data), repository.name);
  }

  async function readBranch(
    repository: RepositoryRef,
    ref: string,
    signal: AbortSignal,
  ): Promise<BranchSnapshot | undefined> {
    const facts = await readRepository(repository, signal);
    if (!facts) return undefined;
    const branch = ref.replace(/^refs\/heads\//, '');
    const [owner, repo] = facts.full_name.split('/');
    const route = 'GET /repos/{owner}/{repo}/branches/{branch}';
    const data = await ask(repository, route, { owner, repo, branch }, signal);
    const head = data === undefined ? undefined : parsed(branchAnswer.safeParse(data), `${facts.full_name} ${branch}`);
    return {
      ref,
      sha: head?.commit.sha ?? null,
      title: firstLine(head?.commit.commit.message),
      author: head?.commit.author ?? undefined,
      repositoryName: facts.full_name,
      defaultBranch: facts.default_branch,
      private: facts.private,
    };
  }

  async function listBranches(repository: RepositoryRef, signal: AbortSignal): Promise<BranchList | undefined> {
    const facts = await readRepository(repository, signal);
    if (!facts) return undefined;
    const [owner, repo] = facts.full_name.split('/');
    const branches: BranchList['branches'] = [];
    for (let page = 1; page <= MOST_BRANCH_PAGES; page += 1) {
      const route = 'GET /repos/{owner}/{repo}/branches';
      const data = await ask(repository, route, { owner, repo, per_page: 100, page }, signal);
      if (data === undefined) return undefined;
      const listed = parsed(branchPage.safeParse(data), `the branches of ${facts.full_name}`);
      for (const { name, commit } of listed) branches.push({ ref: `refs/heads/${name}`, sha: commit.sha });
      if (listed.length < 100) return { defaultBranch: facts.default_branch, branches };
    }
    throw new ForgeError('refused', `${facts.full_name} has more than ${MOST_BRANCH_PAGES * 100} branches`);
  }

  async function readPullRequest(
    repository: RepositoryRef,
    number: number,
    signal: AbortSignal,
  ): Promise<PullRequestSnapshot | undefined> {
    // By id and not by name: after a rename somebody else's repository may have the name.
    const facts = await readRepository(repository, signal);
    if (!facts) return undefined;
    const [owner, repo] = facts.full_name.split('/');
    const route = 'GET /repos/{owner}/{repo}/pulls/{pull_number}';
    const data = await ask(repository, route, { owner, repo, pull_number: number }, signal);
    if (data === undefined) return undefined;
    const pull = parsed(pullAnswer.safeParse(data), `${facts.full_name}#${number}`);
    const head = {
      ref: pull.head.ref,
      sha: pull.head.sha,
      repositoryKey: pull.head.repo ? githubKey(pull.head.repo.id) : null,
    };
    const author = pull.user ?? { id: '0', login: 'ghost' };
    const isFork = head.repositoryKey !== repository.key;
    return {
      number,
      title: pull.title,
      state: pull.merged ? 'merged' : pull.state,
      draft: pull.draft,
      head,
      base: { ref: pull.base.ref, sha: pull.base.sha },
      author,
      standing: isFork ? await readStanding(repository, facts.full_name, author.login, signal) : undefined,
      repositoryKey: repository.key,
      repositoryName: facts.full_name,
      defaultBranch: facts.default_branch,
      private: facts.private,
    };
  }

  /** Who nobody knows has no standing: 404 and 403 are "no". */
  async function readStanding(repository: RepositoryRef, name: string, login: string, signal: AbortSignal) {
    const [owner, repo] = name.split('/');
    const permission = (await ask(
      repository,
      'GET /repos/{owner}/{repo}/collaborators/{username}/permission',
      { owner, repo, username: login },
      signal,
    )) as { permission?: string } | undefined;
    const canWrite = permission?.permission === 'admin' || permission?.permission === 'write';
    if (canWrite) return { canWrite, hasMerged: false };
    const q = `repo:${name} is:pr is:merged author:${login}`;
    const merged = (await ask(repository, 'GET /search/issues', { q, per_page: 1, advanced_search: 'true' }, signal)) as
      | { total_count?: number }
      | undefined;
    return { canWrite, hasMerged: (merged?.total_count ?? 0) > 0 };
  }

  async function remote(repository: RepositoryRef): Promise<Remote> {
    const url = `${options.htmlUrl}/${repository.name}.git`;
    const base = { key: repository.key, name: repository.name, url };
    if (!repository.installation) return base;
    try {
      const octokit = await options.octokit(foreignId(repository.installation));
      const { token } = (await octokit.auth({ type: 'installation' })) as { token: string };
      return { ...base, authorization: `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}` };
    } catch (error) {
      throw toForgeError(error, `Logging in to fetch ${repository.name}`, options.now());
    }
  }

  async function ensureCheck(
    repository: RepositoryRef,
    content: CheckContent,
    known: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const [owner, repo] = repository.name.split('/');
    const body = checkBody(content);
    const existing = known ?? (await findCheck(repository, content, signal));
    const answer =
      existing === undefined
        ? await ask(repository, 'POST /repos/{owner}/{repo}/check-runs', { owner, repo, ...body }, signal)
        : await ask(
            repository,
            'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}',
            { owner, repo, check_run_id: existing, ...body, head_sha: undefined },
            signal,
          );
    const id = (answer as { id?: number } | undefined)?.id;
    if (id === undefined) {
      throw new ForgeError('gone', `The check "${content.name}" of ${repository.name} cannot be written: it is gone`);
    }
    return String(id);
  }

  /** Was it created before a crash? `external_id` tells. */
  async function findCheck(
    repository: RepositoryRef,
    content: CheckContent,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const [owner, repo] = repository.name.split('/');
    for (let page = 1; page <= 10; page += 1) {
      const data = await ask(
        repository,
        'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
        {
          owner,
          repo,
          ref: content.headSha,
          check_name: content.name,
          filter: 'all',
          app_id: Number(options.appId),
          per_page: 100,
          page,
        },
        signal,
      );
      if (data === undefined) return undefined;
      const { check_runs: runs } = parsed(checkList.safeParse(data), `the checks of ${content.headSha}`);
      const found = runs.find((run) => run.external_id === content.externalId);
      if (found) return found.id;
      if (runs.length < 100) return undefined;
    }
    return undefined;
  }

  return { name: 'github', readBranch, listBranches, readPullRequest, remote, ensureCheck };
}

const MOST_BRANCH_PAGES = 100;

function checkBody(content: CheckContent): Record<string, unknown> {
  const { title, summary, text } = content;
  return {
    name: content.name,
    head_sha: content.headSha,
    external_id: content.externalId,
    details_url: content.detailsUrl,
    status: content.status,
    started_at: content.startedAt?.toISOString(),
    // GitHub sets `completed` by itself when it is given a conclusion.
    ...(content.status === 'completed'
      ? { conclusion: content.conclusion, completed_at: content.completedAt?.toISOString() }
      : {}),
    output: { title, summary, ...(text === undefined ? {} : { text }) },
  };
}

/** `github:123` → `123` */
const foreignId = <T extends string | undefined>(key: T): T => key?.replace(/^github:/, '') as T;

const firstLine = (message: string | undefined): string => (message ?? '').split('\n')[0]!.slice(0, 500);

function parsed<T>(result: { success: true; data: T } | { success: false; error: Error }, what: string): T {
  if (result.success) return result.data;
  throw new ForgeError('unparsable', `GitHub's answer about ${what} is not as published: ${result.error.message}`);
}
