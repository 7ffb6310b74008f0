import { sameSight } from '../core/sight.ts';
import { forgeLinks } from './links.ts';
import { createLiveBySight } from './live-by-sight.ts';
import { runItem, runsPage } from './pages/runs.ts';
import { liveQuery, parseQuery, runsQuery } from './query.ts';
import { sharedBy } from './shared.ts';
import { sightIn } from './sights.ts';
import { respond, type Show, type Site, type SiteContext, type SiteOptions } from './site.ts';

const RUNS_PER_PAGE = 30;

/** The list of runs, and what keeps it fresh. */
export function addLists(site: Site, options: SiteOptions, show: Show): void {
  const { limits } = options;
  // The same for all who see the same, whatever is asked for.
  const common = sharedBy(
    (c: SiteContext) => sameSight(sightIn(c)),
    (c) => {
      const reader = c.get('reader');
      return Promise.all([reader.repositories(), reader.backendNames(), reader.waiting(), reader.lastChange()]);
    },
  );
  const list = async (c: SiteContext) => {
    const query = parseQuery(runsQuery, c.req.query());
    const { before, limit = RUNS_PER_PAGE, ...filter } = query;
    const [[repositories, backends, waiting, lastChange], listed] = await Promise.all([
      common(c),
      c.get('reader').listRuns(filter, { before, limit }),
    ]);
    return respond(c, runsPage(show(c), { query, listed, repositories, backends, waiting, limits, lastChange }));
  };
  site.get('/', list);
  site.get('/runs', list);
  addStream(site, options);
}

function addStream(site: Site, options: SiteOptions): void {
  const forge = forgeLinks(options.githubUrl);
  const live = createLiveBySight({
    ...options.live,
    readers: options.readers,
    render: (row) => runItem({ now: options.clock.now(), forge }, row).toString(),
    onError: (error) => options.onError?.(error, '/api/live'),
  });
  site.get('/api/live', (c) => {
    const { since } = parseQuery(liveQuery, { since: c.req.header('Last-Event-ID') ?? c.req.query('since') ?? '' });
    const stream = live.open(sightIn(c), new Date(since ?? 0));
    if (!stream) return c.json({ error: 'Too many readers follow the list already.' }, 503, { 'Retry-After': '60' });
    return c.body(stream, 200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // nginx would keep it until it is full.
      'X-Accel-Buffering': 'no',
    });
  });
}
