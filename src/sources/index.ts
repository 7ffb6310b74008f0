import { lookup } from 'node:dns/promises';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Archive } from '../archive/archive.ts';
import { openGit } from './git.ts';
import { type Mirrors, openMirrors } from './mirrors.ts';
import { packSource } from './pack.ts';
import { PackedIndex } from './packed-index.ts';
import { SourceError, type Sources } from './sources.ts';
import type { ResolveHost } from './submodule-url.ts';

export interface SourcesOptions {
  /** Where the mirrors are, one `.git` directory each. Made when it is not there. */
  dir: string;
  /** With `stat`, what was packed before is not packed again. */
  archive: Pick<Archive, 'put'> & Partial<Pick<Archive, 'stat'>>;
  /** The git program. Default: `git`, from the PATH. */
  git?: string;
  /** How long one fetch may take. A lock file that is older than this belongs to a dead process. */
  fetchTimeoutMs: number;
  /** The service's environment; only PATH, TMPDIR, proxies and certificates are passed on to git. */
  environment?: Record<string, string | undefined>;
  /** How the hosts of submodules are looked up. Default: as the system does, or not at all behind a proxy. */
  resolveHost?: ResolveHost;
}

export async function openSources(options: SourcesOptions): Promise<Sources> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true });
  const trustingConfig = join(dir, 'local-remotes.gitconfig');
  await writeFile(trustingConfig, '# For fetching from repositories on this disk.\n[safe]\n\tdirectory = *\n');
  const environment = options.environment ?? {};
  const git = openGit(options.git ?? 'git', environment);
  const mirrors = openMirrors({ dir, git, fetchTimeoutMs: options.fetchTimeoutMs, trustingConfig });
  const resolveHost = options.resolveHost ?? (hasProxy(environment) ? undefined : resolveBySystem);
  const { archive } = options;
  const packing = { git, mirrors, archive, resolveHost };
  return {
    ...readsOf(mirrors),
    pack: (remote, sha, packOptions, signal) => packSource(packing, remote, sha, packOptions, signal),
    tidy: async (remote, tidyOptions, signal) => {
      const tidied = await mirrors.tidy(remote, tidyOptions, signal);
      if (tidied.kind === 'tidied') await new PackedIndex(mirrors.pathOf(remote), archive).sweep();
      return tidied;
    },
  };
}

function readsOf(mirrors: Mirrors): Omit<Sources, 'pack' | 'tidy'> {
  const { ensureCommit, ensureMerged, resolveRevision, describe, readFile, touchedFiles, tidySubmodules } = mirrors;
  return { ensureCommit, ensureMerged, resolveRevision, describe, readFile, touchedFiles, tidySubmodules };
}

const hasProxy = (environment: Record<string, string | undefined>): boolean =>
  Object.entries(environment).some(([name, value]) => /^(https?|all)_proxy$/i.test(name) && !!value);

async function resolveBySystem(name: string): Promise<string[]> {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch (cause) {
    throw new SourceError(
      'unreachable',
      `${name} has no address now: ${(cause as Error).message}. It is tried again.`,
      {
        cause,
      },
    );
  }
}
