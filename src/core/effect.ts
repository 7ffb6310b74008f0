import type { Look } from './event.ts';
import type { RepositoryRef } from './model.ts';

/**
 * Everything that RCB wants done outside. An effect names its target and carries only what is needed to find it: the
 * target's newest desired state is read when the effect is performed. So pending effects of one kind and target are
 * one, and a late `in_progress` cannot overwrite `completed`.
 */
export type Effect =
  | { kind: 'inspect.branch'; subject: string; repository: RepositoryRef; ref: string; look: Look }
  | { kind: 'inspect.pull-request'; subject: string; repository: RepositoryRef; number: number; look: Look }
  /** List a repository's branches, and tell what differs from what we know. */
  | { kind: 'poll.branches'; repository: RepositoryRef }
  | { kind: 'sources.resolve'; runId: string }
  | { kind: 'source.pack'; runId: string; sourceId: string; repositoryKey: string }
  | { kind: 'build.start'; runId: string; buildId: string }
  | { kind: 'build.follow'; runId: string; buildId: string }
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
      return effect.subject;
    case 'poll.branches':
      return `poll:${effect.repository.key}`;
    case 'sources.resolve':
      return `run:${effect.runId}`;
    case 'source.pack':
      return `source:${effect.sourceId}`;
    case 'build.start':
    case 'build.follow':
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
    case 'source.pack':
      return `mirror:${effect.repositoryKey}`;
    case 'build.cancel':
    case 'build.release':
      // Beside the build's other work: a cancel must not wait for a follow that waits for news.
      return `${effect.kind}:${targetOf(effect)}`;
    default:
      return targetOf(effect);
  }
}

export const writeLane = (installation: string): string => `write:${installation}`;

export const runOf = (effect: Effect): string | undefined => ('runId' in effect ? effect.runId : undefined);
