import type { ObsClient } from './client.ts';
import { ifThere } from './commit.ts';
import { isRunning } from './judge.ts';
import type { StartedMark } from './mark.ts';
import { type Place, serverNames } from './place.ts';
import { parseResultList } from './schema.ts';
import type { ObsTime } from './time.ts';

export interface StopParts {
  client: ObsClient;
  place: Place;
  time: ObsTime;
  /** From one try to the next. */
  againMs: number;
}

/**
 * Abort what workers have. A worker that was given a job a moment ago says that it builds nothing, and goes on with it to
 * its end (seen on a real server): so until nothing runs any more, a few times. While that goes on others may be given
 * to workers, and are aborted with them.
 */
export async function abortJobs(parts: StopParts, mark: StartedMark, signal: AbortSignal): Promise<void> {
  const { client, place, time, againMs } = parts;
  const query = { cmd: 'abortbuild', package: place.filter(mark) };
  for (let tries = 1; ; tries += 1) {
    await ifThere(client.text({ method: 'POST', path: ['build', place.project], query, signal }));
    if (tries === MOST_TRIES || !(await hasRunning(parts, mark, signal))) return;
    await time.sleep(againMs, signal);
  }
}

const MOST_TRIES = 8;

async function hasRunning({ client, place }: StopParts, mark: StartedMark, signal: AbortSignal): Promise<boolean> {
  const query = { package: place.filter(mark) };
  const text = await ifThere(client.text({ path: ['build', place.project, '_result'], query, signal }));
  const results = text === undefined ? [] : parseResultList(text).results;
  const own = serverNames(mark, place.suffix);
  return results.some(({ packages }) =>
    [...packages].some(([name, { code }]) => own.includes(name.split(':', 1)[0]!) && isRunning(code)),
  );
}
