/**
 * What was packed before: beside the mirror, one small file for each commit and way of packing, named by a digest of all
 * that the archive's bytes depend on. Gitlinks are in the commit, so its submodules' commits are, too. Two processes that
 * pack the same write the same file.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Archive } from '../archive/archive.ts';
import { diskError } from './failure.ts';
import { ageOf, ignoreMissing } from './leftovers.ts';
import type { PackedSource, PackOptions } from './sources.ts';

/** To be raised when the same inputs give other bytes than before. */
const FORMAT = 1;
const FOLDER = 'rcb-packed';
const HALF_WRITTEN = /\.new$/;

const count = z.int().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const part = z.object({ kind: z.enum(['submodule', 'tree']), path: z.string(), url: z.string(), sha: z.string() });
const packedSchema = z.object({
  sha256: digest,
  size: count,
  tarSha256: digest,
  tarSize: count,
  files: count,
  parts: z.array(part).optional(),
});

export class PackedIndex {
  private readonly folder: string;
  private readonly archive: Partial<Pick<Archive, 'stat'>>;

  /** Of an archive that cannot tell what it has, nothing is remembered. */
  constructor(mirror: string, archive: Partial<Pick<Archive, 'stat'>>) {
    this.folder = join(mirror, FOLDER);
    this.archive = archive;
  }

  /** Undefined when it was never packed, or when the archive has it no longer. */
  async find(sha: string, options: PackOptions): Promise<PackedSource | undefined> {
    const packed = await this.read(nameOf(sha, options), 'use');
    if (!packed || packed.tarSize > (options.maxBytes ?? Number.POSITIVE_INFINITY)) return undefined;
    return packed;
  }

  async remember(sha: string, options: PackOptions, packed: PackedSource): Promise<void> {
    if (!this.archive.stat) return;
    const file = join(this.folder, nameOf(sha, options));
    const aside = `${file}.${randomUUID()}.new`;
    try {
      await mkdir(this.folder, { recursive: true });
      await writeFile(aside, JSON.stringify(packed));
      await rename(aside, file);
    } catch (error) {
      await rm(aside, { force: true });
      throw diskError('The note of what was packed', error);
    }
  }

  /** Forget what the archive has no longer, and what a killed process wrote half. */
  async sweep(): Promise<void> {
    for (const name of (await readdir(this.folder).catch(ignoreMissing)) ?? []) {
      const file = join(this.folder, name);
      const isGone = HALF_WRITTEN.test(name) ? (await ageOf(file)) > 3_600_000 : !(await this.read(name));
      if (isGone) await rm(file, { force: true });
    }
  }

  private async read(name: string, use?: 'use'): Promise<PackedSource | undefined> {
    if (!this.archive.stat) return undefined;
    const text = await readFile(join(this.folder, name), 'utf8').catch(ignoreMissing);
    const packed = text === undefined ? undefined : parsePacked(text);
    return packed && (await this.archive.stat(packed.sha256, use)) ? packed : undefined;
  }
}

/** A machine that went down may leave a file of zeros: it counts as none. */
function parsePacked(text: string): PackedSource | undefined {
  try {
    return packedSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

/** The compressor's version belongs to it: another one may give other bytes, and a digest that was told must stay true. */
function nameOf(sha: string, options: PackOptions): string {
  const { topDirectory, omit = [], manifest = false, version = null, trees = [], submodules } = options;
  const placed = trees.map(({ path, sha }) => [path, sha]).sort();
  const inputs = [FORMAT, process.versions.zlib, sha, topDirectory, omit, manifest, version, placed, !!submodules];
  return `${createHash('sha256').update(JSON.stringify(inputs)).digest('hex')}.json`;
}
