import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostFlappers, parseFlapperFile } from '../../src/config/flappers.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistake, formatMistakes } from '../../src/config/mistake.ts';
import { rakuFlappers } from '../../src/config/raku-flappers.ts';

/** The list of known flappers, as rcb.yaml and as a repository's own file tell it. */

const read = (text: string | Uint8Array) =>
  parseFlapperFile('.rcb/flappers.yml', typeof text === 'string' ? Buffer.from(text) : text);

function mistakesOf(text: string): string[] {
  const found = read(text);
  assert.ok('mistakes' in found, `${text} is taken`);
  return found.mistakes.map(formatMistake);
}

function flappersOf(yaml: string) {
  const files = { read: (path: string) => (path.endsWith('rcb.yaml') ? Buffer.from(yaml) : undefined) };
  const loaded = loadConfig({}, files);
  if ('mistakes' in loaded) return formatMistakes(loaded.mistakes);
  return loaded.config.flappers;
}

test('a list has names, and what else is known of them', () => {
  const text = [
    '- name: t/a.t',
    '- name: t/spec/S17-*/**',
    '  repository: Raku/roast',
    '  platforms: ["*Win*"]',
    '  issue: https://github.com/rakudo/rakudo/issues/1',
    '  since: 2026-01-01',
    '  until: 2026-01-01',
    '  rerun: off',
  ].join('\n');
  assert.deepEqual(read(text), {
    known: [
      { name: 't/a.t' },
      {
        name: 't/spec/S17-*/**',
        repository: 'Raku/roast',
        platforms: ['*Win*'],
        issue: 'https://github.com/rakudo/rakudo/issues/1',
        since: '2026-01-01',
        until: '2026-01-01',
        rerun: 'off',
      },
    ],
  });
});

for (const text of ['', '# nobody yet\n', '[]', '---\n']) {
  test(`${JSON.stringify(text)} is an empty list`, () => assert.deepEqual(read(text), { known: [] }));
}

const name = 'the path of a test file, or a glob that does not stand for all of them';
const MISTAKES: [given: string, ...said: string[]][] = [
  ['flappers: []', '1:1: found a map, expected a list of flappers.'],
  ['- t/a.t', '1:3: [0]: found "t/a.t", expected a map with the key name.'],
  ['- name: "**"', `1:3: [0].name: found "**", expected ${name}.`],
  ['- name: "*.t"', `1:3: [0].name: found "*.t", expected ${name}.`],
  ['- name: t/**', `1:3: [0].name: found "t/**", expected ${name}.`],
  ['- name: /t/a.t', `1:3: [0].name: found "/t/a.t", expected ${name}.`],
  ['- issue: https://x.example/1', `1:3: [0].name: found nothing, expected ${name}.`],
  [
    '- { name: a.t, platform: ["*"] }',
    '1:16: [0].platform: found an unknown key, expected name, repository, platforms, issue, since, until or rerun. ' +
      'Did you mean "platforms"?',
  ],
  [
    '- { name: a.t, platforms: [] }',
    '1:16: [0].platforms: found an empty list, expected a list of globs, one at least.',
  ],
  ['- { name: a.t, issue: "#12" }', '1:16: [0].issue: found "#12", expected the http or https address of an issue.'],
  [
    '- { name: a.t, issue: "javascript:alert(1)" }',
    '1:16: [0].issue: found "javascript:alert(1)", expected the http or https address of an issue.',
  ],
  ['- { name: a.t, since: 2026-02-30 }', '1:16: [0].since: found "2026-02-30", expected a day like 2026-11-21.'],
  [
    '- { name: a.t, since: 2026-02-02, until: 2026-02-01 }',
    '1:35: [0].until: found "2026-02-01", expected a day that is not before since.',
  ],
  ['- { name: a.t, rerun: on }', '1:16: [0].rerun: found "on", expected once or off.'],
  [
    '- { name: a.t, name: b.t }',
    '1:16: [0].name: found the key for the second time (first in line 1), expected each key once.',
  ],
  ['{', '1:2: found text that is no YAML'],
];
for (const [given, ...said] of MISTAKES) {
  test(`${given} is told as a mistake`, () => {
    const found = mistakesOf(given);
    for (const [index, words] of said.entries()) {
      assert.ok(found[index]?.startsWith(`.rcb/flappers.yml:${words}`), `${found.join('\n')}\nis not\n${words}`);
    }
  });
}

test('what is no text, too large, or too long is a mistake, and costs nothing', () => {
  for (const bytes of [Buffer.from([0xff, 0xfe, 0x00]), Buffer.alloc(300_000, '- '), Buffer.alloc(100_000, '[')]) {
    const found = read(bytes);
    assert.ok('mistakes' in found && found.mistakes.length > 0);
  }
  const long = Array.from({ length: mostFlappers + 1 }, (_, at) => `- name: t/${at}.t`).join('\n');
  assert.match(mistakesOf(long)[0]!, /expected a list of at most 1000 flappers/);
});

test('rcb.yaml adds to the preset, names the repositories’ file, and where they are off', () => {
  const own = 'flappers: { known: [{ name: t/own.t }], file: ci/flappers.yml, off: [acme/*] }\n';
  const raku = flappersOf(`stack: raku\n${own}`);
  assert.deepEqual(raku, { known: [{ name: 't/own.t' }, ...rakuFlappers], file: 'ci/flappers.yml', off: ['acme/*'] });
  assert.deepEqual(flappersOf('{}'), { known: [], file: '.rcb/flappers.yml', off: [] });
  assert.match(String(flappersOf('flappers: { known: [{ name: t/a.t, untill: 2026-01-01 }] }')), /"until"/);
});
