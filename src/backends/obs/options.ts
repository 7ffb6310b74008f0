import type { Archive } from '../../archive/archive.ts';
import type { ObsAuth } from './auth.ts';
import type { BinaryLimits } from './binaries.ts';
import type { ObsHttp } from './http.ts';
import type { Deadlines } from './judge.ts';
import type { ObsMode } from './names.ts';
import type { Pace } from './pace.ts';
import type { Template } from './template.ts';
import type { ObsTime } from './time.ts';

export interface ObsOptions {
  name: string;
  /** Of the API: `https://api.opensuse.org`. */
  url: string;
  /** Of the web interface; default: the usual one beside the API, else no links. */
  webUrl?: string;
  /** Projects of runs are made below it; with mode `standing` it is the one that packages are made in. */
  project: string;
  /** Default `project-per-run`. */
  mode?: ObsMode;
  template: Template;
  auth: ObsAuth;
  archive: Pick<Archive, 'get'>;
  /** Closed with the back-end. */
  http: ObsHttp;
  /** One for each host, however many back-ends it serves. */
  pace: Pace;
  time: ObsTime;
  /** Where nothing changes, one request for a build in that time. */
  pollMs: number;
  /** Whoever follows a build looks that often: a look is no request, what is asked goes on behind it. Absent: it waits. */
  followEveryMs?: number;
  /** From one request for results to the next when something changes; default 3 s, at most `pollMs`. */
  changeMs?: number;
  /** Default 10 s. */
  settleMs?: number;
  /** A running job's log is read that often; default 10 s. */
  liveLogMs?: number;
  /** Of all running jobs of a build together, that many reads in the time of one poll; default 10. */
  liveLogs?: number;
  /** Default 8 hours for a build, 4 for a job. */
  deadlines?: Partial<Deadlines>;
  /** Of what a job left. Default 100 files, 512 MiB. */
  artifacts?: Partial<BinaryLimits>;
  /** What did not pass stays so long after its end, so that it can be built again; default 7 days. */
  keepFailedMs?: number;
  /** Default 256 MiB. */
  logLimitBytes?: number;
}

const hour = 3_600_000;

/** The options with their defaults filled in. */
export function complete(options: ObsOptions) {
  return {
    ...options,
    mode: options.mode ?? ('project-per-run' as const),
    changeMs: options.changeMs ?? Math.min(3_000, options.pollMs),
    settleMs: options.settleMs ?? 10_000,
    liveLogMs: options.liveLogMs ?? 10_000,
    liveLogs: options.liveLogs ?? 10,
    deadlines: { buildMs: 8 * hour, jobMs: 4 * hour, ...options.deadlines },
    artifacts: { maxFiles: 100, maxBytes: 512 * 2 ** 20, ...options.artifacts },
    keepFailedMs: options.keepFailedMs ?? 7 * 24 * hour,
    logLimitBytes: options.logLimitBytes ?? 256 * 2 ** 20,
    webUrl: options.webUrl ?? webUrlOf(options.url),
  };
}

export type CompleteOptions = ReturnType<typeof complete>;

const webUrlOf = (url: string): string | undefined =>
  new URL(url).host === 'api.opensuse.org' ? 'https://build.opensuse.org' : undefined;
