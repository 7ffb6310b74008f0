/** Sources over mirrors in a temporary directory, and an archive that keeps blobs in files and knows nothing else. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Archive } from '../../src/archive/archive.ts';
import { openSources } from '../../src/sources/index.ts';
import type { Sources } from '../../src/sources/sources.ts';

export interface SourcesWorld {
  sources: Sources;
  dir: string;
  mirrors: string;
  /** Where the archive keeps a blob. */
  blobPath(sha256: string): string;
  remove(): Promise<void>;
}

export async function openSourcesWorld(fetchTimeoutMs = 20_000): Promise<SourcesWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-sources-'));
  const mirrors = join(dir, 'mirrors');
  const blobs = join(dir, 'blobs');
  await mkdir(blobs);
  const environment = { PATH: process.env['PATH'] };
  const sources = await openSources({ dir: mirrors, archive: fileArchive(blobs), fetchTimeoutMs, environment });
  const remove = () => rm(dir, { recursive: true, force: true });
  return { sources, dir, mirrors, blobPath: (sha256) => join(blobs, sha256), remove };
}

export function fileArchive(dir: string): Pick<Archive, 'put'> {
  return {
    put: async (bytes) => {
      const aside = join(dir, randomUUID());
      await pipeline(bytes instanceof Readable ? bytes : Readable.from([bytes]), createWriteStream(aside));
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of createReadStream(aside)) {
        hash.update(chunk);
        size += chunk.length;
      }
      const sha256 = hash.digest('hex');
      await rename(aside, join(dir, sha256));
      return { sha256, size };
    },
  };
}
