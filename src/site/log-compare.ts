import { setImmediate } from 'node:timers/promises';
import type { LogLine, LogReader } from '../archive/archive.ts';
import { diffLines, type Hunk, hunksOf, type LineChange } from '../core/log-diff.ts';
import { withoutNoise } from '../core/log-noise.ts';
import { MOST_COMPARED } from '../core/messages-log.ts';
import { splitLines } from '../core/testlog-lines.ts';

/** Two logs of one job, without their noise: what the new one says that the old one does not, and the other way round. */
export interface Comparison {
  hunks: Row[][];
  /** Of so many; what is beyond the bound of a page is not shown. */
  all: number;
  /** Hunks that are left out, since the same lines stand elsewhere in the other log. */
  moved: number;
  /** Lines that the other log does not have, or has less often. */
  added: number;
  removed: number;
  isCoarse: boolean;
}

export type Row =
  | { kind: 'same'; old: number; new: number; line: LogLine }
  | { kind: 'removed' | 'added'; line: LogLine; isMoved: boolean }
  /** Left out of a long change. */
  | { kind: 'more'; of: 'removed' | 'added'; count: number };

export const isComparable = (log: LogReader): boolean =>
  log.bytes <= MOST_COMPARED.bytes && log.lines <= MOST_COMPARED.lines;

const MOST_HUNKS = 100;
const MOST_OF_CHANGE = 60;
const SHOWN_BYTES = 2_000;

/** `withMoved`: hunks that only move lines are kept, too. */
export async function compareLogs(old: LogReader, fresh: LogReader, withMoved: boolean): Promise<Comparison> {
  const ids = new Map<string, number>();
  const before = await lineIds(old, ids);
  const after = await lineIds(fresh, ids);
  const isMoved = movedIds(before, after, ids.size);
  const { changes, isCoarse } = diffLines(before, after);
  const { removed, added } = countNew(changes, before, after, isMoved);
  const hunks = hunksOf(changes, before.length);
  const wanted = withMoved ? hunks : hunks.filter((hunk) => !onlyMoves(hunk, before, after, isMoved));
  const shown: Row[][] = [];
  for (const hunk of wanted.slice(0, MOST_HUNKS))
    shown.push(await rowsOf(hunk, old, fresh, { before, after, isMoved }));
  return { hunks: shown, all: wanted.length, moved: hunks.length - wanted.length, added, removed, isCoarse };
}

/** In slices, so that other readers are answered meanwhile. */
const SLICE = 128 * 1024;

async function lineIds(log: LogReader, ids: Map<string, number>): Promise<Int32Array> {
  const lines = new Int32Array(log.lines);
  let count = 0;
  const splitter = splitLines((text) => {
    const line = withoutNoise(text);
    const id = ids.get(line) ?? ids.size;
    if (id === ids.size) ids.set(line, id);
    lines[count++] = id;
  });
  for await (const chunk of log.stream()) {
    for (let at = 0; at < chunk.length; at += SLICE) {
      splitter.push(chunk.subarray(at, at + SLICE));
      await setImmediate();
    }
  }
  splitter.end();
  return lines.subarray(0, count);
}

type IsMoved = (id: number) => boolean;

/** Lines that both logs have equally often: where they are changes, only their places are. */
function movedIds(before: Int32Array, after: Int32Array, ids: number): IsMoved {
  const balance = new Int32Array(ids);
  for (const id of before) balance[id]!--;
  for (const id of after) balance[id]!++;
  return (id) => balance[id] === 0;
}

interface Texts {
  before: Int32Array;
  after: Int32Array;
  isMoved: IsMoved;
}

const removedIn = (change: LineChange, before: Int32Array) => before.subarray(change.old, change.old + change.removed);
const addedIn = (change: LineChange, after: Int32Array) => after.subarray(change.new, change.new + change.added);

function countNew(changes: LineChange[], before: Int32Array, after: Int32Array, isMoved: IsMoved) {
  let [removed, added] = [0, 0];
  for (const change of changes) {
    for (const id of removedIn(change, before)) if (!isMoved(id)) removed++;
    for (const id of addedIn(change, after)) if (!isMoved(id)) added++;
  }
  return { removed, added };
}

const onlyMoves = ({ changes }: Hunk, before: Int32Array, after: Int32Array, isMoved: IsMoved): boolean =>
  changes.every((change) => removedIn(change, before).every(isMoved) && addedIn(change, after).every(isMoved));

async function rowsOf(hunk: Hunk, old: LogReader, fresh: LogReader, texts: Texts): Promise<Row[]> {
  const rows: Row[] = [];
  let [atOld, atNew] = [hunk.old.from, hunk.new.from];
  const same = async (to: number) => {
    const lines = await fresh.lineRange(atNew + 1, to - atNew, SHOWN_BYTES);
    for (const line of lines) rows.push({ kind: 'same', old: ++atOld, new: line.number, line });
    atNew = to;
  };
  for (const change of hunk.changes) {
    await same(change.new);
    rows.push(...(await changedRows('removed', old, change.old, change.removed, texts.before, texts.isMoved)));
    rows.push(...(await changedRows('added', fresh, change.new, change.added, texts.after, texts.isMoved)));
    [atOld, atNew] = [change.old + change.removed, change.new + change.added];
  }
  await same(hunk.new.to);
  return rows;
}

async function changedRows(
  kind: 'removed' | 'added',
  log: LogReader,
  from: number,
  count: number,
  ids: Int32Array,
  isMoved: IsMoved,
): Promise<Row[]> {
  const lines = await log.lineRange(from + 1, Math.min(count, MOST_OF_CHANGE), SHOWN_BYTES);
  const rows: Row[] = lines.map((line) => ({ kind, line, isMoved: isMoved(ids[line.number - 1]!) }));
  return count > MOST_OF_CHANGE ? [...rows, { kind: 'more', of: kind, count: count - MOST_OF_CHANGE }] : rows;
}
