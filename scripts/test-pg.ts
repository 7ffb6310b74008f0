/**
 * Runs tests on a real PostgreSQL, started for them and stopped after them.
 *
 *   node scripts/test-pg.ts                       the tests that use a database, but the long ones and those in a browser
 *   node scripts/test-pg.ts test/x.test.ts …      arguments of `node --test`
 *   node scripts/test-pg.ts -- command argument…  any command, with RCB_TEST_DATABASE_URL
 *
 * A first argument `--durable` starts a server that syncs its commits, as a real one does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { importsOf } from '../test/support/imports.ts';
import { startPostgres } from '../test/support/postgres.ts';

const root = join(import.meta.dirname, '..');
/** Run by commands of their own, but for the long tests of the database: a server answers differently. */
const SUITES_OF_THEIR_OWN = [join('test', 'browser'), join('test', 'long'), join('test', 'adapters', 'obs-server')];
const LONG_ONES_HERE = [join('test', 'long', 'database-migrations')];
/** Files that many tests share are read once. */
const looks = new Map<string, Look>();
const durable = process.argv[2] === '--durable';
const arguments_ = process.argv.slice(durable ? 3 : 2);
const [command, ...rest] =
  arguments_[0] === '--'
    ? arguments_.slice(1)
    : [process.execPath, '--test', '--test-concurrency=3', '--test-timeout=120000', ...(await tests())];
if (!command) {
  console.error('There is no command after "--".');
  process.exit(2);
}

// A signal is for the tests; the server is stopped when they have ended.
let child: ReturnType<typeof spawn> | undefined;
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    isInterrupted = true;
    child?.kill(signal);
  });
}

const postgres = await startPostgres({ durable });
try {
  if (isInterrupted) throw new Error('Interrupted while PostgreSQL was starting.');
  child = spawn(command, rest, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, RCB_TEST_DATABASE_URL: postgres.url },
  });
  const [code] = await once(child, 'exit'); // A command that does not exist is an 'error', which once() throws.
  process.exitCode = code ?? 1;
} finally {
  await postgres.stop();
}

async function tests(): Promise<string[]> {
  if (arguments_.length > 0) return arguments_;
  const found = await Array.fromAsync(glob('test/**/*.test.ts', { cwd: root }));
  const isIn = (places: string[], path: string) => places.some((place) => path.startsWith(place));
  return found
    .filter((path) => !isIn(SUITES_OF_THEIR_OWN, path) || isIn(LONG_ONES_HERE, path))
    .filter((path) => usesDatabase(path))
    .sort();
}

/** Itself, or a file that it imports or starts, reads where the server is. Of all others `npm test` has told what there is. */
function usesDatabase(path: string, seen = new Set<string>()): boolean {
  if (seen.has(path)) return false;
  seen.add(path);
  const { readsServer, names } = lookAt(path);
  return readsServer || names.some((next) => usesDatabase(next, seen));
}

interface Look {
  readsServer: boolean;
  /** Files that it imports or starts. */
  names: string[];
}

function lookAt(path: string): Look {
  const known = looks.get(path);
  if (known) return known;
  const text = readFileSync(join(root, path), 'utf8');
  const imported = importsOf({ path, text }).map(({ to }) => to);
  const started = [...text.matchAll(/'([\w./-]+\.ts)'/g)].map((match) => join(dirname(path), match[1]!));
  const names = [...imported, ...started].filter((name) => name.endsWith('.ts') && existsSync(join(root, name)));
  const look = { readsServer: text.includes('RCB_TEST_DATABASE_URL'), names };
  looks.set(path, look);
  return look;
}
