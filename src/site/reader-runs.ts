import type { RunVerdict } from '../core/model.ts';
import type { Listed, Page, RunRow, SourceRow } from './reader.ts';

/** What lists of runs need beside the runs themselves; what follows them live; what others embed. */
export interface RunsReader {
  /** Back-ends that ever had a build: for the filter. */
  backendNames(): Promise<string[]>;
  /** When a run, or what is below one, was last saved; absent while there are none. */
  lastChange(): Promise<Date | undefined>;
  /** The runs that were saved since then, in the order in which they were saved; the first `limit`. */
  changesSince(since: Date, limit: number): Promise<RunChange[]>;
  /** As the lists show them; those that are gone are left out. */
  runRows(ids: string[]): Promise<RunRow[]>;
  /** Runs of commits on the default branches of these repositories. */
  defaultBranchRuns(repositories: readonly string[], page: Page): Promise<Listed<StackRun>>;
  /** The newest run of each of these repositories' default branches that has a verdict of its own; `superseded` and
   *  `cancelled` are none. */
  newestVerdicts(repositories: readonly string[]): Promise<RunRow[]>;
  /** What a branch is to be called by; without a name the default one. Absent: nobody may know the repository, or it has
   *  no such branch that was tested. */
  branchState(repository: string, branch?: string): Promise<BranchState | undefined>;
  /** Runs of commits on default branches that failed, newest first; of one repository, or of all. */
  failures(repository: string | undefined, limit: number): Promise<RunRow[]>;
}

export interface RunChange {
  id: string;
  changedAt: Date;
}

export interface StackRun extends RunRow {
  sources: Pick<SourceRow, 'id' | 'repository' | 'sha' | 'version' | 'changed' | 'why'>[];
}

/** `verdict`: of the newest run that ended with one; absent while the first is under way, or when there was nothing to
 *  run. */
export interface BranchState {
  branch: string;
  verdict?: Extract<RunVerdict, 'passed' | 'failed' | 'error'>;
  isRunning: boolean;
}
