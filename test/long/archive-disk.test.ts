import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { Archive } from '../../src/archive/archive.ts';
import { openDiskArchive } from '../../src/archive/disk.ts';
import {
  appendAll,
  archiveContract,
  contractSecret,
  logOf,
  numberedLines,
  rejectsAs,
  sha256,
} from '../contracts/archive.ts';

const openIn = (dir: string, secrets: string[] = [contractSecret]) =>
  openDiskArchive({ dir, secrets, usageMaxAgeSeconds: 0 });

archiveContract('disk', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-archive-'));
  return {
    archive: await openIn(dir),
    reopen: () => openIn(dir),
    dir,
    close: () => rm(dir, { recursive: true }),
  };
});

async function temporaryDirectory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-archive-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

const blobPath = (dir: string, id: string, ending: string) =>
  join(dir, 'blobs', id.slice(0, 2), `${id.slice(2)}.${ending}`);
const logPath = (dir: string, id: string, ending: string) => join(dir, 'logs', id.slice(-2), `${id}.${ending}`);

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at]! ^= 0x40;
  await writeFile(path, bytes);
}

/** Every byte of the file in turn, or a sample of them when it is long. */
async function* eachDamage(path: string, most = 60): AsyncGenerator<number, void> {
  const { size } = await stat(path);
  const step = Math.max(1, Math.floor(size / most));
  for (let at = 0; at < size; at += step) {
    await flipByte(path, at);
    yield at;
    await flipByte(path, at);
  }
}

/** Reading gives the right bytes or says `corrupt`; anything else is a wrong answer. */
async function readsRightOrCorrupt(read: () => Promise<Buffer>, right: Buffer, where: string): Promise<boolean> {
  try {
    assert.ok(right.equals(await read()), `wrong bytes: ${where}`);
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.equal((error as { kind?: string }).kind, 'corrupt', `${where}: ${error}`);
    return false;
  }
}

for (const [keep, ending] of [
  ['zstd', 'zst'],
  ['plain', 'raw'],
] as const) {
  test(`a blob (${ending}) with any byte changed is corrupt, never wrong`, async (t) => {
    const dir = await temporaryDirectory(t);
    const archive = await openIn(dir);
    const content = numberedLines(2_000);
    const { sha256: id } = await archive.put(content, { keep });
    const path = blobPath(dir, id, ending);
    let found = 0;
    for await (const at of eachDamage(path)) {
      const read = async () => buffer(await archive.get(id));
      if (!(await readsRightOrCorrupt(read, content, `byte ${at}`))) found += 1;
    }
    assert.ok(found > 50, `${found} damages found`);
  });

  test(`a blob (${ending}) cut at any byte is corrupt`, async (t) => {
    const dir = await temporaryDirectory(t);
    const archive = await openIn(dir);
    const { sha256: id } = await archive.put(numberedLines(500), { keep });
    const path = blobPath(dir, id, ending);
    const whole = await readFile(path);
    for (const length of [0, 1, 15, 16, 17, whole.length >> 1, whole.length - 16, whole.length - 1]) {
      await writeFile(path, whole.subarray(0, length));
      await rejectsAs('corrupt', (async () => buffer(await archive.get(id)))());
    }
  });
}

test('putting a blob again replaces a damaged one', async (t) => {
  const dir = await temporaryDirectory(t);
  const archive = await openIn(dir);
  const content = numberedLines(100);
  const { sha256: id } = await archive.put(content);
  await truncate(blobPath(dir, id, 'zst'), 10);
  await archive.put(content);
  assert.ok(content.equals(await buffer(await archive.get(id))));
});

test('a blob that would decompress to more than it should is stopped early', async (t) => {
  const dir = await temporaryDirectory(t);
  const archive = await openIn(dir);
  const big = await archive.put(Buffer.alloc(50_000_000));
  const small = await archive.put(Buffer.from('small'));
  const footer = (await readFile(blobPath(dir, small.sha256, 'zst'))).subarray(-16);
  const bomb = (await readFile(blobPath(dir, big.sha256, 'zst'))).subarray(0, -16);
  await writeFile(blobPath(dir, small.sha256, 'zst'), Buffer.concat([bomb, footer]));
  let read = 0;
  const reading = async () => {
    for await (const chunk of await archive.get(small.sha256)) read += chunk.length;
  };
  await rejectsAs('corrupt', reading());
  assert.equal(read, 0);
});

test('opening sweeps what a dead process left in tmp, and nothing younger', async (t) => {
  const dir = await temporaryDirectory(t);
  await openIn(dir);
  await writeFile(join(dir, 'tmp', 'old'), 'x');
  await writeFile(join(dir, 'tmp', 'young'), 'x');
  const longAgo = new Date(Date.now() - 2 * 86_400_000);
  await utimes(join(dir, 'tmp', 'old'), longAgo, longAgo);
  await openIn(dir);
  assert.deepEqual(await readdir(join(dir, 'tmp')), ['young']);
});

test('usage is counted once for those who ask within its age', async (t) => {
  const dir = await temporaryDirectory(t);
  let now = 0;
  const archive = await openDiskArchive({ dir, secrets: [], clock: { now: () => new Date(now) } });
  assert.deepEqual(await archive.usage(), { blobs: 0, logs: 0 });
  await archive.put(numberedLines(10));
  assert.equal((await archive.usage()).blobs, 0);
  now = 60_000;
  assert.ok((await archive.usage()).blobs > 0);
});

test('a secret that became known while the log was open is masked from then on', async (t) => {
  const dir = await temporaryDirectory(t);
  const secrets = ['first-secret'];
  const archive = await openDiskArchive({ dir, secrets: () => secrets });
  const writer = await archive.openLog('a-1');
  await writer.append(Buffer.from('first-secret\n'));
  secrets.push('second-secret');
  await writer.append(Buffer.from('second-secret\n'));
  await writer.end();
  assert.equal((await buffer((await logOf(archive, 'a-1')).stream())).toString(), '***\n***\n');
});

async function longLog(archive: Archive, content: Buffer, isEnded: boolean): Promise<void> {
  const writer = await appendAll(await archive.openLog('a-1'), content, 64 * 1024);
  if (isEnded) await writer.end();
}

for (const isEnded of [false, true]) {
  const state = isEnded ? 'an ended' : 'a live';
  for (const ending of isEnded ? ['frames', 'index'] : ['frames', 'index', 'tail']) {
    test(`${state} log with any byte of its .${ending} changed is corrupt or shorter, never wrong`, async (t) => {
      const dir = await temporaryDirectory(t);
      const archive = await openIn(dir);
      const content = numberedLines(120_000);
      await longLog(archive, content, isEnded);
      let found = 0;
      for await (const at of eachDamage(logPath(dir, 'a-1', ending))) {
        const read = async () => {
          const all = await buffer((await logOf(archive, 'a-1')).stream());
          if (all.length === content.length) return all;
          // The last write, damaged, cannot be told from one that a power cut tore: the log is live and ends before it.
          assert.ok(content.subarray(0, all.length).equals(all), `wrong bytes: ${at}`);
          found += 1;
          return content;
        };
        if (!(await readsRightOrCorrupt(read, content, `byte ${at}`))) found += 1;
      }
      assert.ok(found > 20, `${found} damages found`);
    });
  }
}

test('a kill at any byte of the last append leaves the log before it, and the same log in the end', async (t) => {
  const dir = await temporaryDirectory(t);
  const archive = await openIn(dir);
  const content = numberedLines(300);
  const writer = await archive.openLog('a-1');
  await writer.append(content.subarray(0, 2_000));
  const tail = logPath(dir, 'a-1', 'tail');
  const before = (await stat(tail)).size;
  await writer.append(content.subarray(2_000, 3_000));
  const whole = await readFile(tail);
  for (let length = before; length < whole.length; length += 1) {
    await writeFile(tail, whole.subarray(0, length));
    assert.equal((await logOf(archive, 'a-1')).bytes, 2_000);
    const healed = await archive.openLog('a-1');
    assert.equal(healed.sourceOffset, 2_000);
    await healed.append(content.subarray(2_000, 4_000));
    assert.ok(content.subarray(0, 4_000).equals(await buffer((await logOf(archive, 'a-1')).stream())));
  }
});

test('a last frame that has its length but not its bytes, as after a power cut, is written anew', async (t) => {
  const dir = await temporaryDirectory(t);
  const archive = await openIn(dir);
  const content = numberedLines(300);
  const writer = await archive.openLog('a-1');
  await writer.append(content.subarray(0, 1_000));
  await writer.append(content.subarray(1_000, 3_000));
  const tail = logPath(dir, 'a-1', 'tail');
  const bytes = await readFile(tail);
  await writeFile(tail, bytes.fill(0, bytes.length - 50));
  await rejectsAs('corrupt', buffer((await logOf(archive, 'a-1')).stream()));
  const healed = await archive.openLog('a-1');
  assert.equal(healed.sourceOffset, 1_000);
  assert.equal((await (await appendAll(healed, content, 999)).end()).sha256, sha256(content));
});

/** Copies of the log's files between the steps of sealing, as a kill between them would leave them. */
test('a kill between any two steps of sealing and ending heals', async (t) => {
  const dir = await temporaryDirectory(t);
  const archive = await openIn(dir);
  const content = numberedLines(150_000);
  const cut = 1_000_000;
  await appendAll(await archive.openLog('a-1'), content.subarray(0, cut), 200_000);
  const read = (ending: string) => readFile(logPath(dir, 'a-1', ending)).catch(() => undefined);
  const files = async () => ({ tail: await read('tail'), frames: await read('frames'), index: await read('index') });
  const live = await files();
  await appendAll(await archive.openLog('a-1'), content.subarray(0, cut + 300_000), 200_000);
  const sealed = await files();
  await (await archive.openLog('a-1')).end();
  const ended = await files();
  const leftAs = [
    { ...live, frames: sealed.frames },
    { ...live, frames: sealed.frames!.subarray(0, 777) },
    { ...live, frames: sealed.frames, index: sealed.index!.subarray(0, 20) },
    { ...live, frames: sealed.frames, index: sealed.index },
    { ...sealed, frames: ended.frames },
    { ...sealed, frames: ended.frames, index: ended.index!.subarray(0, -30) },
  ];
  for (const [step, left] of leftAs.entries()) {
    for (const [ending, bytes] of Object.entries(left)) {
      if (bytes) await writeFile(logPath(dir, 'a-1', ending), bytes);
      else await rm(logPath(dir, 'a-1', ending), { force: true });
    }
    const reader = await logOf(archive, 'a-1');
    assert.ok(reader.bytes >= cut, `step ${step}: what was acknowledged is there`);
    assert.ok(content.subarray(0, reader.bytes).equals(await buffer(reader.stream())));
    const writer = await appendAll(await archive.openLog('a-1'), content, 333_333);
    assert.equal((await writer.end()).sha256, sha256(content), `step ${step}`);
    assert.ok(content.equals(await buffer((await logOf(archive, 'a-1')).stream())));
  }
});

test('an end that was killed before it removed the tail is an end', async (t) => {
  const dir = await temporaryDirectory(t);
  const archive = await openIn(dir);
  const writer = await archive.openLog('a-1');
  await writer.append(Buffer.from('one\n'));
  const tail = await readFile(logPath(dir, 'a-1', 'tail'));
  const summary = await writer.end();
  await writeFile(logPath(dir, 'a-1', 'tail'), tail);
  assert.equal((await logOf(archive, 'a-1')).ended, true);
  assert.deepEqual(await (await archive.openLog('a-1')).end(), summary);
  assert.deepEqual(await readdir(join(dir, 'logs', '-1')), ['a-1.frames', 'a-1.index']);
});

test('thousands of tiny appends make few frames for a reader to look through', async (t) => {
  const dir = await temporaryDirectory(t);
  const archive = await openIn(dir);
  const writer = await archive.openLog('a-1');
  const lines = Array.from({ length: 2_500 }, (_, index) => `${index}\n`);
  for (const line of lines) await writer.append(Buffer.from(line));
  const index = await readFile(logPath(dir, 'a-1', 'index'), 'utf8');
  assert.equal(index.split('\n').length - 1, 2);
  assert.equal((await buffer((await logOf(archive, 'a-1')).stream())).toString(), lines.join(''));
});

test('an interrupted and resumed log is byte for byte the uninterrupted one', async (t) => {
  const root = await temporaryDirectory(t);
  const secrets = ['s3cret-s3cret', 'cret-s3cret-tail', 'aaaaaa', 'öäü-geheim'];
  const word = fc.oneof(
    fc.constantFrom(...secrets, ...secrets.map((secret) => Buffer.from(secret).toString('base64')), 'aaaa'),
    fc.constantFrom('\n', ' ', 's3cret-', 'ok 1 - works\n', 'x'.repeat(3_000)),
    fc.string({ maxLength: 8 }),
  );
  // Each life of a writer: some chunk sizes, then a kill that cuts so much of what is not acknowledged.
  const life = fc.record({ chunks: fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 6 }), torn: fc.nat() });
  const property = fc.asyncProperty(
    fc.array(word, { maxLength: 60 }),
    fc.array(life, { maxLength: 4 }),
    async (words, lives) => {
      const dir = await mkdtemp(join(root, 'run-'));
      const source = Buffer.from(words.join(''));
      const archive = await openIn(dir, secrets);
      const whole = await archive.openLog('whole');
      await whole.append(source);
      const expected = await whole.end();
      for (const { chunks, torn } of lives) await liveAndDie(dir, secrets, source, chunks, torn);
      const last = await appendAll(await archive.openLog('torn'), source, 333);
      assert.deepEqual(await last.end(), expected);
      const text = await buffer((await logOf(archive, 'torn')).stream());
      for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} is masked`);
      await rm(dir, { recursive: true });
    },
  );
  await fc.assert(property, { numRuns: 60, seed: 20_261_121 });
});

async function liveAndDie(dir: string, secrets: string[], source: Buffer, chunks: number[], torn: number) {
  const archive = await openIn(dir, secrets);
  const writer = await archive.openLog('torn');
  const tail = logPath(dir, 'torn', 'tail');
  let at = writer.sourceOffset;
  for (const size of chunks) {
    await writer.append(source.subarray(at, at + size));
    at = Math.min(source.length, at + size);
  }
  const before = await readFile(tail).catch(() => Buffer.alloc(0));
  await writer.append(source.subarray(at, at + 200));
  const after = await readFile(tail).catch(() => Buffer.alloc(0));
  // The last append was never acknowledged: the kill may have come at any byte of it.
  if (before.length > 0 && after.length > before.length) {
    await truncate(tail, before.length + (torn % (after.length - before.length + 1)));
  } else if (after.length > 0) await appendFile(tail, Buffer.alloc(torn % 50, 0x5b));
}

test('putting a stream needs little memory', async (t) => {
  const archive = await openIn(await temporaryDirectory(t));
  const piece = Buffer.alloc(1_000_000, 'some text that is repeated\n');
  const before = process.memoryUsage.rss();
  let most = 0;
  const source = async function* () {
    for (let round = 0; round < 200; round += 1) {
      most = Math.max(most, process.memoryUsage.rss());
      yield piece;
    }
  };
  const blob = await archive.put(Readable.from(source()));
  assert.equal(blob.size, 200_000_000);
  assert.ok(most - before < 150_000_000, `${most - before} bytes more`);
});
