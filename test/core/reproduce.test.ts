import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reproduceCommands } from '../../src/core/reproduce.ts';
import { aPull, aRepository, aRun, aSource, sha } from '../support/builders.ts';

const urlOf = (repository: string) => `https://github.com/${repository}.git`;

test('the source trees of a run, made by hand', () => {
  const run = aRun({
    change: aPull({ number: 7, sha: sha('a') }),
    sources: [
      aSource({
        repository: aRepository({ name: 'rakudo/rakudo' }),
        pullRequest: 7,
        baseSha: sha('b'),
        merged: { sha: sha('c'), tree: sha('d') },
      }),
      aSource({ repository: aRepository({ name: 'Raku/nqp' }), sha: sha('e'), changed: false }),
    ],
    manifest: {
      trees: [{ into: 'rakudo/rakudo', path: 't/spec', repository: 'Raku/roast', sha: sha('f'), why: 'head of main' }],
      partners: [],
      notes: [],
    },
  });
  assert.deepEqual(reproduceCommands(run, urlOf), [
    'git clone https://github.com/rakudo/rakudo.git rakudo',
    'git -C rakudo fetch origin refs/pull/7/head',
    `git -C rakudo checkout ${sha('b')}`,
    `git -C rakudo merge --no-ff -m test ${sha('a')}`,
    'git -C rakudo submodule update --init --recursive',
    'rm -rf rakudo/t/spec && git clone https://github.com/Raku/roast.git rakudo/t/spec',
    `git -C rakudo/t/spec checkout ${sha('f')}`,
    'git clone https://github.com/Raku/nqp.git nqp',
    `git -C nqp checkout ${sha('e')}`,
    'git -C nqp submodule update --init --recursive',
  ]);
});

test('what would mean something to a shell is quoted', () => {
  const run = aRun({ sources: [aSource({ repository: aRepository({ name: "srv/it's" }) })] });
  assert.equal(reproduceCommands(run, (name) => `/${name}`)[0], `git clone '/srv/it'\\''s' 'it'\\''s'`);
});
