import { toJson } from '../core/event.ts';
import type { Attempt, Build, Change, Check, Job, Run, Source } from '../core/model.ts';
import type { Prisma } from '../generated/prisma/client.ts';

/** Rows ↔ the run aggregate. Rows are flat and keyed by id, so that two aggregates can be compared row by row. */

export const sourcesInclude = { sources: { orderBy: { id: 'asc' } } } satisfies Prisma.RunInclude;

export const jobsInclude = {
  jobs: {
    orderBy: { id: 'asc' },
    include: { attempts: { orderBy: { number: 'asc' }, include: { artifacts: { orderBy: { name: 'asc' } } } } },
  },
} satisfies Prisma.BuildInclude;

export type RunRecord = Prisma.RunGetPayload<{ include: typeof sourcesInclude }> & {
  builds: Prisma.BuildGetPayload<{ include: typeof jobsInclude }>[];
  checks: Prisma.CheckGetPayload<object>[];
};

export interface RunRows {
  run: Prisma.RunUncheckedCreateInput;
  source: Prisma.SourceUncheckedCreateInput[];
  build: Prisma.BuildUncheckedCreateInput[];
  job: Prisma.JobUncheckedCreateInput[];
  attempt: Prisma.AttemptUncheckedCreateInput[];
  artifact: Prisma.ArtifactUncheckedCreateInput[];
  check: Prisma.CheckUncheckedCreateInput[];
}

/** `undefined` leaves a column alone in Prisma; here it means null. */
const orNull = <T>(value: T | undefined): T | null => value ?? null;

export function rowsOf(run: Run): RunRows {
  const jobs = run.builds.flatMap((build) => build.jobs.map((job) => ({ build, job })));
  const attempts = jobs.flatMap(({ job }) => job.attempts.map((attempt) => ({ job, attempt })));
  return {
    run: runRow(run),
    source: run.sources.map((source) => sourceRow(run, source)),
    build: run.builds.map((build) => buildRow(run, build)),
    job: jobs.map(({ build, job }) => jobRow(build, job)),
    attempt: attempts.map(({ job, attempt }) => attemptRow(job, attempt)),
    artifact: attempts.flatMap(({ attempt }) => artifactRows(attempt)),
    check: run.checks.map((check) => checkRow(run, check)),
  };
}

function runRow(run: Run): Prisma.RunUncheckedCreateInput {
  const { change, repository } = run;
  const pull = change.kind === 'pull-request' ? change : undefined;
  return {
    id: run.id,
    repositoryKey: repository.key,
    repository: repository.name,
    installation: orNull(repository.installation),
    subject: run.subject,
    kind: change.kind,
    number: orNull(pull?.number),
    ref: change.ref,
    sha: change.sha,
    title: change.title,
    authorId: orNull(change.author?.id),
    authorLogin: orNull(change.author?.login),
    fork: pull?.fork ?? false,
    baseRef: orNull(pull?.base.ref),
    baseSha: orNull(pull?.base.sha),
    state: run.state,
    verdict: orNull(run.verdict),
    why: orNull(run.why),
    trigger: run.trigger,
    previousId: orNull(run.previousId),
    supersededBySha: orNull(run.supersededBySha),
    ...(run.manifest && { manifest: run.manifest as unknown as Prisma.InputJsonObject }),
    ...(run.flappers && { flappers: toJson(run.flappers) as unknown as Prisma.InputJsonObject }),
    createdAt: run.createdAt,
    finishedAt: orNull(run.finishedAt),
  };
}

const sourceRow = (run: Run, source: Source): Prisma.SourceUncheckedCreateInput => ({
  id: source.id,
  runId: run.id,
  repositoryKey: source.repository.key,
  repository: source.repository.name,
  installation: orNull(source.repository.installation),
  sha: source.sha,
  ref: orNull(source.ref),
  baseSha: orNull(source.baseSha),
  pullRequest: orNull(source.pullRequest),
  mergedSha: orNull(source.merged?.sha),
  tree: orNull(source.merged?.tree),
  version: orNull(source.version),
  changed: source.changed,
  why: source.why,
  archiveSha256: orNull(source.archive?.sha256),
  archiveSize: orNull(source.archive?.size),
  tarSha256: orNull(source.archive?.tarSha256),
});

const buildRow = (run: Run, build: Build): Prisma.BuildUncheckedCreateInput => ({
  id: build.id,
  runId: run.id,
  backend: build.backend,
  state: build.state,
  verdict: orNull(build.verdict),
  why: orNull(build.why),
  externalId: orNull(build.externalId),
  url: orNull(build.url),
  attempt: build.attempt,
  earlierAttempts: build.earlierAttempts,
  createdAt: build.createdAt,
  finishedAt: orNull(build.finishedAt),
});

const jobRow = (build: Build, job: Job): Prisma.JobUncheckedCreateInput => ({
  id: job.id,
  buildId: build.id,
  name: job.name,
  externalName: job.externalName,
  state: job.state,
  verdict: orNull(job.verdict),
  why: orNull(job.why),
  timedOut: job.timedOut ?? false,
  attempt: job.attempt,
});

const attemptRow = (job: Job, attempt: Attempt): Prisma.AttemptUncheckedCreateInput => ({
  id: attempt.id,
  jobId: job.id,
  number: attempt.number,
  state: attempt.state,
  verdict: orNull(attempt.verdict),
  why: orNull(attempt.why),
  timedOut: attempt.timedOut ?? false,
  startedAt: orNull(attempt.startedAt),
  finishedAt: orNull(attempt.finishedAt),
  logBytes: orNull(attempt.log?.bytes),
  logLines: orNull(attempt.log?.lines),
  logSha256: orNull(attempt.log?.sha256),
});

/** An artifact's id is made of what makes it unique, so that saving it twice saves it once. */
const artifactRows = (attempt: Attempt): Prisma.ArtifactUncheckedCreateInput[] =>
  attempt.artifacts.map((artifact) => ({ id: `${attempt.id}/${artifact.name}`, attemptId: attempt.id, ...artifact }));

const checkRow = (run: Run, check: Check): Prisma.CheckUncheckedCreateInput => ({
  id: check.id,
  runId: run.id,
  jobId: orNull(check.jobId),
  name: check.name,
  externalId: orNull(check.externalId),
  reported: orNull(check.reported),
  error: orNull(check.error),
});

/** `null` in a row is an absent property of a value. */
const some = <T>(value: T | null): T | undefined => value ?? undefined;

export function runOf(record: RunRecord): Run {
  return {
    id: record.id,
    repository: { key: record.repositoryKey, name: record.repository, installation: some(record.installation) },
    change: changeOf(record),
    subject: record.subject,
    state: record.state as Run['state'],
    verdict: some(record.verdict) as Run['verdict'],
    why: some(record.why),
    trigger: record.trigger as Run['trigger'],
    previousId: some(record.previousId),
    supersededBySha: some(record.supersededBySha),
    sources: record.sources.map(sourceOf),
    manifest: (record.manifest as unknown as Run['manifest'] | null) ?? undefined,
    flappers: (record.flappers as unknown as Run['flappers'] | null) ?? undefined,
    builds: record.builds.map(buildOf),
    checks: record.checks.map(checkOf),
    createdAt: record.createdAt,
    finishedAt: some(record.finishedAt),
  };
}

function changeOf(record: RunRecord): Change {
  const author =
    record.authorId === null ? undefined : { id: record.authorId, login: record.authorLogin ?? record.authorId };
  const { ref, sha, title } = record;
  if (record.kind === 'commit') return { kind: 'commit', ref, sha, title, author };
  return {
    kind: 'pull-request',
    number: record.number!,
    ref,
    sha,
    title,
    author: author!,
    fork: record.fork,
    base: { ref: record.baseRef!, sha: record.baseSha! },
  };
}

const sourceOf = (row: RunRecord['sources'][number]): Source => ({
  id: row.id,
  repository: { key: row.repositoryKey, name: row.repository, installation: some(row.installation) },
  sha: row.sha,
  ref: some(row.ref),
  baseSha: some(row.baseSha),
  pullRequest: some(row.pullRequest),
  merged: row.mergedSha === null || row.tree === null ? undefined : { sha: row.mergedSha, tree: row.tree },
  version: some(row.version),
  changed: row.changed,
  why: row.why,
  archive:
    row.archiveSha256 === null
      ? undefined
      : { sha256: row.archiveSha256, size: Number(row.archiveSize), tarSha256: row.tarSha256! },
});

const buildOf = (row: RunRecord['builds'][number]): Build => ({
  id: row.id,
  backend: row.backend,
  state: row.state as Build['state'],
  verdict: some(row.verdict) as Build['verdict'],
  why: some(row.why),
  externalId: some(row.externalId),
  url: some(row.url),
  attempt: row.attempt,
  earlierAttempts: row.earlierAttempts,
  jobs: row.jobs.map(jobOf),
  createdAt: row.createdAt,
  finishedAt: some(row.finishedAt),
});

const jobOf = (row: RunRecord['builds'][number]['jobs'][number]): Job => ({
  id: row.id,
  name: row.name,
  externalName: row.externalName,
  state: row.state as Job['state'],
  verdict: some(row.verdict) as Job['verdict'],
  why: some(row.why),
  timedOut: row.timedOut,
  attempt: row.attempt,
  attempts: row.attempts.map(attemptOf),
});

const attemptOf = (row: RunRecord['builds'][number]['jobs'][number]['attempts'][number]): Attempt => ({
  id: row.id,
  number: row.number,
  state: row.state as Attempt['state'],
  verdict: some(row.verdict) as Attempt['verdict'],
  why: some(row.why),
  timedOut: row.timedOut,
  startedAt: some(row.startedAt),
  finishedAt: some(row.finishedAt),
  log:
    row.logBytes === null
      ? undefined
      : { bytes: Number(row.logBytes), lines: row.logLines ?? 0, sha256: some(row.logSha256) },
  artifacts: row.artifacts.map(({ name, size, sha256 }) => ({ name, size: Number(size), sha256 })),
});

const checkOf = (row: RunRecord['checks'][number]): Check => ({
  id: row.id,
  jobId: some(row.jobId),
  name: row.name,
  externalId: some(row.externalId),
  reported: some(row.reported),
  error: some(row.error),
});
