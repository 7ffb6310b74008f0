import { judgeFile, type KnownFlapper, type ListRemark, pointOut } from './flapper.ts';
import type { Tally } from './flapper-tally.ts';

/**
 * What the record says about the list: files that flap and are not on it, and entries that somebody should look at.
 * A suggestion is text to be reviewed and committed by a person; nothing is ever listed by itself.
 */

/** A test file in a job. `platform`: the job's name at its backend. */
export interface FileRecord {
  name: string;
  platform: string;
  /** `owner/name`, when it is the record of a private repository. */
  repository?: string;
  tally: Tally;
}

/** Flaps of a file, over all the platforms on which it is not listed: one or two may be a bad day of an agent. */
export const ENOUGH_FLAPS = 3;
/** What has not flapped for longer needs no new entry. In days. */
export const RECENT_DAYS = 60;
/** A file that flaps on so many platforms does not flap because of the platform. */
export const MANY_PLATFORMS = 3;
/** More would not be reviewed. */
const MOST_ADDITIONS = 20;

export interface Addition {
  name: string;
  /** As in its record. */
  repository?: string;
  /** Absent: everywhere. */
  platforms?: string[];
  flaps: number;
  /** Of the file, on these platforms. */
  runs: number;
  /** Days. */
  firstFailed: string;
  lastFlapped: string;
}

/** The most certain first. */
export function suggestAdditions(
  records: readonly FileRecord[],
  known: readonly KnownFlapper[],
  today: string,
): Addition[] {
  const open = records.filter(
    (record) => isPath(record.name) && isRecent(record, today) && !isKnown(record, known, today),
  );
  // A record each: what one person may see, is not for all who may see the other.
  const groups = Map.groupBy(open, ({ name, repository }) => JSON.stringify([name, repository]));
  const additions = [...groups.values()].map(addition);
  return additions
    .filter(({ flaps }) => flaps >= ENOUGH_FLAPS)
    .sort((one, other) => other.flaps - one.flaps || (one.name < other.name ? -1 : 1))
    .slice(0, MOST_ADDITIONS);
}

/** JUnit's mangled names (`02-rakudo_99-misc_t`) are nobody's path. */
const isPath = (name: string): boolean => name.includes('/') || /\.\w+$/.test(name);

function isRecent({ tally: { flapped, lastFlappedAt } }: FileRecord, today: string): boolean {
  return flapped > 0 && lastFlappedAt !== undefined && daysBetween(dayOf(lastFlappedAt), today) <= RECENT_DAYS;
}

/** The entry that covers it here and today. */
export function listedAs(
  { name, platform }: Pick<FileRecord, 'name' | 'platform'>,
  known: readonly KnownFlapper[],
  day: string,
): KnownFlapper | undefined {
  const file = { name, outcome: 'failed', failedCount: 1, failed: [], todoPassed: [], parseErrors: [] } as const;
  const isMangled = isPath(name) ? undefined : true;
  const judged = judgeFile({ ...file, failed: [], todoPassed: [], parseErrors: [], isMangled }, known, {
    platform,
    day,
  });
  return judged.isKnown ? judged.entry : undefined;
}

const isKnown = (record: FileRecord, known: readonly KnownFlapper[], day: string): boolean =>
  listedAs(record, known, day) !== undefined;

function addition(records: FileRecord[]): Addition {
  const sum = (of: (tally: Tally) => number) => records.reduce((total, { tally }) => total + of(tally), 0);
  const platforms = [...new Set(records.map(({ platform }) => platform))].sort();
  const { name, repository } = records[0]!;
  return {
    name,
    ...(repository !== undefined && { repository }),
    ...(platforms.length < MANY_PLATFORMS && { platforms }),
    flaps: sum(({ flapped }) => flapped),
    runs: sum(({ runs }) => runs),
    firstFailed: records.map(({ tally }) => dayOf(tally.firstFailedAt)).sort()[0]!,
    lastFlapped: records
      .map(({ tally }) => dayOf(tally.lastFlappedAt!))
      .sort()
      .at(-1)!,
  };
}

export const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

const daysBetween = (from: string, to: string): number => Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);

/** Of the files that entries could mean: which of them still run, and when they flapped. */
export interface ListRecord {
  /** Files that ran lately; one that is not among them although its jobs still ran is gone. */
  running: readonly string[];
  gone: readonly string[];
  /** Days of the last flap, by file. */
  lastFlapped: ReadonlyMap<string, string>;
  /** The first day of the record; undefined: there is none. */
  recordedSince?: string;
}

/** An entry of which the record has never seen a file is not called gone: its jobs may not run here. */
export function remarksOn(known: readonly KnownFlapper[], record: ListRecord, today: string): ListRemark[] {
  const { recordedSince, lastFlapped } = record;
  if (recordedSince === undefined) return [];
  return known.flatMap((entry) => {
    const isSeen = record.gone.some((name) => listedAs({ name, platform: '' }, [anywhere(entry)], today));
    const filesOf = () => (isSeen ? record.running : undefined);
    return pointOut([entry], { filesOf, lastFlapped, recordedSince, today });
  });
}

/** By its name alone. */
export const anywhere = ({ name }: KnownFlapper): KnownFlapper => ({ name });
