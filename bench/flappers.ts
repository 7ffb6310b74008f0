/**
 * The record of tests with ten million results (`npm run bench:flappers`): what a page of it takes, and what storing the
 * tests of one attempt takes, 1,400 files. Pages are whole ones, from the request to the last byte of HTML.
 *
 * The peer is the plainest design on the same PostgreSQL, in the same rounds: a table with a row for each result and an
 * index by file, summed up when somebody asks (the query alone, without weeks, links and a page), and 1,400 rows inserted
 * at once (without finding flaps).
 *
 * RCB_BENCH_RESULTS changes the number of results.
 */
import pg from 'pg';
import type { PrismaClient } from '../src/generated/prisma/client.ts';
import type { Site } from '../src/site/routes.ts';
import { openStore } from '../src/store/prisma.ts';
import { createPrismaReader } from '../src/store/prisma-reader.ts';
import { siteOf } from '../test/adapters/site-fakes.ts';
import { testDatabase } from '../test/support/database.ts';
import { aReading, tests } from '../test/support/readings.ts';
import { interleaved, median, round, say, tell } from './support/figures.ts';
import { serverSettings, serverUrl } from './support/server.ts';
import { fillResults, LAST_DAY, type ResultsShape } from './support/test-results.ts';

const RESULTS = Number(process.env['RCB_BENCH_RESULTS'] ?? 10_000_000);
const FILES = 1_400;
const SHAPE: ResultsShape = { files: FILES, jobs: 20, readings: Math.ceil(RESULTS / FILES), flaky: 60, weeks: 52 };
const ROUNDS = 9;
const now = () => new Date(LAST_DAY);

const postgres = await serverSettings(serverUrl());
const stored = await testDatabase();
const client = new pg.Client({ connectionString: stored.url });
await client.connect();
try {
  await fillResults(client, SHAPE, (name, seconds) => say(`${name}: ${round(seconds)} s`));
  const times = await interleaved({ ...(await ours(stored.database.prisma)), ...(await peer()) }, ROUNDS);
  const ms = (own: number[]) => ({ p50: round(median(own)), max: round(Math.max(...own)) });
  const beside = (own: number[], other: number[]) => round(median(own) / median(other));
  tell('flappers', {
    listMs: ms(times.list),
    nextPageMs: ms(times.nextPage),
    fileMs: ms(times.file),
    saveMs: ms(times.save),
    ratio: {
      list: beside(times.list, times.plainList),
      file: beside(times.file, times.plainFile),
      save: beside(times.save, times.plainInsert),
    },
    ...(await sizes()),
    files: FILES,
    rounds: ROUNDS,
    postgres,
  });
} finally {
  await client.end();
  await stored.close();
}

function timed(work: () => Promise<unknown>) {
  return async (): Promise<number> => {
    const begun = performance.now();
    await work();
    return performance.now() - begun;
  };
}

async function ours(prisma: PrismaClient) {
  const { site } = siteOf(createPrismaReader(prisma, { now }), { clock: { now } });
  const { next } = (await (await site.request('/api/flappers')).json()) as { next?: string };
  const { name } = await worst();
  return {
    list: timed(() => page(site, '/flappers')),
    nextPage: timed(() => page(site, next ? `/flappers?before=${next}` : '/flappers?sort=last')),
    file: timed(() => page(site, `/flappers/file?name=${encodeURIComponent(name)}`)),
    save: timed(await saves(prisma)),
  };
}

async function page(site: Site, path: string): Promise<void> {
  const answer = await site.request(path);
  const text = await answer.text();
  if (answer.status !== 200 || !text.includes('class="spark"'))
    throw new Error(`${path} shows nothing: ${answer.status}`);
}

/** Each time another job's, and one or two files that fail. */
async function saves(prisma: PrismaClient): Promise<() => Promise<void>> {
  const { rows } = await client.query<{ name: string }>('SELECT name FROM test_file ORDER BY id');
  const names = rows.map(({ name }) => name);
  let count = 0;
  return () => {
    count += 1;
    const failed = 1 + (count % 2);
    const reading = aReading({
      attemptId: `new-${count}`,
      job: `azure / Platform_${(count % SHAPE.jobs) + 1}`,
      sourceSet: `new-set-${count}`,
      at: now(),
      tests: tests(names.slice(failed), names.slice(0, failed)),
    });
    return prisma.$transaction((transaction) => openStore(transaction, now).saveTests(reading));
  };
}

async function peer() {
  const sums = (where: string) => () =>
    client.query(`
      SELECT file_id, job_id, count(*) AS runs, count(*) FILTER (WHERE failed) AS failed,
        max(at) FILTER (WHERE failed) AS last
      FROM plain_result WHERE ${where} GROUP BY file_id, job_id HAVING count(*) FILTER (WHERE failed) > 0
      ORDER BY count(*) FILTER (WHERE failed)::float8 / count(*) DESC LIMIT 50`);
  const insert = () =>
    client.query(`
      INSERT INTO plain_result
      SELECT ${SHAPE.readings + 1}, file, 1, now(), false FROM generate_series(1, ${FILES}) AS file`);
  return {
    plainList: timed(sums('true')),
    plainFile: timed(sums(`file_id = ${(await worst()).id}`)),
    plainInsert: timed(insert),
  };
}

/** The file that flaps most. */
async function worst(): Promise<{ id: number; name: string }> {
  const { rows } = await client.query(
    'SELECT id, name FROM test_tally JOIN test_file ON id = file_id ORDER BY at_least DESC, id LIMIT 1',
  );
  return rows[0];
}

async function sizes() {
  const { rows } = await client.query(`
    SELECT (SELECT sum(cardinality(passed) + failed) FROM test_reading) AS results,
      (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname LIKE 'test\\_%' AND relkind = 'r') AS ours,
      pg_total_relation_size('plain_result') AS plain`);
  const [{ results, ours: own, plain }] = rows;
  const megabytes = { ours: round(Number(own) / 1e6), plain: round(Number(plain) / 1e6) };
  return { results: Number(results), megabytes };
}
