import { matchesAny } from './globs.ts';
import type { Verdict } from './model.ts';
import { type PolicyRule, policyFor } from './policy.ts';
import { failedFiles, type OtherFailure, type TestFile, type TestResults, type Unreadable } from './testlog.ts';
import { junitName } from './testlog-files.ts';

/**
 * Flappers are test files that fail now and then without a fault in what is tested.
 *
 * A failed job is *flapper only* when at least one test file failed, all failed files are known flappers on that
 * platform, and everything else that failed is explained by them. Whatever is in doubt (unreadable results, a timeout, a
 * killed job, a failed compiler) is not. A flapper-only job runs once more, once per run; its first failure stays visible.
 */

/** An entry of the known list. Days are `2026-11-21`, both included. */
export interface KnownFlapper {
  /** Path of the test file, or a glob. */
  name: string;
  /** `owner/name` of the repository that has the file. */
  repository?: string;
  /** Globs, in any case; absent: everywhere. */
  platforms?: string[];
  /** Link to the issue. */
  issue?: string;
  since?: string;
  until?: string;
  /** `off`: known, and no reason to run again. */
  rerun?: 'once' | 'off';
}

/** How an attempt ended. */
export interface FailedJob {
  verdict?: Verdict;
  timedOut?: boolean;
  /** How it was ended from outside, in words: `killed by SIGKILL`, `the agent was lost`. */
  killed?: string;
  /** Names of the failed steps, where the backend tells steps. */
  failedSteps?: string[];
}

/** What one log or result file of the job tells; `step` where the backend tells whose it is. */
export interface JobTests {
  step?: string;
  results: TestResults;
}

export type NotKnown =
  | { because: 'not-listed' | 'only-a-mangled-name' }
  | { because: 'other-platform'; entry: KnownFlapper; platform?: string }
  | { because: 'not-yet' | 'over'; entry: KnownFlapper };

export type FileJudgement =
  | { file: TestFile; isKnown: true; entry: KnownFlapper }
  | { file: TestFile; isKnown: false; reason: NotKnown };

/** Why a failure is not flapper only. */
export type Obstacle =
  | { because: 'not-failed'; verdict?: Verdict }
  | { because: 'timed-out' }
  | { because: 'killed'; why: string }
  | { because: 'no-tests' | 'no-failed-file'; step?: string }
  | { because: 'unreadable'; found: Unreadable; step?: string }
  | { because: 'other-failure'; found: OtherFailure; step?: string }
  | { because: 'not-a-flapper'; file: string; reason: NotKnown };

/** The whole reasoning: every failed file, and all that stands against. */
export interface FailureJudgement {
  isFlapperOnly: boolean;
  files: FileJudgement[];
  obstacles: Obstacle[];
}

/** Where and when a job ran. `day` is its day in UTC. */
export interface JobPlace {
  platform?: string;
  day: string;
}

export function judgeFailure(
  job: FailedJob,
  tests: readonly JobTests[],
  known: readonly KnownFlapper[],
  place: JobPlace,
): FailureJudgement {
  const files = tests.flatMap(({ results }) => failedFiles(results)).map((file) => judgeFile(file, known, place));
  const strangers = files.filter((each) => !each.isKnown);
  const obstacles: Obstacle[] = [
    ...endObstacles(job),
    ...stepObstacles(job, tests),
    ...tests.flatMap(readingObstacles),
    ...strangers.map(({ file, reason }): Obstacle => ({ because: 'not-a-flapper', file: file.name, reason })),
  ];
  return { isFlapperOnly: obstacles.length === 0, files, obstacles };
}

function endObstacles({ verdict, timedOut, killed }: FailedJob): Obstacle[] {
  const found: Obstacle[] = [];
  if (verdict !== 'failed') found.push({ because: 'not-failed', verdict });
  if (timedOut) found.push({ because: 'timed-out' });
  if (killed !== undefined) found.push({ because: 'killed', why: killed });
  return found;
}

/** Each failed step must have failed by tests; without steps, the job as a whole. */
function stepObstacles({ failedSteps }: FailedJob, tests: readonly JobTests[]): Obstacle[] {
  const hasFailed = ({ results }: JobTests) => failedFiles(results).length > 0;
  const lacks = (own: readonly JobTests[], step?: string): Obstacle[] => {
    if (own.some(hasFailed)) return [];
    const isSilent = own.every(({ results }) => results.files.length === 0 && results.unreadable.length === 0);
    return [{ because: isSilent ? 'no-tests' : 'no-failed-file', step }];
  };
  if (!failedSteps || failedSteps.length === 0) return lacks(tests);
  return failedSteps.flatMap((step) =>
    lacks(
      tests.filter((each) => each.step === step),
      step,
    ),
  );
}

const readingObstacles = ({ step, results }: JobTests): Obstacle[] => [
  ...results.unreadable.map((found): Obstacle => ({ because: 'unreadable', found, step })),
  ...results.otherFailures.map((found): Obstacle => ({ because: 'other-failure', found, step })),
];

/** The first entry that fits; else what the nearest one lacks, an entry that the name matches. */
export function judgeFile(file: TestFile, known: readonly KnownFlapper[], place: JobPlace): FileJudgement {
  const entries = known.filter((entry) => isNamed(entry, file));
  const reasons = entries.map((entry) => notNow(entry, place));
  const fitting = reasons.indexOf(undefined);
  if (fitting >= 0) return { file, isKnown: true, entry: entries[fitting]! };
  const unlisted: NotKnown = { because: file.isMangled ? 'only-a-mangled-name' : 'not-listed' };
  return { file, isKnown: false, reason: reasons[0] ?? unlisted };
}

/** Those that name one of the files, whether or not they hold on a platform and a day. */
export const entriesFor = (known: readonly KnownFlapper[], files: readonly TestFile[]): KnownFlapper[] =>
  known.filter((entry) => files.some((file) => isNamed(entry, file)));

/** A mangled name is compared with what the entry's name would be mangled to. A glob says too little for that. */
const isNamed = ({ name }: KnownFlapper, file: TestFile): boolean =>
  file.isMangled ? !isGlob(name) && junitName(name) === file.name : covers(name, file.name);

const isGlob = (name: string): boolean => /[*?[\]{}()!]/.test(name);

const covers = (name: string, file: string): boolean => name === file || (isGlob(name) && matchesAny([name], file));

function notNow(entry: KnownFlapper, { platform, day }: JobPlace): NotKnown | undefined {
  if (entry.platforms && !isOn(entry.platforms, platform)) return { because: 'other-platform', entry, platform };
  if (entry.since && day < entry.since) return { because: 'not-yet', entry };
  if (entry.until && day > entry.until) return { because: 'over', entry };
  return undefined;
}

const isOn = (platforms: readonly string[], platform: string | undefined): boolean =>
  platform !== undefined &&
  matchesAny(
    platforms.map((glob) => glob.toLowerCase()),
    platform.toLowerCase(),
  );

/** What the decision on a re-run depends on, beside the failure. */
export interface RerunCircumstances {
  rules: readonly PolicyRule[];
  /** Of a pull request, that of its base. */
  branch: string;
  /** `owner/name`. */
  repository: string;
  /** Globs of repositories, in any case, where flappers are never run again. */
  offFor: readonly string[];
  /** How often jobs of this run were run again for flappers. Jobs that fail together are decided together. */
  rerunsOfRun: number;
  /** Whether the backend can run this job again. */
  canRerun: boolean;
}

export type RerunDecision =
  | { rerun: true; files: string[] }
  | {
      rerun: false;
      because: 'not-flappers-only' | 'off-for-branch' | 'off-for-repository' | 'run-before' | 'backend-cannot';
    }
  | { rerun: false; because: 'off-for-flapper'; file: string };

/** Once per run, and only where nobody switched it off. */
export function decideRerun(judgement: FailureJudgement, circumstances: RerunCircumstances): RerunDecision {
  const { rules, branch, repository, offFor, rerunsOfRun, canRerun } = circumstances;
  const repositories = offFor.map((glob) => glob.toLowerCase());
  const switchedOff = judgement.files.find((each) => each.isKnown && each.entry.rerun === 'off');
  if (!judgement.isFlapperOnly) return { rerun: false, because: 'not-flappers-only' };
  if (policyFor(rules, branch).flappers === 'off') return { rerun: false, because: 'off-for-branch' };
  if (matchesAny(repositories, repository.toLowerCase())) return { rerun: false, because: 'off-for-repository' };
  if (switchedOff) return { rerun: false, because: 'off-for-flapper', file: switchedOff.file.name };
  if (rerunsOfRun > 0) return { rerun: false, because: 'run-before' };
  if (!canRerun) return { rerun: false, because: 'backend-cannot' };
  return { rerun: true, files: [...new Set(judgement.files.map(({ file }) => file.name))] };
}

/** What is known of the tests, for looking through the list. */
export interface FlapperRecord {
  /** The test files of this repository that exist, by the paths that they have when they run. Undefined: not known. */
  filesOf(repository: string | undefined): readonly string[] | undefined;
  /** The day on which each test file flapped last, by its path. */
  lastFlapped: ReadonlyMap<string, string>;
  /** The first day of the record. */
  recordedSince: string;
  today: string;
}

export type ListRemark =
  | { because: 'gone'; entry: KnownFlapper }
  | { because: 'over'; entry: KnownFlapper; until: string }
  | { because: 'quiet'; entry: KnownFlapper; days: number; lastFlapped?: string };

/** Entries that somebody should look at. `quietDays`: how long is long. At most one remark for each entry. */
export function pointOut(known: readonly KnownFlapper[], record: FlapperRecord, quietDays = 180): ListRemark[] {
  return known.flatMap((entry) => remarkOn(entry, record, quietDays) ?? []);
}

function remarkOn(entry: KnownFlapper, record: FlapperRecord, quietDays: number): ListRemark | undefined {
  const files = record.filesOf(entry.repository);
  if (files && !files.some((file) => covers(entry.name, file))) return { because: 'gone', entry };
  if (entry.until && entry.until < record.today) return { because: 'over', entry, until: entry.until };
  const lastFlapped = lastOf(entry, record.lastFlapped);
  // An entry is given its time from the day on which it could be seen to flap.
  const from = [lastFlapped, entry.since, record.recordedSince]
    .filter((day) => day !== undefined)
    .sort()
    .at(-1)!;
  const days = daysBetween(from, record.today);
  return days > quietDays ? { because: 'quiet', entry, days, lastFlapped } : undefined;
}

const lastOf = ({ name }: KnownFlapper, lastFlapped: ReadonlyMap<string, string>): string | undefined =>
  [...lastFlapped]
    .filter(([file]) => covers(name, file))
    .map(([, day]) => day)
    .sort()
    .at(-1);

const daysBetween = (from: string, to: string): number => Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);

/** Rate of flaps, with the interval that holds the true rate in 95 of 100 cases. */
export interface FlapRate {
  rate: number;
  low: number;
  high: number;
}

/** Wilson's score interval: it is right for few runs and for rates near 0, too (Wilson 1927). `z`: 1.96 for 95 %. */
export function flapRate(flaps: number, runs: number, z = 1.959964): FlapRate {
  if (runs === 0) return { rate: 0, low: 0, high: 1 };
  const rate = flaps / runs;
  const weight = z * z;
  const middle = (rate + weight / (2 * runs)) / (1 + weight / runs);
  const half = (z / (1 + weight / runs)) * Math.sqrt((rate * (1 - rate)) / runs + weight / (4 * runs * runs));
  return { rate, low: flaps === 0 ? 0 : middle - half, high: flaps === runs ? 1 : middle + half };
}
