import type { EarlierOutcome, FailureNews } from './failure-news.ts';
import { unreadableWords } from './messages-flappers.ts';
import type { Unreadable } from './testlog-files.ts';

/** What a run's page says about what failed in it. Plain text. */
export const failureMessages = {
  heading: (isPassed: boolean) => (isPassed ? 'Failed at first' : 'What failed'),
  files: (count: number, isCut: boolean) =>
    `${isCut ? 'more than ' : ''}${count} ${count === 1 ? 'test file' : 'test files'}`,
  cut: 'There is more in the logs than is shown here.',
  newHere: 'new here',
  newHereWhy: 'it passed just before, in the same job',
  failingSince: (change: 'pull-request' | 'commit') =>
    `failing on this ${change === 'pull-request' ? 'pull request' : 'branch'} since`,
  failingSinceOrEarlier: (change: 'pull-request' | 'commit') =>
    `failing on this ${change === 'pull-request' ? 'pull request' : 'branch'} at least since`,
  alsoOn: (branch: string) => `also failing on ${branch}`,
  passesOn: (branch: string) => `passes on ${branch}`,
  knownFlapper: 'known flapper',
  knownOff: 'known flapper, never run again',
  flapped: 'passed with the same commits',
  others: 'Beside the tests',
  noTests: 'No failed test file was found in these logs. Their last lines:',
  unreadable: ({ because, detail }: Unreadable) => unreadableWords[because] + (detail ? `: ${detail}` : ''),
  logIsGone: 'The log is gone; what was read of it stays.',
} as const;

/** `main`: what the newest run of the branch `branch` told about the same file in the same job. */
export const mainWords = (main: EarlierOutcome | undefined, branch: string | undefined): string | undefined => {
  if (!main || !branch) return undefined;
  if (main.failed) return failureMessages.alsoOn(branch);
  return main.passed ? failureMessages.passesOn(branch) : undefined;
};

/** For JSON: `new`, `since`, or nothing. */
export const newsWord = ({ kind }: FailureNews): 'new' | 'since' | undefined => (kind === 'unknown' ? undefined : kind);
