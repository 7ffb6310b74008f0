import type { Readable } from 'node:stream';
import { type ArtifactRef, BackendError } from '../backend.ts';
import type { ObsClient } from './client.ts';
import { ifThere } from './commit.ts';
import type { ObsJob } from './judge.ts';
import { type Binary, type EndedJob, parseBinaries } from './schema.ts';

export interface BinaryLimits {
  maxFiles: number;
  /** Of all files of a job together. */
  maxBytes: number;
}

const DOWNLOAD_DEADLINE_MS = 30 * 60_000;

const pathOf = (project: string, { repository, arch, serverName }: ObsJob): string[] => [
  'build',
  project,
  repository,
  arch,
  serverName,
];

/** What the job left; smaller ones first, until a limit is reached. Without an end of ours in the history: nothing. */
export async function listBinaries(
  client: ObsClient,
  project: string,
  job: ObsJob,
  ended: EndedJob | undefined,
  limits: BinaryLimits,
  signal: AbortSignal,
): Promise<ArtifactRef[]> {
  if (!ended) return [];
  const text = await ifThere(client.text({ path: pathOf(project, job), signal }));
  const own = text === undefined ? [] : parseBinaries(text).filter((binary) => isOf(ended, binary));
  let bytes = 0;
  return own
    .sort((one, other) => one.size - other.size)
    .slice(0, limits.maxFiles)
    .filter(({ size }) => {
      bytes += size;
      return bytes <= limits.maxBytes;
    })
    .map(({ name, size }) => ({ name, size }));
}

/**
 * After a failure the binaries of the last success stay listed: they are older than the job's start, by the same
 * server's clock. A result that compared equal to the one before is thrown away, and the older files are its own.
 */
function isOf(ended: EndedJob, { name, mtime }: Binary): boolean {
  return isPlainPath(name) && (ended.code === 'unchanged' || mtime >= ended.startTime);
}

const isPlainPath = (name: string): boolean =>
  !name.includes('\0') && name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

export async function readBinary(
  client: ObsClient,
  project: string,
  job: ObsJob,
  listed: ArtifactRef[],
  name: string,
  signal: AbortSignal,
): Promise<Readable> {
  const found = listed.find((each) => each.name === name);
  if (!found) throw new BackendError('refused', `${job.name} left no file '${name.slice(0, 200)}', or too large a one`);
  return await client.stream({
    path: [...pathOf(project, job), name],
    deadlineMs: DOWNLOAD_DEADLINE_MS,
    // It was listed at that size; who sends more is not to be believed.
    maxBytes: found.size,
    signal,
  });
}
