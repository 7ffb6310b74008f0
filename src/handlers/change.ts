import {
  type Branch,
  type ChangeDecision,
  decideBranch,
  decidePullRequest,
  isFork,
  lookAgainMs,
  type PullRequest,
  shortRef,
} from '../core/change.ts';
import {
  type BranchSnapshot,
  branchSubject,
  type Event,
  type EventOf,
  type Look,
  type PullRequestSnapshot,
  pullRequestSubject,
  type RepositoryFacts,
  type RunRequest,
} from '../core/event.ts';
import { samePullRequest } from '../core/fact-key.ts';
import type { RepositoryRef } from '../core/model.ts';
import { policyFor } from '../core/policy.ts';
import { serviceOf, watchedBranches } from '../core/serving.ts';
import { descriptionAsks, wishesLookedAt } from './command.ts';
import type { DelayedEffect, HandlerContext, Outcome } from './handler.ts';
import { nothing } from './handler.ts';
import { matchTold } from './matching.ts';

/** Branches and pull requests: a hint makes us look, and what we see decides. */

export async function onBranchHinted(event: EventOf<'branch.hinted'>, context: HandlerContext): Promise<Outcome> {
  const { repository, ref, sha, catchUp } = event;
  const refused = notServed(repository, context);
  if (refused) return refused;
  const subject = branchSubject(repository.key, ref);
  const look: Look = { toldBy: context.key, hinted: sha, number: 1, catchUp };
  const known = await context.store.branch(subject);
  const isEachTested = policyFor(context.serving.policy, shortRef(ref)).commits === 'all';
  const passedSince = isEachTested ? (known?.sha ?? undefined) : undefined;
  return { effects: [{ kind: 'inspect.branch', subject, repository, ref, look, passedSince }], events: [] };
}

/** Generation 0: nobody told us of it, and it was not tested. */
export async function onBranchNoted(event: EventOf<'branch.noted'>, context: HandlerContext): Promise<Outcome> {
  const { repository, ref, sha } = event;
  const subject = branchSubject(repository.key, ref);
  if (await context.store.branch(subject)) return nothing;
  await context.store.saveBranch({ subject, repositoryKey: repository.key, ref, sha, generation: 0 });
  return nothing;
}

export async function onPullRequestHinted(
  event: EventOf<'pull-request.hinted'>,
  context: HandlerContext,
): Promise<Outcome> {
  const { repository, number, told, catchUp } = event;
  const refused = notServed(repository, context);
  if (refused) return refused;
  const subject = pullRequestSubject(repository.key, number);
  const look: Look = { toldBy: context.key, hinted: told.headSha, number: 1, catchUp };
  return { effects: [{ kind: 'inspect.pull-request', subject, repository, number, look }], events: [] };
}

export async function onBranchSeen(event: EventOf<'branch.seen'>, context: HandlerContext): Promise<Outcome> {
  const { repository, snapshot, subject, look } = event;
  const { current, facts } = seenAs(repository, snapshot, context);
  const known = await context.store.branch(subject);
  if (facts.state !== 'watched') {
    await context.store.saveBranch(unseenBranch(event, known));
    return { effects: [], events: [noted(current, facts)] };
  }
  // A head that was only noted is news when somebody tells us of it.
  const compared = known?.generation === 0 && look.hinted === snapshot.sha ? undefined : known;
  const { commits } = policyFor(context.serving.policy, shortRef(snapshot.ref));
  const decision = decideBranch(compared, snapshot, watchedBranches(repository.key, context.serving), commits);
  const again = lookAgainMs(decision, look, snapshot.sha);
  if (again !== undefined) {
    const next = { ...look, number: look.number + 1 };
    return {
      effects: [{ kind: 'inspect.branch', subject, repository, ref: snapshot.ref, look: next, afterMs: again }],
      events: [],
    };
  }
  if (decision.because === 'unmoved') {
    if (known && known.toldBy !== look.toldBy) {
      await context.store.saveBranch({ ...known, generation: known.generation + 1 });
    }
    return nothing;
  }
  const runId = decision.start && context.newId();
  const branch: Branch = {
    subject,
    repositoryKey: repository.key,
    ref: snapshot.ref,
    sha: snapshot.sha,
    generation: (known?.generation ?? 0) + 1,
    toldBy: look.toldBy,
    runId: runId ?? known?.runId,
  };
  await context.store.saveBranch(branch);
  const place = { repository: current, subject };
  const requested = requestRun(runId, decision.start, { ...place, ...beginningBy('push', look) });
  // The commits before the newest wait for their turn, as what an absence left does.
  const passed = (decision.alsoStart ?? []).flatMap((change) =>
    requestRun(context.newId(), { change }, { ...place, trigger: 'push', catchUp: true }),
  );
  return { effects: [], events: [noted(current, facts), ...endRun(known?.runId, decision), ...requested, ...passed] };
}

export async function onPullRequestSeen(
  event: EventOf<'pull-request.seen'>,
  context: HandlerContext,
): Promise<Outcome> {
  const { repository, snapshot, subject, look } = event;
  const { current, facts } = seenAs(repository, snapshot, context);
  const known = await context.store.pullRequest(subject);
  if (facts.state !== 'watched') {
    const refused: ChangeDecision = { because: 'not-watched' };
    await context.store.savePullRequest({
      ...nextPullRequest(event, known, refused, undefined, context.now),
      headSha: '',
      toldBy: undefined,
    });
    return { effects: [], events: [noted(current, facts)] };
  }
  const policy = policyFor(context.serving.policy, snapshot.base.ref);
  const decision = decidePullRequest(known, snapshot, policy);
  const again = lookAgainMs(decision, look, snapshot.head.sha);
  if (again !== undefined) {
    const next = { ...look, number: look.number + 1 };
    const effect: DelayedEffect = {
      kind: 'inspect.pull-request',
      subject,
      repository,
      number: snapshot.number,
      look: next,
      afterMs: again,
    };
    return { effects: [effect], events: [] };
  }
  const runId = decision.start && context.newId();
  const next = nextPullRequest(event, known, decision, runId, context.now);
  await context.store.savePullRequest(next);
  const matching = decision.because === 'unmoved' ? [] : matchTold(next, current, context.serving.stacks);
  const requested = requestRun(runId, decision.start, {
    repository: current,
    subject,
    ...beginningBy('pull-request', look),
  });
  // Its description speaks once, when it is opened, and not to a bot that comes years later.
  const isOpened = known === undefined && decision.because === 'new' && !look.catchUp;
  return {
    effects: [
      ...(await wishesLookedAt(subject, current, context)),
      ...(isOpened ? descriptionAsks(event, current) : []),
    ],
    events: [noted(current, facts), ...endRun(known?.runId, decision), ...requested, ...matching],
  };
}

export async function onChangeUnreadable(event: EventOf<'change.unreadable'>): Promise<Outcome> {
  return { effects: [], events: [noted(event.repository, { state: 'removed', why: event.why })] };
}

const factsOf = ({ head, base, title, state, draft }: EventOf<'pull-request.seen'>['snapshot']) => ({
  headSha: head.sha,
  baseRef: base.ref,
  title,
  state,
  draft,
});

/** What it looks like is read only where it is served. */
function notServed(repository: RepositoryRef, { serving }: HandlerContext): Outcome | undefined {
  const facts = serviceOf({ ...repository, private: false }, serving);
  return facts.state === 'watched' ? undefined : { effects: [], events: [noted(repository, facts)] };
}

/** A look shows the repository under its name of now. */
function seenAs(
  repository: RepositoryRef,
  seen: BranchSnapshot | PullRequestSnapshot,
  { serving }: HandlerContext,
): { current: RepositoryRef; facts: RepositoryFacts } {
  const current = { ...repository, name: seen.repositoryName };
  const { private: isPrivate, defaultBranch } = seen;
  return {
    current,
    facts: { ...serviceOf({ ...current, private: isPrivate }, serving), private: isPrivate, defaultBranch },
  };
}

const noted = (repository: RepositoryRef, facts: RepositoryFacts): Event => ({
  kind: 'repository.noted',
  repository,
  facts,
});

/** Refused now: known as without a head, so that it is new on the day when it is served. */
const unseenBranch = ({ subject, repository, snapshot }: EventOf<'branch.seen'>, known?: Branch): Branch => ({
  subject,
  repositoryKey: repository.key,
  ref: snapshot.ref,
  sha: null,
  generation: (known?.generation ?? 0) + 1,
  runId: known?.runId,
});

/** A hint's key is spent when it was handled, whatever was seen. What did not move counts a generation for it all the
 *  same: the same fact, told again when it is true, must not look like one that was handled. */
function nextPullRequest(
  event: EventOf<'pull-request.seen'>,
  known: PullRequest | undefined,
  decision: ChangeDecision,
  runId: string | undefined,
  now: Date,
): PullRequest {
  const { snapshot, look } = event;
  const moved = decision.because !== 'unmoved' || !known || !samePullRequest(known, factsOf(snapshot));
  return {
    subject: event.subject,
    repositoryKey: event.repository.key,
    number: snapshot.number,
    title: snapshot.title,
    state: snapshot.state,
    draft: snapshot.draft,
    headRef: snapshot.head.ref,
    headSha: snapshot.head.sha,
    headRepositoryKey: snapshot.head.repositoryKey,
    fork: isFork(snapshot),
    baseRef: snapshot.base.ref,
    baseSha: snapshot.base.sha,
    author: snapshot.author,
    generation: (known?.generation ?? 0) + (moved || known?.toldBy !== look.toldBy ? 1 : 0),
    toldBy: moved ? look.toldBy : known?.toldBy,
    runId: runId ?? known?.runId,
    heads: headsOf(known, snapshot.head.sha, now),
    allowedSha: known?.allowedSha,
  };
}

const MOST_HEADS = 20;

/** Each head with the moment when it was first seen there; one that came back is there twice. */
function headsOf(known: PullRequest | undefined, sha: string, seenAt: Date): PullRequest['heads'] {
  const heads = known?.heads ?? [];
  return heads.at(-1)?.sha === sha ? heads : [...heads, { sha, seenAt }].slice(-MOST_HEADS);
}

/** The run before is told that it is over. A run that has ended already takes no notice. */
function endRun(runId: string | undefined, decision: ChangeDecision): Event[] {
  return runId && decision.end ? [{ kind: 'run.ended', runId, ...decision.end }] : [];
}

type Wanted = Pick<RunRequest, 'repository' | 'subject' | 'trigger' | 'catchUp'>;

const beginningBy = (trigger: 'push' | 'pull-request', { catchUp }: Look): Pick<Wanted, 'trigger' | 'catchUp'> =>
  catchUp ? { trigger: 'reconciliation', catchUp } : { trigger };

const requestRun = (runId: string | undefined, start: ChangeDecision['start'], wanted: Wanted): Event[] =>
  runId && start ? [{ kind: 'run.requested', runId, request: { ...wanted, ...start } }] : [];
