import { dirname, join, relative } from 'node:path';

export interface Source {
  path: string;
  text: string;
}

/** `from` and, for a file of ours, `to`: paths from the same place. `to` of a package is its name. */
export interface Import {
  from: string;
  to: string;
}

/** Comments out: they may speak of anything. Strings stay, they hold the imports. */
export const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');

const IMPORT = /(?:\b(?:import|export)\b[^;'"]*?\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"]+)\1/g;

/** What a file of TypeScript imports, types too. */
export function importsOf({ path, text }: Source): Import[] {
  return [...withoutComments(text).matchAll(IMPORT)].map((match) => {
    const named = match[2]!;
    return { from: path, to: named.startsWith('.') ? relative('.', join(dirname(path), named)) : named };
  });
}
