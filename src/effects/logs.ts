import type { Readable } from 'node:stream';
import type { Archive, LogSummary } from '../archive/archive.ts';
import type { Backend } from '../backends/backend.ts';
import { attemptId, attemptNumber, type JobObservation } from '../core/build.ts';
import type { KeptOutput } from '../core/event.ts';
import type { Build } from '../core/model.ts';
import type { LogTests } from './log-tests.ts';
import { readAttempt } from './tests.ts';

/** Copy what a job has printed so far, and, when it is finished, seal its log, keep its artifacts, and read its tests. */
export async function keepOutput(
  backend: Backend,
  build: Build,
  job: JobObservation,
  { archive, logTests }: { archive: Archive; logTests: LogTests },
  signal: AbortSignal,
): Promise<KeptOutput> {
  const number = attemptNumber(build, job);
  const id = attemptId(build.id, job.name, number);
  const log = await copyLog(backend, build.externalId!, job, archive, id, signal);
  const about = { externalName: job.name, number, log };
  if (job.state !== 'finished') {
    await logTests.catchUp(id, signal);
    return { ...about, artifacts: [] };
  }
  const artifacts = await keepArtifacts(backend, build.externalId!, job, archive, signal);
  const tests = await readAttempt({ archive, logTests }, id, artifacts, signal);
  return { ...about, artifacts, ...(tests && { tests }) };
}

async function copyLog(
  backend: Backend,
  externalId: string,
  job: JobObservation,
  archive: Archive,
  id: string,
  signal: AbortSignal,
): Promise<KeptOutput['log']> {
  const writer = await archive.openLog(id);
  // The count saves a look while it runs; it may have been taken before the end, and the end of a log is not to be missed.
  if (job.state === 'finished' || job.logBytes === undefined || job.logBytes > writer.sourceOffset) {
    const output: Readable = await backend.readLog(externalId, job, writer.sourceOffset, signal);
    for await (const chunk of inLargePieces(output)) await writer.append(chunk);
  }
  if (job.state !== 'finished') return { bytes: writer.sourceOffset, lines: writer.lines };
  const { bytes, lines, sha256 }: LogSummary = await writer.end();
  return { bytes, lines, sha256 };
}

/** A frame's worth: each append is a frame and waits for the disk, and a log that is read at once is read by large ones. */
const PIECE_BYTES = 1024 * 1024;

/** What is there goes on at the latest when the output ends. */
async function* inLargePieces(output: Readable): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of output) {
    pieces.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes < PIECE_BYTES) continue;
    yield Buffer.concat(pieces);
    pieces = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(pieces);
}

async function keepArtifacts(
  backend: Backend,
  externalId: string,
  job: JobObservation,
  archive: Archive,
  signal: AbortSignal,
): Promise<KeptOutput['artifacts']> {
  const artifacts: KeptOutput['artifacts'] = [];
  // How many and how large they may be is the backend's limit; the archive takes what it lists.
  for (const { name } of await backend.listArtifacts(externalId, job, signal)) {
    const blob = await archive.put(await backend.readArtifact(externalId, job, name, signal));
    artifacts.push({ name, size: blob.size, sha256: blob.sha256 });
  }
  return artifacts;
}
