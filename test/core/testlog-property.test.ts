import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readTests } from '../../src/core/testlog.ts';
import { readJunit } from '../../src/core/testlog-junit.ts';
import { read, sample } from './testlog-told.ts';

/** Bytes that look like logs: lines and pieces of the real ones, shuffled, with noise in between. */
const pieces = [
  'azure_ts.log',
  'obs_ts.log',
  'prove_many_failures.log',
  'prove_pass_with_summary.log',
  'issue_excerpts.txt',
]
  .flatMap((name) => sample(name).split('\n'))
  .concat([
    '1..4',
    'ok 1',
    'not ok 2 - x',
    'Bail out!',
    'ok',
    'make: *** [x] Error 1',
    '\ufeff',
    't/a.t .. 1/9\rt/a.t .. ok',
  ])
  .map((line) => Buffer.from(line));
const endings = ['\n', '\r\n', '\n\n', '\r', ' ', '', '\u001b[31m', '\ud83d\ude00'].map((end) => Buffer.from(end));
const soup = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...pieces) },
      { weight: 3, arbitrary: fc.constantFrom(...endings) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
    ),
    { maxLength: 60 },
  )
  .chain((parts) =>
    fc
      .array(fc.constantFrom(...endings), { minLength: parts.length, maxLength: parts.length })
      .map((ends) => Buffer.concat(parts.flatMap((part, index) => [part, ends[index]!]))),
  );

const tap = fc.constantFrom(undefined, 't/a.t');

test('any soup of bytes is read, and no file is told twice', () => {
  fc.assert(
    fc.property(fc.oneof(soup, fc.uint8Array({ maxLength: 300 })), tap, (bytes, name) => {
      const results = read(bytes, { tap: name });
      assert.equal(new Set(results.files.map((file) => file.name)).size, results.files.length);
      for (const { line, summaryLine } of results.files) {
        assert.ok(line! >= 1 && line! <= Math.max(1, results.lines));
        assert.ok(summaryLine === undefined || summaryLine <= results.lines);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('bytes split at any places give the same', () => {
  fc.assert(
    fc.property(soup, fc.array(fc.nat(), { maxLength: 30 }), tap, (bytes, cuts, name) => {
      const reader = readTests({ tap: name });
      const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
      for (const [index, place] of [...places, bytes.length].entries()) {
        reader.bytes(bytes.subarray(index === 0 ? 0 : places[index - 1], place));
      }
      assert.deepEqual(reader.end(), read(bytes, { tap: name }));
    }),
    { numRuns: 1_000 },
  );
});

test('every split of a sample, byte by byte, gives the same', () => {
  const bytes = Buffer.from(sample('azure_ts.log').replaceAll('\n', '\r\n').replace('timing', 't\u00efming'));
  const whole = read(bytes);
  for (let place = 0; place <= bytes.length; place += 1) {
    const reader = readTests();
    reader.bytes(bytes.subarray(0, place));
    reader.bytes(bytes.subarray(place));
    assert.deepEqual(reader.end(), whole);
  }
});

test('lines of text give the same as bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...pieces.map(String), 'a\r', 'b\rt/x.t .. ok'), { maxLength: 60 }),
      (lines) => {
        const reader = readTests();
        for (const line of lines) reader.line(line);
        assert.deepEqual(reader.end(), read(lines.map((line) => `${line}\n`).join('')));
      },
    ),
    { numRuns: 500 },
  );
});

test('of a log that is cut anywhere before its end, nothing can be relied on', () => {
  const log = sample('prove_only_flapper_plus_TODO.log').trimEnd();
  const beginning = log.indexOf('t/02-rakudo/10-nqp-ops.t ..') + 't/02-rakudo/10-nqp-ops.t ..'.length;
  for (let end = beginning; end < log.length; end += 1) {
    assert.notDeepEqual(
      read(log.slice(0, end)).unreadable,
      [],
      `cut behind ${JSON.stringify(log.slice(end - 20, end))}`,
    );
  }
});

test('any text is read as JUnit without a throw', () => {
  const xml = sample('prove_junit_formatter_console.xml');
  const words = xml.split(/(?<=>)|(?=<)/);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((all) => all.join('')),
      ),
      (text) => {
        readJunit(text);
      },
    ),
    { numRuns: 1_000 },
  );
});

/** What might be slow: each makes a text of about this many bytes. */
const hostile: [string, (size: number) => string][] = [
  ['one line', (size) => 't/a.t .. '.repeat(size / 9)],
  ['bare returns', (size) => 't/a.t .. 1/9\r'.repeat(size / 13)],
  ['escapes that do not end', (size) => `${'\u001b['.repeat(40)}\n`.repeat(size / 81)],
  ['blanks', (size) => `a${' '.repeat(4_000)}(Wstat: \n`.repeat(size / 4_010)],
  ['signs', (size) => `not ok 1 ${'# '.repeat(2_000)}\n`.repeat(size / 4_010)],
  [
    'files, each another',
    (size) => Array.from({ length: size / 20 }, (_, index) => `t/${index}.t ..... ok\n`).join(''),
  ],
  [
    'a summary without an end',
    (size) =>
      `Test Summary Report\n-------------------\n${'a.t (Wstat: 0 Tests: 1 Failed: 1)\n  Failed test: 1\n'.repeat(size / 52)}`,
  ],
  [
    'lists that go on',
    (size) =>
      `Test Summary Report\n-------------------\na.t (Wstat: 0 Tests: 1 Failed: 1)\n  Failed tests:  1\n${`${' '.repeat(16)}${'1, 3, 5, 7, '.repeat(3)}9\n`.repeat(size / 54)}`,
  ],
  ['verbose failures', (size) => `t/a.t .. \n${'not ok 7\n'.repeat(size / 9)}`],
];
for (const [title, make] of hostile) {
  test(`linear time: ${title}`, () => {
    const small = Buffer.from(make(300_000));
    const large = Buffer.from(make(2_400_000));
    const cost = (bytes: Buffer): number => {
      const before = process.cpuUsage();
      read(bytes);
      return process.cpuUsage(before).user;
    };
    cost(small);
    const ratio = cost(large) / Math.max(cost(small), 10_000);
    // Eight times the size; what is quadratic would take sixty-four times as long.
    assert.ok(ratio < 30, `${ratio.toFixed(1)} times as long`);
  });
}
