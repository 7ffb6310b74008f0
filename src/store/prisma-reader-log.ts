import { branchSubject } from '../core/event.ts';
import type { MarkedLine } from '../core/log-line.ts';
import type { Sight } from '../core/sight.ts';
import type { OtherFailure, TestFile } from '../core/testlog.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { JobRow, RunRow } from '../site/reader.ts';
import type { GreenJob } from '../site/reader-log.ts';
import { seenAmong } from './sight-sql.ts';

/** Of how many runs of each source a job that passed is looked for: who compares with older ones compares with history. */
const LOOKED_AT = 100;

/**
 * The job of this name in the newest run before this one in which it passed. The runs are found by the index of their
 * subjects, and the jobs by that of their builds: there is none of names, and a name alone is in each run.
 */
export async function findGreen(
  prisma: PrismaClient,
  sight: Sight,
  runId: string,
  jobName: string,
): Promise<{ runId: string; jobId: string } | undefined> {
  const run = await prisma.run.findUnique({
    where: { id: runId },
    select: { id: true, subject: true, repositoryKey: true, baseRef: true },
  });
  if (!run) return undefined;
  const subjects = [run.subject, ...(run.baseRef ? [branchSubject(run.repositoryKey, fullRef(run.baseRef))] : [])];
  const before = await Promise.all(
    subjects.map((subject) =>
      prisma.run.findMany({
        where: { subject, id: { lt: run.id } },
        orderBy: { id: 'desc' },
        take: LOOKED_AT,
        select: { id: true },
      }),
    ),
  );
  const jobs = await prisma.job.findMany({
    where: { name: jobName, verdict: 'passed', build: { runId: { in: before.flat().map(({ id }) => id) } } },
    select: { id: true, build: { select: { runId: true } } },
  });
  const seen = await seenAmong(
    prisma,
    sight,
    jobs.map(({ build }) => build.runId),
  );
  const green = jobs.filter(({ build }) => seen.has(build.runId));
  const newest = green.toSorted((one, other) => (one.build.runId < other.build.runId ? 1 : -1))[0];
  return newest && { runId: newest.build.runId, jobId: newest.id };
}

const fullRef = (ref: string): string => (ref.startsWith('refs/') ? ref : `refs/heads/${ref}`);

export function greenJob(found: { run: RunRow; job: JobRow } | undefined): GreenJob | undefined {
  const passed = found?.job.attempts.filter(({ verdict }) => verdict === 'passed') ?? [];
  const attempt = passed.find(({ logRemovedAt }) => !logRemovedAt) ?? passed[0];
  return found && attempt && { ...found, attempt };
}

/** As many as a page can list. */
const MOST_TESTS = 500;

/** In the order of their lines. What JUnit files tell has none, and is not in the log. */
export async function failedTests(prisma: PrismaClient, attemptId: string): Promise<MarkedLine[]> {
  const reading = await prisma.testReading.findUnique({
    where: { attemptId },
    select: {
      otherFailures: true,
      failures: { take: MOST_TESTS, select: { details: true, file: { select: { name: true } } } },
    },
  });
  if (!reading) return [];
  const tests = reading.failures.flatMap(({ details, file }): MarkedLine[] => {
    const { line } = details as Partial<TestFile>;
    return line === undefined ? [] : [{ line, text: file.name, kind: 'test' }];
  });
  const others = ((reading.otherFailures ?? []) as unknown as OtherFailure[]).map(
    ({ line, text }): MarkedLine => ({ line, text, kind: 'error' }),
  );
  return [...tests, ...others].sort((one, other) => one.line - other.line);
}
