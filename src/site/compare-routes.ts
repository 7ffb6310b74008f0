import type { Archive } from '../archive/archive.ts';
import { logMessages } from '../core/messages-log.ts';
import { createLatest, type Latest } from './latest.ts';
import { type Comparison, compareLogs, isComparable } from './log-compare.ts';
import { findAttempt, noLog } from './log-routes.ts';
import { type CompareView, comparePage, type Side } from './pages/compare.ts';
import { compareQuery, parseQuery } from './query.ts';
import { respond, type Show, type Site, type SiteOptions } from './site.ts';
import { createTurns, type Turns } from './turns.ts';

/** How the log of a job's attempt differs from that of the last run in which the job passed. */
export function addCompare(site: Site, options: SiteOptions, show: Show): void {
  const turns = createTurns(1, 10, logMessages.busy);
  const latest = createLatest<Comparison>(10);
  site.get('/runs/:id/jobs/:job/compare', async (c) => {
    const { attempt: wanted, moved } = parseQuery(compareQuery, c.req.query());
    const found = await findAttempt(c, wanted);
    const { run, job, attempt } = found;
    if (!attempt) throw noLog(found);
    const green = await c.get('reader').lastGreen(run.id, job.name);
    const view = { shown: { run, job, attempt }, green, withMoved: moved === 'shown' };
    return respond(c, comparePage(show(c), { ...view, ...(await compared(view, options.archive, turns, latest)) }));
  });
}

async function compared(
  { shown, green, withMoved }: CompareView,
  archive: Pick<Archive, 'readLog'>,
  turns: Turns,
  latest: Latest<Comparison>,
): Promise<Pick<CompareView, 'comparison' | 'trouble'>> {
  const logs = [];
  for (const [side, which] of [
    [shown, 'this attempt'],
    [green, 'the green run'],
  ] as const) {
    if (!side) return {};
    const log = await archive.readLog(side.attempt.id);
    if (!log) return { trouble: missing(side, which) };
    if (!isComparable(log)) return { trouble: logMessages.compare.tooLarge(which, log.bytes, log.lines) };
    logs.push(log);
  }
  const [after, before] = [logs[0]!, logs[1]!];
  const key = `${green?.attempt.id} ${before.bytes} ${shown.attempt.id} ${after.bytes} ${withMoved}`;
  const comparison = latest.get(key) ?? (await turns(() => compareLogs(before, after, withMoved)));
  latest.set(key, comparison);
  return { comparison };
}

function missing({ attempt }: Side, which: string): { heading: string; words: string } {
  const { heading, words } =
    attempt.log || attempt.logRemovedAt ? logMessages.gone(attempt.logRemovedAt) : logMessages.none;
  return { heading, words: `${logMessages.compare.noLog(which)} ${words}` };
}
