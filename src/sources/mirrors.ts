/** All mirrors of this process, below one directory. What fetches or writes in one is done one after the other. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Lanes } from './lane.ts';
import { ensureMerged } from './merge.ts';
import { Mirror } from './mirror.ts';
import type { FetchOptions, Origin } from './origin.ts';
import { readFile, touchedFiles } from './reads.ts';
import { isSha, mirrorDirectory, submoduleKey } from './remote.ts';
import { describe, resolveRevision } from './revision.ts';
import type { CommitFacts, Remote, Sources, TidyOptions, WantedCommit } from './sources.ts';
import { tidy } from './tidy.ts';

export interface Mirrors extends Omit<Sources, 'pack' | 'ensureCommit'> {
  ensureCommit(origin: Origin, wanted: WantedCommit, signal: AbortSignal): Promise<CommitFacts>;
  /** Facts of a commit that the mirror holds, and keeps from now on; undefined when it does not. Never asks the remote. */
  commitFacts(remote: Remote, sha: string, signal: AbortSignal): Promise<CommitFacts | undefined>;
  /** The mirror's git directory, there or not. */
  pathOf(remote: Remote): string;
}

export interface MirrorOptions extends FetchOptions {
  dir: string;
}

export function openMirrors(options: MirrorOptions): Mirrors {
  const lanes = new Lanes();
  const of = (remote: Remote) => new Mirror(join(options.dir, mirrorDirectory(remote.key)), remote, options);
  const inLane = <T>(remote: Remote, signal: AbortSignal, work: (mirror: Mirror) => Promise<T>): Promise<T> => {
    const mirror = of(remote);
    return lanes.run(mirror.path, signal, () => work(mirror));
  };
  const tidyMirror = (remote: Remote, wanted: TidyOptions, signal: AbortSignal) =>
    inLane(remote, signal, (mirror) => tidy(mirror, wanted, signal));
  return {
    pathOf: (remote) => of(remote).path,
    commitFacts: async (remote, sha, signal) => {
      if (!isSha(sha)) return undefined;
      // What is kept need not wait for a fetch.
      const isHere =
        (await of(remote).isKept(sha, signal)) || (await inLane(remote, signal, (it) => it.holds(sha, signal)));
      return isHere ? of(remote).facts(sha, signal) : undefined;
    },
    readFile: (remote, sha, path, maxBytes, signal) => readFile(of(remote), sha, path, maxBytes, signal),
    touchedFiles: (remote, from, to, signal) => touchedFiles(of(remote), from, to, signal),
    ensureCommit: (origin, wanted, signal) => inLane(origin, signal, (mirror) => mirror.ensureCommit(wanted, signal)),
    ensureMerged: (remote, wanted, signal) => inLane(remote, signal, (mirror) => ensureMerged(mirror, wanted, signal)),
    resolveRevision: (remote, revision, signal) =>
      inLane(remote, signal, (mirror) => resolveRevision(mirror, revision, signal)),
    describe: (remote, sha, match, signal) => inLane(remote, signal, (mirror) => describe(mirror, sha, match, signal)),
    tidy: tidyMirror,
    tidySubmodules: async (wanted, signal) => {
      const sum = { kind: 'tidied' as const, dropped: 0, before: 0, after: 0 };
      for (const key of await submoduleKeys(options.dir)) {
        const tidied = await tidyMirror({ key, name: key, url: '' }, wanted, signal);
        if (tidied.kind === 'busy') return tidied;
        sum.dropped += tidied.dropped;
        sum.before += tidied.before;
        sum.after += tidied.after;
      }
      return sum;
    },
  };
}

/** Their keys, from the names of their directories. */
async function submoduleKeys(dir: string): Promise<string[]> {
  const digests = (await readdir(dir)).map((name) => /^submodule-([0-9a-f]+)\.git$/.exec(name)?.[1]);
  return digests.filter((digest) => digest !== undefined).map(submoduleKey);
}
