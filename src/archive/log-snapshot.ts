import { ArchiveError } from './archive.ts';
import { isMissing, readAt, readIfThere } from './durable.ts';
import { assertFollows, endOf, type LogEnd, openFrame, parseIndex, parseTail, type StoredFrame } from './frame.ts';
import type { LogPaths } from './layout.ts';

/** A log as it was at one moment. Frames are never rewritten, so it stays readable while the log grows. */
export interface LogSnapshot {
  /** All of them, in order, without gaps. */
  frames: StoredFrame[];
  end?: LogEnd;
  /** Of these, the full ones, which are in the `.frames` file, and the small ones behind them. */
  sealed: StoredFrame[];
  tail: StoredFrame[];
  /** How many bytes of each file are good; undefined without the file. */
  wholeIndex?: number;
  wholeTail?: number;
}

/**
 * What the disk has of a log; undefined when it has nothing.
 *
 * The tail is read before the index: a writer that seals the tail meanwhile has written the index before it began the
 * new tail, so whatever left the tail is found in the index, and what is found twice is dropped here.
 */
export async function takeSnapshot(paths: LogPaths): Promise<LogSnapshot | undefined> {
  const what = `log ${paths.id}`;
  const tailBytes = await readIfThere(paths.tail);
  const indexBytes = await readIfThere(paths.index);
  if (!tailBytes && !indexBytes) return undefined;
  const index = indexBytes ? parseIndex(indexBytes, what) : undefined;
  const tail = tailBytes ? parseTail(tailBytes, what) : undefined;
  const sealed = index?.frames ?? [];
  const sealedEnd = endOf(sealed.at(-1));
  if (tail && tail.start > sealedEnd) {
    throw new ArchiveError('corrupt', `The index of ${what} was damaged on disk: it lacks what is before the tail.`);
  }
  const newer = (tail?.frames ?? []).filter((frame) => frame.start >= sealedEnd);
  const frames = [...sealed, ...newer];
  if (newer[0]) assertFollows(sealed.at(-1), newer[0], what);
  return {
    frames,
    sealed,
    tail: newer,
    end: index?.end,
    wholeIndex: index?.whole,
    wholeTail: tail?.whole,
  };
}

/** The verified text of one frame. */
export async function readFrameText(paths: LogPaths, frame: StoredFrame): Promise<Buffer> {
  const what = `Log ${paths.id}, bytes ${frame.start} to ${frame.start + frame.bytes},`;
  return openFrame(frame, frame.payload ?? (await readSealed(paths, frame)), what);
}

async function readSealed(paths: LogPaths, frame: StoredFrame): Promise<Buffer> {
  try {
    return await readAt(paths.frames, frame.at, frame.size);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new ArchiveError('missing', `Log ${paths.id} is no longer in the archive.`, { cause: error });
  }
}
