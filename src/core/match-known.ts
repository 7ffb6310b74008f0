import type { Author } from './model.ts';
import type { Pin, Revision } from './pin.ts';

/**
 * What the choice of a run's commits has to know of the world, question by question, and the answers so far. All of it
 * is JSON. Names of repositories are the stack's.
 */
export type Read =
  /** The default branch and its head. */
  | { kind: 'head'; repository: string }
  /** What `readPin` makes of this file at this commit. */
  | { kind: 'pin'; repository: string; sha: string; file: string }
  /** A pin's commit: of a tag by this very name, or of this sha. Branches do not count. */
  | { kind: 'revision'; repository: string; revision: Revision }
  /** The open pull requests whose head branch has this name, from forks too. */
  | { kind: 'pull-requests'; repository: string; branch: string };

export type ReadKind = Read['kind'];

/** `missing`: the repository is gone, empty, or not for us to read; `why` is the end of a sentence. What may pass (a
 *  forge that does not answer) is no answer: the read is tried again. */
export interface Missing {
  kind: 'missing';
  why: string;
}

export interface Answers {
  head: { kind: 'head'; branch: string; sha: string } | Missing;
  /** See `pinAnswer`. Without `why`: there is no such file. */
  pin: Pin | { kind: 'missing'; why?: string };
  /** The whole sha. An abbreviation that fits several commits is missing, with that `why`. */
  revision: { kind: 'commit'; sha: string } | { kind: 'missing'; why?: string };
  'pull-requests': { kind: 'pull-requests'; candidates: Candidate[] } | Missing;
}

/** A pull request that may be the partner of one in another repository. */
export interface Candidate {
  number: number;
  /** Short name of its head branch. */
  ref: string;
  sha: string;
  state: 'open' | 'closed' | 'merged';
  fork: boolean;
  author: Author;
  /** Its author may write to the repository that the pull request is for. Absent: not asked, not so. */
  canWrite?: boolean;
  /** A maintainer has said that it may be used, at this head. */
  allowed?: boolean;
}

export type AnswerTo<R extends Read> = Answers[R['kind']];

export type Known = { [K in ReadKind]: Record<string, Answers[K]> };

export const nothingKnown = (): Known => ({ head: {}, pin: {}, revision: {}, 'pull-requests': {} });

/** The same with one more answer. */
export const learn = <R extends Read>(known: Known, read: R, answer: AnswerTo<R>): Known => ({
  ...known,
  [read.kind]: { ...known[read.kind], [keyOf(read)]: answer },
});

export function answerTo<R extends Read>(known: Known, read: R): AnswerTo<R> | undefined {
  const answers = known[read.kind] as Record<string, AnswerTo<R>>;
  const key = keyOf(read);
  return Object.hasOwn(answers, key) ? answers[key] : undefined;
}

/** Equal for equal questions, among those of one kind. */
export function keyOf(read: Read): string {
  const repository = read.repository.toLowerCase();
  switch (read.kind) {
    case 'head':
      return repository;
    case 'pin':
      return `${repository} ${read.sha} ${read.file}`;
    case 'revision':
      return `${repository} ${read.revision.kind} ${read.revision.text}`;
    case 'pull-requests':
      return `${repository} ${read.branch}`;
  }
}

/** Asks, and remembers what had no answer yet. */
export interface Asking {
  ask<R extends Read>(read: R): AnswerTo<R> | undefined;
  /** Each question once, in the order in which they came up. */
  lacking(): Read[];
}

export function askingOf(known: Known): Asking {
  const lacking = new Map<string, Read>();
  return {
    ask: (read) => {
      const answer = answerTo(known, read);
      if (answer === undefined) lacking.set(`${read.kind} ${keyOf(read)}`, read);
      return answer;
    },
    lacking: () => [...lacking.values()],
  };
}
