import { emitPull } from '../events.ts';
import { isAncestor, resolveCommit } from '../git.ts';
import type { Hub } from '../hub.ts';
import { timestamp } from '../hub.ts';
import type { Issue, Pull, Repository, User } from '../state.ts';
import { fullNameOf } from '../state.ts';
import { publishHead } from './push.ts';

export interface NewPull {
  head: string;
  base: string;
  title: string;
  body: string | null;
  author: User;
  draft: boolean;
  headRepository: Repository;
}

export async function openPull(hub: Hub, repository: Repository, options: NewPull): Promise<Pull> {
  const { headRepository, head, base } = options;
  const headSha = await resolveCommit(headRepository.dir, `refs/heads/${head}`);
  const baseSha = await resolveCommit(repository.dir, `refs/heads/${base}`);
  if (!headSha) throw new Error(`${fullNameOf(headRepository)} has no branch ${head} to open a pull request from.`);
  if (!baseSha) throw new Error(`${fullNameOf(repository)} has no branch ${base} to open a pull request to.`);
  refuseSecond(repository, options);
  await refuseWithoutCommits(repository, headRepository, headSha, baseSha);
  const pull: Pull = {
    ...newIssue(hub, repository, options.author, options.title, options.body),
    repositoryId: repository.id,
    draft: options.draft,
    head: { repositoryId: headRepository.id, owner: headRepository.owner, ref: head, sha: headSha },
    base: { ref: base, sha: baseSha },
  };
  repository.pulls.set(pull.number, pull);
  await publishHead(hub, repository, pull);
  await emitPull(hub, repository, pull, options.author, 'opened');
  return pull;
}

function refuseSecond(repository: Repository, { headRepository, head, base }: NewPull): void {
  const same = [...repository.pulls.values()].find(
    (pull) =>
      pull.state === 'open' &&
      pull.head.repositoryId === headRepository.id &&
      pull.head.ref === head &&
      pull.base.ref === base,
  );
  if (same)
    throw new Error(`A pull request already exists for ${headRepository.owner.login}:${head}: #${same.number}.`);
}

async function refuseWithoutCommits(repository: Repository, from: Repository, head: string, base: string) {
  if (from.id !== repository.id || !(await isAncestor(repository.dir, head, base))) return;
  throw new Error(`No commits between ${base} and ${head}.`);
}

export function openIssue(hub: Hub, repository: Repository, author: User, title: string, body: string | null): Issue {
  const issue = newIssue(hub, repository, author, title, body);
  repository.issues.set(issue.number, issue);
  return issue;
}

function newIssue(hub: Hub, repository: Repository, author: User, title: string, body: string | null): Issue {
  repository.lastNumber += 1;
  const now = timestamp(hub);
  const id = hub.state.nextId();
  return {
    id,
    number: repository.lastNumber,
    title,
    body,
    author,
    state: 'open',
    createdAt: now,
    updatedAt: now,
    reactions: [],
  };
}

export interface PullEdit {
  title?: string;
  body?: string | null;
  base?: string;
}

export async function editPull(hub: Hub, repository: Repository, pull: Pull, by: User, edit: PullEdit): Promise<void> {
  const changes: Record<string, unknown> = {};
  if (edit.title !== undefined && edit.title !== pull.title) {
    changes['title'] = { from: pull.title };
    pull.title = edit.title;
  }
  if (edit.body !== undefined && edit.body !== pull.body) {
    changes['body'] = { from: pull.body ?? '' };
    pull.body = edit.body;
    pull.edited = { by, at: timestamp(hub) };
  }
  if (edit.base !== undefined && edit.base !== pull.base.ref) {
    changes['base'] = { ref: { from: pull.base.ref }, sha: { from: pull.base.sha } };
    const sha = await resolveCommit(repository.dir, `refs/heads/${edit.base}`);
    if (!sha) throw new Error(`${fullNameOf(repository)} has no branch ${edit.base}.`);
    pull.base = { ref: edit.base, sha };
  }
  if (Object.keys(changes).length === 0) return;
  pull.updatedAt = timestamp(hub);
  await emitPull(hub, repository, pull, by, 'edited', { changes });
}

export async function closePull(hub: Hub, repository: Repository, pull: Pull, by: User): Promise<void> {
  if (pull.state === 'closed') return;
  pull.state = 'closed';
  pull.closedAt = timestamp(hub);
  pull.updatedAt = pull.closedAt;
  await emitPull(hub, repository, pull, by, 'closed');
}

export async function reopenPull(hub: Hub, repository: Repository, pull: Pull, by: User): Promise<void> {
  if (pull.mergedAt) throw new Error(`Pull request #${pull.number} is merged and cannot be reopened.`);
  if (pull.state === 'open') return;
  const from = hub.state.repositories.get(pull.head.repositoryId);
  const sha = from && (await resolveCommit(from.dir, `refs/heads/${pull.head.ref}`));
  if (!sha) throw new Error(`The head of pull request #${pull.number} is gone: it cannot be reopened.`);
  pull.head.sha = sha; // It did not follow its branch while it was closed.
  await publishHead(hub, repository, pull);
  pull.state = 'open';
  pull.closedAt = undefined;
  pull.updatedAt = timestamp(hub);
  await emitPull(hub, repository, pull, by, 'reopened');
}

export async function setDraft(hub: Hub, repository: Repository, pull: Pull, by: User, draft: boolean): Promise<void> {
  if (pull.draft === draft) return;
  pull.draft = draft;
  pull.updatedAt = timestamp(hub);
  await emitPull(hub, repository, pull, by, draft ? 'converted_to_draft' : 'ready_for_review');
}

export function recordMerge(hub: Hub, pull: Pull, by: User, sha: string): void {
  pull.state = 'closed';
  pull.mergedAt = timestamp(hub);
  pull.closedAt = pull.mergedAt;
  pull.updatedAt = pull.mergedAt;
  pull.mergedBy = by;
  pull.autoMerge = undefined;
  pull.queuedBy = undefined;
  pull.mergeCommitSha = sha;
}
