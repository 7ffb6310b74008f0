import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import type { Archive, LogReader } from '../../src/archive/archive.ts';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { openLogTests } from '../../src/effects/log-tests.ts';
import { readAttempt } from '../../src/effects/tests.ts';
import { proveLog } from '../support/prove-log.ts';

/** The tests of logs that grow in the archive, and of result files beside them. */

const SECRET = 'hunter2-hunter2';
const never = new AbortController().signal;
let dir: string;
let archive: Archive;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rcb-log-tests-'));
  archive = await openDiskArchive({ dir, secrets: [SECRET] });
});
after(() => rm(dir, { recursive: true, force: true }));

const lines = ['##[section]Starting: Test', ...proveLog({ passed: ['t/ok.t'], failed: { 't/a.t': [2] } })];
const whole = Buffer.from(`${lines.join('\n')}\n`);
let logs = 0;
const newLog = () => `log-${++logs}`;

async function append(id: string, bytes: Uint8Array, end = false): Promise<void> {
  const writer = await archive.openLog(id);
  await writer.append(bytes);
  if (end) await writer.end();
}

test('a log that is looked at again and again tells what the whole does, each byte read once', async () => {
  const id = newLog();
  const read: number[] = [];
  const counted: Pick<Archive, 'readLog'> = {
    readLog: async (log) => {
      const reader = await archive.readLog(log);
      if (!reader) return undefined;
      const stream = (from = 0): Readable => {
        read.push(from);
        return reader.stream(from);
      };
      return { ...bare(reader), stream };
    },
  };
  const tests = openLogTests(counted);
  for (let at = 0; at < whole.length; at += 100) {
    await append(id, whole.subarray(at, at + 100), at + 100 >= whole.length);
    await tests.catchUp(id, never);
  }
  const { results, steps } = await tests.finish(id, never);
  assert.deepEqual(results, (await finished(whole)).results);
  assert.deepEqual(steps, [{ name: 'Test', line: 1 }]);
  assert.deepEqual(
    results.files.map(({ name, outcome, line }) => [name, outcome, line]),
    [
      ['t/ok.t', 'passed', 2],
      ['t/a.t', 'failed', 5],
    ],
  );
  assert.deepEqual(
    read,
    read.toSorted((one, other) => one - other),
  );
  assert.equal(read.at(-1), whole.length);
});

const bare = (reader: LogReader) => ({
  ended: reader.ended,
  bytes: reader.bytes,
  lines: reader.lines,
  lineRange: reader.lineRange,
  startOfLine: reader.startOfLine,
});

async function finished(bytes: Buffer) {
  const id = newLog();
  await append(id, bytes, true);
  return openLogTests(archive).finish(id, never);
}

test('another process, or this one after its restart, reads it from its start', async () => {
  const id = newLog();
  const first = openLogTests(archive);
  await append(id, whole.subarray(0, 150));
  await first.catchUp(id, never);
  await append(id, whole.subarray(150), true);
  const others = await openLogTests(archive).finish(id, never);
  assert.deepEqual(await first.finish(id, never), others);
  assert.deepEqual(await first.finish(id, never), others, 'and again, should the event not be stored');
});

test('it remembers so many logs, and reads the others again', async () => {
  const ids = [newLog(), newLog(), newLog()];
  const tests = openLogTests(archive, 2);
  for (const id of ids) {
    await append(id, whole, true);
    await tests.catchUp(id, never);
  }
  for (const id of ids) assert.equal((await tests.finish(id, never)).results.files.length, 2);
});

test('what was read by halves is forgotten: no line is counted twice', async () => {
  const half = whole.subarray(0, 200);
  let isBroken = true;
  const failing: Pick<Archive, 'readLog'> = {
    readLog: async () =>
      ({
        bytes: whole.length,
        stream: (from = 0) =>
          Readable.from(
            (async function* () {
              yield isBroken ? half.subarray(from) : whole.subarray(from);
              if (isBroken) throw new Error('the disk is away');
            })(),
          ),
      }) as unknown as LogReader,
  };
  const tests = openLogTests(failing);
  await assert.rejects(tests.catchUp('x', never), /the disk is away/);
  isBroken = false;
  assert.deepEqual((await tests.finish('x', never)).results, (await finished(whole)).results);
});

test('secrets are in no words that are kept of tests', async () => {
  const id = newLog();
  await append(id, Buffer.from(`make: *** [login ${SECRET}] Error 1\n${whole}`), true);
  const tests = await readAttempt({ archive, logTests: openLogTests(archive) }, id, [], never);
  assert.equal(tests?.otherFailures.length, 1);
  assert.doesNotMatch(JSON.stringify(tests), new RegExp(SECRET));
});

test('a job without a log has no tests', async () => {
  assert.equal(await readAttempt({ archive, logTests: openLogTests(archive) }, newLog(), [], never), undefined);
});

const JUNIT =
  '<testsuites><testsuite name="t/b.t"><testcase name="1 - x"><failure message="not ok 1"/></testcase></testsuite></testsuites>';
async function withFiles(files: Record<string, string | Buffer>) {
  const artifacts = [];
  for (const [name, content] of Object.entries(files)) {
    artifacts.push({ name, ...(await archive.put(Buffer.from(content))) });
  }
  return readAttempt({ archive, logTests: openLogTests(archive) }, newLog(), artifacts, never);
}

test('result files among the artifacts are read: JUnit, and TAP by the names of the files', async () => {
  const tests = await withFiles({
    'results/junit.xml': JUNIT,
    't/c.t.tap': '1..2\nok 1\nnot ok 2\n',
    't/d.t.tap': '1..1\nok 1\n',
    'coverage.xml': '<?xml version="1.0"?><coverage line-rate="0.5"/>',
    'notes.txt': 'not ok 1',
  });
  assert.deepEqual(tests?.passed, ['t/d.t']);
  assert.deepEqual(
    tests?.failed.map(({ name, line }) => [name, line]),
    [
      ['t/b.t', undefined],
      ['t/c.t', undefined],
    ],
  );
  assert.deepEqual(tests?.unreadable, []);
});

test('a result file that was cut is no pass, and one that is too large is said', async () => {
  const cut = await withFiles({ 'junit.xml': JUNIT.slice(0, -30) });
  assert.equal(cut?.unreadable[0]?.because, 'not-junit');
  const artifacts = [{ name: 'junit.xml', size: 50 * 2 ** 20, sha256: 'a'.repeat(64) }];
  const large = await readAttempt({ archive, logTests: openLogTests(archive) }, newLog(), artifacts, never);
  assert.deepEqual(
    large?.unreadable.map(({ because, detail }) => [because, detail]),
    [['too-much', 'the result file junit.xml of 52428800 bytes']],
  );
});
