import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { stripAnsi } from '../core/text.ts';

/** Follows the run of a push on the site's JSON, and says on the pusher's terminal what happens. */
export interface Follow {
  repository: string;
  ref: string;
  sha: string;
  /** How the bot is reached from here, and how people reach it; no slash at the end. */
  url: string;
  site: string;
  /** ISO 8601: the run is younger. */
  since: string;
  withLog: boolean;
  /** Milliseconds since 1970. */
  deadline: number;
  say(line: string): void;
}

const job = z.object({
  name: z.string(),
  state: z.string(),
  verdict: z.string().nullable(),
  attempt: z.number(),
  logUrl: z.string().optional(),
});
const runShown = z.object({
  id: z.string(),
  change: z.object({ ref: z.string(), sha: z.string() }),
  state: z.string(),
  verdict: z.string().nullable(),
  why: z.string().optional(),
  builds: z.array(z.object({ jobs: z.array(job) })),
  createdAt: z.string(),
  finishedAt: z.string().optional(),
});
type RunShown = z.infer<typeof runShown>;

const LOOK_MS = 500;
/** A branch that moved on at once never gets a run of its first head. */
const MOVED_MS = 5_000;
/** How long the bot may be away (it is being restarted) before the pusher is let go. */
const AWAY_MS = 60_000;

export async function followRun(follow: Follow): Promise<void> {
  const branch = follow.ref.replace(/^refs\/heads\//, '');
  const look = createLook(follow);
  const run = await findRun(follow, look);
  if (!run) return;
  const page = `${follow.site}/runs/${encodeURIComponent(run.id)}`;
  if (run.change.sha !== follow.sha) {
    follow.say(`RCB: ${branch} has moved on to ${run.change.sha.slice(0, 10)}, which is tested instead: ${page}`);
    return;
  }
  follow.say(`RCB: ${branch} ${follow.sha.slice(0, 10)} is tested: ${page}`);
  const log = createLogPrinter(follow);
  for (;;) {
    const now = await look(`/api/runs/${encodeURIComponent(run.id)}`, runShown);
    if (now && follow.withLog) await log(now);
    if (now?.state === 'finished') {
      follow.say(`RCB: ${branch}: ${verdictLine(now, page)}`);
      return;
    }
    if (!(await waitMore(follow, `it is still tested; the verdict will be on ${page}`))) return;
  }
}

/** False when the time is over, which is said. */
async function waitMore({ deadline, say }: Follow, otherwise: string): Promise<boolean> {
  if (Date.now() >= deadline) {
    say(`RCB: ${otherwise}`);
    return false;
  }
  await sleep(LOOK_MS);
  return true;
}

type Look = <T>(path: string, schema: z.ZodType<T>) => Promise<T | undefined>;

/** undefined: it did not answer this time. Throws when it has not for a while. */
function createLook({ url, site }: Follow): Look {
  let lastAnswer = Date.now();
  return async (path, schema) => {
    try {
      const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
      const answer = schema.parse(await response.json());
      lastAnswer = Date.now();
      return answer;
    } catch {
      // It may be on its way up again.
      if (Date.now() - lastAnswer > AWAY_MS) throw new Error(`it does not answer any more; look at ${site}/ later.`);
      return undefined;
    }
  };
}

async function findRun(follow: Follow, look: Look): Promise<RunShown | undefined> {
  const { repository, ref, sha, since, site } = follow;
  const query = new URLSearchParams({ repository, ref, limit: '20' });
  const begun = Date.now();
  for (;;) {
    const listed = await look(`/api/runs?${query}`, z.object({ runs: z.array(runShown) }));
    const young = listed?.runs.filter((run) => run.createdAt >= since) ?? [];
    const found = young.find((run) => run.change.sha === sha) ?? (Date.now() - begun > MOVED_MS ? young[0] : undefined);
    if (found) return found;
    if (!(await waitMore(follow, `the test has not begun yet; it will be on ${site}/`))) return undefined;
  }
}

function verdictLine(run: RunShown, page: string): string {
  const seconds = Math.round((Date.parse(run.finishedAt ?? run.createdAt) - Date.parse(run.createdAt)) / 1_000);
  const why = run.why ? ` (${run.why})` : '';
  return run.verdict === null
    ? `${run.why ?? 'nothing to run'}: ${page}`
    : `${run.verdict} in ${seconds} s${why}: ${page}`;
}

/** What a terminal is given of one log; the page has the whole. */
const MOST_LOG_BYTES = 256 * 1024;

function createLogPrinter(follow: Follow): (run: RunShown) => Promise<void> {
  const printed = new Map<string, { attempt: number; bytes: number }>();
  return async (run) => {
    for (const { name, state, attempt, logUrl } of run.builds.flatMap(({ jobs }) => jobs)) {
      // All of its attempts are of this push, also those that had ended before the first look.
      const before = printed.get(name) ?? { attempt: 1, bytes: 0 };
      for (let number = before.attempt; number <= attempt; number += 1) {
        if (number > before.attempt) follow.say(`RCB: ${name}: attempt ${number}`);
        const isWhole = state === 'finished' || number < attempt;
        const from = number === before.attempt ? before.bytes : 0;
        const bytes = await printLog(follow, { name, url: `${logUrl}?attempt=${number}`, from, isWhole });
        printed.set(name, { attempt: number, bytes });
      }
    }
  };
}

interface PrintedLog {
  name: string;
  url: string;
  /** What was printed of it. */
  from: number;
  isWhole: boolean;
}

/** Answers how many bytes of it are printed now. */
async function printLog({ url, site, say }: Follow, log: PrintedLog): Promise<number> {
  if (!log.url.startsWith(site) || log.from >= MOST_LOG_BYTES) return log.from;
  const bytes = await readLog(url + log.url.slice(site.length)).catch(() => undefined);
  if (!bytes) return log.from;
  const isWhole = log.isWhole || bytes.length >= MOST_LOG_BYTES;
  // A line is printed when it is whole.
  const end = isWhole ? bytes.length : bytes.lastIndexOf(0x0a) + 1;
  const text = stripAnsi(bytes.subarray(log.from, end).toString('utf8')).replace(/\n$/, '');
  if (end > log.from) for (const line of text.split('\n')) say(`  ${line}`);
  if (bytes.length >= MOST_LOG_BYTES) say(`RCB: the log of ${log.name} goes on: ${log.url}`);
  return Math.max(log.from, end);
}

async function readLog(url: string): Promise<Buffer | undefined> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok || !response.body) return undefined;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MOST_LOG_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MOST_LOG_BYTES);
}
