import type { CommitInfo, FileChange } from '../git-read.ts';
import type { Hub } from '../hub.ts';
import type { Repository, User } from '../state.ts';
import { nodeId, pageUrl, repositoryUrl, userJson } from './repository.ts';

/** The address that tells a login, as GitHub's no-reply addresses do. */
export function emailOf(user: User): string {
  return `${user.id}+${user.login}@users.noreply.github.com`;
}

export function userByEmail(hub: Hub, email: string): User | undefined {
  return [...hub.state.users.values()].find((user) => emailOf(user) === email);
}

/** REST's commit. */
export function commitJson(hub: Hub, repository: Repository, commit: CommitInfo) {
  const url = repositoryUrl(hub, repository);
  const page = pageUrl(hub, repository);
  const author = userByEmail(hub, commit.author.email);
  const committer = userByEmail(hub, commit.committer.email);
  return {
    sha: commit.sha,
    node_id: nodeId(`Commit:${commit.sha}`, repository.id),
    commit: {
      author: commit.author,
      committer: commit.committer,
      message: commit.message,
      tree: { sha: commit.tree, url: `${url}/git/trees/${commit.tree}` },
      url: `${url}/git/commits/${commit.sha}`,
      comment_count: 0,
      verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null },
    },
    url: `${url}/commits/${commit.sha}`,
    html_url: `${page}/commit/${commit.sha}`,
    comments_url: `${url}/commits/${commit.sha}/comments`,
    author: author ? userJson(hub, author) : null,
    committer: committer ? userJson(hub, committer) : null,
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${url}/commits/${sha}`,
      html_url: `${page}/commit/${sha}`,
    })),
  };
}

/** The git database's commit. */
export function gitCommitJson(hub: Hub, repository: Repository, commit: CommitInfo) {
  const url = `${repositoryUrl(hub, repository)}/git`;
  const { author, committer, message, tree, verification } = commitJson(hub, repository, commit).commit;
  return {
    sha: commit.sha,
    node_id: nodeId(`Commit:${commit.sha}`, repository.id),
    url: `${url}/commits/${commit.sha}`,
    html_url: `${pageUrl(hub, repository)}/commit/${commit.sha}`,
    author,
    committer,
    message,
    tree,
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${url}/commits/${sha}`,
      html_url: `${pageUrl(hub, repository)}/commit/${sha}`,
    })),
    verification,
  };
}

/** A push event's commit. */
export function pushedCommitJson(hub: Hub, repository: Repository, commit: CommitInfo) {
  const paths = (status: string) => commit.files.filter((file) => file.status === status).map((file) => file.path);
  return {
    id: commit.sha,
    tree_id: commit.tree,
    distinct: true,
    message: commit.message,
    timestamp: commit.committer.date,
    url: `${pageUrl(hub, repository)}/commit/${commit.sha}`,
    author: pusher(hub, commit.author),
    committer: pusher(hub, commit.committer),
    added: paths('A'),
    removed: paths('D'),
    modified: [...paths('M'), ...paths('T')],
  };
}

function pusher(hub: Hub, who: CommitInfo['author']) {
  const user = userByEmail(hub, who.email);
  return { name: who.name, email: who.email, ...(user ? { username: user.login } : {}) };
}

/** A check suite's head commit. */
export function simpleCommitJson(commit: CommitInfo) {
  const who = ({ name, email }: CommitInfo['author']) => ({ name, email });
  return {
    id: commit.sha,
    tree_id: commit.tree,
    message: commit.message,
    timestamp: commit.committer.date,
    author: who(commit.author),
    committer: who(commit.committer),
  };
}

export function fileJson(hub: Hub, repository: Repository, sha: string, file: FileChange) {
  const path = file.path.split('/').map(encodeURIComponent).join('/');
  return {
    sha: file.sha,
    filename: file.path,
    status: file.status,
    additions: file.additions,
    deletions: file.deletions,
    changes: file.additions + file.deletions,
    blob_url: `${pageUrl(hub, repository)}/blob/${sha}/${path}`,
    raw_url: `${pageUrl(hub, repository)}/raw/${sha}/${path}`,
    contents_url: `${repositoryUrl(hub, repository)}/contents/${path}?ref=${sha}`,
    ...(file.patch === undefined ? {} : { patch: file.patch }),
    ...(file.previousPath === undefined ? {} : { previous_filename: file.previousPath }),
  };
}
