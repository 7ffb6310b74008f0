import { type Sight, sameSight } from '../core/sight.ts';
import { createLive, type Live, type LiveOptions } from './live.ts';
import type { Readers } from './reader.ts';

/** The followers of the list, one for all who see the same: so nobody is told of a run that is not for him. */
export interface LiveBySight {
  /** As `Live.open`, for somebody who sees this much. */
  open(sight: Sight, since: Date): ReadableStream<Uint8Array> | undefined;
}

export interface LiveBySightOptions extends Omit<LiveOptions, 'reader'> {
  readers: Pick<Readers, 'seenBy'>;
}

const MOST_READERS = 200;

export function createLiveBySight({ readers, maxReaders = MOST_READERS, ...options }: LiveBySightOptions): LiveBySight {
  const followed = new Map<string, Live>();
  return {
    open(sight, since) {
      for (const [key, live] of followed) if (live.readers() === 0) followed.delete(key);
      const others = [...followed.values()].reduce((sum, live) => sum + live.readers(), 0);
      if (others >= maxReaders) return undefined;
      const key = sameSight(sight);
      const live = followed.get(key) ?? createLive({ ...options, maxReaders, reader: readers.seenBy(sight) });
      followed.set(key, live);
      return live.open(since);
    },
  };
}
