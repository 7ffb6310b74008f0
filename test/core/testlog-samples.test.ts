import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unmangle } from '../../src/core/testlog.ts';
import { readJunit } from '../../src/core/testlog-junit.ts';
import { excerpt, read, reasons, sample, told } from './testlog-told.ts';

/** Every sample: real excerpts from public issues, and logs that `prove` made. */

const flapperAndTodo = [
  't/02-rakudo/10-nqp-ops.t: failed 2; exit status 1 @5/12',
  't/02-rakudo/15-gh_1202.t: passed, TODO passed 1 @7/15',
  't/spec/ok.t: passed @8',
];

const logs: [string, string[]][] = [
  ['azure_ts.log', flapperAndTodo],
  ['obs_ts.log', flapperAndTodo],
  ['prove_only_flapper_plus_TODO.log', flapperAndTodo],
  [
    'prove_many_failures.log',
    [
      't/02-rakudo/15-gh_1202.t: passed, TODO passed 1 @1/25',
      't/02-rakudo/10-nqp-ops.t: failed 2; exit status 1 @6/27',
      't/02-rakudo/17-noplan.t: exit status 1; No plan found in TAP output @12/30',
      't/02-rakudo/16-segv.t: killed by SIGSEGV; Bad plan.  You planned 2 tests but ran 1. @15/33',
      't/02-rakudo/18-skip.t: skipped @16',
      't/spec/ok.t: passed @17',
      't/02-rakudo/99-misc.t: exit status 255; Bad plan.  You planned 9 tests but ran 6. @20/36',
    ],
  ],
  [
    'prove_pass_with_summary.log',
    [
      't/02-rakudo/10-nqp-ops.t: passed @1',
      't/02-rakudo/15-gh_1202.t: passed, TODO passed 1 @2/9',
      't/02-rakudo/18-skip.t: skipped @3',
      't/spec/ok.t: passed @4',
    ],
  ],
];
for (const [name, expected] of logs) {
  test(`the sample ${name} is read`, () => {
    const results = read(sample(name));
    assert.deepEqual(told(results), expected);
    assert.deepEqual([results.unreadable, results.otherFailures], [[], []]);
    assert.equal(results.lines, sample(name).split('\n').length - 1);
  });
}

const excerpts: [number, string[], string[]][] = [
  [
    1,
    [
      't/02-rakudo/10-nqp-ops.t: passed @1',
      't/02-rakudo/11-deprecated.t: exit status 1 @3',
      't/02-rakudo/13-exceptions.t: passed @5',
      't/09-moar/NAME__UnicodeData.t: passed @7',
    ],
    ['foreign-line @10', 'truncated @9'],
  ],
  [
    3,
    ['t/spec/S17-procasync/kill.t: exit status 255; Bad plan.  You planned 9 tests but ran 6. @1/1'],
    ['truncated @1', 'truncated @1'],
  ],
  [
    5,
    [
      't/04-nativecall/02-simple-args.t: failed 18; exit status 1 @3/3',
      't/08-performance/22-rakuast-copy-returns.t: passed, TODO passed 1-2, 9 @6/6',
      't/09-moar/Line_Break__LineBreak.t: passed, TODO passed 1-2 @8/8',
      't/12-rakuast/xx-fixed-in-rakuast.rakutest: passed, TODO passed 31, 50-51, 73, 85-86, 102 @10/10',
    ],
    [],
  ],
  [
    6,
    ['t/spec/S09-typed-arrays/native-int.t: killed by SIGSEGV; Bad plan.  You planned 1633 tests but ran 1631. @1/1'],
    ['truncated @1', 'truncated @1'],
  ],
  [8, ['t/concurrency/01-thread.t: failed 23-24 @3/3'], ['truncated @1']],
  [
    10,
    ['t/spec/S04-declarations/will.t: exit status 255; Bad plan.  You planned 20 tests but ran 0. @1/1'],
    ['truncated @1', 'truncated @1'],
  ],
];
for (const [number, expected, unreadable] of excerpts) {
  test(`excerpt [${number}] is read, and what it lacks is told`, () => {
    const results = read(excerpt(number));
    assert.deepEqual(told(results), expected);
    assert.deepEqual(reasons(results), unreadable);
    assert.deepEqual(results.otherFailures, []);
  });
}

test('the JUnit sample is read: a TODO that passed is no failure', () => {
  const results = readJunit(sample('prove_junit_formatter_console.xml'));
  assert.deepEqual(results.unreadable, []);
  assert.deepEqual(told(results), [
    '02-rakudo_16-segv_t: Looks like you planned 2 tests but ran 1.',
    't/02-rakudo/10-nqp-ops.t: failed 2; exit status 1',
    't/02-rakudo/15-gh_1202.t: passed, TODO passed 1',
    't/02-rakudo/17-noplan.t: exit status 1',
    '02-rakudo_99-misc_t: exit status 255',
    '02-rakudo_18-skip_t: skipped',
    'spec_ok_t: passed',
  ]);
});

test('mangled names become paths where just one path has that name', () => {
  const results = readJunit(sample('prove_junit_formatter_console.xml'));
  const paths = ['t/02-rakudo/16-segv.t', 't/spec/ok.t', 't/spec_ok.t', 't/02-rakudo/99-misc.t'];
  const named = unmangle(results, paths).files.map(({ name, isMangled }) => (isMangled ? `?${name}` : name));
  assert.deepEqual(named, [
    't/02-rakudo/16-segv.t',
    't/02-rakudo/10-nqp-ops.t',
    't/02-rakudo/15-gh_1202.t',
    't/02-rakudo/17-noplan.t',
    't/02-rakudo/99-misc.t',
    '?02-rakudo_18-skip_t',
    '?spec_ok_t',
  ]);
});
