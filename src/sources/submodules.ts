/** Which submodules a commit has, and where each is fetched from. */
import { createHash } from 'node:crypto';
import type { Mirrors } from './mirrors.ts';
import type { Origin } from './origin.ts';
import { submoduleKey } from './remote.ts';
import { type Remote, SourceError } from './sources.ts';
import { checkSubmoduleUrl, type UrlRules } from './submodule-url.ts';
import { listTree, shownPath, type TreeEntry, type TreeSource } from './tree.ts';

/** A submodule's tree, where it is put, and those within it. */
export interface Submodule {
  path: Buffer;
  origin: Origin;
  source: TreeSource;
}

const MAX_GITMODULES = 256 * 1024;
/** Of one commit, with those of its submodules. */
const MOST_SUBMODULES = 200;
const DEEPEST = 5;

export interface SubmoduleSearch {
  mirrors: Mirrors;
  rules: UrlRules;
  /** Whether what is at this path of the archive is wanted at all. */
  wanted(entry: TreeEntry): boolean;
}

/** Every submodule that is wanted, fetched; those of submodules after the one that they are in. */
export async function ensureSubmodules(
  source: TreeSource,
  remote: Remote,
  search: SubmoduleSearch,
): Promise<Submodule[]> {
  const found: Submodule[] = [];
  const visit = async (tree: TreeSource, parent: Remote, above: Buffer, depth: number): Promise<void> => {
    const links = await gitlinksOf(tree, above, search);
    if (links.length === 0) return;
    if (depth > DEEPEST || found.length + links.length > MOST_SUBMODULES) {
      throw new SourceError('bad-tree', `${source.title} cannot be packed: it has too many submodules in submodules`);
    }
    const urls = await readGitmodules(tree);
    for (const link of links) {
      const submodule = await ensureSubmodule(tree, parent, above, link, urls, search);
      found.push(submodule);
      await visit(submodule.source, submodule.origin, submodule.path, depth + 1);
    }
  };
  await visit(source, remote, Buffer.alloc(0), 1);
  return found;
}

async function gitlinksOf(tree: TreeSource, above: Buffer, search: SubmoduleSearch): Promise<TreeEntry[]> {
  const links: TreeEntry[] = [];
  for await (const entry of listTree(tree)) {
    if (entry.kind !== 'submodule' || !search.wanted({ ...entry, path: below(above, entry.path) })) continue;
    if (links.push(entry) > MOST_SUBMODULES) break;
  }
  return links;
}

export function below(above: Buffer, path: Buffer): Buffer {
  return above.length === 0 ? path : Buffer.concat([above, Buffer.from('/'), path]);
}

async function ensureSubmodule(
  tree: TreeSource,
  parent: Remote,
  above: Buffer,
  link: TreeEntry,
  urls: Map<string, string>,
  search: SubmoduleSearch,
): Promise<Submodule> {
  const path = below(above, link.path);
  const what = `The submodule ${shownPath(path)} of ${tree.title}`;
  const url = urls.get(link.path.toString('latin1'));
  if (url === undefined) {
    throw new SourceError('bad-tree', `${what} has no URL in .gitmodules. Add it, or omit the path.`);
  }
  const checked = await checkSubmoduleUrl(what, parent.url, url, search.rules);
  const origin = originOf(checked);
  await search.mirrors.ensureCommit(origin, { sha: link.id }, tree.signal).catch((error) => {
    if (!(error instanceof SourceError)) throw error;
    throw new SourceError(error.kind, `${what} cannot be fetched. ${error.message}`, { cause: error });
  });
  const title = `${origin.name} at ${link.id}`;
  const { git, signal } = tree;
  return { path, origin, source: { git, gitDir: search.mirrors.pathOf(origin), sha: link.id, title, signal } };
}

/**
 * A mirror of its own by URL, without history. Nothing of the repository's authorization goes with it: it could read
 * private repositories, and what is packed is public.
 */
function originOf({ url, addresses }: { url: string; addresses?: string[] }): Origin {
  const key = submoduleKey(createHash('sha256').update(url).digest('hex').slice(0, 40));
  const name = url.replace(/^[a-z]+:\/\/[^/]*\//, '').replace(/\.git\/?$/, '');
  return { key, name, url, addresses, shallow: true };
}

/** Path → URL. A file that nobody could have meant so (a symlink, a huge one) is an error. */
async function readGitmodules(tree: TreeSource): Promise<Map<string, string>> {
  const file = `${tree.sha}:.gitmodules`;
  const options = { signal: tree.signal, timeoutMs: 60_000 };
  const listing = ['ls-tree', '-z', '-l', '--full-tree', tree.sha, '--', '.gitmodules'];
  const listed = await tree.git.run([`--git-dir=${tree.gitDir}`, ...listing], options);
  const [mode = '', , , size = ''] = listed.stdout.toString('latin1').split(/[ \t]+/);
  if (mode === '') return new Map();
  if (!mode.startsWith('100') || Number(size) > MAX_GITMODULES) {
    throw new SourceError('bad-tree', `${tree.title} cannot be packed: its .gitmodules is not a small file`);
  }
  const args = ['config', `--blob=${file}`, '--no-includes', '-z', '--get-regexp', '^submodule\\..*\\.(path|url)$'];
  const read = await tree.git.run([`--git-dir=${tree.gitDir}`, ...args], options);
  // 1 is also said of what is not there; only of a broken file something is said with it.
  if (read.code > 1 || read.stderr !== '') {
    const words = `its .gitmodules cannot be read: ${read.stderr.trim().slice(-300)}`;
    throw new SourceError('bad-tree', `${tree.title} cannot be packed: ${words}`);
  }
  return urlsByPath(read.stdout.toString('latin1'));
}

/** `submodule.NAME.KEY\nVALUE\0`, the last one wins. */
function urlsByPath(listed: string): Map<string, string> {
  const modules = new Map<string, { path?: string; url?: string }>();
  for (const entry of listed.split('\0').filter(Boolean)) {
    const [, name = '', key = '', value = ''] = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(entry) ?? [];
    modules.set(name, { ...modules.get(name), [key]: value });
  }
  const urls = new Map<string, string>();
  for (const { path, url } of modules.values()) if (path && url) urls.set(path.replace(/\/+$/, ''), url);
  return urls;
}
