import { Readable } from 'node:stream';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { type ArtifactRef, BackendError } from '../backend.ts';
import type { AzureApi } from './api.ts';
import { type AzureClient, RefusedError } from './client.ts';
import { type AzureJob, lastToEnd } from './jobs.ts';
import type { AzureArtifact } from './schema.ts';
import { oneLine } from './text.ts';
import { isPlainPath, openZip, type Zip, ZipError, type ZipLimits } from './zip.ts';

/**
 * Artifacts belong to a build; each names the job that published it (facts, 8). Both kinds come as zips: `Container` from
 * the organisation's own host, `PipelineArtifact` from another one. What cannot be kept is told in a file of our own, so
 * that nobody looks for it in vain, and no bad artifact holds up a verdict.
 */
export interface KeptFiles {
  list(): ArtifactRef[];
  read(name: string): Promise<Readable>;
  close(): void;
}

export const NOT_KEPT = 'rcb-not-kept.txt';
const DOWNLOADABLE = new Set(['container', 'pipelineartifact']);

/** The artifacts that this job published; those that no job owns go to the one that ended last. */
export function artifactsOf(job: AzureJob, jobs: AzureJob[], artifacts: AzureArtifact[]): AzureArtifact[] {
  const ids = new Set(jobs.map(({ record }) => record.id.toLowerCase()));
  const owns = ({ source }: AzureArtifact) => source?.toLowerCase() === job.record.id.toLowerCase();
  const isNobodys = ({ source }: AzureArtifact) => !source || !ids.has(source.toLowerCase());
  return artifacts.filter((artifact) => owns(artifact) || (job === lastToEnd(jobs) && isNobodys(artifact)));
}

export interface Fetching {
  api: AzureApi;
  client: AzureClient;
  buildId: string;
  limits: ZipLimits;
}

export async function fetchArtifacts(
  { api, client, buildId, limits }: Fetching,
  artifacts: AzureArtifact[],
  signal: AbortSignal,
): Promise<KeptFiles> {
  const files = new Files(limits);
  try {
    for (const artifact of artifacts) {
      const why = whyNotFetched(artifact, client, limits);
      if (why) files.refuse(artifact.name, why);
      else if (files.isFull) files.refuse(artifact.name, words.tooMany(limits.maxFiles));
      else await fetchOne(artifact, files);
    }
    return files;
  } catch (error) {
    files.close();
    throw error;
  }

  async function fetchOne(artifact: AzureArtifact, files: Files): Promise<void> {
    try {
      const body = await api.artifactZip(buildId, artifact, signal);
      files.add(artifact.name, await openZip(body, files.left, signal));
    } catch (error) {
      // What Azure refuses, and a zip that is none, will be the same next time.
      const isForGood = error instanceof ZipError || error instanceof RefusedError || isOtherType(error);
      if (!isForGood) throw error;
      files.refuse(artifact.name, oneLine((error as Error).message));
    }
  }
}

const isOtherType = (error: unknown): boolean => error instanceof BackendError && error.kind === 'unparsable';

function whyNotFetched({ name, resource }: AzureArtifact, client: AzureClient, limits: ZipLimits): string | undefined {
  const type = resource?.type ?? 'unnamed';
  if (!isPlainPath(name)) return words.badName;
  if (!DOWNLOADABLE.has(type.toLowerCase())) return words.kinds(oneLine(type, 80));
  if (resource?.downloadUrl && !client.isFetchable(resource.downloadUrl)) return words.badUrl;
  const size = Number(resource?.properties?.artifactsize ?? 0);
  return size > limits.maxZipBytes ? words.tooMuch(Math.floor(limits.maxZipBytes / 2 ** 20)) : undefined;
}

class Files implements KeptFiles {
  readonly #limits: ZipLimits;
  readonly #zips: Zip[] = [];
  readonly #files = new Map<string, { size: number; zip: Zip; inZip: string }>();
  readonly #refused: { name: string; why: string }[] = [];
  #bytes = 0;

  constructor(limits: ZipLimits) {
    this.#limits = limits;
  }

  get isFull(): boolean {
    return this.#files.size >= this.#limits.maxFiles;
  }

  get left(): ZipLimits {
    const { maxFiles, maxBytes, maxZipBytes } = this.#limits;
    return { maxFiles: maxFiles - this.#files.size, maxBytes: maxBytes - this.#bytes, maxZipBytes };
  }

  /** Zips have a directory at their top that is named like the artifact; where one has not, it gets it here [facts K]. */
  add(artifact: string, zip: Zip): void {
    this.#zips.push(zip);
    const path = (inZip: string) => (inZip.startsWith(`${artifact}/`) ? inZip : `${artifact}/${inZip}`);
    for (const { name: inZip, size } of zip.files) {
      const name = path(inZip);
      if (this.#files.has(name)) {
        this.refuse(name, words.twice);
        continue;
      }
      this.#files.set(name, { size, zip, inZip });
      this.#bytes += size;
    }
    for (const { name, why } of zip.refused) this.refuse(path(name), why);
  }

  refuse(name: string, why: string): void {
    this.#refused.push({ name, why });
  }

  list(): ArtifactRef[] {
    const files = [...this.#files].map(([name, { size }]) => ({ name, size }));
    const note = this.#note();
    return note ? [...files, { name: NOT_KEPT, size: note.length }] : files;
  }

  async read(name: string): Promise<Readable> {
    const file = this.#files.get(name);
    if (file) return await file.zip.read(file.inZip);
    const note = name === NOT_KEPT ? this.#note() : undefined;
    if (note) return Readable.from([note], { objectMode: false });
    throw new BackendError('refused', words.noSuchArtifact(oneLine(name)));
  }

  close(): void {
    for (const zip of this.#zips) zip.close();
  }

  #note(): Buffer | undefined {
    if (this.#refused.length === 0) return undefined;
    const lines = this.#refused.map(({ name, why }) => `${oneLine(name, 500)}: ${why}`);
    return Buffer.from(`${[words.notKept, ...lines].join('\n')}\n`);
  }
}
