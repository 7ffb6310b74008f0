import type { ClientBase } from 'pg';
import { flapRate } from '../../src/core/flapper.ts';

/**
 * A year of made-up test results, as `saveTests` would have left them, and the same in the plainest table that could hold
 * them: a row for each result. Some files fail now and then, each at its own rate; nine of ten failures are flaps.
 */
export interface ResultsShape {
  files: number;
  jobs: number;
  readings: number;
  /** Files that fail now and then. */
  flaky: number;
  weeks: number;
}

/** The last day of the record. */
export const LAST_DAY = '2026-11-20T12:00:00Z';

/** A file's path by its number, which begins at 1. */
const FILE_NAME = "'t/spec/S' || lpad(file::text, 4, '0') || '-section/basic.t'";

type Fill = (client: ClientBase, shape: ResultsShape) => Promise<unknown>;

/** A reading has a number; its job and its time follow from it, and so does what failed in it. */
const READING_AT = (shape: ResultsShape): string =>
  `(timestamptz '${LAST_DAY}' - (${shape.readings} - reading) * interval '${(shape.weeks * 7 * 86_400) / shape.readings} seconds')`;
const jobOf = ({ jobs }: Pick<ResultsShape, 'jobs'>): string => `(reading % ${jobs}) + 1`;

/** The file with the number n fails in about n of two thousand readings; which, its digest decides. */
const failures: Fill = (client, { readings, flaky, files, jobs }) =>
  client.query(`
    CREATE TEMP TABLE failing AS
    SELECT reading, (${jobOf({ jobs })}) AS job, 1 + file * ${Math.floor(files / (flaky + 1))} AS file,
      luck % 10 > 0 AS flapped
    FROM generate_series(1, ${readings}) AS reading, generate_series(1, ${flaky}) AS file,
      LATERAL (SELECT abs(hashint8(reading::int8 * 7919 + file)) AS luck) AS dice
    WHERE luck % 2000 < file;
    ANALYZE failing`);

const names: Fill = async (client, { files, jobs }) => {
  await client.query(
    `INSERT INTO test_file (id, name) SELECT file, ${FILE_NAME} FROM generate_series(1, ${files}) AS file`,
  );
  await client.query(`
    INSERT INTO test_job (id, name, platform)
    SELECT job, 'azure / Platform_' || job, 'Platform_' || job FROM generate_series(1, ${jobs}) AS job`);
  for (const [table, last] of [
    ['test_file', files],
    ['test_job', jobs],
  ] as const)
    await client.query(`SELECT setval(pg_get_serial_sequence('${table}', 'id'), ${last})`);
};

const readings: Fill = async (client, shape) => {
  await client.query(`
    INSERT INTO test_reading (id, attempt_id, run_id, subject, job_id, source_set, at, passed, failed)
    SELECT reading, 'attempt-' || reading, 'run-' || reading / ${shape.jobs}, 'branch:github:1:refs/heads/main',
      ${jobOf(shape)}, 'set-' || reading / ${shape.jobs}, ${READING_AT(shape)},
      CASE WHEN failed.files IS NULL THEN every.files
        ELSE ARRAY(SELECT file FROM unnest(every.files) AS file WHERE file <> ALL (failed.files)) END,
      COALESCE(cardinality(failed.files), 0)
    FROM generate_series(1, ${shape.readings}) AS reading
    CROSS JOIN (SELECT array_agg(id ORDER BY id) AS files FROM test_file) AS every
    LEFT JOIN (SELECT reading, array_agg(file) AS files FROM failing GROUP BY reading) AS failed USING (reading)`);
  await client.query(`SELECT setval(pg_get_serial_sequence('test_reading', 'id'), ${shape.readings})`);
  await client.query(`
    INSERT INTO test_failure (reading_id, file_id, job_id, flapped, details)
    SELECT reading, file, job, flapped,
      '{"line":1234,"tests":12,"failedCount":1,"failed":[{"from":3,"to":3}],"todoPassed":[],"exit":1,"parseErrors":[]}'
    FROM failing`);
};

const sums: Fill = async (client, shape) => {
  await client.query(`
    INSERT INTO test_week (file_id, job_id, week, passed, failed, flapped)
    SELECT file.id, ran.job_id, ran.week, ran.readings - COALESCE(bad.failed, 0), COALESCE(bad.failed, 0),
      COALESCE(bad.flapped, 0)
    FROM (SELECT job_id, date_trunc('week', at AT TIME ZONE 'UTC')::date AS week, count(*) AS readings
      FROM test_reading GROUP BY job_id, week) AS ran
    CROSS JOIN test_file AS file
    LEFT JOIN (SELECT failing.file, failing.job, date_trunc('week', ${READING_AT(shape)} AT TIME ZONE 'UTC')::date AS week,
        count(*) AS failed, count(*) FILTER (WHERE flapped) AS flapped
      FROM failing GROUP BY failing.file, failing.job, 3) AS bad
      ON bad.file = file.id AND bad.job = ran.job_id AND bad.week = ran.week`);
  const { rows } = await client.query(`
    SELECT kept.file_id, kept.job_id, sum(passed + failed)::int AS runs, sum(failed)::int AS failed,
      sum(flapped)::int AS flapped, min(week) FILTER (WHERE failed > 0) AS first,
      max(week) FILTER (WHERE failed > 0) AS last, max(week) FILTER (WHERE flapped > 0) AS last_flap
    FROM test_week AS kept GROUP BY kept.file_id, kept.job_id HAVING sum(failed) > 0`);
  const tallies = rows.map((row) => ({ ...row, at_least: flapRate(row.flapped, row.runs).low }));
  await client.query(
    `INSERT INTO test_tally SELECT * FROM jsonb_to_recordset($1::jsonb) AS row (file_id int, job_id int, runs int,
      failed int, flapped int, first timestamptz, last timestamptz, last_flap timestamptz, at_least float8)`,
    [JSON.stringify(tallies)],
  );
};

const plain: Fill = async (client) => {
  await client.query(
    'CREATE TABLE plain_result (reading_id int, file_id int, job_id int, at timestamptz, failed boolean)',
  );
  await client.query(`
    INSERT INTO plain_result
    SELECT reading.id, file.id, reading.job_id, reading.at, failing.file IS NOT NULL
    FROM test_reading AS reading CROSS JOIN test_file AS file
    LEFT JOIN failing ON failing.reading = reading.id AND failing.file = file.id`);
  await client.query('CREATE INDEX plain_result_file ON plain_result (file_id, job_id)');
};

/** Of what was made by hand, PostgreSQL knows nothing yet. */
const settle: Fill = async (client) => {
  for (const table of [
    'test_file',
    'test_job',
    'test_reading',
    'test_failure',
    'test_week',
    'test_tally',
    'plain_result',
  ])
    await client.query(`VACUUM ANALYZE ${table}`);
};

const STEPS: Record<string, Fill> = { names, failures, readings, sums, plain, settle };

/** Calls `onStep` with the name of each step and its seconds. */
export async function fillResults(
  client: ClientBase,
  shape: ResultsShape,
  onStep: (name: string, seconds: number) => void,
): Promise<void> {
  // What refers to what is right by construction.
  await client.query("SET session_replication_role = 'replica'; SET work_mem = '256MB'; SET statement_timeout = 0");
  for (const [name, fill] of Object.entries(STEPS)) {
    const begun = performance.now();
    await fill(client, shape);
    onStep(name, (performance.now() - begun) / 1_000);
  }
}
