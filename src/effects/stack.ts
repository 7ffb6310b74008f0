import type { RepositoryRef } from '../core/model.ts';
import { isSameName, namedIn, type Stack, stackOf, stackWithout } from '../core/stack.ts';
import type { World } from './effect.ts';

/** What is told of a public repository is told to everybody: its changes are tested without the private ones of its stack,
 *  as if these were not there. A private one is tested with the whole stack. */

/** The stack with which changes of this repository are tested. */
export async function stackFor(repository: RepositoryRef, world: Pick<World, 'store' | 'serving'>): Promise<Stack> {
  const stack = stackOf(world.serving.stacks, repository.name);
  return stackWithout(stack, await untoldNames(repository, namedIn(stack), world));
}

/** Those of these names that nobody may learn from what is told of this repository. */
export async function untoldNames(
  { key, name: own }: RepositoryRef,
  names: string[],
  { store }: Pick<World, 'store'>,
): Promise<string[]> {
  const others = names.filter((name) => !isSameName(name, own));
  return others.length === 0 || (await store.holdPrivate([key])) ? [] : store.privateNames(others);
}
