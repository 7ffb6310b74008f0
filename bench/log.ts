/**
 * Archiving a 200 MB build log (`npm run bench:log`; RCB_BENCH_LOG_MB: another size), beside `zstd -3` on the same file,
 * interleaved; the time to the first screen of its page at the start, in the middle and at the end; and that of finding
 * something in it, beside `zstd -dc | grep -c` on the compressed file.
 *
 * The log is kept by the code of `build.follow`: masked, hashed, indexed, and durable piece by piece. zstd only compresses,
 * in one thread, and syncs once, at the end.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { openDiskArchive } from '../src/archive/disk.ts';
import { systemClock } from '../src/clock.ts';
import { aJob, memoryReader, siteOf, withJob } from '../test/adapters/site-fakes.ts';
import { writeBuildLog } from './support/build-log.ts';
import { interleaved, median, round, say, tell } from './support/figures.ts';

const MB = 1_000_000;
const LOG_BYTES = Number(process.env['RCB_BENCH_LOG_MB'] ?? 200) * MB;
const ROUNDS = LOG_BYTES > 500 * MB ? 1 : 3;
const SCREENS = 15;

interface Archived {
  seconds: number;
  stored: number;
  /** Above the idle process. */
  memory: number;
  id: string;
  lines: number;
}

const directory = await mkdtemp(join(tmpdir(), 'rcb-bench-log-'));
const archiveDir = join(directory, 'archive');
const file = join(directory, 'build.log');
try {
  await writeBuildLog(file, LOG_BYTES);
  const { size } = await stat(file);
  const withCli = await hasZstd();
  let count = 0;
  const measured = await interleaved(
    {
      archive: () => archiveOnce(`build${++count}`),
      zstd: async () => {
        const target = join(directory, 'build.log.zst');
        const begun = performance.now();
        await (withCli ? compressByCli(target) : compressHere(target));
        await sync(target);
        const seconds = (performance.now() - begun) / 1_000;
        return { seconds, stored: (await stat(target)).size };
      },
    },
    ROUNDS,
  );
  const perSecond = (all: { seconds: number }[]) => median(all.map(({ seconds }) => size / MB / seconds));
  const archived = measured.archive[0]!;
  const [ours, theirs] = [perSecond(measured.archive), perSecond(measured.zstd)];
  say(`archive: ${measured.archive.map(({ seconds }) => round(size / MB / seconds)).join(', ')} MB/s`);
  say(`zstd: ${measured.zstd.map(({ seconds }) => round(size / MB / seconds)).join(', ')} MB/s`);
  tell('log', {
    logMB: round(size / MB),
    lines: archived.lines,
    archive: { mbPerSecond: round(ours), storedMB: round(archived.stored / MB) },
    zstd: {
      mbPerSecond: round(theirs),
      storedMB: round(measured.zstd[0]!.stored / MB),
      by: withCli ? 'cli' : 'node:zlib',
    },
    ratio: { speed: round(ours / theirs), bytes: round(archived.stored / measured.zstd[0]!.stored) },
    peakMemoryAboveIdleMB: round(Math.max(...measured.archive.map(({ memory }) => memory)) / MB),
    firstScreenMs: await firstScreens(archived),
    find: await finds(archived, withCli ? join(directory, 'build.log.zst') : undefined),
    rounds: ROUNDS,
  });
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function archiveOnce(build: string): Promise<Archived> {
  const before = await bytesUnder(archiveDir);
  const child = fork(join(import.meta.dirname, 'support', 'archiver.ts'), [archiveDir, file, build], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const [told] = await Promise.race([
    once(child, 'message'),
    ended.then(([code]) => Promise.reject(new Error(`The archiver ended with ${code}.`))),
  ]);
  await ended;
  const { seconds, id, lines, idleBytes, peakBytes } = told;
  return { seconds, lines, id, stored: (await bytesUnder(archiveDir)) - before, memory: peakBytes - idleBytes };
}

async function bytesUnder(path: string): Promise<number> {
  const names = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = names.filter((each) => each.isFile());
  const sizes = await Promise.all(files.map(async (each) => (await stat(join(each.parentPath, each.name))).size));
  return sizes.reduce((sum, each) => sum + each, 0);
}

async function hasZstd(): Promise<boolean> {
  const child = spawn('zstd', ['--version'], { stdio: 'ignore' });
  return await new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

async function compressByCli(target: string): Promise<void> {
  const child = spawn('zstd', ['-3', '-T1', '-q', '-f', file, '-o', target], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`zstd ended with ${code}.`);
}

async function compressHere(target: string): Promise<void> {
  const level = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  await pipeline(createReadStream(file), level, createWriteStream(target));
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.sync();
  await handle.close();
}

/** Of the page as the real site makes it, from the archive on disk, whole; the reader of rows is a stand-in. */
async function firstScreens({ id, lines }: Archived) {
  const get = await siteWith(id, lines);
  const places = { start: 1, middle: Math.floor(lines / 2), end: lines - 500 };
  const screens = await interleaved(
    Object.fromEntries(
      Object.entries(places).map(([place, from]) => [
        place,
        async () => {
          const begun = performance.now();
          const response = await get(`/runs/01run/jobs/job1?from=${from}`);
          const page = await response.text();
          if (response.status !== 200 || !page.includes(`id="L${from}"`))
            throw new Error(`No line ${from} on the page.`);
          return performance.now() - begun;
        },
      ]),
    ) as Record<keyof typeof places, () => Promise<number>>,
    SCREENS,
  );
  const told = ({ p50, first }: { p50: number; first: number }) => ({ p50: round(p50), first: round(first) });
  return Object.fromEntries(
    Object.entries(screens).map(([place, times]) => [place, told({ p50: median(times), first: times[0]! })]),
  );
}

async function siteWith(id: string, lines: number) {
  const archive = await openDiskArchive({ dir: archiveDir, secrets: [] });
  const job = aJob();
  const attempts = [{ ...job.attempts[0]!, id, log: { bytes: LOG_BYTES, lines } }];
  return siteOf(memoryReader([withJob({ ...job, attempts })]), { archive, clock: systemClock }).get;
}

/** What is in no line: the whole log is read. `failure`: the first line that is marked, of which this log has none. */
async function finds({ id, lines }: Archived, compressed: string | undefined) {
  const get = await siteWith(id, lines);
  const seconds = async (act: () => Promise<void>) => {
    const begun = performance.now();
    await act();
    return (performance.now() - begun) / 1_000;
  };
  const search = await seconds(async () => {
    const page = await (await get('/runs/01run/jobs/job1?q=no+such+line+anywhere')).text();
    if (!page.includes('No line with')) throw new Error('The search did not answer.');
    if (page.includes('The log is long')) say('The search ended when its time was over.');
  });
  const failure = await seconds(async () => {
    const { headers } = await get('/runs/01run/jobs/job1/goto?to=first');
    const to = headers.get('location') ?? '';
    if (!to.includes('none=first')) throw new Error(`There should be no failure, but ${to}.`);
    if (to.includes('looked=')) say('The look for a failure ended when its time was over.');
  });
  const grep = compressed === undefined ? undefined : await seconds(() => grepIn(compressed));
  return {
    searchSeconds: round(search),
    failureSeconds: round(failure),
    grepSeconds: grep && round(grep),
    ratio: grep && round(grep / search),
  };
}

async function grepIn(compressed: string): Promise<void> {
  const command = `zstd -dcq '${compressed}' | grep -ic 'no such line anywhere'`;
  const [code] = await once(spawn('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit');
  if (code !== 1) throw new Error(`grep ended with ${code}.`);
}
