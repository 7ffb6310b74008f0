/**
 * Mirrors grow: each fetch is a pack, each tested commit a ref. Tidying removes the refs of commits that nobody needs, and
 * repacks what the others lead to.
 *
 * Other processes may use the mirror meanwhile. Three things keep what they use: a commit that was wanted lately stays
 * whatever the caller says; a ref that was removed comes back when its commit was wanted in that very moment; and while
 * the file `rcb-tidying` is there no other process takes a commit for kept that had no ref before (see `Mirror.keep`).
 * What a running fetch has brought is younger than the age at which git removes garbage.
 */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError } from './failure.ts';
import { ageOf, bytesBelow, ignoreMissing, removeStaleFiles } from './leftovers.ts';
import { KEEP, type Mirror, TIDYING, USED } from './mirror.ts';
import { isSha } from './remote.ts';
import { SourceError, type Tidied, type TidyOptions } from './sources.ts';

export async function tidy(mirror: Mirror, options: TidyOptions, signal: AbortSignal): Promise<Tidied> {
  if (!(await mirror.exists())) return { kind: 'tidied', dropped: 0, before: 0, after: 0 };
  if (!(await begin(mirror))) return { kind: 'busy' };
  try {
    await removeStaleFiles(mirror.path, mirror.options.fetchTimeoutMs);
    const before = await bytesBelow(mirror.path);
    const dropped = await dropRefs(mirror, options, signal);
    await collectGarbage(mirror, options, signal);
    await forgetUses(mirror, options);
    return { kind: 'tidied', dropped, before, after: await bytesBelow(mirror.path) };
  } finally {
    await rm(join(mirror.path, TIDYING.file), { force: true });
  }
}

async function begin(mirror: Mirror): Promise<boolean> {
  const file = join(mirror.path, TIDYING.file);
  if ((await ageOf(file)) > TIDYING.timeoutMs) await rm(file, { force: true });
  try {
    await writeFile(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw diskError(`The mirror of ${mirror.origin.name}`, error);
  }
}

/** Branches and tags stay: they are what the next fetch begins from. Answers how many keep refs went. */
async function dropRefs(mirror: Mirror, options: TidyOptions, signal: AbortSignal): Promise<number> {
  const wanted = new Set(options.keep);
  const unused: Ref[] = [];
  for (const ref of await refsOf(mirror, [KEEP, 'refs/pull/'], signal)) {
    if (!wanted.has(ref.sha) && (await isUnused(mirror, ref.sha, options))) unused.push(ref);
  }
  await updateRefs(
    mirror,
    unused.map(({ name }) => `delete ${name}\n`),
    signal,
  );
  const dropped = unused.filter(({ name }) => name.startsWith(KEEP));
  const missed: Ref[] = [];
  for (const ref of dropped) if (!(await isUnused(mirror, ref.sha, options))) missed.push(ref);
  await updateRefs(
    mirror,
    missed.map(({ name, sha }) => `update ${name} ${sha}\n`),
    signal,
  );
  return dropped.length - missed.length;
}

interface Ref {
  name: string;
  sha: string;
}

async function refsOf(mirror: Mirror, folders: string[], signal: AbortSignal): Promise<Ref[]> {
  const args = ['for-each-ref', '--format=%(objectname) %(refname)', ...folders];
  const listed = await mirror.must(args, signal, { maxOutput: 64 * 1024 * 1024 });
  const lines = listed.stdout.toString().split('\n').filter(Boolean);
  return lines.map((line) => ({ sha: line.slice(0, line.indexOf(' ')), name: line.slice(line.indexOf(' ') + 1) }));
}

async function isUnused(mirror: Mirror, sha: string, { unusedForMs }: TidyOptions): Promise<boolean> {
  const age = await ageOf(join(mirror.path, USED, sha));
  return age === -1 || age >= unusedForMs;
}

async function updateRefs(mirror: Mirror, lines: string[], signal: AbortSignal): Promise<void> {
  if (lines.length > 0) await mirror.must(['update-ref', '--stdin'], signal, { input: lines.join('') });
}

async function collectGarbage(mirror: Mirror, options: TidyOptions, signal: AbortSignal): Promise<void> {
  const seconds = Math.ceil(Math.max(options.unusedForMs, mirror.options.fetchTimeoutMs) / 1000);
  const args = ['gc', '--quiet', '--cruft', `--prune=${seconds}.seconds.ago`];
  const result = await mirror.local(args, signal, { timeoutMs: TIDYING.timeoutMs / 2 });
  // A git of somebody else's, by hand: it does the same.
  if (result.code === 0 || /gc is already running/.test(result.stderr)) return;
  const kind = /No space left|Disk quota/.test(result.stderr) ? 'full' : 'unreachable';
  const words = `The mirror of ${mirror.origin.name} cannot be tidied up: ${result.stderr.trim().slice(-300)}`;
  throw new SourceError(kind, `${words}. It is tried again.`);
}

async function forgetUses(mirror: Mirror, options: TidyOptions): Promise<void> {
  const kept = new Set((await readdir(join(mirror.path, USED)).catch(ignoreMissing)) ?? []);
  for (const sha of kept) {
    if (!isSha(sha) || options.keep.includes(sha) || !(await isUnused(mirror, sha, options))) continue;
    await rm(join(mirror.path, USED, sha), { force: true });
  }
}
