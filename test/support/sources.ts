/** Sources over mirrors in a temporary directory, and an archive that keeps blobs in files and knows nothing else. */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TestContext } from 'node:test';
import type { Archive } from '../../src/archive/archive.ts';
import { openSources, type SourcesOptions } from '../../src/sources/index.ts';
import { SourceError, type Sources } from '../../src/sources/sources.ts';
import { createGitRepository, type GitRepository } from './git-repository.ts';

export interface SourcesWorld {
  sources: Sources;
  dir: string;
  mirrors: string;
  /** Where the archive keeps a blob. */
  blobPath(sha256: string): string;
  remove(): Promise<void>;
}

export async function openSourcesWorld(
  fetchTimeoutMs = 20_000,
  more: Partial<SourcesOptions> = {},
): Promise<SourcesWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-sources-'));
  const mirrors = join(dir, 'mirrors');
  const blobs = join(dir, 'blobs');
  await mkdir(blobs);
  const environment = { PATH: process.env['PATH'] };
  const archive = fileArchive(blobs);
  const sources = await openSources({ dir: mirrors, archive, fetchTimeoutMs, environment, ...more });
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

/** One that can tell what it has, so that what was packed is remembered. */
export function rememberingArchive(dir: string): Pick<Archive, 'put' | 'stat'> {
  const find = async (sha256: string) => {
    const file = await stat(join(dir, sha256)).catch(() => undefined);
    return file && { sha256, size: file.size };
  };
  return { ...fileArchive(dir), stat: find };
}

export async function aSourcesWorld(t: TestContext, more: Partial<SourcesOptions> = {}): Promise<SourcesWorld> {
  const world = await openSourcesWorld(20_000, more);
  t.after(() => world.remove());
  return world;
}

export async function aGitRepository(t: TestContext): Promise<GitRepository> {
  const repository = await createGitRepository();
  t.after(() => repository.remove());
  return repository;
}

/** For `assert.rejects`. */
export function isSourceError(kind: SourceError['kind'], words: RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof SourceError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, words);
    return true;
  };
}
