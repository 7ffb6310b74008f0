import type { PullRequest } from '../core/change.ts';
import type { Event, EventOf } from '../core/event.ts';
import { matchSubject, neverMatches } from '../core/match-partners.ts';
import { isOpenWish } from '../core/merge-request.ts';
import { messages } from '../core/messages.ts';
import { policyFor } from '../core/policy.ts';
import { type Stack, stackOf } from '../core/stack.ts';
import { wishesLookedAt } from './command.ts';
import type { DelayedEffect, HandlerContext, Outcome } from './handler.ts';
import { isHeard, nothing } from './handler.ts';

/** Pull requests of one branch name in several repositories of a stack: each is tested with the others. */

/** What a move of this pull request tells those of the same branch name; nobody, when its repository stands alone. */
export function matchTold(
  pull: Pick<PullRequest, 'headRef'>,
  repository: EventOf<'match.told'>['repository'],
  stacks: readonly Stack[],
): Event[] {
  const stack = stackOf(stacks, repository.name);
  if (stack.repositories.length < 2 || neverMatches(pull.headRef, [])) return [];
  const subject = matchSubject(stack.name, pull.headRef);
  return [{ kind: 'match.told', subject, repository, branch: pull.headRef }];
}

/** Everybody who has the name looks again, one after the other: so of two that were opened in one second the later one is
 *  seen by the earlier one too, whatever the order in which their events are handled. */
export async function onMatchTold(event: EventOf<'match.told'>, { store, serving }: HandlerContext): Promise<Outcome> {
  const stack = stackOf(serving.stacks, event.repository.name);
  const found: { pull: PullRequest; effects: DelayedEffect[] }[] = [];
  for (const { repository: name } of stack.repositories) {
    const repository = await store.repositoryByName(name);
    if (!repository) continue;
    const { key, installation } = repository;
    const ref = { key, name: repository.name, installation };
    for (const pull of await store.pullRequestsFrom(key, event.branch)) {
      // Whoever waits to be merged after it looks, too.
      const wishes = await wishesLookedAt(pull.subject, ref, { store });
      found.push({ pull, effects: [{ kind: 'inspect.partners', subject: pull.subject, repository: ref }, ...wishes] });
    }
  }
  if (found.length < 2) return nothing;
  return { effects: found.filter(({ pull }) => pull.state === 'open').flatMap(({ effects }) => effects), events: [] };
}

/** Its partners are others now: it is tested again, or its readers are told. */
export async function onPartnersSeen(event: EventOf<'partners.seen'>, context: HandlerContext): Promise<Outcome> {
  const { subject, repository, runId, news } = event;
  const pull = await context.store.pullRequest(subject);
  // It moved or was tested again meanwhile: that run has chosen anew.
  if (pull?.state !== 'open' || pull.runId !== runId || !(await isHeard(repository, context))) return nothing;
  const run = await context.store.run(runId);
  if (!run) return nothing;
  // What it was tested with has landed, as it was tested: who asked for it to be merged need not wait for another test.
  const isWanted = (await context.store.mergeRequests(subject)).some(isOpenWish);
  if (isWanted && news.every(({ because }) => because === 'merged')) return nothing;
  const notes = news.map(({ why }) => why);
  if (policyFor(context.serving.policy, pull.baseRef).partners === 'note') {
    return { effects: [], events: [{ kind: 'run.noted', runId, notes }] };
  }
  const next = context.newId();
  await context.store.savePullRequest({ ...pull, runId: next });
  const { change } = run;
  const request = { repository, change, subject, trigger: 'partner', previousId: runId } as const;
  return {
    effects: [],
    events: [
      { kind: 'run.ended', runId, by: 'cancelled', why: messages.partnersMoved(notes) },
      { kind: 'run.requested', runId: next, request },
    ],
  };
}
