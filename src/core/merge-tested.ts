import { verdictOf } from './build.ts';
import { jobsOf } from './check.ts';
import { matchesAny } from './globs.ts';
import type { MergeDecision, MergeFacts, MergeRequest } from './merge-request.ts';
import type { Build, Run } from './model.ts';
import { flappedJobs } from './run-flappers.ts';

/** The half of the merge gate that is about tests: has what was asked for passed, and does that still say something? */

const HOUR_MS = 3_600_000;
/** A base that moves faster than the tests do is a matter for people. */
const MOST_RETESTS = 5;

/** What stands between the wish and a test that passed; undefined: nothing. */
export function notTested(request: MergeRequest, { run, policy }: MergeFacts): MergeDecision | undefined {
  // A superseded run says nothing of its head: when a head comes back, its new run is on its way.
  if (!run || !isOf(request, run) || run.verdict === 'superseded') return wait('no-run');
  if (run.state === 'waiting') return wait('held');
  if (run.state !== 'finished') return wait('running');
  if (run.verdict === 'cancelled') return refuse('cancelled');
  const required = jobsOf(run).filter((job) => !matchesAny(policy.optional, job.name));
  if (required.length === 0) return refuse('no-jobs');
  const failed = required.filter((job) => job.verdict !== 'passed').map((job) => job.name);
  const broken = run.builds.filter((build) => !isExplained(build)).map((build) => build.backend);
  // A run that ended otherwise than its builds did was ended by something else.
  const isWhole = run.verdict === verdictOf(run.builds);
  if (failed.length || broken.length || !isWhole) return refuse('failed', [...failed, ...broken]);
  const flapped = flappedJobs(run).filter((job) => required.some(({ id }) => id === job.id));
  const isRefused = policy.flapped === 'refuse' && flapped.length > 0;
  return isRefused
    ? refuse(
        'flapped',
        flapped.map(({ name }) => name),
      )
    : undefined;
}

/** Numbers repeat from repository to repository, and a head can be that of several pull requests. */
const isOf = (request: MergeRequest, run: Run): boolean =>
  run.subject === request.subject && run.change.sha === request.headSha;

/** Its jobs say how it ended; otherwise the backend itself had trouble, of which no job knows. */
const isExplained = ({ state, verdict, jobs }: Build): boolean => state === 'finished' && verdict === verdictOf(jobs);

/** The base that the run was tested with or, at least, chosen for. */
export const testedBase = (run: Run): string | undefined =>
  run.sources.find((source) => source.changed)?.baseSha ??
  (run.change.kind === 'pull-request' ? run.change.base.sha : undefined);

/** The base moved since the test: what does `policy.stale` want? undefined: the test is as good as new. */
export function staleTest(request: MergeRequest, facts: MergeFacts): MergeDecision | undefined {
  const { run, policy, overlap, pullRequest } = facts;
  if (!run || pullRequest === 'gone' || policy.stale === 'merge' || !hasMoved(facts)) return undefined;
  const from = testedBase(run);
  const to = pullRequest.base.sha;
  if (policy.stale === 'retest' || from === undefined) return retest(request, 'base-moved', to);
  if (overlap?.from !== from || overlap.to !== to) return { kind: 'compare', because: 'base-moved', from, to };
  if (!overlap.isComplete) return retest(request, 'overlap-unknown', to);
  const names = [...overlap.files, ...overlap.pins];
  return names.length ? retest(request, 'overlap', to, names) : undefined;
}

export const hasMoved = ({ run, pullRequest }: MergeFacts): boolean =>
  run !== undefined && pullRequest !== 'gone' && testedBase(run) !== pullRequest.base.sha;

function retest(
  request: MergeRequest,
  because: Extract<MergeDecision, { kind: 'retest' }>['because'],
  baseSha: string,
  names?: string[],
): MergeDecision {
  if (request.retestedBases.includes(baseSha)) return wait('retest-starting');
  if (request.retestedBases.length >= MOST_RETESTS) return refuse('base-keeps-moving');
  return { kind: 'retest', because, baseSha, names };
}

const wait = (because: Extract<MergeDecision, { kind: 'wait' }>['because']): MergeDecision => ({
  kind: 'wait',
  because,
  lookAgainMs: HOUR_MS,
});

const refuse = (because: Extract<MergeDecision, { kind: 'refuse' }>['because'], names?: string[]): MergeDecision => ({
  kind: 'refuse',
  because,
  takeBack: false,
  names,
});
