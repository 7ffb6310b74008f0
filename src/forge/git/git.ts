import type { BranchSnapshot } from '../../core/event.ts';
import type { RepositoryRef } from '../../core/model.ts';
import { isBranchRef, isSha } from '../../core/ref.ts';
import type { Remote } from '../../sources/sources.ts';
import { type BranchList, type Commit, type Forge, ForgeError } from '../forge.ts';
import { gitDirectoryOf, type PlainRepository } from './repositories.ts';

/** How git is run: to its end, in a clean environment, stopped by the signal and after `timeoutMs`. */
export interface GitProgram {
  run(
    args: string[],
    options: { signal: AbortSignal; timeoutMs: number; maxOutput?: number; config?: Record<string, string> },
  ): Promise<{ code: number; stdout: Buffer; stderr: string }>;
}

export interface PlainGitOptions {
  repositories: PlainRepository[];
  git: GitProgram;
  timeoutMs?: number;
}

/** A hundred thousand branches with long names. */
const MOST_OUTPUT = 32 * 1024 * 1024;

/** Plain git repositories on this disk: branches only. There are no pull requests, and no checks to write. */
export function openPlainGit({ repositories, git, timeoutMs = 30_000 }: PlainGitOptions): Forge {
  const paths = new Map(repositories.map(({ key, path }) => [key, path]));
  const directoryOf = async ({ key }: RepositoryRef) => {
    const path = paths.get(key);
    return path === undefined ? undefined : gitDirectoryOf(path);
  };

  /** Git's answer, `undefined` when there is no repository; `mayFail`: exit codes that are answers, too. */
  async function ask(repository: RepositoryRef, args: string[], signal: AbortSignal, mayFail: number[] = []) {
    const directory = await directoryOf(repository);
    if (directory === undefined) return undefined;
    // Its files may belong to another user; we only read, and nothing that it configures is run by what we ask.
    const options = { signal, timeoutMs, maxOutput: MOST_OUTPUT, config: { 'safe.directory': '*' } };
    const answer = await git.run([`--git-dir=${directory}`, ...args], options).catch((cause: Error) => {
      signal.throwIfAborted();
      throw new ForgeError('unreachable', `${repository.name} in ${directory}: ${cause.message}`, { cause });
    });
    if (answer.code === 0 || mayFail.includes(answer.code)) return answer.stdout.toString('utf8');
    if ((await directoryOf(repository)) === undefined) return undefined;
    const said = answer.stderr
      .replace(/[\0-\x1f\x7f]+/g, ' ')
      .trim()
      .slice(-300);
    const kind = /permission denied/i.test(said) ? 'denied' : 'unreachable';
    throw new ForgeError(kind, `${repository.name} in ${directory} cannot be read: git said "${said}"`);
  }

  const emptyList = async (repository: RepositoryRef): Promise<[] | undefined> =>
    (await directoryOf(repository)) === undefined ? undefined : [];

  /** '' when HEAD names no branch. */
  async function defaultBranch(repository: RepositoryRef, signal: AbortSignal): Promise<string | undefined> {
    const ref = (await ask(repository, ['symbolic-ref', '--quiet', 'HEAD'], signal, [1]))?.trim();
    return ref === undefined ? undefined : isBranchRef(ref) ? ref.slice('refs/heads/'.length) : '';
  }

  async function heads(repository: RepositoryRef, pattern: string, signal: AbortSignal) {
    const format = '--format=%(objectname) %(refname) %(contents:subject)';
    const text = await ask(repository, ['for-each-ref', format, '--', pattern], signal);
    return text?.split('\n').flatMap((line) => {
      const [, sha, ref, title] = /^(\S+) (\S+) ?(.*)$/.exec(line) ?? [];
      return sha && ref && isSha(sha) && isBranchRef(ref) ? [{ ref, sha, title: (title ?? '').slice(0, 500) }] : [];
    });
  }

  async function readBranch(
    repository: RepositoryRef,
    ref: string,
    signal: AbortSignal,
  ): Promise<BranchSnapshot | undefined> {
    const branch = await defaultBranch(repository, signal);
    // The pattern also finds what is below it: `refs/heads/a` finds `refs/heads/a/b`, where there is no `a`.
    const found = isBranchRef(ref) ? await heads(repository, ref, signal) : [];
    if (branch === undefined || !found) return undefined;
    const head = found.find((each) => each.ref === ref);
    return {
      ref,
      sha: head?.sha ?? null,
      title: head?.title ?? '',
      repositoryName: repository.name,
      defaultBranch: branch,
      private: false,
    };
  }

  async function listBranches(repository: RepositoryRef, signal: AbortSignal): Promise<BranchList | undefined> {
    const branch = await defaultBranch(repository, signal);
    const branches = await heads(repository, 'refs/heads/', signal);
    if (branch === undefined || !branches) return undefined;
    return { defaultBranch: branch, branches: branches.map(({ ref, sha }) => ({ ref, sha })) };
  }

  async function isCommit(repository: RepositoryRef, sha: string, signal: AbortSignal): Promise<boolean> {
    const args = ['rev-parse', '--quiet', '--verify', `${sha}^{commit}`];
    return isSha(sha) && Boolean(await ask(repository, args, signal, [1]));
  }

  async function listCommits(
    repository: RepositoryRef,
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<Commit[] | undefined> {
    for (const sha of [from, to]) {
      if (!(await isCommit(repository, sha, signal))) return undefined;
    }
    const newest = ['--topo-order', '--reverse', '--max-count=100', '--format=%H %s'];
    const text = await ask(repository, ['log', ...newest, `${from}..${to}`, '--'], signal);
    return text?.split('\n').flatMap((line) => {
      const [, sha, title] = /^(\S+) ?(.*)$/.exec(line) ?? [];
      return sha && isSha(sha) ? [{ sha, title: (title ?? '').slice(0, 500) }] : [];
    });
  }

  async function treeOf(repository: RepositoryRef, sha: string, signal: AbortSignal): Promise<string | undefined> {
    if (!isSha(sha)) return undefined;
    const said = (await ask(repository, ['rev-parse', '--quiet', '--verify', `${sha}^{tree}`], signal, [1]))?.trim();
    return said && isSha(said) ? said : undefined;
  }

  async function remote(repository: RepositoryRef): Promise<Remote> {
    const url = await directoryOf(repository);
    if (url === undefined) throw new ForgeError('gone', `${repository.name}: there is no git repository at its path`);
    return { key: repository.key, name: repository.name, url };
  }

  return {
    name: 'git',
    readBranch,
    listBranches,
    readPullRequest: async () => undefined,
    findRepository: async (name) => {
      const named = repositories.find((each) => each.name === name);
      return named && (await gitDirectoryOf(named.path)) ? { key: named.key, name } : undefined;
    },
    // Who speaks to us through a repository on our disk owns that disk.
    permissionOf: async (repository) => ((await directoryOf(repository)) === undefined ? 'none' : 'admin'),
    listPullRequests: async (repository) => emptyList(repository),
    listComments: async (repository) => emptyList(repository),
    listCommits,
    // Nothing is written into a plain repository that could tell.
    hasVerdict: async () => false,
    remote,
    ensureCheck: async (repository, content) => {
      const why = 'a plain git repository has no checks';
      throw new ForgeError('refused', `The check "${content.name}" of ${repository.name} cannot be written: ${why}`);
    },
    readComment: async () => undefined,
    readDescription: async () => undefined,
    ensureReaction: async () => false,
    ensureComment: async (repository, number) => {
      throw gone(`The comment on ${repository.name}#${number}`);
    },
    readMergeState: async () => undefined,
    ensureMerged: async (repository, number) => {
      throw gone(`The merge of ${repository.name}#${number}`);
    },
    enableAutoMerge: async () => ({ kind: 'refused', why: noPulls }),
    ensureQueued: async () => ({ kind: 'refused', why: noPulls }),
    ensureNotQueued: async () => undefined,
    treeOf,
  };
}

const noPulls = 'a plain git repository has no pull requests';

const gone = (what: string): ForgeError => new ForgeError('gone', `${what} cannot be written: ${noPulls}`);
