import { createRun, ensureSuite, type RunFields } from './actions/checks.ts';
import { createComment, deleteComment, editComment, react } from './actions/comments.ts';
import { dequeue, letThrough } from './actions/hand-over.ts';
import { type MergeOptions, mergePull } from './actions/merge.ts';
import { closePull, editPull, openIssue, openPull, type PullEdit, reopenPull, setDraft } from './actions/pulls.ts';
import { type CommitOptions, createTag, deleteRef, forcePush, pushCommit, pushCommits } from './actions/push.ts';
import { RepositoryDriver } from './driver-repositories.ts';
import { emitRun, emitSuite } from './events.ts';
import type { FileValue } from './git.ts';
import type { Hub } from './hub.ts';
import { timestamp } from './hub.ts';
import type { AppRecord, CheckRun, Comment, Pull, Repository, User } from './state.ts';
import { fullNameOf } from './state.ts';

export interface PullOptions {
  repo: string;
  /** A branch; with `files` it is made first. */
  head: string;
  /** Default: the default branch. */
  base?: string;
  title?: string;
  body?: string | null;
  author?: string;
  draft?: boolean;
  /** The fork that has the head. */
  headRepo?: string;
  files?: Record<string, FileValue>;
}

export interface OpenedPull {
  repo: string;
  id: number;
  number: number;
  head: string;
  headSha: string;
  base: string;
  baseSha: string;
  url: string;
}

interface By {
  /** A login. */
  by?: string;
}

/** What people and other programs do on GitHub; each verb resolves when its events are on their way. */
export class Driver extends RepositoryDriver {
  /** Commit to a branch and push; answers the sha. A branch that is not there begins at the default branch. */
  commit(repo: string, branch: string, options: CommitOptions = {}): Promise<string> {
    return this.hub.exclusively(() => pushCommit(this.hub, this.hub.state.repository(repo), branch, options));
  }

  /** Several commits in one push; answers their shas, oldest first. */
  push(repo: string, branch: string, commits: CommitOptions[]): Promise<string[]> {
    return this.hub.exclusively(() => pushCommits(this.hub, this.hub.state.repository(repo), branch, commits));
  }

  /** Replace the head of a branch by another commit, or let the branch point `to` a known one. */
  forcePush(repo: string, branch: string, options: CommitOptions & { to?: string } = {}): Promise<string> {
    return this.hub.exclusively(() => forcePush(this.hub, this.hub.state.repository(repo), branch, options));
  }

  async deleteBranch(repo: string, branch: string, { by }: By = {}): Promise<void> {
    const repository = this.hub.state.repository(repo);
    await this.hub.exclusively(() =>
      deleteRef(this.hub, repository, `refs/heads/${branch}`, this.person(repository, by)),
    );
  }

  tag(repo: string, name: string, options: { at?: string; message?: string } & By = {}): Promise<string> {
    const repository = this.hub.state.repository(repo);
    const by = this.person(repository, options.by);
    const at = options.at ?? repository.defaultBranch;
    return this.hub.exclusively(() => createTag(this.hub, repository, name, at, by, options.message));
  }

  openPullRequest(options: PullOptions): Promise<OpenedPull> {
    return this.hub.exclusively(async () => {
      const { hub } = this;
      const repository = hub.state.repository(options.repo);
      const headRepository = options.headRepo ? hub.state.repository(options.headRepo) : repository;
      const author = this.person(headRepository, options.author);
      const { files, head } = options;
      if (files) await pushCommit(hub, headRepository, head, { files, author: author.login, message: options.title });
      const pull = await openPull(hub, repository, {
        head,
        headRepository,
        author,
        base: options.base ?? repository.defaultBranch,
        title: options.title ?? head,
        body: options.body ?? null,
        draft: options.draft ?? false,
      });
      return opened(hub, repository, pull);
    });
  }

  openIssue(repo: string, options: { title: string; body?: string; author?: string }): { number: number } {
    const repository = this.hub.state.repository(repo);
    const author = this.person(repository, options.author);
    return openIssue(this.hub, repository, author, options.title, options.body ?? null);
  }

  edit(repo: string, number: number, edit: PullEdit & By): Promise<void> {
    return this.#withPull(repo, number, edit.by, (repository, pull, by) =>
      editPull(this.hub, repository, pull, by, edit),
    );
  }

  close(repo: string, number: number, { by }: By = {}): Promise<void> {
    return this.#withPull(repo, number, by, (repository, pull, who) => closePull(this.hub, repository, pull, who));
  }

  reopen(repo: string, number: number, { by }: By = {}): Promise<void> {
    return this.#withPull(repo, number, by, (repository, pull, who) => reopenPull(this.hub, repository, pull, who));
  }

  markDraft(repo: string, number: number, { by }: By = {}): Promise<void> {
    return this.#withPull(repo, number, by, (repository, pull, who) => setDraft(this.hub, repository, pull, who, true));
  }

  markReady(repo: string, number: number, { by }: By = {}): Promise<void> {
    return this.#withPull(repo, number, by, (repository, pull, who) =>
      setDraft(this.hub, repository, pull, who, false),
    );
  }

  /** Press the merge button; answers the sha in the base branch. */
  merge(repo: string, number: number, options: Partial<MergeOptions> & By = {}): Promise<string> {
    const merge: MergeOptions = { ...options, method: options.method ?? 'merge' };
    return this.#withPull(repo, number, options.by, (repository, pull, by) =>
      mergePull(this.hub, repository, pull, by, merge),
    );
  }

  /** What was left to GitHub is merged: its turn in the queue has come, or what its auto-merge waited for. */
  letThrough(repo: string, number: number): Promise<string> {
    return this.#withPull(repo, number, undefined, (repository, pull) => letThrough(this.hub, repository, pull));
  }

  /** The merge queue throws it out: its tests failed there. */
  throwOut(repo: string, number: number): Promise<void> {
    return this.#withPull(repo, number, undefined, (repository, pull, by) =>
      dequeue(this.hub, repository, pull, by, 'CI_FAILURE'),
    );
  }

  async comment(repo: string, number: number, body: string, { by }: By = {}): Promise<{ id: number }> {
    return this.hub.exclusively(async () => {
      const repository = this.hub.state.repository(repo);
      return { id: createComment(this.hub, repository, number, this.person(repository, by), body).id };
    });
  }

  editComment(id: number, body: string, { by }: By = {}): Promise<void> {
    return this.#withComment(id, by, (repository, comment, who) =>
      editComment(this.hub, repository, comment, who, body),
    );
  }

  deleteComment(id: number, { by }: By = {}): Promise<void> {
    return this.#withComment(id, by, (repository, comment, who) => deleteComment(this.hub, repository, comment, who));
  }

  react(commentId: number, content: string, by: string): Promise<void> {
    return this.#withComment(commentId, by, (_, comment, who) => void react(this.hub, comment, who, content));
  }

  /** A check of another app (default: GitHub Actions), as branch protection and merges see it. */
  createCheckRun(
    repo: string,
    sha: string,
    fields: RunFields & { name: string; app?: string },
  ): Promise<{ id: number }> {
    return this.hub.exclusively(async () => {
      const repository = this.hub.state.repository(repo);
      const suite = ensureSuite(this.hub, repository, sha, { app: this.#otherApp(fields.app ?? 'github-actions') });
      return { id: (await createRun(this.hub, repository, suite, fields)).id };
    });
  }

  rerequestCheckRun(id: number, { by }: By = {}): Promise<void> {
    return this.#withRun(id, by, (repository, run, who) => emitRun(this.hub, repository, run, who, 'rerequested'));
  }

  /** Press a button that a check run offers. */
  requestAction(id: number, identifier: string, { by }: By = {}): Promise<void> {
    return this.#withRun(id, by, (repository, run, who) => {
      if (!run.actions.some((action) => action.identifier === identifier)) {
        throw new Error(`Check run ${id} offers no action "${identifier}".`);
      }
      emitRun(this.hub, repository, run, who, 'requested_action', { requested_action: { identifier } });
    });
  }

  async rerequestCheckSuite(id: number, { by }: By = {}): Promise<void> {
    const suite = this.hub.state.suites.get(id);
    const repository = suite && this.hub.state.repositories.get(suite.repositoryId);
    if (!suite || !repository) throw new Error(`The stand-in GitHub has no check suite ${id}.`);
    const who = this.person(repository, by);
    await this.hub.exclusively(() => emitSuite(this.hub, repository, suite, who, 'rerequested'));
  }

  #withPull<T>(
    repo: string,
    number: number,
    by: string | undefined,
    act: (repository: Repository, pull: Pull, by: User) => Promise<T>,
  ): Promise<T> {
    return this.hub.exclusively(() => {
      const repository = this.hub.state.repository(repo);
      return act(repository, this.hub.state.pull(repo, number), this.person(repository, by));
    });
  }

  #withComment(
    id: number,
    by: string | undefined,
    act: (repository: Repository, comment: Comment, by: User) => void,
  ): Promise<void> {
    return this.hub.exclusively(async () => {
      const comment = this.hub.state.comments.get(id);
      const repository = comment && this.hub.state.repositories.get(comment.repositoryId);
      if (!comment || !repository) throw new Error(`The stand-in GitHub has no comment ${id}.`);
      act(repository, comment, by ? this.hub.state.user(by) : comment.author);
    });
  }

  #withRun(
    id: number,
    by: string | undefined,
    act: (repository: Repository, run: CheckRun, by: User) => void,
  ): Promise<void> {
    return this.hub.exclusively(async () => {
      const run = this.hub.state.runs.get(id);
      const repository = run && this.hub.state.repositories.get(run.suite.repositoryId);
      if (!run || !repository) throw new Error(`The stand-in GitHub has no check run ${id}.`);
      act(repository, run, this.person(repository, by));
    });
  }

  #otherApp(slug: string): AppRecord {
    const known = [...this.hub.state.suites.values()].find((suite) => suite.app.slug === slug)?.app;
    if (known) return known;
    return {
      ...this.hub.app,
      id: this.hub.state.nextId(),
      slug,
      name: slug,
      bot: this.hub.state.user(`${slug}[bot]`, 'Bot'),
      createdAt: timestamp(this.hub),
      homepage: `${this.hub.origin}/apps/${slug}`,
    };
  }
}

function opened(hub: Hub, repository: Repository, pull: Pull): OpenedPull {
  const repo = fullNameOf(repository);
  return {
    repo,
    id: pull.id,
    number: pull.number,
    head: pull.head.ref,
    headSha: pull.head.sha,
    base: pull.base.ref,
    baseSha: pull.base.sha,
    url: `${hub.origin}/${repo}/pull/${pull.number}`,
  };
}
