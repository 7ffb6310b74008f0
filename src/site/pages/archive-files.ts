import { countFiles, type Folder, fileTree, visibleName } from '../../core/file-tree.ts';
import { archiveFilesMessages as words } from '../../core/messages-archive-files.ts';
import type { FileEntry, FileList } from '../archive-files.ts';
import { emptyState, foreign, fragment, type Html, icon, number, type PageContext, page, size } from '../html.ts';
import { archiveFilesPath, archiveMemberPath, archivePath, withQuery } from '../links.ts';

/** `in`: the folder to begin with. One of `list` and `why` is there: `why` it cannot be looked into. */
export interface ArchiveView {
  sha256: string;
  name: string;
  size: number;
  in?: string;
  list?: FileList;
  why?: string;
}

/** More files than this are shown a folder at a time. */
const MOST_AT_ONCE = 1_000;
/** Of one folder. */
const MOST_IN_FOLDER = 5_000;

/** What is in a zip or tar. */
export function archiveFilesPage(context: PageContext, view: ArchiveView): Html {
  const { name, sha256, list, why } = view;
  return page(context, {
    title: `Inside ${name}`,
    section: 'runs',
    body: fragment`<div class="page-head"><p class="crumbs">${crumbs(view)}</p><h1>${foreign(visibleName(name))}</h1>
<p class="quiet">${list ? fragment`${number(list.entries.length)} files, ` : ''}${size(view.size)} packed, sha256 <code title="${sha256}">${sha256.slice(0, 12)}</code> · <a href="${archivePath(sha256, name)}" download>${icon('download')}Download whole</a></p></div>
${list ? contents(view, list) : emptyState('Nothing to list', why ?? '')}`,
  });
}

function crumbs({ sha256, name, in: folder = '' }: ArchiveView): Html {
  const parts = folder.split('/').filter((part) => part !== '');
  const at = (depth: number) => parts.slice(0, depth).join('/');
  return fragment`<a href="/runs">Runs</a> / <a href="${archiveFilesPath(sha256, name)}">${foreign(visibleName(name))}</a>${parts.map(
    (part, i) =>
      fragment` / <a href="${withQuery(archiveFilesPath(sha256, name), { in: at(i + 1) })}">${foreign(visibleName(part))}</a>`,
  )}`;
}

function contents(view: ArchiveView, { entries, cut }: FileList): Html {
  const found = folderAt(
    fileTree(entries, ({ path }) => path),
    view.in ?? '',
  );
  if (entries.length === 0) return emptyState('Empty', words.empty);
  if (!found)
    return emptyState('No such folder', fragment`It has no folder <code>${visibleName(view.in ?? '')}</code>.`);
  const { folder, path } = found;
  const isSmall = countFiles(folder) <= MOST_AT_ONCE;
  return fragment`${cut ? fragment`<p class="why tone-warn">${cut}</p>` : ''}
<section aria-label="Files" class="tree">${folderList(view, folder, path, isSmall)}</section>
<p class="quiet small">${words.meaning}</p>`;
}

/** A folder's name may have slashes in it, where each holds nothing but the next: its beginning names it, too. */
function folderAt<T>(top: Folder<T>, wanted: string): { folder: Folder<T>; path: string } | undefined {
  const path = wanted.replace(/\/+$/, '');
  let folder = top;
  let at = '';
  while (at !== path) {
    const prefix = at === '' ? '' : `${at}/`;
    const next = folder.folders.find(
      ({ name }) => `${path}/`.startsWith(`${prefix}${name}/`) || `${prefix}${name}/`.startsWith(`${path}/`),
    );
    if (!next) return undefined;
    folder = next;
    at = `${prefix}${next.name}`;
    if (at.length >= path.length) break;
  }
  return { folder, path: at };
}

function folderList(view: ArchiveView, folder: Folder<FileEntry>, path: string, isWhole: boolean): Html {
  const below = (name: string) => (path === '' ? name : `${path}/${name}`);
  const isFewFolders = folder.folders.length + folder.files.length <= 20;
  const folders = folder.folders.slice(0, MOST_IN_FOLDER).map((each) => {
    const head = fragment`<span class="folder">${foreign(visibleName(each.name))}/</span> <span class="quiet">${number(countFiles(each))}</span>`;
    return isWhole
      ? fragment`<li><details${isFewFolders ? OPEN : ''}><summary>${head}</summary>${folderList(view, each, below(each.name), true)}</details></li>`
      : fragment`<li><a href="${withQuery(archiveFilesPath(view.sha256, view.name), { in: below(each.name) })}">${head}</a></li>`;
  });
  const more = folder.files.length - MOST_IN_FOLDER;
  return fragment`<ul>${folders}${folder.files.slice(0, MOST_IN_FOLDER).map(({ name, file }) => fileItem(view, name, file))}${
    more > 0 ? fragment`<li class="quiet">and ${number(more)} more</li>` : ''
  }</ul>`;
}

const OPEN = fragment` open`;

function fileItem({ sha256, name: archive }: ArchiveView, name: string, file: FileEntry): Html {
  const shown = foreign(visibleName(name || file.path));
  return file.unreadable
    ? fragment`<li>${shown} <span class="quiet">${foreign(visibleName(file.unreadable))}</span></li>`
    : fragment`<li><a href="${archiveMemberPath(sha256, archive, file.index, file.path)}">${shown}</a> <span class="quiet">${size(file.size)}</span></li>`;
}
