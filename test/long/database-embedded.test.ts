/** The embedded database on disk: its lock, its socket, and what survives. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, test } from 'node:test';
import { lockDirectory } from '../../src/database/data-lock.ts';
import { openDatabase } from '../../src/database/database.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { migrationsDir } from '../support/database.ts';

const source = join(import.meta.dirname, '../../src/database');
let directory: string;
let children: ChildProcess[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rcb-embedded-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) await end(child);
  await rm(directory, { recursive: true, force: true });
});

test('what was committed is there when the database is opened again', async () => {
  // Too deep for a Unix socket in it.
  const dataDir = join(directory, 'deep'.repeat(20), 'deeper'.repeat(20));
  const first = await openDatabase({ dataDir });
  assert.deepEqual((await applyMigrations(first, migrationsDir)).length > 0, true);
  await first.prisma.lane.create({ data: { name: 'kept', notBeforeAt: new Date(), why: 'ümlaut' } });
  assert.equal(first.describe(), `embedded database in ${join(dataDir, 'database')}`);
  await assert.rejects(openDatabase({ dataDir }), new RegExp(`is in use by process ${process.pid};.*DATABASE_URL`));
  await first.close();

  const second = await openDatabase({ dataDir });
  try {
    assert.deepEqual(await applyMigrations(second, migrationsDir), []);
    assert.equal((await second.prisma.lane.findUniqueOrThrow({ where: { name: 'kept' } })).why, 'ümlaut');
    assert.equal((await stat(join(dataDir, 'database'))).mode & 0o777, 0o700);
  } finally {
    await second.close();
  }
});

test('a first start that was killed half-way does not hinder the next; the socket is in a private directory', async () => {
  await mkdir(join(directory, 'database.unfinished'));
  await writeFile(join(directory, 'database.unfinished', 'PG_VERSION'), '');
  await mkdir(join(directory, 'socket'), { mode: 0o755 });
  const database = await openDatabase({ dataDir: directory });
  try {
    assert.equal((await database.prisma.$queryRaw<unknown[]>`SELECT 1`).length, 1);
    assert.equal((await stat(join(directory, 'socket'))).mode & 0o777, 0o700);
    assert.ok((await stat(join(directory, 'socket', '.s.PGSQL.5432'))).isSocket());
  } finally {
    await database.close();
  }
});

test('a second process is refused with the pid of the first; a killed one leaves nothing in the way', async () => {
  const child = await holdInChild();
  await assert.rejects(lockDirectory(directory), {
    message: `${directory} is in use by process ${child.pid}; stop it, or set DATABASE_URL or another RCB_DATA_DIR.`,
  });
  await end(child);
  const lock = await lockDirectory(directory);
  await assert.rejects(lockDirectory(directory), new RegExp(`process ${process.pid};`));
  await lock.release();
  await (await lockDirectory(directory)).release();
  assert.equal((await readdir(directory)).length, 1);
});

test('a process that is killed with the database open keeps it from others, and loses nothing', async () => {
  const { child, answer } = await startChild(`
    const { openDatabase } = await import(${JSON.stringify(join(source, 'database.ts'))});
    const { applyMigrations } = await import(${JSON.stringify(join(source, 'migrate.ts'))});
    const database = await openDatabase({ dataDir: ${JSON.stringify(directory)} });
    await applyMigrations(database, ${JSON.stringify(migrationsDir)});
    await database.prisma.lane.create({ data: { name: 'acknowledged', notBeforeAt: new Date() } });
    console.log('stored');`);
  assert.equal(answer, 'stored');
  await assert.rejects(openDatabase({ dataDir: directory }), new RegExp(`is in use by process ${child.pid};`));
  await end(child);
  const database = await openDatabase({ dataDir: directory });
  try {
    assert.equal(await database.prisma.lane.count({ where: { name: 'acknowledged' } }), 1);
  } finally {
    await database.close();
  }
});

test('a pid that is in use again by another process does not hold the lock', async () => {
  const child = await holdInChild();
  const [name] = await readdir(directory);
  const world = JSON.parse(await readFile(join(directory, name!), 'utf8')).world;
  await end(child);
  await writeFile(join(directory, name!), JSON.stringify({ pid: process.pid, startedAt: '1', world }));
  await (await lockDirectory(directory)).release();
});

test('of many that find a dead lock, one takes it', async () => {
  for (let round = 0; round < 20; round++) {
    const place = join(directory, String(round));
    await mkdir(place);
    await writeFile(join(place, 'lock.7'), JSON.stringify({ pid: null, startedAt: '', world: '' }));
    const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory(place)));
    const taken = attempts.filter((attempt) => attempt.status === 'fulfilled');
    assert.equal(taken.length, 1);
    await taken[0]!.value.release();
  }
});

test('of many processes that find a dead lock, one takes it', async () => {
  await end(await holdInChild());
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => startChild(takeLock()).then(({ answer }) => answer)),
  );
  assert.equal(answers.filter((answer) => answer === 'held').length, 1);
  assert.equal(answers.filter((answer) => /is in use by process \d+;/.test(answer)).length, 5);
});

test('a holder in another container counts as alive while it touches its file', async () => {
  const path = join(directory, 'lock.1');
  await writeFile(path, JSON.stringify({ pid: 1, startedAt: '1', world: 'another' }));
  await assert.rejects(lockDirectory(directory), /process 1 of another container or machine/);
  const aMinuteAgo = new Date(Date.now() - 60_000);
  await utimes(path, aMinuteAgo, aMinuteAgo);
  await (await lockDirectory(directory)).release();
});

test('a directory that holds something else is named, and not kept locked', async () => {
  await mkdir(join(directory, 'database'));
  await writeFile(join(directory, 'database', 'PG_VERSION'), '9.6\n');
  await assert.rejects(
    openDatabase({ dataDir: directory }),
    /^Error: Cannot open the embedded database in .*database: /,
  );
  await (await lockDirectory(directory)).release();
});

test('a lock file that is damaged is named, not trampled on', async () => {
  for (const damaged of ['', '{', '{"pid":"1"}', '[]']) {
    await writeFile(join(directory, 'lock.3'), damaged);
    await assert.rejects(lockDirectory(directory), /lock file .*lock\.3 cannot be read/);
  }
});

async function holdInChild(): Promise<ChildProcess> {
  const { child, answer } = await startChild(takeLock());
  assert.equal(answer, 'held');
  return child;
}

/** Tries to take the lock, and says how that went. */
function takeLock(): string {
  return `
    const { lockDirectory } = await import(${JSON.stringify(join(source, 'data-lock.ts'))});
    await lockDirectory(${JSON.stringify(directory)}).then(() => console.log('held'), (error) => console.log(error.message));`;
}

/** A process that runs the script, answers one line, and stays until it is killed. */
async function startChild(script: string): Promise<{ child: ChildProcess; answer: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${script}\nsetInterval(() => {}, 1000);`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [answer] = await once(createInterface(child.stdout!), 'line');
  return { child, answer };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
