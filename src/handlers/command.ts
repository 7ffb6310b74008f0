import type { PullRequest } from '../core/change.ts';
import { jobsOf, RUN_CHECK } from '../core/check.ts';
import { type Command, commandOfButton, commandsOf, oneRetest } from '../core/command.ts';
import type { CommandSource, Event, EventOf, RunRequest } from '../core/event.ts';
import { pullRequestSubject, resolvedOf } from '../core/event.ts';
import { boundHead } from '../core/merge-head.ts';
import { DESCRIPTION, isOpenWish, reactionTarget } from '../core/merge-request.ts';
import { messages } from '../core/messages.ts';
import { buttonMessages } from '../core/messages-buttons.ts';
import { answerKey, commandMessages, whyAnswer } from '../core/messages-commands.ts';
import type { RepositoryRef, Run } from '../core/model.ts';
import { type Allowance, decidePermission } from '../core/permission.ts';
import { policyFor } from '../core/policy.ts';
import { linkedRuns } from '../core/run-links.ts';
import { decideJobRetry, decideRetry } from '../core/run-retry.ts';
import type { StoredMergeRequest } from '../store/store.ts';
import { answerPress, newerRun } from './button.ts';
import { type DelayedEffect, type HandlerContext, isHeard, nothing, type Outcome } from './handler.ts';

/** What people ask for, in comments and by buttons. */

/** A comment that asks for something is answered at once by a reaction; then it is read again, with its author's rights. */
export async function onCommentTold(event: EventOf<'comment.told'>, context: HandlerContext): Promise<Outcome> {
  const { repository, comment } = event;
  if (!(await isHeard(repository, context))) return nothing;
  await noteLinks(event, context);
  const subject = pullRequestSubject(repository.key, comment.number);
  const { commands, unknown } = commandsOf(comment);
  if (commands.length + unknown.length === 0) {
    // A wish may have been taken back.
    return comment.action === 'created'
      ? nothing
      : { effects: await wishesLookedAt(subject, repository, context), events: [] };
  }
  const source = { kind: 'comment', number: comment.number, id: comment.id, at: comment.updatedAt } as const;
  const { id, login } = comment.author;
  return {
    effects: [
      { kind: 'comment.react', repository, target: { kind: 'comment', id: comment.id }, content: 'eyes' },
      { kind: 'command.inspect', subject, repository, source, commands, unknown, actor: { id, login } },
    ],
    events: [],
  };
}

/** Who links to a run wants to read it later: its logs and artifacts stay longer. */
async function noteLinks(
  { repository, comment }: EventOf<'comment.told'>,
  { store, publicUrl }: HandlerContext,
): Promise<void> {
  const isWord = comment.action !== 'deleted' && !comment.author.bot;
  const runIds = isWord ? linkedRuns(comment.body, publicUrl) : [];
  if (runIds.length === 0 && comment.action === 'created') return;
  await store.saveKeeps(`comment:${repository.key}:${comment.id}`, runIds);
}

/** A pull request may ask in its own words, too. */
export function descriptionAsks(
  { subject, snapshot }: EventOf<'pull-request.seen'>,
  repository: RepositoryRef,
): DelayedEffect[] {
  const { asks, number, head, author: actor } = snapshot;
  if (!asks || !repository.installation) return [];
  const source = { kind: 'description', number, headSha: head.sha } as const;
  return [
    { kind: 'comment.react', repository, target: { kind: 'pull-request', number }, content: 'eyes' },
    { kind: 'command.inspect', subject, repository, source, ...asks, actor },
  ];
}

/** A button of one of our checks: it belongs to the pull request, or branch, whose run it reports. */
export async function onCheckRerequested(
  event: EventOf<'check.rerequested'>,
  context: HandlerContext,
): Promise<Outcome> {
  const { repository, request } = event;
  const { store } = context;
  if (!(await isHeard(repository, context))) return nothing;
  const checkId = request.externalId?.replace(/:\d+$/, '');
  const ofCheck = checkId === undefined ? undefined : await store.runOfCheck(checkId);
  const run =
    ofCheck ?? (request.of === 'check_suite' ? await store.runAt(repository.key, request.headSha) : undefined);
  if (run?.repository.key !== repository.key) return nothing;
  const isRunCheck = run.checks.find(({ id }) => id === checkId)?.name === RUN_CHECK;
  const asked = commandOfButton(request, isRunCheck);
  if (!asked) return nothing;
  const jobId = asked.whole ? undefined : run.checks.find(({ id }) => id === checkId)?.jobId;
  const source: CommandSource = { kind: 'button', at: context.key, ...(jobId !== undefined && { jobId }) };
  const { subject } = run;
  const actor = request.sender;
  return {
    effects: [{ kind: 'command.inspect', subject, repository, source, commands: [asked.command], unknown: [], actor }],
    events: [],
  };
}

/** Everything that is open on a pull request is looked at again. */
export async function wishesLookedAt(
  subject: string,
  repository: RepositoryRef,
  { store }: Pick<HandlerContext, 'store'>,
): Promise<DelayedEffect[]> {
  const wishes = (await store.mergeRequests(subject)).filter(isOpenWish);
  return wishes.map(({ id }) => lookAtWish(id, subject, repository));
}

export const lookAtWish = (
  requestId: string,
  subject: string,
  repository: RepositoryRef,
): Extract<DelayedEffect, { kind: 'merge.inspect' }> => ({
  kind: 'merge.inspect',
  subject,
  repository,
  number: numberOf(subject),
  requestId,
});

/** Of a pull request, by its subject. */
const numberOf = (subject: string): number => Number(subject.slice(subject.lastIndexOf('#') + 1));

export async function onCommandSeen(event: EventOf<'command.seen'>, context: HandlerContext): Promise<Outcome> {
  const asked = await askedOf(event, context);
  if (!asked || newerRun(event.source, asked.runId)) {
    const said = asked ? buttonMessages.newerRun : buttonMessages.notKnown;
    return answerPress(event, { said: [said], isRefused: true }, context);
  }
  // Two ask at the same time: the run that the first one asked for has an id, and no row yet.
  if (asked.runId !== undefined && !asked.run) return { tryLater: `run ${asked.runId} is not stored yet` };
  const done: Done = { effects: [], events: [], said: [], isRefused: false };
  for (const command of oneRetest(event.commands)) {
    const allowance = allowanceOf(asked, command, context);
    if (!allowance.allowed) {
      done.isRefused = true;
      say(done, event, `refused-${command}`, commandMessages.refused(command, allowance.because));
    } else await obey(command, asked, allowance, done, context);
  }
  if (event.unknown.length > 0) {
    done.isRefused = true;
    say(done, event, 'unknown', commandMessages.unknown(event.unknown));
  }
  await answerPress(event, done, context);
  return { effects: [...done.effects, ...reaction(event, done)], events: done.events };
}

/** What follows from a command, gathered. */
interface Done {
  effects: DelayedEffect[];
  events: Event[];
  /** To whom pressed a button, on its page. */
  said: string[];
  /** The run that was asked for. */
  newRunId?: string;
  isRefused: boolean;
}

interface Asked {
  event: EventOf<'command.seen'>;
  pull?: PullRequest;
  /** The newest run of the pull request or branch. */
  runId?: string;
  run?: Run;
  wishes: StoredMergeRequest[];
}

async function askedOf(event: EventOf<'command.seen'>, { store }: HandlerContext): Promise<Asked | undefined> {
  const pull = await store.pullRequest(event.subject);
  const branch = pull ? undefined : await store.branch(event.subject);
  const runId = pull?.runId ?? branch?.runId;
  if (!pull && !branch) return undefined;
  const run = runId === undefined ? undefined : await store.run(runId);
  return { event, pull, runId, run, wishes: pull ? await store.mergeRequests(event.subject) : [] };
}

function allowanceOf({ event, pull, run, wishes }: Asked, command: Command, { serving }: HandlerContext): Allowance {
  const { actor, permission } = event;
  const authorId = pull?.author.id ?? (run?.change.kind === 'commit' ? run.change.author?.id : undefined);
  const isHeld = run?.state === 'waiting' || (run?.state === 'finished' && run.why === messages.forkNever);
  const policy = pull && policyFor(serving.policy, pull.baseRef);
  const hold = isHeld ? (policy?.forks === 'never' ? 'never' : 'maintainer') : undefined;
  const open = wishes.filter(isOpenWish);
  const requesterId = open.find((wish) => wish.requesterId === actor.id)?.requesterId ?? open[0]?.requesterId;
  return decidePermission({
    actor: { id: actor.id, permission },
    command,
    ...(authorId !== undefined && { authorId }),
    ...(requesterId !== undefined && { requesterId }),
    ...(hold && { hold }),
  });
}

async function obey(
  command: Command,
  asked: Asked,
  allowance: Extract<Allowance, { allowed: true }>,
  done: Done,
  context: HandlerContext,
): Promise<void> {
  switch (command) {
    case 're-test':
    case 're-test latest':
    case 're-test failed':
      return retest(command, asked, allowance.liftsHold, done, context);
    case 'merge on success':
      return wishMerge(asked, done, context);
    case 'cancel':
      return cancel(asked, done, context);
    case 'why':
      return say(done, asked.event, 'why', whyAnswer(whyState(asked)));
    case 'help':
      return say(done, asked.event, 'help', commandMessages.help);
  }
}

async function retest(
  command: Extract<Command, `re-test${string}`>,
  { event, pull, run }: Asked,
  liftsHold: boolean,
  done: Done,
  context: HandlerContext,
): Promise<void> {
  const { actor } = event;
  const refuse = (topic: string, text: string) => {
    done.isRefused = true;
    say(done, event, topic, text);
  };
  if (pull && pull.state !== 'open') return refuse('closed', commandMessages.retestClosed);
  if (!run) return refuse('nothing', commandMessages.retestNothing);
  if (pull && liftsHold) await context.store.savePullRequest({ ...pull, allowedSha: pull.headSha });
  if (run.state === 'waiting') {
    done.events.push({ kind: 'run.released', runId: run.id, by: messages.released(actor.login) });
    return;
  }
  if (run.state !== 'finished') return refuse('under-way', commandMessages.retestUnderWay(runUrl(context, run.id)));
  const hasFailed = jobsOf(run).some((job) => job.verdict !== 'passed');
  const canRetry = (name: string) => context.serving.backends.find((each) => each.name === name)?.retries === true;
  const jobId = event.source.kind === 'button' ? event.source.jobId : undefined;
  const mayTell = await isTellable(run, context);
  if (command === 're-test failed' || jobId !== undefined) {
    if (jobId === undefined && run.verdict === 'passed' && !hasFailed)
      return refuse('none-failed', commandMessages.retestNothingFailed);
    const retry = jobId === undefined ? decideRetry(run, canRetry) : decideJobRetry(run, jobId, canRetry);
    if (retry.do === 'retry' && mayTell) {
      done.events.push({ kind: 'run.retried', runId: run.id, buildIds: retry.buildIds, by: actor.login });
      return;
    }
    if (mayTell) say(done, event, 'whole', commandMessages.retestWhole);
  }
  const given = command === 're-test latest' ? undefined : givenOf(run, jobId === undefined ? [] : [JOB_ALONE]);
  if (given && !mayTell) say(done, event, 'anew', commandMessages.retestAnew);
  await startAgain(run, pull, event, mayTell ? given : undefined, done, context);
}

const { jobAlone: JOB_ALONE } = commandMessages;

/** A run that chose no commits has none to give. `notes`: of the new run. */
function givenOf({ manifest, builds, sources }: Run, notes: string[]): RunRequest['given'] {
  if (!manifest || builds.length === 0) return undefined;
  const kept = manifest.notes.filter((note) => note !== JOB_ALONE);
  return { sources: sources.map(resolvedOf), manifest: { ...manifest, notes: [...kept, ...notes] } };
}

/** Whether its commits may be told of to whoever reads its repository: that may have become public since. */
async function isTellable({ repository, sources, manifest }: Run, { store }: HandlerContext): Promise<boolean> {
  if (await store.holdPrivate([repository.key])) return true;
  if (await store.holdPrivate(sources.map((source) => source.repository.key))) return false;
  const trees = manifest?.trees.map((tree) => tree.repository) ?? [];
  return trees.length === 0 || (await store.privateNames(trees)).length === 0;
}

async function startAgain(
  run: Run,
  pull: PullRequest | undefined,
  { subject, repository, source }: EventOf<'command.seen'>,
  given: RunRequest['given'],
  done: Done,
  context: HandlerContext,
): Promise<void> {
  const runId = context.newId();
  if (pull) await context.store.savePullRequest({ ...((await context.store.pullRequest(subject)) ?? pull), runId });
  else {
    const branch = await context.store.branch(subject);
    if (branch) await context.store.saveBranch({ ...branch, runId });
  }
  const trigger = source.kind === 'button' ? 'button' : 'command';
  const request = { repository, change: run.change, subject, trigger, previousId: run.id, given } as const;
  done.events.push({ kind: 'run.requested', runId, request });
  done.newRunId = runId;
}

async function wishMerge({ event, pull, wishes }: Asked, done: Done, context: HandlerContext): Promise<void> {
  const { source, actor, subject, repository } = event;
  if (!pull || source.kind === 'button') return;
  if (pull.state !== 'open') {
    done.isRefused = true;
    return say(done, event, 'closed', commandMessages.mergeClosed);
  }
  const commentId = commentIdOf(source);
  if (wishes.some((wish) => wish.commentId === commentId)) return;
  const at = source.kind === 'comment' ? new Date(source.at) : context.now;
  const id = context.newId();
  await context.store.saveMergeRequest({
    id,
    subject,
    requesterId: actor.id,
    requester: actor.login,
    commentId,
    headSha: source.kind === 'description' ? source.headSha : boundHead(at, pull.heads),
    baseRef: pull.baseRef,
    askedAt: at,
    state: 'open',
    retestedBases: [],
    told: [],
  });
  done.effects.push(lookAtWish(id, subject, repository));
}

async function cancel({ event, run, wishes }: Asked, done: Done, { store }: HandlerContext): Promise<void> {
  const { actor, subject, repository } = event;
  const open = wishes.filter(isOpenWish);
  const isRunning = run !== undefined && run.state !== 'finished';
  if (open.length === 0 && !isRunning) return say(done, event, 'cancel', commandMessages.cancelNothing);
  for (const wish of open) {
    await store.saveMergeRequest({ ...wish, cancelledById: actor.id });
    done.effects.push(lookAtWish(wish.id, subject, repository));
  }
  if (isRunning) {
    done.events.push({ kind: 'run.ended', runId: run.id, by: 'cancelled', why: messages.cancelledBy(actor.login) });
  }
  say(done, event, 'cancel', commandMessages.cancelled);
}

function whyState({ run, wishes }: Asked) {
  const decisions = wishes.filter(isOpenWish).flatMap(({ decision }) => decision ?? []);
  return { ...(run && { run: messages.runState(run.state, run.verdict, run.why) }), wishes: decisions };
}

const runUrl = ({ publicUrl }: HandlerContext, runId: string): string =>
  `${publicUrl}/runs/${encodeURIComponent(runId)}`;

/** In words only where a reaction does not say it. */
function say(
  done: Done,
  { source, repository }: EventOf<'command.seen'>,
  topic: string,
  text: string | undefined,
): void {
  if (text === undefined) return;
  if (source.kind === 'button') {
    done.said.push(text);
    return;
  }
  const key = answerKey(commentIdOf(source), topic);
  done.effects.push({ kind: 'comment.answer', repository, number: source.number, key, text });
}

/** A wish to merge keeps its eyes until it is decided. */
function reaction({ source, repository, commands }: EventOf<'command.seen'>, { isRefused }: Done): DelayedEffect[] {
  if (source.kind === 'button') return [];
  const isWaiting = !isRefused && commands.includes('merge on success');
  const target = reactionTarget(commentIdOf(source), source.number);
  if (isWaiting) return [{ kind: 'comment.react', repository, target, content: 'eyes' }];
  return [{ kind: 'comment.react', repository, target, content: isRefused ? 'confused' : 'rocket', replaces: 'eyes' }];
}

const commentIdOf = (source: Exclude<CommandSource, { kind: 'button' }>): string =>
  source.kind === 'comment' ? source.id : DESCRIPTION;
