import { emitPull, emitPush, emitSuite, type RefChange } from '../events.ts';
import { type FileValue, git, isAncestor, NO_SHA, refs, resolveCommit, updateRef, writeCommit } from '../git.ts';
import type { Hub } from '../hub.ts';
import { timestamp } from '../hub.ts';
import { emailOf } from '../shapes/commit.ts';
import type { Pull, Repository, User } from '../state.ts';
import { ensureSuite } from './checks.ts';
import { closePull, recordMerge } from './pulls.ts';

/** Everything that moves refs, and what GitHub does when they have moved. */

export interface CommitOptions {
  files?: Record<string, FileValue>;
  delete?: string[];
  message?: string;
  /** A login. */
  author?: string;
  /** Where a branch that does not exist yet starts: a branch, tag or sha; default: the default branch. */
  from?: string;
}

/** Commit to a branch and push it; the branch is created when there is none. */
export async function pushCommit(
  hub: Hub,
  repository: Repository,
  branch: string,
  options: CommitOptions,
): Promise<string> {
  const [sha] = await pushCommits(hub, repository, branch, [options]);
  return sha!;
}

/** Several commits in one push; the first one's author pushes. */
export async function pushCommits(
  hub: Hub,
  repository: Repository,
  branch: string,
  commits: CommitOptions[],
): Promise<string[]> {
  const [first] = commits;
  if (!first) throw new Error('A push needs a commit.');
  const ref = `refs/heads/${branch}`;
  const before = await resolveCommit(repository.dir, ref);
  let head = before ?? (await resolveCommit(repository.dir, first.from ?? repository.defaultBranch));
  if (first.from && !head) throw new Error(`There is no ${first.from} to start ${branch} from.`);
  const shas: string[] = [];
  for (const commit of commits) {
    head = await commitOnto(hub, repository, UNDER_WAY, head, commit);
    shas.push(head);
  }
  // At once: nobody sees a head that was pushed over.
  await updateRef(repository.dir, ref, head!);
  await updateRef(repository.dir, UNDER_WAY, NO_SHA);
  const sender = hub.state.user(first.author ?? repository.owner.login);
  await settlePush(hub, repository, sender, [{ ref, before: before ?? NO_SHA, after: head! }]);
  return shas;
}

const UNDER_WAY = 'refs/stand-in/push';

/** Replace a branch by one new commit on `from` (default: the parent of the branch's head), as `git push --force`. */
export async function forcePush(
  hub: Hub,
  repository: Repository,
  branch: string,
  options: CommitOptions & { to?: string },
): Promise<string> {
  const ref = `refs/heads/${branch}`;
  const before = await resolveCommit(repository.dir, ref);
  if (!before) throw new Error(`There is no branch ${branch} to force-push to.`);
  const sender = hub.state.user(options.author ?? repository.owner.login);
  const parent = await resolveCommit(repository.dir, options.from ?? options.to ?? before);
  const start = options.from ? parent : ((await firstParent(repository, before)) ?? undefined);
  const after = options.to ? parent! : await commitOnto(hub, repository, ref, start, options);
  if (options.to) await updateRef(repository.dir, ref, after);
  await settlePush(hub, repository, sender, [{ ref, before, after }]);
  return after;
}

async function firstParent(repository: Repository, sha: string): Promise<string | undefined> {
  const found = await git(repository.dir, ['rev-parse', '--quiet', '--verify', `${sha}^1`], { accept: [0, 1, 128] });
  return found.code === 0 ? found.text : undefined;
}

function commitOnto(
  hub: Hub,
  repository: Repository,
  ref: string,
  parent: string | undefined,
  options: CommitOptions,
): Promise<string> {
  const author = hub.state.user(options.author ?? repository.owner.login);
  return writeCommit(repository.dir, {
    ref,
    parent,
    files: options.files,
    delete: options.delete,
    message: options.message ?? 'Change',
    author: { name: author.login, email: emailOf(author) },
    at: hub.clock.now(),
  });
}

export async function deleteRef(hub: Hub, repository: Repository, ref: string, by: User): Promise<void> {
  const before = await resolveCommit(repository.dir, ref);
  if (!before) throw new Error(`There is no ${ref} in ${repository.name}.`);
  await updateRef(repository.dir, ref, NO_SHA);
  await settlePush(hub, repository, by, [{ ref, before, after: NO_SHA }]);
}

export async function createTag(
  hub: Hub,
  repository: Repository,
  name: string,
  at: string,
  by: User,
  message?: string,
): Promise<string> {
  const sha = await resolveCommit(repository.dir, at);
  if (!sha) throw new Error(`There is no ${at} to tag.`);
  const ref = `refs/tags/${name}`;
  const identity = { name: by.login, email: emailOf(by) };
  const env = { GIT_COMMITTER_NAME: identity.name, GIT_COMMITTER_EMAIL: identity.email };
  await git(repository.dir, message ? ['tag', '-a', '-m', message, name, sha] : ['tag', name, sha], { env });
  const after = (await refs(repository.dir, ref)).get(ref) ?? sha;
  await settlePush(hub, repository, by, [{ ref, before: NO_SHA, after }]);
  return sha;
}

/** GitHub sends nothing when more are pushed at once. */
const MOST_TAGS = 3;
const MOST_BRANCHES = 5000;

/** The refs have moved already: move pull requests along, and tell. */
export async function settlePush(hub: Hub, repository: Repository, sender: User, changes: RefChange[]): Promise<void> {
  repository.pushedAt = timestamp(hub);
  repository.updatedAt = repository.pushedAt;
  const tags = changes.filter((change) => change.ref.startsWith('refs/tags/'));
  const branches = changes.filter((change) => change.ref.startsWith('refs/heads/'));
  const told = [...(branches.length > MOST_BRANCHES ? [] : branches), ...(tags.length > MOST_TAGS ? [] : tags)];
  for (const change of told) await emitPush(hub, repository, sender, change, await isForced(repository, change));
  for (const change of branches) await afterBranchMoved(hub, repository, sender, change);
}

async function isForced(repository: Repository, change: RefChange): Promise<boolean> {
  if (change.before === NO_SHA || change.after === NO_SHA) return false;
  return !(await isAncestor(repository.dir, change.before, change.after));
}

async function afterBranchMoved(hub: Hub, repository: Repository, sender: User, change: RefChange): Promise<void> {
  const branch = change.ref.replace('refs/heads/', '');
  for (const pull of hub.state.openPullsFrom(repository.id, branch)) await moveHead(hub, pull, sender, change);
  if (change.after === NO_SHA) return;
  await closeWhatIsMerged(hub, repository, sender, branch, change.after);
  if (!hub.state.installationOf(repository)) return; // A push to a fork is invisible to the app.
  const known = [...hub.state.suites.values()].some((one) => isSuiteOf(one, repository, change.after));
  const suite = ensureSuite(hub, repository, change.after, { branch, before: change.before });
  if (!known) await emitSuite(hub, repository, suite, sender, 'requested');
}

function isSuiteOf(suite: { repositoryId: number; headSha: string }, repository: Repository, sha: string): boolean {
  return suite.repositoryId === repository.id && suite.headSha === sha;
}

async function moveHead(hub: Hub, pull: Pull, sender: User, change: RefChange): Promise<void> {
  const target = hub.state.repositories.get(pull.repositoryId);
  if (!target) return;
  if (change.after === NO_SHA) return closePull(hub, target, pull, sender);
  pull.head.sha = change.after;
  pull.base.sha = (await resolveCommit(target.dir, `refs/heads/${pull.base.ref}`)) ?? pull.base.sha;
  pull.updatedAt = timestamp(hub);
  await publishHead(hub, target, pull);
  await emitPull(hub, target, pull, sender, 'synchronize', { before: change.before, after: change.after });
}

/** Let the base repository have the head, as refs/pull/N/head. */
export async function publishHead(hub: Hub, target: Repository, pull: Pull): Promise<void> {
  const from = hub.state.repositories.get(pull.head.repositoryId);
  if (from && from.id !== target.id) {
    await git(target.dir, ['fetch', '--quiet', '--no-tags', from.dir, pull.head.sha]);
  }
  await updateRef(target.dir, `refs/pull/${pull.number}/head`, pull.head.sha);
}

/** A pull request whose commits arrive in its base by a push counts as merged. */
async function closeWhatIsMerged(
  hub: Hub,
  repository: Repository,
  sender: User,
  branch: string,
  sha: string,
): Promise<void> {
  const open = [...repository.pulls.values()].filter((pull) => pull.state === 'open' && pull.base.ref === branch);
  for (const pull of open) {
    if (!(await isAncestor(repository.dir, pull.head.sha, sha))) continue;
    recordMerge(hub, pull, sender, sha);
    await emitPull(hub, repository, pull, sender, 'closed');
  }
}
