import type { LinkedRun, RunRow } from './reader.ts';

/** What the page of a run reads beside the run itself. */
export interface RunPageReader {
  /** How long jobs of these names took when they passed, in the repository's runs before this one. By the job's name. */
  medians(run: Pick<RunRow, 'id' | 'repository'>): Promise<ReadonlyMap<string, JobMedian>>;
  /** The runs beside it. */
  neighbours(run: Pick<RunRow, 'id' | 'subject' | 'sha'>): Promise<Neighbours>;
}

export interface JobMedian {
  ms: number;
  /** Of how many passed attempts. */
  of: number;
}

/** `earlier`, `later`: of the same pull request or branch. `sameCommit`: of the same commit elsewhere, newest first. */
export interface Neighbours {
  earlier?: NeighbourRun;
  later?: NeighbourRun;
  sameCommit: NeighbourRun[];
}

export interface NeighbourRun extends LinkedRun {
  sha: string;
  repository: string;
  number?: number;
  ref: string;
}
