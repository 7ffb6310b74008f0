import { join, resolve } from 'node:path';
import type { Archive } from '../archive/archive.ts';
import { openDiskArchive } from '../archive/disk.ts';
import { retentionMessages } from '../core/messages-retention.ts';
import type { Keeps, StaysBecause } from '../core/retention.ts';
import type { Database } from '../database/database.ts';
import {
  addTotals,
  nothingLeaves,
  SWEPT_KINDS,
  type Swept,
  type SweptKind,
  sweepPage,
  type Totals,
} from '../effects/sweep.ts';
import { openRetentionStore } from '../store/prisma-retention.ts';
import type { RetentionStore } from '../store/store.ts';

/** `rcb retention`: what a running bot does every hour, done now and told line by line; with `isDry` only told. */
export interface RetentionOptions {
  keep: Keeps;
  store: RetentionStore;
  archive: Pick<Archive, 'remove' | 'removeLog'>;
  now: Date;
  isDry: boolean;
  say(line: string): void;
}

/** With the database and the archive of an installation on this machine. */
export async function retentionHere(options: {
  database: Database;
  dataDir: string;
  secrets: string[];
  keep: Keeps;
  now: Date;
  isDry: boolean;
  say(line: string): void;
}): Promise<void> {
  const { database, dataDir, secrets, ...rest } = options;
  const archive = await openDiskArchive({ dir: join(resolve(dataDir), 'archive'), secrets });
  await retain({ ...rest, archive, store: openRetentionStore(database.prisma) });
}

/** A dry run names each thing that is old and stays, with the reason; else they are counted. */
export async function retain({ say, isDry, ...options }: RetentionOptions): Promise<void> {
  const sweep = { ...options, ...(isDry && { dry: nothingLeaves() }) };
  let totals: Totals = {};
  const counted = new Set<string>();
  say(`${capital(retentionMessages.valued(sweep.keep.valued))}.`);
  for (const kind of SWEPT_KINDS) {
    if (kind !== 'effects') say(`${capital(retentionMessages.kept(kind, sweep.keep[kind]))}.`);
    const stay = new Map<StaysBecause, number>();
    let after: string | undefined;
    do {
      const page = await sweepPage(kind, after, sweep);
      for (const each of page.swept) {
        if (each.decision.goes) say(`  ${lineOf(each, counted)}`);
        else if (isDry) say(`  stays: ${stayLine(each, each.decision.because)}`);
        else stay.set(each.decision.because, (stay.get(each.decision.because) ?? 0) + each.count);
        totals = addTotals(totals, [each], counted);
      }
      after = page.next;
    } while (after !== undefined);
    for (const [because, count] of stay) say(`  ${count} old, and kept: ${retentionMessages.stays(because)}`);
  }
  say(summary(totals, isDry));
}

function lineOf({ kind, name, decision, count, bytes, sha256 }: Swept, counted: Set<string>): string {
  if (!decision.goes) return name;
  if (kind === 'effects') return `${count} ${name}, ${retentionMessages.olderThan(decision.endedAt)}`;
  const size = sha256 !== undefined && counted.has(sha256) ? 'counted above' : bytesOf(bytes);
  return `${name}, ${size}, ${retentionMessages.ended(decision.endedAt)}`;
}

const stayLine = ({ name, bytes }: Swept, because: StaysBecause): string =>
  `${name}, ${bytesOf(bytes)}: ${retentionMessages.stays(because)}`;

function summary(totals: Totals, isDry: boolean): string {
  const parts = SWEPT_KINDS.flatMap((kind) => partOf(kind, totals[kind]));
  if (parts.length === 0) return isDry ? 'Nothing would be removed.' : 'Nothing was removed.';
  return `${isDry ? 'Would be removed' : 'Removed'}: ${parts.join('; ')}.`;
}

const partOf = (kind: SweptKind, total: Totals[SweptKind]): string[] =>
  total === undefined
    ? []
    : [`${total.count} ${retentionMessages.kinds[kind]}${kind === 'effects' ? '' : ` (${bytesOf(total.bytes)})`}`];

const UNITS = ['kB', 'MB', 'GB', 'TB'] as const;

function bytesOf(bytes: number): string {
  let amount = bytes;
  let unit: string = 'B';
  for (const larger of UNITS) {
    if (amount < 1_000) break;
    amount /= 1_000;
    unit = larger;
  }
  return `${unit === 'B' || amount >= 100 ? Math.round(amount) : amount.toPrecision(2)} ${unit}`;
}

const capital = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}`;
