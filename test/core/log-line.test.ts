import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type LineParts, mightBeMarked, readLogLine, stampText } from '../../src/core/log-line.ts';

const AT = '2021-01-31T15:56:28.0241422Z';

const LINES: [line: string, parts: Partial<LineParts>][] = [
  ['plain', { text: 'plain', command: 0 }],
  [`${AT} ok 1`, { stamp: { iso: AT }, text: 'ok 1' }],
  [`\ufeff${AT} ##[section]Starting: Build`, { stamp: { iso: AT }, fold: 'phase', tone: 'heading', command: 11 }],
  [`${AT} ##[section]Finishing: Build`, { fold: 'end-phase' }],
  [`${AT}`, { stamp: { iso: AT }, text: '' }],
  [`${AT}glued`, { stamp: undefined, text: `${AT}glued` }],
  [`\u001b[33m${AT} a warning\u001b[0m`, { stamp: { iso: AT }, text: '\u001b[33ma warning\u001b[0m' }],
  ['[    0s] Using BUILD_ROOT', { stamp: { seconds: 0 }, text: 'Using BUILD_ROOT' }],
  ['[12345s]', { stamp: { seconds: 12_345 }, text: '' }],
  ['[   18s] ----- building rakudo.spec (user abuild)', { fold: 'phase', tone: 'heading' }],
  ['[   18s] Executing(%check): /bin/sh -e /var/tmp/rpm-tmp.K3', { fold: 'phase', tone: 'heading' }],
  ['[   18s]  debian/rules binary', { fold: 'phase', tone: 'heading' }],
  ['##[group]Install', { fold: 'group', tone: 'heading', command: 9 }],
  ['##[endgroup]', { fold: 'end-group', command: 12 }],
  ['::group::Install', { fold: 'group', command: 9 }],
  ['::endgroup::', { fold: 'end-group' }],
  ['::error file=a.c,line=3::bad', { tone: 'error', mark: 'error', command: 25 }],
  ['##[warning]careful', { tone: 'warning', mark: undefined }],
  ['##[command]/usr/bin/bash', { tone: 'command' }],
  ['##[debug]error: not for people', { tone: 'debug', mark: undefined }],
  ['##[unknown]x', { command: 0, fold: undefined, tone: undefined }],
  ['\u001b[36;1m##[group]Coloured\u001b[0m', { fold: 'group', command: 0 }],
  ['say ##[group] in the middle', { fold: undefined }],
];

const MARKED: [line: string, kind: 'test' | 'error' | undefined][] = [
  ['not ok 3 - addition', 'test'],
  ['    not ok 3 - in a subtest', 'test'],
  ['not ok 3 - addition # TODO not yet', undefined],
  ['ok 3 - not ok is a fine name', undefined],
  [`# Failed test 'timing-sensitive'`, 'test'],
  ["#     Failed test 'nested'", 'test'],
  ["# Failed TODO test 'later'", undefined],
  ['t/02-rakudo/10-nqp-ops.t (Wstat: 256 (exited 1) Tests: 2 Failed: 1)', 'test'],
  ['t/02-rakudo/15-gh_1202.t (Wstat: 0 Tests: 3 Failed: 0)', undefined],
  ['t/spec/S17-procasync/kill.t (Wstat: 0 Tests: 6 Failed: 2)', 'test'],
  ['Dubious, test returned 1 (wstat 256, 0x100)', 'test'],
  ['--- FAIL: TestGc (0.01s)', 'test'],
  ['FAILED tests/a.py::test_b', 'test'],
  ["##[error]Bash exited with code '2'.", 'error'],
  ['##vso[task.logissue type=error;sourcepath=a.c]bad', 'error'],
  ['src/gc/collect.c:120:7: error: unknown type name', 'error'],
  ['src\\core\\interp.c(12): fatal error C1083: Cannot open include file', 'error'],
  ['src/gc/collect.c:120:7: warning: unused', undefined],
  ['\u001b[31merror\u001b[0m: Bad exit status from /var/tmp/rpm-tmp.K3 (%check)', 'error'],
  ['error[E0382]: borrow of moved value', 'error'],
  ['make[2]: *** [Makefile:12: t] Error 1', 'error'],
  ['make: *** Waiting for unfinished jobs....', undefined],
  ['===SORRY!=== Error while compiling t/x.t', 'error'],
  ['Traceback (most recent call last):', 'error'],
  ['java.lang.NullPointerException: x', 'error'],
  ["thread 'main' panicked at src/main.rs:3:5:", 'error'],
  ['Segmentation fault (core dumped)', 'error'],
  ['bash: rakudo: command not found', 'error'],
  ['cp: write error: No space left on device', 'error'],
  ['ok 12 - an error: is thrown', undefined],
  ['t/error-handling.t ........ ok', undefined],
  ['0 errors, 0 failures', undefined],
];

describe('a line of a log', () => {
  for (const [line, expected] of LINES) {
    test(JSON.stringify(line), () => {
      const parts = readLogLine(line) as unknown as Record<string, unknown>;
      for (const [name, value] of Object.entries(expected)) assert.deepEqual(parts[name], value, name);
    });
  }

  for (const [line, kind] of MARKED) {
    test(`${kind ?? 'no'} mark: ${JSON.stringify(line)}`, () => {
      assert.equal(readLogLine(line).mark, kind);
      assert.equal(readLogLine(`[   17s] ${line}`).mark, kind, 'behind a stamp');
      if (kind) assert.match(line.replace(/\u001b\[\d*m/g, ''), mightBeMarked());
    });
  }

  test('stamps are shown as a time of day, or since the beginning', () => {
    assert.equal(stampText({ iso: AT }), '15:56:28');
    assert.equal(stampText({ seconds: 7 }), '0:07');
    assert.equal(stampText({ seconds: 754 }), '12:34');
    assert.equal(stampText({ seconds: 3_661 }), '1:01:01');
  });

  test('the text is the end of the line, whatever it is', () => {
    const piece = fc.constantFrom(
      '##[',
      ']',
      'group',
      '::',
      'error',
      AT,
      ' ',
      '[ 1s] ',
      '\u001b[31m',
      'not ok',
      ':1:2: ',
      '-',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 12 }), (pieces) => {
        const line = pieces.join('').replaceAll('\n', '');
        const { text, command } = readLogLine(line);
        assert.ok(line.endsWith(text) || text.startsWith('\u001b['), text);
        assert.ok(command <= text.length);
      }),
    );
  });

  test('a hostile line of 8 kB takes no time', () => {
    const begun = process.cpuUsage();
    for (const piece of [
      'a.',
      'error: ',
      '(Wstat: ',
      'A1$',
      '::group ',
      ' ',
      'make ',
      '\u001b[1m',
      '1:',
      '##vso[task.logissue ',
    ]) {
      for (let i = 0; i < 20; i++) readLogLine(`${piece.repeat(8192 / piece.length)}!`);
    }
    const { user } = process.cpuUsage(begun);
    assert.ok(user < 2_000_000, `${user} µs`);
  });
});
