import { branchOf } from '../core/change.ts';
import type { Event, EventOf, RunEvent } from '../core/event.ts';
import type { Run } from '../core/model.ts';
import { advance, type RunContext, type RunStep, startRun } from '../core/run.ts';
import { backendsFor, observingBackends } from '../core/serving.ts';
import { readingsOf } from '../core/testlog-readings.ts';
import { type HandlerContext, nothing, type Outcome } from './handler.ts';

/** Runs: what a run is told moves it, and nothing else does. */

export async function onRunRequested(event: EventOf<'run.requested'>, context: HandlerContext): Promise<Outcome> {
  if (await context.store.run(event.runId)) return nothing;
  const { change, repository } = event.request;
  const backends = backendsFor(context.serving, repository.name, branchOf(change));
  const step = startRun(event.runId, event.request, runContext(context, backends));
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
  const backends = backendsFor(context.serving, run.repository.name, branchOf(run.change));
  const isNewest = await mayOpenAgain(event, run, context);
  const step = advance(run, event, { ...runContext(context, backends), isNewest });
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

const runContext = ({ now, newId, serving }: HandlerContext, backends: string[]): RunContext => ({
  now,
  newId,
  backends,
  observing: observingBackends(serving),
  flappers: {
    known: serving.flappers.known,
    offFor: serving.flappers.off,
    rules: serving.policy,
    retries: (backend) => serving.backends.some(({ name, retries }) => name === backend && retries === true),
  },
});

const outcomeOf = (step: RunStep) => ({ effects: step.effects, events: [] });
