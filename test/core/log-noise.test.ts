import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withoutNoise } from '../../src/core/log-noise.ts';

const NOISY: [line: string, shown: string][] = [
  ['', ''],
  ['nothing here', 'nothing here'],
  ['2021-01-31T15:56:28.0241422Z ok 1', 'ok 1'],
  ['[  123s] ok 1', 'ok 1'],
  ['\u001b[32mok\u001b[0m 1', 'ok 1'],
  ['built 2026-11-21 at 10:02:03.5', 'built ‹time› at ‹time›'],
  ['started "build a.spec" at Sat Nov 21 10:02:03 UTC 2026.', 'started "build a.spec" at ‹time›.'],
  ['Date: Sat, 21 Nov 2026 10:02:03 GMT', 'Date: ‹time›'],
  ['at 2026-11-21 10:02:03 +0100 it began', 'at ‹time› it began'],
  ['run 123e4567-e89b-12d3-a456-426614174000', 'run ‹id›'],
  ['SEGV at 0x7ffe12ab90', 'SEGV at ‹address›'],
  ['Foo<94387234561> and Bar|94387234561', 'Foo‹address› and Bar‹address›'],
  ['HEAD is now at 3f2a91c Fix', 'HEAD is now at ‹sha› Fix'],
  [`sha256:${'a1'.repeat(32)}`, 'sha256:‹sha›'],
  ['a facade, a decade: 1234567 of them', 'a facade, a decade: 1234567 of them'],
  ['cc -o /tmp/ccXk29a/x.o', 'cc -o ‹temp›/x.o'],
  ['+ /bin/sh -e /var/tmp/rpm-tmp.K39d2s', '+ /bin/sh -e ‹temp›'],
  ['rm /usr/local/bin/raku', 'rm ‹path›raku'],
  ['gcc /home/vsts/work/1/s/src/gc/collect.c:120: note', 'gcc ‹path›collect.c:120: note'],
  ['cl D:\\a\\1\\s\\src\\x.c', 'cl ‹path›x.c'],
  ['see https://example.org/a/b/c', 'see https://example.org/a/b/c'],
  ['listening on 127.0.0.1:40213', 'listening on ‹host›'],
  ['killed process 40213', 'killed ‹process›'],
  ['==40213== Invalid read', '‹process› Invalid read'],
  [
    't/a.t .. ok   231 ms ( 0.02 usr  0.00 sys +  0.68 cusr  0.08 csys =  0.78 CPU)',
    't/a.t .. ok ‹took› ( ‹took› ‹took› + ‹took› ‹took› = ‹took›)',
  ],
  ['Files=3, Tests=6,  1 wallclock secs', 'Files=3, Tests=6, ‹took›'],
  ['real 1m23.456s', 'real ‹took›'],
  ['Fetched 12.3 MB in 4s (3075 kB/s)', 'Fetched ‹size› in ‹took› (‹size›)'],
  ['Failed 1/2 subtests', 'Failed 1/2 subtests'],
  ['not ok 7 - expected 3, got 4', 'not ok 7 - expected 3, got 4'],
  ['moar 2026.10 and nqp 2026.09', 'moar 2026.10 and nqp 2026.09'],
];

describe('a line of a log without its noise', () => {
  for (const [line, shown] of NOISY) test(JSON.stringify(line), () => assert.equal(withoutNoise(line), shown));

  test('lines of two builds that differ in noise only are equal', () => {
    const number = fc.integer({ min: 0, max: 99_999_999 });
    const hex = fc.integer({ min: 0, max: 0xffff_ffff }).map((n) => `f1${n.toString(16).padStart(8, '0')}`);
    const noise = fc.record({
      number,
      hex,
      time: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
    });
    const built = ({ number, hex, time }: { number: number; hex: string; time: Date }) =>
      `${time.toISOString()} cc /builds/${hex}/src/a.c -o /tmp/${hex}/a.o took ${number} ms at ${hex}, ${time.toISOString()}`;
    fc.assert(
      fc.property(noise, noise, (one, other) => assert.equal(withoutNoise(built(one)), withoutNoise(built(other)))),
    );
  });

  test('a hostile line of 8 kB takes no time', () => {
    const begun = process.cpuUsage();
    const pieces = [
      '1',
      '/',
      '/a',
      'a1',
      'f',
      '1 ',
      '0x',
      'C:\\',
      'C:\\a ',
      '127.0.0.1:',
      '/tmp/',
      '1:',
      '2026-11-21T',
      'Mon ',
      '<1',
      '==1',
      'pid ',
    ];
    for (const piece of pieces) for (let i = 0; i < 10; i++) withoutNoise(`${piece.repeat(8192 / piece.length)}!`);
    const { user } = process.cpuUsage(begun);
    assert.ok(user < 3_000_000, `${user} µs`);
  });
});
