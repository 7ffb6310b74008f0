import type { Archive, LogReader } from '../archive/archive.ts';
import { contentDisposition, DOWNLOAD_POLICY, sendStream } from './downloads.ts';
import { fileName } from './links.ts';
import { MAX_LINE_BYTES, readWindow } from './log-window.ts';
import { DEFAULT_COUNT, type JobView, jobPage, logLines } from './pages/job.ts';
import { type LogQuery, logQuery, parseQuery } from './query.ts';
import type { AttemptRow, JobRow, Reader, RunRow } from './reader.ts';
import { NotFound, respond, rowId, SAFETY, type Show, type Site, type SiteContext, type SiteOptions } from './site.ts';

/** The log of a job's attempt: as a page of lines, as the lines that came since, and as it is. */
export function addLogs(site: Site, options: SiteOptions, show: Show): void {
  const { reader, archive } = options;
  site.get('/runs/:id/jobs/:job', async (c) => {
    const query = parseQuery(logQuery, c.req.query());
    const found = await findAttempt(c, reader, query.attempt);
    return respond(c, jobPage(show(c), await viewOf(found, query, archive)));
  });
  site.get('/runs/:id/jobs/:job/lines', async (c) => {
    const query = parseQuery(logQuery, c.req.query());
    const found = await findAttempt(c, reader, query.attempt);
    const log = await openLog(found, archive);
    return c.json(await newLines(found, log, query, options.clock.now()));
  });
  site.get('/runs/:id/jobs/:job/log.txt', async (c) => {
    const query = parseQuery(logQuery, c.req.query());
    const found = await findAttempt(c, reader, query.attempt);
    const log = await openLog(found, archive);
    if (!log) throw noLog(found);
    const headers = rawHeaders(found, log);
    if (c.req.method === 'HEAD') return c.body(null, 200, headers);
    return sendStream(c, log.stream(), headers, (error) => options.onError?.(error, c.req.path));
  });
}

interface FoundAttempt {
  run: RunRow;
  job: JobRow;
  /** The one that was asked for, else the newest; absent while the job is queued. */
  attempt?: AttemptRow;
}

async function findAttempt(c: SiteContext, reader: Reader, wanted: number | undefined): Promise<FoundAttempt> {
  const found = await reader.job(rowId(c.req.param('id')), rowId(c.req.param('job')));
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

async function viewOf(found: FoundAttempt, query: LogQuery, archive: Pick<Archive, 'readLog'>): Promise<JobView> {
  const log = await openLog(found, archive);
  if (!log || log.lines === 0) return found;
  return { ...found, log: await readWindow(log, query, isGrowing(found)) };
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

function noLog({ attempt }: FoundAttempt): NotFound {
  return attempt?.log
    ? new NotFound('The log of this attempt was removed by retention, or the archive lost it.', true)
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
