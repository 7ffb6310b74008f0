import { commandsIn } from '../core/command.ts';
import type { EffectOf } from '../core/effect.ts';
import { pullRequestSubject, type SeenMergeFacts } from '../core/event.ts';
import {
  type CallOutcome,
  type CommentNow,
  DESCRIPTION,
  isOpenWish,
  type Overlap,
  type PartnerGate,
} from '../core/merge-request.ts';
import type { Author, RepositoryRef, Run } from '../core/model.ts';
import { dependencyOrder, inStack, isSameName, stackOf } from '../core/stack.ts';
import { ForgeError, type MergeOutcome, type MergeState } from '../forge/forge.ts';
import { SourceError } from '../sources/sources.ts';
import type { StoredMergeRequest } from '../store/store.ts';
import { done, type Performed, type World } from './effect.ts';
import { stackFor, untoldNames } from './stack.ts';

/** The merge gate's eyes and hands: what it has to know is read anew each time, and what it decides is done here. */

export async function inspectMerge(
  effect: EffectOf<'merge.inspect'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  const { subject, repository, number, requestId } = effect;
  const request = await world.store.mergeRequest(requestId);
  if (request?.state !== 'open') return done;
  const forge = world.forge(repository);
  const live = await forge.readMergeState(repository, number, signal);
  const run = request.headSha === 'unclear' ? undefined : await world.store.runOf(subject, request.headSha);
  const requester: Author = { id: request.requesterId, login: request.requester };
  const facts: SeenMergeFacts = {
    pullRequest: live ? await atLiveBase(live, repository, world, signal) : 'gone',
    requester: await forge.permissionOf(repository, requester, signal),
    comment: await commentNow(request, { repository, number }, world, signal),
    partners: run ? await partnersOf(run, world) : [],
    ...(effect.compare && run && { overlap: await overlapOf(effect.compare, run, world, signal) }),
    ...(effect.compareTrees && { landed: await landedAs(run, live?.mergedSha, repository, world, signal) }),
  };
  return { events: [{ kind: 'merge.seen', subject, repository, requestId, facts }] };
}

/** GitHub's `base.sha` of a pull request stays where the base was when the head was last pushed. */
async function atLiveBase(
  live: MergeState,
  repository: RepositoryRef,
  world: World,
  signal: AbortSignal,
): Promise<MergeState> {
  if (live.state !== 'open') return live;
  const { ref } = live.base;
  const branch = await world.forge(repository).readBranch(repository, `refs/heads/${ref}`, signal);
  return branch?.sha ? { ...live, base: { ref, sha: branch.sha } } : live;
}

async function commentNow(
  request: StoredMergeRequest,
  { repository, number }: { repository: RepositoryRef; number: number },
  world: World,
  signal: AbortSignal,
): Promise<CommentNow> {
  const forge = world.forge(repository);
  const read =
    request.commentId === DESCRIPTION
      ? await forge.readDescription(repository, number, signal)
      : await forge.readComment(repository, request.commentId, signal);
  if (!read) return 'deleted';
  const asks = commandsIn(read.body).includes('merge on success');
  return { asks, ...(read.editedBy && { editedById: read.editedBy.id }) };
}

/** Those that were tested together with it, and on which it builds; of what was tested before the repository became
 *  public, those that may be named now. */
async function partnersOf(run: Run, world: World): Promise<PartnerGate[]> {
  const partners = run.manifest?.partners ?? [];
  const untold = await untoldNames(
    run.repository,
    partners.map(({ repository }) => repository),
    world,
  );
  const stack = stackOf(world.serving.stacks, run.repository.name);
  const order = dependencyOrder(stack);
  const rank = (name: string) => order.indexOf(inStack(stack, name)?.repository ?? name);
  const gates: PartnerGate[] = [];
  for (const { repository: name, number } of partners) {
    if (rank(name) >= rank(run.repository.name) || untold.includes(name)) continue;
    const key = run.sources.find(({ repository }) => isSameName(repository.name, name))?.repository.key;
    const state = key === undefined ? 'unwanted' : await partnerState(pullRequestSubject(key, number), world);
    gates.push({ name: `${name}#${number}`, state });
  }
  return gates;
}

async function partnerState(subject: string, { store }: World): Promise<PartnerGate['state']> {
  const pull = await store.pullRequest(subject);
  if (pull && pull.state !== 'open') return pull.state;
  return (await store.mergeRequests(subject)).some(isOpenWish) ? 'wanted' : 'unwanted';
}

/** What both sides touched since the base that was tested. What cannot be found out is not complete. */
async function overlapOf(
  { from, to }: { from: string; to: string },
  run: Run,
  world: World,
  signal: AbortSignal,
): Promise<Overlap> {
  const { repository, change } = run;
  const baseRef = change.kind === 'pull-request' ? `refs/heads/${change.base.ref}` : change.ref;
  try {
    const remote = await world.forge(repository).remote(repository, signal);
    await world.sources.ensureCommit(remote, { sha: to, ref: baseRef }, signal);
    const base = await world.sources.touchedFiles(remote, from, to, signal);
    const own = await world.sources.touchedFiles(remote, from, change.sha, signal);
    const pins = inStack(await stackFor(repository, world), repository.name)?.pins ?? {};
    return {
      from,
      to,
      files: base.files.filter((file) => own.files.includes(file)),
      pins: Object.entries(pins).flatMap(([pinned, file]) => (base.files.includes(file) ? [pinned] : [])),
      isComplete: base.complete && own.complete,
    };
  } catch (error) {
    if (!(error instanceof SourceError) || error.retry) throw error;
    return { from, to, files: [], pins: [], isComplete: false };
  }
}

/** Is the tree that landed the one that was tested? */
async function landedAs(
  run: Run | undefined,
  mergedSha: string | undefined,
  repository: RepositoryRef,
  world: World,
  signal: AbortSignal,
): Promise<NonNullable<SeenMergeFacts['landed']>> {
  const source = run?.sources.find(({ changed }) => changed);
  if (!source || mergedSha === undefined) return 'unknown';
  const forge = world.forge(repository);
  const tested = source.merged?.tree ?? (await forge.treeOf(repository, source.sha, signal));
  const landed = await forge.treeOf(repository, mergedSha, signal);
  if (tested === undefined || landed === undefined) return 'unknown';
  return tested === landed ? 'same' : 'differs';
}

/** Whatever becomes of the call is told: the gate waits for it. It is made again by the gate, not by the queue. */
export async function callMerge(effect: EffectOf<'merge.call'>, world: World, signal: AbortSignal): Promise<Performed> {
  const { subject, repository, requestId, count } = effect;
  const request = await world.store.mergeRequest(requestId);
  if (request?.call?.count !== count || request.call.outcome !== 'under-way') return done;
  const outcome = await callOutcome(effect, world, signal);
  return {
    events: [{ kind: 'merge.called', subject, repository, requestId, count, ...outcome }],
    spacingMs: world.writeSpacingMs,
  };
}

async function callOutcome(
  { repository, number, sha, method }: EffectOf<'merge.call'>,
  world: World,
  signal: AbortSignal,
): Promise<{ outcome: CallOutcome; said?: string }> {
  const forge = world.forge(repository);
  try {
    if (method === 'queue') {
      const queued = await forge.ensureQueued(repository, number, sha, signal);
      return queued.kind === 'queued' ? { outcome: 'queued' } : { outcome: 'not-mergeable', said: queued.why };
    }
    const merged = await forge.ensureMerged(repository, number, { sha, method }, signal);
    return { outcome: OUTCOMES[merged.kind], ...(merged.kind !== 'merged' && { said: merged.why }) };
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    // Before anything was sent: it is not doubtful, and the queue waits for the rest that GitHub asked for.
    if (error.kind === 'rate-limited') throw error;
    return error.kind === 'denied' ? { outcome: 'forbidden', said: error.message } : { outcome: 'doubtful' };
  }
}

const OUTCOMES: Record<MergeOutcome['kind'], CallOutcome> = {
  merged: 'merged',
  'head-moved': 'head-moved',
  'not-mergeable': 'not-mergeable',
  denied: 'forbidden',
  refused: 'invalid',
};

export async function takeBack(
  { repository, number }: EffectOf<'merge.take-back'>,
  world: World,
  signal: AbortSignal,
): Promise<Performed> {
  await world.forge(repository).ensureNotQueued(repository, number, signal);
  return { events: [], spacingMs: world.writeSpacingMs };
}
