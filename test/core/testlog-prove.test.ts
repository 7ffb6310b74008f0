import assert from 'node:assert/strict';
import { test } from 'node:test';
import { read, reasons, sample, told } from './testlog-told.ts';

const flapper = sample('prove_only_flapper_plus_TODO.log');
const expected = told(read(flapper));
const lines = flapper.trimEnd().split('\n');

/** The same log in the clothes of each backend, terminal and system says the same. */
const clothes: [string, (line: string, index: number) => string][] = [
  ['CRLF', (line) => `${line}\r`],
  ['CRLF twice', (line) => `${line}\r\r`],
  ['Azure, short fraction', (line) => `2026-01-31T15:56:28.02Z ${line}`],
  ['Azure, white space at the end cut', (line) => `2026-01-31T15:56:28.0241422Z ${line}`.trimEnd()],
  ['OBS, late', (line) => `[ 1234s] ${line}`],
  ['Azure around OBS', (line) => `2026-01-31T15:56:28.0241422Z [    3s] ${line}`],
  ['a byte order mark', (line, index) => (index === 0 ? `\ufeff${line}` : line)],
  ['colours around lines', (line) => `\u001b[31m${line}\u001b[0m`],
  ['colours around words', (line) => line.replace(/\S+/g, '\u001b[1;32m$&\u001b[m')],
  ['coloured behind the prefix', (line) => `2026-01-31T15:56:28.0241422Z \u001b[33m${line}\u001b[0m\r`],
  ['a terminal, written over', (line) => (line.includes(' .. ') ? `${line.split(' .. ')[0]} .. 1/9 \r${line}` : line)],
  ['the ruler of prove -j', (line) => (line.includes(' .. ') ? `===( 3;0  1/2 )===\r      \r${line}` : line)],
  ['Windows', (line) => line.replaceAll('t/02-rakudo/', 't\\02-rakudo\\').replaceAll('t/spec/', 't\\spec\\')],
  ['fudged', (line) => line.replace(/\bok\.t\b/, 'ok.rakudo.moar')],
  ['the old form of Wstat', (line) => line.replace(' (exited 1)', '')],
  ['with a dot before', (line) => line.replace(/^t\//, './t/')],
  ['wider dots', (line) => line.replace(' .. ', ' ........................... ')],
  ['timer', (line) => line.replace(/^(t\/\S+ \.\.)/, '[06:54:33] $1').replace(/ ok$/, ' ok        1 ms')],
];
for (const [title, dress] of clothes) {
  test(`the same is read of: ${title}`, () => {
    const results = read(`${lines.map(dress).join('\n')}\n`);
    assert.deepEqual(told(results), expected);
    assert.deepEqual(results.unreadable, []);
  });
}

test('malformed UTF-8 harms no other line', () => {
  const broken = Buffer.concat([Buffer.from('caf\xe9 \xff\xc3\n', 'latin1'), Buffer.from(flapper)]);
  const results = read(broken);
  assert.deepEqual(results.unreadable, []);
  assert.deepEqual(
    results.files.map(({ name, line }) => [name, line]),
    read(flapper).files.map(({ name, line }) => [name, line! + 1]),
  );
});

const totals = (files: number, tests: number) =>
  `Files=${files}, Tests=${tests},  1 wallclock secs ( 0.02 usr +  0.00 sys =  0.02 CPU)`;
const summary = (body: string, { files = 1, tests = 90, result = 'FAIL' } = {}): string =>
  `Test Summary Report\n-------------------\n${body}\n${totals(files, tests)}\nResult: ${result}\n`;

const entries: [string, string, string][] = [
  [
    'a list that wraps',
    'a.t (Wstat: 0 Tests: 90 Failed: 21)\n  Failed tests:  1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23\n' +
      '                25, 27, 29-33, 36-37',
    'a.t: failed 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29-33, 36-37 @3/3',
  ],
  [
    'parse errors on several lines',
    'a.t (Wstat: 0 Tests: 2 Failed: 0)\n  Parse errors: Tests out of sequence.  Found (7) but expected (1)\n' +
      '                Bad plan.  You planned 3 tests but ran 2.',
    'a.t: Tests out of sequence.  Found (7) but expected (1); Bad plan.  You planned 3 tests but ran 2. @3/3',
  ],
  [
    'more parse errors than are shown',
    'a.t (Wstat: 0 Tests: 9 Failed: 0)\n  Parse errors: one\nDisplayed the first 5 of 9 TAP syntax errors.\n' +
      'Re-run prove with the -p option to see them all.',
    'a.t: one @3/3',
  ],
  ['no process', 'a.t (Wstat: (none) Tests: 2 Failed: 1)\n  Failed test:  2', 'a.t: failed 2 @3/3'],
  ['a signal, old form', 'a.t (Wstat: 9 Tests: 2 Failed: 0)\n  Non-zero wait status: 9', 'a.t: killed by SIGKILL @3/3'],
  [
    'a signal with a core',
    'a.t (Wstat: 139 (Signal: SEGV, dumped core) Tests: 2 Failed: 0)\n  Non-zero wait status: 139',
    'a.t: killed by SIGSEGV @3/3',
  ],
  [
    'a signal whose number differs from system to system',
    'a.t (Wstat: 10 (Signal: USR1) Tests: 2 Failed: 0)\n  Non-zero wait status: 10',
    'a.t: killed by signal 10 @3/3',
  ],
  [
    'a name with blanks',
    't/my own test.t   (Wstat: 512 (exited 2) Tests: 2 Failed: 0)\n  Non-zero exit status: 2',
    't/my own test.t: exit status 2 @3/3',
  ],
  [
    'failed and TODO passed at once',
    'a.t (Wstat: 256 (exited 1) Tests: 4 Failed: 1)\n  Failed test:  2\n  TODO passed:   3-4\n' +
      '  Non-zero exit status: 1',
    'a.t: failed 2; exit status 1, TODO passed 3-4 @3/3',
  ],
];
for (const [title, body, line] of entries) {
  test(`an entry of the summary: ${title}`, () => {
    const results = read(summary(body));
    assert.deepEqual(told(results), [line]);
    assert.deepEqual(results.unreadable, []);
  });
}

const bad = 'a.t (Wstat: 256 (exited 1) Tests: 2 Failed: 1)\n  Failed test:  2\n  Non-zero exit status: 1';
const doubts: [string, string, string[]][] = [
  ['cut within the summary', summary(bad).split('Files=')[0]!, ['truncated @1']],
  ['cut before the result', summary(bad).split('Result')[0]!, ['truncated @1']],
  ['cut while files run', 't/a.t .. ok\nt/b.t .. \n', ['truncated @1']],
  ['cut behind the heading', 't/a.t .. ok\n\nTest Summary Report\n', ['truncated @3']],
  ['a result without totals', `t/a.t .. ok\nResult: PASS\n`, ['truncated @2']],
  ['a summary without its heading', summary(bad).split('---\n')[1]!, ['truncated @1']],
  ['fewer failures listed', summary(bad.replace('Failed: 1', 'Failed: 2')), ['contradictory @3']],
  ['no list', summary(bad.replace('  Failed test:  2\n', '')), ['contradictory @3']],
  ['more failures than tests', summary(bad.replace('Tests: 2', 'Tests: 0')), ['contradictory @3']],
  ['another exit status', summary(bad.replace('(exited 1)', '(exited 2)')), ['contradictory @3']],
  ['another detail', summary(bad.replace('status: 1', 'status: 3')), ['contradictory @3']],
  ['no detail', summary(bad.replace('\n  Non-zero exit status: 1', '')), ['contradictory @3']],
  ['more files than in all', summary(`${bad}\n${bad.replace('a.t', 'b.t')}`), ['contradictory @9']],
  ['more tests than in all', summary(bad, { tests: 1 }), ['contradictory @6']],
  ['a pass with a failure', summary(bad, { result: 'PASS' }), ['contradictory @7']],
  ['no tests with a failure', summary(bad, { result: 'NOTESTS' }), ['contradictory @7']],
  ['a failure without a file', `t/a.t .. ok\n${totals(1, 2)}\nResult: FAIL\n`, ['no-file-named @3']],
  [
    'a pass, a file that failed',
    `t/a.t .. \nFailed 1/2 subtests \n${totals(1, 2)}\nResult: PASS\n`,
    ['contradictory @4'],
  ],
  ['something else in the summary', summary(bad.replace('\n', '\nSegmentation fault\n')), ['foreign-line @4']],
  ['no list of numbers', summary(bad.replace(':  2', ':  2, many')), ['foreign-line @4', 'contradictory @3']],
  ['a range that runs backwards', summary(bad.replace(':  2', ':  9-2')), ['foreign-line @4', 'contradictory @3']],
  ['a bail-out', `Bailout called.  Further testing stopped:  no disk\n${summary(bad)}`, ['stopped @1']],
  ['an interrupt', `t/a.t .. ok\nTest run interrupted!\n${totals(1, 2)}\nResult: PASS\n`, ['stopped @2']],
  ['TAP of nobody', 'TAP version 13\n1..2\nok 1\nnot ok 2\n', ['nameless-tap @4']],
  ['TAP of nobody, plan at the end', 'ok 1\nnot ok 2 - x # because\n1..2\n', ['nameless-tap @2']],
];
for (const [title, log, expectedReasons] of doubts) {
  test(`in doubt: ${title}`, () => assert.deepEqual(reasons(read(log)), expectedReasons));
}

const clean: [string, string][] = [
  ['nothing', ''],
  ['no tests', 'gcc -c a.c\nld: done ... ok\nchecking for stdio.h .. yes\nResult: PASS\n'],
  ['words about a summary', 'see the Test Summary Report\nthe Result: FAIL was expected\n'],
  ['TAP that passes', '1..2\nok 1\nnot ok 2 # TODO later\n'],
  ['a line of TAP that leaked', 'not ok 1 - of an inner test\n'],
  ['no tests at all', 'Files=0, Tests=0,  0 wallclock secs ( 0.00 usr +  0.00 sys =  0.00 CPU)\nResult: NOTESTS\n'],
];
for (const [title, log] of clean) {
  test(`nothing to tell: ${title}`, () => {
    const results = read(log);
    assert.deepEqual([results.files, results.unreadable, results.otherFailures], [[], [], []]);
  });
}

test('several summaries in one log add up, and a failure outweighs a pass', () => {
  const passing = `t/a.t .. ok\nt/c.t .. ok\nAll tests successful.\n${totals(2, 4)}\nResult: PASS\n`;
  const failing = `t/a.t .. \nDubious, test returned 1 (wstat 256, 0x100)\nFailed 1/2 subtests \n\n${summary(bad.replace('a.t', 't/a.t'))}`;
  for (const log of [passing + failing, failing + passing]) {
    const results = read(log);
    assert.deepEqual(results.unreadable, []);
    assert.deepEqual(results.files.map(({ name, outcome }) => `${name} ${outcome}`).sort(), [
      't/a.t failed',
      't/c.t passed',
    ]);
  }
  const again = read(failing + failing);
  assert.deepEqual(told(again), ['t/a.t: failed 2; exit status 1 @2/7']);
});

test('what was told of a failure stays, whatever is told of the file before and behind', () => {
  const failing = `t/a.t .. \nFailed 1/2 subtests \n\n${summary('t/a.t (Wstat: 0 Tests: 2 Failed: 1)\n  Failed test:  2')}`;
  const skipping = `t/a.t .. skipped: no network\n${totals(1, 0)}\nResult: NOTESTS\n`;
  assert.deepEqual(told(read(failing + skipping)), ['t/a.t: failed 2 @2/6']);
  for (const log of [skipping + failing, failing + skipping]) {
    const { files, unreadable } = read(log);
    assert.deepEqual([files.map(({ isSkipped }) => isSkipped), unreadable], [[undefined], []]);
  }
});

test('a summary that breaks off is not taken for a part of the next run', () => {
  const results = read(`${summary(bad).split('Files=')[0]}t/c.t .. ok\n${totals(2, 4)}\nResult: PASS\n`);
  assert.deepEqual(reasons(results), ['truncated @1']);
  assert.deepEqual(told(results), ['a.t: failed 2; exit status 1 @3/3', 't/c.t: passed @6']);
});

test('of a summary that broke off, an entry without a failure is not said to have passed', () => {
  assert.deepEqual(told(read('Test Summary Report\n-------------------\na.t (Wstat: 0 Tests: 2 Failed: 0)\n')), []);
});

test('a lone `ok` may be a test of a verbose log, and not yet the end of its file', () => {
  const results = read('t/a.t .. \nok\nnot ok\n1..2\nFailed 1/2 subtests \n');
  assert.deepEqual(told(results), ['t/a.t: 1 failed @3']);
});

test('a file that runs twice in one run has failed if it failed once', () => {
  const results = read('t/a.t .. ok\nt/a.t .. \nFailed 1/2 subtests \n');
  assert.deepEqual(told(results), ['t/a.t: failed @3']);
});

test('lines that leak on both sides of a line of prove are no stream', () => {
  const results = read(`not ok 1\nt/a.t .. ok\n1..2\n${totals(1, 2)}\nResult: PASS\n`);
  assert.deepEqual(results.unreadable, []);
});

test('a file that failed in a run without an end is told', () => {
  const results = read(
    't/a.t .. ok\nt/b.t .. \nDubious, test returned 3 (wstat 768, 0x300)\nFailed 1/2 subtests \nt/c.t .. ',
  );
  assert.deepEqual(told(results), ['t/a.t: passed @1', 't/b.t: exit status 3 @3']);
  assert.match(results.unreadable[0]!.detail!, /t\/c\.t was running/);
});

test('a verbose log leads to the first `not ok` that is no TODO', () => {
  const log = [
    't/a.t .. ',
    '1..4',
    'ok 1',
    'not ok 2 # TODO later',
    '    not ok 1 - of a subtest',
    'not ok 3 - here',
    'not ok 4 - and here',
    'Dubious, test returned 2 (wstat 512, 0x200)',
    'Failed 2/4 subtests ',
    't/b.t .. ',
    '1..1',
    'ok 1',
    'ok',
    '',
    summary('t/a.t (Wstat: 512 (exited 2) Tests: 4 Failed: 2)\n  Failed tests:  3-4\n  Non-zero exit status: 2', {
      files: 2,
    }),
  ];
  const results = read(log.join('\n'));
  assert.deepEqual(told(results), ['t/a.t: failed 3-4; exit status 2 @6/17', 't/b.t: passed @10']);
  assert.deepEqual(results.unreadable, []);
});

const fail = summary(bad);
const others: [string, string, string[]][] = [
  ['make gives up for the tests', `${fail}make[1]: *** [Makefile:1205: m-test] Error 1\nmake: *** [t] Error 2\n`, []],
  ['Azure says so too', `${fail}make: *** [t] Error 1\n##[error]Bash exited with code '2'.\n`, []],
  [
    'the compiler failed',
    `make: *** [Makefile:7: src/core.o] Error 1\n`,
    ['make: *** [Makefile:7: src/core.o] Error 1'],
  ],
  ['it failed before', `make: *** [core.o] Error 1\n${fail}make: *** [t] Error 1\n`, ['make: *** [core.o] Error 1']],
  ['it failed behind', `${fail}cc -c b.c\nmake: *** [b.o] Error 1\n`, ['make: *** [b.o] Error 1']],
  ['make was told to ignore it', `make: [Makefile:3: clean] Error 1 (ignored)\n`, []],
  ['other jobs of make end', `${fail}make: *** Waiting for unfinished jobs....\n`, []],
  [
    'nmake',
    `NMAKE : fatal error U1077: 'cl' : return code '0x2'\n`,
    ["NMAKE : fatal error U1077: 'cl' : return code '0x2'"],
  ],
  ['rpm, the tests', `${fail}error: Bad exit status from /var/tmp/rpm-tmp.x (%check)\n`, []],
  [
    'rpm, the build',
    `cc\nerror: Bad exit status from /var/tmp/rpm-tmp.x (%build)\n`,
    ['error: Bad exit status from /var/tmp/rpm-tmp.x (%build)'],
  ],
];
for (const [title, log, expectedOthers] of others) {
  test(`what the tests do not explain: ${title}`, () => {
    assert.deepEqual(
      read(log).otherFailures.map(({ text }) => text),
      expectedOthers,
    );
  });
}
