/**
 * A stack as decisions see it: repositories that are tested together, and who pins whom. Names are `owner/name` and
 * equal whatever their case (GitHub); answers have the spelling of the stack. The configuration's stacks fit.
 */
export interface Stack {
  name: string;
  repositories: readonly StackRepository[];
}

export interface StackRepository {
  repository: string;
  /** How its source archive follows the project's release files; absent: every tracked file, and no more. */
  release?: { omit: readonly string[]; manifest: boolean; version: 'describe' | 'tracked' };
  /** Pinned repository → file in this one that names its commit. */
  pins: Readonly<Record<string, string>>;
  /** Directory in this repository's archive → repository whose tree is put there. */
  trees: Readonly<Record<string, string>>;
}

/** `by` names in `file` the commit of `pinned` that it is built with. */
export interface StackPin {
  by: string;
  pinned: string;
  file: string;
}

export const isSameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** The repository's stack; one that is in none is a stack of its own. */
export function stackOf(stacks: readonly Stack[], repository: string): Stack {
  const own: Stack = { name: repository, repositories: [{ repository, pins: {}, trees: {} }] };
  return stacks.find((stack) => inStack(stack, repository)) ?? own;
}

export const inStack = (stack: Stack, name: string): StackRepository | undefined =>
  stack.repositories.find(({ repository }) => isSameName(repository, name));

/** What of a stack is told of without these repositories: who is built with one is so no longer, and in whose tree one is
 *  put, has it not. The name stays, by which those who are ordered together know one another. */
export function stackWithout(stack: Stack, names: readonly string[]): Stack {
  if (names.length === 0) return stack;
  const stays = (name: string) => !names.some((each) => isSameName(each, name));
  const repositories = stack.repositories.flatMap(({ pins, trees, ...rest }) => {
    const kept = {
      pins: Object.fromEntries(Object.entries(pins).filter(([pinned]) => stays(pinned))),
      trees: Object.fromEntries(Object.entries(trees).filter(([, name]) => stays(name))),
    };
    return stays(rest.repository) ? [{ ...rest, ...kept }] : [];
  });
  return { name: stack.name, repositories };
}

/** Every repository that a stack names: its own, and whose trees they hold. */
export const namedIn = ({ repositories }: Stack): string[] => [
  ...new Set(
    repositories.flatMap(({ repository, pins, trees }) => [repository, ...Object.keys(pins), ...Object.values(trees)]),
  ),
];

/** Every pin from one repository of the stack to another. */
export function pinsOf(stack: Stack): StackPin[] {
  return stack.repositories.flatMap(({ repository: by, pins }) =>
    Object.entries(pins).flatMap(([name, file]) => {
      const pinned = inStack(stack, name)?.repository;
      return pinned === undefined || pinned === by ? [] : [{ by, pinned, file }];
    }),
  );
}

/** Who pins this repository, in the order of the stack. */
export const pinsOn = (stack: Stack, name: string): StackPin[] =>
  pinsOf(stack).filter(({ pinned }) => isSameName(pinned, name));

/** What is pinned before who pins it: MoarVM, nqp, rakudo. In this order they are built, and merged. */
export function dependencyOrder(stack: Stack): string[] {
  const pins = pinsOf(stack);
  const order: string[] = [];
  const met = new Set<string>();
  const visit = (repository: string) => {
    if (met.has(repository)) return;
    met.add(repository);
    for (const pin of pins) if (pin.by === repository) visit(pin.pinned);
    order.push(repository);
  };
  for (const { repository } of stack.repositories) visit(repository);
  return order;
}

/** Who is built with one of these, directly or by others between: rakudo and nqp for MoarVM. Without these themselves. */
export function dependentsOf(stack: Stack, names: readonly string[]): Set<string> {
  const pins = pinsOf(stack);
  const reached = reach(spelled(stack, names), (name) =>
    pins.filter(({ pinned }) => pinned === name).map(({ by }) => by),
  );
  return new Set([...reached].flatMap(([name, steps]) => (steps > 0 ? [name] : [])));
}

/** How many pins away each repository is from the nearest of these, up or down. What no way leads to is not in it. */
export function distancesFrom(stack: Stack, names: readonly string[]): Map<string, number> {
  const pins = pinsOf(stack);
  return reach(spelled(stack, names), (name) =>
    pins.flatMap(({ by, pinned }) => (by === name ? [pinned] : pinned === name ? [by] : [])),
  );
}

/** How it is called in words: `nqp`, unless the stack has two of that name. */
export function shortName(stack: Stack, repository: string): string {
  const last = (name: string) => name.split('/').at(-1)!;
  const isClear = stack.repositories.every(
    (other) => isSameName(other.repository, repository) || !isSameName(last(other.repository), last(repository)),
  );
  return isClear ? last(repository) : repository;
}

const spelled = (stack: Stack, names: readonly string[]): string[] =>
  names.map((name) => inStack(stack, name)?.repository ?? name);

/** Breadth first, so that the number of steps is the least. */
function reach(from: readonly string[], next: (name: string) => string[]): Map<string, number> {
  const steps = new Map(from.map((name) => [name, 0]));
  for (const [name, count] of steps) {
    for (const neighbour of next(name)) if (!steps.has(neighbour)) steps.set(neighbour, count + 1);
  }
  return steps;
}
