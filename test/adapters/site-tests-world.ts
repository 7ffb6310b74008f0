import type { KnownFlapper } from '../../src/core/flapper.ts';
import type { RepositoryRef, Source } from '../../src/core/model.ts';
import { repositoryOfSubject } from '../../src/core/sight.ts';
import type { TestReading } from '../../src/core/testlog-kept.ts';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { openStore } from '../../src/store/prisma.ts';
import { createPrismaReader } from '../../src/store/prisma-reader.ts';
import { aBuild, aCommit, aJob, anAttempt, aPull, aRepository, aRun, aSource, NOW, sha } from '../support/builders.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { aReading } from '../support/readings.ts';
import { type SiteWorld, siteOf } from './site-fakes.ts';

export const MAIN = 'branch:github:1:refs/heads/main';
export const PULL = 'pull-request:github:1#7';

/** Runs with the tests of their jobs, as the bot stores them, and the site that shows them. */
export interface TestsWorld extends SiteWorld {
  prisma: PrismaClient;
  /** A finished run of one job, whose attempt told these tests. Answers the attempt's id. */
  told(run: ToldRun, tests: TestReading['tests']): Promise<string>;
  /** Only the reading, of a run that is not there any more. */
  read(change: Partial<TestReading>): Promise<void>;
  close(): Promise<void>;
}

export interface ToldRun {
  id: string;
  /** Of its repository, which is `github:1` unless this says another. */
  subject?: string;
  /** What it was tested with, beside itself. */
  beside?: RepositoryRef[];
  job?: string;
  sourceSet?: string;
  at?: Date;
  verdict?: 'passed' | 'failed';
}

export async function testsWorld(knownFlappers: KnownFlapper[] = []): Promise<TestsWorld> {
  const stored: TestDatabase = await testDatabase();
  const prisma = stored.database.prisma;
  const reader = createPrismaReader(prisma, { now: () => NOW });
  const site = siteOf(reader, { knownFlappers });
  const store = openStore(prisma, () => NOW);
  let count = 0;
  const read = async (change: Partial<TestReading>): Promise<void> => {
    count += 1;
    const reading = aReading({ attemptId: `reading-${count}`, sourceSet: `set-${count}`, ...change });
    await prisma.$transaction((client) => openStore(client, () => NOW).saveTests(reading));
  };
  await store.saveRepository({
    key: 'github:1',
    name: 'MoarVM/MoarVM',
    defaultBranch: 'main',
    private: false,
    state: 'watched',
  });
  return {
    ...site,
    prisma,
    read,
    told: async (run, tests) => {
      const { id, subject = MAIN, job = 'Lin_MVM', sourceSet = id, at = NOW, verdict = 'failed', beside = [] } = run;
      const attempt = anAttempt({ id: `attempt-${id}`, verdict, log: { bytes: 10, lines: 1 } });
      const jobs = [aJob({ id: `job-${id}`, name: `azure / ${job}`, externalName: job, verdict, attempts: [attempt] })];
      const change = subject === PULL ? aPull({ sha: sha(id) }) : aCommit({ sha: sha(id) });
      const builds = [aBuild({ id: `build-${id}`, backend: 'azure', verdict, jobs })];
      const sources = beside.map((repository, number): Source => aSource({ id: `${id}-${number}`, repository }));
      const repository = aRepository({ key: repositoryOfSubject(subject)! });
      await store.saveRun(
        aRun({ id, repository, subject, change, verdict, builds, sources, checks: [], createdAt: at }),
      );
      await read({
        attemptId: attempt.id,
        runId: id,
        subject,
        job: `azure / ${job}`,
        platform: job,
        sourceSet,
        at,
        tests,
      });
      return attempt.id;
    },
    close: () => stored.close(),
  };
}
