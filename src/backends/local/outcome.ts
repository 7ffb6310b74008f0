import type { Verdict } from '../../core/model.ts';

/** How a command ended. */
export type End =
  | { how: 'exited'; code: number }
  | { how: 'killed'; signal: string }
  | { how: 'not-started'; why: string }
  | { how: 'too-long'; seconds: number }
  | { how: 'silent'; seconds: number }
  | { how: 'too-much-output'; limitBytes: number }
  | { how: 'too-much-memory'; limitBytes: number }
  | { how: 'too-many-processes'; limit: number }
  | { how: 'too-much-disk'; limitBytes: number }
  | { how: 'disk-full' }
  | { how: 'not-confined'; why: string }
  | { how: 'cancelled' }
  | { how: 'supervisor-stopped'; signal: string };

export interface Outcome {
  verdict: Verdict;
  /** Words for people. */
  why?: string;
  timedOut?: boolean;
  /** By a signal, seen here or told by a shell. */
  killed?: string;
}

/** `failed` is the tests' fault. A limit of this backend that was passed, a full disk, or an administrator's signal are not. */
export function outcomeOf(end: End): Outcome {
  switch (end.how) {
    case 'exited':
      return end.code === 0 ? { verdict: 'passed' } : outcomeOfStatus(end.code);
    case 'killed':
      return { verdict: 'failed', why: `killed by ${end.signal}`, killed: `killed by ${end.signal}` };
    case 'not-started':
      return { verdict: 'failed', why: `could not be started: ${end.why}` };
    case 'too-long':
      return { verdict: 'error', why: `took longer than ${end.seconds} s`, timedOut: true };
    case 'silent':
      return { verdict: 'error', why: `silent for ${end.seconds} s`, timedOut: true };
    case 'too-much-output':
      return { verdict: 'error', why: `printed more than ${describeBytes(end.limitBytes)}, the log was cut there` };
    case 'too-much-memory':
      return { verdict: 'error', why: `killed: used more than ${describeBytes(end.limitBytes)} of memory` };
    case 'too-many-processes':
      return { verdict: 'error', why: `killed: its limit of ${end.limit} processes was reached` };
    case 'too-much-disk':
      return { verdict: 'error', why: `killed: used more than ${describeBytes(end.limitBytes)} of disk` };
    case 'not-confined':
      return { verdict: 'error', why: `its sandbox could not be set up: ${end.why}` };
    case 'disk-full':
      return { verdict: 'error', why: 'the disk of the scratch directory is full' };
    case 'cancelled':
      return { verdict: 'cancelled', why: 'cancelled' };
    case 'supervisor-stopped':
      return { verdict: 'error', why: `stopped from outside: its supervisor was sent ${end.signal}` };
  }
}

function outcomeOfStatus(code: number): Outcome {
  const why = describeStatus(code);
  return { verdict: 'failed', why, ...(signalNames.has(code - 128) && { killed: why }) };
}

/** What a POSIX shell says by its exit status (POSIX.1-2017, XCU 2.8.2): its command's death shows as 128 + signal. */
function describeStatus(code: number): string {
  const meaning = code === 126 ? 'not executable' : code === 127 ? 'command not found' : signalNames.get(code - 128);
  return meaning === undefined ? `exit status ${code}` : `exit status ${code} (${meaning})`;
}

/** The signals that end tests, by Linux's numbers (signal(7)). */
const signalNames = new Map([
  [1, 'SIGHUP'],
  [2, 'SIGINT'],
  [3, 'SIGQUIT'],
  [4, 'SIGILL'],
  [6, 'SIGABRT'],
  [7, 'SIGBUS'],
  [8, 'SIGFPE'],
  [9, 'SIGKILL'],
  [11, 'SIGSEGV'],
  [13, 'SIGPIPE'],
  [15, 'SIGTERM'],
  [24, 'SIGXCPU'],
  [25, 'SIGXFSZ'],
]);

function describeBytes(bytes: number): string {
  const units: [number, string][] = [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ];
  const unit = units.find(([size]) => bytes >= size && bytes % size === 0);
  return unit ? `${bytes / unit[0]} ${unit[1]}` : `${bytes} bytes`;
}
