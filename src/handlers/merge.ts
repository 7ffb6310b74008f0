import type { EventOf } from '../core/event.ts';
import { callEnded, stepMerge } from '../core/merge.ts';
import { type MergeDecision, type MergeFacts, reactionTarget } from '../core/merge-request.ts';
import { mergeAnswerKey } from '../core/messages-commands.ts';
import type { RepositoryRef, Run } from '../core/model.ts';
import { policyFor } from '../core/policy.ts';
import { observingBackends, type Serving } from '../core/serving.ts';
import type { StoredMergeRequest } from '../store/store.ts';
import { lookAtWish, wishesLookedAt } from './command.ts';
import { type DelayedEffect, type HandlerContext, isHeard, nothing, type Outcome } from './handler.ts';

/** The merge gate: what was read decides (`core/merge.ts`), and what is decided is wished for. */

export async function onMergeSeen(event: EventOf<'merge.seen'>, context: HandlerContext): Promise<Outcome> {
  const { subject, repository, requestId } = event;
  const { store, serving, now } = context;
  const wish = await store.mergeRequest(requestId);
  if (wish?.state !== 'open') return nothing;
  const newest = wish.headSha === 'unclear' ? undefined : await store.runOf(subject, wish.headSha);
  const run = newest && withoutObserved(newest, serving);
  const facts: MergeFacts = { ...event.facts, now, run, policy: policyFor(serving.policy, wish.baseRef) };
  const step = stepMerge(wish, facts);
  const { decision } = step;
  await store.saveMergeRequest({ ...wish, ...step.request, decision });
  const place = { subject, repository, wish: { ...wish, ...step.request } };
  const effects = [...wanted(decision, place), ...said(step, place)];
  if (decision.kind !== 'retest') return { effects, events: [] };
  return { effects, events: await retested(place, run, context) };
}

/** What a backend only observes beside others has no say. */
function withoutObserved(run: Run, serving: Serving): Run {
  const observing = observingBackends(serving);
  const builds = run.builds.filter(({ backend }) => !observing.includes(backend));
  return builds.length > 0 ? { ...run, builds } : run;
}

interface Place {
  subject: string;
  repository: RepositoryRef;
  wish: StoredMergeRequest;
}

function wanted(decision: MergeDecision, { subject, repository, wish }: Place): DelayedEffect[] {
  const look = lookAtWish(wish.id, subject, repository);
  const { number } = look;
  const call = {
    kind: 'merge.call',
    subject,
    repository,
    number,
    requestId: wish.id,
    count: wish.call?.count ?? 1,
  } as const;
  switch (decision.kind) {
    case 'wait':
      return [{ ...look, afterMs: decision.lookAgainMs }];
    case 'compare':
      return [{ ...look, compare: { from: decision.from, to: decision.to } }];
    case 'compare-trees':
      return [{ ...look, compareTrees: true }];
    case 'merge':
      return [{ ...call, sha: decision.sha, method: decision.method }];
    case 'hand-over':
      return [{ ...call, sha: decision.sha, method: 'queue' }];
    case 'refuse':
    case 'withdraw':
      return decision.takeBack ? [{ kind: 'merge.take-back', repository, number }] : [];
    default:
      return [];
  }
}

function said(step: ReturnType<typeof stepMerge>, { subject, repository, wish }: Place): DelayedEffect[] {
  const { number } = lookAtWish(wish.id, subject, repository);
  const { reaction, answer } = step;
  const target = reactionTarget(wish.commentId, number);
  return [
    ...(reaction ? [{ kind: 'comment.react', repository, target, content: reaction, replaces: 'eyes' } as const] : []),
    ...(answer
      ? [
          {
            kind: 'comment.answer',
            repository,
            number,
            key: mergeAnswerKey(wish.id, answer.topic),
            text: answer.text,
          } as const,
        ]
      : []),
  ];
}

/** The base has moved: the same head is tested with the new one. */
async function retested(
  { subject, repository, wish }: Place,
  run: MergeFacts['run'],
  context: HandlerContext,
): Promise<Extract<Outcome, { events: unknown }>['events']> {
  const { store, newId } = context;
  const pull = await store.pullRequest(subject);
  // What moved meanwhile is tested anyway.
  if (!pull || !run || pull.headSha !== wish.headSha || !(await isHeard(repository, context))) return [];
  const runId = newId();
  await store.savePullRequest({ ...pull, runId });
  const request = { repository, change: run.change, subject, trigger: 'command', previousId: run.id } as const;
  return [{ kind: 'run.requested', runId, request }];
}

export async function onMergeCalled(event: EventOf<'merge.called'>, { store, now }: HandlerContext): Promise<Outcome> {
  const { subject, repository, requestId } = event;
  const wish = await store.mergeRequest(requestId);
  if (!wish) return nothing;
  await store.saveMergeRequest({ ...wish, ...callEnded(wish, event, now) });
  return { effects: [lookAtWish(requestId, subject, repository)], events: [] };
}

/** A run of this pull request has ended. */
export async function onChangeTested(event: EventOf<'change.tested'>, context: HandlerContext): Promise<Outcome> {
  return { effects: await wishesLookedAt(event.subject, event.repository, context), events: [] };
}
