import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Archive, LogReader } from '../../src/archive/archive.ts';
import { ArchiveError } from '../../src/archive/archive.ts';
import type { Clock } from '../../src/clock.ts';
import { sightOf } from '../../src/core/sight.ts';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import type {
  FactDetails,
  FactFilter,
  FactRow,
  FactTotals,
  JobRow,
  LinkedRun,
  Listed,
  MergeWishRow,
  Page,
  Reader,
  RunDetails,
} from '../../src/site/reader.ts';
import type { TestsReader } from '../../src/site/reader-tests.ts';
import { createSite, type Site, type SiteOptions } from '../../src/site/routes.ts';
import { createPrismaReaders } from '../../src/store/prisma-reader.ts';

/** Stand-ins for page tests: a reader over arrays, and an archive in memory. */
export const NOW = new Date('2026-11-21T12:00:00.000Z');
export const SHA = 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334';
export const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

export function aRun(change: Partial<RunDetails> = {}): RunDetails {
  return {
    id: '01run',
    repository: 'rakudo/rakudo',
    kind: 'pull-request',
    number: 7,
    ref: 'fix-gc',
    sha: SHA,
    title: 'Fix the collector',
    author: 'lizmat',
    fork: false,
    subject: 'pull-request:github:1#7',
    state: 'finished',
    verdict: 'passed',
    trigger: 'pull-request',
    createdAt: ago(600),
    finishedAt: ago(300),
    jobs: { passed: 1 },
    sources: [],
    builds: [],
    checks: [],
    ...change,
  };
}

/** A run as another one links to it. */
export const aLink = (
  id: string,
  verdict?: LinkedRun['verdict'],
  trigger: LinkedRun['trigger'] = 'command',
): LinkedRun => ({
  id,
  state: verdict ? 'finished' : 'building',
  verdict,
  trigger,
  createdAt: ago(900),
});

export function aJob(change: Partial<JobRow> = {}): JobRow {
  const attempt = {
    id: 'attempt1',
    number: 1,
    state: 'finished',
    verdict: 'passed',
    startedAt: ago(500),
    finishedAt: ago(400),
  } as const;
  return {
    id: 'job1',
    name: 'local / test',
    state: 'finished',
    verdict: 'passed',
    timedOut: false,
    attempt: 1,
    attempts: [{ ...attempt, log: { bytes: 10, lines: 2 }, artifacts: [] }],
    ...change,
  };
}

export const withJob = (job: JobRow, change: Partial<RunDetails> = {}): RunDetails =>
  aRun({
    builds: [
      {
        id: 'build1',
        backend: 'local',
        state: job.state,
        verdict: job.verdict,
        attempt: 1,
        createdAt: ago(550),
        jobs: [job],
      },
    ],
    ...change,
  });

export function aFact(change: Partial<FactDetails> = {}): FactDetails {
  return {
    id: '01fact',
    key: 'head:1',
    kind: 'pull-request-moved',
    subject: 'pull-request:github:1#7',
    state: 'done',
    tries: 1,
    createdAt: ago(600),
    occurredAt: ago(602),
    hookAt: ago(600),
    sightings: [{ source: 'hook', delivery: 'd-1', at: ago(600) }],
    ...change,
  };
}

function paged<T extends { id: string }>(rows: T[], { before, limit }: { before?: string; limit: number }): Listed<T> {
  const rest = rows.toSorted((a, b) => (a.id < b.id ? 1 : -1)).filter((row) => before === undefined || row.id < before);
  return { rows: rest.slice(0, limit), next: rest.length > limit ? rest[limit - 1]!.id : undefined };
}

const fits = (row: object, filter: object): boolean =>
  Object.entries(filter).every(([name, value]) => value === undefined || row[name as keyof typeof row] === value);

export const NO_TOTALS: FactTotals = { hookOnly: 0, pollOnly: 0, both: 0, noted: 0 };

/** Of tests nothing is known. */
const noTests: TestsReader = {
  listFlappers: async () => ({ rows: [] }),
  testFile: async () => undefined,
  recentFlaps: async () => [],
  listRecord: async () => ({ running: [], gone: [], lastFlapped: new Map() }),
  listedFlappers: async () => [],
  failuresOf: async () => ({ files: [], isCut: false, runs: [], others: [] }),
};

export function memoryReader(runs: RunDetails[], facts: FactDetails[] = [], wishes: MergeWishRow[] = []): Reader {
  const artifacts = runs.flatMap((run) =>
    run.builds.flatMap((b) => b.jobs.flatMap((j) => j.attempts.flatMap((a) => a.artifacts))),
  );
  const plain = (fact: FactDetails): FactRow => fact;
  const listRuns = async (filter: object, page: Page) =>
    paged(
      runs.filter((run) => fits(run, filter)),
      page,
    );
  return {
    listRuns,
    listRunDetails: listRuns,
    run: async (id) => runs.find((run) => run.id === id),
    maySee: async () => true,
    runsOfSubject: async (subject) => runs.filter((run) => run.subject === subject),
    timeline: async ({ id, subject }, limit) => ({
      rows: facts
        .filter((fact) => fact.subject === `run:${id}` || fact.subject === subject)
        .slice(-limit)
        .map((fact) => ({ ...fact, at: fact.createdAt })),
      isCut: facts.length > limit,
    }),
    pressing: async (id) => {
      const run = runs.find((each) => each.id === id);
      return (
        run && {
          repository: { key: 'github:1', name: run.repository },
          subject: run.subject,
          newestRunId: id,
          presses: [],
        }
      );
    },
    backendMeasures: async () => new Map(),
    heldRuns: async () => [],
    rests: async () => [],
    pollTroubles: async () => [],
    retention: async () => undefined,
    medians: async () => new Map(),
    neighbours: async () => ({ sameCommit: [] }),
    mergeWishes: async () => wishes,
    job: async (runId, jobId) => {
      const run = runs.find(({ id }) => id === runId);
      const job = run?.builds.flatMap((build) => build.jobs).find(({ id }) => id === jobId);
      return run && job && { run, job };
    },
    lastGreen: async (runId, jobName) => {
      const before = runs.filter(({ id }) => id < runId).toSorted((one, other) => (one.id < other.id ? 1 : -1));
      for (const run of before) {
        const job = run.builds.flatMap((build) => build.jobs).find(({ name }) => name === jobName);
        const attempt = job?.attempts.find(({ verdict }) => verdict === 'passed');
        if (job?.verdict === 'passed' && attempt) return { run, job, attempt };
      }
      return undefined;
    },
    failedTests: async () => [],
    sourceByArchive: async (sha256) => {
      const source = runs.flatMap((run) => run.sources).find(({ archive }) => archive?.sha256 === sha256);
      return source?.archive && { repository: source.repository, sha: source.sha, size: source.archive.size };
    },
    artifactBySha256: async (sha256) => artifacts.find((artifact) => artifact.sha256 === sha256),
    listFacts: async (filter, page) =>
      paged(
        facts.map(plain).filter((fact) => isListed(fact, filter)),
        page,
      ),
    fact: async (key) => facts.find((fact) => fact.key === key),
    listEffects: async () => [],
    repositories: async () => [{ key: 'github:1', name: 'rakudo/rakudo', state: 'watched' }],
    installations: async () => [],
    counts: async () => ({ events: {}, effects: {} }),
    factTotals: async () => NO_TOTALS,
    waiting: async () => ({ catchUp: 0, held: 0 }),
    polls: async () => ({ repositories: [] }),
    backendNames: async () => ['local'],
    lastChange: async () => undefined,
    changesSince: async () => [],
    runRows: async (ids) => runs.filter((run) => ids.includes(run.id)),
    defaultBranchRuns: async (_, page) =>
      paged(
        runs.filter((run) => run.kind === 'commit'),
        page,
      ),
    newestVerdicts: async () => [],
    branchState: async () => undefined,
    failures: async () => [],
    ...noTests,
    measures: async () => ({
      queue: [],
      oldestSeconds: 0,
      retrying: 0,
      lanes: [],
      facts: NO_TOTALS,
      waiting: { catchUp: 0, held: 0 },
      lookAges: [],
      pollsInTrouble: 0,
      builds: [],
    }),
  };
}

function isListed(fact: FactRow, { told, noted, ...filter }: FactFilter): boolean {
  const by = fact.hookAt ? (fact.pollAt ? 'both' : 'hook') : 'poll';
  return fits(fact, filter) && (told ?? by) === by && !(noted === 'hidden' && fact.kind === 'hook.noted');
}

type MemoryArchive = Pick<Archive, 'put' | 'stat' | 'get' | 'openLog' | 'readLog'>;

export function memoryArchive(): MemoryArchive {
  const blobs = new Map<string, Buffer>();
  const logs = new Map<string, { text: Buffer; ended: boolean }>();
  return {
    async put(bytes) {
      const content = Buffer.from(bytes as Uint8Array);
      const sha256 = createHash('sha256').update(content).digest('hex');
      blobs.set(sha256, content);
      return { sha256, size: content.length };
    },
    async stat(sha256) {
      const content = blobs.get(sha256);
      return content && { sha256, size: content.length };
    },
    async get(sha256) {
      const content = blobs.get(sha256);
      if (!content) throw new ArchiveError('missing', 'It is not there.');
      return Readable.from([content]);
    },
    async openLog(id) {
      const log = logs.get(id) ?? { text: Buffer.alloc(0), ended: false };
      logs.set(id, log);
      return {
        sourceOffset: log.text.length,
        lines: 0,
        append: async (chunk) => {
          log.text = Buffer.concat([log.text, chunk]);
        },
        end: async () => {
          log.ended = true;
          return { sha256: '', bytes: log.text.length, lines: 0 };
        },
      };
    },
    async readLog(id) {
      const log = logs.get(id);
      return log && memoryLog(log.text, log.ended);
    },
  };
}

function memoryLog(text: Buffer, ended: boolean): LogReader {
  const lines = text.toString('utf8').replace(/\n$/, '').split('\n');
  return {
    ended,
    bytes: text.length,
    lines: text.length === 0 ? 0 : lines.length,
    lineRange: async (from, count, maxLineBytes = 65_536) =>
      lines.slice(from - 1, from - 1 + count).map((line, i) => ({
        number: from + i,
        text: line.slice(0, maxLineBytes),
        cut: line.length > maxLineBytes ? line.length : undefined,
      })),
    startOfLine: async (line) =>
      Buffer.byteLength(
        lines
          .slice(0, line - 1)
          .map((each) => `${each}\n`)
          .join(''),
      ),
    stream: (from = 0) => Readable.from([text.subarray(from)]),
  };
}

/** Reads what is for everybody: for tests of single queries, beside private repositories. */
export async function readerOfEverybody(prisma: PrismaClient, clock: Clock): Promise<Reader> {
  const readers = createPrismaReaders(prisma, clock);
  return readers.seenBy(sightOf(await readers.privates()));
}

export interface SiteWorld {
  site: Site;
  archive: MemoryArchive;
  faults: unknown[];
  get(path: string, init?: RequestInit): Promise<Response>;
  text(path: string): Promise<string>;
}

export function siteOf(reader: Reader, change: Partial<SiteOptions> = {}): SiteWorld {
  const archive = memoryArchive();
  const faults: unknown[] = [];
  const site = createSite({
    // Nothing is private.
    readers: { privates: async () => [], seenBy: () => reader },
    archive,
    publicUrl: 'https://rcb.example/',
    githubUrl: 'https://github.example',
    version: '1.2.3',
    health: async () => ({ ok: true, checks: { database: { ok: true, note: 'answers in 2 ms' } } }),
    backends: async () => [{ name: 'local', kind: 'local', ok: true, note: '2 slots' }],
    clock: { now: () => NOW },
    onError: (error) => void faults.push(error),
    ...change,
  });
  const get = async (path: string, init?: RequestInit) => site.request(path, init);
  return { site, archive, faults, get, text: async (path) => (await get(path)).text() };
}
