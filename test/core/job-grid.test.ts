import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jobGrid, jobPlace } from '../../src/core/job-grid.ts';

const PLACES: [name: string, platform: string | undefined, configuration?: string][] = [
  ['linux x86_64', 'Linux x86_64', ''],
  ['linux x86_64 no-jit', 'Linux x86_64', 'no-jit'],
  ['windows msvc', 'Windows', 'msvc'],
  ['Test Win_MVM_reloc', 'Windows', 'Test MVM reloc'],
  ['MVM Lin gcc', 'Linux', 'MVM gcc'],
  ['build (ubuntu-22.04, jvm)', 'ubuntu-22.04', 'build jvm'],
  ['rakudo x86_64-openSUSE_Tumbleweed', 'x86_64-openSUSE_Tumbleweed', 'rakudo'],
  ['moarvm aarch64-Debian_12', 'aarch64-Debian_12', 'moarvm'],
  ['macOS arm64 / reloc', 'macOS arm64', 'reloc'],
  ['ci/run', undefined],
  ['test', undefined],
  ['', undefined],
  ['winner linked', undefined],
  ['constructor', undefined],
];

for (const [name, platform, configuration] of PLACES) {
  test(`“${name}” is ${platform ?? 'on no platform'}${configuration ? `, ${configuration}` : ''}`, () => {
    assert.deepEqual(jobPlace(name), platform === undefined ? undefined : { platform, configuration });
  });
}

const gridOf = (...names: string[]) => jobGrid(names, (name) => name);

test('platforms are rows, configurations columns, without the words that all have', () => {
  assert.deepEqual(gridOf('Test Win_MVM', 'Test Win_JVM', 'Test Lin_MVM', 'Test Lin_JVM', 'Prepare'), {
    platforms: ['Windows', 'Linux'],
    configurations: ['MVM', 'JVM'],
    cells: [
      ['Test Win_MVM', 'Test Win_JVM'],
      ['Test Lin_MVM', 'Test Lin_JVM'],
    ],
    others: ['Prepare'],
  });
});

test('a word that is all that a name says stays', () => {
  assert.deepEqual(gridOf('rakudo linux', 'rakudo linux no-jit', 'rakudo macos')?.configurations, [
    'rakudo',
    'rakudo no-jit',
  ]);
});

test('a place without a job is empty', () => {
  const grid = gridOf('linux x86_64', 'linux x86_64 no-jit', 'macos arm64', 'windows msvc');
  assert.deepEqual(grid?.configurations, ['', 'no-jit', 'msvc']);
  assert.deepEqual(grid?.cells[2], [undefined, undefined, 'windows msvc']);
});

const LISTS: [why: string, names: string[]][] = [
  ['no jobs', []],
  ['one job', ['ci/run']],
  ['platforms only', ['Linux', 'macOS', 'Windows']],
  ['one platform only', ['linux a', 'linux b']],
  ['two jobs in one place', ['linux a', 'lin a', 'mac a', 'mac b']],
  ['hardly filled', ['linux a', 'mac b', 'windows c', 'freebsd d']],
];
for (const [why, names] of LISTS) {
  test(`${why}: a list`, () => assert.equal(gridOf(...names), undefined));
}

test('whatever jobs are called, each is in the grid once or beside it', () => {
  const system = fc.constantFrom('linux', 'mac', 'windows', '');
  const name = fc.tuple(system, fc.constantFrom(' ', '_', ''), fc.string({ unit: 'grapheme', maxLength: 8 }));
  fc.assert(
    fc.property(fc.array(name, { maxLength: 12 }), (drawn) => {
      const all = drawn.map((words) => words.join(''));
      const grid = jobGrid(all, (job) => job);
      const shown = grid && [...grid.cells.flat().filter((job) => job !== undefined), ...grid.others];
      assert.deepEqual(shown?.toSorted() ?? all.toSorted(), all.toSorted());
    }),
  );
});
