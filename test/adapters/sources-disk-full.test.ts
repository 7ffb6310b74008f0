import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const story = join(import.meta.dirname, 'sources-disk-full-story.ts');
// In a mount namespace of its own: the small disk is gone when the process is, however it ends.
const onSmallDisk = (dir: string, command: string) =>
  run('unshare', ['--map-root-user', '--mount', 'sh', '-c', `mount -t tmpfs -o size=3m none "$0" && ${command}`, dir], {
    env: { ...process.env, NODE: process.execPath, STORY: story },
    timeout: 60_000,
  });

test('a disk that is full while fetching or packing is told, and nothing is lost when there is room again', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-sources-full-'));
  t.after(() => rm(dir, { recursive: true }));
  try {
    await onSmallDisk(dir, 'true');
  } catch (error) {
    return t.skip(`this machine forbids mounting a small disk: ${(error as Error).message}`);
  }
  const { stdout } = await onSmallDisk(dir, '"$NODE" "$STORY" "$0"');
  assert.equal(stdout.trim(), 'as it should be');
});
