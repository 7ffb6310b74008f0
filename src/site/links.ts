/**
 * Every href of the site is built here. Each foreign part passes encodeURIComponent, and foreign URLs must be http(s),
 * so that no title, branch or artifact name can become a `javascript:` link or leave its path segment.
 */

const part = encodeURIComponent;

/** Several segments (`refs/heads/a b`): the slashes stay, everything between them is encoded. */
const segments = (path: string): string => path.split('/').map(part).join('/');

export const runPath = (runId: string): string => `/runs/${part(runId)}`;
export const apiRunPath = (runId: string): string => `/api/runs/${part(runId)}`;
export const jobPath = (runId: string, jobId: string): string => `${runPath(runId)}/jobs/${part(jobId)}`;
export const jobLogPath = (runId: string, jobId: string): string => `${jobPath(runId, jobId)}/log.txt`;
export const jobLinesPath = (runId: string, jobId: string): string => `${jobPath(runId, jobId)}/lines`;
/** A line of a log, with some before it. */
export const logLinePath = (runId: string, jobId: string, line: number, attempt?: number): string =>
  `${withQuery(jobPath(runId, jobId), { from: line > 100 ? line - 100 : undefined, attempt })}#L${line}`;
export const flapperFilePath = (name: string): string => `/flappers/file?name=${part(name)}`;
export const jobGotoPath = (runId: string, jobId: string): string => `${jobPath(runId, jobId)}/goto`;
export const jobComparePath = (runId: string, jobId: string): string => `${jobPath(runId, jobId)}/compare`;
export const stackPath = (name: string): string => `/stacks/${segments(name)}`;
export const factPath = (key: string): string => `/ledger/fact?key=${part(key)}`;

/** A word of a command line that a person copies into a shell: whatever a branch is called, it stays one word. */
export const shellWord = (text: string): string =>
  /^\w[\w@%+:,./-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** A download by content; the name is for the reader and for the saved file only. */
export function archivePath(sha256: string, name?: string): string {
  return name ? `/archive/${part(sha256)}/${part(fileName(name))}` : `/archive/${part(sha256)}`;
}

/** What is in a zip or tar; `looksLikeArchive` says whether it is worth a link. */
export const archiveFilesPath = (sha256: string, name: string): string =>
  `/archive/${part(sha256)}/${part(fileName(name))}/files`;

/** One file of it, named by its place: two may have one path. */
export const archiveMemberPath = (sha256: string, archive: string, index: number, path: string): string =>
  `${archiveFilesPath(sha256, archive)}/${index}/${part(fileName(path))}`;

export const looksLikeArchive = (name: string): boolean => /\.(?:zip|tar|tar\.gz|tgz)$/i.test(name);

export function sourceFileName(repository: string, sha: string): string {
  return `${fileName(repository)}-${sha.slice(0, 12)}.tar.gz`;
}

/** The last segment of an artifact's path, without what a file system or a header could trip over. */
export function fileName(name: string): string {
  const last = name.split(/[\\/]/).findLast((piece) => piece !== '') ?? '';
  const clean = last.replace(/[^\p{L}\p{N} ._+~@()=,-]/gu, '_').slice(-200);
  return /^\.*$/.test(clean) ? 'download' : clean;
}

/** The path with its query; absent values are left out. */
export function withQuery(path: string, query: Record<string, string | number | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

/** A foreign link as it is, when it is http(s); otherwise undefined. */
export function foreignUrl(url: string | undefined): string | undefined {
  if (!url || !URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : undefined;
}

const OWNER_AND_NAME = /^[\w.-]+\/[\w.-]+$/;

/** Links into GitHub. A repository that is not `owner/name` (a plain git repository) is on no forge: no link. */
export interface Forge {
  repository(name: string): string | undefined;
  commit(name: string, sha: string): string | undefined;
  pullRequest(name: string, number: number): string | undefined;
  comment(name: string, number: number, id: string): string | undefined;
  branch(name: string, ref: string): string | undefined;
  check(name: string, externalId: string): string | undefined;
  author(login: string): string;
}

export function forgeLinks(githubUrl: string): Forge {
  const base = githubUrl.replace(/\/+$/, '');
  const repository = (name: string) => (OWNER_AND_NAME.test(name) ? `${base}/${segments(name)}` : undefined);
  const under = (name: string, path: string) => {
    const home = repository(name);
    return home && `${home}/${path}`;
  };
  return {
    repository,
    commit: (name, sha) => under(name, `commit/${part(sha)}`),
    pullRequest: (name, number) => under(name, `pull/${part(number)}`),
    comment: (name, number, id) => under(name, `pull/${part(number)}#issuecomment-${part(id)}`),
    branch: (name, ref) => under(name, `tree/${segments(shortRef(ref))}`),
    check: (name, externalId) => under(name, `runs/${part(externalId)}`),
    author: (login) => `${base}/${part(login.replace(/\[bot\]$/, ''))}`,
  };
}

export const shortRef = (ref: string): string => ref.replace(/^refs\/(heads|tags)\//, '');
