import type { BuildObservation, JobObservation } from '../../src/core/build.ts';
import type { Branch, PullRequest } from '../../src/core/change.ts';
import type {
  BranchSnapshot,
  EventOf,
  JsonOf,
  KeptOutput,
  PullRequestSnapshot,
  RunRequest,
} from '../../src/core/event.ts';
import type { Attempt, Build, Change, Check, Job, RepositoryRef, Run, Source } from '../../src/core/model.ts';
import type { Policy, PolicyRule } from '../../src/core/policy.ts';
import { defaultPolicy } from '../../src/core/policy.ts';
import { advance, type RunContext, type RunStep, startRun } from '../../src/core/run.ts';

/** Values of the core with a default for everything: a table names only what its case is about. */

export const NOW = new Date('2026-11-21T12:00:00.000Z');
export const later = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1_000);

/** `sha('a')` is forty times `a`; of longer names, the hex of their bytes, filled up with zeros. */
export const sha = (name: string): string =>
  /^[0-9a-f]$/.test(name) ? name.repeat(40) : Buffer.from(name).toString('hex').padEnd(40, '0').slice(0, 40);

export const aRepository = (change: Partial<RepositoryRef> = {}): RepositoryRef => ({
  key: 'github:1',
  name: 'MoarVM/MoarVM',
  installation: 'github:9',
  ...change,
});

export const aCommit = (change: Partial<Extract<Change, { kind: 'commit' }>> = {}): Change => ({
  kind: 'commit',
  ref: 'refs/heads/main',
  sha: sha('a'),
  title: 'Fix the collector',
  author: { id: '5', login: 'lizmat' },
  ...change,
});

export const aPull = (change: Partial<Extract<Change, { kind: 'pull-request' }>> = {}): Change => ({
  kind: 'pull-request',
  number: 7,
  ref: 'fix-gc',
  sha: sha('a'),
  title: 'Fix the collector',
  author: { id: '5', login: 'lizmat' },
  fork: false,
  base: { ref: 'main', sha: sha('b') },
  ...change,
});

export const aSource = (change: Partial<Source> = {}): Source => ({
  id: 'source1',
  repository: aRepository(),
  sha: sha('a'),
  changed: true,
  why: 'head of main',
  ...change,
});

export const anAttempt = (change: Partial<Attempt> = {}): Attempt => ({
  id: 'attempt1',
  number: 1,
  state: 'finished',
  verdict: 'passed',
  startedAt: later(1),
  finishedAt: later(2),
  artifacts: [],
  ...change,
});

export const aJob = (change: Partial<Job> = {}): Job => ({
  id: 'job1',
  name: 'local / test',
  externalName: 'test',
  state: 'finished',
  verdict: 'passed',
  attempt: 1,
  attempts: [],
  ...change,
});

export const aBuild = (change: Partial<Build> = {}): Build => ({
  id: 'build1',
  backend: 'local',
  state: 'finished',
  verdict: 'passed',
  attempt: 1,
  earlierAttempts: 0,
  jobs: [],
  createdAt: NOW,
  ...change,
});

export const aCheck = (change: Partial<Check> = {}): Check => ({ id: 'check1', name: 'rcb', ...change });

/** A run of these jobs, all in one build. */
export const runOfJobs = (jobs: Job[], change: Partial<Run> = {}): Run =>
  aRun({ builds: [aBuild({ jobs })], ...change });

/** Its commits are chosen: itself, and no neighbours. */
export const aResolution = (
  run: Run,
  title = 'Fix the collector',
): Extract<RunEventToSend, { kind: 'sources.resolved' }> => ({
  kind: 'sources.resolved',
  title,
  sources: run.sources.map(({ id: _, ...source }) => source),
  manifest: { trees: [], partners: [], notes: [] },
});

export const aRun = (change: Partial<Run> = {}): Run => ({
  id: '01RUN',
  repository: aRepository(),
  change: aCommit(),
  subject: 'branch:github:1:refs/heads/main',
  state: 'finished',
  verdict: 'passed',
  trigger: 'push',
  sources: [aSource()],
  builds: [],
  checks: [aCheck()],
  createdAt: NOW,
  finishedAt: later(60),
  ...change,
});

export const aBranch = (change: Partial<Branch> = {}): Branch => ({
  subject: 'branch:github:1:refs/heads/main',
  repositoryKey: 'github:1',
  ref: 'refs/heads/main',
  sha: sha('a'),
  generation: 1,
  toldBy: 'first-telling',
  runId: 'run1',
  ...change,
});

export const aPullRequest = (change: Partial<PullRequest> = {}): PullRequest => ({
  subject: 'pull-request:github:1#7',
  repositoryKey: 'github:1',
  number: 7,
  title: 'Fix the collector',
  state: 'open',
  draft: false,
  headRef: 'fix-gc',
  headSha: sha('a'),
  headRepositoryKey: 'github:1',
  fork: false,
  baseRef: 'main',
  baseSha: sha('b'),
  author: { id: '5', login: 'lizmat' },
  generation: 1,
  toldBy: 'first-telling',
  runId: 'run1',
  heads: [],
  ...change,
});

export const aBranchSnapshot = (change: Partial<BranchSnapshot> = {}): BranchSnapshot => ({
  ref: 'refs/heads/main',
  sha: sha('a'),
  title: 'Fix the collector',
  author: { id: '5', login: 'lizmat' },
  repositoryName: 'MoarVM/MoarVM',
  defaultBranch: 'main',
  private: false,
  ...change,
});

export const aPullRequestSnapshot = (change: Partial<PullRequestSnapshot> = {}): PullRequestSnapshot => ({
  number: 7,
  title: 'Fix the collector',
  state: 'open',
  draft: false,
  head: { ref: 'fix-gc', sha: sha('a'), repositoryKey: 'github:1' },
  base: { ref: 'main', sha: sha('b') },
  author: { id: '5', login: 'lizmat' },
  repositoryKey: 'github:1',
  repositoryName: 'MoarVM/MoarVM',
  defaultBranch: 'main',
  private: false,
  ...change,
});

export const aPolicy = (change: Partial<Policy> = {}): Policy => ({ ...defaultPolicy, ...change });

export const aRule = (branches: string[], change: Partial<Policy> = {}): PolicyRule => ({
  ...aPolicy(change),
  branches,
});

export const aRequest = (change: Partial<RunRequest> = {}): RunRequest => ({
  repository: aRepository(),
  change: aCommit(),
  subject: 'branch:github:1:refs/heads/main',
  trigger: 'push',
  ...change,
});

/** What a backend saw of one job, as an event holds it. */
export const seenJob = (change: Partial<JsonOf<JobObservation>> = {}): JsonOf<JobObservation> => ({
  name: 'test',
  attempt: 1,
  state: 'running',
  ...change,
});

export type RunEventToSend = Parameters<typeof advance>[1];

/** `id1`, `id2`, … */
export function counter(): () => string {
  let count = 0;
  return () => {
    count += 1;
    return `id${count}`;
  };
}

/** A run that is told one thing after the other; remembers the last step. Ids count: `id1`, `id2`, … */
export class RunStory {
  run: Run;
  effects: RunStep['effects'];
  readonly context: RunContext;

  constructor(
    request: Partial<RunRequest> = {},
    backends: string[] = ['local'],
    more: Pick<RunContext, 'observing' | 'isNewest'> = {},
  ) {
    this.context = { now: NOW, newId: counter(), backends, ...more };
    const step = startRun('01RUN', aRequest(request), this.context);
    this.run = step.run;
    this.effects = step.effects;
  }

  tell(event: RunEventToSend): this {
    const step = advance(this.run, event, this.context);
    this.run = step.run;
    this.effects = step.effects;
    return this;
  }

  /** The kinds of the last step's effects, in order, with what they aim at where that matters. */
  get asked(): string[] {
    return this.effects.map((effect) =>
      'checkId' in effect ? `${effect.kind} ${this.checkName(effect.checkId)}` : effect.kind,
    );
  }

  private checkName(id: string): string {
    return this.run.checks.find((check) => check.id === id)?.name ?? id;
  }

  resolved(): this {
    return this.tell(aResolution(this.run));
  }

  packed(): this {
    for (const source of this.run.sources) {
      this.tell({ kind: 'source.packed', sourceId: source.id, archive: { sha256: 'aa', size: 5, tarSha256: 'bb' } });
    }
    return this;
  }

  started(build = 0): this {
    const { id, attempt } = this.run.builds[build]!;
    return this.tell({ kind: 'build.started', buildId: id, attempt, externalId: `x-${attempt}`, url: 'https://ci/1' });
  }

  /** All the way to a build that was started. */
  building(): this {
    return this.resolved().packed().started();
  }

  observed(
    observation: Partial<Exclude<JsonOf<BuildObservation>, { state: 'lost' }>>,
    options: { build?: number; attempt?: number; kept?: KeptOutput[] } = {},
  ): this {
    const { id, attempt } = this.run.builds[options.build ?? 0]!;
    return this.tell({
      kind: 'build.observed',
      buildId: id,
      attempt: options.attempt ?? attempt,
      observation: { state: 'running', digest: 'd', jobs: [], ...observation },
      kept: options.kept ?? [],
    });
  }

  lost(why = 'the agent is gone', build = 0): this {
    const { id, attempt } = this.run.builds[build]!;
    return this.tell({ kind: 'build.observed', buildId: id, attempt, observation: { state: 'lost', why }, kept: [] });
  }

  /** The build ends, with these jobs. */
  ended(jobs: Partial<JsonOf<JobObservation>>[], build = 0): this {
    return this.observed(
      { state: 'finished', jobs: jobs.map((job) => seenJob({ state: 'finished', ...job })) },
      { build },
    );
  }

  failedEffect(change: Partial<Omit<EventOf<'effect.failed'>, 'kind' | 'runId'>> = {}): this {
    return this.tell({ kind: 'effect.failed', effect: 'build.start', target: 'build:x', why: 'no route', ...change });
  }

  superseded(by = sha('c')): this {
    return this.tell({ kind: 'run.ended', by: 'superseded', sha: by, why: `a newer commit, ${by}, took its place` });
  }

  cancelled(why = 'the pull request was closed'): this {
    return this.tell({ kind: 'run.ended', by: 'cancelled', why });
  }
}
