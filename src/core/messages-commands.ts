import type { Command } from './command.ts';
import type { MergeDecision, MergeDecisionOf, MergeFacts, RefuseReason, WaitReason } from './merge-request.ts';
import { shortSha } from './messages.ts';
import type { Allowance } from './permission.ts';
import { cutText, escapeMarkdown } from './text.ts';

/** Every sentence with which the bot answers a command: Markdown for comments. What came from outside is escaped. */

/** What is posted under one key is posted once: whoever posts looks for its marker first. */
export const markerOf = (key: string): string => `<!-- rcb:${encodeURIComponent(key).replaceAll('-', '%2D')} -->`;

export const withMarker = (key: string, text: string): string => `${text}\n\n${markerOf(key)}`;

/** Keys of the answers to a comment, and to a wish. */
export const answerKey = (commentId: string, topic: string): string => `comment:${commentId}:${topic}`;
export const mergeAnswerKey = (requestId: string, topic: string): string => `merge:${requestId}:${topic}`;

const MOST_NAMES = 10;

/** `a, b and 3 more`. */
function list(names: readonly string[] = []): string {
  const shown = names.slice(0, MOST_NAMES).map((name) => escapeMarkdown(cutText(name, 120)));
  const more = names.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const about = (start: string, names?: readonly string[]): string =>
  names?.length ? `${start}: ${list(names)}` : start;

const quoting = (start: string, said?: readonly string[]): string =>
  said?.length ? `${start} (GitHub: “${list(said)}”)` : start;

const sha = (value: string): string => `\`${shortSha(value)}\``;

const COMMAND_LIST = [
  ['{re-test}', 'tests the same commits again'],
  ['{re-test latest}', 'tests again, with the newest commits of the neighbours'],
  ['{re-test failed}', 'runs only the failed jobs again, where the back-end can'],
  ['{merge on success}', 'merges this head when all of its tests pass'],
  ['{rcb: cancel}', 'takes a `{merge on success}` back, and stops the tests that run'],
  ['{rcb: why}', 'says what is being waited for, and which rule decides'],
  ['{rcb: help}', 'shows this list'],
]
  .map(([command, meaning]) => `- \`${command}\` ${meaning}`)
  .join('\n');

export const commandMessages = {
  help: `These are the commands, in a comment, in curly or angle brackets:\n\n${COMMAND_LIST}`,
  unknown: (words: readonly string[]) =>
    `I do not know ${list(words.map((word) => `“${word}”`))}. ${commandMessages.help}`,
  /** undefined: silence, for whom the repository has blocked. */
  refused: (command: Command, because: Extract<Allowance, { allowed: false }>['because']): string | undefined =>
    because === 'no-access' ? undefined : `I did not do \`{${inBraces(command)}}\`: ${refusals[because](command)}`,
  retestNothing: 'There is nothing to test again here: this pull request has not been tested yet.',
  retestNothingFailed:
    'No job of the newest run failed, so there is nothing to run again. `{re-test}` tests everything.',
  retestUnderWay: (url: string) => `This head is being tested already: [the run](${url}). Nothing new was started.`,
  retestWhole: 'The back-end cannot run single jobs again, so everything is tested again.',
  /** It was tested with private ones, and is public now: of these not even the names are told. */
  retestAnew: 'Not all commits that it was tested with may be told of here, so they are chosen anew.',
  /** On the page of the new run, and in its check. */
  jobAlone: 'One job was asked for, and its back-end cannot run it alone, so everything is tested.',
  retestClosed: 'This pull request is not open, so it is not tested again.',
  cancelled: 'Cancelled: the tests were stopped, and nothing will be merged automatically.',
  cancelNothing: 'There is nothing to cancel: no test is running, and no merging was asked for.',
  mergeClosed: 'This pull request is not open, so there is nothing to merge.',
} as const;

const inBraces = (command: Command): string =>
  command === 'cancel' || command === 'why' || command === 'help' ? `rcb: ${command}` : command;

const refusals: Record<'needs-write' | 'needs-maintainer' | 'forks-never', (command: Command) => string> = {
  'needs-write': (command) =>
    command.startsWith('re-test')
      ? 'this needs write permission to the repository, or to be the author of the pull request.'
      : command === 'cancel'
        ? 'what others have asked for can be cancelled by those who may write to the repository.'
        : 'this needs write permission to the repository.',
  'needs-maintainer': () =>
    'the pull request comes from a fork, and `policy.forks` wants the first test of each head to be allowed by ' +
    'somebody who may write to the repository, with `{re-test}`.',
  'forks-never': () => 'pull requests from forks are not tested here (`policy.forks` is `never`).',
};

/** What is being waited for, after "Waiting: " and in `{rcb: why}`. */
export const waitMessages: Record<WaitReason, (names?: readonly string[]) => string> = {
  'call-under-way': () => 'GitHub was asked to merge and has not answered yet',
  doubtful: () => 'GitHub gave no clear answer when it was asked to merge; I am finding out whether it did',
  'in-queue': () => 'it is in GitHub’s merge queue',
  'no-run': () => 'the test of this head has not begun yet',
  running: () => 'the tests are running',
  held: () => 'a maintainer has to allow the test of this head with `{re-test}` (`policy.forks`)',
  'retest-starting': () => 'a new test with the moved base is about to begin (`policy.stale`)',
  mergeability: () => 'GitHub is still computing whether it can be merged',
  blocked: () =>
    'the rules of the base branch do not let it through yet (a review, a conversation, or another required check)',
  partner: (names) =>
    about(
      'it was tested together with pull requests that have to be merged first, each with its own `{merge on success}`',
      names,
    ),
  'trying-again': () => 'GitHub refused to merge although nothing is in the way; I try again soon',
};

/** Why automatic merging did not happen. */
export const refuseMessages: Record<RefuseReason, (names?: readonly string[]) => string> = {
  gone: () => 'the pull request cannot be read any more',
  closed: () => 'the pull request was closed',
  'head-moved': () => 'its head has moved, and only what was there when it was asked for may be merged',
  'base-changed': () => 'its base branch was changed',
  draft: () => 'it is a draft',
  conflict: () => 'it conflicts with its base branch',
  'comment-edited': () => 'the comment that asked for it was edited by somebody else',
  'permission-lost': () => 'who asked for it may not write to the repository (any more)',
  'no-jobs': () => 'there was nothing to test, or nothing that has to pass, and that is no success',
  failed: (names) => about('these did not pass', names),
  flapped: (names) =>
    about('these passed at the second attempt only, and that does not count here (`policy.flapped`)', names),
  cancelled: () => 'the tests were cancelled',
  'base-keeps-moving': () => 'its base branch moves faster than the tests run',
  behind: () => 'the base branch wants pull requests to be up to date: update the branch and ask again',
  'partner-closed': (names) => about('it was tested together with a pull request that was closed unmerged', names),
  'left-queue': () => 'GitHub’s merge queue has thrown it out',
  forbidden: (said) =>
    quoting(
      'GitHub does not allow me to merge here (403): the App needs “contents: write”, or a rule forbids it',
      said,
    ),
  invalid: (said) =>
    quoting(
      'GitHub would not take the request to merge (422): the merge method of `policy.merge` may be switched off',
      said,
    ),
  'not-mergeable': (said) => quoting('GitHub refused several times, without showing what is in the way', said),
  'waited-too-long': (names) => about('it has waited for a week', names),
};

export const mergeMessages = {
  ask:
    'The head of this pull request moved at about the time of your comment, so I do not know which commit you mean. ' +
    'Please look at it, and write `{merge on success}` again.',
  refused: (why: string) => `Automatic merging did not happen: ${why}.`,
  askAgain: 'Write `{merge on success}` again when that is settled.',
  waiting: (why: string) => `Waiting with the merge: ${why}.`,
  retest: (why: string) => `The base branch has moved since the test: ${why}. Testing again before merging.`,
  handedOver: (head: string) => `All tests passed at ${sha(head)}. Handed over to GitHub’s merge queue.`,
  landedDiffers: 'Merged. What landed is not exactly what was tested, because the base branch had moved on meanwhile.',
  pinIsYours: 'The pin that names the merged commit is not moved by me: that stays with the authors.',
} as const;

const retestReasons = {
  'base-moved': () => '`policy.stale` is `retest`',
  overlap: (names?: readonly string[]) => about('both sides touched the same', names),
  'overlap-unknown': () => 'what it gained could not be compared in full',
} as const;

/** `topic`: what it is about; each is said once per wish. */
export interface MergeAnswer {
  topic: string;
  text: string;
}

/** In words only what a reaction cannot say. */
export function mergeAnswer(decision: MergeDecision, facts: Pick<MergeFacts, 'partners'>): MergeAnswer | undefined {
  switch (decision.kind) {
    case 'ask':
      return { topic: 'end', text: mergeMessages.ask };
    case 'refuse':
      return { topic: 'end', text: refusedText(decision.because, decision.names) };
    case 'wait':
      return SAID_WAITS.has(decision.because)
        ? {
            topic: `wait-${decision.because}`,
            text: mergeMessages.waiting(waitMessages[decision.because](decision.names)),
          }
        : undefined;
    case 'retest':
      return {
        topic: `retest-${decision.baseSha}`,
        text: mergeMessages.retest(retestReasons[decision.because](decision.names)),
      };
    case 'hand-over':
      return { topic: 'hand-over', text: mergeMessages.handedOver(decision.sha) };
    case 'done':
      return doneAnswer(decision, facts);
    default:
      return undefined;
  }
}

/** Where a person may have to do something; the others pass by themselves. */
const SAID_WAITS = new Set<WaitReason>(['blocked', 'partner', 'held']);

/** These do not get better by asking again. */
const FINAL = new Set<RefuseReason>(['gone', 'closed']);

function refusedText(because: RefuseReason, names?: string[]): string {
  const why = mergeMessages.refused(refuseMessages[because](names));
  return FINAL.has(because) ? why : `${why} ${mergeMessages.askAgain}`;
}

function doneAnswer(
  { because, landed }: MergeDecisionOf<'done'>,
  { partners }: Pick<MergeFacts, 'partners'>,
): MergeAnswer | undefined {
  if (because === 'merged-by-others') return undefined;
  const text = [landed === 'differs' && mergeMessages.landedDiffers, partners.length > 0 && mergeMessages.pinIsYours];
  return text.some(Boolean) ? { topic: 'end', text: text.filter(Boolean).join(' ') } : undefined;
}

/** The answer to `{rcb: why}`. `wishes`: what is decided of each open `{merge on success}` now. */
export function whyAnswer(state: { run?: string; url?: string; wishes: MergeDecision[] }): string {
  const run = state.run
    ? `The newest run: ${escapeMarkdown(state.run)}${state.url ? ` ([page](${state.url}))` : ''}.`
    : '';
  const wishes = state.wishes.map((decision) => whyOf(decision)).filter((words) => words !== undefined);
  const merging = wishes.length ? wishes.map((words) => `Merging: ${words}.`) : ['No merging was asked for.'];
  return [run || 'This head has not been tested.', ...merging].join('\n\n');
}

function whyOf(decision: MergeDecision): string | undefined {
  switch (decision.kind) {
    case 'wait':
      return waitMessages[decision.because](decision.names);
    case 'refuse':
      return refuseMessages[decision.because](decision.names);
    case 'merge':
      return `all that has to pass has passed, ${sha(decision.sha)} is being merged`;
    case 'hand-over':
      return `all that has to pass has passed, ${sha(decision.sha)} goes to GitHub’s merge queue`;
    case 'retest':
      return `the base branch has moved, a new test is needed (${retestReasons[decision.because](decision.names)})`;
    case 'compare':
      return 'the base branch has moved, and I am looking what it gained (`policy.stale`)';
    case 'ask':
      return 'the head moved at about the time of the comment, and it has to be asked for again';
    default:
      return undefined;
  }
}
