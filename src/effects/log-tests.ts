import type { Archive } from '../archive/archive.ts';
import { readTests, type TestReader, type TestResults } from '../core/testlog.ts';
import { type StepReader, stepReader } from '../core/testlog-attempt.ts';
import type { LogStep } from '../core/testlog-kept.ts';

/**
 * Reads the tests of logs while they grow, so that what a job came to is known when it ends. They are read from the archive:
 * there secrets are masked, and it does not matter in how many looks, and by which process, a log was copied. What was read
 * so far is in this process only: after a restart, or when another instance takes over, a log is read from its start.
 */
export interface LogTests {
  /** Read what has come to the log since. */
  catchUp(id: string, signal: AbortSignal): Promise<void>;
  /** The rest, and what the whole tells. */
  finish(id: string, signal: AbortSignal): Promise<ReadLog>;
}

export interface ReadLog {
  results: TestResults;
  steps: LogStep[];
}

interface Reading {
  tests: TestReader;
  marks: StepReader;
  /** Bytes of the archived text. */
  offset: number;
}

/** Of so many logs at most: the one that was not looked at for longest is read again from its start. */
const mostReadings = 64;

export function openLogTests(archive: Pick<Archive, 'readLog'>, most = mostReadings): LogTests {
  const readings = new Map<string, Reading>();

  async function advance(id: string, signal: AbortSignal): Promise<Reading> {
    const log = await archive.readLog(id);
    const known = readings.get(id);
    readings.delete(id);
    // What the disk lost after a crash was read before.
    const reading = known && known.offset <= (log?.bytes ?? 0) ? known : begin();
    for await (const chunk of log?.stream(reading.offset) ?? []) {
      signal.throwIfAborted();
      reading.tests.bytes(chunk as Buffer);
      reading.offset += (chunk as Buffer).length;
    }
    return reading;
  }

  return {
    async catchUp(id, signal) {
      // Only what was read whole is remembered.
      readings.set(id, await advance(id, signal));
      const oldest = readings.keys().next().value;
      if (readings.size > most && oldest !== undefined) readings.delete(oldest);
    },
    async finish(id, signal) {
      const { tests, marks } = await advance(id, signal);
      return { results: tests.end(), steps: marks.steps };
    },
  };
}

function begin(): Reading {
  const marks = stepReader();
  return { tests: readTests({ alsoLine: marks.line }), marks, offset: 0 };
}
