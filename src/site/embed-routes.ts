import { createHash } from 'node:crypto';
import { badgeSvg } from './badge.ts';
import { atomFeed } from './feed.ts';
import { badgeQuery, feedQuery, parseQuery } from './query.ts';
import { NotFound, type Site, type SiteContext, type SiteOptions } from './site.ts';

const ENTRIES = 50;
/** Nothing is loaded by them, nothing runs in them. */
const INERT = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/** What other pages and programs embed: badges and feeds. They are made here, not fetched from anywhere, and show what is for
 *  everybody: proxies keep them, and nobody is logged in where they are seen. */
export function addForOthers(site: Site, { publicUrl }: SiteOptions): void {
  const base = publicUrl.replace(/\/+$/, '');
  // Of a repository that nobody may know of, and of one that there is not, it says the same.
  site.get('/badge/:repository{.+\\.svg}', async (c) => {
    const repository = repositoryOf(c.req.param('repository'));
    const { branch, label = 'RCB' } = parseQuery(badgeQuery, c.req.query());
    const state = await c.get('everybody').branchState(repository, branch);
    // Forges show pictures through proxies of their own: these have to ask again each time, and mostly hear "unchanged".
    return tagged(
      c,
      badgeSvg({ label, repository, branch, state }).toString(),
      'image/svg+xml; charset=utf-8',
      'no-cache',
    );
  });
  site.get('/feed.atom', async (c) => {
    const { repository } = parseQuery(feedQuery, c.req.query());
    const runs = await c.get('everybody').failures(repository, ENTRIES);
    const type = 'application/atom+xml; charset=utf-8';
    return tagged(c, atomFeed({ base, repository, runs }).toString(), type, 'public, max-age=60');
  });
}

function repositoryOf(path: string): string {
  const name = path.slice(0, -'.svg'.length);
  if (name.length > 300 || name.includes('\u0000')) throw new NotFound('No repository has such a name.');
  return name;
}

function tagged(c: SiteContext, body: string, type: string, cache: string): Response {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const headers = {
    ETag: etag,
    'Cache-Control': cache,
    'Content-Security-Policy': INERT,
    // They are for other sites' pages.
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Access-Control-Allow-Origin': '*',
  };
  if (c.req.header('If-None-Match')?.includes(etag)) return c.body(null, 304, headers);
  return c.body(body, 200, { ...headers, 'Content-Type': type });
}
