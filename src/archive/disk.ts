import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, systemClock } from '../clock.ts';
import type { Archive } from './archive.ts';
import { diskBlobs } from './disk-blobs.ts';
import { ensureDirectory, isMissing, translated } from './durable.ts';
import { openLogWriter } from './framed-log.ts';
import { diskLayout, type Layout } from './layout.ts';
import { removeLogFiles } from './log-file.ts';
import { openLogReader } from './log-reader.ts';
import { compileSecrets, type SecretPatterns } from './mask.ts';

/** `secrets`: what must never be in the archive's text (see mask.ts); a function, when they change while we run. */
export interface DiskArchiveOptions {
  /** Made when it is not there. May be shared by several instances. */
  dir: string;
  secrets: readonly string[] | (() => readonly string[]);
  clock?: Clock;
  /** How long `usage` may answer what it counted before. Default 60. */
  usageMaxAgeSeconds?: number;
  /** From what age on a file in tmp/ is what a dead process left behind. Default a day, longer than any upload. */
  tmpMaxAgeSeconds?: number;
}

/** Logs are always masked, blobs where `put` is told to. */
export async function openDiskArchive(options: DiskArchiveOptions): Promise<Archive> {
  const { clock = systemClock, usageMaxAgeSeconds = 60, tmpMaxAgeSeconds = 86_400 } = options;
  const layout = diskLayout(options.dir);
  const patterns = currentPatterns(options.secrets);
  await translated(`The archive in ${options.dir} could not be opened`, async () => {
    for (const path of [layout.root, layout.blobs, layout.logs, layout.tmp]) await ensureDirectory(path);
    await sweep(layout, clock.now().getTime() - tmpMaxAgeSeconds * 1000);
  });
  return {
    ...diskBlobs(layout, patterns),
    openLog: async (id) => openLogWriter(layout, layout.log(id), patterns),
    readLog: async (id) => openLogReader(layout.log(id)),
    removeLog: async (id) => {
      const paths = layout.log(id);
      await translated(`Log ${id} could not be removed`, () => removeLogFiles(paths));
    },
    usage: cachedUsage(layout, clock, usageMaxAgeSeconds * 1000),
  };
}

/** Compiled once, and again when the secrets are others. */
function currentPatterns(secrets: DiskArchiveOptions['secrets']): () => SecretPatterns {
  const current = typeof secrets === 'function' ? secrets : () => secrets;
  let known = [...current()];
  let patterns = compileSecrets(known);
  return () => {
    const now = current();
    if (!isDeepStrictEqual(now, known)) {
      known = [...now];
      patterns = compileSecrets(known);
    }
    return patterns;
  };
}

/** By age, because another instance may be writing its files there now. */
async function sweep(layout: Layout, before: number): Promise<void> {
  for (const name of await readdir(layout.tmp)) {
    const path = join(layout.tmp, name);
    const file = await ifThere(stat(path));
    if (file && file.mtimeMs < before) await rm(path, { force: true });
  }
}

type Usage = Awaited<ReturnType<Archive['usage']>>;

/** Counting looks at every file, so those who ask meanwhile, or soon after, get the same answer. */
function cachedUsage(layout: Layout, clock: Clock, maxAge: number): Archive['usage'] {
  let counted: { at: number; usage: Promise<Usage> } | undefined;
  let isCounting = false;
  return () => {
    const now = clock.now().getTime();
    if (counted && (isCounting || now - counted.at < maxAge)) return counted.usage;
    isCounting = true;
    const usage = translated('The size of the archive could not be counted', () => countUsage(layout)).finally(() => {
      isCounting = false;
    });
    // A failure is answered to those who wait for it, and is not remembered.
    usage.catch(() => {
      counted = undefined;
    });
    counted = { at: now, usage };
    return usage;
  };
}

async function countUsage(layout: Layout): Promise<Usage> {
  return { blobs: await bytesUnder(layout.blobs), logs: await bytesUnder(layout.logs) };
}

async function bytesUnder(path: string): Promise<number> {
  let bytes = 0;
  for (const shard of await readdir(path)) {
    const names = (await ifThere(readdir(join(path, shard)))) ?? [];
    const files = await Promise.all(names.map((name) => ifThere(stat(join(path, shard, name)))));
    for (const file of files) bytes += file?.size ?? 0;
  }
  return bytes;
}

/** Files come and go while we look. */
async function ifThere<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
