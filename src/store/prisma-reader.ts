import type { Clock } from '../clock.ts';
import type { Progress, RunManifest, RunState, RunVerdict, Trigger, Verdict } from '../core/model.ts';
import type { RunFlappers } from '../core/run-flappers.ts';
import { EVERYTHING, hiddenKeys, type Sight } from '../core/sight.ts';
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import type {
  AttemptRow,
  BuildRow,
  JobRow,
  LinkedRun,
  Listed,
  Page,
  Reader,
  Readers,
  RunDetails,
  RunFilter,
  RunRow,
  SourceRow,
} from '../site/reader.ts';
import type { StackRun } from '../site/reader-runs.ts';
import { listFacts, readFact, readFactTotals } from './prisma-ledger.ts';
import { readCounts, readMeasures, readPolls, readWaiting } from './prisma-measures.ts';
import { artifactBySha256, sourceByArchive } from './prisma-reader-archive.ts';
import {
  listDefaultBranchRunIds,
  listFailureIds,
  listNewestVerdictIds,
  readBranchState,
} from './prisma-reader-branches.ts';
import { readPressing } from './prisma-reader-buttons.ts';
import { listEffects } from './prisma-reader-effects.ts';
import { readFailures } from './prisma-reader-failures.ts';
import { listFlappers, listRecord, readTestFile, recentFlaps } from './prisma-reader-flappers.ts';
import { readListed } from './prisma-reader-listed.ts';
import { failedTests, findGreen, greenJob } from './prisma-reader-log.ts';
import { runPageReader } from './prisma-reader-run.ts';
import { countJobsOf, listBackendNames, listChanges, listRunIds, readLastChange } from './prisma-reader-runs.ts';
import { serviceReader } from './prisma-reader-service.ts';
import { readTimeline } from './prisma-reader-timeline.ts';
import { listMergeWishes } from './prisma-reader-wishes.ts';
import { listPrivate } from './private-rows.ts';
import { isSeen, seenAmong } from './sight-sql.ts';

/**
 * What the site reads, from the database. Lists are paged by key, and a page costs a fixed number of queries, however
 * many rows it has. What hangs below a run is bounded: a run with more jobs than that is not readable anyway.
 */
export function createPrismaReader(prisma: PrismaClient, clock: Clock, sight: Sight = EVERYTHING): Reader {
  return {
    ...runPageReader(prisma, sight),
    ...serviceReader(prisma, sight, clock),
    listRuns: (filter, page) => listRuns(prisma, sight, filter, page),
    listRunDetails: (filter, page) => listRunDetails(prisma, sight, filter, page),
    run: (id) => readRun(prisma, sight, id),
    maySee: (runId) => isSeen(prisma, sight, runId),
    runsOfSubject: (subject, limit) => runsOfSubject(prisma, sight, subject, limit),
    timeline: (run, limit) => readTimeline(prisma, run, limit),
    pressing: (runId, most) => readPressing(prisma, sight, runId, most),
    mergeWishes: (subject, limit) => listMergeWishes(prisma, subject, limit),
    job: (runId, jobId) => readJob(prisma, sight, runId, jobId),
    lastGreen: async (runId, jobName) => {
      const found = await findGreen(prisma, sight, runId, jobName);
      return found && greenJob(await readJob(prisma, sight, found.runId, found.jobId));
    },
    failedTests: (attemptId) => failedTests(prisma, attemptId),
    sourceByArchive: (sha256) => sourceByArchive(prisma, sight, sha256),
    artifactBySha256: (sha256) => artifactBySha256(prisma, sight, sha256),
    listFacts: (filter, page) => listFacts(prisma, sight, filter, page),
    fact: (key) => readFact(prisma, sight, key),
    listEffects: (state, limit) => listEffects(prisma, sight, state, limit),
    repositories: () => listRepositories(prisma, sight),
    installations: () =>
      prisma.installation.findMany({ orderBy: { account: 'asc' }, take: LISTED, select: INSTALLATION }),
    counts: () => readCounts(prisma, clock.now()),
    factTotals: (since) => readFactTotals(prisma, since),
    waiting: () => readWaiting(prisma, clock.now()),
    polls: () => readPolls(prisma, sight),
    measures: () => readMeasures(prisma, sight, clock.now()),
    backendNames: () => listBackendNames(prisma),
    lastChange: () => readLastChange(prisma),
    changesSince: (since, limit) => listChanges(prisma, sight, since, limit),
    runRows: (ids) => runRows(prisma, sight, ids),
    defaultBranchRuns: (repositories, page) => listStackRuns(prisma, sight, repositories, page),
    newestVerdicts: async (repositories) =>
      runRows(prisma, sight, await listNewestVerdictIds(prisma, sight, repositories)),
    branchState: (repository, branch) => readBranchState(prisma, sight, repository, branch),
    failures: async (repository, limit) =>
      runRows(prisma, sight, await listFailureIds(prisma, sight, repository, limit)),
    listFlappers: (filter, page) => listFlappers(prisma, sight, filter, page),
    testFile: (name, since, failures) => readTestFile(prisma, sight, name, since, failures),
    recentFlaps: (since, limit) => recentFlaps(prisma, sight, since, limit),
    listRecord: (names, lately) => listRecord(prisma, sight, names, lately),
    listedFlappers: (where) => readListed(prisma, sight, where),
    failuresOf: (run) => readFailures(prisma, sight, run),
  };
}

export const createPrismaReaders = (prisma: PrismaClient, clock: Clock): Readers => ({
  privates: () => listPrivate(prisma),
  seenBy: (sight) => createPrismaReader(prisma, clock, sight),
});

const LISTED = 500;
const INSTALLATION = { key: true, account: true, state: true, served: true } as const;

const ATTEMPTS = {
  orderBy: { number: 'desc' },
  take: 20,
  include: { artifacts: { orderBy: { name: 'asc' }, take: 500 } },
} satisfies Prisma.Job$attemptsArgs;

const BELOW_RUN = {
  sources: { orderBy: [{ changed: 'desc' }, { id: 'asc' }], take: 100 },
  builds: {
    orderBy: { id: 'asc' },
    take: 50,
    include: { jobs: { orderBy: { name: 'asc' }, take: 2000, include: { attempts: ATTEMPTS } } },
  },
  checks: { orderBy: { name: 'asc' }, take: 2000 },
} satisfies Prisma.RunInclude;

type StoredRun = Prisma.RunGetPayload<object>;
type StoredDetails = Prisma.RunGetPayload<{ include: typeof BELOW_RUN }>;
type StoredBuild = StoredDetails['builds'][number];
type StoredJob = StoredBuild['jobs'][number];
type StoredAttempt = StoredJob['attempts'][number];

const maybe = <T>(value: T | null): T | undefined => value ?? undefined;

async function listRuns(prisma: PrismaClient, sight: Sight, filter: RunFilter, page: Page): Promise<Listed<RunRow>> {
  const { ids, next } = await pageOfRuns(prisma, sight, filter, page);
  return { rows: await runRows(prisma, sight, ids), next };
}

async function listRunDetails(
  prisma: PrismaClient,
  sight: Sight,
  filter: RunFilter,
  page: Page,
): Promise<Listed<RunDetails>> {
  const { ids, next } = await pageOfRuns(prisma, sight, filter, page);
  const found = await prisma.run.findMany({ where: { id: { in: ids } }, orderBy: NEWEST_FIRST, include: BELOW_RUN });
  return { rows: found.map(runDetails), next };
}

const pageOfRuns = async (prisma: PrismaClient, sight: Sight, filter: RunFilter, { before, limit }: Page) =>
  pageOf(await listRunIds(prisma, sight, filter, { before, limit: limit + 1 }), limit);

/** One row more than asked tells whether there is a next page. */
function pageOf(found: string[], limit: number): { ids: string[]; next?: string } {
  const ids = found.slice(0, limit);
  return { ids, next: found.length > limit ? ids.at(-1) : undefined };
}

const NEWEST_FIRST = { id: 'desc' } as const;

async function listStackRuns(
  prisma: PrismaClient,
  sight: Sight,
  repositories: readonly string[],
  page: Page,
): Promise<Listed<StackRun>> {
  const { ids, next } = pageOf(
    await listDefaultBranchRunIds(prisma, sight, repositories, { ...page, limit: page.limit + 1 }),
    page.limit,
  );
  const rows = await runRows(prisma, sight, ids);
  const sources = await prisma.source.findMany({
    where: { runId: { in: ids } },
    orderBy: { id: 'asc' },
    select: TESTED,
  });
  const ofRun = Map.groupBy(sources, ({ runId }) => runId);
  const told = (runId: string) =>
    (ofRun.get(runId) ?? []).map(({ runId: _, version, ...source }) => ({ ...source, version: maybe(version) }));
  return { rows: rows.map((row) => ({ ...row, sources: told(row.id) })), next };
}

const TESTED = { id: true, runId: true, repository: true, sha: true, version: true, changed: true, why: true } as const;

async function runRows(prisma: PrismaClient, sight: Sight, asked: string[]): Promise<RunRow[]> {
  const ids = [...(await seenAmong(prisma, sight, asked))];
  return withJobCounts(prisma, await prisma.run.findMany({ where: { id: { in: ids } }, orderBy: NEWEST_FIRST }));
}

async function runsOfSubject(prisma: PrismaClient, sight: Sight, subject: string, limit: number): Promise<RunRow[]> {
  const newest = await prisma.run.findMany({
    where: { subject },
    orderBy: NEWEST_FIRST,
    take: limit,
    select: { id: true },
  });
  return runRows(
    prisma,
    sight,
    newest.map(({ id }) => id),
  );
}

/** One query for the whole page: its jobs, counted by verdict, or by state while there is none. */
async function withJobCounts(prisma: PrismaClient, runs: StoredRun[]): Promise<RunRow[]> {
  const counts = await countJobsOf(
    prisma,
    runs.map(({ id }) => id),
  );
  return runs.map((run) => runRow(run, counts.get(run.id) ?? {}));
}

function runRow(run: StoredRun, jobs: Record<string, number>): RunRow {
  return {
    id: run.id,
    repository: run.repository,
    kind: run.kind as RunRow['kind'],
    number: maybe(run.number),
    ref: run.ref,
    sha: run.sha,
    title: run.title,
    author: maybe(run.authorLogin),
    fork: run.fork,
    subject: run.subject,
    state: run.state as RunState,
    verdict: maybe(run.verdict) as RunVerdict | undefined,
    why: maybe(run.why),
    trigger: run.trigger as Trigger,
    previousId: maybe(run.previousId),
    supersededBySha: maybe(run.supersededBySha),
    createdAt: run.createdAt,
    finishedAt: maybe(run.finishedAt),
    jobs,
  };
}

async function readRun(prisma: PrismaClient, sight: Sight, id: string): Promise<RunDetails | undefined> {
  if (!(await isSeen(prisma, sight, id))) return undefined;
  const run = await prisma.run.findUnique({ where: { id }, include: BELOW_RUN });
  if (!run) return undefined;
  // A re-test is of the same subject, and that is indexed; `previous_id` alone is not.
  const isLinked = [{ subject: run.subject, previousId: id }, ...(run.previousId ? [{ id: run.previousId }] : [])];
  const links = await prisma.run.findMany({ where: { OR: isLinked }, orderBy: { id: 'asc' }, take: 20, select: LINK });
  const seen = await seenAmong(
    prisma,
    sight,
    links.map((each) => each.id),
  );
  const linked = links.filter((each) => seen.has(each.id));
  const previous = linked.find((each) => each.id === run.previousId);
  const next = linked.find((each) => each.previousId === id);
  return { ...runDetails(run), previous: previous && linkedRun(previous), next: next && linkedRun(next) };
}

const LINK = { id: true, previousId: true, state: true, verdict: true, trigger: true, createdAt: true } as const;

const linkedRun = (run: Prisma.RunGetPayload<{ select: typeof LINK }>): LinkedRun => ({
  id: run.id,
  state: run.state as RunState,
  verdict: maybe(run.verdict) as RunVerdict | undefined,
  trigger: run.trigger as Trigger,
  createdAt: run.createdAt,
});

function runDetails(run: StoredDetails): RunDetails {
  const builds = run.builds.map(buildRow);
  return {
    ...runRow(run, countJobs(builds)),
    base: run.baseRef && run.baseSha ? { ref: run.baseRef, sha: run.baseSha } : undefined,
    sources: run.sources.map(sourceRow),
    builds,
    // The run's own check first, as the whole comes before its parts.
    checks: run.checks
      .toSorted((one, other) => Number(one.jobId !== null) - Number(other.jobId !== null))
      .map((check) => ({
        id: check.id,
        name: check.name,
        jobId: maybe(check.jobId),
        externalId: maybe(check.externalId),
        error: maybe(check.error),
      })),
    manifest: maybe(run.manifest) as RunManifest | undefined,
    flappers: maybe(run.flappers) as RunFlappers | undefined,
  };
}

function countJobs(builds: BuildRow[]): Record<string, number> {
  const words = builds.flatMap((build) => build.jobs.map((job) => job.verdict ?? job.state));
  return Object.fromEntries(
    Map.groupBy(words, (word) => word)
      .entries()
      .map(([word, same]) => [word, same.length]),
  );
}

function sourceRow(source: StoredDetails['sources'][number]): SourceRow {
  const { archiveSha256, archiveSize, tarSha256, archiveRemovedAt, mergedSha, tree } = source;
  return {
    id: source.id,
    repository: source.repository,
    sha: source.sha,
    ref: maybe(source.ref),
    base: maybe(source.baseSha),
    pullRequest: maybe(source.pullRequest),
    merged: mergedSha !== null && tree !== null ? { sha: mergedSha, tree } : undefined,
    version: maybe(source.version),
    changed: source.changed,
    why: source.why,
    archive:
      archiveSha256 && archiveSize !== null && tarSha256
        ? { sha256: archiveSha256, size: Number(archiveSize), tarSha256, ...removed(archiveRemovedAt) }
        : undefined,
  };
}

/** Absent where it is still there. */
const removed = (at: Date | null): { removedAt?: Date } => (at ? { removedAt: at } : {});

function buildRow(build: StoredBuild): BuildRow {
  return {
    id: build.id,
    backend: build.backend,
    state: build.state as Progress,
    verdict: maybe(build.verdict) as Verdict | undefined,
    why: maybe(build.why),
    url: maybe(build.url),
    attempt: build.attempt,
    createdAt: build.createdAt,
    finishedAt: maybe(build.finishedAt),
    jobs: build.jobs.map(jobRow),
  };
}

function jobRow(job: StoredJob): JobRow {
  return {
    id: job.id,
    name: job.name,
    state: job.state as Progress,
    verdict: maybe(job.verdict) as Verdict | undefined,
    why: maybe(job.why),
    timedOut: job.timedOut,
    attempt: job.attempt,
    attempts: job.attempts.map(attemptRow),
  };
}

function attemptRow(attempt: StoredAttempt): AttemptRow {
  const { logBytes, logLines, logSha256 } = attempt;
  return {
    id: attempt.id,
    number: attempt.number,
    state: attempt.state as Progress,
    verdict: maybe(attempt.verdict) as Verdict | undefined,
    why: maybe(attempt.why),
    startedAt: maybe(attempt.startedAt),
    finishedAt: maybe(attempt.finishedAt),
    log: logBytes === null ? undefined : { bytes: Number(logBytes), lines: logLines ?? 0, sha256: maybe(logSha256) },
    logRemovedAt: maybe(attempt.logRemovedAt),
    artifacts: attempt.artifacts.map(({ name, size, sha256, removedAt }) => ({
      ...{ name, size: Number(size), sha256 },
      ...removed(removedAt),
    })),
  };
}

async function readJob(
  prisma: PrismaClient,
  sight: Sight,
  runId: string,
  jobId: string,
): Promise<{ run: RunRow; job: JobRow } | undefined> {
  if (!(await isSeen(prisma, sight, runId))) return undefined;
  const found = await prisma.job.findFirst({
    where: { id: jobId, build: { runId } },
    include: { attempts: ATTEMPTS, build: { include: { run: true } } },
  });
  return found ? { run: runRow(found.build.run, {}), job: jobRow(found) } : undefined;
}

async function listRepositories(prisma: PrismaClient, sight: Sight) {
  const where = { key: { notIn: hiddenKeys(sight) } };
  const rows = await prisma.repository.findMany({ where, orderBy: { name: 'asc' }, take: LISTED });
  return rows.map(({ key, name, defaultBranch, state, why }) => ({
    key,
    name,
    defaultBranch: maybe(defaultBranch),
    state,
    why: maybe(why),
  }));
}
