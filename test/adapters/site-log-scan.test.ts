import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { LogReader } from '../../src/archive/archive.ts';
import { openDiskArchive } from '../../src/archive/disk.ts';
import { budgetOf, type ScanQuery, scanLog } from '../../src/site/log-scan.ts';
import { createTurns, TooBusy } from '../../src/site/turns.ts';

const NEVER = { isOver: () => false };

/** A log as it lies on disk. */
async function logOf(t: Pick<TestContext, 'after'>, pieces: (string | Buffer)[]): Promise<LogReader> {
  const dir = await mkdtemp(join(tmpdir(), 'rcb-scan-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const archive = await openDiskArchive({ dir, secrets: [] });
  const writer = await archive.openLog('a-1');
  for (const piece of pieces) await writer.append(Buffer.from(piece));
  await writer.end();
  const log = await archive.readLog('a-1');
  assert.ok(log);
  return log;
}

const scan = (log: LogReader, query: Partial<ScanQuery>) =>
  scanLog(log, { pattern: /needle/gi, keep: 10, ...query }, NEVER);

/** Several frames of 1 MiB. */
const LONG = Array.from({ length: 150_000 }, (_, i) =>
  i % 30_000 === 7 ? `line ${i + 1} has a Needle, and a second needle` : `line ${i + 1} of the log`,
);
const AT = [8, 30_008, 60_008, 90_008, 120_008];

test('lines that have it are found and counted once, wherever they are', async (t) => {
  const log = await logOf(t, [`${LONG.join('\n')}\n`]);
  const found = await scan(log, {});
  assert.deepEqual(
    [found.hits.map(({ line }) => line), found.count, found.isWhole, found.until],
    [AT, 5, true, 150_000],
  );
  assert.equal(found.hits[1]!.text, 'line 30008 has a Needle, and a second needle');
  const lines = async (query: Partial<ScanQuery>) => (await scan(log, query)).hits.map(({ line }) => line);
  assert.deepEqual(await lines({ keep: 2 }), AT.slice(0, 2));
  assert.deepEqual(await lines({ keep: 2, which: 'last' }), AT.slice(3));
  assert.deepEqual(await lines({ from: 30_008 }), AT.slice(1));
  assert.deepEqual(await lines({ from: 30_009, to: 90_008 }), AT.slice(2, 4));
  assert.deepEqual(await lines({ to: 90_007 }), AT.slice(0, 3));
  assert.deepEqual(await lines({ from: 999_999 }), []);
  assert.deepEqual(await lines({ accepts: (line) => line.includes('60008') }), [60_008]);
  assert.equal((await scan(log, { keep: 2 })).count, 5, 'counted on');
  assert.equal((await scan(log, { keep: 2, isEnough: true })).count, 2);
});

test('a scan ends when its time is over, or nobody waits, and says how far it came', async (t) => {
  const log = await logOf(t, [`${LONG.join('\n')}\n`]);
  let time = 0;
  // Each look at the clock takes a second.
  const clock = {
    now() {
      time += 1000;
      return new Date(time);
    },
  };
  const cut = await scanLog(log, { pattern: /needle/gi, keep: 10 }, budgetOf(clock, 1500));
  assert.equal(cut.isWhole, false);
  assert.ok(cut.until > 1000 && cut.until < 150_000, `${cut.until}`);
  assert.deepEqual(
    cut.hits.map(({ line }) => line),
    AT.filter((line) => line <= cut.until),
  );
  const on = await scan(log, { from: cut.until + 1 });
  assert.equal(cut.count + on.count, 5, 'it goes on where it was cut');
  const gone = new AbortController();
  gone.abort();
  const left = await scanLog(log, { pattern: /x/g, keep: 1 }, budgetOf({ now: () => new Date(0) }, 1e9, gone.signal));
  assert.equal(left.isWhole, false);
});

test('a line of 10 MB has its number, is found once, also across two pieces, and what follows keeps its number', async (t) => {
  const long = Buffer.alloc(10_000_000, 'x');
  for (const at of [5, 1_048_570, 1_500_000, 3_145_725, 9_999_990]) long.write('needle', at);
  const log = await logOf(t, ['first\n', long, '\nneedle at last']);
  const found = await scan(log, {});
  assert.deepEqual(
    found.hits.map(({ line, text }) => [line, text.length <= 8192]),
    [
      [2, true],
      [3, true],
    ],
  );
});

test('colours within a word do not hide it, nor do odd bytes', async (t) => {
  const log = await logOf(t, ['\u001b[1mnee\u001b[31mdle\u001b[0m\n', Buffer.from([0xff, 0xfe, 10, 0xc3]), 'needle']);
  assert.deepEqual((await scan(log, {})).hits, [
    { line: 1, text: 'needle' },
    { line: 3, text: '\ufffdneedle' },
  ]);
});

test('it finds what a reader of all lines finds', async (t) => {
  const line = fc
    .array(fc.constantFrom('a', 'b', 'B', '\r', 'é', ' ', '\u001b[3m'), { maxLength: 6 })
    .map((all) => all.join(''));
  const lines = fc.array(line, { minLength: 1, maxLength: 60 });
  const cases = fc.tuple(lines, fc.nat(70), fc.nat(70), fc.constantFrom('a', 'ab', 'é b'));
  await fc.assert(
    fc.asyncProperty(cases, async ([all, from, to, wanted]) => {
      const log = await logOf(t, [all.join('\n')]);
      const found = await scan(log, { pattern: new RegExp(wanted, 'gi'), from: from + 1, to, keep: 99 });
      const expected = all
        .map((text, index) => ({ line: index + 1, text: text.replaceAll('\u001b[3m', '') }))
        .filter((each) => each.line > from && each.line <= to && each.text.toLowerCase().includes(wanted));
      assert.deepEqual(found.hits, expected);
    }),
    { numRuns: 60 },
  );
});

test('turns: few at once, some wait in order, more are sent away', async () => {
  const turns = createTurns(2, 2, 'too many');
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const begun: number[] = [];
  const all = gates.map((gate, index) =>
    turns(async () => {
      begun.push(index);
      await gate.promise;
      if (index === 0) throw new Error('broken');
      return index;
    }),
  );
  const broken = assert.rejects(all[0]!, /broken/);
  await assert.rejects(
    turns(async () => 4),
    new TooBusy('too many'),
  );
  assert.deepEqual(begun, [0, 1]);
  gates[0]!.resolve();
  await broken;
  gates[2]!.resolve();
  assert.equal(await all[2], 2);
  gates[1]!.resolve();
  gates[3]!.resolve();
  assert.deepEqual(await Promise.all(all.slice(1)), [1, 2, 3]);
  assert.equal(await turns(async () => 'free again'), 'free again');
});
