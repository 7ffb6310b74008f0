import type { Archive } from '../archive/archive.ts';
import type { KeptOutput } from '../core/event.ts';
import { readTests, type TestResults } from '../core/testlog.ts';
import { attemptTests } from '../core/testlog-attempt.ts';
import { readJunit } from '../core/testlog-junit.ts';
import type { AttemptTests } from '../core/testlog-kept.ts';
import type { LogTests } from './log-tests.ts';

/** Of result files: as many and as large as those of rakudo, whose 1,400 test files have one each, several times over. */
const mostFiles = 5_000;
const mostOfFile = 8 * 1024 * 1024;
const mostOfFiles = 128 * 1024 * 1024;

/** The tests of a finished attempt, from its log and from the result files among its artifacts. */
export async function readAttempt(
  { archive, logTests }: { archive: Archive; logTests: LogTests },
  id: string,
  artifacts: KeptOutput['artifacts'],
  signal: AbortSignal,
): Promise<AttemptTests | undefined> {
  const log = await logTests.finish(id, signal);
  return attemptTests(log.results, await readResultFiles(archive, artifacts, signal), log.steps);
}

const JUNIT = /\.xml$/i;
const TAP = /\.tap$/i;

async function readResultFiles(
  archive: Archive,
  artifacts: KeptOutput['artifacts'],
  signal: AbortSignal,
): Promise<TestResults[]> {
  const results: TestResults[] = [];
  let room = mostOfFiles;
  for (const { name, size, sha256 } of artifacts) {
    if (!JUNIT.test(name) && !TAP.test(name)) continue;
    room -= size;
    if (results.length === mostFiles || size > mostOfFile || room < 0) {
      results.push(tooMuch(name, size));
      break;
    }
    signal.throwIfAborted();
    const found = await readResultFile(archive, name, sha256);
    if (found) results.push(found);
  }
  return results;
}

const tooMuch = (name: string, size: number): TestResults => ({
  files: [],
  unreadable: [{ because: 'too-much', detail: `the result file ${name.slice(0, 200)} of ${size} bytes` }],
  otherFailures: [],
  lines: 0,
});

async function readResultFile(archive: Archive, name: string, sha256: string): Promise<TestResults | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of await archive.get(sha256)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (TAP.test(name)) {
    const reader = readTests({ tap: name.replace(TAP, '') });
    reader.bytes(bytes);
    return reader.end();
  }
  const text = bytes.toString('utf8');
  // Coverage and documentation are XML, too.
  return /<testsuites?[\s/>]/.test(text.slice(0, 4_096)) ? readJunit(text) : undefined;
}
