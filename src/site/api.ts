import { archivePath, jobLogPath, sourceFileName } from './links.ts';
import type { BuildRow, FactRow, JobRow, RunDetails, SourceRow } from './reader.ts';

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
  builds: ApiBuild[];
  previous?: string;
  createdAt: string;
  finishedAt?: string;
}

export interface ApiSource {
  repository: string;
  sha: string;
  base?: string;
  ref?: string;
  why: string;
  archive?: { url: string; sha256: string; size: number };
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
  artifacts: { name: string; url: string; size: number; sha256: string }[];
}

export interface ApiFact {
  key: string;
  kind: string;
  subject: string;
  occurredAt?: string;
  hookAt?: string;
  pollAt?: string;
  state: string;
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
    builds: run.builds.map((build) => apiBuild(run.id, build, publicUrl)),
    previous: run.previousId,
    createdAt: run.createdAt.toISOString(),
    finishedAt: run.finishedAt?.toISOString(),
  };
}

function apiSource({ repository, sha, base, ref, why, archive }: SourceRow, publicUrl: string): ApiSource {
  const link = archive && {
    url: publicUrl + archivePath(archive.sha256, sourceFileName(repository, sha)),
    sha256: archive.sha256,
    size: archive.size,
  };
  return { repository, sha, base, ref, why, archive: link };
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
  const hasLog = newest !== undefined && (newest.log !== undefined || newest.state === 'running');
  return {
    name: job.name,
    state: job.state,
    verdict: job.verdict ?? null,
    attempt: job.attempt,
    logUrl: hasLog ? publicUrl + jobLogPath(runId, job.id) : undefined,
    artifacts: (newest?.artifacts ?? []).map(({ name, size, sha256 }) => ({
      name,
      url: publicUrl + archivePath(sha256, name),
      size,
      sha256,
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
    state: fact.state,
  };
}
