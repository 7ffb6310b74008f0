import type { Command } from './command.ts';
import type { CommandSource, Look } from './event.ts';
import type { Author, RepositoryRef } from './model.ts';
import type { Policy } from './policy.ts';

/**
 * Everything that RCB wants done outside. An effect names its target and carries only what is needed to find it: the
 * target's newest desired state is read when the effect is performed. So pending effects of one kind and target are
 * one, and a late `in_progress` cannot overwrite `completed`.
 */
export type Effect =
  /** `passedSince`: also list the commits since this one. */
  | {
      kind: 'inspect.branch';
      subject: string;
      repository: RepositoryRef;
      ref: string;
      look: Look;
      passedSince?: string;
    }
  | { kind: 'inspect.pull-request'; subject: string; repository: RepositoryRef; number: number; look: Look }
  /** Has a pull request's run still the partners that it would have now? */
  | { kind: 'inspect.partners'; subject: string; repository: RepositoryRef }
  /** Read a command once more, and what its author may do. */
  | {
      kind: 'command.inspect';
      subject: string;
      repository: RepositoryRef;
      source: CommandSource;
      commands: Command[];
      unknown: string[];
      actor: Author;
    }
  | { kind: 'comment.react'; repository: RepositoryRef; target: ReactionTarget; content: Reaction; replaces?: Reaction }
  /** Say this once under this key. */
  | { kind: 'comment.answer'; repository: RepositoryRef; number: number; key: string; text: string }
  /** Read what the merge gate has to know about a wish. */
  | {
      kind: 'merge.inspect';
      subject: string;
      repository: RepositoryRef;
      number: number;
      requestId: string;
      compare?: { from: string; to: string };
      compareTrees?: boolean;
    }
  | {
      kind: 'merge.call';
      subject: string;
      repository: RepositoryRef;
      number: number;
      requestId: string;
      count: number;
      sha: string;
      /** queue: into the base branch's merge queue. */
      method: Policy['merge'] | 'queue';
    }
  | { kind: 'merge.take-back'; repository: RepositoryRef; number: number }
  /** Read a repository's lists, and tell what differs from what we know. `turn` counts the intervals. */
  | { kind: 'poll.repository'; repository: RepositoryRef; everyMs: number; turn: number }
  /** Where is the App installed, and on what? */
  | { kind: 'poll.installations' }
  /** Which hooks does the forge say it has sent? */
  | { kind: 'poll.deliveries' }
  /** Which builds does a backend say have changed? */
  | { kind: 'poll.builds'; backend: string }
  /** Remove what a backend still has of builds that nobody wants any more. */
  | { kind: 'backend.sweep'; backend: string }
  /** Remove what is older than rcb.yaml keeps. */
  | { kind: 'retention.sweep' }
  /** `catchUp`: in turn with the others that an absence left. */
  | { kind: 'sources.resolve'; runId: string; catchUp?: true }
  | { kind: 'source.pack'; runId: string; sourceId: string; repositoryKey: string }
  | { kind: 'build.start'; runId: string; buildId: string; backend: string }
  | { kind: 'build.follow'; runId: string; buildId: string }
  /** Look at a build once, now: something says that it changed. */
  | { kind: 'build.look'; runId: string; buildId: string }
  /** Run its failed jobs again, within the build. */
  | { kind: 'build.retry'; runId: string; buildId: string }
  | { kind: 'build.cancel'; runId: string; buildId: string }
  /** By its external id: the build may have been started anew since. */
  | { kind: 'build.release'; runId: string; buildId: string; externalId: string }
  | { kind: 'check.report'; runId: string; checkId: string; installation: string };

export type EffectKind = Effect['kind'];
export type EffectOf<K extends EffectKind> = Extract<Effect, { kind: K }>;

/** What an effect brings to its desired state; with `kind` the key by which pending ones coalesce. */
export function targetOf(effect: Effect): string {
  switch (effect.kind) {
    case 'inspect.branch':
    case 'inspect.pull-request':
    case 'inspect.partners':
      return effect.subject;
    case 'command.inspect':
      return `command:${effect.subject}:${sourceKey(effect.source)}`;
    case 'comment.react':
      return `reaction:${effect.repository.key}:${effect.target.kind === 'comment' ? effect.target.id : `#${effect.target.number}`}`;
    case 'comment.answer':
      return `answer:${effect.repository.key}#${effect.number}:${effect.key}`;
    case 'merge.inspect':
      return `merge:${effect.requestId}`;
    case 'merge.call':
      return `merge:${effect.requestId}:${effect.count}`;
    case 'merge.take-back':
      return `queued:${effect.repository.key}#${effect.number}`;
    case 'poll.repository':
      return `poll:${effect.repository.key}`;
    case 'poll.installations':
    case 'poll.deliveries':
    case 'retention.sweep':
      return effect.kind;
    case 'poll.builds':
      return `poll:builds:${effect.backend}`;
    case 'backend.sweep':
      return `sweep:${effect.backend}`;
    case 'sources.resolve':
      return `run:${effect.runId}`;
    case 'source.pack':
      return `source:${effect.sourceId}`;
    case 'build.start':
    case 'build.follow':
    case 'build.look':
    case 'build.retry':
    case 'build.cancel':
      return `build:${effect.buildId}`;
    case 'build.release':
      return `build:${effect.buildId}:${effect.externalId}`;
    case 'check.report':
      return `check:${effect.checkId}`;
  }
}

/** What an effect is serialised by, over all instances. Reads of GitHub only exclude a second read of the same thing;
 *  writes of one installation go one after the other; work on one mirror likewise. */
export function laneOf(effect: Effect): string {
  switch (effect.kind) {
    case 'check.report':
      return writeLane(effect.installation);
    case 'comment.react':
    case 'comment.answer':
    case 'merge.call':
    case 'merge.take-back':
      return writeLane(effect.repository.installation ?? effect.repository.key);
    case 'source.pack':
      return `mirror:${effect.repositoryKey}`;
    case 'poll.repository':
      // One after the other: dozens of repositories of one installation are no herd.
      return `poll:${effect.repository.installation ?? effect.repository.key}`;
    case 'sources.resolve':
      return effect.catchUp ? CATCH_UP_LANE : targetOf(effect);
    case 'build.start':
      // One after the other, so that what is counted before a start is still true at it.
      return `start:${effect.backend}`;
    case 'build.cancel':
      // Beside the build's other work: it must not wait for a follow that waits for news.
      return `${effect.kind}:${targetOf(effect)}`;
    case 'build.release':
      // Never together with a retry, which needs what is released.
      return `build:${effect.buildId}`;
    default:
      return targetOf(effect);
  }
}

const sourceKey = (source: CommandSource): string =>
  source.kind === 'comment' ? source.id : source.kind === 'button' ? source.at : source.kind;

export type Reaction = 'eyes' | 'rocket' | 'confused';
export type ReactionTarget = { kind: 'comment'; id: string } | { kind: 'pull-request'; number: number };

export const CATCH_UP_LANE = 'catch-up';
export const writeLane = (installation: string): string => `write:${installation}`;

export const runOf = (effect: Effect): string | undefined => ('runId' in effect ? effect.runId : undefined);
