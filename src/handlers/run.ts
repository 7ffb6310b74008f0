import type { EventOf, RunEvent } from '../core/event.ts';
import type { Run } from '../core/model.ts';
import { advance, type RunContext, type RunStep, startRun } from '../core/run.ts';
import { backendsFor } from '../core/serving.ts';
import { type HandlerContext, nothing, type Outcome } from './handler.ts';

/** Runs: what a run is told moves it, and nothing else does. */

export async function onRunRequested(event: EventOf<'run.requested'>, context: HandlerContext): Promise<Outcome> {
  if (await context.store.run(event.runId)) return nothing;
  const step = startRun(event.runId, event.request, runContext(context, []));
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
  const backends = backendsFor(context.serving, run.repository.name, branchOf(run));
  const step = advance(run, event, runContext(context, backends));
  await context.store.saveRun(step.run, run);
  return outcomeOf(step);
}

const runContext = ({ now, newId }: HandlerContext, backends: string[]): RunContext => ({ now, newId, backends });

const branchOf = ({ change }: Run): string =>
  change.kind === 'pull-request' ? change.base.ref : change.ref.replace(/^refs\/heads\//, '');

const outcomeOf = (step: RunStep): Outcome => ({ effects: step.effects, events: [] });
