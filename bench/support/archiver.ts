/**
 * Archives a file as the log of a build, in a process of its own, whose memory is therefore the archive's:
 * `node archiver.ts DIR FILE BUILD`. It is done as the effect `build.follow` does it; only the backend is a stand-in,
 * whose log is the file. Tells its parent the seconds, and the memory before and at the peak.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { openDiskArchive } from '../../src/archive/disk.ts';
import type { Backend } from '../../src/backends/backend.ts';
import { attemptId, attemptNumber, type JobObservation } from '../../src/core/build.ts';
import type { Build } from '../../src/core/model.ts';
import { openLogTests } from '../../src/effects/log-tests.ts';
import { keepOutput } from '../../src/effects/logs.ts';

const [dir, file, buildId] = process.argv.slice(2) as [string, string, string];
// As in the bot: some secrets are looked for.
const archive = await openDiskArchive({ dir, secrets: ['hunter2-hunter2', 'a-token-that-is-not-there'] });
const backend = {
  readLog: async (_id: string, _job: unknown, from: number) => createReadStream(file, { start: from }),
  listArtifacts: async () => [],
} as unknown as Backend;
const build = { id: buildId, externalId: 'external', earlierAttempts: 0 } as unknown as Build;
const job: JobObservation = { name: 'bench', attempt: 1, state: 'finished', verdict: 'passed' };

const idleBytes = process.memoryUsage.rss();
const begun = performance.now();
const { log } = await keepOutput(
  backend,
  build,
  job,
  { archive, logTests: openLogTests(archive) },
  new AbortController().signal,
);
const seconds = (performance.now() - begun) / 1_000;
const id = attemptId(build.id, job.name, attemptNumber(build, job));
process.send!({ seconds, id, lines: log!.lines, idleBytes, peakBytes: await peakMemory() });
process.disconnect();

/** The kernel's own record, which misses no moment. */
async function peakMemory(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const high = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return high ? Number(high) * 1024 : process.resourceUsage().maxRSS * 1024;
}
