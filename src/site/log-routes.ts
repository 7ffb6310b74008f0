import type { Archive, LogReader } from '../archive/archive.ts';
import { logMessages } from '../core/messages-log.ts';
import { contentDisposition, DOWNLOAD_POLICY, sendStream } from './downloads.ts';
import { fileName, jobPath, withQuery } from './links.ts';
import { createLogFinder, type LogFinder } from './log-finder.ts';
import type { Scan } from './log-scan.ts';
import { MAX_LINE_BYTES, readWindow } from './log-window.ts';
import { DEFAULT_COUNT, type JobView, jobPage } from './pages/job.ts';
import { logLines } from './pages/log-lines.ts';
import { gotoQuery, type LogQuery, logQuery, parseQuery } from './query.ts';
import type { AttemptRow, JobRow, RunRow } from './reader.ts';
import { NotFound, respond, rowId, SAFETY, type Show, type Site, type SiteContext, type SiteOptions } from './site.ts';

/** The log of a job's attempt: as a page of lines, as the lines that came since, and as it is. */
export function addLogs(site: Site, options: SiteOptions, show: Show): void {
  const { archive } = options;
  const finder = createLogFinder(options.clock);
  site.get('/runs/:id/jobs/:job', async (c) => {
    const query = parseQuery(logQuery, c.req.query());
    const found = await findAttempt(c, query.attempt);
    return respond(c, jobPage(show(c), await viewOf(c, found, query, { archive, finder })));
  });
  site.get('/runs/:id/jobs/:job/goto', (c) => goTo(c, options, finder));
  site.get('/runs/:id/jobs/:job/lines', async (c) => {
    const query = parseQuery(logQuery, c.req.query());
    const found = await findAttempt(c, query.attempt);
    const log = await openLog(found, archive);
    return c.json(await newLines(found, log, query, options.clock.now()));
  });
  site.get('/runs/:id/jobs/:job/log.txt', async (c) => {
    const query = parseQuery(logQuery, c.req.query());
    const found = await findAttempt(c, query.attempt);
    const log = await openLog(found, archive);
    if (!log) throw noLog(found);
    const headers = rawHeaders(found, log);
    if (c.req.method === 'HEAD') return c.body(null, 200, headers);
    return sendStream(c, log.stream(), headers, (error) => options.onError?.(error, c.req.path));
  });
}

export interface FoundAttempt {
  run: RunRow;
  job: JobRow;
  /** The one that was asked for, else the newest; absent while the job is queued. */
  attempt?: AttemptRow;
}

export async function findAttempt(c: SiteContext, wanted: number | undefined): Promise<FoundAttempt> {
  const found = await c.get('reader').job(rowId(c.req.param('id')), rowId(c.req.param('job')));
  if (!found) throw new NotFound('This run has no such job, or it was removed.');
  const { attempts } = found.job;
  const attempt = wanted === undefined ? attempts[0] : attempts.find(({ number }) => number === wanted);
  if (wanted !== undefined && !attempt) throw new NotFound(`The job ${found.job.name} has no attempt ${wanted}.`);
  return { ...found, attempt };
}

const isGrowing = ({ job, attempt }: FoundAttempt): boolean => (attempt ?? job).state !== 'finished';

async function openLog({ attempt }: FoundAttempt, archive: Pick<Archive, 'readLog'>): Promise<LogReader | undefined> {
  return attempt && archive.readLog(attempt.id);
}

async function viewOf(
  c: SiteContext,
  asked: FoundAttempt,
  query: LogQuery,
  { archive, finder }: { archive: Pick<Archive, 'readLog'>; finder: LogFinder },
): Promise<JobView> {
  const { attempt } = asked;
  const log = await openLog(asked, archive);
  if (!log || !attempt || log.lines === 0) return { ...asked, query };
  const place = { log, attemptId: attempt.id, signal: c.req.raw.signal };
  const search = query.q === undefined ? undefined : await finder.search(place, query.q);
  // Whoever searches sees the first thing found.
  const line = query.line ?? (query.from === undefined ? lineOf(search) : undefined);
  const [tests, overview] = await Promise.all([c.get('reader').failedTests(attempt.id), finder.overview(place)]);
  const isFollowed = isGrowing(asked);
  return {
    ...asked,
    query: { ...query, line },
    search,
    tests,
    overview,
    log: await readWindow(log, { ...query, line }, isFollowed),
  };
}

const lineOf = (search: Scan | undefined) => {
  const hit = search?.hits[0];
  return hit && { from: hit.line, to: hit.line };
};

/** To the nearest line of a kind, and to the page again when there is none: a link that needs no script. */
async function goTo(c: SiteContext, options: SiteOptions, finder: LogFinder): Promise<Response> {
  const { to, line, at, q, ...query } = parseQuery(gotoQuery, c.req.query());
  const found = await findAttempt(c, query.attempt);
  const log = await openLog(found, options.archive);
  const { attempt } = found;
  if (!log || !attempt) throw noLog(found);
  const known = await c.get('reader').failedTests(attempt.id);
  const from = line?.from ?? 1;
  const place = { log, attemptId: attempt.id, signal: c.req.raw.signal };
  const { line: hit, looked } = await finder.near(place, { look: to, line: from, text: q, known });
  const page = jobPath(found.run.id, found.job.id);
  const shown = { attempt: query.attempt, count: query.count, q };
  if (hit !== undefined) return c.redirect(`${withQuery(page, { ...shown, line: hit })}#L${hit}`, 303);
  return c.redirect(
    withQuery(page, { ...shown, line: to === 'first' ? undefined : (at ?? from), none: to, looked }),
    303,
  );
}

/** A log may still grow for a moment after its verdict; after this it is taken for complete, sealed or not. */
const DRAIN_MS = 60_000;

/** For the page that follows a log: the lines from `from` on, and whether more can come. */
async function newLines(found: FoundAttempt, log: LogReader | undefined, query: LogQuery, now: Date) {
  const { from = 1, count = DEFAULT_COUNT } = query;
  const total = log?.lines ?? 0;
  const lines = log && from <= total ? await log.lineRange(from, count, MAX_LINE_BYTES) : [];
  const next = from + lines.length;
  const sinceEnd = now.getTime() - (found.attempt?.finishedAt?.getTime() ?? 0);
  const isDrained = !log || log.ended || sinceEnd > DRAIN_MS;
  return {
    from,
    next,
    lines: total,
    html: logLines(lines).toString(),
    done: !isGrowing(found) && isDrained && next > total,
  };
}

export function noLog({ attempt }: FoundAttempt): NotFound {
  return attempt?.log || attempt?.logRemovedAt
    ? new NotFound(logMessages.gone(attempt.logRemovedAt).words, true)
    : new NotFound('This attempt has no log: it wrote nothing yet.');
}

function rawHeaders({ job, attempt }: FoundAttempt, log: LogReader): Record<string, string> {
  const name = `${fileName(job.name.replaceAll('/', '-'))}-${attempt?.number ?? 1}.txt`;
  return {
    ...SAFETY,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(log.bytes),
    'Content-Disposition': contentDisposition('inline', name),
    'Content-Security-Policy': DOWNLOAD_POLICY,
  };
}
