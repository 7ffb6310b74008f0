import { createHash } from 'node:crypto';
import { flapRate } from '../src/core/flapper.ts';
import { readTests } from '../src/core/testlog.ts';
import { attemptTests } from '../src/core/testlog-attempt.ts';
import type { AttemptTests } from '../src/core/testlog-kept.ts';
import type { Database } from '../src/database/database.ts';
import { generator } from './seed-draw.ts';

/**
 * What made-up runs came to in their tests: flaps, regressions that stay for some runs, and logs that were torn off.
 *
 * The samples' logs are written as `prove` writes them, and read and stored as the bot does it. A year of readings is made
 * in bulk, for about a tenth of the runs: every twentieth, so that each week has some, and all of the newest twentieth, so
 * that what one opens first has them. The sums follow from the readings, and are what `saveTests` would have kept: a test
 * stores the same readings once more through it.
 */

type Connection = Parameters<Parameters<Database['connection']>[0]>[0];
type Row = Record<string, string | number | boolean | null | object>;

/** Fail now and then: in how many of a thousand jobs, and on which platforms. */
const FLAKY: { name: string; perMille: number; platform?: RegExp }[] = [
  { name: 't/spec/S17-procasync/kill.t', perMille: 4 },
  { name: 't/spec/S32-io/IO-Socket-Async.t', perMille: 12, platform: /macos|windows/ },
  { name: 't/spec/S17-supply/syntax.t', perMille: 1.5 },
  { name: 't/spec/S07-hyperrace/basics.t', perMille: 6, platform: /arm64|aarch64/ },
  { name: 't/spec/S17-lowlevel/semaphore.t', perMille: 2 },
  { name: 't/02-rakudo/10-nqp-ops.t', perMille: 0.5 },
  { name: 't/04-nativecall/24-cpp.t', perMille: 5, platform: /windows/ },
  { name: 't/06-telemetry/01-basic.t', perMille: 0.3 },
];
const SAMPLED_FLAPPER = FLAKY[0]!.name;
const SAMPLED_FAILURE = 't/spec/S32-list/permutations.t';
const COMPLAINTS: Record<string, [title: string, expected: string, got: string]> = {
  [SAMPLED_FLAPPER]: ['the signal arrives', 'True', 'False'],
  [SAMPLED_FAILURE]: ['the sixth permutation is lazy', 'Seq.new(…)', 'List.new(…)'],
};

const SECTIONS = ['01-sanity', '02-rakudo', '04-nativecall', '05-messages', '08-performance', '12-rakuast'];
const CHAPTERS = ['S02-types', 'S03-operators', 'S04-statements', 'S05-regex', 'S06-signature', 'S12-methods'];
const TOPICS = ['basics', 'edge-cases', 'errors', 'lazy', 'misc', 'native', 'numbers', 'strings'];

/** As a stack's tests are run, in their order. */
export const TEST_FILES: string[] = [
  ...SECTIONS.flatMap((section) => TOPICS.map((topic, at) => `t/${section}/${10 + at}-${topic}.t`)),
  ...CHAPTERS.flatMap((chapter) => TOPICS.map((topic) => `t/spec/${chapter}/${topic}.t`)),
  SAMPLED_FAILURE,
  ...FLAKY.map(({ name }) => name),
].sort();

/** So many files are told by a log that has no end. */
const TORN_OFF = 40;
const numberOfTests = (name: string): number => 5 + ((name.length * 7) % 40);

/** The end of a job's log. `error`: it is torn off; without a verdict it goes on growing. */
export function proveLines(verdict: string | undefined, isFlap: boolean): string[] {
  const failing = verdict === 'failed' ? (isFlap ? SAMPLED_FLAPPER : SAMPLED_FAILURE) : undefined;
  if (verdict !== 'passed' && verdict !== 'failed') return torn(verdict);
  const files = TEST_FILES.flatMap((name) => fileLines(name, name === failing));
  const sum = TEST_FILES.reduce((all, name) => all + numberOfTests(name), 0);
  const totals = `Files=${TEST_FILES.length}, Tests=${sum}, 412 wallclock secs ( 0.92 usr  0.20 sys + 396.68 cusr 12.08 csys = 409.88 CPU)`;
  if (!failing) return [...files, '\u001b[32;1mAll tests successful.\u001b[0m', totals, 'Result: PASS'];
  const found = `\u001b[31m${failing} (Wstat: 256 (exited 1) Tests: ${numberOfTests(failing)} Failed: 1)\u001b[0m`;
  const report = ['', 'Test Summary Report', '-------------------', found, '  Failed test:  3'];
  return [...files, ...report, '  Non-zero exit status: 1', totals, 'Result: FAIL'];
}

function torn(verdict: string | undefined): string[] {
  const files = TEST_FILES.slice(0, TORN_OFF).flatMap((name) => fileLines(name));
  return verdict === 'error' ? [...files, '\u001b[33mThe agent was asked to stop.\u001b[0m'] : files;
}

function fileLines(name: string, fails = false): string[] {
  const dots = `${name} ${'.'.repeat(Math.max(2, 40 - name.length))}`;
  if (!fails)
    return [name.includes('native.t') ? `${dots} skipped: needs a newer libffi` : `${dots} \u001b[32mok\u001b[0m`];
  const [title, expected, got] = COMPLAINTS[name] ?? ['it works', 'True', 'False'];
  return [
    `\u001b[31m# Failed test '${title}'\u001b[0m`,
    `# at ${name} line 33`,
    `# expected: \u001b[32m${expected}\u001b[39m`,
    `#      got: \u001b[31m${got}\u001b[39m`,
    `${dots} `,
    'Dubious, test returned 1 (wstat 256, 0x100)',
    `\u001b[31mFailed 1/${numberOfTests(name)} subtests \u001b[0m`,
  ];
}

/** Undefined: it tells nothing of tests. */
export function testsOfLog(text: string): AttemptTests | undefined {
  const reader = readTests();
  reader.bytes(Buffer.from(text));
  return attemptTests(reader.end());
}

/** As `sourceSetOf` is: one text for one set of commits. `commits`: `<repository key> <sha>`. */
export const sourceSetOfCommits = (commits: string[]): string =>
  createHash('sha256').update(JSON.stringify(commits.sort())).digest('hex');

export interface BuiltJob {
  /** From 1, as in the ids of its build's jobs. */
  n: number;
  name: string;
  verdict: string;
}

interface Failure {
  attempt_id: string;
  file: string;
  flapped: boolean;
  details: object;
}

/** What failed in one build. `flaps`: numbers of its jobs that failed first, and then passed. */
interface DrawnTests {
  flaps: number[];
  failures: Failure[];
}

const READ_EACH = 20;
const READ_NEWEST = 0.95;
export const isRead = (index: number, runs: number): boolean => index % READ_EACH === 0 || index >= runs * READ_NEWEST;

/** `buildId`: its jobs are `<build>-01`, their attempts `<build>-01-1`. */
export type DrawTests = (run: { subject: string }, buildId: string, jobs: BuiltJob[]) => DrawnTests;

/** The same seed draws the same. */
export function testsDrawer(seed: number): DrawTests {
  const draw = generator(seed ^ 0x7e57);
  const steady = TEST_FILES.filter((name) => FLAKY.every((each) => each.name !== name));
  /** A change that breaks something breaks the same in all of its runs. */
  const broken = (subject: string): string[] => {
    const luck = createHash('sha256').update(subject).digest();
    return Array.from({ length: 1 + (luck[0]! % 3) }, (_, at) => steady[luck.readUInt16LE(1 + at) % steady.length]!);
  };
  const flapsIn = ({ name }: BuiltJob): string[] =>
    FLAKY.filter(
      ({ perMille, platform }) => draw.random() * 1_000 < perMille && (!platform || platform.test(name)),
    ).map((each) => each.name);
  return ({ subject }, buildId, jobs) => {
    const drawn: DrawnTests = { flaps: [], failures: [] };
    for (const job of jobs) {
      const flapping = flapsIn(job);
      const flapped = job.verdict === 'passed' && flapping.length > 0;
      if (!flapped && job.verdict !== 'failed') continue;
      if (flapped) drawn.flaps.push(job.n);
      for (const file of new Set(flapped ? flapping : [...broken(subject), ...flapping])) {
        const attemptId = `${buildId}-${String(job.n).padStart(2, '0')}-1`;
        drawn.failures.push({ attempt_id: attemptId, file, flapped, details: detailsOf(file, draw.random()) });
      }
    }
    return drawn;
  };
}

function detailsOf(file: string, chance: number): object {
  const tests = numberOfTests(file);
  const line = 1_000 + Math.floor(chance * 900);
  const common = { line, todoPassed: [], parseErrors: [] };
  if (chance < 0.1)
    return {
      ...common,
      tests: 2,
      failedCount: 0,
      failed: [],
      signal: 'SEGV',
      parseErrors: [`Bad plan.  You planned ${tests} tests but ran 2.`],
    };
  const first = 1 + (Math.floor(chance * 1_000) % tests);
  const failed = [{ from: first, to: Math.min(tests, first + (chance > 0.7 ? 2 : 0)) }];
  return { ...common, tests, failedCount: failed[0]!.to - first + 1, failed, exit: failed[0]!.to - first + 1 };
}

/** A build of which the tests are told: `id`, `run_id`, `subject`, `source_set`, and how its jobs ended, as columns of
 *  `eachJob`. */
export interface ToldBatch {
  built: Row[];
  failures: Failure[];
}

/** Names of files and jobs, once; those that are known keep their numbers. */
export async function insertTestNames(client: Connection, jobs: { backend: string; name: string }[]): Promise<void> {
  await client.query('INSERT INTO test_file (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING', [TEST_FILES]);
  await client.query(
    `INSERT INTO test_job (name, platform) SELECT backend || ' / ' || name, name
     FROM json_to_recordset($1) AS job(backend text, name text) ON CONFLICT DO NOTHING`,
    [JSON.stringify(jobs)],
  );
}

/** `eachJob`: what gives `built`, `named`, `job` and `attempt`, from $1 and $2. Answers how many readings there are. */
export async function insertReadings(
  client: Connection,
  eachAttempt: string,
  { built, failures }: ToldBatch,
  jobs: Row[],
): Promise<number> {
  const readings = await client.query(
    `WITH every AS (SELECT array_agg(id ORDER BY id) AS files FROM test_file WHERE name = ANY($4::text[])),
     failing AS (
       SELECT attempt_id, array_agg(test_file.id) AS files
       FROM json_to_recordset($3) AS failure(attempt_id text, file text) JOIN test_file ON name = file GROUP BY attempt_id)
     INSERT INTO test_reading (attempt_id, run_id, subject, job_id, source_set, at, passed, failed, unreadable)
     SELECT attempt.id, built.run_id, built.subject, test_job.id, built.source_set, attempt.finished_at,
       CASE WHEN attempt.verdict = 'error' THEN every.files[:${TORN_OFF}]
         WHEN failing.files IS NULL THEN every.files
         ELSE ARRAY(SELECT file FROM unnest(every.files) AS file WHERE file <> ALL (failing.files)) END,
       COALESCE(cardinality(failing.files), 0),
       CASE attempt.verdict WHEN 'error' THEN '[{"because": "truncated", "line": 2000}]'::jsonb END
     FROM ${eachAttempt}
     JOIN test_job ON test_job.name = built.backend || ' / ' || named.name
     CROSS JOIN every LEFT JOIN failing ON failing.attempt_id = attempt.id
     WHERE attempt.verdict <> 'cancelled' ORDER BY built.run_id, attempt.number, test_job.name`,
    [JSON.stringify(built), JSON.stringify(jobs), JSON.stringify(failures), TEST_FILES],
  );
  await client.query(
    `INSERT INTO test_failure (reading_id, file_id, job_id, flapped, details)
     SELECT reading.id, test_file.id, reading.job_id, failure.flapped, failure.details
     FROM json_to_recordset($1) AS failure(attempt_id text, file text, flapped boolean, details jsonb)
     JOIN test_reading AS reading ON reading.attempt_id = failure.attempt_id
     JOIN test_file ON test_file.name = failure.file`,
    [JSON.stringify(failures)],
  );
  return readings.rowCount ?? 0;
}

/** Of the readings behind this one; what others have added stays. Results are not counted one by one: where a log was read
 *  to its end, every file passed that did not fail. */
export async function addSums(client: Connection, after: number): Promise<void> {
  await client.query(
    `WITH reading AS (
       SELECT *, date_trunc('week', at AT TIME ZONE 'UTC')::date AS week FROM test_reading WHERE id > $1),
     ran AS (SELECT job_id, week, count(*) AS readings FROM reading WHERE unreadable IS NULL GROUP BY job_id, week)
     INSERT INTO test_week AS kept (file_id, job_id, week, passed, failed, flapped)
     SELECT file_id, job_id, week, sum(passed), sum(failed), sum(flapped)
     FROM (
       SELECT id AS file_id, job_id, week, readings AS passed, 0 AS failed, 0 AS flapped
       FROM ran CROSS JOIN test_file WHERE name = ANY($2::text[])
       UNION ALL
       SELECT file, job_id, week, 1, 0, 0 FROM reading, unnest(passed) AS file WHERE unreadable IS NOT NULL
       UNION ALL
       SELECT failure.file_id, failure.job_id, week, -1, 1, flapped::int
       FROM test_failure AS failure JOIN reading ON reading.id = failure.reading_id
     ) AS result
     GROUP BY file_id, job_id, week
     ON CONFLICT (file_id, job_id, week) DO UPDATE SET passed = kept.passed + excluded.passed,
       failed = kept.failed + excluded.failed, flapped = kept.flapped + excluded.flapped`,
    [after, TEST_FILES],
  );
  await putTallies(client);
}

/** All of them: they are few, and follow from what is stored. */
async function putTallies(client: Connection): Promise<void> {
  const { rows } = await client.query(
    `SELECT week.file_id, week.job_id, week.runs, week.failed, week.flapped, failure.*
     FROM (
       SELECT file_id, job_id, sum(passed + failed)::int AS runs, sum(failed)::int AS failed, sum(flapped)::int AS flapped
       FROM test_week GROUP BY file_id, job_id HAVING sum(failed) > 0) AS week
     JOIN (
       SELECT failure.file_id, failure.job_id, min(at) AS first_failed_at, max(at) AS last_failed_at,
         max(at) FILTER (WHERE flapped) AS last_flapped_at
       FROM test_failure AS failure JOIN test_reading AS reading ON reading.id = failure.reading_id
       GROUP BY failure.file_id, failure.job_id) AS failure USING (file_id, job_id)`,
  );
  const tallies = rows.map((row) => ({ ...row, at_least: flapRate(row.flapped, row.runs).low }));
  await client.query(
    `INSERT INTO test_tally SELECT * FROM json_populate_recordset(null::test_tally, $1)
     ON CONFLICT (file_id, job_id) DO UPDATE SET runs = excluded.runs, failed = excluded.failed,
       flapped = excluded.flapped, first_failed_at = excluded.first_failed_at,
       last_failed_at = excluded.last_failed_at, last_flapped_at = excluded.last_flapped_at,
       at_least = excluded.at_least`,
    [JSON.stringify(tallies)],
  );
}
