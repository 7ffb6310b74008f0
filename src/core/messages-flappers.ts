import type { NotKnown, Obstacle, RerunDecision } from './flapper.ts';
import { shortSha } from './messages.ts';
import type { NoRerun } from './run-flappers.ts';
import type { TestFile, TestNumbers, UnreadableReason } from './testlog.ts';

/** What people read about tests and flappers. Plain text. */

const platformOf = (platform: string | undefined): string => platform ?? 'an unknown platform';

export const unreadableWords: Record<UnreadableReason, string> = {
  truncated: 'the log ends before its tests do',
  contradictory: 'its numbers contradict each other',
  'foreign-line': 'something else was printed into the summary',
  'no-file-named': 'it says that tests failed, and names no file',
  'nameless-tap': 'tests failed that no file is named for',
  stopped: 'testing was stopped',
  'too-much': 'there is more in it than is read',
  'not-junit': 'it is not a well-formed JUnit file',
};

export const flapperMessages = {
  /** Title of a check whose second attempt passed. */
  passedOnSecondAttempt: (files: readonly string[]) =>
    `Passed on the second attempt; ${files.length === 1 ? 'flapper' : 'flappers'}: ${files.join(', ')}`,
  failedTwice: 'Failed on both attempts',
  rerunning: (files: readonly string[]) => `Only known flappers failed (${files.join(', ')}): it is run once more`,
  knownFlapper: (issue: string | undefined) => (issue ? `known flapper, ${issue}` : 'known flapper'),

  notKnown: (reason: NotKnown): string => {
    switch (reason.because) {
      case 'not-listed':
        return 'not a known flapper';
      case 'only-a-mangled-name':
        return 'the result file tells no path, which the list needs';
      case 'other-platform':
        return `a known flapper on ${reason.entry.platforms?.join(', ')}, not on ${platformOf(reason.platform)}`;
      case 'not-yet':
        return `a known flapper from ${reason.entry.since} on`;
      case 'over':
        return `no known flapper any more, since ${reason.entry.until}`;
    }
  },

  obstacle: (obstacle: Obstacle): string => {
    switch (obstacle.because) {
      case 'not-failed':
        return `the job's verdict is ${obstacle.verdict ?? 'not known'}, not failed`;
      case 'timed-out':
        return 'the job ran out of time';
      case 'killed':
        return `the job did not end by itself: ${obstacle.why}`;
      case 'no-tests':
        return obstacle.step ? `step ${obstacle.step} failed, and it tells no tests` : 'it tells no tests';
      case 'unreadable':
        return `the tests cannot be relied on: ${unreadableWords[obstacle.found.because]}`;
      case 'no-failed-file':
        return obstacle.step ? `step ${obstacle.step} failed, and no test file of it` : 'no test file failed';
      case 'other-failure':
        return `something else failed: ${obstacle.found.text}`;
      case 'not-a-flapper':
        return `${obstacle.file}: ${flapperMessages.notKnown(obstacle.reason)}`;
    }
  },

  noRerun: (decision: Extract<RerunDecision, { rerun: false }>): string => {
    switch (decision.because) {
      case 'not-flappers-only':
        return 'not only known flappers failed';
      case 'off-for-branch':
        return 're-runs of flappers are off for this branch (policy.flappers)';
      case 'off-for-repository':
        return 're-runs of flappers are off for this repository';
      case 'off-for-flapper':
        return `re-runs are off for ${decision.file}`;
      case 'run-before':
        return 'this run has had its re-run: the second failure is final';
      case 'backend-cannot':
        return 'this backend cannot run a job again';
    }
  },

  /** Of a run, and after "It was not run again: ". */
  noRerunReason: (reason: NoRerun): string =>
    reason.because === 'others-failed'
      ? `more than known flappers failed: ${reason.jobs.join(', ')}`
      : flapperMessages.noRerun(reason),
  noRerunOfRun: (reason: NoRerun): string =>
    `known flappers are not run again: ${flapperMessages.noRerunReason(reason)}`,
  heading: 'Flappers',
  headingMeaning: 'What failed where known flappers are, and whether it was run again.',
  itsLog: 'Its log',
  listAt: (file: string, repository: string, sha: string) => `${file} of ${repository} at ${shortSha(sha)}`,
  listIs: (where: string, what: string) => `${where} is no file that can be read (${what})`,
  listUnreadable: (where: string, why: string) => `${where} could not be read: ${why}`,
  listBroken: 'A list of known flappers has mistakes. Until they are mended nothing is a flapper:',
  attemptJudged: (job: string, attempt: number, what: string) =>
    `${job}: attempt ${attempt} failed where known flappers are. ${what}`,
  wasRerun: 'Nothing else failed, so it was run once more.',
  willRerun: 'Nothing else failed in it: it is run once more if the same is true of the other jobs.',
  notRerun: (why?: string) => (why ? `It was not run again: ${why}.` : 'It was not run again.'),
  held: (files: readonly string[]) =>
    `Only known flappers failed (${files.join(', ')}): it is run once more if nothing else fails`,

  gone: (name: string) => `${name} is listed as a flapper, and there is no such file any more`,
  quiet: (name: string, since: string) => `${name} is listed as a flapper, and has not flapped since ${since}`,
  neverSeen: (name: string, days: number) => `${name} is listed as a flapper, and has not flapped in ${days} days`,
  over: (name: string, until: string) => `${name} was a known flapper until ${until}: the entry can go`,

  /** `tests 1-2, 9; exit status 1`. */
  failureOf: ({ failed, failedCount, exit, signal, parseErrors }: TestFile): string => {
    const parts = [
      failedCount > 0 && (failed.length > 0 ? `failed ${numbers(failed)}` : `${failedCount} failed`),
      exit !== undefined && `exit status ${exit}`,
      signal !== undefined && `killed by ${/^\d/.test(signal) ? `signal ${signal}` : `SIG${signal}`}`,
      ...parseErrors.slice(0, 3),
    ];
    return parts.filter(Boolean).join('; ') || 'failed';
  },
} as const;

const numbers = (ranges: readonly TestNumbers[]): string => {
  const words = ranges.slice(0, 20).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
  return words.join(', ') + (ranges.length > 20 ? ', …' : '');
};
