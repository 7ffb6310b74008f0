import type { Database } from '../src/database/database.ts';
import { REPOSITORIES, TITLES } from './seed.ts';
import { generator, idsInOrder } from './seed-draw.ts';
import {
  addSums,
  insertReadings,
  insertTestNames,
  isRead,
  sourceSetOfCommits,
  type ToldBatch,
  testsDrawer,
} from './seed-tests.ts';

/**
 * A year of runs, in bulk: runs, sources, builds, events are made here, a batch at a time, and go to the database as JSON
 * recordsets; jobs, attempts and checks, which are most of the rows, are multiplied there from one line for each build.
 * Of about a tenth of the runs it is told what their tests came to (seed-tests.ts).
 * The same `seed`, `runs`, `from` and `until` give the same rows.
 */
export interface HistoryOptions {
  runs: number;
  seed: number;
  /** The first run's time, and the end of the last one's day. */
  from: Date;
  until: Date;
  onProgress?(runs: number): void;
}

type Row = Record<string, string | number | boolean | null | object>;
type Connection = Parameters<Parameters<Database['connection']>[0]>[0];

const BATCH = 1_000;
const MINUTE = 60_000;
const PULLS = 5_500;

/** Titles, branches and people that a page has to survive. */
const HOSTILE_TITLES = [
  `"><script>alert('title')</script>`,
  'Fix \u202Etfel-ot-thgir\u202C text, and \u0007 a bell',
  `${'no-blank-anywhere-'.repeat(13)}end`,
  '🦋🦋🦋 Über-Größe “quotes” <b>bold</b> &amp; entities & 日本語のタイトル',
  "'; DROP TABLE run; --",
  '{{ constructor.constructor("alert(1)")() }} javascript:alert(3)',
  '',
];
const HOSTILE_BRANCHES = [
  'feature/$(echo pwned)/it’s-a-very-long-branch-name-that-somebody-chose-in-the-middle-of-the-night',
  `x"onmouseover='alert(1)'`,
  '<img/src=x/onerror=alert(1)>',
  '日本語/ブランチ',
  '100%25-sure%2F..%2F..',
];
const AUTHORS = [
  'lizmat',
  'patrickbkr',
  'niner',
  'coke',
  'ab5tract',
  'jnthn',
  'ugexe',
  'dependabot[bot]',
  'a-rare-guest',
];

const JOBS: Record<string, string[]> = {
  azure: ['linux', 'linux no-jit', 'linux asan', 'macos arm64', 'macos x86_64', 'windows msvc', 'windows mingw', 'musl']
    .flatMap((each) => [`${each} moar`, `${each} js`])
    .slice(0, 12),
  obs: ['rakudo', 'nqp', 'moarvm', '<i>roast</i>'].flatMap((name) => [
    `${name} x86_64-Tumbleweed`,
    `${name} aarch64-Leap`,
  ]),
  local: ['ci/run'],
};
const BACKENDS = Object.keys(JOBS);

/** Of a hundred runs. */
const VERDICTS: [verdict: string, share: number][] = [
  ['passed', 71],
  ['failed', 14],
  ['superseded', 7],
  ['error', 4],
  ['cancelled', 4],
];

const WHYS: Record<string, string> = {
  failed: '1 job failed.',
  error: 'Infrastructure error: the agent was lost.',
  cancelled: 'Cancelled by lizmat.',
};

/** Answers how many rows each table got. */
export async function seedHistory(database: Database, options: HistoryOptions): Promise<Record<string, number>> {
  const history = startHistory(options);
  const counts: Record<string, number> = {};
  const before = await database.connection(async (client) => {
    await insertTestNames(client, jobNames());
    return (await client.query('SELECT COALESCE(max(id), 0) AS id FROM test_reading')).rows[0].id;
  });
  const add = (table: string, rows: number | null) => {
    counts[table] = (counts[table] ?? 0) + (rows ?? 0);
  };
  for (let begun = 0; begun < options.runs; begun += BATCH) {
    const batch = history.next(Math.min(BATCH, options.runs - begun));
    await database.connection(async (client) => {
      await client.query('BEGIN');
      try {
        for (const [table, rows] of Object.entries(batch.tables)) add(table, await insert(client, table, rows));
        for (const [table, sql] of MULTIPLIED) {
          add(table, (await client.query(sql, [JSON.stringify(batch.built), JSON.stringify(jobNames())])).rowCount);
        }
        add('test_reading', await insertReadings(client, EACH_ATTEMPT, batch.told, jobNames()));
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    });
    options.onProgress?.(begun + batch.tables.run.length);
  }
  await database.connection((client) => addSums(client, before));
  return counts;
}

async function insert(client: Connection, table: string, rows: Row[]): Promise<number | null> {
  const [first] = rows;
  if (!first) return 0;
  const columns = Object.keys(first).join(', ');
  // A pull request or branch is told anew in each batch that has runs of it.
  const again = table === 'pull_request' || table === 'branch' ? 'ON CONFLICT (subject) DO NOTHING' : '';
  const sql = `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM json_populate_recordset(null::${table}, $1) ${again}`;
  return (await client.query(sql, [JSON.stringify(rows)])).rowCount;
}

const jobNames = () =>
  BACKENDS.flatMap((backend) => JOBS[backend]!.map((name, index) => ({ backend, name, n: index + 1 })));

/** One line for each build, and one for each job that a back-end has. */
const EACH_JOB = `
  json_to_recordset($1) AS built(id text, run_id text, backend text, created_at timestamptz, verdict text, odd int,
    odd_verdict text, flaps json, subject text, source_set text)
  JOIN json_to_recordset($2) AS named(backend text, name text, n int) ON named.backend = built.backend
  CROSS JOIN LATERAL (SELECT built.id || '-' || lpad(named.n::text, 2, '0') AS id,
    CASE WHEN named.n = built.odd THEN built.odd_verdict ELSE built.verdict END AS verdict,
    CASE WHEN built.flaps::jsonb @> to_jsonb(named.n) THEN 2 ELSE 1 END AS attempts) AS job`;
/** The first of two has failed. */
const EACH_ATTEMPT = `${EACH_JOB}
  CROSS JOIN LATERAL (SELECT (60 + named.n * 31 + length(built.id || job.verdict) * 7) * interval '1 second' AS took) AS each
  CROSS JOIN LATERAL (SELECT job.id || '-' || number AS id, number,
    CASE WHEN number < job.attempts THEN 'failed' ELSE job.verdict END AS verdict,
    built.created_at + named.n * interval '1 second' + (number - 1) * each.took AS started_at,
    built.created_at + number * each.took AS finished_at FROM generate_series(1, job.attempts) AS number) AS attempt`;
const why = (verdict: string) =>
  `CASE ${verdict} WHEN 'failed' THEN 'Tests failed.' WHEN 'error' THEN 'The agent was lost: no sign of life for 300 s.' END`;

const MULTIPLIED: [table: string, sql: string][] = [
  [
    'job',
    `INSERT INTO job (id, build_id, name, external_name, state, verdict, why, attempt)
     SELECT job.id, built.id, built.backend || ' / ' || named.name, named.name, 'finished', job.verdict,
       ${why('job.verdict')}, job.attempts FROM ${EACH_JOB}`,
  ],
  [
    'attempt',
    `INSERT INTO attempt (id, job_id, number, state, verdict, why, started_at, finished_at, log_bytes, log_lines, log_removed_at)
     SELECT attempt.id, job.id, attempt.number, 'finished', attempt.verdict, ${why('attempt.verdict')}, attempt.started_at,
       attempt.finished_at, 200000 + named.n * 1000, 2000 + named.n, built.created_at + interval '1 day' FROM ${EACH_ATTEMPT}`,
  ],
  [
    '"check"',
    `INSERT INTO "check" (id, run_id, job_id, name, external_id)
     SELECT job.id || '-c', built.run_id, job.id, built.backend || ' / ' || named.name, job.id FROM ${EACH_JOB}`,
  ],
];

function startHistory({ runs, seed, from, until }: HistoryOptions) {
  const draw = generator(seed);
  const newId = idsInOrder(draw.random);
  const drawTests = testsDrawer(seed);
  const heads = new Map(REPOSITORIES.map(({ key }) => [key, draw.sha()]));
  const newest = new Map<string, { id: string; sha: string }>();
  let count = 0;
  return {
    next(size: number) {
      const tables = { run: [] as Row[], source: [] as Row[], build: [] as Row[], event: [] as Row[] };
      const more = { sighting: [] as Row[], '"check"': [] as Row[], pull_request: [] as Row[], branch: [] as Row[] };
      const told: ToldBatch = { built: [], failures: [] };
      const batch = { tables: { ...tables, ...more }, built: [] as Row[], told };
      const named = new Set<string>();
      for (let index = 0; index < size; index++, count++) {
        const createdAt = new Date(from.getTime() + ((until.getTime() - from.getTime()) * count) / runs);
        const run = newRun(count / runs, createdAt);
        batch.tables.run.push(run.row);
        if (run.row['kind'] === 'commit') heads.set(run.repository.key, run.sha);
        const sources = sourcesOf(run);
        batch.tables.source.push(...sources);
        addBuilds(batch, run, isRead(count, runs) ? sourceSetOf(sources) : undefined);
        addFacts(batch, run);
        if (!named.has(run.subject))
          batch.tables[run.number === null ? 'branch' : 'pull_request'].push(subjectRow(run));
        named.add(run.subject);
        newest.set(run.subject, run);
      }
      return batch;
    },
  };

  function newRun(age: number, createdAt: Date) {
    const chance = draw.random();
    const repository = REPOSITORIES[chance < 0.45 ? 0 : chance < 0.7 ? 1 : 2]!;
    const isPull = draw.random() < 0.75;
    const isOdd = draw.random() < 0.02;
    const number = isPull ? 1 + Math.floor(age * PULLS) : null;
    const branch = isOdd ? draw.pick(HOSTILE_BRANCHES) : isPull ? `fix-${number}` : 'main';
    const ref = isPull ? branch : `refs/heads/${branch}`;
    const subject = isPull ? `pull-request:${repository.key}#${number}` : `branch:${repository.key}:${ref}`;
    const [id, sha] = [newId(createdAt), draw.sha()];
    const verdict = drawVerdict(draw.random());
    const title = isOdd ? draw.pick(HOSTILE_TITLES) : draw.pick(TITLES);
    const authorLogin =
      draw.random() < 0.001 ? AUTHORS.at(-1)! : AUTHORS[Math.floor(draw.random() * (AUTHORS.length - 1))]!;
    const finishedAt = new Date(createdAt.getTime() + (26 + draw.random() * 20) * MINUTE);
    const again = draw.random() < 0.1 ? newest.get(subject) : undefined;
    const row: Row = {
      id,
      repository_key: repository.key,
      repository: repository.name,
      installation: null,
      subject,
      kind: isPull ? 'pull-request' : 'commit',
      number,
      ref,
      sha,
      title,
      author_id: String(authorLogin.length),
      author_login: authorLogin,
      fork: draw.random() < 0.1 && isPull,
      base_ref: isPull ? 'main' : null,
      base_sha: isPull ? heads.get(repository.key)! : null,
      state: 'finished',
      verdict,
      why: WHYS[verdict] ?? null,
      trigger: again ? 'command' : isPull ? 'pull-request' : 'push',
      previous_id: again?.id ?? null,
      superseded_by_sha: verdict === 'superseded' ? draw.sha() : null,
      created_at: createdAt,
      finished_at: finishedAt,
      changed_at: finishedAt,
    };
    return { row, id, sha, subject, repository, number, ref, title, authorLogin, verdict, createdAt, finishedAt };
  }

  function sourcesOf(run: ReturnType<typeof newRun>): Row[] {
    return REPOSITORIES.map(({ key, name }) => {
      const changed = key === run.repository.key;
      const sha = changed ? run.sha : heads.get(key)!;
      return {
        id: newId(run.createdAt),
        run_id: run.id,
        repository_key: key,
        repository: name,
        sha,
        ref: changed ? run.ref : 'refs/heads/main',
        changed,
        why: changed ? `the head of ${run.number === null ? run.ref : `pull request ${run.number}`}` : 'head of main',
        archive_sha256: `${sha}${sha.slice(0, 24)}`,
        archive_size: 6_000_000,
        tar_sha256: `${sha.slice(0, 24)}${sha}`,
        archive_removed_at: run.finishedAt,
      };
    });
  }

  function addBuilds(
    { tables, built, told }: { tables: { build: Row[] }; built: Row[]; told: ToldBatch },
    run: ReturnType<typeof newRun>,
    sourceSet: string | undefined,
  ): void {
    const rare = draw.random() < 0.001;
    const verdict = run.verdict === 'superseded' ? 'cancelled' : run.verdict;
    const bad = draw.pick(['azure', 'obs']);
    for (const backend of ['azure', 'obs', ...(rare ? ['local'] : [])]) {
      const id = newId(run.createdAt);
      const own = backend === bad || verdict === 'cancelled' ? verdict : 'passed';
      const row = { id, run_id: run.id, backend, created_at: run.createdAt };
      const url =
        backend === 'azure' ? `https://dev.azure.com/raku/raku/_build/results?buildId=${tables.build.length}` : null;
      tables.build.push({
        ...row,
        ...{ state: 'finished', verdict: own, external_id: `seed-${id}`, url, attempt: 1, earlier_attempts: 0 },
        finished_at: run.finishedAt,
      });
      const odd = own === 'passed' || own === 'cancelled' ? 0 : 1 + Math.floor(draw.random() * JOBS[backend]!.length);
      const end = { ...row, verdict: odd ? 'passed' : own, odd, odd_verdict: own };
      if (sourceSet === undefined) {
        built.push({ ...end, flaps: [] });
        continue;
      }
      const jobs = JOBS[backend]!.map((name, at) => ({ n: at + 1, name, verdict: at + 1 === odd ? own : end.verdict }));
      const { flaps, failures } = drawTests(run, id, jobs);
      built.push({ ...end, flaps });
      told.built.push({ ...end, flaps, subject: run.subject, source_set: sourceSet });
      told.failures.push(...failures);
    }
  }

  function addFacts(
    { tables }: { tables: { event: Row[]; sighting: Row[]; '"check"': Row[] } },
    run: ReturnType<typeof newRun>,
  ): void {
    const [hook, poll] = [draw.random() < 0.97, draw.random() < 0.5];
    const at = new Date(run.createdAt.getTime() - 2_000 * draw.random());
    const repository = { key: run.repository.key, name: run.repository.name };
    const hint =
      run.number === null
        ? { kind: 'branch.hinted', repository, ref: run.ref }
        : { kind: 'pull-request.hinted', repository, number: run.number, action: 'synchronize' };
    const event = (payload: { kind: string }, subject: string, tellings: Row): string => {
      const id = newId(run.createdAt);
      tables.event.push({
        id,
        key: `seed:${id}`,
        kind: payload.kind,
        subject,
        payload,
        state: 'done',
        due_at: run.createdAt,
        tries: 1,
        fence: 1,
        created_at: run.createdAt,
        done_at: run.createdAt,
        ...tellings,
      });
      return id;
    };
    const hookAt = hook ? new Date(at.getTime() + 900) : null;
    const pollAt = poll || !hook ? new Date(at.getTime() + 40_000) : null;
    const told = event(hint, run.subject, { occurred_at: at, hook_at: hookAt, poll_at: pollAt });
    event({ kind: 'run.requested' }, `run:${run.id}`, { occurred_at: null, hook_at: null, poll_at: null });
    const saw = (source: string, seen: Date | null) => {
      if (seen) tables.sighting.push({ id: newId(seen), event_id: told, source, at: seen });
    };
    saw('hook', hookAt);
    saw('poll', pollAt);
    tables['"check"'].push({ id: newId(run.createdAt), run_id: run.id, name: 'rcb', external_id: run.id });
  }

  function subjectRow({
    subject,
    repository,
    number,
    ref,
    sha,
    title,
    authorLogin,
    createdAt,
  }: ReturnType<typeof newRun>): Row {
    const common = { subject, repository_key: repository.key, generation: 1, updated_at: createdAt };
    if (number === null) return { ...common, ref, sha };
    return {
      ...common,
      ...{ number, title, state: 'merged', draft: false, head_ref: ref, head_sha: sha, fork: false },
      ...{ base_ref: 'main', base_sha: sha, author_id: '1', author_login: authorLogin, heads: [] },
    };
  }
}

const sourceSetOf = (sources: Row[]): string =>
  sourceSetOfCommits(sources.map(({ repository_key, sha }) => `${repository_key} ${sha}`));

function drawVerdict(chance: number): string {
  let left = chance * 100;
  for (const [verdict, share] of VERDICTS) {
    left -= share;
    if (left < 0) return verdict;
  }
  return 'passed';
}
