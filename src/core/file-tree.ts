/** Paths as a tree of folders, for pages. Nothing here touches a disk: a path is only text to show. */
export interface Folder<T> {
  /** `a/b` where `a` holds nothing but `b`. */
  name: string;
  folders: Folder<T>[];
  files: { name: string; file: T }[];
}

/** Deeper folders are one name with slashes in it. */
const MOST_DEPTH = 20;

/** Folders and files by name; `name` of the outermost is empty. Two files of one path are two files. */
export function fileTree<T>(files: readonly T[], pathOf: (file: T) => string): Folder<T> {
  const top = newFolder<T>('');
  for (const file of files) {
    const parts = pathOf(file)
      .split('/')
      .filter((part) => part !== '' && part !== '.');
    const name = parts.pop() ?? '';
    const folder = [...parts.slice(0, MOST_DEPTH), ...deeper(parts)].reduce(folderIn, top);
    folder.files.push({ name, file });
  }
  return finished(top);
}

interface Growing<T> extends Folder<T> {
  byName: Map<string, Growing<T>>;
}

const newFolder = <T>(name: string): Growing<T> => ({ name, folders: [], files: [], byName: new Map() });

const deeper = (parts: string[]): string[] => (parts.length > MOST_DEPTH ? [parts.slice(MOST_DEPTH).join('/')] : []);

function folderIn<T>(parent: Growing<T>, name: string): Growing<T> {
  const known = parent.byName.get(name);
  if (known) return known;
  const folder = newFolder<T>(name);
  parent.byName.set(name, folder);
  return folder;
}

function finished<T>({ name, files, byName }: Growing<T>): Folder<T> {
  const folders = [...byName.values()].map(finished).map(withoutOnlyChild).sort(byNameOrder);
  return { name, folders, files: files.sort(byNameOrder) };
}

function withoutOnlyChild<T>(folder: Folder<T>): Folder<T> {
  const [only] = folder.folders;
  return only && folder.folders.length === 1 && folder.files.length === 0
    ? { ...only, name: `${folder.name}/${only.name}` }
    : folder;
}

/** The same everywhere, whatever the machine's language is. */
const byNameOrder = (one: { name: string }, other: { name: string }): number =>
  one.name < other.name ? -1 : one.name > other.name ? 1 : 0;

/** All files below. */
export const countFiles = <T>(folder: Folder<T>): number =>
  folder.files.length + folder.folders.reduce((sum, each) => sum + countFiles(each), 0);

/**
 * A name that strangers chose, so that it can only be read as what it is: controls, line breaks, what turns the direction
 * of writing and what is invisible become `⟦U+202E⟧`, as in logs.
 */
export const visibleName = (name: string): string =>
  name.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `⟦U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟧`,
  );
