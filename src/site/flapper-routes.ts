import type { KnownFlapper } from '../core/flapper.ts';
import { dayOf, remarksOn, suggestAdditions } from '../core/flapper-suggest.ts';
import { flapperPageMessages } from '../core/messages-flapper-page.ts';
import { apiFlapper, apiFlapperFile, apiSuggestions } from './api-flappers.ts';
import { knownFor } from './known-flappers.ts';
import { flapperFilePage, WEEKS_OF_FILE } from './pages/flapper-file.ts';
import { flappersPage, type ListAdvice, WEEKS_OF_LIST } from './pages/flappers.ts';
import { parseQuery } from './query.ts';
import { type FlappersQuery, flapperFileQuery, flappersQuery } from './query-flappers.ts';
import type { TestFileRecord } from './reader-tests.ts';
import { sightIn } from './sights.ts';
import { NotFound, respond, type Show, type Site, type SiteContext, type SiteOptions } from './site.ts';

const PER_PAGE = 50;
const FAILURES_OF_FILE = 50;
const DAY_MS = 86_400_000;
/** What has flapped lately is looked through for suggestions; a file that did not run for a month is gone. */
const FLAPPED_DAYS = 60;
const MOST_FLAPPED = 500;
const RAN_DAYS = 30;

/** The record of test files: the list of flappers, one file, and what the list of known flappers lacks. */
export function addFlappers(site: Site, options: SiteOptions, show: Show): void {
  const base = options.publicUrl.replace(/\/+$/, '');
  site.get('/flappers', async (c) => {
    const query = parseQuery(flappersQuery, c.req.query());
    const known = await knownLately(c, options);
    const listed = await listOf(c, options, query);
    const advice = query.before === undefined ? await adviceOn(c, options, known) : undefined;
    return respond(c, flappersPage(show(c), { query, listed, known, advice }));
  });
  site.get('/flappers/file', async (c) => {
    const file = await fileOf(c, options);
    return respond(c, flapperFilePage(show(c), file, await knownLately(c, options)));
  });
  site.get('/api/flappers', async (c) => {
    const query = parseQuery(flappersQuery, c.req.query());
    const known = await knownLately(c, options);
    const { rows, next } = await listOf(c, options, query);
    const advice = query.before === undefined ? await adviceOn(c, options, known) : undefined;
    const today = dayOf(options.clock.now());
    const flappers = rows.map((row) => apiFlapper(row, known, today, base));
    return c.json({ flappers, next, suggestions: advice && apiSuggestions(advice) });
  });
  site.get('/api/flappers/file', async (c) => c.json(apiFlapperFile(await fileOf(c, options), base)));
}

function listOf(c: SiteContext, { clock }: SiteOptions, query: FlappersQuery) {
  const { file, platform, show, sort = 'rate', before, limit = PER_PAGE } = query;
  const since = new Date(clock.now().getTime() - WEEKS_OF_LIST * 7 * DAY_MS);
  return c.get('reader').listFlappers({ file, platform, all: show === 'failed' }, { sort, before, limit, since });
}

async function fileOf(c: SiteContext, { clock }: SiteOptions): Promise<TestFileRecord> {
  const { name } = parseQuery(flapperFileQuery, c.req.query());
  const since = new Date(clock.now().getTime() - WEEKS_OF_FILE * 7 * DAY_MS);
  const file = await c.get('reader').testFile(name, since, FAILURES_OF_FILE);
  if (!file) throw new NotFound(flapperPageMessages.noSuchFile(name));
  return file;
}

/** Lists in repositories are known by what was judged with them: an entry that nothing failed for says nothing here. */
const knownLately = (c: SiteContext, { clock, knownFlappers }: SiteOptions) =>
  knownFor(
    sightIn(c),
    { reader: c.get('reader'), knownFlappers },
    { since: new Date(clock.now().getTime() - FLAPPED_DAYS * DAY_MS) },
  );

async function adviceOn(c: SiteContext, { clock }: SiteOptions, known: readonly KnownFlapper[]): Promise<ListAdvice> {
  const now = clock.now();
  const today = dayOf(now);
  const ago = (days: number) => new Date(now.getTime() - days * DAY_MS);
  const [flapped, record] = await Promise.all([
    c.get('reader').recentFlaps(ago(FLAPPED_DAYS), MOST_FLAPPED),
    c.get('reader').listRecord(
      known.map(({ name }) => name),
      ago(RAN_DAYS),
    ),
  ]);
  return {
    additions: suggestAdditions(flapped, known, today),
    remarks: remarksOn(known, record, today),
  };
}
