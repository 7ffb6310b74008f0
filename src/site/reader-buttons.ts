import type { Press } from '../core/button.ts';
import type { RepositoryRef } from '../core/model.ts';

/** PORT. What the buttons on a run's page need to know. */
export interface ButtonReader {
  /** undefined: there is no such run. `most` presses at most. */
  pressing(runId: string, most: number): Promise<Pressing | undefined>;
}

export interface Pressing {
  /** As its run was read; without an installation nobody can be asked who may press. */
  repository: RepositoryRef;
  /** Its change's. */
  subject: string;
  /** Of the run's change. */
  newestRunId: string;
  /** Of this run, newest first; one that was not handled yet is heard. */
  presses: ShownPress[];
}

/** `trouble`: why it is not known yet whether this is allowed. */
export interface ShownPress extends Press {
  trouble?: string;
}
