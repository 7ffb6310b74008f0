import { matchesAny } from './globs.ts';
import type { Verdict } from './model.ts';

/**
 * What is removed when, and what stays although it is old. What is removed leaves its row: a run says for ever which
 * commits it tested and how it ended, and a key is known for ever, or a fact that is told once more would look new.
 *
 * - *sources*: an archive goes when every run that refers to it ended longer ago than `sources`, and none of them needs
 *   it still: one that has not ended, the newest of an open pull request or of a branch, one with artifacts that are kept.
 * - *artifacts* and *logs* go by the age of their own attempt, once its run has ended; what has a `Value` goes when it is
 *   older than `valued`, too.
 * - *events*: of those that are done the payload goes; effects that are done go whole. What is parked waits for a person.
 */

/** Where its sweep stands is kept under this name. */
export const RETENTION_CURSOR = 'retention';

/** Milliseconds. */
export type Keep = number | 'forever';
export interface Keeps extends Record<'sources' | 'logs' | 'artifacts' | 'events' | 'valued', Keep> {
  /** Globs of the branches and tags that are releases. */
  releases: string[];
}

/** Why a log or an artifact is of use for longer than the others; the strongest reason first.
 *  `first-failure`: its job had passed before, on this branch or pull request, or had never been judged. `last-green`: it
 *  has not passed there since. */
export type Value = 'kept' | 'release' | 'linked' | 'first-failure' | 'last-green';

/** Runs of one archive that are alike in all that counts: `runId` and `finishedAt` are of the newest of them. */
export interface ArchiveUse {
  runId: string;
  /** Absent: it has not ended. */
  finishedAt?: Date;
  isNewestOfOpenPullRequest: boolean;
  isNewestOfBranch: boolean;
  /** It has artifacts that are kept on. */
  hasArtifacts: boolean;
  /** An operator said so. */
  isKept: boolean;
}

/** A log or an artifact, by what is known of its attempt. */
export interface OutputFacts {
  isRunFinished: boolean;
  finishedAt?: Date;
  verdict?: Verdict;
  /** How the same job was judged on the same branch or pull request the time before; errors and cancelled ones judge
   *  nothing. */
  judgedBefore?: 'passed' | 'failed';
  /** It passed, and did not do so again. */
  isNewestPass: boolean;
  /** The run's, of a commit: `refs/heads/main`. */
  ref?: string;
  /** What `git describe` said of what was tested. */
  version?: string;
  isLinked: boolean;
  isKept: boolean;
}

/** An event or an effect. */
export interface RowAge {
  state: string;
  doneAt?: Date;
}

export type StaysBecause =
  | 'forever'
  | 'young'
  | 'unfinished'
  | 'newest-of-open-pull-request'
  | 'newest-of-branch'
  | 'artifacts-kept'
  | Value
  | 'waits-for-a-person'
  /** Its bytes were put or used again a moment ago. */
  | 'used-lately';

/** `endedAt`: of what needed it last. */
export type RetentionDecision = { goes: true; endedAt: Date } | { goes: false; because: StaysBecause; runId?: string };

/** What ended before this is old; undefined: nothing ever is. */
export const oldBefore = (keep: Keep, now: Date): Date | undefined =>
  keep === 'forever' ? undefined : new Date(now.getTime() - keep);

export function decideArchive(uses: ArchiveUse[], keep: Keep, now: Date): RetentionDecision {
  for (const use of uses) {
    const because = needOf(use);
    if (because) return { goes: false, because, runId: use.runId };
  }
  const newest = uses.reduce((newest, use) => (endOf(use) > endOf(newest) ? use : newest));
  const decision = byAge(newest.finishedAt, keep, now);
  return decision.goes ? decision : { ...decision, runId: newest.runId };
}

const endOf = ({ finishedAt }: ArchiveUse): number => finishedAt?.getTime() ?? Number.POSITIVE_INFINITY;

function needOf(use: ArchiveUse): StaysBecause | undefined {
  if (!use.finishedAt) return 'unfinished';
  if (use.isNewestOfOpenPullRequest) return 'newest-of-open-pull-request';
  if (use.isNewestOfBranch) return 'newest-of-branch';
  if (use.isKept) return 'kept';
  return use.hasArtifacts ? 'artifacts-kept' : undefined;
}

/** It stays as long as one of the two says so: its kind's time, and that of what has a value. */
export function decideOutput(
  facts: OutputFacts,
  keep: Keep,
  { valued, releases }: Pick<Keeps, 'valued' | 'releases'>,
  now: Date,
): RetentionDecision {
  const { isRunFinished, finishedAt } = facts;
  const decision = byAge(isRunFinished ? finishedAt : undefined, keep, now);
  const value = decision.goes ? outputValue(facts, releases) : undefined;
  if (value === undefined) return decision;
  return value !== 'kept' && byAge(finishedAt, valued, now).goes ? decision : { goes: false, because: value };
}

export function outputValue(facts: OutputFacts, releases: string[]): Value | undefined {
  if (facts.isKept) return 'kept';
  if (isRelease(facts, releases)) return 'release';
  if (facts.isLinked) return 'linked';
  if (facts.verdict === 'failed' && facts.judgedBefore !== 'failed') return 'first-failure';
  return facts.isNewestPass ? 'last-green' : undefined;
}

/** What `git describe` says of a commit that has no tag of its own. */
const BEYOND_A_TAG = /-\d+-g[0-9a-f]{4,64}$/;

function isRelease({ ref, version }: Pick<OutputFacts, 'ref' | 'version'>, releases: string[]): boolean {
  const names = [ref?.replace(/^refs\/(heads|tags)\//, ''), BEYOND_A_TAG.test(version ?? '') ? undefined : version];
  return names.some((name) => name !== undefined && matchesAny(releases, name));
}

export function decideRow({ state, doneAt }: RowAge, keep: Keep, now: Date): RetentionDecision {
  if (state === 'parked') return { goes: false, because: 'waits-for-a-person' };
  return byAge(state === 'done' ? doneAt : undefined, keep, now);
}

function byAge(endedAt: Date | undefined, keep: Keep, now: Date): RetentionDecision {
  if (!endedAt) return { goes: false, because: 'unfinished' };
  const before = oldBefore(keep, now);
  if (!before) return { goes: false, because: 'forever' };
  return endedAt < before ? { goes: true, endedAt } : { goes: false, because: 'young' };
}
