import { branchOf } from '../core/change.ts';
import type { Event, EventOf, RunEvent } from '../core/event.ts';
import type { KnownFlapper } from '../core/flapper.ts';
import { entriesSeen } from '../core/flapper-sight.ts';
import type { Run, Source } from '../core/model.ts';
import { advance, type RunContext, type RunStep, startRun } from '../core/run.ts';
import { backendsFor, noBackendWhy, observingBackends, type ServedChange } from '../core/serving.ts';
import { sightOf } from '../core/sight.ts';
import { readingsOf } from '../core/testlog-readings.ts';
import { type HandlerContext, nothing, type Outcome } from './handler.ts';

/** Runs: what a run is told moves it, and nothing else does. */

export async function onRunRequested(event: EventOf<'run.requested'>, context: HandlerContext): Promise<Outcome> {
  if (await context.store.run(event.runId)) return nothing;
  const { request } = event;
  const change = await servedChange({ ...request, sources: request.given?.sources ?? [] }, context);
  const step = startRun(event.runId, request, runContext(context, change));
  await context.store.saveRun(step.run);
  return outcomeOf(step);
}

export async function onRunEvent(
  event: Exclude<RunEvent, { kind: 'run.requested' }> & { runId: string },
  context: HandlerContext,
): Promise<Outcome> {
  const run = await context.store.run(event.runId);
  // What was told of a run can overtake the row that it speaks of.
  if (!run) return { tryLater: `run ${event.runId} is not stored yet` };
  const isNewest = await mayOpenAgain(event, run, context);
  const change = await servedChange(run, context);
  const known = event.kind === 'build.observed' ? await tellableFlappers(change, context) : [];
  const step = advance(run, event, { ...runContext(context, change, known), isNewest });
  await context.store.saveRun(step.run, run);
  if (event.kind === 'build.observed') {
    for (const reading of readingsOf(step.run, event, context.now)) await context.store.saveTests(reading);
  }
  return { ...outcomeOf(step), events: [...chosenTold(event, run), ...testedTold(step.run, run)] };
}

/** Whoever waits for its verdict looks again. */
const testedTold = ({ id: runId, state, subject, repository }: Run, before: Run): Event[] =>
  state === 'finished' && before.state !== 'finished' ? [{ kind: 'change.tested', subject, repository, runId }] : [];

/** Its partners are chosen: those of the same name look whether they see it the same way. */
function chosenTold(event: RunEvent, { repository }: Run): Event[] {
  if (event.kind !== 'sources.resolved' && event.kind !== 'sources.failed') return [];
  const { matching } = event.manifest ?? {};
  return matching ? [{ kind: 'match.told', subject: matching.subject, repository, branch: matching.branch }] : [];
}

/** Asked only where it matters: of the newest run of its commit, what has ended may go on. */
async function mayOpenAgain(event: RunEvent, run: Run, { store }: HandlerContext): Promise<boolean> {
  if (run.state !== 'finished' || (event.kind !== 'build.observed' && event.kind !== 'run.retried')) return false;
  return (await store.runOf(run.subject, run.change.sha))?.id === run.id;
}

/** By what its repositories are now. */
async function servedChange(
  { repository, change, sources }: Pick<Run, 'repository' | 'change'> & { sources: Pick<Source, 'repository'>[] },
  { store }: HandlerContext,
): Promise<ServedChange> {
  const isPrivate = await store.holdPrivate([repository.key, ...sources.map((source) => source.repository.key)]);
  return { repository: repository.name, branch: branchOf(change), isPrivate };
}

/** What excuses a failure is told with it, on checks too: of private repositories nothing is told where not all is private. */
async function tellableFlappers({ isPrivate }: ServedChange, { serving, store }: HandlerContext) {
  const { known } = serving.flappers;
  return isPrivate || known.length === 0 ? known : entriesSeen(sightOf(await store.privateRepositories()), known);
}

const runContext = (
  { now, newId, serving }: HandlerContext,
  change: ServedChange,
  known: readonly KnownFlapper[] = [],
): RunContext => ({
  now,
  newId,
  backends: backendsFor(serving, change),
  noBackend: noBackendWhy(serving, change),
  observing: observingBackends(serving),
  flappers: {
    known,
    offFor: serving.flappers.off,
    rules: serving.policy,
    retries: (backend) => serving.backends.some(({ name, retries }) => name === backend && retries === true),
  },
});

const outcomeOf = (step: RunStep) => ({ effects: step.effects, events: [] });
