import type { CheckRequest, CommentFacts } from './event.ts';
import { HIDDEN, plainParagraphs } from './markdown.ts';
import { cutText } from './text.ts';

/**
 * What people ask of the bot, in a comment or by a button of GitHub's checks.
 *
 * `{re-test}` and `{merge on success}`, in curly or angle brackets; all commands also as `{rcb: …}`. Upper and lower
 * case are alike, and so are `-`, `_` and spaces. What stands in code, quotes, links and HTML comments is no command.
 */

/** `re-test`: the same manifest again; `latest`: with fresh neighbours; `failed`: only the jobs that failed. */
export type Command = 're-test' | 're-test latest' | 're-test failed' | 'merge on success' | 'cancel' | 'why' | 'help';

export interface Commands {
  /** Each once, in the order of their first appearance. */
  commands: Command[];
  /** Words in `{rcb: …}` that are no command, as they were written, each once; untrusted text. */
  unknown: string[];
}

const nothing: Commands = { commands: [], unknown: [] };

/** Words with a `-` between them → the command. The first ones are commands in plain brackets, too. */
const PLAIN: Record<string, Command> = {
  're-test': 're-test',
  retest: 're-test',
  're-test-latest': 're-test latest',
  'retest-latest': 're-test latest',
  're-test-failed': 're-test failed',
  'retest-failed': 're-test failed',
  'merge-on-success': 'merge on success',
};
const PREFIXED: Record<string, Command> = {
  ...PLAIN,
  rt: 're-test',
  'rt-latest': 're-test latest',
  'rt-failed': 're-test failed',
  mos: 'merge on success',
  cancel: 'cancel',
  why: 'why',
  help: 'help',
  '': 'help',
};

/** No command is nearly as long; without an end, a million opening brackets would each look far ahead. */
const LONGEST = 200;
const CURLY = new RegExp(`\\{([^{}<>${HIDDEN}]{1,${LONGEST}})\\}`, 'g');
const ANGLE = new RegExp(`<([^{}<>${HIDDEN}]{1,${LONGEST}})>`, 'y');
const EITHER = new RegExp(`${CURLY.source}|${ANGLE.source}`, 'g');
/** A comment with more of them is a joke. */
const MOST_UNKNOWN = 5;
const UNKNOWN_BYTES = 60;

type Word = { command: Command } | { unknown: string };

/** The commands of a comment's, or a pull request's, Markdown. Takes any text, in linear time. */
export function parseCommands(markdown: string): Commands {
  const commands = new Set<Command>();
  const unknown = new Set<string>();
  for (const paragraph of plainParagraphs(markdown, angleEnd)) {
    for (const match of paragraph.matchAll(EITHER)) {
      const word = wordOf(match[1] ?? match[2]!);
      if (word && 'command' in word) commands.add(word.command);
      else if (word && unknown.size < MOST_UNKNOWN) unknown.add(word.unknown);
    }
  }
  return { commands: [...commands], unknown: [...unknown] };
}

/** Where a command in angle brackets ends: GitHub would call it a tag. */
function angleEnd(text: string, index: number): number | undefined {
  ANGLE.lastIndex = index;
  const match = ANGLE.exec(text);
  return match && wordOf(match[1]!) ? ANGLE.lastIndex : undefined;
}

/** What stands between two brackets; undefined: nothing of ours. */
function wordOf(inside: string): Word | undefined {
  const text = inside.trim().replace(/\/$/, '').trimEnd();
  const prefix = /^rcb\s*:\s*/i.exec(text)?.[0];
  const written = text.slice(prefix?.length ?? 0);
  const words = written.toLowerCase().replace(/[\p{Pd}_\s]+/gu, '-');
  const known = prefix === undefined ? PLAIN : PREFIXED;
  if (Object.hasOwn(known, words)) return { command: known[words]! };
  return prefix === undefined ? undefined : { unknown: cutText(written.replace(/\s+/g, ' '), UNKNOWN_BYTES) };
}

export const commandsIn = (markdown: string): Command[] => parseCommands(markdown).commands;

/** Several words for one more test ask for one: the first of them. */
export function oneRetest(commands: readonly Command[]): Command[] {
  const first = commands.find(isRetest);
  return commands.filter((command) => !isRetest(command) || command === first);
}

const isRetest = (command: Command): boolean => command.startsWith('re-test');

/** The commands to obey of what a hook or a poll tells of a comment: its author's own, as they were first written.
 *  An owner of the repository may edit other people's comments, so that an edit is nobody's word (GitHub). */
export function commandsOf(comment: CommentFacts): Commands {
  const { action, author, sender, onPullRequest } = comment;
  const isOwnWord = action === 'created' && author.id === sender?.id && !author.bot;
  return isOwnWord && onPullRequest ? parseCommands(comment.body) : nothing;
}

/** What a button of a check asks for; `whole`: of all the run, not of one job. */
export interface ButtonCommand {
  command: Command;
  whole: boolean;
}

/** A button of our own on a completed check (GitHub: label up to 20, description up to 40, identifier up to 20
 *  characters). */
export const retestFailedButton = {
  label: 'Re-test failed',
  description: 'Run the jobs that failed once more',
  identifier: 're-test-failed',
} as const;

/** undefined: nothing is asked of us; GitHub requests a suite for each push, too. `isRunCheck`: the check is the run's,
 *  not a job's. */
export function commandOfButton(
  request: Pick<CheckRequest, 'action' | 'of' | 'identifier'>,
  isRunCheck: boolean,
): ButtonCommand | undefined {
  switch (request.action) {
    case 'rerequested':
      return { command: 're-test', whole: request.of === 'check_suite' || isRunCheck };
    case 'requested_action':
      return request.identifier === retestFailedButton.identifier
        ? { command: 're-test failed', whole: true }
        : undefined;
    case 'requested':
      return undefined;
  }
}
