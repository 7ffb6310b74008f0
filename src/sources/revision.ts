/** From what a pin says to a commit, and from a commit to what a version says. */
import { BRANCHES, type Mirror, PULLS, TAGS } from './mirror.ts';
import { isRefName, isSha } from './remote.ts';
import { type Resolution, type Revision, SourceError } from './sources.ts';

/** In `git describe`. Git's own choice grows with the mirror, so that two mirrors would not say the same. */
const SHA_DIGITS = 10;
/** So many objects are looked at that begin alike. */
const MOST_ALIKE = 64;

export async function resolveRevision(mirror: Mirror, revision: Revision, signal: AbortSignal): Promise<Resolution> {
  if (revision.kind === 'tag') return resolveTag(mirror, revision.text, signal);
  const digits = revision.kind === 'sha' ? revision.text : /-g([0-9a-f]+)$/.exec(revision.text)?.[1];
  if (!digits || !/^[0-9a-f]{7,64}$/.test(digits)) return { sha: undefined, why: 'that is not a sha' };
  return isSha(digits) ? resolveSha(mirror, digits, signal) : resolveShortSha(mirror, digits, signal);
}

/** A tag may have moved since it was fetched, so it is asked for. */
async function resolveTag(mirror: Mirror, tag: string, signal: AbortSignal): Promise<Resolution> {
  const ref = `refs/tags/${tag}`;
  if (!isRefName(ref)) return { sha: undefined, why: 'that cannot be the name of a tag' };
  const none: Resolution = { sha: undefined, why: `${mirror.origin.name} has no tag of this name` };
  if (!(await mirror.refresh({ refspecs: [`+${ref}:${ref}`] }, signal))) return none;
  const peeled = await mirror.local(['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], signal);
  if (peeled.code !== 0) return { sha: undefined, why: 'the tag is not a commit’s' };
  return kept(mirror, peeled.stdout.toString().trim(), signal);
}

async function resolveSha(mirror: Mirror, sha: string, signal: AbortSignal): Promise<Resolution> {
  try {
    return { sha: (await mirror.ensureCommit({ sha }, signal)).sha };
  } catch (error) {
    const isAbsent = error instanceof SourceError && (error.kind === 'commit-missing' || error.kind === 'bad-tree');
    if (!isAbsent) throw error;
    return { sha: undefined, why: `${mirror.origin.name} has no commit of this sha` };
  }
}

/**
 * A commit on a branch or tag of the repository wins: anybody who opens a pull request can bring a commit whose sha begins
 * as somebody else's does. Only where no branch and no tag has one, those of pull requests count.
 */
async function resolveShortSha(mirror: Mirror, digits: string, signal: AbortSignal): Promise<Resolution> {
  const steps = [undefined, [BRANCHES, TAGS], [PULLS]];
  let found: Alike = { published: [], others: [] };
  for (const refspecs of steps) {
    if (refspecs) await mirror.refresh({ refspecs, prune: true }, signal);
    found = await alike(mirror, digits, signal);
    if (found.published.length > 0) break;
  }
  const shas = found.published.length > 0 ? found.published : found.others;
  if (shas.length === 1) return kept(mirror, shas[0]!, signal);
  if (shas.length === 0) return { sha: undefined, why: `${mirror.origin.name} has no commit whose sha begins so` };
  return { sha: undefined, why: `${shas.length} commits begin with ${digits}: ${shas.slice(0, 3).join(', ')}` };
}

async function kept(mirror: Mirror, sha: string, signal: AbortSignal): Promise<Resolution> {
  return { sha: (await mirror.ensureCommit({ sha }, signal)).sha };
}

interface Alike {
  /** On a branch, or below a tag. */
  published: string[];
  others: string[];
}

/** The commits here whose shas begin so. */
async function alike(mirror: Mirror, digits: string, signal: AbortSignal): Promise<Alike> {
  const found: Alike = { published: [], others: [] };
  if (!(await mirror.exists())) return found;
  const listed = await mirror.local(['rev-parse', `--disambiguate=${digits}`], signal);
  const ids = listed.stdout.toString().split('\n').filter(isSha).slice(0, MOST_ALIKE);
  for (const id of ids) {
    if (!(await mirror.isCommit(id, signal))) continue;
    const list = (await isPublished(mirror, id, signal)) ? found.published : found.others;
    list.push(id);
  }
  return found;
}

async function isPublished(mirror: Mirror, sha: string, signal: AbortSignal): Promise<boolean> {
  const args = ['for-each-ref', '--count=1', '--format=x', `--contains=${sha}`, 'refs/heads', 'refs/tags'];
  const listed = await mirror.local(args, signal);
  return listed.code === 0 && listed.stdout.length > 0;
}

export async function describe(
  mirror: Mirror,
  sha: string,
  match: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  await mirror.mustHold(sha, signal);
  await mirror.refresh({ refspecs: [TAGS], prune: true }, signal);
  const args = ['describe', '--tags', `--match=${match}`, `--abbrev=${SHA_DIGITS}`, sha];
  const described = await mirror.local(args, signal);
  if (described.code === 0) return described.stdout.toString().trim();
  if (/No names found|No tags can describe|cannot describe/.test(described.stderr)) return undefined;
  throw new SourceError('unreachable', `git cannot describe ${sha}: ${described.stderr.trim().slice(-300)}`);
}
