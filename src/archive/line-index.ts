import type { Frame } from './frame.ts';

/** Finds lines and bytes of a log by the descriptions of its frames, without looking into the frames. */
export interface LineIndex {
  readonly bytes: number;
  readonly newlines: number;
  /** A last line without a newline counts. */
  readonly lines: number;
  /** The frame that has this byte of the text. */
  frameOfByte(offset: number): number;
  /** The frame that has the n-th newline (from 1), and which of the frame's newlines it is. */
  frameOfNewline(n: number): { frame: number; nth: number };
}

export function indexLines(frames: readonly Frame[]): LineIndex {
  const newlinesBefore: number[] = [];
  let newlines = 0;
  for (const frame of frames) {
    newlinesBefore.push(newlines);
    newlines += frame.newlines;
  }
  const final = frames.at(-1);
  const bytes = final ? final.start + final.bytes : 0;
  return {
    bytes,
    newlines,
    lines: newlines + (final && final.last > 0 ? 1 : 0),
    frameOfByte: (offset) => lastWhere(frames.length, (index) => frames[index]!.start <= offset),
    frameOfNewline(n) {
      const frame = lastWhere(frames.length, (index) => newlinesBefore[index]! < n);
      return { frame, nth: n - newlinesBefore[frame]! };
    },
  };
}

/** The last index below `length` at which `holds` is true; it must be true up to there and false from there on. */
function lastWhere(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}
