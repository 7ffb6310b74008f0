import { matchesAny } from './globs.ts';

/** How changes of some branches are treated. */
export interface Policy {
  /** `once`: a job that failed by known flappers only runs once more. */
  flappers: 'off' | 'once';
  /** How the bot merges. */
  merge: 'merge' | 'squash' | 'rebase';
  /** What is tested of a pull request: its head merged with its base, or its head. */
  test: 'merge' | 'head';
  /** The base moved since the test: test again, or only when both sides touched the same files, or merge. */
  stale: 'retest' | 'overlap' | 'merge';
  /** A matched pull request moved: run again, or only say so. */
  partners: 'rerun' | 'note';
  /** Several commits were pushed to a branch at once: each is tested, the newest first, or only the newest. */
  commits: 'all' | 'latest';
  /** Which pull requests of forks are tested without a maintainer's word. */
  forks: 'never' | 'ask' | 'ask-new' | 'test';
  /** May what passed at the second attempt only, after known flappers had failed, be merged by the bot? */
  flapped: 'merge' | 'refuse';
  /** Globs of job names that may fail. */
  optional: string[];
}

/** `branches`: globs over the branch's short name; of a pull request over that of its base. */
export interface PolicyRule extends Policy {
  branches: string[];
}

export const defaultPolicy: Policy = {
  flappers: 'once',
  merge: 'merge',
  test: 'merge',
  stale: 'overlap',
  partners: 'rerun',
  commits: 'latest',
  forks: 'ask-new',
  flapped: 'merge',
  optional: [],
};

/** The first rule that names the branch, else the defaults. */
export function policyFor(rules: readonly PolicyRule[], branch: string): Policy {
  return rules.find((rule) => matchesAny(rule.branches, branch)) ?? defaultPolicy;
}
