import type { Command } from './command.ts';
import type { Author, RunState, RunVerdict } from './model.ts';

/** The buttons on a run's page: the same commands as in comments, asked by the same rules. */
export const pressCommands = ['re-test', 're-test failed', 'cancel'] as const;
export type PressCommand = Extract<Command, (typeof pressCommands)[number]>;

/** A button that was pressed. `heard`: its person's permission is asked for. */
export interface Press {
  /** Of its event. */
  key: string;
  runId: string;
  command: PressCommand;
  actor: Author;
  state: 'heard' | 'obeyed' | 'refused';
  why?: string;
  /** The run that it made. */
  newRunId?: string;
  at: Date;
}

export interface ButtonRun {
  state: RunState;
  verdict?: RunVerdict;
  /** Jobs by verdict, or by state while they have none. */
  jobs: Record<string, number>;
}

/** What makes sense now; who may is asked when it is pressed. A run that waits is allowed by the same word as in a comment. */
export function buttonsOf({ state, verdict, jobs }: ButtonRun): PressCommand[] {
  if (state === 'waiting') return ['re-test', 'cancel'];
  if (state !== 'finished') return ['cancel'];
  const hasBad = BAD.some((word) => (jobs[word] ?? 0) > 0);
  return hasBad && verdict !== 'superseded' ? ['re-test', 're-test failed'] : ['re-test'];
}

const BAD = ['failed', 'error', 'cancelled'];

/** Two clicks on one button, seen in one state of the run and of its presses, are one wish. */
export const pressKey = (runId: string, command: PressCommand, actor: Author, seen: string): string =>
  `button:${runId}:${actor.id}:${command.replaceAll(' ', '-')}:${seen}`;
