import type { OpenedPull, StandInGitHub } from '../standins/github/index.ts';
import { type ChangeKind, changedFiles, PAYLOAD, payloadFiles, ROCKET, rocketFiles } from './rocket.ts';

/** What people can do in the demo, and what GitHub then shows them. The story and the play page speak to this. */

/** How a pull request can begin: one of the changes, or a good one by somebody who may not write to the repository. */
export type PullKind = ChangeKind | 'fork';

export type ShownCheck = ReturnType<StandInGitHub['checkRuns']>[number];
export type ShownComment = ReturnType<StandInGitHub['comments']>[number];

export interface ShownPull {
  number: number;
  title: string;
  author: string;
  /** `owner:branch` */
  head: string;
  sha: string;
  state: 'open' | 'closed' | 'merged';
  /** Newest of each name, the run's own first. */
  checks: ShownCheck[];
  comments: ShownComment[];
}

/** Who acts on the play page. */
export const YOU = 'you';
const STRANGER = 'stranger';

export class Playground {
  readonly github: StandInGitHub;
  readonly #pulls: OpenedPull[] = [];
  readonly #headRepositories = new Map<number, string>();
  readonly #kinds = new Map<string, ChangeKind>();
  #serial = 0;
  #fork: string | undefined;

  constructor(github: StandInGitHub) {
    this.github = github;
  }

  /** The repositories, and who may write to them. */
  async prepare(writers: string[]): Promise<void> {
    await this.github.createRepository(ROCKET, { files: rocketFiles() });
    await this.github.createRepository(PAYLOAD, { private: true, files: payloadFiles(1_000) });
    for (const repository of [ROCKET, PAYLOAD])
      for (const login of [YOU, ...writers]) this.github.setPermission(repository, login, 'write');
  }

  /** Install the app, when there is somebody to hear of it. */
  async install(): Promise<void> {
    await this.github.createInstallation({ account: ROCKET.split('/')[0]! });
  }

  async open(kind: PullKind, title: string, author = YOU): Promise<OpenedPull> {
    const isFork = kind === 'fork';
    const headRepo = isFork ? await this.#forkOfStranger() : ROCKET;
    const pull = await this.github.openPullRequest({
      repo: ROCKET,
      headRepo,
      head: branchName(title, ++this.#serial),
      title,
      author: isFork ? STRANGER : author,
      files: changedFiles(isFork ? 'passing' : kind, this.#serial),
    });
    this.#headRepositories.set(pull.number, headRepo);
    this.#kinds.set(pull.headSha, isFork ? 'passing' : kind);
    this.#pulls.unshift(pull);
    return pull;
  }

  /** In the private repository, where nobody but the crew may read. */
  openPrivately(title: string, author: string): Promise<OpenedPull> {
    const head = branchName(title, ++this.#serial);
    const files = payloadFiles(1_000 + this.#serial);
    return this.github.openPullRequest({ repo: PAYLOAD, headRepo: PAYLOAD, head, title, author, files });
  }

  /** What a commit does to the tests. */
  kindOf(sha: string): ChangeKind {
    return this.#kinds.get(sha) ?? 'passing';
  }

  /** Push a commit to a pull request's branch; answers its sha. */
  push(number: number, kind: ChangeKind, message: string, author?: string): Promise<string> {
    const pull = this.#openPull(number);
    const by = author ?? (this.#headRepositories.get(number) === ROCKET ? YOU : STRANGER);
    return this.#commit(this.#headRepositories.get(number)!, pull.head, kind, message, by);
  }

  commitToMain(kind: ChangeKind, message: string): Promise<string> {
    return this.#commit(ROCKET, 'main', kind, message, YOU);
  }

  async comment(number: number, text: string): Promise<void> {
    await this.github.comment(ROCKET, this.#openPull(number).number, text, { by: YOU });
  }

  async close(number: number): Promise<void> {
    await this.github.close(ROCKET, this.#openPull(number).number, { by: YOU });
  }

  /** Newest first. */
  pulls(): ShownPull[] {
    return this.#pulls.map(({ number, head }) => {
      const pull = this.github.pull(ROCKET, number);
      const sha = pull.head.sha;
      return {
        number,
        title: pull.title,
        author: pull.user?.login ?? '',
        head: `${this.#headRepositories.get(number)?.split('/')[0]}:${head}`,
        sha,
        state: pull.merged ? 'merged' : pull.state === 'open' ? 'open' : 'closed',
        checks: this.checks(sha),
        comments: this.github.comments(ROCKET, number),
      };
    });
  }

  /** What GitHub shows at a commit: of each name the newest. */
  checks(sha: string, repository = ROCKET): ShownCheck[] {
    const newest = new Map(this.github.checkRuns(repository, sha).map((check) => [check.name, check]));
    return [...newest.values()].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  }

  #openPull(number: number): OpenedPull {
    const pull = this.#pulls.find((each) => each.number === number);
    if (!pull) throw new RangeError(`There is no pull request #${number}.`);
    if (this.github.pull(ROCKET, number).state !== 'open') {
      throw new RangeError(`Pull request #${number} is not open any more.`);
    }
    return pull;
  }

  async #commit(repo: string, branch: string, kind: ChangeKind, message: string, author: string): Promise<string> {
    const sha = await this.github.commit(repo, branch, { files: changedFiles(kind, ++this.#serial), message, author });
    this.#kinds.set(sha, kind);
    return sha;
  }

  async #forkOfStranger(): Promise<string> {
    this.#fork ??= await this.github.fork(ROCKET, STRANGER);
    return this.#fork;
  }
}

const rank = (check: ShownCheck): number => (check.name === 'rcb' ? 0 : 1);

/** `ignite-the-second-stage-2` */
function branchName(title: string, serial: number): string {
  const words = title.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return [...words.slice(0, 5).map((word) => word.slice(0, 20)), serial].join('-');
}
