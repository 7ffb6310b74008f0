import { type FlapperNote, flapperNotes } from '../core/flapper-notes.ts';
import { archivePath, jobLogPath, sourceFileName } from './links.ts';
import type { BuildRow, FactRow, FactTotals, JobRow, Lag, RunDetails, SourceRow } from './reader.ts';

/** The JSON surface, v1: fields are only added. Times are ISO 8601 UTC, sizes bytes, URLs absolute. */
export interface ApiRun {
  id: string;
  repository: string;
  change: { kind: 'pull-request' | 'commit'; number?: number; ref: string; sha: string };
  state: string;
  verdict: string | null;
  why?: string;
  trigger: string;
  sources: ApiSource[];
  /** What the archives of repositories hold beside their own tree: "into" whose archive, and where. */
  trees: ApiTree[];
  /** Pull requests that it is tested together with. */
  partners: ApiPartner[];
  /** In words: ambiguities, pull requests that are not used, pins that do not count. */
  notes: string[];
  /** Of a pin that could not be followed: what its file says. */
  pinText?: string;
  /** How jobs failed where flappers are known. Absent: nothing of the kind. */
  flappers?: ApiFlappers;
  builds: ApiBuild[];
  previous?: string;
  createdAt: string;
  finishedAt?: string;
}

/** `rerun`: the files for which jobs ran again. Of each attempt what was made of it, and why, in words. */
export interface ApiFlappers {
  rerun?: { files: string[] };
  notes: FlapperNote[];
}

export interface ApiSource {
  repository: string;
  sha: string;
  base?: string;
  ref?: string;
  /** The pull request whose head it is. */
  pullRequest?: number;
  /** The head merged with `base`: what is packed, and is in no repository. Absent: `sha` is. */
  merged?: { sha: string; tree: string };
  /** What `git describe` says, where the archive carries it. */
  version?: string;
  why: string;
  /** `removedAt`: by retention; what is at its address says so. */
  archive?: { url: string; sha256: string; size: number; removedAt?: string };
}

export interface ApiTree {
  into: string;
  path: string;
  repository: string;
  sha: string;
  ref?: string;
  why: string;
}

/** `ref`: the short name of its head branch. `author`: a login. */
export interface ApiPartner {
  repository: string;
  number: number;
  ref: string;
  sha: string;
  fork: boolean;
  author: string;
}

export interface ApiBuild {
  backend: string;
  state: string;
  url?: string;
  jobs: ApiJob[];
}

/** `logUrl` is the plain text of the newest attempt; artifacts are of the newest attempt too. */
export interface ApiJob {
  name: string;
  state: string;
  verdict: string | null;
  attempt: number;
  logUrl?: string;
  artifacts: { name: string; url: string; size: number; sha256: string; removedAt?: string }[];
}

export interface ApiFact {
  key: string;
  kind: string;
  subject: string;
  occurredAt?: string;
  hookAt?: string;
  pollAt?: string;
  /** Seconds from the fact to the first telling of it. */
  lag?: number;
  state: string;
}

/** Facts first told in a period. `hook`, `poll` (repaired), `both`: told by that alone, or by both. `noted`: hooks from
 *  which nothing follows, in none of the others. Lags in seconds, over `facts` facts whose time is known. */
export interface ApiTotals {
  over: string;
  since: string;
  hook: number;
  poll: number;
  both: number;
  noted: number;
  lag: { hook?: Lag; poll?: Lag };
  /** Only the newest so many facts were counted. */
  cutAt?: number;
}

/** Absent fields are `undefined`, which JSON leaves out. `publicUrl` without a slash at its end. */
export function apiRun(run: RunDetails, publicUrl: string): ApiRun {
  return {
    id: run.id,
    repository: run.repository,
    change: { kind: run.kind, number: run.number, ref: run.ref, sha: run.sha },
    state: run.state,
    verdict: run.verdict ?? null,
    why: run.why,
    trigger: run.trigger,
    sources: run.sources.map((source) => apiSource(source, publicUrl)),
    ...apiManifest(run),
    flappers: run.flappers && {
      rerun: run.flappers.rerun && { files: run.flappers.rerun.files },
      notes: flapperNotes(run),
    },
    builds: run.builds.map((build) => apiBuild(run.id, build, publicUrl)),
    previous: run.previousId,
    createdAt: run.createdAt.toISOString(),
    finishedAt: run.finishedAt?.toISOString(),
  };
}

function apiManifest({ manifest }: RunDetails): Pick<ApiRun, 'trees' | 'partners' | 'notes' | 'pinText'> {
  const { trees = [], partners = [], notes = [], pinText } = manifest ?? {};
  return {
    trees: trees.map(({ into, path, repository, sha, ref, why }) => ({ into, path, repository, sha, ref, why })),
    partners: partners.map(({ author, repository, number, ref, sha, fork }) => ({
      ...{ repository, number, ref, sha, fork },
      author: author.login,
    })),
    notes,
    pinText,
  };
}

function apiSource({ archive, ...source }: SourceRow, publicUrl: string): ApiSource {
  const { repository, sha, base, ref, pullRequest, merged, version, why } = source;
  const link = archive && {
    url: publicUrl + archivePath(archive.sha256, sourceFileName(repository, sha)),
    sha256: archive.sha256,
    size: archive.size,
    removedAt: archive.removedAt?.toISOString(),
  };
  return { repository, sha, base, ref, pullRequest, merged, version, why, archive: link };
}

function apiBuild(runId: string, build: BuildRow, publicUrl: string): ApiBuild {
  return {
    backend: build.backend,
    state: build.state,
    url: build.url,
    jobs: build.jobs.map((job) => apiJob(runId, job, publicUrl)),
  };
}

function apiJob(runId: string, job: JobRow, publicUrl: string): ApiJob {
  const newest = job.attempts[0];
  const hasLog = newest?.log ? !newest.logRemovedAt : newest?.state === 'running';
  return {
    name: job.name,
    state: job.state,
    verdict: job.verdict ?? null,
    attempt: job.attempt,
    logUrl: hasLog ? publicUrl + jobLogPath(runId, job.id) : undefined,
    artifacts: (newest?.artifacts ?? []).map(({ name, size, sha256, removedAt }) => ({
      name,
      url: publicUrl + archivePath(sha256, name),
      size,
      sha256,
      removedAt: removedAt?.toISOString(),
    })),
  };
}

export function apiFact(fact: FactRow): ApiFact {
  return {
    key: fact.key,
    kind: fact.kind,
    subject: fact.subject,
    occurredAt: fact.occurredAt?.toISOString(),
    hookAt: fact.hookAt?.toISOString(),
    pollAt: fact.pollAt?.toISOString(),
    lag: lagSeconds(fact),
    state: fact.state,
  };
}

/** A telling that is dated before its fact was at once: clocks differ, and GitHub's times are whole seconds. */
export function lagSeconds({ occurredAt, hookAt, pollAt }: FactRow): number | undefined {
  const told = [hookAt, pollAt].flatMap((at) => (at ? [at.getTime()] : []));
  return occurredAt && told.length > 0 ? Math.max(0, Math.min(...told) - occurredAt.getTime()) / 1000 : undefined;
}

export function apiTotals(over: string, since: Date, totals: FactTotals): ApiTotals {
  const { hookOnly, pollOnly, both, noted, lagByHook, lagByPollOnly, cutAt } = totals;
  const lag = { hook: lagByHook, poll: lagByPollOnly };
  return { over, since: since.toISOString(), hook: hookOnly, poll: pollOnly, both, noted, lag, cutAt };
}
