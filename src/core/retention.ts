/**
 * What is removed when, and what stays although it is old. What is removed leaves its row: a run says for ever which
 * commits it tested and how it ended, and a key is known for ever, or a fact that is told once more would look new.
 *
 * - *sources*: an archive goes when every run that refers to it ended longer ago than `sources`, and none of them needs
 *   it still: one that has not ended, the newest of an open pull request or of a branch, one with artifacts that are kept.
 * - *artifacts* and *logs* go by the age of their own attempt, once its run has ended.
 * - *events*: of those that are done the payload goes; effects that are done go whole. What is parked waits for a person.
 */

/** Milliseconds. */
export type Keep = number | 'forever';
export type Keeps = Record<'sources' | 'logs' | 'artifacts' | 'events', Keep>;

/** Runs of one archive that are alike in all that counts: `runId` and `finishedAt` are of the newest of them. */
export interface ArchiveUse {
  runId: string;
  /** Absent: it has not ended. */
  finishedAt?: Date;
  isNewestOfOpenPullRequest: boolean;
  isNewestOfBranch: boolean;
  /** It has artifacts that are kept on. */
  hasArtifacts: boolean;
}

/** Of an attempt: a log or an artifact. */
export interface OutputAge {
  isRunFinished: boolean;
  finishedAt?: Date;
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
  return use.hasArtifacts ? 'artifacts-kept' : undefined;
}

export function decideOutput({ isRunFinished, finishedAt }: OutputAge, keep: Keep, now: Date): RetentionDecision {
  return byAge(isRunFinished ? finishedAt : undefined, keep, now);
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
