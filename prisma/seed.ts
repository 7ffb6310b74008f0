import { createHash } from 'node:crypto';
import type { Archive } from '../src/archive/archive.ts';
import { messages } from '../src/core/messages.ts';
import type { TestReading } from '../src/core/testlog-kept.ts';
import type { Prisma, PrismaClient } from '../src/generated/prisma/client.ts';
import { saveTests } from '../src/store/prisma-tests.ts';
import { generator, idsInOrder } from './seed-draw.ts';
import { proveLines, sourceSetOfCommits, testsOfLog } from './seed-tests.ts';

/** Rows in every state, to look at pages and to measure them. The same `now` and `count` give the same rows. */
export interface SeedOptions {
  now: Date;
  /** How many runs; default 40. */
  count?: number;
}

/** With an archive, source archives, artifacts and logs can be opened too; without one they are only named. */
export async function seedDatabase(
  prisma: PrismaClient,
  archive: Pick<Archive, 'put' | 'openLog'> | undefined,
  options: SeedOptions,
): Promise<void> {
  const rows = await seedRows(archive, options);
  // A bot that has run here may know them.
  await prisma.installation.createMany({ data: rows.installation, skipDuplicates: true });
  await prisma.repository.createMany({ data: rows.repository, skipDuplicates: true });
  await prisma.run.createMany({ data: rows.run });
  await prisma.source.createMany({ data: rows.source });
  await prisma.build.createMany({ data: rows.build });
  await prisma.job.createMany({ data: rows.job });
  await prisma.attempt.createMany({ data: rows.attempt });
  await prisma.artifact.createMany({ data: rows.artifact });
  await prisma.check.createMany({ data: rows.check });
  await prisma.event.createMany({ data: rows.event });
  await prisma.sighting.createMany({ data: rows.sighting });
  await prisma.effect.createMany({ data: rows.effect });
  for (const [attemptId, log] of rows.logs) await writeLog(archive, attemptId, log);
  for (const reading of rows.readings) await prisma.$transaction((client) => saveTests(client, reading));
}

interface SeedLog {
  text: string;
  isEnded: boolean;
}

interface SeedRows {
  installation: Prisma.InstallationCreateManyInput[];
  repository: Prisma.RepositoryCreateManyInput[];
  run: Prisma.RunCreateManyInput[];
  source: Prisma.SourceCreateManyInput[];
  build: Prisma.BuildCreateManyInput[];
  job: Prisma.JobCreateManyInput[];
  attempt: Prisma.AttemptCreateManyInput[];
  artifact: Prisma.ArtifactCreateManyInput[];
  check: Prisma.CheckCreateManyInput[];
  event: Prisma.EventCreateManyInput[];
  sighting: Prisma.SightingCreateManyInput[];
  effect: Prisma.EffectCreateManyInput[];
  logs: Map<string, SeedLog>;
  /** Oldest first. */
  readings: TestReading[];
}

type ArchivePart = Pick<Archive, 'put' | 'openLog'> | undefined;

async function writeLog(archive: ArchivePart, attemptId: string, log: SeedLog): Promise<void> {
  if (!archive) return;
  const writer = await archive.openLog(attemptId);
  await writer.append(Buffer.from(log.text));
  if (log.isEnded) await writer.end();
}

export const REPOSITORIES = [
  { key: 'github:1068214', name: 'rakudo/rakudo', pin: 'tools/templates/NQP_REVISION' },
  { key: 'github:1066827', name: 'Raku/nqp', pin: 'tools/templates/MOAR_REVISION' },
  { key: 'github:3817245', name: 'MoarVM/MoarVM', pin: '' },
] as const;

const AUTHORS = ['lizmat', 'patrickbkr', 'niner', 'coke', 'ab5tract', 'jnthn', 'dependabot[bot]'];
export const TITLES = [
  'Make List.permutations lazy again',
  'Fix a use-after-free in the spesh log',
  'Teach the optimizer about native int parameters',
  'Bump the libuv submodule to 1.49',
  'Run t/spec with --seed so that failures repeat',
  'Do not decontainerize hash values twice in Hash.map when the iteratee was already bound to a container that needs it',
  'Deprecate $*PERL',
  'JIT: emit smaller jumps on arm64',
  'Zeige <Fehler> & "Warnungen" richtig an',
  'Remove unused nqp::ops',
  'Faster hash lookups for short keys',
  'Work around a libffi bug on macOS',
];
const BRANCHES = ['lazy-permutations', 'spesh-uaf', 'native-int', 'libuv-1.49', 'seeded-spec', 'main', 'fix/hash-map'];

type Outcome =
  | 'waiting'
  | 'resolving'
  | 'packing'
  | 'starting'
  | 'building'
  | 'passed'
  | 'failed'
  | 'flapped'
  | 'error'
  | 'timed-out'
  | 'cancelled'
  | 'superseded'
  | 'unbuilt';

/** Newest first, so that the first page shows every state; older runs are mostly green, as in life. */
const NEWEST: Outcome[] = [
  'building',
  'starting',
  'packing',
  'resolving',
  'waiting',
  'passed',
  'failed',
  'superseded',
  'flapped',
  'timed-out',
  'error',
  'cancelled',
  'unbuilt',
];
const OLDER: Outcome[] = ['passed', 'passed', 'failed', 'passed', 'superseded', 'passed', 'flapped', 'error'];

const MINUTE = 60_000;
const JOBS = ['linux x86_64', 'linux x86_64 no-jit', 'macos arm64', 'windows msvc'];

interface Seeding {
  rows: SeedRows;
  draw: ReturnType<typeof generator>;
  archive: ArchivePart;
  now: Date;
  newId(at: Date): string;
}

async function seedRows(archive: ArchivePart, { now, count = 40 }: SeedOptions): Promise<SeedRows> {
  const draw = generator();
  const seeding: Seeding = {
    rows: emptyRows(now),
    draw,
    archive,
    now,
    newId: idsInOrder(draw.random),
  };
  for (let index = count - 1; index >= 0; index--) {
    await addRun(seeding, index, NEWEST[index] ?? OLDER[index % OLDER.length]!);
  }
  addStuckRows(seeding);
  return seeding.rows;
}

function emptyRows(now: Date): SeedRows {
  const installation = ['rakudo', 'Raku', 'MoarVM'].map((account, i) => ({
    key: `github:${71 + i}`,
    account,
    accountId: String(900 + i),
    state: 'active',
    served: true,
    updatedAt: now,
  }));
  const stranger = { ...installation[0]!, key: 'github:99', account: 'somebody-else', accountId: '999', served: false };
  const repository = REPOSITORIES.map(({ key, name }, i) => ({
    key,
    name,
    defaultBranch: 'main',
    private: false,
    state: 'watched',
    installation: `github:${71 + i}`,
    updatedAt: now,
  }));
  const refused = {
    ...repository[0]!,
    key: 'github:5',
    name: 'rakudo/infra-secrets',
    private: true,
    state: 'refused',
    why: messages.privateRepository('RCB_SESSION_KEY is not set'),
  };
  return {
    installation: [...installation, stranger],
    repository: [...repository, refused],
    run: [],
    source: [],
    build: [],
    job: [],
    attempt: [],
    artifact: [],
    check: [],
    event: [],
    sighting: [],
    effect: [],
    logs: new Map(),
    readings: [],
  };
}

type SeedRun = Prisma.RunCreateManyInput & { createdAt: Date };

async function addRun(seeding: Seeding, index: number, outcome: Outcome): Promise<void> {
  const run = newRun(seeding, index, outcome);
  seeding.rows.run.push(run);
  addFact(seeding, run);
  addCheck(seeding, run, 'rcb');
  if (['waiting', 'resolving'].includes(outcome)) return;
  await addSources(seeding, run, outcome !== 'packing');
  if (!['packing', 'starting', 'unbuilt'].includes(outcome)) await addBuild(seeding, run, outcome);
}

const STATES: Partial<Record<Outcome, string>> = {
  waiting: 'waiting',
  resolving: 'resolving',
  packing: 'packing',
  starting: 'building',
  building: 'building',
};
const VERDICTS: Partial<Record<Outcome, string>> = {
  passed: 'passed',
  flapped: 'passed',
  failed: 'failed',
  error: 'error',
  'timed-out': 'error',
  cancelled: 'cancelled',
  superseded: 'superseded',
  unbuilt: 'error',
};
const WHYS: Partial<Record<Outcome, string>> = {
  waiting: 'The author is new here and works in a fork: a maintainer has to write {re-test}.',
  flapped: 'linux x86_64 no-jit failed once and passed when it was tried again.',
  failed: '1 of 4 jobs failed: linux x86_64 no-jit.',
  error: 'Infrastructure error: the agent was lost, and lost again on the second attempt.',
  'timed-out': 'Infrastructure error: windows msvc wrote nothing for 600 s.',
  cancelled: 'Cancelled by lizmat with a button on the check.',
  unbuilt: 'Nothing was built: the commit has no .ci/run, ci/run or .ci, and no backend serves this branch.',
};

function newRun(seeding: Seeding, index: number, outcome: Outcome): SeedRun {
  const { draw, now, newId, rows } = seeding;
  const createdAt = new Date(now.getTime() - (index * index * 4 + index * 7 + 2) * MINUTE);
  const repository = REPOSITORIES[index % REPOSITORIES.length]!;
  const isPull = index % 4 !== 3;
  const number = 5600 + (index % 9);
  const ref = isPull ? BRANCHES[index % BRANCHES.length]! : 'refs/heads/main';
  const subject = isPull ? `pull-request:${repository.key}#${number}` : `branch:${repository.key}:${ref}`;
  const verdict = VERDICTS[outcome] ?? null;
  const before = rows.run.findLast((run) => run.subject === subject);
  return {
    id: newId(createdAt),
    repositoryKey: repository.key,
    repository: repository.name,
    subject,
    kind: isPull ? 'pull-request' : 'commit',
    number: isPull ? number : null,
    ref,
    sha: draw.sha(),
    title: TITLES[index % TITLES.length]!,
    authorId: String(index % AUTHORS.length),
    authorLogin: AUTHORS[index % AUTHORS.length]!,
    fork: outcome === 'waiting' || index % 11 === 10,
    baseRef: isPull ? 'main' : null,
    baseSha: isPull ? draw.sha() : null,
    state: STATES[outcome] ?? 'finished',
    verdict,
    why: WHYS[outcome] ?? null,
    trigger: index % 10 === 9 ? 'command' : isPull ? 'pull-request' : 'push',
    previousId: before && index % 3 === 0 ? before.id : null,
    supersededBySha: outcome === 'superseded' ? draw.sha() : null,
    createdAt,
    // After the end of its last attempt.
    finishedAt: verdict ? new Date(createdAt.getTime() + (28 + draw.random() * 15) * MINUTE) : null,
  };
}

async function store(archive: ArchivePart, text: string): Promise<{ sha256: string; size: number }> {
  const bytes = Buffer.from(text);
  if (archive) return archive.put(bytes);
  return { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
}

async function addSources(seeding: Seeding, run: SeedRun, isPacked: boolean): Promise<void> {
  const start = REPOSITORIES.findIndex(({ name }) => name === run.repository);
  const stack = REPOSITORIES.slice(start);
  for (const [i, { key, name }] of stack.entries()) {
    const isChanged = i === 0;
    const sha = isChanged ? run.sha : seeding.draw.sha();
    const packed = isPacked
      ? await store(seeding.archive, `A source archive of ${name} at ${sha}, in place of a tarball.\n`)
      : undefined;
    seeding.rows.source.push({
      id: seeding.newId(run.createdAt),
      runId: run.id,
      repositoryKey: key,
      repository: name,
      sha,
      ref: isChanged ? run.ref : 'refs/heads/main',
      baseSha: isChanged ? run.baseSha : null,
      changed: isChanged,
      why: isChanged ? whyChanged(run) : `pinned by ${stack[i - 1]!.name} in ${stack[i - 1]!.pin}`,
      archiveSha256: packed?.sha256 ?? null,
      archiveSize: packed ? BigInt(packed.size) : null,
      tarSha256: packed ? createHash('sha256').update(`tar ${sha}`).digest('hex') : null,
    });
  }
}

const whyChanged = (run: SeedRun): string =>
  run.kind === 'pull-request' ? `the head of pull request ${run.number}` : `the head of ${run.ref}`;

function addCheck(seeding: Seeding, run: SeedRun, name: string, jobId?: string): void {
  const isRefused = run.verdict === 'error' && jobId === undefined;
  seeding.rows.check.push({
    id: seeding.newId(run.createdAt),
    runId: run.id,
    jobId: jobId ?? null,
    name,
    externalId: run.state === 'resolving' ? null : String(30_000_000_000 + Math.floor(seeding.draw.random() * 1e9)),
    error: isRefused ? 'GitHub answered 403 (secondary rate limit); tried again at 12:04.' : null,
  });
}

async function addBuild(seeding: Seeding, run: SeedRun, outcome: Outcome): Promise<void> {
  const id = seeding.newId(run.createdAt);
  const isFinished = run.verdict !== null;
  const verdict = run.verdict === 'superseded' ? 'cancelled' : run.verdict;
  const isAzure = run.repository === 'MoarVM/MoarVM';
  seeding.rows.build.push({
    id,
    runId: run.id,
    backend: isAzure ? 'azure' : 'local',
    state: isFinished ? 'finished' : 'running',
    verdict: verdict ?? null,
    why: outcome === 'error' ? 'The agent disappeared; started anew once.' : null,
    externalId: `seed-${id}`,
    url: isAzure ? `https://dev.azure.com/raku/raku/_build/results?buildId=${seeding.rows.build.length + 100}` : null,
    attempt: outcome === 'error' ? 2 : 1,
    createdAt: new Date(run.createdAt.getTime() + 20_000),
    finishedAt: run.finishedAt ?? null,
  });
  for (const [i, name] of JOBS.entries())
    await addJob(seeding, run, id, `${isAzure ? 'azure' : 'local'} / ${name}`, jobEnd(outcome, i));
}

interface JobEnd {
  state: 'queued' | 'running' | 'finished';
  verdict?: 'passed' | 'failed' | 'error' | 'cancelled';
  attempts: ('passed' | 'failed' | 'error' | 'cancelled' | undefined)[];
  timedOut?: boolean;
}

function jobEnd(outcome: Outcome, index: number): JobEnd {
  const finished = (...attempts: NonNullable<JobEnd['verdict']>[]): JobEnd => ({
    state: 'finished',
    verdict: attempts.at(-1),
    attempts,
  });
  if (outcome === 'building') {
    const ends: JobEnd[] = [
      finished('passed'),
      { state: 'running', attempts: ['failed', undefined] },
      { state: 'running', attempts: [undefined] },
    ];
    return ends[index] ?? { state: 'queued', attempts: [] };
  }
  if (outcome === 'failed') return finished(index === 1 ? 'failed' : 'passed');
  if (outcome === 'flapped') return index === 1 ? finished('failed', 'passed') : finished('passed');
  if (outcome === 'error') return index === 2 ? finished('error', 'error') : finished('passed');
  if (outcome === 'timed-out') return index === 3 ? { ...finished('error'), timedOut: true } : finished('passed');
  if (outcome === 'cancelled' || outcome === 'superseded') return finished(index === 0 ? 'passed' : 'cancelled');
  return finished('passed');
}

const JOB_WHYS: Record<string, string> = {
  flapped: 'not ok 3 - the signal arrives (t/spec/S17-procasync/kill.t)',
  failed: 'not ok 1207 - the sixth permutation is lazy (t/spec/S32-list/permutations.t)',
  error: 'The agent was lost: no sign of life for 300 s.',
  'timed-out': 'No output for 600 s; the job was stopped.',
};

async function addJob(seeding: Seeding, run: SeedRun, buildId: string, name: string, end: JobEnd): Promise<void> {
  const id = seeding.newId(run.createdAt);
  seeding.rows.job.push({
    id,
    buildId,
    name,
    externalName: name.replace(/^\w+ \/ /, ''),
    state: end.state,
    verdict: end.verdict ?? null,
    why: (end.timedOut ? JOB_WHYS['timed-out'] : JOB_WHYS[end.verdict ?? '']) ?? null,
    timedOut: end.timedOut ?? false,
    attempt: Math.max(1, end.attempts.length),
  });
  addCheck(seeding, run, name, id);
  for (const i of end.attempts.keys()) await addAttempt(seeding, run, { id, name, end }, i + 1);
}

interface SeedJob {
  id: string;
  name: string;
  end: JobEnd;
}

async function addAttempt(seeding: Seeding, run: SeedRun, job: SeedJob, number: number): Promise<void> {
  const verdict = job.end.attempts[number - 1];
  const isFlap = number < job.end.attempts.length;
  const id = seeding.newId(run.createdAt);
  // What goes on has begun just now, and nothing has ended later than that.
  const unit = run.finishedAt ? MINUTE : MINUTE / 15;
  const startedAt = new Date(run.createdAt.getTime() + (0.6 + (number - 1) * 13.5) * unit);
  const isEnded = verdict !== undefined;
  const hasLog = verdict !== 'cancelled';
  const text = logText(seeding, run, proveLines(verdict, isFlap));
  const finishedAt = isEnded ? new Date(startedAt.getTime() + (1 + seeding.draw.random() * 12) * unit) : undefined;
  if (hasLog) seeding.rows.logs.set(id, { text, isEnded });
  seeding.rows.attempt.push({
    id,
    jobId: job.id,
    number,
    state: isEnded ? 'finished' : 'running',
    verdict: verdict ?? null,
    why: (isFlap && verdict === 'failed' ? JOB_WHYS['flapped'] : JOB_WHYS[verdict ?? '']) ?? null,
    startedAt,
    finishedAt: finishedAt ?? null,
    logBytes: isEnded && hasLog ? BigInt(Buffer.byteLength(text)) : null,
    logLines: isEnded && hasLog ? text.split('\n').length - 1 : null,
    logSha256: isEnded && hasLog ? createHash('sha256').update(text).digest('hex') : null,
  });
  if (verdict === 'passed' || verdict === 'failed') await addArtifacts(seeding, id, run.sha);
  if (hasLog && finishedAt) addReading(seeding, run, job, { attemptId: id, at: finishedAt, text });
}

function addReading(
  { rows }: Seeding,
  run: SeedRun,
  { name }: SeedJob,
  { attemptId, at, text }: { attemptId: string; at: Date; text: string },
): void {
  const tests = testsOfLog(text);
  if (!tests) return;
  const sourceSet = sourceSetOfCommits(
    rows.source.filter(({ runId }) => runId === run.id).map(({ repositoryKey, sha }) => `${repositoryKey} ${sha}`),
  );
  const place = { job: name, platform: name.replace(/^\w+ \/ /, '') };
  rows.readings.push({ attemptId, runId: run.id, subject: run.subject, ...place, sourceSet, at, tests });
}

async function addArtifacts(seeding: Seeding, attemptId: string, sha: string): Promise<void> {
  const files = {
    'test-results/junit.xml': `<testsuite name="spec" tests="1207" id="${sha}"/>\n`,
    'config.status': `MOAR=${sha}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const { sha256, size } = await store(seeding.archive, text);
    seeding.rows.artifact.push({ id: seeding.newId(seeding.now), attemptId, name, size: BigInt(size), sha256 });
  }
}

/** As such logs look: colours, a progress bar, a very long line, and something that tries to be markup. */
function logText(seeding: Seeding, run: SeedRun, tests: string[]): string {
  const lines = [
    `\u001b[1m\u001b[36m==> Configure\u001b[0m ${run.repository} at ${run.sha}`,
    'Checking whether the C compiler works … \u001b[32myes\u001b[0m',
    `Downloading\r  12 %\r  57 %\r 100 % \u001b[32mdone\u001b[0m`,
    `\u001b[1m\u001b[36m==> Build\u001b[0m`,
    `cc -O3 ${'-Isrc/some/include/directory '.repeat(40)}-o moar`,
    '<script>alert("a log is not a page")</script>',
  ];
  const count = 300 + Math.floor(seeding.draw.random() * 1500);
  for (let i = 1; i <= count; i++) lines.push(buildLine(i, seeding.draw.random()));
  return `${[...lines, `\u001b[1m\u001b[36m==> Test\u001b[0m`, ...tests].join('\n')}\n`;
}

function buildLine(index: number, chance: number): string {
  const unit = `src/core.${'cde'[index % 3]}/part-${index}`;
  if (chance < 0.02) return `\u001b[33m${unit}.c:${index}: warning: unused variable ‘tmp’\u001b[0m`;
  return `cc -c -o ${unit}.o ${unit}.c \u001b[2m(${(chance * 4).toFixed(2)} s)\u001b[0m`;
}

function addFact(seeding: Seeding, run: SeedRun): void {
  const { rows, draw, newId } = seeding;
  const occurredAt = new Date(run.createdAt.getTime() - 1000 - draw.random() * 3000);
  const isMissedHook = draw.random() < 0.15;
  const hookAt = isMissedHook ? null : new Date(occurredAt.getTime() + 300 + draw.random() * 2000);
  const pollAt = draw.random() < 0.5 || isMissedHook ? new Date(occurredAt.getTime() + draw.random() * MINUTE) : null;
  const id = newId(run.createdAt);
  rows.event.push({
    id,
    key: `head:${run.subject}:${run.sha}:1`,
    kind: run.kind === 'pull-request' ? 'pull-request-moved' : 'branch-moved',
    subject: run.subject,
    payload: { repository: run.repository, ref: run.ref, sha: run.sha, title: run.title },
    state: 'done',
    dueAt: run.createdAt,
    tries: 1,
    createdAt: run.createdAt,
    occurredAt,
    hookAt,
    pollAt,
    doneAt: new Date(run.createdAt.getTime() + 40),
  });
  if (hookAt)
    rows.sighting.push({ id: newId(hookAt), eventId: id, source: 'hook', delivery: `delivery-${id}`, at: hookAt });
  if (pollAt) rows.sighting.push({ id: newId(pollAt), eventId: id, source: 'poll', at: pollAt });
}

function addStuckRows({ rows, now, newId }: Seeding): void {
  const at = (minutes: number) => new Date(now.getTime() - minutes * MINUTE);
  const event = (minutes: number, rest: Omit<Prisma.EventCreateManyInput, 'id' | 'dueAt' | 'createdAt'>) =>
    rows.event.push({
      id: newId(at(minutes)),
      dueAt: at(minutes),
      createdAt: at(minutes),
      occurredAt: at(minutes + 0.05),
      hookAt: at(minutes),
      ...rest,
    });
  event(14, {
    key: 'delivery:72d3162e-cc78-11e3-81ab-4c9367dc0958',
    kind: 'unreadable',
    subject: 'installation:github:71',
    raw: '{"action":"opened","pull_request":{"number":"seven"}}',
    state: 'parked',
    tries: 1,
    error: 'pull_request.number: expected a number, found "seven"',
  });
  event(55, {
    key: 'comment:github:1068214:998877',
    kind: 'comment-written',
    subject: 'pull-request:github:1068214#5604',
    payload: { body: '{re-test}', by: 'coke' },
    state: 'parked',
    tries: 12,
    error: 'GitHub answered 502 to "read the permission of coke" 12 times in 41 minutes.',
  });
  event(0.2, {
    key: 'check-asked:github:1066827:31',
    kind: 'check-asked',
    subject: 'run:seed',
    payload: { check: 31 },
    state: 'pending',
    tries: 2,
    error: 'The run is not stored yet; looking again.',
  });
  event(0.1, {
    key: 'head:branch:github:3817245:refs/heads/main:9',
    kind: 'branch-moved',
    subject: 'branch:github:3817245:refs/heads/main',
    payload: {},
    state: 'running',
    tries: 1,
  });
  const effect = (
    minutes: number,
    dueIn: number,
    rest: Omit<Prisma.EffectCreateManyInput, 'id' | 'dueAt' | 'createdAt' | 'payload'>,
  ) => rows.effect.push({ id: newId(at(minutes)), dueAt: at(-dueIn), createdAt: at(minutes), payload: {}, ...rest });
  effect(120, -80, {
    kind: 'ensure-check',
    target: 'check:rcb:pull-request:github:1068214#5601',
    lane: 'github:71',
    state: 'parked',
    tries: 12,
    error: 'GitHub answered 403: Resource not accessible by integration. Grant the App "Checks: write".',
  });
  effect(1, 0, { kind: 'pack-sources', target: 'run:packing', lane: 'sources', state: 'running', tries: 1 });
  effect(1, 0.5, {
    kind: 'ensure-check',
    target: 'check:local / linux x86_64',
    lane: 'github:71',
    state: 'pending',
    tries: 0,
  });
  effect(3, 4, {
    kind: 'start-build',
    target: 'build:azure:seed',
    lane: 'backend:azure',
    state: 'pending',
    tries: 3,
    error: 'dev.azure.com answered 503; tried again with more patience.',
  });
}

// `npm run seed`; who imports this file wants its rows only. Not awaited: the command imports this file, too.
if (import.meta.main) void import('./seed-command.ts').then(({ seedCommand }) => seedCommand());
