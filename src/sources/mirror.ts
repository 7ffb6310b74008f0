/**
 * A bare mirror. It holds of its remote what was needed so far, under the remote's own names (`refs/heads/*`,
 * `refs/tags/*`, `refs/pull/N/head`), and for each commit that was asked for a `refs/rcb/keep/<sha>`, so that a branch
 * that is force-pushed later does not take a run's sources away. Nothing is configured in a mirror, and git never
 * collects garbage in it on its own: that is `tidy`'s, which looks at `rcb-used/<sha>` for when a commit was last wanted.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError, type FetchFailure, fetchError, fetchFailure } from './failure.ts';
import type { GitResult, RunOptions } from './git.ts';
import { ageOf, isDirectory, removeStaleFiles } from './leftovers.ts';
import { type Fetch, type FetchOptions, failureOf, fetchInto, type Origin } from './origin.ts';
import { isRefName, isSha, parseFetchUrl, shownStderr } from './remote.ts';
import { type CommitFacts, type Remote, SourceError, type WantedCommit } from './sources.ts';

const mirrored = (name: string) => `+refs/${name}:refs/${name}`;
export const TAGS = mirrored('tags/*');
export const BRANCHES = mirrored('heads/*');
export const PULLS = mirrored('pull/*/head');
const EVERYTHING = [BRANCHES, TAGS, PULLS];

/** Commands that stay on this disk. */
const LOCAL_TIMEOUT_MS = 120_000;
/** Below the mirror; files named by commits, whose time of change is when the commit was last wanted. */
export const USED = 'rcb-used';
/** What a process that tidies leaves in the mirror meanwhile; after this time it is a dead one's. */
export const TIDYING = { file: 'rcb-tidying', timeoutMs: 30 * 60_000 };

export class Mirror {
  readonly path: string;
  readonly origin: Origin;
  readonly options: FetchOptions;

  constructor(path: string, origin: Origin, options: FetchOptions) {
    this.path = path;
    this.origin = origin;
    this.options = options;
  }

  exists(): Promise<boolean> {
    return isDirectory(this.path);
  }

  async ensureCommit(wanted: WantedCommit, signal: AbortSignal): Promise<CommitFacts> {
    checkWanted(this.origin, wanted);
    parseFetchUrl(this.origin);
    if (!(await this.holds(wanted.sha, signal))) await this.fetchCommit(wanted, signal);
    const facts = await this.facts(wanted.sha, signal);
    if (!facts) throw new SourceError('bad-tree', `${this.origin.name}: ${wanted.sha} is not a commit, or unreadable`);
    return facts;
  }

  async facts(sha: string, signal: AbortSignal): Promise<CommitFacts | undefined> {
    if (!(await this.isCommit(sha, signal))) return undefined;
    // The whole message instead of %s, which joins the lines of a first paragraph; of a long one the beginning will do.
    const format = '--format=%T%n%ct%n%an%n%B';
    const log = await this.local(['log', '-1', '--no-show-signature', '--no-mailmap', format, sha, '--'], signal);
    if (log.code !== 0) return undefined;
    const [tree = '', time = '', authorName = '', ...message] = log.stdout.toString().split('\n');
    const title = message.find((line) => line.trim() !== '') ?? '';
    const committedAt = new Date(Number(time) * 1000);
    return { sha, tree, committedAt, title: title.trim().slice(0, 500), authorName: authorName.slice(0, 200) };
  }

  /** Whether the commit is here with all that it refers to, and will stay. A killed fetch may leave a part of it. */
  async holds(sha: string, signal: AbortSignal): Promise<boolean> {
    if (await this.isKept(sha, signal)) return true;
    if (!(await this.isCommit(sha, signal))) return false;
    // Git's own test after a fetch: everything from the commit back to what refs already vouch for.
    const connected = await this.local(['rev-list', '--objects', '--quiet', sha, '--not', '--all', '--'], signal);
    if (connected.code !== 0) return false;
    await this.keep(sha, signal);
    return true;
  }

  async isKept(sha: string, signal: AbortSignal): Promise<boolean> {
    if (!(await this.exists())) return false;
    await this.touch(sha); // First of all: who tidies looks at it again after having removed a keep ref.
    return (await this.local(['show-ref', '--verify', '--quiet', keepRef(sha)], signal)).code === 0;
  }

  /** From now on the commit stays, until `tidy` is told that nobody needs it. */
  async keep(sha: string, signal: AbortSignal): Promise<void> {
    await this.touch(sha);
    await this.must(['update-ref', keepRef(sha), sha], signal);
    const age = await ageOf(join(this.path, TIDYING.file));
    if (age === -1 || age > TIDYING.timeoutMs) return;
    // Garbage that was looked for before the ref was there may be removed still: next time all of it is looked at again.
    await this.must(['update-ref', '-d', keepRef(sha)], signal);
    throw new SourceError('unreachable', `The mirror of ${this.origin.name} is being tidied up. It is tried again.`);
  }

  async isCommit(sha: string, signal: AbortSignal): Promise<boolean> {
    if (!isSha(sha) || !(await this.exists())) return false;
    const type = await this.local(['cat-file', '-t', sha], signal);
    return type.code === 0 && type.stdout.toString().trim() === 'commit';
  }

  /** Fetch refs; false when the remote does not have them. Where a tag moved, the commit that it left is kept. */
  async refresh(what: Fetch, signal: AbortSignal): Promise<boolean> {
    await this.prepare(signal);
    const result = await this.fetch(what, signal);
    const failure = failureOf(result);
    if (failure && failure !== 'not-offered') throw this.error(failure, result.stderr);
    return !failure;
  }

  /** The wanted ref first (small), then the bare sha (it was force-pushed away), then everything. */
  private async fetchCommit(wanted: WantedCommit, signal: AbortSignal): Promise<void> {
    await this.prepare(signal, wanted.sha);
    const ways: Fetch[] = [{ refspecs: [wanted.sha] }, { refspecs: EVERYTHING, prune: true, deep: true }];
    if (wanted.ref) ways.unshift({ refspecs: [`+${wanted.ref}:${wanted.ref}`] });
    for (const way of ways) {
      const result = await this.fetch(way, signal);
      if (await this.holds(wanted.sha, signal)) return;
      const failure = failureOf(result) ?? 'not-offered';
      if (failure !== 'not-offered') throw this.error(failure, result.stderr);
    }
    throw this.missing(wanted);
  }

  private async fetch(what: Fetch, signal: AbortSignal): Promise<GitResult> {
    const withTags = what.refspecs.some((refspec) => refspec.includes(':refs/tags/'));
    const before = withTags ? await this.tags(signal) : new Map<string, string>();
    const result = await fetchInto(this.path, this.origin, what, this.options, signal);
    const after = before.size > 0 ? await this.tags(signal) : before;
    for (const [tag, commit] of before) {
      if (after.get(tag) !== commit && (await this.isCommit(commit, signal))) await this.keep(commit, signal);
    }
    return result;
  }

  /** Each tag's commit. */
  private async tags(signal: AbortSignal): Promise<Map<string, string>> {
    const format = '--format=%(refname) %(objectname) %(*objectname)';
    const listed = await this.must(['for-each-ref', format, 'refs/tags'], signal, { maxOutput: 32 * 1024 * 1024 });
    const lines = listed.stdout.toString().split('\n').filter(Boolean);
    return new Map(
      lines.map((line) => {
        const [name = '', object = '', peeled = ''] = line.split(' ');
        return [name, peeled || object];
      }),
    );
  }

  private missing(wanted: WantedCommit): SourceError {
    const where = wanted.ref ? `neither ${wanted.ref} nor any other ref leads to it` : 'no ref leads to it';
    return new SourceError(
      'commit-missing',
      `${this.origin.name} has no commit ${wanted.sha}: ${where}, and the remote does not give it by its sha. ` +
        'It was never pushed there, or was force-pushed away and removed. Push it, or test a commit that is there.',
    );
  }

  /** Make the mirror, or complete one whose making was interrupted. A `sha` tells of which kind it has to be. */
  private async prepare(signal: AbortSignal, sha?: string): Promise<void> {
    parseFetchUrl(this.origin);
    const isThere = await isDirectory(join(this.path, 'refs'));
    await mkdir(this.path, { recursive: true });
    await removeStaleFiles(this.path, this.options.fetchTimeoutMs);
    if (isThere && !sha) return;
    const format = `--object-format=${sha?.length === 64 ? 'sha256' : 'sha1'}`;
    const args = ['init', '--bare', '--quiet', '--template=', format, '--initial-branch=main', '--', this.path];
    const made = await this.options.git.run(args, { signal, timeoutMs: LOCAL_TIMEOUT_MS });
    if (made.code === 0) return;
    if (/different hash|reinitialize/.test(made.stderr)) {
      throw new SourceError('commit-missing', `${this.origin.name} does not use shas as long as ${sha}`);
    }
    throw this.error(fetchFailure(made), made.stderr);
  }

  private async touch(sha: string): Promise<void> {
    try {
      await mkdir(join(this.path, USED), { recursive: true });
      await writeFile(join(this.path, USED, sha), '');
    } catch (cause) {
      throw diskError(`The mirror of ${this.origin.name}`, cause);
    }
  }

  /** A command that stays in the mirror. A non-zero exit code is a result. */
  local(args: string[], signal: AbortSignal, options: Partial<RunOptions> = {}): Promise<GitResult> {
    return this.options.git.run([`--git-dir=${this.path}`, ...args], {
      signal,
      timeoutMs: LOCAL_TIMEOUT_MS,
      ...options,
    });
  }

  /** One that has no reason to fail but a full disk, a lock, or a damaged mirror. */
  async must(args: string[], signal: AbortSignal, options: Partial<RunOptions> = {}): Promise<GitResult> {
    const result = await this.local(args, signal, options);
    if (result.code === 0) return result;
    const failure = fetchFailure(result);
    if (failure !== 'unreachable') throw this.error(failure, result.stderr);
    const words = `The mirror of ${this.origin.name} cannot be used: ${shownStderr(this.origin, result.stderr)}`;
    throw new SourceError('unreachable', `${words}. It is tried again.`);
  }

  error(failure: FetchFailure, stderr: string): SourceError {
    return fetchError(this.origin, failure, stderr);
  }

  /** What reads in the mirror is said of a commit that must have been fetched. */
  async mustHold(sha: string, signal: AbortSignal): Promise<void> {
    if (await this.isCommit(sha, signal)) return;
    const words = `${this.origin.name} at ${sha.slice(0, 64)} cannot be read: it was not fetched, or is no commit`;
    throw new SourceError('commit-missing', words);
  }
}

export const KEEP = 'refs/rcb/keep/';
const keepRef = (sha: string): string => KEEP + sha;

function checkWanted(remote: Remote, wanted: WantedCommit): void {
  const what = !isSha(wanted.sha)
    ? `${JSON.stringify(wanted.sha)} is not the full sha of a ${remote.name} commit`
    : wanted.ref !== undefined && !isRefName(wanted.ref)
      ? `${JSON.stringify(wanted.ref)} cannot be the name of a ref of ${remote.name}`
      : undefined;
  if (what) throw new SourceError('commit-missing', what);
}
