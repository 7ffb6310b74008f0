import type { Clock } from '../../clock.ts';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { BackendError, type BuildObservation, type JobRef } from '../backend.ts';
import type { AzureApi } from './api.ts';
import type { KeptFiles } from './artifacts.ts';
import { type AzureJob, type IssuesPolicy, jobsIn, type Timelines } from './jobs.ts';
import type { LogBook } from './logs.ts';
import { observationOf } from './observation.ts';
import { buildStatus, meaningOf, type TimelineRecord } from './schema.ts';
import { oneLine } from './text.ts';

/**
 * What builds were like when they were last looked at. It saves requests and nothing else: who finds no look here makes
 * one. A build is looked at no more often than its state asks for, however often our readers ask.
 */
export interface Look {
  at: number;
  observation: BuildObservation;
  jobs: AzureJob[];
  /** Of its logs, in lines; empty when nothing runs. */
  lines: ReadonlyMap<number, number>;
}

export interface LookIntervals {
  queued: number;
  running: number;
  /** A person can press "retry" on a finished build. */
  finished: number;
}

export interface LooksOptions {
  api: AzureApi;
  pipeline: number;
  project: string;
  issues: IssuesPolicy;
  intervalsMs: LookIntervals;
  /** Is little left of what may be asked for? */
  isShort: () => boolean;
  clock: Clock;
}

const MOST_BUILDS = 300;
const MOST_EARLIER = 20;
const WHEN_SHORT = 3;

/** What is known of one build. */
class Known {
  look: Look | undefined;
  looking: Promise<Look> | undefined;
  isStale = false;
  readonly book: LogBook = new Map();
  /** Earlier attempts do not change. */
  readonly earlier = new Map<string, TimelineRecord[]>();
  readonly files = new Map<string, Promise<KeptFiles>>();
}

export class Looks {
  readonly #options: LooksOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: LooksOptions) {
    this.#options = options;
  }

  /** The last look, unless it is time for another one. */
  async look(id: string, signal: AbortSignal): Promise<Look> {
    const known = this.of(id);
    if (known.look && !known.isStale && this.restMs(known.look) > 0) return known.look;
    signal.throwIfAborted();
    // Of those who wait for the same look, one who gives up must not end it for the others.
    known.looking ??= this.#fresh(id, known).finally(() => {
      known.looking = undefined;
    });
    return await unless(signal, known.looking);
  }

  /** Milliseconds until it is time to look again. */
  restMs({ observation, at }: Look): number {
    if (observation.state === 'lost') return 0;
    const { intervalsMs, isShort, clock } = this.#options;
    const every = intervalsMs[observation.state] * (isShort() ? WHEN_SHORT : 1);
    return at + every - clock.now().getTime();
  }

  /** Something may have happened to it. */
  expectNews(id: string): void {
    const known = this.#known.get(id);
    if (known) known.isStale = true;
  }

  isExpectingNews(id: string): boolean {
    return this.#known.get(id)?.isStale === true;
  }

  async job(id: string, ref: JobRef, signal: AbortSignal): Promise<{ job: AzureJob; look: Look; known: Known }> {
    const find = ({ jobs }: Look) => jobs.find(({ seen }) => seen.name === ref.name && seen.attempt === ref.attempt);
    let look = await this.look(id, signal);
    if (!find(look)) {
      this.expectNews(id);
      look = await this.look(id, signal);
    }
    const job = find(look);
    if (!job) throw new BackendError('refused', words.noSuchJob(oneLine(ref.name), ref.attempt));
    return { job, look, known: this.of(id) };
  }

  of(id: string): Known {
    const known = this.#known.get(id) ?? new Known();
    // The one asked for longest ago goes first.
    this.#known.delete(id);
    this.#known.set(id, known);
    if (this.#known.size > MOST_BUILDS) this.forget(this.#known.keys().next().value!);
    return known;
  }

  forget(id: string): void {
    const known = this.#known.get(id);
    this.#known.delete(id);
    for (const files of known?.files.values() ?? []) files.then((kept) => kept.close(), ignored);
  }

  forgetAll(): void {
    for (const id of [...this.#known.keys()]) this.forget(id);
  }

  async #fresh(id: string, known: Known): Promise<Look> {
    const { clock } = this.#options;
    const signal = never;
    known.isStale = false;
    const at = clock.now().getTime();
    const look = { at, ...(await this.#ask(id, known, signal)) };
    known.look = look;
    return look;
  }

  async #ask(id: string, known: Known, signal: AbortSignal): Promise<Omit<Look, 'at'>> {
    const { api, issues, pipeline, project } = this.#options;
    const build = isBuildId(id) ? await api.build(id, signal) : undefined;
    if (!build || build.deleted) {
      const missing = build ? undefined : await api.whatIsMissing(pipeline, project, signal);
      if (missing) throw missing;
      return { observation: { state: 'lost', why: words.gone }, jobs: [], lines: new Map() };
    }
    const state = meaningOf(buildStatus, build.status);
    // What waits for an agent has no jobs yet.
    const timelines = state === 'queued' ? noTimelines : await this.#timelines(id, known, signal);
    const jobs = jobsIn(build, timelines, issues);
    const lines = state === 'running' ? await api.lineCounts(id, signal) : new Map();
    return { observation: observationOf(build, jobs, timelines.current), jobs, lines };
  }

  async #timelines(id: string, known: Known, signal: AbortSignal): Promise<Timelines> {
    const { api } = this.#options;
    const current = await api.timeline(id, undefined, signal);
    const past = current.flatMap(({ previousAttempts }) => previousAttempts ?? []);
    const ids = past
      .toSorted((one, other) => (one.attempt ?? 0) - (other.attempt ?? 0))
      .flatMap(({ timelineId }) => timelineId ?? []);
    const earlier: TimelineRecord[][] = [];
    for (const timelineId of [...new Set(ids)].slice(-MOST_EARLIER)) {
      const records = known.earlier.get(timelineId) ?? (await api.timeline(id, timelineId, signal));
      known.earlier.set(timelineId, records);
      earlier.push(records);
    }
    return { current, earlier };
  }
}

const noTimelines: Timelines = { current: [], earlier: [] };
/** Requests have deadlines of their own. */
const never = new AbortController().signal;

export const isBuildId = (text: string): boolean => /^[1-9]\d{0,15}$/.test(text);

async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([promise, givenUp]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function ignored(): void {}
