import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { openDiskArchive } from '../archive/disk.ts';
import type { Backend, BuildObservation, JobObservation } from '../backends/backend.ts';
import { openLocalBackend } from '../backends/local/local.ts';
import { systemClock } from '../clock.ts';
import type { LocalBackendConfig } from '../config/config.ts';
import { localSettings } from '../config/local.ts';
import { type Git, openGit } from '../sources/git.ts';
import { packTree } from '../sources/tarball.ts';

/** `rcb run [PATH]`: what a push would test, here and now, without server and database. */
export interface RunHere {
  path: string;
  /** A branch, tag or sha. */
  ref: string;
  /** As of a backend of kind local. */
  settings: Omit<LocalBackendConfig, 'kind' | 'name'>;
  output: Writable;
  say(line: string): void;
  signal: AbortSignal;
  environment: Record<string, string | undefined>;
}

/** The exit status: 0 passed, 1 failed, 2 error or nothing to run, 130 stopped. */
export async function runHere(options: RunHere): Promise<number> {
  const { signal, say } = options;
  const dir = await mkdtemp(join(tmpdir(), 'rcb-run-'));
  try {
    return await runIn(dir, options);
  } catch (error) {
    if (!signal.aborted) say(`rcb: ${error instanceof Error ? error.message : String(error)}`);
    else say('rcb: stopped');
    return signal.aborted ? 130 : 2;
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function runIn(dir: string, options: RunHere): Promise<number> {
  const { settings, signal, say } = options;
  const source = await findCommit(options);
  const archive = await openDiskArchive({ dir: join(dir, 'archive'), secrets: [] });
  const title = `${source.name} at ${source.sha}`;
  const tree = {
    git: source.git,
    gitDir: source.gitDir,
    sha: source.sha,
    title,
    signal,
    committedAt: source.committedAt,
  };
  const packed = await packTree(tree, { topDirectory: `${source.name}-${source.sha.slice(0, 10)}` }, archive);
  const backend = await openLocalBackend({
    name: 'here',
    dir: join(dir, 'local'),
    archive,
    ...localSettings(settings),
    slots: 1,
    clock: systemClock,
  });
  const begun = Date.now();
  const key = `here-${randomBytes(6).toString('hex')}`;
  const { sha256, size } = packed;
  const sources = [{ repository: source.name, changed: true, sha: source.sha, sha256, size }];
  const order = { key, runId: key, repository: source.name, untrusted: false, sources };
  try {
    const { externalId } = await backend.ensureStarted(order, signal);
    const end = await follow(backend, externalId, options);
    const said = verdictOf(end);
    const seconds = ((Date.now() - begun) / 1_000).toFixed(1);
    say(`rcb: ${source.name} ${source.sha.slice(0, 10)} ${said.words} in ${seconds} s`);
    return said.status;
  } finally {
    await backend.close();
  }
}

interface Commit {
  git: Git;
  gitDir: string;
  sha: string;
  committedAt: Date;
  /** The directory's name, as far as it can be a directory's in a build. */
  name: string;
}

/** Straight from the repository, and not from a mirror of it: a shallow clone has no history to give. */
async function findCommit({ path, ref, say, signal, environment }: RunHere): Promise<Commit> {
  const git = openGit('git', environment);
  const top = resolve(path);
  const config = { 'safe.directory': '*' };
  const ask = async (args: string[], failure: string): Promise<string> => {
    const answer = await git.run(['-C', top, ...args], { signal, timeoutMs: 60_000, config });
    if (answer.code !== 0) throw new Error(failure);
    return answer.stdout.toString('utf8').trim();
  };
  const none = `there is no git repository in ${top}`;
  const gitDir = await ask(['rev-parse', '--path-format=absolute', '--git-common-dir'], none);
  const [sha = '', time = ''] = (
    await ask(
      ['log', '-1', '--no-show-signature', '--format=%H %ct', '--end-of-options', ref, '--'],
      `${top} has no commit ${ref}`,
    )
  ).split(' ');
  const isBare = (await ask(['rev-parse', '--is-bare-repository'], none)) === 'true';
  if (!isBare && (await ask(['status', '--porcelain'], none)) !== '') {
    say('rcb: what is committed is tested; the working tree has more than that');
  }
  const own = isBare ? top : await ask(['rev-parse', '--show-toplevel'], none);
  const name =
    basename(own)
      .replace(/\.git$/, '')
      .replace(/[^\w.-]+/g, '-')
      .replace(/^[.-]+/, '') || 'repository';
  return { git, gitDir, sha, committedAt: new Date(Number(time) * 1_000), name };
}

/** Print the log as it comes, until the end; when the signal asks for it, make that soon. */
async function follow(backend: Backend, id: string, options: RunHere): Promise<BuildObservation> {
  const { signal } = options;
  const never = new AbortController().signal;
  const printed = new Map<string, number>();
  let seen: string | undefined;
  for (;;) {
    if (signal.aborted) await backend.ensureCancelled(id, never);
    const observation = await backend.observe(id, { seen, waitMs: 250 }, never);
    if (observation.state === 'lost') return observation;
    for (const job of observation.jobs) await printNews(backend, id, job, printed, options);
    if (observation.state === 'finished') {
      await backend.release(id);
      signal.throwIfAborted();
      return observation;
    }
    seen = observation.digest;
  }
}

async function printNews(
  backend: Backend,
  id: string,
  job: JobObservation,
  printed: Map<string, number>,
  { output, signal }: Pick<RunHere, 'output' | 'signal'>,
): Promise<void> {
  if (job.state === 'queued') return;
  const from = printed.get(job.name) ?? 0;
  const log = await backend.readLog(id, job, from, new AbortController().signal);
  let bytes = from;
  for await (const chunk of log as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Whoever reads us may be slower than the build; when he has gone, the signal ends us.
    if (!output.write(chunk)) await once(output, 'drain', { signal }).catch(() => undefined);
  }
  printed.set(job.name, bytes);
}

function verdictOf(end: BuildObservation): { words: string; status: number } {
  if (end.state === 'lost') return { words: `was lost: ${end.why}`, status: 2 };
  const jobs = end.jobs.map(({ name, verdict, why }) => ({
    verdict,
    words: `${name} ${verdict}${why ? ` (${why})` : ''}`,
  }));
  // Without jobs there is no verdict of a test, whatever the build's own may be.
  if (jobs.length === 0) return { words: `was not tested: ${end.why ?? 'nothing to run'}`, status: 2 };
  const words = jobs.map((job) => job.words).join(', ');
  if (jobs.every(({ verdict }) => verdict === 'passed')) return { words: 'passed', status: 0 };
  const isFailure = jobs.every(({ verdict }) => verdict === 'passed' || verdict === 'failed');
  return { words: `${isFailure ? 'failed' : 'ended without a verdict'}: ${words}`, status: isFailure ? 1 : 2 };
}
