import type { StackRepository } from './config.ts';

/** What is wrong with a stack beyond its shape: where in the list, and what. */
export interface StackMistake {
  path: (string | number)[];
  found: string;
  expected: string;
  hint?: string;
}

type Pinning = Pick<StackRepository, 'repository' | 'pins'>;

/** Repositories that stand there twice, pins of strangers and of oneself, pins that go round in a circle. */
export function stackMistakes(stack: readonly Pinning[]): StackMistake[] {
  const twice = repeated(stack.map(({ repository }) => repository)).map(({ index, first, name }) => ({
    path: [index, 'repository'],
    found: `"${name}" for the second time (first in stack[${first}])`,
    expected: 'each repository once',
  }));
  const known = new Set(stack.map(({ repository }) => repository.toLowerCase()));
  const strangers = stack.flatMap(({ repository, pins }, index) =>
    Object.keys(pins)
      .filter((pinned) => !known.has(pinned.toLowerCase()) || same(pinned, repository))
      .map((pinned) => ({
        path: [index, 'pins', pinned],
        found: same(pinned, repository)
          ? 'a pin of the repository itself'
          : 'a pin of a repository outside of the stack',
        expected: 'another repository of this stack',
      })),
  );
  return [...twice, ...strangers, ...circles(stack)];
}

/** Names (whatever their case) that were there before. */
export function repeated(names: readonly string[]): { index: number; first: number; name: string }[] {
  const seen = new Map<string, number>();
  return names.flatMap((name, index) => {
    const first = seen.get(name.toLowerCase());
    if (first === undefined) seen.set(name.toLowerCase(), index);
    return first === undefined ? [] : [{ index, first, name }];
  });
}

/** One mistake per circle, at the pin that closes it. */
function circles(stack: readonly Pinning[]): StackMistake[] {
  // Reversed, so that of a repository that stands there twice the first counts.
  const entries = stack.map((entry, index) => ({ entry, index })).reverse();
  const byName = new Map(entries.map((here) => [here.entry.repository.toLowerCase(), here]));
  const done = new Set<string>();
  const found: StackMistake[] = [];
  const visit = (name: string, trail: string[]) => {
    const here = byName.get(name);
    if (!here || done.has(name)) return;
    for (const pinned of Object.keys(here.entry.pins)) {
      const target = pinned.toLowerCase();
      const start = [...trail, name].indexOf(target);
      if (start === -1) visit(target, [...trail, name]);
      // A pin of oneself is told as such.
      else if (target !== name) found.push(circle(here.index, pinned, [...trail, name].slice(start)));
    }
    done.add(name);
  };
  const circle = (index: number, pinned: string, names: string[]): StackMistake => {
    const round = [...names, names[0]!].map((name) => byName.get(name)?.entry.repository ?? name);
    return {
      path: [index, 'pins', pinned],
      found: `pins in a circle (${round.join(' → ')})`,
      expected: 'pins that come to an end',
    };
  };
  for (const { repository } of stack) visit(repository.toLowerCase(), []);
  return found;
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
