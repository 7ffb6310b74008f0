import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ArchiveError } from '../../src/archive/archive.ts';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { logOf, rejectsAs, sha256 } from '../contracts/archive.ts';

/** Run on a file system of 3 MB, by archive-disk-full.test.ts. Throws when something is not as it should be. */
const dir = process.argv[2]!;
const archive = await openDiskArchive({ dir, secrets: [] });

// A blob that does not fit leaves nothing, and the next one that fits is stored.
for (const keep of ['zstd', 'plain'] as const) {
  await rejectsAs('full', archive.put(Readable.from([randomBytes(2_000_000), randomBytes(4_000_000)]), { keep }));
  await rejectsAs('full', archive.put(randomBytes(6_000_000), { keep }));
  assert.deepEqual(await readdir(join(dir, 'tmp')), []);
}
const filler = await archive.put(randomBytes(1_500_000), { keep: 'plain' });

// A log that hits the wall keeps what was acknowledged, and goes on when there is room again.
const source = Buffer.from(randomBytes(2_000_000).toString('hex').replaceAll('7', '\n'));
const fault = await appendUntilFault();
assert.equal(fault.kind, 'full');
assert.equal(fault.retry, true);
const stuck = await archive.openLog('a-1');
assert.ok(stuck.sourceOffset > 0 && stuck.sourceOffset < source.length);
const kept = await buffer((await logOf(archive, 'a-1')).stream());
assert.ok(source.subarray(0, kept.length).equals(kept));
assert.equal(kept.length, stuck.sourceOffset);

await archive.remove(filler.sha256);
const writer = await archive.openLog('a-1');
await writer.append(source.subarray(writer.sourceOffset));
assert.equal((await writer.end()).sha256, sha256(source));
assert.deepEqual(await readdir(join(dir, 'tmp')), []);
console.log('as it should be');

async function appendUntilFault(): Promise<ArchiveError> {
  const writer = await archive.openLog('a-1');
  try {
    for (let at = 0; at < source.length; at += 50_000) await writer.append(source.subarray(at, at + 50_000));
  } catch (error) {
    await assert.rejects(writer.append(Buffer.from('more')), (again) => again === error, 'it refuses to go on');
    return error as ArchiveError;
  }
  throw new Error('The disk was larger than expected.');
}
