import { EVERYTHING } from '../core/sight.ts';
import { NoArchive } from './archive-files.ts';
import { type ArchiveLists, openArchiveLists } from './archive-lists.ts';
import { contentDisposition, DOWNLOAD_POLICY, type Download, findDownload, sendStream } from './downloads.ts';
import { fileName } from './links.ts';
import { type ArchiveView, archiveFilesPage } from './pages/archive-files.ts';
import { filesQuery, parseQuery } from './query.ts';
import {
  FOR_EVER,
  NotFound,
  respond,
  SAFETY,
  type Show,
  type Site,
  type SiteContext,
  type SiteOptions,
} from './site.ts';

/** What the archive keeps, by its content: whole, and what is in a zip or tar of it. */
export function addArchive(site: Site, options: SiteOptions, show: Show): void {
  const lists = openArchiveLists(options.archive);
  const find = (c: SiteContext) => found(c, options);
  const download = async (c: SiteContext) => {
    const { sha256, ...file } = await find(c);
    const headers = { ...fileHeaders(file), ETag: `"${sha256}"` };
    if (c.req.header('If-None-Match')?.includes(sha256)) return c.body(null, 304, headers);
    const sized = { ...headers, 'Content-Length': String(file.size) };
    if (c.req.method === 'HEAD') return c.body(null, 200, sized);
    return sendStream(c, await file.open(), { ...SAFETY, ...sized }, (error) => options.onError?.(error, c.req.path));
  };
  site.get('/archive/:sha256', download);
  site.get('/archive/:sha256/:name', download);
  site.get('/archive/:sha256/:name/files', async (c) => {
    const query = parseQuery(filesQuery, c.req.query());
    const { sha256, name, size } = await find(c);
    return respond(
      c,
      archiveFilesPage(show(c), { sha256, name, size, in: query.in, ...(await listed(lists, sha256)) }),
    );
  });
  site.get('/archive/:sha256/:name/files/:index/:member', async (c) => {
    const file = await find(c);
    return sendMember(c, file, lists, options);
  });
}

interface Found extends Download {
  sha256: string;
  /** Not for everybody: nobody but its reader may keep it, and he asks again each time. */
  isPrivate: boolean;
}

async function found(c: SiteContext, { archive, readers, isArchiveKey }: SiteOptions): Promise<Found> {
  const sha256 = c.req.param('sha256') ?? '';
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new NotFound('The address must contain a sha256: 64 hexadecimal digits in lower case.');
  const shown = await findDownload(sha256, c.get('everybody'), archive);
  const isPrivate = shown === 'unknown';
  const isSigned = isPrivate && isArchiveKey?.(sha256, c.req.query()) === true;
  const reader = isSigned ? readers.seenBy(EVERYTHING) : c.get('reader');
  const file = isPrivate ? await findDownload(sha256, reader, archive) : shown;
  if (file === 'unknown') throw new NotFound('No run refers to a file with this sha256.');
  if (file === 'gone')
    throw new NotFound('This file was removed by retention; the commit in the manifest still names its source.', true);
  return { ...file, sha256, isPrivate };
}

const fileHeaders = (
  { name, type, isPrivate }: Pick<Found, 'name' | 'type' | 'isPrivate'>,
  kind: 'attachment' | 'inline' = 'attachment',
) => ({
  'Content-Type': type,
  'Content-Disposition': contentDisposition(kind, name),
  'Content-Security-Policy': DOWNLOAD_POLICY,
  'Cache-Control': isPrivate ? 'private, no-cache' : FOR_EVER,
});

async function listed(lists: ArchiveLists, sha256: string): Promise<Pick<ArchiveView, 'list' | 'why'>> {
  try {
    return { list: await lists.list(sha256) };
  } catch (error) {
    if (error instanceof NoArchive) return { why: error.message };
    throw error;
  }
}

/** Read as text in the browser, whatever is in it; everything else is saved. */
const TEXT = /\.(?:txt|log|t|rakutest|raku|rakumod|nqp|pm6?|pl|c|h|md|json|ya?ml|xml|tap|csv|diff|patch|out|err)$/i;

async function sendMember(c: SiteContext, { sha256, isPrivate }: Found, lists: ArchiveLists, options: SiteOptions) {
  const index = c.req.param('index') ?? '';
  const opened = /^\d{1,7}$/.test(index) ? await openMember(lists, sha256, Number(index)) : undefined;
  if (!opened) throw new NotFound('The archive has no file at this place.');
  const { entry, bytes } = opened;
  const name = fileName(entry.path);
  const headers = TEXT.test(name)
    ? fileHeaders({ name, isPrivate, type: 'text/plain; charset=utf-8' }, 'inline')
    : fileHeaders({ name, isPrivate, type: 'application/octet-stream' });
  const sized = { ...headers, 'Content-Length': String(entry.size), ETag: `"${sha256}-${index}"` };
  if (c.req.method === 'HEAD') {
    bytes.destroy();
    return c.body(null, 200, sized);
  }
  return sendStream(c, bytes, { ...SAFETY, ...sized }, (error) => options.onError?.(error, c.req.path));
}

async function openMember(lists: ArchiveLists, sha256: string, index: number) {
  try {
    return await lists.open(sha256, index);
  } catch (error) {
    if (error instanceof NoArchive) throw new NotFound(error.message);
    throw error;
  }
}
