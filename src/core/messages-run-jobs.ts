import type { Estimate } from './run-estimate.ts';

/** What the page of a run says of its jobs, beside their states. Plain text. */
const about = (ms: number): string => {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return 'less than a minute';
  if (minutes < 90) return `about ${minutes} min`;
  return `about ${Math.round(minutes / 60)} h`;
};

const jobs = (count: number): string => (count === 1 ? '1 job' : `${count} jobs`);

/** Who asked for a run: a login, untrusted. */
export const runJobsMessages = {
  /** Of a run or build that goes on. */
  progress({ finished, all, leftMs, untimed, late }: Estimate): string {
    const left =
      leftMs === undefined
        ? undefined
        : leftMs === 0
          ? 'it takes longer than usual'
          : `${about(leftMs)} left${untimed > 0 ? ' or more' : ''}`;
    const unknown = untimed > 0 ? `${jobs(untimed)} never timed before` : undefined;
    const slow = late > 0 ? `${jobs(late)} slower than usual` : undefined;
    return [`${finished} of ${jobs(all)} finished`, left, slow, unknown]
      .filter((part) => part !== undefined)
      .join(', ');
  },
  estimate: 'From the medians of the same jobs when they passed, as if all queued ones began now.',
  medianOf: (attempts: number) =>
    attempts === 1
      ? 'As long as the one attempt that passed lately'
      : `Median of the last ${attempts} attempts that passed`,
  usually: 'Usually',
  platform: 'Platform',
  /** Of a configuration that has no name. */
  plain: 'default',
  others: 'Jobs beside the grid',
  notPassed: (count: number) => `${jobs(count)} that did not pass`,
  all: (count: number) => (count === 1 ? 'The job' : `All ${count} jobs`),
  allMeaning: 'with logs and files',

  artifacts: 'Artifacts',
  artifactsMeaning: 'what the jobs left, of each one’s newest attempt',
  files: (count: number) => (count === 1 ? '1 file' : `${count} files`),
  moreFiles: (count: number) => `and ${count} more: all are in the JSON of this run`,
  inside: 'Look inside',
} as const;
