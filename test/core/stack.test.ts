import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Stack as ConfiguredStack } from '../../src/config/config.ts';
import { rakuStack } from '../../src/config/raku.ts';
import {
  dependencyOrder,
  dependentsOf,
  distancesFrom,
  inStack,
  namedIn,
  pinsOf,
  pinsOn,
  type Stack,
  shortName,
  stackOf,
  stackWithout,
} from '../../src/core/stack.ts';

const raku: Stack = rakuStack;

/** `stack('a:b,c', 'b', 'c')`: o/a pins o/b and o/c. */
function stack(...lines: string[]): Stack {
  const repositories = lines.map((line) => {
    const [name, pinned = ''] = line.split(':');
    const pins = Object.fromEntries(
      pinned
        .split(',')
        .filter(Boolean)
        .map((each) => [`o/${each}`, `${each}.pin`]),
    );
    return { repository: `o/${name}`, pins, trees: {} };
  });
  return { name: 'test', repositories };
}

test('a configured stack is a stack', () => {
  const configured: ConfiguredStack = rakuStack;
  assert.equal(stackOf([configured], 'Raku/nqp'), configured);
});

test('a repository is found whatever the case of its name', () => {
  assert.equal(stackOf([raku], 'RAKU/NQP').name, 'raku');
  assert.equal(inStack(raku, 'moarvm/moarvm')?.repository, 'MoarVM/MoarVM');
  assert.deepEqual(
    pinsOn(raku, 'RAKU/nqp').map(({ by }) => by),
    ['rakudo/rakudo'],
  );
  assert.deepEqual([...dependentsOf(raku, ['raku/NQP'])], ['rakudo/rakudo']);
  assert.equal(distancesFrom(raku, ['RAKUDO/rakudo']).get('MoarVM/MoarVM'), 2);
});

test('a repository outside of every stack is a stack of its own', () => {
  const alone = { repository: 'Raku/roast', pins: {}, trees: {} };
  assert.deepEqual(stackOf([raku], 'Raku/roast'), { name: 'Raku/roast', repositories: [alone] });
  assert.deepEqual(stackOf([], 'project.git').repositories.length, 1);
});

test('pins are told in the spelling of the stack; pins of strangers and of itself are none', () => {
  const odd: Stack = {
    name: 'odd',
    repositories: [
      { repository: 'o/a', pins: { 'O/B': 'f', 'x/stranger': 'g', 'O/A': 'h' }, trees: {} },
      { repository: 'o/b', pins: {}, trees: {} },
    ],
  };
  assert.deepEqual(pinsOf(odd), [{ by: 'o/a', pinned: 'o/b', file: 'f' }]);
});

const secretive: Stack = {
  name: 'o/a',
  repositories: [
    { repository: 'o/a', pins: { 'O/Secret': 'SECRET', 'o/c': 'C' }, trees: { t: 'o/tests', doc: 'o/Hidden' } },
    { repository: 'o/secret', pins: { 'o/c': 'C' }, trees: { t: 'o/tests' } },
    { repository: 'o/c', pins: {}, trees: {} },
  ],
};

test('a stack without some of its repositories names them nowhere, and has its name still', () => {
  const rest = stackWithout(secretive, ['o/SECRET', 'o/hidden', 'o/stranger']);
  assert.deepEqual(rest, {
    name: 'o/a',
    repositories: [
      { repository: 'o/a', pins: { 'o/c': 'C' }, trees: { t: 'o/tests' } },
      { repository: 'o/c', pins: {}, trees: {} },
    ],
  });
  assert.doesNotMatch(JSON.stringify(rest), /secret|hidden/i);
  assert.equal(stackWithout(secretive, []), secretive);
  assert.deepEqual(stackWithout(secretive, ['o/a', 'o/secret', 'o/c']).repositories, []);
});

test('what a stack is without still keeps its pins, and every name of it can be asked for', () => {
  assert.deepEqual(dependencyOrder(stackWithout(raku, ['raku/NQP'])), ['rakudo/rakudo', 'MoarVM/MoarVM']);
  assert.deepEqual(namedIn(secretive), ['o/a', 'O/Secret', 'o/c', 'o/tests', 'o/Hidden', 'o/secret']);
  assert.deepEqual(namedIn(stackOf([], 'o/alone')), ['o/alone']);
});

const orders: [string, Stack, string][] = [
  ['the chain of Raku', raku, 'MoarVM/MoarVM Raku/nqp rakudo/rakudo'],
  ['a chain that stands upside down', stack('c', 'b:c', 'a:b'), 'o/c o/b o/a'],
  ['a diamond', stack('a:b,c', 'b:d', 'c:d', 'd'), 'o/d o/b o/c o/a'],
  ['no pins', stack('a', 'b'), 'o/a o/b'],
  ['a circle, which the configuration refuses', stack('a:b', 'b:a'), 'o/b o/a'],
  ['nothing', stack(), ''],
];
for (const [title, given, expected] of orders) {
  test(`the order of dependency: ${title}`, () => assert.equal(dependencyOrder(given).join(' '), expected));
}

test('dependents are all above; distances count pins in both directions', () => {
  const diamond = stack('a:b,c', 'b:d', 'c:d', 'd', 'x');
  assert.deepEqual([...dependentsOf(diamond, ['o/d'])].sort(), ['o/a', 'o/b', 'o/c']);
  assert.deepEqual([...dependentsOf(diamond, ['o/a'])], []);
  assert.deepEqual([...dependentsOf(diamond, ['o/b', 'o/d'])].sort(), ['o/a', 'o/c']);
  assert.deepEqual(Object.fromEntries(distancesFrom(diamond, ['o/b'])), { 'o/b': 0, 'o/a': 1, 'o/d': 1, 'o/c': 2 });
});

test('names are short where they are clear', () => {
  const twins: Stack = {
    name: 'twins',
    repositories: ['a/lib', 'b/Lib', 'b/app'].map((repository) => ({ repository, pins: {}, trees: {} })),
  };
  assert.deepEqual(
    ['a/lib', 'b/Lib', 'b/app'].map((name) => shortName(twins, name)),
    ['a/lib', 'b/Lib', 'app'],
  );
});

test('in the order of dependency everything comes once, and nothing before what it pins', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const shapes = fc
    .shuffledSubarray(names, { minLength: 1 })
    .chain((order) =>
      fc.tuple(...order.map((name, at) => fc.subarray(order.slice(at + 1)).map((pinned) => `${name}:${pinned}`))),
    );
  fc.assert(
    fc.property(
      shapes.chain((lines) => fc.shuffledSubarray(lines, { minLength: lines.length })),
      (lines) => {
        const given = stack(...lines);
        const order = dependencyOrder(given);
        assert.deepEqual(order.toSorted(), given.repositories.map(({ repository }) => repository).sort());
        for (const { by, pinned } of pinsOf(given)) assert.ok(order.indexOf(pinned) < order.indexOf(by));
      },
    ),
  );
});
