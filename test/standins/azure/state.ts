/** The stand-in's builds, as Azure would tell of them (facts: shared by swagger 7.1 "build"). */

export interface Issue {
  type: 'error' | 'warning';
  category?: string;
  message: string;
}

export interface RecordState {
  id: string;
  parentId: string | null;
  identifier: string;
  type: string;
  name: string;
  order: number;
  state: string;
  result: string | null;
  attempt: number;
  previousAttempts: { attempt: number; timelineId: string; recordId: string }[];
  startTime: string | null;
  finishTime: string | null;
  workerName?: string;
  issues: Issue[];
  log: { id: number; type: 'Container'; url: string } | null;
}

export interface ArtifactState {
  id: number;
  name: string;
  source: string | null;
  type: string;
  zip: Buffer;
  /** What is told of where it is, if not the truth. */
  downloadUrl?: string;
}

export interface BuildState {
  id: number;
  definition: number;
  status: string;
  result: string | null;
  reason: string;
  queueTime: Date;
  startTime: Date | null;
  finishTime: Date | null;
  sourceBranch: string;
  sourceVersion: string;
  templateParameters: Record<string, string>;
  triggerInfo: Record<string, string>;
  validationResults: { result: string; message: string }[];
  timelineId: string;
  records: RecordState[];
  earlier: Map<string, RecordState[]>;
  logs: Map<number, string[]>;
  artifacts: ArtifactState[];
  isDeleted: boolean;
}

export interface ProjectState {
  name: string;
  definitions: { id: number; name: string; queueStatus: string; parameters: Set<string> | undefined }[];
}

/** What the library sends as numbers and real clients as words: both are understood, words are answered. */
const STATUS = { inProgress: 1, completed: 2, cancelling: 4, postponed: 8, notStarted: 32 } as const;
const REASON = { manual: 1, individualCI: 2, batchedCI: 4, schedule: 8, pullRequest: 256 } as const;
const ORDER: Record<number, string> = {
  2: 'finishtimeascending',
  3: 'finishtimedescending',
  4: 'queuetimedescending',
  5: 'queuetimeascending',
  6: 'starttimedescending',
  7: 'starttimeascending',
};

export const statusesIn = (given: string | null): Set<string> | undefined => flagsIn(given, STATUS);
export const reasonsIn = (given: string | null): Set<string> | undefined => flagsIn(given, REASON);

function flagsIn(given: string | null, table: Record<string, number>): Set<string> | undefined {
  if (!given) return undefined;
  const names = Object.entries(table);
  if (/^\d+$/.test(given))
    return new Set(names.flatMap(([name, bit]) => (Number(given) & bit ? [name.toLowerCase()] : [])));
  return new Set(given.toLowerCase().split(','));
}

export const orderIn = (given: string | null): string | undefined =>
  given === null ? undefined : (ORDER[Number(given)] ?? given.toLowerCase());

export const isCancelling = (status: unknown): boolean =>
  status === STATUS.cancelling || String(status).toLowerCase() === 'cancelling';

/** Unordered lists put the finished builds first: with a short page, what runs is not seen. */
export function ordered(builds: BuildState[], order: string | undefined): BuildState[] {
  const time = (build: BuildState) => {
    if (order?.startsWith('finish')) return build.finishTime?.getTime() ?? 0;
    if (order?.startsWith('start')) return build.startTime?.getTime() ?? 0;
    return build.queueTime.getTime();
  };
  const down = order?.endsWith('ascending') ? 1 : -1;
  const rank = (build: BuildState) => (order === undefined && build.status !== 'completed' ? 1 : 0);
  return builds.toSorted((a, b) => rank(a) - rank(b) || down * (time(a) - time(b)) || down * (a.id - b.id));
}
