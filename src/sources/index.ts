import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Archive } from '../archive/archive.ts';
import { openGit } from './git.ts';
import { openMirrors } from './mirror.ts';
import { isSha } from './remote.ts';
import { type PackOptions, type Remote, SourceError, type Sources } from './sources.ts';
import { packTree } from './tarball.ts';

export interface SourcesOptions {
  /** Where the mirrors are, one `.git` directory each. Made when it is not there. */
  dir: string;
  archive: Pick<Archive, 'put'>;
  /** The git program. Default: `git`, from the PATH. */
  git?: string;
  /** How long one fetch may take. A lock file that is older than this belongs to a dead process. */
  fetchTimeoutMs: number;
  /** The service's environment; only PATH, TMPDIR, proxies and certificates are passed on to git. */
  environment?: Record<string, string | undefined>;
}

export async function openSources(options: SourcesOptions): Promise<Sources> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true });
  const trustingConfig = join(dir, 'local-remotes.gitconfig');
  await writeFile(trustingConfig, '# For fetching from repositories on this disk.\n[safe]\n\tdirectory = *\n');
  const git = openGit(options.git ?? 'git', options.environment ?? {});
  const mirrors = openMirrors({ dir, git, fetchTimeoutMs: options.fetchTimeoutMs, trustingConfig });
  const pack = async (remote: Remote, sha: string, packOptions: PackOptions, signal: AbortSignal) => {
    signal.throwIfAborted();
    const facts = isSha(sha) ? await mirrors.commitFacts(remote, sha, signal) : undefined;
    const title = `${remote.name} at ${sha.slice(0, 64)}`;
    if (!facts)
      throw new SourceError('commit-missing', `${title} cannot be packed: it was not fetched, or is no commit`);
    const tree = { git, gitDir: mirrors.pathOf(remote), sha, title, signal, committedAt: facts.committedAt };
    return packTree(tree, packOptions, options.archive);
  };
  return { ensureCommit: mirrors.ensureCommit, pack };
}
