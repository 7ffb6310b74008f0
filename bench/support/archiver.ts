/** Archives a file as a log, in a process of its own, whose memory is therefore the archive's: `node archiver.ts DIR FILE
 *  LOG`. Tells its parent the seconds, and the memory before and at the peak. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { openDiskArchive } from '../../src/archive/disk.ts';

const [dir, file, id] = process.argv.slice(2) as [string, string, string];
// As in the bot: some secrets are looked for.
const archive = await openDiskArchive({ dir, secrets: ['hunter2-hunter2', 'a-token-that-is-not-there'] });
const idleBytes = process.memoryUsage.rss();
const begun = performance.now();
const writer = await archive.openLog(id);
for await (const chunk of createReadStream(file)) await writer.append(chunk as Buffer);
const { bytes, lines, sha256 } = await writer.end();
const seconds = (performance.now() - begun) / 1_000;
process.send!({ seconds, bytes, lines, sha256, idleBytes, peakBytes: await peakMemory() });
process.disconnect();

/** The kernel's own record, which misses no moment. */
async function peakMemory(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const high = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return high ? Number(high) * 1024 : process.resourceUsage().maxRSS * 1024;
}
