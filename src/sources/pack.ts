/** From a commit in a mirror to its archive: what was packed before is looked up, what is missing is fetched. */
import type { Archive } from '../archive/archive.ts';
import { type PlacedTree, wantedInRoot } from './composition.ts';
import type { Git } from './git.ts';
import type { Mirrors } from './mirrors.ts';
import { PackedIndex } from './packed-index.ts';
import { isSha } from './remote.ts';
import {
  type ExtraTree,
  type PackedPart,
  type PackedSource,
  type PackOptions,
  type Remote,
  SourceError,
} from './sources.ts';
import type { ResolveHost } from './submodule-url.ts';
import { below, ensureSubmodules } from './submodules.ts';
import { packTree } from './tarball.ts';
import type { TreeEntry, TreeSource } from './tree.ts';

export interface Packing {
  git: Git;
  mirrors: Mirrors;
  archive: Pick<Archive, 'put'> & Partial<Pick<Archive, 'stat'>>;
  resolveHost?: ResolveHost;
}

/** A tree that is put in, with where it comes from. */
interface Part extends PlacedTree {
  url: string;
}

export async function packSource(
  packing: Packing,
  remote: Remote,
  sha: string,
  options: PackOptions,
  signal: AbortSignal,
): Promise<PackedSource> {
  signal.throwIfAborted();
  checkOptions(remote, options);
  const index = new PackedIndex(packing.mirrors.pathOf(remote), packing.archive);
  const before = await index.find(sha, options);
  if (before) return before;
  const title = `${remote.name} at ${sha.slice(0, 64)}`;
  const facts = isSha(sha) ? await packing.mirrors.commitFacts(remote, sha, signal) : undefined;
  if (!facts) {
    throw new SourceError('commit-missing', `${title} cannot be packed: it was not fetched, or is no commit`);
  }
  const source = { git: packing.git, gitDir: packing.mirrors.pathOf(remote), sha, title, signal };
  const parts = await partsOf(packing, source, remote, options);
  const packed = await packTree({ ...source, committedAt: facts.committedAt }, options, packing.archive, parts);
  const whole = parts.length === 0 ? packed : { ...packed, parts: parts.map(toldPart) };
  await index.remember(sha, options, whole);
  return whole;
}

function checkOptions(remote: Remote, { version, trees = [] }: PackOptions): void {
  if (version !== undefined && !/^[^\0-\x1f\x7f]{1,200}$/.test(version)) {
    throw new SourceError('bad-tree', `${JSON.stringify(version.slice(0, 200))} cannot be a version of ${remote.name}`);
  }
  const paths = trees.map(({ path }) => path);
  if (new Set(paths).size < paths.length) {
    throw new SourceError('bad-tree', `Two trees are put at one path into ${remote.name}. Correct the configuration.`);
  }
}

const toldPart = ({ kind, path, url, source }: Part): PackedPart => ({
  kind,
  path: path.toString(),
  url,
  sha: source.sha,
});

/** In the order of the paths. */
async function partsOf(packing: Packing, source: TreeSource, remote: Remote, options: PackOptions): Promise<Part[]> {
  const trees: Part[] = [];
  for (const tree of options.trees ?? []) trees.push(await ensureTree(packing, tree, source.signal));
  const wanted = wantedInRoot(options, trees);
  const parts = [...trees, ...(await submodulesOf(packing, source, remote, options, wanted))];
  for (const [index, tree] of (options.trees ?? []).entries()) {
    const within = await submodulesOf(packing, trees[index]!.source, tree.remote, options, () => true);
    parts.push(...within.map((part) => ({ ...part, path: below(trees[index]!.path, part.path) })));
  }
  return parts.sort((a, b) => Buffer.compare(a.path, b.path));
}

async function ensureTree(packing: Packing, tree: ExtraTree, signal: AbortSignal): Promise<Part> {
  const { remote, sha, ref, path } = tree;
  await packing.mirrors.ensureCommit(remote, { sha, ref }, signal);
  const title = `${remote.name} at ${sha}`;
  const source = { git: packing.git, gitDir: packing.mirrors.pathOf(remote), sha, title, signal };
  return { kind: 'tree', path: Buffer.from(path), url: remote.url, source };
}

async function submodulesOf(
  packing: Packing,
  source: TreeSource,
  remote: Remote,
  options: PackOptions,
  wanted: (entry: TreeEntry) => boolean,
): Promise<Part[]> {
  if (!options.submodules) return [];
  const rules = { allow: options.submodules.allow, resolveHost: packing.resolveHost };
  const found = await ensureSubmodules(source, remote, { mirrors: packing.mirrors, rules, wanted });
  return found.map(({ path, origin, source }) => ({ kind: 'submodule', path, url: origin.url, source }));
}
