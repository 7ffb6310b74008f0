/** Run on a file system of 3 MB, by sources-disk-full.test.ts. Throws when something is not as it should be. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { openSources } from '../../src/sources/index.ts';
import { createGitRepository } from '../support/git-repository.ts';
import { isSourceError } from '../support/sources.ts';

const small = process.argv[2]!;
const fill = (bytes: number): Promise<void> => writeFile(join(small, 'filler'), randomBytes(bytes));
const never = new AbortController().signal;
const environment = { PATH: process.env['PATH'] };
const repository = await createGitRepository();
try {
  const sha = await repository.commit({ noise: randomBytes(1_000_000), zeros: Buffer.alloc(30_000_000) });
  const remote = { key: 'github:1', name: 'Raku/nqp', url: repository.path };
  const wanted = { sha, ref: 'refs/heads/main' };
  const archive = await openDiskArchive({ dir: join(small, 'archive'), secrets: [] });
  const sources = await openSources({ dir: join(small, 'mirrors'), archive, fetchTimeoutMs: 20_000, environment });

  // A fetch that does not fit is told so, and works when there is room.
  await fill(2_500_000);
  await assert.rejects(sources.ensureCommit(remote, wanted, never), isSourceError('full', /Raku\/nqp/));
  await rm(join(small, 'filler'));
  assert.equal((await sources.ensureCommit(remote, wanted, never)).sha, sha);

  // So does a pack, which leaves nothing of itself behind.
  await fill(1_300_000);
  const options = { topDirectory: 'nqp-1', manifest: true };
  await assert.rejects(sources.pack(remote, sha, options, never), isSourceError('full', /archive of Raku\/nqp at/));
  assert.deepEqual(await readdir(join(small, 'archive', 'tmp')), []);
  await rm(join(small, 'filler'));
  const packed = await sources.pack(remote, sha, options, never);
  assert.deepEqual(await archive.stat(packed.sha256), { sha256: packed.sha256, size: packed.size });
  assert.deepEqual(await sources.pack(remote, sha, options, never), packed);
  console.log('as it should be');
} finally {
  await repository.remove();
}
