import type { MergeDecision, MergeRequest } from './merge-request.ts';
import { shortSha } from './messages.ts';
import { mergeMessages, refuseMessages, waitMessages } from './messages-commands.ts';

/** What the page of a run says beside its verdict. Plain text; what stands in backquotes is code. */
export const runPageMessages = {
  waitingHeading: 'Waiting for a word',
  waitingWord: (repository: string) =>
    `Somebody who may write to ${repository} has to allow the test of this head, by this word in a comment:`,
  waitingRest: 'Nothing was started. A head that is pushed later needs a word of its own.',
  checksOf: (kind: 'pull-request' | 'commit') =>
    kind === 'pull-request' ? 'what the pull request shows' : 'what the commit shows',
  waitingElse: 'A maintainer has to allow this run. Nothing was started.',

  mergedWith: (base: string) => `merged with ${base} at`,
  mergedAlone: 'merged with its base at',
  treeOf: 'tree',
  notARemote: 'This merge was made to be tested; no repository has it.',
  pinText: 'What that file says:',
  archivesFor:
    'Whoever has the address of an archive can download it, a CI agent too: it is made of the archive’s sha256.',
  archivesOfPrivate:
    'An archive is given to those who may see this run, and for a week to the CI agents that were sent for it.',
  private: 'private',
  privateMeaning: 'Shown to those who may read, at GitHub, every repository that it was tested with',
  reproduce: 'Make the source trees by hand',
  reproduceWhere: 'In an empty directory:',

  beside: 'Runs beside this one',
  earlier: 'Earlier run',
  later: 'Later run',
  sameCommit: 'same commit',
  sameCommitIn: 'Same commit in',

  previousKeeps: 'Its logs and artifacts are kept there.',

  wishes: 'Merging',
  wishesMeaning: 'what {merge on success} came to',
  timeline: 'Timeline',
  timelineMeaning: 'what the ledger knows of this run and its change',
  timelineCut: (most: number) => `Only the newest ${most} are shown; all of them are in `,
} as const;

/** What became of a `{merge on success}`. `names`: of jobs, partners, files; untrusted text. */
export interface WishWords {
  state: string;
  text: string;
  names: string[];
}

type Wish = Pick<MergeRequest, 'state' | 'call'> & { decision?: MergeDecision };

export function wishWords({ state, call, decision }: Wish): WishWords {
  const names = decision && 'names' in decision ? (decision.names ?? []) : [];
  return { state: STATES[state], text: textOf(state, call, decision), names };
}

const STATES: Record<MergeRequest['state'], string> = {
  open: 'waiting',
  merged: 'merged',
  refused: 'not merged',
  asked: 'to be asked again',
  withdrawn: 'taken back',
};

function textOf(state: MergeRequest['state'], call: MergeRequest['call'], decision?: MergeDecision): string {
  if (state === 'open' && call?.outcome === 'under-way') return `${first(waitMessages['call-under-way']())}.`;
  switch (decision?.kind) {
    case undefined:
      return 'It was not looked at yet.';
    case 'wait':
      return `${first(say(waitMessages, decision.because))}.`;
    case 'refuse':
      return mergeMessages.refused(say(refuseMessages, decision.because));
    case 'ask':
      return mergeMessages.ask;
    case 'withdraw':
      return `${first(WITHDRAWN[decision.because] ?? decision.because)}.`;
    case 'done':
      return doneText(decision);
    case 'merge':
    case 'hand-over':
      return `All that has to pass has passed: ${shortSha(decision.sha)} ${decision.kind === 'merge' ? 'is being merged' : 'goes to GitHub’s merge queue'}.`;
    case 'retest':
      return `The base branch has moved since the test: it is tested again with its head ${shortSha(decision.baseSha)}.`;
    case 'compare':
      return 'The base branch has moved since the test: what it gained is being looked at (`policy.stale`).';
    case 'compare-trees':
      return 'It was merged: what landed is being compared with what was tested.';
    case 'nothing':
      return 'It has ended.';
  }
}

const WITHDRAWN: Record<string, string> = {
  'comment-deleted': 'the comment was deleted',
  'command-removed': 'the comment does not ask for it any more',
  cancelled: 'it was cancelled by `{rcb: cancel}`',
};

function doneText({ because, landed }: Extract<MergeDecision, { kind: 'done' }>): string {
  if (because === 'merged-by-others') return 'It was merged, by somebody else.';
  return landed === 'differs'
    ? mergeMessages.landedDiffers
    : landed === 'same'
      ? 'Merged. What landed is what was tested.'
      : 'Merged. Whether what landed is what was tested could not be compared.';
}

/** An older or newer version may have stored a reason that this one has no words for. */
const say = (words: Partial<Record<string, () => string>>, because: string): string => words[because]?.() ?? because;

const first = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
