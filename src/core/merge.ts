import { backOffMs } from './back-off.ts';
import type {
  CallOutcome,
  LivePullRequest,
  MergeCall,
  MergeDecision,
  MergeDecisionOf,
  MergeFacts,
  MergeRequest,
} from './merge-request.ts';
import { hasMoved, notTested, staleTest } from './merge-tested.ts';
import { type MergeAnswer, mergeAnswer } from './messages-commands.ts';
import { mayWrite } from './permission.ts';

/**
 * The merge gate. A wish is `open` until it is `merged`, `refused`, `asked` (its author has to say it again) or
 * `withdrawn`; nothing opens it again.
 *
 * What is merged is the sha that its author could see, when all that has to pass has passed for just that sha, in this
 * pull request, by the newest run. The questions are asked in this order, and the first one that has an answer decides:
 *
 * 1. Is it over, or unclear what was meant?
 * 2. Is a call to GitHub under way, or doubtful? Then nothing is said or done before its outcome is known: else we
 *    would say "not merged" of what is merged a moment later.
 * 3. Is it merged already, by us or by others?
 * 4. Does the wish still hold? Its comment, its author's permission, the head, the base, draft, conflict.
 * 5. Is it in GitHub's queue, or did GitHub refuse for good?
 * 6. Did the tests pass, and is the base that they ran on still good enough?
 * 7. Does GitHub let it through, and is its turn in the stack?
 *
 * All that waits for others does so for a week at most. Asking twice changes nothing: a decision depends on what is
 * stored and what is the case, and `stepMerge` stores what it has begun.
 */
export function decideMerge(request: MergeRequest, facts: MergeFacts): MergeDecision {
  const first =
    unanswerable(request) ?? callUnknown(request, facts) ?? landed(request, facts) ?? voided(request, facts);
  if (first) return first;
  const decision =
    refusedCall(request) ??
    queued(request, facts) ??
    notTested(request, facts) ??
    staleTest(request, facts) ??
    notMergeable(facts) ??
    partnersFirst(facts) ??
    triedOften(request, facts) ??
    goAhead(request, facts);
  return isOverdue(request, facts) && !ACTS.has(decision.kind) ? tooLate(request, facts, decision) : decision;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
/** How long a wish waits for others. */
const PATIENCE_MS = 7 * 24 * 60 * MINUTE_MS;
/** A merge that GitHub did not answer shows after this, if it was made. */
const DOUBT_MS = 30 * SECOND_MS;
const MOST_CALLS = 5;

/** These end the wish, or bring it forward. */
const ACTS = new Set<MergeDecision['kind']>(['merge', 'hand-over', 'refuse', 'done']);

function unanswerable(request: MergeRequest): MergeDecision | undefined {
  if (request.state !== 'open') return { kind: 'nothing', because: 'ended' };
  return request.headSha === 'unclear' ? { kind: 'ask', because: 'head-unclear' } : undefined;
}

function callUnknown({ call }: MergeRequest, { now, pullRequest }: MergeFacts): MergeDecision | undefined {
  if (call?.outcome === 'under-way') return wait('call-under-way', 5 * MINUTE_MS);
  const isMerged = pullRequest !== 'gone' && pullRequest.state === 'merged';
  if (!call || isMerged || (call.outcome !== 'doubtful' && call.outcome !== 'queued')) return undefined;
  const restMs = call.at.getTime() + DOUBT_MS - now.getTime();
  return restMs > 0 ? wait('doubtful', restMs) : undefined;
}

function landed(request: MergeRequest, facts: MergeFacts): MergeDecision | undefined {
  const { pullRequest } = facts;
  const isOurs = request.call?.outcome === 'merged';
  if (!isOurs && (pullRequest === 'gone' || pullRequest.state !== 'merged')) return undefined;
  if (!isOurs && pullRequest !== 'gone' && pullRequest.headSha !== request.headSha) return refuse('head-moved');
  // A call that failed, and yet it is merged: by whom does not show. The tree is compared in any case of ours.
  if (!request.call) return { kind: 'done', because: 'merged-by-others', landed: 'unknown' };
  if (facts.landed === undefined) return { kind: 'compare-trees', because: 'merged' };
  return { kind: 'done', because: 'merged', landed: facts.landed };
}

/** The wish does not hold any more, whatever the tests say. */
function voided(request: MergeRequest, facts: MergeFacts): MergeDecision | undefined {
  const { pullRequest, comment, requester } = facts;
  const takeBack = isOursToTakeBack(request, facts);
  if (request.cancelledById) return withdraw('cancelled', takeBack);
  if (pullRequest === 'gone') return refuse('gone');
  if (pullRequest.state === 'closed') return refuse('closed');
  if (comment === 'deleted') return withdraw('comment-deleted', takeBack);
  // Whose words they are now, nobody can tell: an owner of the repository may edit other people's comments.
  if ((comment.editedById ?? request.requesterId) !== request.requesterId) return refuse('comment-edited', takeBack);
  if (!comment.asks) return withdraw('command-removed', takeBack);
  if (!mayWrite(requester)) return refuse('permission-lost', takeBack);
  const because = movedOn(request, pullRequest);
  return because && refuse(because, takeBack);
}

function movedOn(
  { headSha, baseRef }: MergeRequest,
  live: LivePullRequest,
): MergeDecisionOf<'refuse'>['because'] | undefined {
  if (live.headSha !== headSha) return 'head-moved';
  if (live.base.ref !== baseRef) return 'base-changed';
  if (live.draft || live.mergeState === 'draft') return 'draft';
  return live.mergeable === false || live.mergeState === 'dirty' ? 'conflict' : undefined;
}

/** Who queued it by hand may have it stay there. */
const isOursToTakeBack = ({ call }: MergeRequest, facts: MergeFacts): boolean =>
  call?.outcome === 'queued' && isQueued(facts);

const isQueued = ({ pullRequest }: MergeFacts): boolean => pullRequest !== 'gone' && pullRequest.queue === 'queued';

/** 409 means that the head moved, even if reading does not show it yet: what is there now was not asked for. */
function refusedCall({ call }: MergeRequest): MergeDecision | undefined {
  switch (call?.outcome) {
    case 'head-moved':
    case 'forbidden':
    case 'invalid':
      return refuse(call.outcome, false, saidOf(call));
    default:
      return undefined;
  }
}

/** GitHub tests and merges it in its turn, or throws it out. */
function queued({ call }: MergeRequest, facts: MergeFacts): MergeDecision | undefined {
  if (isQueued(facts)) return wait('in-queue', 10 * MINUTE_MS);
  return call?.outcome === 'queued' ? refuse('left-queue') : undefined;
}

/** What GitHub itself has against it. Auto-merge is no way out: it would merge later pushes, too, which nobody who asked
 *  has seen. */
function notMergeable({ pullRequest }: MergeFacts): MergeDecision | undefined {
  if (pullRequest === 'gone' || pullRequest.queue !== 'none') return undefined;
  if (pullRequest.mergeState === 'behind') return refuse('behind');
  if (pullRequest.mergeState === 'blocked') return wait('blocked', 5 * MINUTE_MS);
  if (pullRequest.mergeable === null || pullRequest.mergeState === 'unknown')
    return wait('mergeability', 15 * SECOND_MS);
  return undefined;
}

/** In dependency order: what this one builds on comes first. */
function partnersFirst({ partners }: MergeFacts): MergeDecision | undefined {
  const namesOf = (...states: string[]) =>
    partners.filter(({ state }) => states.includes(state)).map(({ name }) => name);
  const closed = namesOf('closed');
  if (closed.length) return refuse('partner-closed', false, closed);
  const awaited = namesOf('wanted', 'unwanted');
  return awaited.length ? { ...wait('partner', 60 * MINUTE_MS), names: awaited } : undefined;
}

/** GitHub refused (405), or did not answer, and shows nothing that is in the way: again, a few times. */
function triedOften({ call }: MergeRequest, { now }: MergeFacts): MergeDecision | undefined {
  if (!call) return undefined;
  if (call.count >= MOST_CALLS) return refuse('not-mergeable', false, saidOf(call));
  const restMs = call.at.getTime() + backOffMs(call.count, 0.5, 10 * SECOND_MS) - now.getTime();
  return restMs > 0 ? wait('trying-again', restMs) : undefined;
}

function goAhead({ headSha: sha }: MergeRequest, facts: MergeFacts): MergeDecision {
  if (facts.pullRequest !== 'gone' && facts.pullRequest.queue === 'required') {
    return { kind: 'hand-over', because: 'queue-required', sha };
  }
  return { kind: 'merge', because: hasMoved(facts) ? 'base-moved' : 'all-passed', sha, method: facts.policy.merge };
}

const saidOf = ({ said }: MergeCall): string[] | undefined => (said === undefined ? undefined : [said]);

const isOverdue = ({ askedAt }: MergeRequest, { now }: MergeFacts): boolean =>
  now.getTime() - askedAt.getTime() >= PATIENCE_MS;

function tooLate(request: MergeRequest, facts: MergeFacts, awaited: MergeDecision): MergeDecision {
  return refuse('waited-too-long', isOursToTakeBack(request, facts), 'names' in awaited ? awaited.names : undefined);
}

const wait = (because: MergeDecisionOf<'wait'>['because'], lookAgainMs: number): MergeDecisionOf<'wait'> => ({
  kind: 'wait',
  because,
  lookAgainMs,
});

const refuse = (because: MergeDecisionOf<'refuse'>['because'], takeBack = false, names?: string[]): MergeDecision => ({
  kind: 'refuse',
  because,
  takeBack,
  names,
});

const withdraw = (because: MergeDecisionOf<'withdraw'>['because'], takeBack: boolean): MergeDecision => ({
  kind: 'withdraw',
  because,
  takeBack,
});

/** `answer`: what is said in words now, for the first time. */
export interface MergeStep {
  request: MergeRequest;
  decision: MergeDecision;
  reaction?: 'rocket' | 'confused';
  answer?: MergeAnswer;
}

/** Decide, and remember what that begins, ends or says: the request is to be saved before anything is done. */
export function stepMerge(request: MergeRequest, facts: MergeFacts): MergeStep {
  const decision = decideMerge(request, facts);
  const words = mergeAnswer(decision, facts);
  const answer = words && !request.told.includes(words.topic) ? words : undefined;
  const told = answer ? [...request.told, answer.topic] : request.told;
  return {
    request: { ...settled(request, decision, facts.now), told },
    decision,
    reaction: REACTIONS[decision.kind],
    answer,
  };
}

const REACTIONS: Partial<Record<MergeDecision['kind'], MergeStep['reaction']>> = {
  done: 'rocket',
  ask: 'confused',
  refuse: 'confused',
};

function settled(request: MergeRequest, decision: MergeDecision, now: Date): MergeRequest {
  switch (decision.kind) {
    case 'merge':
    case 'hand-over':
      return { ...request, call: { count: (request.call?.count ?? 0) + 1, at: now, outcome: 'under-way' } };
    case 'retest':
      return { ...request, retestedBases: [...request.retestedBases, decision.baseSha] };
    case 'ask':
      return { ...request, state: 'asked' };
    case 'refuse':
      return { ...request, state: 'refused' };
    case 'withdraw':
      return { ...request, state: 'withdrawn' };
    case 'done':
      return { ...request, state: 'merged' };
    default:
      return request;
  }
}

/** What came of the call that `stepMerge` began. Whoever calls always answers: with `doubtful`, if he has to. */
export function callEnded(
  request: MergeRequest,
  { count, outcome, said }: Pick<MergeCall, 'count' | 'said'> & { outcome: CallOutcome },
  now: Date,
): MergeRequest {
  const { call } = request;
  if (call?.count !== count || call.outcome !== 'under-way') return request;
  return { ...request, call: { count, at: now, outcome, ...(said !== undefined && { said }) } };
}
