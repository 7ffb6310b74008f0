/** Small real bare repositories, made with `git fast-import`: any path's bytes, any mode, fixed dates, so fixed shas. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is at a path. A string or bytes is a plain file. */
export type FileSpec =
  | string
  | Uint8Array
  | { executable: string }
  | { symlink: string | Buffer }
  | { submodule: string };
/** Paths that are not text are given as pairs. */
export type Files = Record<string, FileSpec> | [path: string | Buffer, file: FileSpec][];

export interface CommitOptions {
  /** Full name. Default `refs/heads/main`. It is made, or moved forward by this commit. */
  ref?: string;
  /** Default: where `ref` is now. `null`: none, so `ref` is force-moved to a commit without history. */
  parent?: string | null;
  message?: string;
  author?: string;
  /** Seconds since 1970. Default: 2026-01-01, the same for every commit. */
  time?: number;
}

export interface GitRepository {
  /** Of the bare repository; also its URL. */
  path: string;
  /** Commit exactly these files, and move the ref to the commit; returns its sha. */
  commit(files: Files, options?: CommitOptions): Promise<string>;
  /** An annotated tag, or a light one when there is no message. */
  tag(name: string, sha: string, message?: string): Promise<void>;
  setRef(ref: string, sha: string): Promise<void>;
  deleteRef(ref: string): Promise<void>;
  /** Any git command in the repository; its stdout without the last newline. Throws with stderr when it fails. */
  git(args: string[], input?: string | Uint8Array): Promise<string>;
  remove(): Promise<void>;
}

const TIME = 1767225600;
const IDENTITY = 'Ada Tester <ada@example.test>';

/** A new repository below a temporary directory, or at `path`. */
export async function createGitRepository(path?: string): Promise<GitRepository> {
  const temporary = path === undefined ? await mkdtemp(join(tmpdir(), 'rcb-repository-')) : undefined;
  const bare = path ?? join(temporary!, 'repository.git');
  await runGit(['init', '--bare', '--quiet', '--template=', '--initial-branch=main', '--', bare]);
  const git = (args: string[], input?: string | Uint8Array) => runGit([`--git-dir=${bare}`, ...args], input);
  return {
    path: bare,
    git,
    commit: async (files, options = {}) => {
      const ref = options.ref ?? 'refs/heads/main';
      const before = await git(['for-each-ref', '--format=%(objectname)', ref]);
      const parent = options.parent === undefined ? before : options.parent;
      await git(['fast-import', '--quiet', '--force'], fastImport(files, ref, parent || undefined, options));
      return git(['rev-parse', ref]);
    },
    tag: async (name, sha, message) => {
      await git(['tag', '--force', ...(message === undefined ? [] : ['-a', '-m', message]), name, sha]);
    },
    setRef: async (ref, sha) => void (await git(['update-ref', ref, sha])),
    deleteRef: async (ref) => void (await git(['update-ref', '-d', ref])),
    remove: () => rm(temporary ?? bare, { recursive: true, force: true }),
  };
}

function fastImport(files: Files, ref: string, parent: string | undefined, options: CommitOptions): Buffer {
  const identity = `${options.author ?? IDENTITY} ${options.time ?? TIME} +0000`;
  const parts: (string | Uint8Array)[] = [`reset ${ref}\n\ncommit ${ref}\nauthor ${identity}\ncommitter ${identity}\n`];
  parts.push(...bytes(options.message ?? 'A commit'), ...(parent ? [`from ${parent}\n`] : []), 'deleteall\n');
  for (const [path, file] of Array.isArray(files) ? files : Object.entries(files)) {
    const { mode, content, id } = entryOf(file);
    parts.push(`M ${mode} ${id ?? 'inline'} ${quoted(path)}\n`, ...(content === undefined ? [] : bytes(content)));
  }
  return Buffer.concat([...parts, '\n'].map((part) => Buffer.from(part as string)));
}

function entryOf(file: FileSpec): { mode: string; content?: string | Uint8Array; id?: string } {
  if (typeof file === 'string' || file instanceof Uint8Array) return { mode: '100644', content: file };
  if ('executable' in file) return { mode: '100755', content: file.executable };
  if ('symlink' in file) return { mode: '120000', content: file.symlink };
  return { mode: '160000', id: file.submodule };
}

function bytes(content: string | Uint8Array): (string | Uint8Array)[] {
  return [`data ${Buffer.byteLength(content)}\n`, content, '\n'];
}

/** As a C string, so that newlines and malformed UTF-8 go through. */
function quoted(path: string | Buffer): string {
  return `"${[...Buffer.from(path as string)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`;
}

/** Never synchronous: a server in the same process may have to answer this git. */
export function runGit(args: string[], input: string | Uint8Array = '', cwd = '/'): Promise<string> {
  const identity = { GIT_COMMITTER_NAME: 'Ada Tester', GIT_COMMITTER_EMAIL: 'ada@example.test' };
  const clean = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' };
  const dates = { GIT_COMMITTER_DATE: `${TIME} +0000`, GIT_AUTHOR_DATE: `${TIME} +0000` };
  const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...identity, ...clean, ...dates };
  const child = spawn('git', args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {}); // Its exit code and stderr tell why it did not read on.
  child.stdin.end(input);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.once('error', reject);
  child.once('close', (code) => {
    if (code === 0) resolve(Buffer.concat(output).toString().replace(/\n$/, ''));
    else reject(new Error(`git ${args.join(' ')} failed with ${code}: ${Buffer.concat(errors)}`));
  });
  return promise;
}
