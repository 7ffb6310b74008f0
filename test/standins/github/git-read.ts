import { type GitResult, git, type Identity } from './git.ts';

/** What is read out of commits: their heads, their differences. */

export interface CommitInfo {
  sha: string;
  tree: string;
  parents: string[];
  author: Identity & { date: string };
  committer: Identity & { date: string };
  message: string;
  /** Only when asked for. */
  files: { status: string; path: string }[];
}

const FIELDS = ['%H', '%T', '%P', '%an', '%ae', '%aI', '%cn', '%ce', '%cI', '%B'];
// The separators are control characters that git never writes by itself.
const FORMAT = `--format=%x1e${FIELDS.join('%x1f')}%x1d`;

export interface LogOptions {
  /** Tell the files that each commit changed. */
  files?: boolean;
  /** Only commits that changed this path. */
  path?: string;
}

/** Commits as `git log` finds them with these arguments (ranges, -n, --skip, --since …). */
export async function log(dir: string, args: string[], options: LogOptions = {}): Promise<CommitInfo[]> {
  const names = options.files ? ['--name-status', '--no-renames'] : [];
  const answer = await git(dir, ['log', FORMAT, ...names, ...args, '--', ...(options.path ? [options.path] : [])]);
  return answer.stdout.toString('utf8').split('\x1e').slice(1).map(parseCommit);
}

export async function readCommit(dir: string, sha: string, options: { files?: boolean } = {}): Promise<CommitInfo> {
  const [commit] = await log(dir, ['-1', sha], options);
  if (!commit) throw new Error(`No commit ${sha} in ${dir}`);
  return commit;
}

function parseCommit(record: string): CommitInfo {
  const [head = '', tail = ''] = record.split('\x1d');
  const [sha, tree, parents, an, ae, ad, cn, ce, cd, message] = head.split('\x1f') as string[];
  const files = tail.split('\n').filter((line) => line.includes('\t'));
  return {
    sha: sha!,
    tree: tree!,
    parents: parents ? parents.split(' ') : [],
    author: { name: an!, email: ae!, date: utc(ad!) },
    committer: { name: cn!, email: ce!, date: utc(cd!) },
    message: message!.trimEnd(),
    files: files.map((line) => ({ status: line[0]!, path: line.slice(line.indexOf('\t') + 1) })),
  };
}

function utc(date: string): string {
  return `${new Date(date).toISOString().slice(0, 19)}Z`;
}

export async function countCommits(dir: string, range: string): Promise<number> {
  return Number((await git(dir, ['rev-list', '--count', range])).text);
}

export interface FileChange {
  path: string;
  previousPath?: string;
  status: 'added' | 'removed' | 'modified' | 'renamed' | 'changed';
  sha: string;
  additions: number;
  deletions: number;
  patch?: string;
}

const STATUS_WORDS: Record<string, FileChange['status']> = {
  A: 'added',
  D: 'removed',
  M: 'modified',
  R: 'renamed',
  T: 'changed',
};

/** Files that differ between two trees or commits. */
export async function difference(dir: string, from: string, to: string): Promise<FileChange[]> {
  const raw = await git(dir, ['diff', '--raw', '-z', '-M', '--abbrev=40', from, to, '--']);
  const numbers = await git(dir, ['diff', '--numstat', '-M', from, to, '--']);
  const patches = await git(dir, ['diff', '-M', from, to, '--']);
  const counts = numbers.text.split('\n').map((line) => line.split('\t').slice(0, 2).map(countOf));
  const hunks = splitPatches(patches);
  return parseRaw(raw).map((file, at) => ({
    ...file,
    additions: counts[at]?.[0] ?? 0,
    deletions: counts[at]?.[1] ?? 0,
    ...(hunks[at] ? { patch: hunks[at] } : {}),
  }));
}

/** Binary files have `-` instead of a number. */
function countOf(word: string): number {
  return word === '-' ? 0 : Number(word);
}

function parseRaw(raw: GitResult): Omit<FileChange, 'additions' | 'deletions'>[] {
  const words = raw.stdout.toString('utf8').split('\0');
  const files: Omit<FileChange, 'additions' | 'deletions'>[] = [];
  for (let at = 0; at + 1 < words.length; ) {
    const [, , oldSha, newSha, letter] = words[at]!.split(' ') as string[];
    const status = STATUS_WORDS[letter![0]!] ?? 'modified';
    const sha = status === 'removed' ? oldSha! : newSha!;
    if (status === 'renamed') files.push({ path: words[at + 2]!, previousPath: words[at + 1]!, status, sha });
    else files.push({ path: words[at + 1]!, status, sha });
    at += status === 'renamed' ? 3 : 2;
  }
  return files;
}

/** Per file the hunks only, as GitHub's `patch` has them. */
function splitPatches(patches: GitResult): string[] {
  return patches.text
    .split(/^diff --git .*$/m)
    .slice(1)
    .map((patch) => {
      const start = patch.search(/^@@ /m);
      return start < 0 ? '' : patch.slice(start).trimEnd();
    });
}

/** An entry of a tree; undefined when there is nothing at this path. */
export async function treeEntry(dir: string, sha: string, path: string): Promise<TreeEntry | undefined> {
  const listed = await git(dir, ['ls-tree', '-z', '-l', sha, '--', path.replace(/\/+$/, '')], { accept: [0, 128] });
  return parseTree(listed)[0];
}

export async function treeEntries(dir: string, sha: string, path: string): Promise<TreeEntry[]> {
  return parseTree(
    await git(dir, ['ls-tree', '-z', '-l', sha, '--', ...(path ? [`${path.replace(/\/+$/, '')}/`] : [])]),
  );
}

export interface TreeEntry {
  mode: string;
  type: 'blob' | 'tree' | 'commit';
  sha: string;
  size: number;
  path: string;
}

function parseTree(listed: GitResult): TreeEntry[] {
  const lines = listed.stdout.toString('utf8').split('\0').filter(Boolean);
  return lines.map((line) => {
    const [facts = '', path = ''] = line.split('\t');
    const [mode, type, sha, size] = facts.split(/ +/) as [string, TreeEntry['type'], string, string];
    return { mode, type, sha, size: size === '-' ? 0 : Number(size), path };
  });
}
