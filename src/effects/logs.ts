import type { Readable } from 'node:stream';
import type { Archive, LogSummary } from '../archive/archive.ts';
import type { Backend } from '../backends/backend.ts';
import { attemptId, attemptNumber, type JobObservation } from '../core/build.ts';
import type { KeptOutput } from '../core/event.ts';
import type { Build } from '../core/model.ts';

/** Copy what a job has printed so far, and, when it is finished, seal its log and keep its artifacts. */
export async function keepOutput(
  backend: Backend,
  build: Build,
  job: JobObservation,
  archive: Archive,
  signal: AbortSignal,
): Promise<KeptOutput> {
  const number = attemptNumber(build, job);
  const id = attemptId(build.id, job.name, number);
  const log = await copyLog(backend, build.externalId!, job, archive, id, signal);
  const artifacts =
    job.state === 'finished' ? await keepArtifacts(backend, build.externalId!, job, archive, signal) : [];
  return { externalName: job.name, number, log, artifacts };
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
  if (job.logBytes === undefined || job.logBytes > writer.sourceOffset) {
    const output: Readable = await backend.readLog(externalId, job, writer.sourceOffset, signal);
    for await (const chunk of output) await writer.append(chunk as Buffer);
  }
  if (job.state !== 'finished') return { bytes: writer.sourceOffset, lines: writer.lines };
  const { bytes, lines, sha256 }: LogSummary = await writer.end();
  return { bytes, lines, sha256 };
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
