import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { openDiskArchive } from '../src/archive/disk.ts';
import { environment, parseEnvironment } from '../src/config/environment.ts';
import { diskFiles } from '../src/config/files.ts';
import { type Database, openDatabase } from '../src/database/database.ts';
import { applyMigrations } from '../src/database/migrate.ts';
import { seedDatabase } from './seed.ts';
import { seedHistory } from './seed-history.ts';

/** Newest, in every state, with logs and artifacts that can be opened. */
const SAMPLES = 40;
const SAMPLE_DAYS = 5;
const YEAR_DAYS = 365;
const DAY_MS = 86_400_000;
/** A PGlite takes a few thousand rows a second. */
const RUNS = { postgresql: 100_000, embedded: 1_000 };

export interface SeedCommand {
  runs?: number;
  seed: number;
  now: Date;
  force: boolean;
  dataDir: string;
  say(line: string): void;
}

/** `npm run seed -- --help` */
export async function seedCommand(): Promise<void> {
  const program = new Command('npm run seed --')
    .description('fill a database with a year of made-up runs in every state, to look at pages and to measure them')
    .option('--runs <count>', `how many runs (default ${RUNS.postgresql}; embedded ${RUNS.embedded})`, wholeNumber)
    .option('--seed <number>', 'the same number and time give the same rows', wholeNumber, 1)
    .addOption(
      new Option('--now <time>', 'the end of the year, ISO 8601').default(new Date(), 'now').argParser(instant),
    )
    .option('--force', 'add to a database that has rows', false)
    .parse();
  const { settings, mistakes } = parseEnvironment(environment(), diskFiles(process.cwd()));
  const wrong = mistakes.filter(({ key }) => key === 'DATABASE_URL' || key === 'RCB_DATA_DIR');
  for (const { key, found, expected } of wrong) program.error(`${key}: found ${found}, expected ${expected}`);
  const dataDir = resolve(settings.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const database = await openDatabase({ url: settings.databaseUrl, dataDir });
  try {
    await seedAll(database, { ...program.opts(), dataDir, say: (line) => console.error(line) });
  } catch (error) {
    if (!(error instanceof NotEmpty)) throw error;
    program.error(error.message);
  } finally {
    await database.close();
  }
}

/** The database has rows that nobody said may be mixed with made-up ones. */
export class NotEmpty extends Error {}

/** Migrates, fills, and lets the planner know what is there now. */
export async function seedAll(database: Database, options: SeedCommand): Promise<void> {
  const { now, seed, force, dataDir, say } = options;
  await applyMigrations(database, join(import.meta.dirname, 'migrations'));
  await refuseRows(database, force);
  const runs = options.runs ?? RUNS[database.kind];
  const begun = performance.now();
  const archive = await openDiskArchive({ dir: join(dataDir, 'archive'), secrets: [] });
  const samples = Math.min(SAMPLES, runs);
  const before = (days: number) => new Date(now.getTime() - days * DAY_MS);
  const counts = await seedHistory(database, {
    runs: runs - samples,
    seed,
    from: before(YEAR_DAYS),
    until: before(SAMPLE_DAYS),
    onProgress: (done) => done % 10_000 === 0 && say(`${done} runs after ${seconds(begun)} s`),
  });
  // What their tests came to is newer than all before.
  await seedDatabase(database.prisma, archive, { now, count: samples });
  await database.connection((client) => client.query('ANALYZE'));
  const told = Object.entries(counts).map(([table, rows]) => `${rows} ${table.replaceAll('"', '')}`);
  say(`Seeded the ${database.describe()} in ${seconds(begun)} s: ${samples} samples, and ${told.join(', ')}.`);
}

async function refuseRows({ prisma, describe }: Database, force: boolean): Promise<void> {
  const seeded = await prisma.build.findFirst({ where: { externalId: { startsWith: 'seed-' } }, select: { id: true } });
  if (seeded) throw new NotEmpty(`The ${describe()} was seeded before. Nothing was written: take an empty one.`);
  if (force) return;
  const [run, event] = [await prisma.run.findFirst({ select: { id: true } }), await prisma.event.findFirst()];
  if (!run && !event) return;
  throw new NotEmpty(
    `The ${describe()} has runs or facts already. Nothing was written; --force adds made-up ones to them, for good.`,
  );
}

const seconds = (begun: number): string => ((performance.now() - begun) / 1_000).toFixed(1);

function wholeNumber(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('It must be a whole number below ten million.');
  return Number(text);
}

function instant(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('It must be a time like 2026-11-21T12:00:00Z.');
  return time;
}
