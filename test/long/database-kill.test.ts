/** The embedded database and `kill -9`, again and again: it opens, and has everything that it acknowledged. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const KILLS = 20;
const DEADLINE_MS = 60_000;
const victim = join(import.meta.dirname, 'database-kill-victim.ts');

interface Life {
  /** Rows that were there when it was opened; the number of the last of them; those with other content than written. */
  found: number;
  last: number;
  broken: number;
  /** Number of the last row whose commit was answered. */
  stored: number;
}

/** Numbers that look random and are the same in every run. */
function* seeded(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

test(`${KILLS} kills while it writes: everything acknowledged is there, and it opens every time`, {
  timeout: 240_000,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'rcb-kill-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const random = seeded(20_261_121);
  let before: Life = { found: 0, last: 0, broken: 0, stored: 0 };
  for (let kill = 0; kill <= KILLS; kill += 1) {
    const life = await liveAndDie(directory, Math.floor(random.next().value * 150), random.next().value * 10);
    const words = `after kill ${kill}: ${JSON.stringify({ before, life })}`;
    assert.equal(life.broken, 0, words);
    assert.equal(life.last, life.found, `no row is missing among the others ${words}`);
    assert.ok(life.found >= before.stored, `no acknowledged row is lost ${words}`);
    // The commit that was under way may have been done, as a whole.
    assert.ok([0, 2].includes(life.found - Math.max(before.stored, before.found)), words);
    before = life;
  }
  assert.ok(before.found > KILLS * 20, `${before.found} rows were written`);
  t.diagnostic(`${before.found} rows acknowledged over ${KILLS} kills, 0 lost, 0 failed reopens`);
});

/** Opens the database in a process, lets it acknowledge so many commits and a moment more, and kills it. */
async function liveAndDie(directory: string, commits: number, extraMs: number): Promise<Life> {
  const child = spawn(process.execPath, [victim, directory], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  let errors = '';
  let printed = '';
  let isDying = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    if (isDying || printed.split('\n').length <= commits + 2) return;
    isDying = true;
    setTimeout(() => child.kill('SIGKILL'), extraMs);
  });
  await Promise.all([exited, once(child.stdout, 'close')]);
  clearTimeout(deadline);
  assert.ok(
    isDying,
    `it opened and wrote until it was killed; it said: ${printed.slice(-200)} ${errors.slice(-2_000)}`,
  );
  return parseLife(printed);
}

function parseLife(printed: string): Life {
  const lines = printed.split('\n').slice(0, -1); // The last one may be half written.
  const [found, last, broken] = lines[0]!.split(' ').slice(1).map(Number);
  const stored = Number(lines.at(-1)!.split(' ')[1]);
  return { found: found!, last: last!, broken: broken!, stored };
}
