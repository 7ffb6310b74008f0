import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countFiles, type Folder, fileTree, visibleName } from '../../src/core/file-tree.ts';

const treeOf = (...paths: string[]) => fileTree(paths, (path) => path);

/** As text: folders first, as a page shows them. */
const drawn = (folder: Folder<string>): unknown[] => [
  ...folder.folders.map((each) => ({ [each.name]: drawn(each) })),
  ...folder.files.map(({ name }) => name),
];

const TREES: [what: string, paths: string[], tree: unknown[]][] = [
  ['nothing', [], []],
  ['files only', ['b.txt', 'a.txt'], ['a.txt', 'b.txt']],
  ['folders first', ['z.txt', 't/02.t', 't/01.t'], [{ t: ['01.t', '02.t'] }, 'z.txt']],
  ['a folder in a folder alone is one', ['a/b/c.txt', 'a/b/d/e.txt'], [{ 'a/b': [{ d: ['e.txt'] }, 'c.txt'] }]],
  ['a name twice is two files', ['a.txt', 'a.txt'], ['a.txt', 'a.txt']],
  ['a folder is called like a file', ['a', 'a/b'], [{ a: ['b'] }, 'a']],
  ['dots and slashes that say nothing', ['./a//b', '/c'], [{ a: ['b'] }, 'c']],
  ['upwards is a name like any other', ['../../etc/passwd'], [{ '../../etc': ['passwd'] }]],
  ['no name at all', ['', '/'], ['', '']],
];
for (const [what, paths, tree] of TREES) {
  test(what, () => assert.deepEqual(drawn(treeOf(...paths)), tree));
}

test('folders are called as they like', () => {
  const { folders } = treeOf('__proto__/constructor', 'constructor/x');
  assert.deepEqual(
    folders.map(({ name }) => name),
    ['__proto__', 'constructor'],
  );
});

test('a path of a thousand folders is no deeper than a page can show', () => {
  const depth = (folder: Folder<string>): number => 1 + Math.max(0, ...folder.folders.map(depth));
  const long = Array.from({ length: 1000 }, (_, i) => `d${i}`).join('/');
  const tree = treeOf(
    `${long}/x`,
    ...Array.from({ length: 30 }, (_, i) => `${long.split('/').slice(0, i).join('/')}/f`),
  );
  assert.ok(depth(tree) < 25, `${depth(tree)}`);
  assert.equal(countFiles(tree), 31);
});

test('every file is in the tree once', () => {
  const path = fc
    .array(fc.constantFrom('a', 'b', '..', '', 'ü', '\0'), { maxLength: 30 })
    .map((parts) => parts.join('/'));
  fc.assert(fc.property(fc.array(path), (paths) => countFiles(treeOf(...paths)) === paths.length));
});

test('what cannot be seen in a name is spelled out', () => {
  assert.equal(visibleName('gnp.\u202eexe\n\u200b'), 'gnp.⟦U+202E⟧exe⟦U+000A⟧⟦U+200B⟧');
  assert.equal(visibleName('Grüße 日本.txt'), 'Grüße 日本.txt');
});
