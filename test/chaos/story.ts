/**
 * What people do on GitHub, drawn from a seed: the same seed is the same story, whatever goes wrong meanwhile. It keeps
 * count of what it told, and so knows by itself how everything must end.
 */

import type { StandInGitHub } from '../standins/github/index.ts';
import { script } from '../support/world.ts';
import type { Dice } from './dice.ts';

/** How a build of a commit ends. */
export type How = 'passes' | 'fails' | 'passes slowly';

export type Act =
  | { act: 'open'; pull: number; repo: string; how: How }
  | { act: 'push'; pull: number; how: How }
  /** Force-pushed to another commit, and at once back. */
  | { act: 'there and back'; pull: number; how: How }
  | { act: 'close'; pull: number }
  | { act: 'reopen'; pull: number }
  | { act: 'rebase'; pull: number; base: string }
  | { act: 'comment'; pull: number }
  /** A push whose build is begun, and another. */
  | { act: 'supersede'; pull: number }
  /** Several commits in one push. */
  | { act: 'main'; repo: string; how: How };

export const OWNER = 'acme';
/** As long as a start, a poll and a few steps take. */
const BEGIN_DEADLINE_MS = 6_000;
const BASES = ['main', 'release-1'] as const;
const ENDING: Record<How, string> = { passes: 'exit 0', fails: 'exit 1', 'passes slowly': 'sleep 2' };

/** Acts that are possible one after the other. All pull requests are opened early, so that much happens to them. */
export function drawActs(dice: Dice, options: { repositories: string[]; pulls: number; acts: number }): Act[] {
  const { repositories, pulls, acts } = options;
  const how = () => dice.pick<How>(['passes', 'passes', 'passes', 'fails', 'passes slowly']);
  const story: Act[] = [];
  const bases = new Map<number, string>();
  const closed = new Set<number>();
  while (story.length < acts) {
    const opened = bases.size;
    if (opened < pulls && (opened === 0 || dice.next() < 0.5)) {
      bases.set(opened + 1, 'main');
      story.push({ act: 'open', pull: opened + 1, repo: dice.pick(repositories), how: how() });
      continue;
    }
    const pull = 1 + dice.below(opened);
    const kind = dice.pick(['push', 'push', 'there and back', 'close', 'rebase', 'comment', 'main'] as const);
    if (kind === 'main') story.push({ act: 'main', repo: dice.pick(repositories), how: how() });
    else if (kind === 'comment') story.push({ act: 'comment', pull });
    else if (closed.delete(pull)) story.push({ act: 'reopen', pull });
    else if (kind === 'close') {
      closed.add(pull);
      story.push({ act: 'close', pull });
    } else if (kind === 'rebase') {
      const base = BASES.find((each) => each !== bases.get(pull))!;
      bases.set(pull, base);
      story.push({ act: 'rebase', pull, base });
    } else story.push({ act: kind, pull, how: how() });
  }
  return story;
}

/** A change whose newest run must have this verdict in the end. */
export interface Final {
  label: string;
  repo: string;
  number?: number;
  sha: string;
  verdict: 'passed' | 'failed';
}

interface Pull {
  repo: string;
  number: number;
  branch: string;
  sha: string;
  base: string;
  isOpen: boolean;
}

export class Story {
  readonly repositories: string[];
  readonly comments: { repo: string; number: number; id: number }[] = [];
  /** Is it known that a build of this commit was begun? */
  isBegun: (sha: string) => boolean = () => true;
  readonly #github: StandInGitHub;
  readonly #witness: string;
  readonly #pulls = new Map<number, Pull>();
  readonly #mains = new Map<string, string>();
  readonly #hows = new Map<string, How>();
  /** How often a change came to be at a commit, by `changeAt`. */
  readonly #told = new Map<string, number>();
  readonly #labels = new Map<string, string>();
  #commits = 0;

  /** `witness`: the file to which each build that begins adds the name of its run. */
  constructor(github: StandInGitHub, repositories: string[], witness: string) {
    this.#github = github;
    this.repositories = repositories;
    this.#witness = witness;
  }

  async begin(): Promise<void> {
    for (const repo of this.repositories) {
      const run = script(`echo "$RCB_RUN" >> '${this.#witness}'`, '. ./ci/how');
      await this.#github.createRepository(repo, { files: { 'ci/run': run, 'ci/how': ENDING.passes } });
      const sha = (await this.#github.sha(repo, 'main'))!;
      this.#main(repo, sha, 'passes');
      await this.#github.commit(repo, 'release-1', { files: { released: '1' } });
    }
    await this.#github.createInstallation({ account: OWNER });
  }

  async perform(act: Act): Promise<void> {
    switch (act.act) {
      case 'open':
        return this.#open(act);
      case 'push':
        return this.#moved(act.pull, await this.#commit(act.pull, act.how), act.how);
      case 'supersede':
        return this.#supersede(act.pull);
      case 'there and back':
        return this.#thereAndBack(act.pull, act.how);
      case 'close':
        return this.#close(act.pull);
      case 'reopen':
        return this.#reopen(act.pull);
      case 'rebase':
        return this.#rebase(act.pull, act.base);
      case 'comment':
        return this.#comment(act.pull);
      case 'main':
        return this.#pushMain(act.repo, act.how);
    }
  }

  /** How everything must end. */
  finals(): Final[] {
    const verdictOf = (sha: string) => (this.#hows.get(sha) === 'fails' ? 'failed' : 'passed');
    const final = (repo: string, sha: string, number?: number): Final => ({
      label: this.labelOf(repo, sha),
      repo,
      number,
      sha,
      verdict: verdictOf(sha),
    });
    const open = [...this.#pulls.values()].filter(({ isOpen }) => isOpen);
    return [
      ...[...this.#mains].map(([repo, sha]) => final(repo, sha)),
      ...open.map(({ repo, sha, number }) => final(repo, sha, number)),
    ];
  }

  /** Of every pull request: what the bot must know in the end. */
  pulls(): { repo: string; number: number; state: 'open' | 'closed'; sha: string; base: string }[] {
    return [...this.#pulls.values()].map(({ repo, number, isOpen, sha, base }) => {
      return { repo, number, state: isOpen ? 'open' : 'closed', sha, base };
    });
  }

  /** Every commit that was ever the head of a change. */
  shas(): { repo: string; sha: string }[] {
    return [...this.#labels.keys()].map((key) => {
      const [repo, sha] = key.split(' ') as [string, string];
      return { repo, sha };
    });
  }

  /** How many runs of a change at a commit may be. */
  toldOf(repo: string, number: number | undefined, sha: string): number {
    return this.#told.get(changeAt(repo, number, sha)) ?? 0;
  }

  /** Of any commit; what ends in a branch unseen is of no interest. */
  howOf(sha: string): How {
    return this.#hows.get(sha) ?? 'passes';
  }

  /** For people. */
  labelOf(repo: string, sha: string): string {
    const label = this.#labels.get(`${repo} ${sha}`) ?? `a commit of ${repo} that nobody was told of`;
    return `${label} (${sha.slice(0, 10)})`;
  }

  async #open({ pull, repo, how }: Extract<Act, { act: 'open' }>): Promise<void> {
    const branch = `pull-${pull}`;
    const opened = await this.#github.openPullRequest({ repo, head: branch, files: this.#files(how) });
    const { number, headSha: sha } = opened;
    this.#pulls.set(pull, { repo, number, branch, sha, base: 'main', isOpen: true });
    this.#moved(pull, sha, how);
  }

  /** A bot that died meanwhile begins nothing: then the second push comes all the same. */
  async #supersede(pull: number): Promise<void> {
    const slow = await this.#commit(pull, 'passes slowly');
    this.#moved(pull, slow, 'passes slowly');
    const deadline = Date.now() + BEGIN_DEADLINE_MS;
    while (!this.isBegun(slow) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    this.#moved(pull, await this.#commit(pull, 'passes'), 'passes');
  }

  async #thereAndBack(number: number, how: How): Promise<void> {
    const pull = this.#pulls.get(number)!;
    const { repo, branch, sha } = pull;
    const there = await this.#github.forcePush(repo, branch, { files: this.#files(how) });
    this.#moved(number, there, how);
    await this.#github.forcePush(repo, branch, { to: sha });
    this.#moved(number, sha, this.#hows.get(sha)!);
  }

  async #close(number: number): Promise<void> {
    const pull = this.#pulls.get(number)!;
    await this.#github.close(pull.repo, pull.number);
    pull.isOpen = false;
  }

  async #reopen(number: number): Promise<void> {
    const pull = this.#pulls.get(number)!;
    await this.#github.reopen(pull.repo, pull.number);
    pull.isOpen = true;
    this.#tell(pull.repo, pull.number, pull.sha);
  }

  async #rebase(number: number, base: string): Promise<void> {
    const pull = this.#pulls.get(number)!;
    await this.#github.edit(pull.repo, pull.number, { base });
    pull.base = base;
    this.#tell(pull.repo, pull.number, pull.sha);
  }

  async #comment(number: number): Promise<void> {
    const { repo, number: onPull } = this.#pulls.get(number)!;
    const { id } = await this.#github.comment(repo, onPull, `Comment ${this.comments.length + 1}`);
    this.comments.push({ repo, number: onPull, id });
  }

  async #pushMain(repo: string, how: How): Promise<void> {
    const first = this.#files('passes');
    const [passed, head] = await this.#github.push(repo, 'main', [{ files: first }, { files: this.#files(how) }]);
    this.#label(repo, passed!, `${repo} main, a commit that was pushed together with a newer one`);
    this.#main(repo, head!, how);
  }

  #commit(number: number, how: How): Promise<string> {
    const { repo, branch } = this.#pulls.get(number)!;
    return this.#github.commit(repo, branch, { files: this.#files(how) });
  }

  /** No two commits are the same. */
  #files(how: How): Record<string, string> {
    this.#commits += 1;
    return { 'ci/how': ENDING[how], [`change-${this.#commits}`]: String(this.#commits) };
  }

  #moved(pull: number, sha: string, how: How): void {
    const { repo, number } = Object.assign(this.#pulls.get(pull)!, { sha });
    this.#hows.set(sha, how);
    this.#label(repo, sha, `${repo}#${number}, commit ${this.#commits}`);
    this.#tell(repo, number, sha);
  }

  #main(repo: string, sha: string, how: How): void {
    this.#mains.set(repo, sha);
    this.#hows.set(sha, how);
    this.#label(repo, sha, `${repo} main, commit ${this.#commits}`);
    this.#tell(repo, undefined, sha);
  }

  #tell(repo: string, number: number | undefined, sha: string): void {
    const key = changeAt(repo, number, sha);
    this.#told.set(key, (this.#told.get(key) ?? 0) + 1);
  }

  #label(repo: string, sha: string, label: string): void {
    const key = `${repo} ${sha}`;
    if (!this.#labels.has(key)) this.#labels.set(key, label);
  }
}

const changeAt = (repo: string, number: number | undefined, sha: string): string => `${repo}#${number ?? ''} ${sha}`;
