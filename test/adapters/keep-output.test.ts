import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { openDiskArchive } from '../../src/archive/disk.ts';
import type { Backend } from '../../src/backends/backend.ts';
import { attemptId } from '../../src/core/build.ts';
import { openLogTests } from '../../src/effects/log-tests.ts';
import { keepOutput } from '../../src/effects/logs.ts';
import { aBuild } from '../support/builders.ts';

test('a finished job’s log is read to its end, although the count of its bytes was taken before the end', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-keep-'));
  try {
    const archive = await openDiskArchive({ dir, secrets: [] });
    const backend = {
      readLog: async (_id: string, _job: unknown, from: number) =>
        Readable.from([Buffer.from('said at the last').subarray(from)]),
      listArtifacts: async () => [],
    } as unknown as Backend;
    const build = aBuild({ externalId: 'x' });
    const job = { name: 'test', attempt: 1, state: 'finished', verdict: 'failed', logBytes: 0 } as const;
    const kept = await keepOutput(
      backend,
      build,
      job,
      { archive, logTests: openLogTests(archive) },
      new AbortController().signal,
    );
    assert.deepEqual([kept.log?.bytes, kept.log?.lines], [16, 1]);
    const reader = await archive.readLog(attemptId(build.id, 'test', 1));
    assert.equal((await reader!.lineRange(1, 1))[0]?.text, 'said at the last');
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
