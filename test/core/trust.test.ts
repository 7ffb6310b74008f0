import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, RunManifest } from '../../src/core/model.ts';
import { holdsForeignCode } from '../../src/core/trust.ts';

const author = { id: '1', login: 'ada' };
const commit: Change = { kind: 'commit', ref: 'refs/heads/main', sha: 'a', title: '' };
const base = { ref: 'main', sha: 'b' };
const pull = (fork: boolean): Change => ({
  kind: 'pull-request',
  number: 1,
  ref: 'fix',
  sha: 'a',
  title: '',
  author,
  fork,
  base,
});
const withPartner = (fork: boolean): RunManifest => ({
  trees: [],
  notes: [],
  partners: [{ repository: 'Raku/nqp', number: 2, ref: 'fix', sha: 'c', fork, author }],
});

const cases: [title: string, change: Change, manifest: RunManifest | undefined, foreign: boolean][] = [
  ['a commit of a watched branch', commit, undefined, false],
  ['a branch of the repository itself', pull(false), undefined, false],
  ['a fork', pull(true), undefined, true],
  ['a branch, tested with another branch', pull(false), withPartner(false), false],
  ['a branch, tested with a fork of its neighbour', pull(false), withPartner(true), true],
  ['a fork, tested with a branch of its neighbour', pull(true), withPartner(false), true],
];

for (const [title, change, manifest, foreign] of cases) {
  test(`${title}: ${foreign ? 'foreign code' : 'our own'}`, () => {
    assert.equal(holdsForeignCode({ change, manifest }), foreign);
  });
}
