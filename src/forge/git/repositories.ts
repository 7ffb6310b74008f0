import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** A plain git repository that rcb.yaml names. */
export interface PlainRepository {
  /** `git:` and the digest of its real path: names may change with the configuration, keys must not. */
  key: string;
  /** For people, unique among the configured ones: `project`, or `group-project` where two would clash. */
  name: string;
  /** The directory that is named, with links resolved; of a repository with a working tree its top. */
  path: string;
}

/** Two paths that lead to one repository are one repository. What is not there (yet) is known by its path as given. */
export async function findRepositories(paths: string[]): Promise<PlainRepository[]> {
  const identities = [...new Set(await Promise.all(paths.map(identityOf)))];
  const shortNames = identities.map((path) => plainName(path));
  const names = identities.map((path, index) => {
    const isClash = shortNames.some((other, at) => at !== index && other === shortNames[index]);
    return isClash ? `${safeName(basename(dirname(path)))}-${shortNames[index]}` : shortNames[index]!;
  });
  return identities.map((path, index) => {
    const key = keyOf(path);
    const isClash = names.some((other, at) => at !== index && other === names[index]);
    return { key, path, name: isClash ? `${names[index]}-${key.slice(-6)}` : names[index]! };
  });
}

/** What a repository is known by, whichever of its paths is given: the top of its working tree, or itself when bare. */
export async function identityOf(path: string): Promise<string> {
  const real = await realpath(path).catch(() => resolve(path));
  return basename(real) === '.git' ? dirname(real) : real;
}

/** Where git's own files are: undefined when there is no repository at the path, or none that we may look into. */
export async function gitDirectoryOf(path: string): Promise<string | undefined> {
  for (const candidate of [path, join(path, '.git')]) {
    if (await isGitDirectory(candidate)) return candidate;
  }
  return undefined;
}

/** By the signs that git itself goes by (gitrepository-layout(5)). */
async function isGitDirectory(path: string): Promise<boolean> {
  const signs = ['objects', 'refs'].map((name) => stat(join(path, name)).then((found) => found.isDirectory()));
  signs.push(stat(join(path, 'HEAD')).then((found) => found.isFile()));
  return (await Promise.all(signs.map((sign) => sign.catch(() => false)))).every(Boolean);
}

const keyOf = (path: string): string => `git:${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;

const plainName = (path: string): string => safeName(basename(path).replace(/\.git$/, ''));

/** Names become parts of paths and URLs. */
const safeName = (name: string): string =>
  name
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 90) || 'repository';
