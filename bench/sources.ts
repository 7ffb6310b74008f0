/**
 * Packing one 30 MB tree for 20 consecutive commits (`npm run bench:sources`), beside `git archive | gzip -6`, in turns; and
 * packing each again.
 *
 * Ours goes into the real archive: hashed twice, fsynced, with MANIFEST and VERSION. git's goes into a file.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGitRepository } from '../test/support/git-repository.ts';
import { median, round, say, tell } from './support/figures.ts';
import type { PackOrder, PackTold } from './support/packer.ts';
import { sourceFiles } from './support/source-tree.ts';

const MB = 1_000_000;
const COMMITS = 20;
const TREE = { files: 3_000, bytes: 30 * MB };

const directory = await mkdtemp(join(tmpdir(), 'rcb-bench-sources-'));
const repository = await createGitRepository();
const remote = { key: 'github:1', name: 'bench/sources', url: repository.path };
try {
  const shas = await makeCommits();
  const packer = fork(join(import.meta.dirname, 'support', 'packer.ts'), [join(directory, 'm'), join(directory, 'a')], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await answerOf(packer);
  const [first, again, theirs]: [PackTold[], PackTold[], Theirs[]] = [[], [], []];
  for (const [index, sha] of shas.entries()) {
    const ours = async () => {
      first.push(await pack(packer, sha));
      again.push(await pack(packer, sha));
    };
    const git = async () => theirs.push(await archiveByGit(sha));
    for (const turn of index % 2 === 0 ? [ours, git] : [git, ours]) await turn();
    say(`${sha.slice(0, 10)}: ${round(first.at(-1)!.seconds)} s, git archive ${round(theirs.at(-1)!.seconds)} s`);
  }
  packer.disconnect();
  await once(packer, 'exit');
  const seconds = (all: { seconds: number }[]) => median(all.map(({ seconds }) => seconds));
  tell('sources', {
    commits: COMMITS,
    tarMB: round(first[0]!.tarSize / MB),
    first: { seconds: round(seconds(first)), MB: round(first[0]!.size / MB) },
    again: { seconds: round(seconds(again)) },
    gitArchive: { seconds: round(seconds(theirs)), MB: round(theirs[0]!.size / MB) },
    ratio: {
      first: round(seconds(first) / seconds(theirs)),
      again: round(seconds(again) / seconds(theirs)),
      bytes: round(first[0]!.size / theirs[0]!.size),
    },
    peakMemoryAboveIdleMB: round(Math.max(...first.map(({ memory }) => memory)) / MB),
  });
} finally {
  await repository.remove();
  await rm(directory, { recursive: true, force: true });
}

/** The first has all files, each later one another version of one of them. */
async function makeCommits(): Promise<string[]> {
  const files = sourceFiles(TREE.files, TREE.bytes);
  const names = Object.keys(files);
  const shas: string[] = [];
  for (let index = 0; index < COMMITS; index += 1) {
    files[names[index * 100]!] += `// change ${index}\n`;
    shas.push(await repository.commit(files, { time: 1_767_225_600 + index }));
  }
  return shas;
}

async function pack(packer: ChildProcess, sha: string): Promise<PackTold> {
  const topDirectory = `sources-${sha.slice(0, 10)}`;
  const options = { topDirectory, manifest: true, version: sha.slice(0, 10), submodules: { allow: [] } };
  packer.send({ remote, sha, options } satisfies PackOrder);
  return (await answerOf(packer)) as PackTold;
}

async function answerOf(packer: ChildProcess): Promise<unknown> {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = once(packer, 'exit', { signal }).then(([code]) => {
    throw new Error(`The packer ended with ${code}.`);
  });
  ended.catch(() => {}); // Raced below; or stopped, when the answer came.
  try {
    return (await Promise.race([once(packer, 'message', { signal }), ended]))[0];
  } finally {
    stop.abort();
  }
}

interface Theirs {
  seconds: number;
  size: number;
}

async function archiveByGit(sha: string): Promise<Theirs> {
  const file = join(directory, 'theirs.tar.gz');
  const command = 'git --git-dir="$1" archive --format=tar --prefix=sources/ "$2" | gzip -6 > "$3"';
  const begun = performance.now();
  const shell = spawn('sh', ['-c', command, 'sh', repository.path, sha, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(shell, 'exit');
  if (code !== 0) throw new Error(`git archive ended with ${code}.`);
  return { seconds: (performance.now() - begun) / 1_000, size: (await stat(file)).size };
}
