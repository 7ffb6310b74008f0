import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { Clock } from '../clock.ts';
import { apiFact, apiRun, apiTotals } from './api.ts';
import { apiFailures } from './api-failures.ts';
import { addArchive } from './archive-routes.ts';
import { type AssetName, type Assets, loadAssets } from './assets.ts';
import { addButtons } from './button-routes.ts';
import { addCompare } from './compare-routes.ts';
import { addForOthers } from './embed-routes.ts';
import { failuresView } from './failures-view.ts';
import { addErrors } from './faults.ts';
import { addFlappers } from './flapper-routes.ts';
import { knownFor } from './known-flappers.ts';
import { forgeLinks } from './links.ts';
import { addLists } from './list-routes.ts';
import { addLogs } from './log-routes.ts';
import { openLogin } from './login.ts';
import { accountOf, addLogin, addVisitors } from './login-routes.ts';
import { MOST_PRESSES } from './pages/buttons.ts';
import { factPage } from './pages/fact.ts';
import { type LedgerWhole, ledgerPage } from './pages/ledger.ts';
import { runPage } from './pages/run.ts';
import { type ServiceView, servicePage } from './pages/service.ts';
import { TIMELINE_ROWS } from './pages/timeline.ts';
import { factQuery, ledgerQuery, PERIOD_MS, type Period, parseQuery, runsQuery, totalsQuery } from './query.ts';
import type { Reader } from './reader.ts';
import { addSights, sightIn } from './sights.ts';
import { FOR_EVER, NotFound, respond, rowId, SAFETY, type Show, type Site, type SiteOptions } from './site.ts';
import { addStacks, stacksOf } from './stack-routes.ts';

export type { BackendState, Health } from './pages/service.ts';
export type { Site, SiteOptions } from './site.ts';

const RUNS_PER_PAGE = 30;
const FACTS_PER_PAGE = 50;
const IN_BOX = 20;

/** Every page and every JSON answer. It answers all paths, unknown ones with a page of its own. */
export function createSite(options: SiteOptions): Site {
  const site: Site = new Hono();
  const assets = loadAssets();
  const show = pageContexts(options, assets);
  const login = options.login && openLogin(options.login, options);
  site.use(async (c, next) => {
    await next();
    protect(c.res.headers);
  });
  addVisitors(site, options, login);
  addSights(site, options, login);
  addAssets(site, assets);
  addLogin(site, options, login);
  addButtons(site, options, login);
  addLists(site, options, show);
  addRun(site, options, show);
  addStacks(site, options, show);
  addForOthers(site, options);
  addLogs(site, options, show);
  addCompare(site, options, show);
  addArchive(site, options, show);
  addLedger(site, options, show);
  addFlappers(site, options, show);
  addService(site, options, show);
  addApi(site, options);
  addErrors(site, options, show);
  return site;
}

/** A node handler for the end of a chain: it always answers, hence always `true`. */
export function siteHandler(site: Site): (req: IncomingMessage, res: ServerResponse) => Promise<boolean> {
  const listener = getRequestListener(site.fetch, { overrideGlobalObjects: false });
  return async (req, res) => {
    await listener(req, res);
    return true;
  };
}

/** What the route did not say itself. A stream wrote its own headers before. */
function protect(headers: Headers): void {
  if (headers.has('x-hono-already-sent')) return;
  for (const [name, value] of Object.entries(SAFETY)) if (!headers.has(name)) headers.set(name, value);
}

function pageContexts(options: SiteOptions, assets: Assets): Show {
  const forge = forgeLinks(options.githubUrl);
  const { version, demoUrl } = options;
  return (c) => ({
    now: options.clock.now(),
    account: accountOf(c, options),
    version,
    demoUrl,
    hasStacks: stacksOf(c, options).length > 0,
    forge,
    asset: (name: AssetName) => assets[name].path,
  });
}

const NOT_TO_CRAWL = ['/archive/', '/api/', '/ledger', '/runs?', '/*?before=', '/runs/*/jobs/'];

function addAssets(site: Site, assets: Assets): void {
  for (const { path, type, body } of Object.values(assets)) {
    site.get(path, (c) => c.body(body, 200, { 'Content-Type': type, 'Cache-Control': FOR_EVER }));
  }
  site.get('/favicon.ico', (c) => c.redirect(assets['icon.svg'].path, 302));
  // Logs and downloads are large, filters have no end, and none of it is of use to a search engine.
  site.get('/robots.txt', (c) =>
    c.text(`User-agent: *\n${NOT_TO_CRAWL.map((path) => `Disallow: ${path}\n`).join('')}`),
  );
}

function addRun(site: Site, { archive, knownFlappers }: SiteOptions, show: Show): void {
  site.get('/runs/:id', async (c) => {
    const reader = c.get('reader');
    const run = await reader.run(rowId(c.req.param('id')));
    if (!run) throw new NotFound(`There is no run ${c.req.param('id')}, or it was removed.`);
    const [isForEverybody, others, wishes, timeline, failed, pressing, medians, beside] = await Promise.all([
      c.get('everybody').maySee(run.id),
      reader.runsOfSubject(run.subject, IN_BOX),
      run.kind === 'pull-request' ? reader.mergeWishes(run.subject, IN_BOX) : [],
      reader.timeline(run, TIMELINE_ROWS),
      reader.failuresOf(run),
      reader.pressing(run.id, MOST_PRESSES),
      reader.medians(run),
      reader.neighbours(run),
    ]);
    const known = await knownFor(sightIn(c), { reader, knownFlappers }, { runId: run.id });
    const failures = await failuresView(run, failed, known, archive);
    const view = { run, isPrivate: !isForEverybody, others, wishes, timeline, failures, pressing, medians, beside };
    return respond(c, runPage(show(c), view));
  });
}

function addLedger(site: Site, { clock }: SiteOptions, show: Show): void {
  site.get('/ledger', async (c) => {
    const reader = c.get('reader');
    const query = parseQuery(ledgerQuery, c.req.query());
    const { before, limit = FACTS_PER_PAGE, over = 'day', ...filter } = query;
    const noted = query.noted ?? (query.kind || query.subject ? 'shown' : 'hidden');
    const { rows, next } = await reader.listFacts({ ...filter, noted }, { before, limit });
    // What is told of the whole is on the first page only.
    const whole = before === undefined ? await readWhole(reader, sinceOf(over, clock)) : undefined;
    return respond(c, ledgerPage(show(c), { query, noted, over, listed: { rows, next }, whole }));
  });
  site.get('/ledger/fact', async (c) => {
    const { key } = parseQuery(factQuery, c.req.query());
    const fact = await c.get('reader').fact(key);
    if (!fact) throw new NotFound(`No fact has the key ${key}.`);
    return respond(c, factPage(show(c), fact));
  });
}

const sinceOf = (over: Period, clock: Clock): Date => new Date(clock.now().getTime() - PERIOD_MS[over]);

async function readWhole(reader: Reader, since: Date): Promise<LedgerWhole> {
  const [totals, counts, parked, parkedEffects, running, pending] = await Promise.all([
    reader.factTotals(since),
    reader.counts(),
    reader.listFacts({ state: 'parked' }, { limit: IN_BOX }),
    reader.listEffects('parked', IN_BOX),
    reader.listEffects('running', IN_BOX),
    reader.listEffects('pending', IN_BOX),
  ]);
  return { totals, counts, parked: parked.rows, effects: { parked: parkedEffects, running, pending } };
}

const DAY_MS = 86_400_000;

async function readService(reader: Reader, { clock, limits, ...options }: SiteOptions): Promise<ServiceView> {
  const since = new Date(clock.now().getTime() - DAY_MS);
  const [health, backends, counts, waiting, installations, repositories, polls] = await Promise.all([
    options.health(),
    options.backends(),
    reader.counts(),
    reader.waiting(),
    reader.installations(),
    reader.repositories(),
    reader.polls(),
  ]);
  const [measures, held, rests, troubles, retention] = await Promise.all([
    reader.backendMeasures(since),
    reader.heldRuns(IN_BOX),
    reader.rests(IN_BOX),
    reader.pollTroubles(),
    reader.retention(),
  ]);
  return {
    ...{ health, backends, counts, waiting, limits, installations, repositories, polls },
    ...{ measures, held, rests, troubles, retention },
  };
}

function addService(site: Site, options: SiteOptions, show: Show): void {
  site.get('/service', async (c) => {
    return respond(c, servicePage(show(c), await readService(c.get('reader'), options)));
  });
  // Alive: it answers. Whether it can work is the other question: a restart mends no database that is away.
  site.get('/healthz', (c) => c.json({ ok: true, version: options.version }));
  site.get('/readyz', async (c) => {
    const health = await options.health();
    return c.json({ ok: health.ok, version: options.version, checks: health.checks }, health.ok ? 200 : 503);
  });
  site.get('/metrics', async (c) => {
    if (!options.metrics) throw new NotFound('Metrics are not switched on.');
    return c.text(await options.metrics(), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
}

function addApi(site: Site, { publicUrl, clock, knownFlappers }: SiteOptions): void {
  const base = publicUrl.replace(/\/+$/, '');
  site.get('/api/runs', async (c) => {
    const { before, limit = RUNS_PER_PAGE, ...filter } = parseQuery(runsQuery, c.req.query());
    const { rows, next } = await c.get('reader').listRunDetails(filter, { before, limit });
    return c.json({ runs: rows.map((run) => apiRun(run, base)), next });
  });
  site.get('/api/runs/:id', async (c) => {
    const reader = c.get('reader');
    const run = await reader.run(rowId(c.req.param('id')));
    if (!run) throw new NotFound(`There is no run ${c.req.param('id')}, or it was removed.`);
    const known = await knownFor(sightIn(c), { reader, knownFlappers }, { runId: run.id });
    const failures = apiFailures(run.id, await reader.failuresOf(run), known, base);
    return c.json({ ...apiRun(run, base), failures });
  });
  site.get('/api/ledger', async (c) => {
    const { before, limit = FACTS_PER_PAGE, over: _, ...filter } = parseQuery(ledgerQuery, c.req.query());
    const { rows, next } = await c.get('reader').listFacts(filter, { before, limit });
    return c.json({ facts: rows.map(apiFact), next });
  });
  site.get('/api/ledger/totals', async (c) => {
    const { over = 'day' } = parseQuery(totalsQuery, c.req.query());
    const since = sinceOf(over, clock);
    return c.json(apiTotals(over, since, await c.get('reader').factTotals(since)));
  });
}
