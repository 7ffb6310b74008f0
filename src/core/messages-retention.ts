import type { Keep, Keeps, StaysBecause } from './retention.ts';

/** What retention says, on the command line and wherever something was removed. */
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const duration = (ms: number): string => {
  const [amount, unit] = ms % DAY_MS === 0 ? [ms / DAY_MS, 'day'] : [Number((ms / HOUR_MS).toPrecision(3)), 'hour'];
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`;
};

const kept = (what: string, keep: Keep): string =>
  keep === 'forever' ? `${what} are kept for ever` : `${what} are kept for ${duration(keep)}`;

const stays: Record<StaysBecause, string> = {
  forever: 'it is kept for ever',
  young: 'a run that ended lately needs it',
  unfinished: 'a run that has not ended needs it',
  'newest-of-open-pull-request': 'the newest run of an open pull request needs it',
  'newest-of-branch': 'the newest run of a branch needs it',
  'artifacts-kept': 'artifacts of its run are kept',
  kept: 'an operator keeps its run',
  release: 'it is of a release',
  linked: 'a comment links to its run',
  'first-failure': 'it is the first failure of its job after it had passed',
  'last-green': 'its job has not passed since',
  'waits-for-a-person': 'it is parked: a person has to look at it',
  'used-lately': 'something that was stored just now has the same bytes',
};

export const retentionMessages = {
  stays: (because: StaysBecause) => stays[because],
  kinds: {
    sources: 'source archives',
    artifacts: 'artifacts',
    logs: 'logs',
    events: 'payloads of events',
    effects: 'done effects',
  },
  kept: (kind: Exclude<keyof Keeps, 'valued' | 'releases'>, keep: Keep) => kept(retentionMessages.kinds[kind], keep),
  valued: (keep: Keep) =>
    `${kept('logs and artifacts of value', keep)}: first failures, last passes, releases, and what comments link to`,
  runKept: (run: string) => `Run ${run} keeps its sources, logs and artifacts until rcb keep --undo ${run}.`,
  runNotKept: (run: string) => `Run ${run} goes as rcb.yaml says.`,
  noRun: (run: string) => `There is no run ${run}: its id is the last part of its page's address.`,
  ended: (at: Date) => `ended ${at.toISOString().slice(0, 16).replace('T', ' ')}`,
  olderThan: (at: Date) => `older than ${at.toISOString().slice(0, 16).replace('T', ' ')}`,
  /** In the place of a link. */
  removed: (at: Date) => `removed by retention on ${at.toISOString().slice(0, 10)}`,
} as const;
