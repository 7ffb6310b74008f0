import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { appendAll, logOf, sha256 } from '../contracts/archive.ts';
import { maskedSource, sourceOfVictim, victimSecret } from './archive-disk-source.ts';

const kills = 15;
const victim = join(import.meta.dirname, 'archive-disk-victim.ts');

interface Acknowledged {
  sourceOffset: number;
  lines: number;
  blobs: Map<string, number>;
}

/** Numbers that look random and are the same in every run. */
function* seeded(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Let it write until it has acknowledged so much, wait for a moment that is its own, and kill it. */
async function runAndKill(dir: string, acknowledgements: number, extraMs: number): Promise<Acknowledged> {
  const child = spawn(process.execPath, [victim, dir, 'killed'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const isEnough = printed.split('\n').length > acknowledgements;
    printed += text;
    if (!isEnough && printed.split('\n').length > acknowledgements) setTimeout(() => child.kill('SIGKILL'), extraMs);
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await Promise.all([exited, once(child.stdout, 'close')]);
  clearTimeout(deadline);
  assert.ok(printed.length > 0, 'it wrote something before it was killed');
  return parseAcknowledged(printed);
}

function parseAcknowledged(printed: string): Acknowledged {
  const acknowledged: Acknowledged = { sourceOffset: 0, lines: 0, blobs: new Map() };
  // The last line may be half written.
  for (const line of printed.split('\n').slice(0, -1)) {
    const [kind, first, second] = line.split(' ');
    if (kind === 'blob') acknowledged.blobs.set(first!, Number(second));
    if (kind === 'log') Object.assign(acknowledged, { sourceOffset: Number(first), lines: Number(second) });
  }
  return acknowledged;
}

test(`what was acknowledged is there after each of ${kills} SIGKILLs`, { timeout: 240_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-archive-kill-'));
  t.after(() => rm(dir, { recursive: true }));
  const random = seeded(20_261_121);
  const blobs = new Map<string, number>();
  for (let kill = 0; kill < kills; kill += 1) {
    const told = await runAndKill(dir, 1 + Math.floor(random.next().value * 25), random.next().value * 12);
    for (const [id, size] of told.blobs) blobs.set(id, size);
    await assertKept(dir, told, blobs);
  }
  assert.ok(blobs.size > kills, `${blobs.size} blobs were put`);
  const archive = await openDiskArchive({ dir, secrets: [victimSecret], tmpMaxAgeSeconds: -60 });
  assert.deepEqual(await readdir(join(dir, 'tmp')), [], 'what the killed left is swept');
  const summary = await (await appendAll(await archive.openLog('killed'), sourceOfVictim, 500_000)).end();
  assert.equal(summary.sha256, sha256(maskedSource));
});

async function assertKept(dir: string, told: Acknowledged, blobs: Map<string, number>): Promise<void> {
  const archive = await openDiskArchive({ dir, secrets: [victimSecret] });
  for (const [id, size] of blobs) {
    assert.deepEqual(await archive.stat(id), { sha256: id, size });
    assert.equal(sha256(await buffer(await archive.get(id))), id);
  }
  const writer = await archive.openLog('killed');
  assert.ok(writer.sourceOffset >= told.sourceOffset, 'acknowledged bytes are in the log');
  assert.ok(writer.lines >= told.lines);
  const text = await buffer((await logOf(archive, 'killed')).stream());
  assert.ok(maskedSource.subarray(0, text.length).equals(text), 'the log is a beginning of the whole');
}
