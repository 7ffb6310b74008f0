import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { diffLines, hunksOf, type LineChange } from '../../src/core/log-diff.ts';

const idsOf = (text: string): Int32Array => Int32Array.from(text, (letter) => letter.charCodeAt(0));

/** `-2 b +x` : what it does, as a line. */
const told = (before: string, after: string, effort?: number): string =>
  diffLines(idsOf(before), idsOf(after), effort)
    .changes.map(
      (each) =>
        `${each.old}-${before.slice(each.old, each.old + each.removed)}+${after.slice(each.new, each.new + each.added)}`,
    )
    .join(' ');

const CASES: [before: string, after: string, told: string][] = [
  ['', '', ''],
  ['abc', 'abc', ''],
  ['', 'abc', '0-+abc'],
  ['abc', '', '0-abc+'],
  ['abcdef', 'abXdef', '2-c+X'],
  ['abcdef', 'abdef', '2-c+'],
  ['abdef', 'abcdef', '2-+c'],
  ['aXbYc', 'abc', '1-X+ 3-Y+'],
  // Not unique anywhere: Myers alone.
  ['aabbaabb', 'aabaabb', '3-b+'],
  ['abab', 'baba', '0-a+ 4-+a'],
  // A moved line is removed and added; what is around it holds.
  ['mabcdefgh', 'abcdefghm', '0-m+ 9-+m'],
];

describe('the difference of two texts', () => {
  for (const [before, after, expected] of CASES) {
    test(`${before} → ${after}`, () => assert.equal(told(before, after), expected));
  }

  const text = (letters: number) =>
    fc.array(fc.integer({ min: 1, max: letters }), { maxLength: 60 }).map((numbers) => Int32Array.from(numbers));
  const pairs = fc.integer({ min: 1, max: 40 }).chain((letters) => fc.tuple(text(letters), text(letters)));

  test('applied to the old text gives the new one, and its changes are in order and apart', () => {
    fc.assert(
      fc.property(pairs, fc.constantFrom(undefined, 0, 20, 200), ([before, after], effort) => {
        const { changes } = diffLines(before, after, effort);
        assert.deepEqual(applied(before, after, changes), [...after]);
        for (const [index, each] of changes.entries()) {
          assert.ok(each.removed + each.added > 0);
          const last = changes[index - 1];
          if (last) assert.ok(each.old > last.old + last.removed || each.new > last.new + last.added);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('without unique lines it is a shortest one, or nearly', () => {
    // Every line is there many times on both sides, so nothing is held fast before Myers' algorithm begins; its halves
    // may have unique lines again, which costs a little.
    fc.assert(
      fc.property(text(2), text(2), (before, after) => {
        const size = diffLines(before, after).changes.reduce((sum, each) => sum + each.removed + each.added, 0);
        const shortest = before.length + after.length - 2 * longestCommon(before, after);
        assert.ok(size >= shortest);
        assert.ok(size <= shortest + 12, `${size} instead of ${shortest}`);
      }),
    );
  });

  test('200,000 lines that share nothing, or everything in another order, end soon', () => {
    const count = 200_000;
    const ascending = Int32Array.from({ length: count }, (_, i) => i);
    const others = ascending.map((i) => i + count);
    const twoLetters = ascending.map((i) => (i * 7919) % 2);
    const threeLetters = ascending.map((i) => (i * 104_729) % 3);
    assert.deepEqual(diffLines(ascending, others).changes, [{ old: 0, new: 0, removed: count, added: count }]);
    for (const [before, after] of [
      [ascending, ascending.toReversed()],
      [twoLetters, threeLetters],
    ] as const) {
      const { changes } = diffLines(before, after);
      assert.deepEqual(applied(before, after, changes), [...after]);
    }
  });

  test('what is too much work is told as replaced, and that it is coarse', () => {
    const before = idsOf('start abababababab end');
    const after = idsOf('start babbabaababb end');
    assert.equal(diffLines(before, after).isCoarse, false);
    const coarse = diffLines(before, after, 10);
    assert.equal(coarse.isCoarse, true);
    assert.deepEqual(applied(before, after, coarse.changes), [...after]);
  });
});

function applied(before: Int32Array, after: Int32Array, changes: LineChange[]): number[] {
  const lines: number[] = [];
  let at = 0;
  for (const change of changes) {
    // One by one: there may be more than a call has room for.
    for (const line of before.subarray(at, change.old)) lines.push(line);
    assert.equal(lines.length, change.new);
    for (const line of after.subarray(change.new, change.new + change.added)) lines.push(line);
    at = change.old + change.removed;
  }
  for (const line of before.subarray(at)) lines.push(line);
  return lines;
}

function longestCommon(one: Int32Array, other: Int32Array): number {
  let row: number[] = Array(other.length + 1).fill(0);
  for (const line of one) {
    const next = [0];
    for (const [i, each] of other.entries()) next.push(line === each ? row[i]! + 1 : Math.max(row[i + 1]!, next[i]!));
    row = next;
  }
  return row.at(-1)!;
}

describe('hunks', () => {
  const change = (old: number, fresh: number, removed = 1, added = 1): LineChange => ({
    old,
    new: fresh,
    removed,
    added,
  });

  test('changes that are close share one, with three lines around them', () => {
    const hunks = hunksOf([change(10, 10), change(16, 16), change(40, 40, 0, 2)], 100);
    assert.deepEqual(
      hunks.map((hunk) => [hunk.old.from, hunk.old.to, hunk.new.from, hunk.new.to, hunk.changes.length]),
      [
        [7, 20, 7, 20, 2],
        [37, 43, 37, 45, 1],
      ],
    );
  });

  test('they end where the text ends', () => {
    const [hunk] = hunksOf([change(0, 0, 1, 0)], 2);
    assert.deepEqual(
      [hunk!.old, hunk!.new],
      [
        { from: 0, to: 2 },
        { from: 0, to: 1 },
      ],
    );
  });
});
