import type { OrderedSource } from '../backend.ts';
import type { OrderFile } from './schema.ts';

/** Where the sources of an order go, and what a command is told about them. Pure. */
export interface Workspace {
  /** In the order of the order. `directory` is a name without slashes. */
  sources: { source: OrderedSource; directory: string; variable: string }[];
  /** The one that the command runs in. */
  changed: { source: OrderedSource; directory: string };
}

/** Siblings by their repositories' names: `owner/name` → `name`; where two would clash, `owner-name`. Undefined when the
 *  order names no changed source, or a repository in a form that cannot be a directory. */
export function planWorkspace(order: Pick<OrderFile, 'repository' | 'sources'>): Workspace | undefined {
  if (!order.sources.every(({ repository }) => isRepositoryName(repository))) return undefined;
  const sources = nameDirectories(order.sources);
  const own = sources.find(({ source }) => source.changed && source.repository === order.repository);
  const changed = own ?? sources.find(({ source }) => source.changed);
  return changed && { sources, changed };
}

function nameDirectories(sources: OrderedSource[]): Workspace['sources'] {
  const shortVariables = sources.map(({ repository }) => variableOf(repository.split('/').at(-1)!));
  return sources.map((source, index) => {
    const names = source.repository.split('/');
    const name = names.at(-1)!;
    // By the variable, which is the coarser name: `a-b` and `a_b` would clash in it, too.
    const clashes = shortVariables.some((other, at) => at !== index && other === shortVariables[index]);
    const directory = clashes ? names.join('-') : name;
    return { source, directory, variable: variableOf(directory) };
  });
}

function variableOf(directory: string): string {
  return `RCB_SOURCE_${directory.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
}

/** GitHub's rules, loosely; a plain git repository has no owner. What matters is that all parts are plain names. */
function isRepositoryName(name: string): boolean {
  return (
    /^[\w.-]{1,100}(\/[\w.-]{1,100})?$/.test(name) && !name.split('/').some((part) => part === '.' || part === '..')
  );
}
