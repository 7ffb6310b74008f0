import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlapperFile } from '../../src/config/flappers.ts';
import { formatMistake } from '../../src/config/mistake.ts';
import { listPlaces } from '../../src/core/flapper-lists.ts';
import type { Run } from '../../src/core/model.ts';
import type { TestFile } from '../../src/core/testlog.ts';
import type { World } from '../../src/effects/effect.ts';
import { readLists } from '../../src/effects/flappers.ts';
import { type FileRead, SourceError } from '../../src/sources/sources.ts';
import { aPull, aRepository, aRun, aSource, sha } from '../support/builders.ts';

/** Whose lists of known flappers count, and what becomes of those that cannot be read. */

const nqp = aRepository({ key: 'github:2', name: 'Raku/nqp' });
const rakudo = aRepository({ key: 'github:3', name: 'rakudo/rakudo' });
const places = (run: Partial<Run>) =>
  listPlaces(aRun(run)).map(({ repository, sha: at, ref }) => [repository.name, at, ref].join(' '));

test('a branch is judged by the list of its commit', () => {
  assert.deepEqual(places({}), [`MoarVM/MoarVM ${sha('a')} refs/heads/main`]);
});

test('a pull request is judged by the list of the base that it was tested with, never by its own', () => {
  const own = aSource({ baseSha: sha('c'), merged: { sha: sha('d'), tree: sha('e') } });
  assert.deepEqual(places({ change: aPull(), sources: [own] }), [`MoarVM/MoarVM ${sha('c')} refs/heads/main`]);
  const untold = aSource({ baseSha: undefined });
  assert.deepEqual(places({ change: aPull(), sources: [untold] }), [`MoarVM/MoarVM ${sha('b')} refs/heads/main`]);
});

test('of the neighbours heads of branches count: no pull request, and nothing that a pin names', () => {
  const sources = [
    aSource(),
    aSource({ repository: rakudo, changed: false, sha: sha('1'), ref: 'refs/heads/main' }),
    aSource({ repository: nqp, changed: false, sha: sha('2'), ref: 'refs/pull/7/head', pullRequest: 7 }),
    aSource({ repository: nqp, changed: false, sha: sha('3'), ref: undefined }),
    aSource({ repository: nqp, changed: false, sha: sha('4'), ref: 'refs/tags/2026.08' }),
  ];
  assert.deepEqual(places({ change: aPull(), sources }).slice(1), [`rakudo/rakudo ${sha('1')} refs/heads/main`]);
});

const failed = (name: string): TestFile => ({
  name,
  outcome: 'failed',
  failedCount: 1,
  failed: [],
  todoPassed: [],
  parseErrors: [],
});

/** A world whose one file is this. */
function worldOf(read: FileRead | Error, file = '.rcb/flappers.yml'): World {
  const asked: string[] = [];
  return {
    asked,
    flappers: {
      file,
      parse: (name: string, bytes: Uint8Array) => {
        const list = parseFlapperFile(name, bytes);
        return 'mistakes' in list ? { mistakes: list.mistakes.map(formatMistake) } : list;
      },
    },
    forge: () => ({ remote: async () => ({}) }),
    sources: {
      ensureCommit: async () => asked.push('commit'),
      readFile: async () => {
        if (read instanceof Error) throw read;
        return read;
      },
    },
  } as unknown as World;
}
const text = (content: string): FileRead => ({ kind: 'file', bytes: Buffer.from(content) });
const listed = (read: FileRead | Error, names = ['t/a.t']) =>
  readLists(aRun(), names.map(failed), worldOf(read), new AbortController().signal);

test('of a list the entries that name a failed file are told, with the repository that lists them', async () => {
  const found = await listed(text('- name: t/a.t\n- name: t/b.t\n- { name: "t/a*.t", repository: Raku/nqp }\n'));
  assert.deepEqual(found, {
    known: [
      { name: 't/a.t', repository: 'MoarVM/MoarVM' },
      { name: 't/a*.t', repository: 'Raku/nqp' },
    ],
    faults: [],
  });
});

test('no list is an empty one', async () => {
  assert.deepEqual(await listed({ kind: 'missing' }), { known: [], faults: [] });
});

const where = `.rcb/flappers.yml of MoarVM/MoarVM at ${sha('a').slice(0, 10)}`;
const BROKEN: [string, FileRead | Error, string][] = [
  ['with a mistake', text('- nam: t/a.t'), `${where}:1:3: [0].name: found nothing`],
  ['that is a link', { kind: 'symlink' }, `${where} is no file that can be read (symlink)`],
  ['too large', { kind: 'too-large', size: 1e9 }, `${where} is no file that can be read (too-large)`],
  [
    'whose repository is gone',
    new SourceError('repository-gone', 'it is gone'),
    `${where} could not be read: it is gone`,
  ],
];
for (const [title, read, said] of BROKEN) {
  test(`a list ${title} is told as a fault`, async () => {
    const found = await listed(read);
    assert.deepEqual(found.known, []);
    assert.ok(found.faults[0]?.startsWith(said), found.faults[0]);
  });
}

test('a mirror that cannot be reached now is tried again: no list is not the same as a list unread', async () => {
  await assert.rejects(listed(new SourceError('unreachable', 'no route')), /no route/);
});

test('where repositories have no lists nothing is read', async () => {
  const world = worldOf(new Error('it must not be read'), 'none');
  const found = await readLists(aRun(), [failed('t/a.t')], world, new AbortController().signal);
  assert.deepEqual(found, { known: [], faults: [] });
});
