import type { Archive } from '../archive/archive.ts';
import type { KeptOutput } from '../core/event.ts';
import { readTests, type TestResults } from '../core/testlog.ts';
import { attemptTests, stepReader } from '../core/testlog-attempt.ts';
import { readJunit } from '../core/testlog-junit.ts';
import type { AttemptTests, LogStep } from '../core/testlog-kept.ts';
import { splitLines } from '../core/testlog-lines.ts';

/**
 * The tests of a finished attempt. They are read from the archive, not on the way into it: there secrets are masked, and it
 * does not matter in how many looks, and by which process, the log was copied. One pass, and memory for what is found.
 */

/** Of result files: as many and as large as those of rakudo, whose 1,400 test files have one each, several times over. */
const mostFiles = 5_000;
const mostOfFile = 8 * 1024 * 1024;
const mostOfFiles = 128 * 1024 * 1024;

export async function readAttempt(
  archive: Archive,
  id: string,
  artifacts: KeptOutput['artifacts'],
  signal: AbortSignal,
): Promise<AttemptTests | undefined> {
  const log = await readLog(archive, id, signal);
  return attemptTests(log.results, await readResultFiles(archive, artifacts, signal), log.steps);
}

async function readLog(
  archive: Archive,
  id: string,
  signal: AbortSignal,
): Promise<{ results: TestResults; steps: LogStep[] }> {
  const tests = readTests();
  const marks = stepReader();
  let lines = 0;
  const splitter = splitLines((text) => {
    lines += 1;
    marks.line(text, lines);
    tests.line(text);
  });
  const reader = await archive.readLog(id);
  for await (const chunk of reader?.stream() ?? []) {
    signal.throwIfAborted();
    splitter.push(chunk as Buffer);
  }
  splitter.end();
  return { results: tests.end(), steps: marks.steps };
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
