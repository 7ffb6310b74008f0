/** Packs commits when it is told to, and tells how long it took: a process of its own, so that its memory can be seen. */
import { readFile } from 'node:fs/promises';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { openSources } from '../../src/sources/index.ts';
import type { PackOptions, Remote } from '../../src/sources/sources.ts';

export interface PackOrder {
  remote: Remote;
  sha: string;
  options: PackOptions;
}

export interface PackTold {
  seconds: number;
  size: number;
  tarSize: number;
  /** Above the process before it packed anything. */
  memory: number;
}

const [mirrors, archiveDir] = process.argv.slice(2) as [string, string];
const archive = await openDiskArchive({ dir: archiveDir, secrets: [] });
const environment = { PATH: process.env['PATH'] };
const sources = await openSources({ dir: mirrors, archive, fetchTimeoutMs: 60_000, environment });
const never = new AbortController().signal;
const idle = process.memoryUsage.rss();

process.on('message', async ({ remote, sha, options }: PackOrder) => {
  await sources.ensureCommit(remote, { sha, ref: 'refs/heads/main' }, never);
  const begun = performance.now();
  const { size, tarSize } = await sources.pack(remote, sha, options, never);
  const seconds = (performance.now() - begun) / 1_000;
  process.send?.({ seconds, size, tarSize, memory: (await peakMemory()) - idle } satisfies PackTold);
});
process.send?.('ready');

/** The kernel's own record, which misses no moment. */
async function peakMemory(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const high = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return high ? Number(high) * 1024 : process.resourceUsage().maxRSS * 1024;
}
