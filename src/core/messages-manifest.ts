import { messages, shortSha } from './messages.ts';
import { cutText } from './text.ts';

/** The sentences about which commits a run takes, and why; beside `messages`. Plain text: what comes from outside (pins,
 *  logins, branch names) is escaped where it is shown. */

/** A pin in a sentence; the whole file is shown beside it. */
const inWords = (pin: string): string => cutText(pin, 100);

/** At most this many pull requests are named in a sentence. */
const MOST_NAMED = 10;

function numbered(numbers: readonly number[]): string {
  const named = numbers.slice(0, MOST_NAMED).map((number) => `#${number}`);
  const more = numbers.length - named.length;
  return more > 0 ? `${named.join(', ')} and ${more} more` : named.join(', ');
}

/** Where a pin stands. */
export interface PinPlace {
  by: string;
  sha: string;
  file: string;
  pinned: string;
}

const place = ({ by, sha, file, pinned }: PinPlace): string => `${by} at ${shortSha(sha)} pins ${pinned} in ${file}`;

const correctIt = 'Nothing is tested until that file names a tag, a commit, or what `git describe` prints.';

export const manifestMessages = {
  why: {
    ...messages.why,
    sameBranchName: (number: number) => `pull request #${number} has the same branch name`,
    pinnedBy: (repository: string, pin: string) => `pinned by ${repository} ${inWords(pin)}`,
    alreadyInStack: (repository: string) => `the commit of ${repository} in this run`,
  },

  pin: {
    empty: 'it is empty',
    huge: (most: number) => `it is longer than ${most} bytes`,
    binary: 'it is not text',
    conflict: 'it has the markers of a merge conflict',
    lines: (count: number) => `it has ${count} lines, one is expected`,
    spaces: 'it has spaces within its line',
    dirty: 'it describes a working tree with changes that were not committed',
    cutDescribe: 'it looks like the output of git describe, but no commit of 7 to 40 hex digits follows the -g',
    noVersion: 'it has no digit, so it names neither a version nor a commit',
    notAName: 'it can be the name of neither a tag nor a commit',
  },

  malformedPin: (at: PinPlace, why: string) => `malformed pin: ${place(at)}, and of that file: ${why}. ${correctIt}`,
  noPinFile: ({ by, sha, file, pinned }: PinPlace, why?: string) =>
    `pin not found: ${by} at ${shortSha(sha)} should pin ${pinned} in ${file}, and ${why ?? 'there is no such file'}. ${correctIt}`,
  revisionNotFound: (at: PinPlace, pin: string, why?: string) =>
    `pinned revision not found: ${place(at)} to ${inWords(pin)}: ${why ?? `${at.pinned} has no such commit`}. ${correctIt}`,
  notAFile: (kind: string) => `there is a ${kind} of that name, not a file`,
  wrongRevision: (sha: string) => `the commit that was found under this name is another one, ${shortSha(sha)}`,
  noHead: (repository: string, why: string) => `the head of ${repository}'s default branch cannot be read: ${why}`,
  noPullRequests: (repository: string, why: string) => `the open pull requests of ${repository} cannot be read: ${why}`,

  neverMatches: (branch: string) =>
    `the branch name ${branch} says nothing about what belongs together: it matches no other pull request`,
  ambiguous: (repository: string, numbers: readonly number[]) =>
    `${repository}: the pull requests ${numbered(numbers)} all have the same branch name; none of them is used`,
  preferred: (repository: string, used: number, others: readonly number[]) =>
    `${repository}: the branch name is that of ${numbered(others)} too; #${used} is used, it has the same author`,
  stranger: (repository: string, number: number, login: string) =>
    `${repository}: pull request #${number} has the same branch name and is not used: its author ${login} may not write there, and no maintainer has allowed it`,
  changedInstead: (repository: string, by: string, file: string) =>
    `${repository} is what is tested, whatever ${by} pins in ${file}`,
  otherPin: (pinned: string, used: { by: string; text: string }, other: { by: string; text: string }) =>
    `${pinned} is pinned by ${used.by} to ${inWords(used.text)} and by ${other.by} to ${inWords(other.text)}: that of ${used.by} counts, it is nearer to the change`,
  otherPinBroken: (used: string, why: string) => `${why} (It does not count here: that of ${used} does.)`,

  partner: {
    moved: (repository: string, number: number, sha: string) =>
      `${repository} pull request #${number}, which this run was tested with, has moved to ${shortSha(sha)}`,
    closed: (repository: string, number: number) =>
      `${repository} pull request #${number}, which this run was tested with, was closed`,
    merged: (repository: string, number: number) =>
      `${repository} pull request #${number}, which this run was tested with, was merged`,
    dropped: (repository: string, number: number) =>
      `${repository} pull request #${number}, which this run was tested with, is no longer the one that matches`,
    appeared: (repository: string, number: number) =>
      `${repository} pull request #${number} has the same branch name, and was not there when this run began`,
  },
} as const;
