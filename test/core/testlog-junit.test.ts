import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostOfJunit, readJunit } from '../../src/core/testlog-junit.ts';
import { reasons, told } from './testlog-told.ts';

const suites = (inner: string): string => `<?xml version="1.0"?>\n<testsuites>${inner}</testsuites>`;
const failing = '<testcase name="2 - x"><failure type="TestFailed" message="not ok 2"/></testcase>';

const files: [string, string, string[]][] = [
  ['a suite at the top', '<testsuite name="a_t"><testcase name="1 - x"/></testsuite>', ['a_t: passed']],
  ['a failure', suites(`<testsuite name="a_t" failures="1">${failing}</testsuite>`), ['a_t: failed 2']],
  [
    'a TODO that passed beside an error',
    suites(
      '<testsuite name="a_t" errors="2"><testcase name="1 -"><error type="TodoTestSucceeded" message="x"/></testcase>' +
        '<testcase name="2 -"><error type="Error" message="x"/></testcase></testsuite>',
    ),
    ['a_t: failed 2, TODO passed 1'],
  ],
  [
    'a signal',
    suites('<testsuite name="a_t" errors="1"><error message="Dubious, test returned 0 (wstat 11, 0xb)"/></testsuite>'),
    ['a_t: killed by SIGSEGV'],
  ],
  [
    'suites in suites, as others write them, with files',
    suites(
      '<testsuite name="all"><testsuite name="inner" file="test/a.test.ts"><testcase name="adds"><failure>no</failure>' +
        '</testcase></testsuite><testsuite name="b"><testcase name="x" file="test\\b.test.ts"/></testsuite></testsuite>',
    ),
    ['test/a.test.ts: 1 failed', 'test/b.test.ts: passed'],
  ],
  [
    'the path told in the output',
    suites(
      `<testsuite name="02-x_y_rakudo_moar" failures="1">${failing}<system-out><![CDATA[# at t/02-x/y.t line 7]]>` +
        '</system-out></testsuite>',
    ),
    ['t/02-x/y.t: failed 2'],
  ],
  [
    'all skipped',
    suites('<testsuite name="a_t"><testcase name="1 -"><skipped/></testcase></testsuite>'),
    ['a_t: skipped'],
  ],
  ['numbers as names stay', suites('<testsuite name="007"><testcase name="1"/></testsuite>'), ['007: passed']],
  ['no suite', suites(''), []],
];
for (const [title, xml, expected] of files) {
  test(`a JUnit file: ${title}`, () => {
    const results = readJunit(xml);
    assert.deepEqual(told(results), expected);
    assert.deepEqual(results.unreadable, []);
  });
}

const doubts: [string, string, string][] = [
  ['nothing', '', 'not-junit'],
  ['a log', 't/a.t .. ok\n', 'not-junit'],
  ['cut', suites(`<testsuite name="a_t">${failing}</testsuite>`).slice(0, 80), 'not-junit'],
  ['other XML', '<project><a/></project>', 'not-junit'],
  ['fewer failures than told', suites(`<testsuite name="a_t" failures="2">${failing}</testsuite>`), 'contradictory'],
  [
    'errors that are not there',
    suites('<testsuite name="a_t" errors="1"><testcase name="1"/></testsuite>'),
    'contradictory',
  ],
  ['names that harm', suites('<testsuite name="x"><__proto__ a="1"/></testsuite>'), 'not-junit'],
];
for (const [title, xml, expected] of doubts) {
  test(`a JUnit file in doubt: ${title}`, () => assert.deepEqual(reasons(readJunit(xml)), [expected]));
}

test('a JUnit file that is too large is not read', () => {
  assert.deepEqual(reasons(readJunit(' '.repeat(mostOfJunit + 1))), ['too-much']);
});
