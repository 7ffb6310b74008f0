import { spawn } from 'node:child_process';

/** git on bare repositories, always asynchronously: a synchronous call would deadlock with a git client of this process. */

export const NO_SHA = '0'.repeat(40);

export interface GitResult {
  code: number;
  stdout: Buffer;
  text: string;
}

export interface GitOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  /** Exit codes that are answers, not faults; default only 0. */
  accept?: number[];
}

export class GitError extends Error {
  override name = 'GitError';
}

/** The machine's own git configuration must not change what the stand-in does. */
export function gitEnvironment(): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    LC_ALL: 'C.UTF-8',
  };
}

export function git(dir: string, args: string[], options: GitOptions = {}): Promise<GitResult> {
  const child = spawn('git', ['-c', 'core.quotePath=false', ...args], {
    cwd: dir,
    env: { ...gitEnvironment(), ...options.env },
  });
  const out: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
  child.stdin.on('error', () => undefined); // git may end before it has read everything; its exit code tells.
  child.stdin.end(options.input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === null || !(options.accept ?? [0]).includes(code)) {
        return reject(new GitError(`git ${args.join(' ')} in ${dir} ended with ${code}: ${Buffer.concat(complaints)}`));
      }
      const stdout = Buffer.concat(out);
      resolve({ code, stdout, text: stdout.toString('utf8').trimEnd() });
    });
  });
}

export async function createBare(dir: string, defaultBranch: string): Promise<void> {
  await git('.', ['init', '--quiet', '--bare', `--initial-branch=${defaultBranch}`, dir]);
  await configure(dir);
}

/** The fork shares no objects with its origin, so that either may be deleted. */
export async function createFork(dir: string, origin: string): Promise<void> {
  await git('.', ['clone', '--quiet', '--bare', '--no-local', origin, dir]);
  await configure(dir);
}

async function configure(dir: string): Promise<void> {
  const settings = ['http.receivepack=true', 'uploadpack.allowAnySHA1InWant=true', 'uploadpack.allowFilter=true'];
  settings.push('receive.hideRefs=refs/pull', 'gc.auto=0');
  for (const setting of settings) {
    const [key, value] = setting.split('=') as [string, string];
    await git(dir, ['config', key, value]);
  }
}

/** sha of a commit named by sha, branch, tag, or full or half ref; undefined when there is none. */
export async function resolveCommit(dir: string, name: string): Promise<string | undefined> {
  // Not what git would understand as an option, a range or a search; a line each is what cat-file reads.
  if (!/^[^-\x00-\x20\x7f~^:?*[\\][^\x00-\x20\x7f~^:?*[\\]*$/.test(name) || /\.\.|@\{/.test(name)) return undefined;
  const input = candidatesFor(name).map((candidate) => `${candidate}^{commit}\n`);
  const found = (await git(dir, ['cat-file', '--batch-check=%(objecttype) %(objectname)'], { input: input.join('') }))
    .text;
  return /^commit ([0-9a-f]{40})$/m.exec(found)?.[1];
}

function candidatesFor(name: string): string[] {
  if (name === 'HEAD' || name.startsWith('refs/')) return [name];
  const sha = /^[0-9a-f]{7,40}$/.test(name) ? [name] : [];
  return [...(name.length === 40 ? sha : []), `refs/heads/${name}`, `refs/tags/${name}`, `refs/${name}`, ...sha];
}

/** All refs under a prefix with the objects that they point to. */
export async function refs(dir: string, prefix = 'refs'): Promise<Map<string, string>> {
  const listed = await git(dir, ['for-each-ref', '--format=%(refname) %(objectname)', prefix]);
  const lines = listed.text.split('\n').filter(Boolean);
  return new Map(lines.map((line) => line.split(' ') as [string, string]));
}

export async function updateRef(dir: string, ref: string, sha: string): Promise<void> {
  await git(dir, sha === NO_SHA ? ['update-ref', '-d', ref] : ['update-ref', ref, sha]);
}

export async function isAncestor(dir: string, ancestor: string, descendant: string): Promise<boolean> {
  const asked = await git(dir, ['merge-base', '--is-ancestor', ancestor, descendant], { accept: [0, 1, 128] });
  return asked.code === 0;
}

export async function mergeBase(dir: string, a: string, b: string): Promise<string | undefined> {
  const found = await git(dir, ['merge-base', a, b], { accept: [0, 1] });
  return found.code === 0 ? found.text : undefined;
}

export interface Identity {
  name: string;
  email: string;
}

export type FileValue =
  | string
  | Buffer
  | { content: string | Buffer; mode?: '100644' | '100755' | '120000' | '160000' };

export interface NewCommit {
  ref: string;
  parent?: string;
  files?: Record<string, FileValue>;
  delete?: string[];
  message: string;
  author: Identity;
  at: Date;
}

/** Commit onto a bare repository and let the ref point there, in one process; returns the sha. */
export async function writeCommit(dir: string, commit: NewCommit): Promise<string> {
  const parts: (string | Buffer)[] = [];
  const who = `${commit.author.name} <${commit.author.email}> ${Math.floor(commit.at.getTime() / 1000)} +0000`;
  parts.push(`commit ${commit.ref}\nmark :1\nauthor ${who}\ncommitter ${who}\n`, ...data(Buffer.from(commit.message)));
  if (commit.parent) parts.push(`from ${commit.parent}\n`);
  for (const path of commit.delete ?? []) parts.push(`D ${quoted(path)}\n`);
  for (const [path, value] of Object.entries(commit.files ?? {})) parts.push(...fileChange(path, value));
  parts.push('\nget-mark :1\ndone\n');
  const input = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return (await git(dir, ['fast-import', '--quiet', '--done', '--force'], { input })).text;
}

function fileChange(path: string, value: FileValue): (string | Buffer)[] {
  const plain = typeof value === 'string' || Buffer.isBuffer(value);
  const content = Buffer.from(plain ? value : value.content);
  const mode = plain ? '100644' : (value.mode ?? '100644');
  if (mode === '160000') return [`M 160000 ${content.toString()} ${quoted(path)}\n`];
  return [`M ${mode} inline ${quoted(path)}\n`, ...data(content)];
}

function data(content: Buffer): (string | Buffer)[] {
  return [`data ${content.length}\n`, content, '\n'];
}

function quoted(path: string): string {
  return `"${path.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}

/** Merge two commits without a work tree; undefined when they conflict (or have no common history). */
export async function mergeTree(dir: string, ours: string, theirs: string): Promise<string | undefined> {
  const merged = await git(dir, ['merge-tree', '--write-tree', ours, theirs], { accept: [0, 1, 128] });
  return merged.code === 0 ? merged.text.split('\n')[0] : undefined;
}

export interface TreeCommit {
  tree: string;
  parents: string[];
  message: string;
  author: Identity;
  committer?: Identity;
  at: Date;
}

export async function commitTree(dir: string, commit: TreeCommit): Promise<string> {
  const committer = commit.committer ?? commit.author;
  const date = `@${Math.floor(commit.at.getTime() / 1000)} +0000`;
  const env = {
    GIT_AUTHOR_NAME: commit.author.name,
    GIT_AUTHOR_EMAIL: commit.author.email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: committer.name,
    GIT_COMMITTER_EMAIL: committer.email,
    GIT_COMMITTER_DATE: date,
  };
  const parents = commit.parents.flatMap((parent) => ['-p', parent]);
  return (await git(dir, ['commit-tree', commit.tree, ...parents], { input: commit.message, env })).text;
}

/** Replay base..head on top of base in a throw-away work tree; undefined when a commit does not apply. */
export async function rebased(
  dir: string,
  scratch: string,
  base: string,
  head: string,
  committer: Identity,
): Promise<string | undefined> {
  await git(dir, ['worktree', 'add', '--quiet', '--detach', scratch, base]);
  try {
    const env = { GIT_COMMITTER_NAME: committer.name, GIT_COMMITTER_EMAIL: committer.email };
    const range = `${base}..${head}`;
    const picked = await git(scratch, ['cherry-pick', '--allow-empty', range], { env, accept: [0, 1] });
    return picked.code === 0 ? (await git(scratch, ['rev-parse', 'HEAD'])).text : undefined;
  } finally {
    await git(dir, ['worktree', 'remove', '--force', scratch]);
  }
}
