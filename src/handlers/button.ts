import type { PressCommand } from '../core/button.ts';
import { pressCommands } from '../core/button.ts';
import type { CommandSource, EventOf } from '../core/event.ts';
import { buttonMessages, plainWords } from '../core/messages-buttons.ts';
import { type HandlerContext, isHeard, nothing, type Outcome } from './handler.ts';

/** Buttons on the pages of runs: a press is a command, and its answer is kept for the page. */

/** What its person may do is asked first. */
export async function onButtonPressed(event: EventOf<'button.pressed'>, context: HandlerContext): Promise<Outcome> {
  const { subject, repository, runId, command, actor } = event;
  const { key, now: at, store } = context;
  const press = { key, runId, command, actor, at } as const;
  if (!(await isHeard(repository, context))) {
    await store.savePress({ ...press, state: 'refused', why: buttonMessages.notServed });
    return nothing;
  }
  await store.savePress({ ...press, state: 'heard' });
  const source: CommandSource = { kind: 'button', at: key, runId };
  return {
    effects: [{ kind: 'command.inspect', subject, repository, source, commands: [command], unknown: [], actor }],
    events: [],
  };
}

/** Of the change whose button was pressed there is another run by now: the press cannot have meant that one. */
export const newerRun = (source: CommandSource, newestRunId: string | undefined): boolean =>
  source.kind === 'button' && source.runId !== undefined && source.runId !== newestRunId;

interface Answer {
  said: string[];
  newRunId?: string;
  isRefused: boolean;
}

/** What came of a command, where it was a press on a page; elsewhere nothing is kept. */
export async function answerPress(
  event: EventOf<'command.seen'>,
  { said, newRunId, isRefused }: Answer,
  { store, now: at }: HandlerContext,
): Promise<Outcome> {
  const { source, actor, commands } = event;
  const command = commands.find(isPressCommand);
  if (source.kind !== 'button' || source.runId === undefined || !command) return nothing;
  // GitHub answers no access without words, for whom the repository has blocked.
  const words = said.length > 0 ? said.map(plainWords).join(' ') : isRefused ? buttonMessages.noAccess : undefined;
  const state = isRefused ? 'refused' : 'obeyed';
  const press = { key: source.at, runId: source.runId, command, actor, state, at } as const;
  await store.savePress({ ...press, ...(words && { why: words }), ...(newRunId && { newRunId }) });
  return nothing;
}

const isPressCommand = (command: string): command is PressCommand => pressCommands.some((each) => each === command);
