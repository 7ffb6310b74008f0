/**
 * Bare mirrors. A mirror holds of its remote what was needed so far, under the remote's own names (`refs/heads/*`,
 * `refs/tags/*`, `refs/pull/N/head`), and for each commit that was asked for a `refs/rcb/keep/<sha>`, so that a branch
 * that is force-pushed later does not take a run's sources away. Nothing is configured in a mirror, and git never
 * collects garbage in it on its own.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FetchFailure, fetchError, fetchFailure } from './failure.ts';
import { type Git, type GitResult, GitTimeout } from './git.ts';
import { type FetchUrl, isRefName, isSha, mirrorDirectory, parseFetchUrl, shownStderr } from './remote.ts';
import { type CommitFacts, type Remote, SourceError, type WantedCommit } from './sources.ts';

export interface Mirrors {
  ensureCommit(remote: Remote, wanted: WantedCommit, signal: AbortSignal): Promise<CommitFacts>;
  /** Facts of a commit that the mirror holds; undefined when it does not. Never asks the remote. */
  commitFacts(remote: Remote, sha: string, signal: AbortSignal): Promise<CommitFacts | undefined>;
  /** The mirror's git directory, there or not. */
  pathOf(remote: Remote): string;
}

export interface MirrorOptions {
  dir: string;
  git: Git;
  fetchTimeoutMs: number;
  /** A git configuration file that trusts any directory. For remotes on this disk that belong to another user. */
  trustingConfig: string;
}

const EVERYTHING = ['heads/*', 'tags/*', 'pull/*/head'].map((name) => `+refs/${name}:refs/${name}`);
/** Commands that stay on this disk. */
const LOCAL_TIMEOUT_MS = 120_000;

/** Faults that old, harmless tools left in many repositories' histories; GitHub accepts them as well. */
const TOLERATED = ['missingSpaceBeforeDate', 'zeroPaddedDate', 'badTimezone', 'missingEmail', 'missingNameBeforeEmail'];

export function openMirrors(options: MirrorOptions): Mirrors {
  const lanes = new Map<string, Promise<unknown>>();
  const mirrorOf = (remote: Remote) => new Mirror(join(options.dir, mirrorDirectory(remote.key)), remote, options);
  return {
    pathOf: (remote) => mirrorOf(remote).path,
    commitFacts: async (remote, sha, signal) => {
      return isSha(sha) && (await isDirectory(mirrorOf(remote).path)) ? mirrorOf(remote).facts(sha, signal) : undefined;
    },
    ensureCommit: async (remote, wanted, signal) => {
      signal.throwIfAborted();
      checkWanted(remote, wanted);
      const mirror = mirrorOf(remote);
      return inLane(lanes, mirror.path, signal, () => mirror.ensureCommit(wanted, signal));
    },
  };
}

function checkWanted(remote: Remote, wanted: WantedCommit): void {
  if (!isSha(wanted.sha)) {
    throw new SourceError(
      'commit-missing',
      `${JSON.stringify(wanted.sha)} is not the full sha of a ${remote.name} commit`,
    );
  }
  if (wanted.ref !== undefined && !isRefName(wanted.ref)) {
    throw new SourceError(
      'commit-missing',
      `${JSON.stringify(wanted.ref)} cannot be the name of a ref of ${remote.name}`,
    );
  }
}

/** One after the other per mirror. A waiter that is aborted leaves at once. */
async function inLane<T>(
  lanes: Map<string, Promise<unknown>>,
  key: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const before = lanes.get(key) ?? Promise.resolve();
  const mine = before.then(() => {
    signal.throwIfAborted();
    return work();
  });
  const settled = mine.then(
    () => {},
    () => {},
  );
  lanes.set(key, settled);
  settled.then(() => {
    if (lanes.get(key) === settled) lanes.delete(key);
  });
  return untilAborted(mine, signal);
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}

class Mirror {
  readonly path: string;
  private readonly remote: Remote;
  private readonly options: MirrorOptions;

  constructor(path: string, remote: Remote, options: MirrorOptions) {
    this.path = path;
    this.remote = remote;
    this.options = options;
  }

  async ensureCommit(wanted: WantedCommit, signal: AbortSignal): Promise<CommitFacts> {
    const fetchUrl = parseFetchUrl(this.remote);
    if (!(await this.holds(wanted.sha, signal))) await this.fetchCommit(fetchUrl, wanted, signal);
    const facts = await this.facts(wanted.sha, signal);
    if (!facts) throw new SourceError('bad-tree', `${this.remote.name}: ${wanted.sha} is not a commit, or unreadable`);
    return facts;
  }

  async facts(sha: string, signal: AbortSignal): Promise<CommitFacts | undefined> {
    const type = await this.local(['cat-file', '-t', sha], signal);
    if (type.code !== 0 || type.stdout.toString().trim() !== 'commit') return undefined;
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
  private async holds(sha: string, signal: AbortSignal): Promise<boolean> {
    if (!(await isDirectory(this.path))) return false;
    const keep = `refs/rcb/keep/${sha}`;
    if ((await this.local(['show-ref', '--verify', '--quiet', keep], signal)).code === 0) return true;
    const type = await this.local(['cat-file', '-t', sha], signal);
    if (type.code !== 0 || type.stdout.toString().trim() !== 'commit') return false;
    // Git's own test after a fetch: everything from the commit back to what refs already vouch for.
    const connected = await this.local(['rev-list', '--objects', '--quiet', sha, '--not', '--all', '--'], signal);
    if (connected.code !== 0) return false;
    const kept = await this.local(['update-ref', keep, sha], signal);
    if (kept.code !== 0) throw this.error(fetchFailure(kept), kept.stderr);
    return true;
  }

  /** The wanted ref first (small), then the bare sha (it was force-pushed away), then everything. */
  private async fetchCommit(from: FetchUrl, wanted: WantedCommit, signal: AbortSignal): Promise<void> {
    await this.prepare(wanted.sha, signal);
    const ways = [[wanted.sha], EVERYTHING];
    if (wanted.ref) ways.unshift([`+${wanted.ref}:${wanted.ref}`]);
    for (const refspecs of ways) {
      const result = await this.fetch(from, refspecs, signal);
      if (await this.holds(wanted.sha, signal)) return;
      const failure = result.code === 0 ? 'not-offered' : fetchFailure(result);
      if (failure !== 'not-offered') throw this.error(failure, result.stderr);
    }
    throw this.missing(wanted);
  }

  private missing(wanted: WantedCommit): SourceError {
    const where = wanted.ref ? `neither ${wanted.ref} nor any other ref leads to it` : 'no ref leads to it';
    return new SourceError(
      'commit-missing',
      `${this.remote.name} has no commit ${wanted.sha}: ${where}, and the remote does not give it by its sha. ` +
        'It was never pushed there, or was force-pushed away and removed. Push it, or test a commit that is there.',
    );
  }

  /** Fetch, and once more when there was a cause that could be removed: a lock of a dead git, or a renamed repository. */
  private async fetch(from: FetchUrl, refspecs: string[], signal: AbortSignal): Promise<GitResult> {
    const first = await this.fetchOnce(from, refspecs, signal);
    const failure = first.code === 0 ? undefined : fetchFailure(first);
    if (failure === 'locked' && (await removeStaleFiles(this.path, this.options.fetchTimeoutMs)) > 0) {
      return this.fetchOnce(from, refspecs, signal);
    }
    if (failure !== 'redirected') return first;
    const url = await redirectOnSameHost(from, this.remote, AbortSignal.any([signal, AbortSignal.timeout(30_000)]));
    return url ? this.fetchOnce({ ...from, url }, refspecs, signal) : first;
  }

  private async fetchOnce(from: FetchUrl, refspecs: string[], signal: AbortSignal): Promise<GitResult> {
    const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--recurse-submodules=no'];
    // A branch `a` that is gone would be in the way of a branch `a/b`.
    if (refspecs === EVERYTHING) flags.push('--prune');
    const args = ['fetch', ...flags, '--', from.url, ...refspecs];
    try {
      return await this.options.git.run([`--git-dir=${this.path}`, ...args], {
        signal,
        timeoutMs: this.options.fetchTimeoutMs,
        config: this.fetchConfig(from),
        environment: this.fetchEnvironment(from),
      });
    } catch (error) {
      if (error instanceof GitTimeout) throw this.error('unreachable', error.message, error);
      throw error;
    }
  }

  private fetchConfig(from: FetchUrl): Record<string, string> {
    const config: Record<string, string> = {
      'transfer.fsckObjects': 'true',
      'fetch.fsckObjects': 'true',
      'fetch.unpackLimit': '1', // A pack appears whole or not at all; loose objects come one by one.
      'http.followRedirects': 'false', // It would carry the authorization to whatever host is named.
      'http.lowSpeedLimit': '1000',
      'http.lowSpeedTime': '60',
    };
    for (const message of TOLERATED) config[`fetch.fsck.${message}`] = 'ignore';
    if (from.protocol !== 'file' && this.remote.authorization !== undefined) {
      config['http.extraHeader'] = `Authorization: ${this.remote.authorization}`;
    }
    return config;
  }

  private fetchEnvironment(from: FetchUrl): Record<string, string> {
    const environment: Record<string, string> = { GIT_ALLOW_PROTOCOL: from.protocol };
    // `git upload-pack` is a second git on this disk, which gets no other configuration of ours.
    if (from.protocol === 'file') environment['GIT_CONFIG_GLOBAL'] = this.options.trustingConfig;
    return environment;
  }

  /** Make the mirror, or complete one whose making was interrupted. */
  private async prepare(sha: string, signal: AbortSignal): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await removeStaleFiles(this.path, this.options.fetchTimeoutMs);
    const format = `--object-format=${sha.length === 64 ? 'sha256' : 'sha1'}`;
    const args = ['init', '--bare', '--quiet', '--template=', format, '--initial-branch=main', '--', this.path];
    const made = await this.options.git.run(args, { signal, timeoutMs: LOCAL_TIMEOUT_MS });
    if (made.code === 0) return;
    if (/different hash|reinitialize/.test(made.stderr)) {
      throw new SourceError('commit-missing', `${this.remote.name} does not use shas as long as ${sha}`);
    }
    throw this.error(fetchFailure(made), made.stderr);
  }

  private local(args: string[], signal: AbortSignal): Promise<GitResult> {
    return this.options.git.run([`--git-dir=${this.path}`, ...args], { signal, timeoutMs: LOCAL_TIMEOUT_MS });
  }

  private error(failure: FetchFailure, stderr: string, cause?: unknown): SourceError {
    const error = fetchError(this.remote, failure, stderr);
    return cause === undefined ? error : new SourceError(error.kind, error.message, { cause });
  }
}

/** Where a renamed repository went, when that is on the same host (as on GitHub); undefined when it is not. */
async function redirectOnSameHost(from: FetchUrl, remote: Remote, signal: AbortSignal): Promise<string | undefined> {
  const path = '/info/refs?service=git-upload-pack';
  let url = new URL(from.url.replace(/\/$/, '') + path);
  const headers = remote.authorization === undefined ? {} : { authorization: remote.authorization };
  for (let hops = 0; hops < 4; hops += 1) {
    const answer = await fetch(url, { headers, redirect: 'manual', signal }).catch((cause: Error) => {
      signal.throwIfAborted();
      const words = shownStderr(remote, cause.message);
      throw new SourceError('unreachable', `${remote.name} cannot be fetched: ${words}. It is tried again.`, { cause });
    });
    await answer.body?.cancel();
    const location = answer.headers.get('location');
    if (answer.status < 300 || answer.status > 399 || !location) break;
    const next = URL.parse(location, url.href);
    if (next?.origin !== url.origin || next.username || next.password) return undefined;
    url = next;
  }
  return url.href.endsWith(path) ? url.href.slice(0, -path.length) : undefined;
}

/**
 * Remove what a killed git left behind: lock files, and packs it was writing. What is younger than a fetch may take
 * could belong to a live one. Returns how many were removed.
 */
async function removeStaleFiles(mirror: string, olderThanMs: number): Promise<number> {
  const names = [...(await filesBelow(mirror, '', false)), ...(await filesBelow(mirror, 'refs', true))];
  names.push(...(await filesBelow(mirror, 'objects/pack', false)));
  let removed = 0;
  for (const name of names.filter((name) => /\.lock$|^objects\/pack\/tmp_/.test(name))) {
    const file = await stat(join(mirror, name)).catch(ignoreMissing);
    if (!file || Date.now() - file.mtimeMs < olderThanMs) continue;
    await rm(join(mirror, name), { force: true });
    removed += 1;
  }
  return removed;
}

async function filesBelow(mirror: string, folder: string, recursive: boolean): Promise<string[]> {
  const names = await readdir(join(mirror, folder), { recursive }).catch(ignoreMissing);
  return (names ?? []).map((name) => join(folder, name));
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(ignoreMissing))?.isDirectory() ?? false;
}
