import { obsMessages } from '../../core/messages-obs.ts';
import { BackendError, type BuildObservation, type JobObservation } from '../backend.ts';
import type { ObsClient } from './client.ts';
import { ifThere } from './commit.ts';
import {
  buildObservation,
  cancelledObservation,
  type Deadlines,
  endedObservation,
  endIn,
  isRunning,
  jobsOf,
  type ObsJob,
  openObservation,
  type Sight,
  sightOf,
  targetKey,
  withoutJob,
} from './judge.ts';
import { endsKilled, LogHeads } from './log.ts';
import { isStarted, type StartedMark } from './mark.ts';
import { type Place, serverNames } from './place.ts';
import {
  type EndedJob,
  meaningOf,
  parseDirectory,
  parseJobHistory,
  parseResultList,
  type ResultList,
} from './schema.ts';
import type { ObsTime } from './time.ts';
import { type Asked, Watch } from './watch.ts';

export interface FollowParts {
  client: ObsClient;
  place: Place;
  time: ObsTime;
  deadlines: Deadlines;
  pollMs: number;
  changeMs: number;
  settleMs: number;
  liveLogMs: number;
  /** In the time of one poll, of all the build's jobs. */
  liveLogs: number;
}

/** What a job without a build was seen as, since when and how often. */
interface Settling {
  words: string;
  sinceMs: number;
  looks: number;
  isAtRest: boolean;
}

/**
 * One build as this process has seen it so far. Nothing in here is needed to go on: who starts anew asks again, and
 * comes to the same.
 */
export class Following {
  readonly heads = new LogHeads();
  readonly #watch: Watch;
  readonly #parts: FollowParts;
  /** As last read or written. */
  #mark: StartedMark | undefined;
  /** Of each repository and architecture. */
  readonly #histories = new Map<string, EndedJob[]>();
  /** By job and attempt: what was found out for good. */
  readonly #ends = new Map<string, { ended?: EndedJob; told: JobObservation | 'left-out' }>();
  readonly #settling = new Map<string, Settling>();
  /** Names at OBS of jobs that were given up, by repository and architecture. */
  readonly #overdue = new Map<string, Set<string>>();
  readonly #runningSince = new Map<string, Date>();
  readonly #logReads = new Map<string, number>();
  #logReadTimes: number[] = [];
  #judged = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: FollowParts) {
    this.#parts = parts;
    this.#watch = new Watch({ ...parts, ask: (oldState, waitMs, signal) => this.#ask(oldState, waitMs, signal) });
  }

  get place(): Place {
    return this.#parts.place;
  }

  /** Undefined: there is no such build (any more). */
  async mark(signal: AbortSignal): Promise<StartedMark | undefined> {
    if (this.#mark) return this.#mark;
    const mark = await this.place.read(signal);
    if (mark && isStarted(mark)) this.#mark = mark;
    return this.#mark;
  }

  /** What was written down is what is known now. */
  marked(mark: StartedMark): void {
    this.#mark = mark;
    this.#overdue.clear();
    this.#watch.hint();
  }

  /** As things are known to be now; asks what has to be asked about them. */
  async look(signal: AbortSignal): Promise<BuildObservation> {
    // One at a time: what one finds out the next one need not ask.
    const look = this.#turn.then(() => this.#look(signal));
    this.#turn = look.catch(() => {});
    return await look;
  }

  /** Until there may be something new, at most that long. */
  async news(ms: number, signal: AbortSignal): Promise<void> {
    await this.#watch.news(ms, signal);
  }

  hint(): void {
    this.#watch.hint();
  }

  close(): void {
    this.#watch.close();
  }

  /** A running job's log is a request of its own each time: `logBytes: 0` spares it until it is its turn. */
  withLogCounts<Seen extends { jobs: JobObservation[] }>(seen: Seen): Seen {
    const turns = this.#logTurns(seen.jobs.filter(({ state }) => state === 'running').map(({ name }) => name));
    const isSpared = ({ state, name }: JobObservation) => state === 'running' && !turns.has(name);
    return { ...seen, jobs: seen.jobs.map((job) => (isSpared(job) ? { ...job, logBytes: 0 } : job)) };
  }

  readsLog(job: ObsJob): void {
    const now = this.#parts.time.monotonicMs();
    this.#logReads.delete(job.name);
    this.#logReads.set(job.name, now);
    this.#logReadTimes.push(now);
  }

  /** Those that were read longest ago, as many as the interval has room for. */
  #logTurns(running: string[]): Set<string> {
    const { time, pollMs, liveLogMs, liveLogs } = this.#parts;
    const now = time.monotonicMs();
    this.#logReadTimes = this.#logReadTimes.filter((at) => now - at < pollMs);
    const readAt = (name: string) => this.#logReads.get(name) ?? Number.MIN_SAFE_INTEGER;
    const room = Math.max(0, Math.min(MOST_LOGS_AT_ONCE, liveLogs - this.#logReadTimes.length));
    const due = running.filter((name) => now - readAt(name) >= liveLogMs);
    return new Set(due.sort((one, other) => readAt(one) - readAt(other)).slice(0, room));
  }

  /** The jobs, what OBS says of them, and how those ended that did. */
  async jobs(signal: AbortSignal): Promise<{ job: ObsJob; code: string; told?: JobObservation; ended?: EndedJob }[]> {
    const seen = await this.look(signal);
    const { list } = await this.#watch.latest(signal);
    const mark = this.#mark;
    if (seen.state === 'lost' || list === 'gone' || !mark) return [];
    return jobsOf(mark, this.place.suffix, list).map((job) => ({
      job,
      code: this.#sightOf(job, list, mark).code,
      told: seen.jobs.find(({ name }) => name === job.name),
      ended: this.#ends.get(idOf(job))?.ended,
    }));
  }

  /** The newest build of a job that the history names, of whatever attempt. */
  async newest(job: ObsJob, signal: AbortSignal): Promise<{ bcnt: number; readyTime: number }> {
    const mark = this.#mark!;
    await this.#readHistory(job, mark, signal);
    const ended = this.#histories.get(targetKey(job))?.findLast((each) => each.package === job.serverName);
    return { bcnt: ended?.bcnt ?? 0, readyTime: ended?.readyTime ?? 0 };
  }

  async #look(signal: AbortSignal): Promise<BuildObservation> {
    const lost = { state: 'lost', why: obsMessages.gone(this.place.project) } as const;
    let mark = await this.mark(signal);
    if (!mark) return await this.#unstarted(lost, signal);
    const { list, answers } = await this.#watch.latest(signal);
    if (list === 'gone') return lost;
    if (answers !== this.#judged) {
      mark = await this.#takeIn(list, mark, signal);
      if (!mark) return lost;
      this.#judged = answers;
    }
    return await this.#judge(list, mark, signal);
  }

  /** Begun, and not made to its end: whoever began goes on with it. */
  async #unstarted(lost: BuildObservation, signal: AbortSignal): Promise<BuildObservation> {
    const mark = await this.place.read(signal);
    return mark ? { state: 'queued', digest: 'unstarted', jobs: [] } : lost;
  }

  /** A new answer: what it makes us want to know is asked, once. */
  async #takeIn(list: ResultList, before: StartedMark, signal: AbortSignal): Promise<StartedMark | undefined> {
    let mark = before;
    const open = (given: StartedMark) =>
      jobsOf(given, this.place.suffix, list)
        .filter((job) => !this.#ends.has(idOf(job)))
        .map((job) => ({ job, sight: this.#sightOf(job, list, given) }));
    const isEnding = open(mark).some(({ sight }) => ['built', 'no-job'].includes(meaningOf(sight.code)));
    if (isEnding) {
      // Another process may have stopped it, or asked for a re-test.
      this.#mark = undefined;
      const read = await this.mark(signal);
      if (!read) return undefined;
      mark = read;
    }
    const isFirst = this.#judged === 0;
    const asking = new Map<string, ObsJob>();
    for (const { job, sight } of open(mark)) {
      this.#note(job, sight);
      const meaning = meaningOf(sight.code);
      // What OBS builds again by itself had its verdict: a process that comes new to it has to look.
      const isAsked = meaning === 'built' || (isFirst && meaning !== 'waiting') || mark.cancelled !== undefined;
      if (isAsked) asking.set(this.place.filter(mark) ? job.name : targetKey(job), job);
    }
    for (const job of asking.values()) await this.#readHistory(job, mark, signal);
    return mark;
  }

  #sightOf(job: ObsJob, list: ResultList, mark: StartedMark): Sight {
    return sightOf(job, list, serverNames(mark, this.place.suffix), this.#overdue.get(targetKey(job)));
  }

  /** Where something was built, and is to be built again: what needs it has no job yet, and that means nothing. */
  #lagging(list: ResultList, mark: StartedMark): Set<string> {
    const lagging = jobsOf(mark, this.place.suffix, list).filter(
      (job) =>
        job.attempt > 1 &&
        meaningOf(this.#sightOf(job, list, mark).code) === 'built' &&
        !endIn(this.#histories.get(targetKey(job)) ?? [], job, mark),
    );
    return new Set(lagging.map(targetKey));
  }

  #note(job: ObsJob, { code, details, quiet }: Sight): void {
    const id = idOf(job);
    const now = this.#parts.time;
    if (isRunning(code) && !this.#runningSince.has(id)) this.#runningSince.set(id, now.now());
    const words = `${code}: ${details ?? ''}`;
    // A retry enables what had been let rest: the scheduler may not have come to it yet.
    const isAtRest = quiet === 'rest' && !(code === 'disabled' && job.attempt > 1);
    const before = this.#settling.get(id);
    if (meaningOf(code) !== 'no-job' || quiet === 'no') this.#settling.delete(id);
    else if (before?.words === words) {
      before.looks += 1;
      before.isAtRest = isAtRest;
    } else this.#settling.set(id, { words, sinceMs: now.monotonicMs(), looks: 1, isAtRest });
  }

  async #judge(list: ResultList, mark: StartedMark, signal: AbortSignal): Promise<BuildObservation> {
    const told: JobObservation[] = [];
    let unsettled = 0;
    let isLagging = false;
    const lagging = this.#lagging(list, mark);
    for (const job of jobsOf(mark, this.place.suffix, list)) {
      const sight = this.#sightOf(job, list, mark);
      const end = await this.#endOf(job, sight, mark, lagging.has(targetKey(job)), signal);
      if (end === 'left-out') continue;
      const meaning = meaningOf(sight.code);
      if (!end && ['built', 'no-job'].includes(meaning)) isLagging = true;
      const seen = end ?? this.#open(job, sight, mark);
      // It is listed as scheduled, too, before the scheduler has read its recipe. What was shown once needs an end.
      const mayVanish =
        mark.started.packages[job.package]!.mayBeLeftOut && !isRunning(sight.code) && meaning !== 'built';
      if (!end && seen.state !== 'finished' && mayVanish) unsettled += 1;
      else told.push(seen);
    }
    this.#watch.settle(isLagging && !mark.cancelled);
    return buildObservation(told, unsettled);
  }

  async #endOf(
    job: ObsJob,
    sight: Sight,
    mark: StartedMark,
    isLagging: boolean,
    signal: AbortSignal,
  ): Promise<JobObservation | 'left-out' | undefined> {
    const known = this.#ends.get(idOf(job));
    if (known) return known.told;
    if (mark.cancelled && !mark.cancelled.ended.includes(job.name)) return cancelledObservation(job, mark.cancelled.at);
    const ended = endIn(this.#histories.get(targetKey(job)) ?? [], job, mark);
    if (ended) {
      const killed = ended.code === 'failed' && (await endsKilled(this.#parts.client, this.place.project, job, signal));
      return this.#ended(job, endedObservation(job, ended, killed), ended);
    }
    // It had ended without a job, and that cannot be seen any more.
    if (mark.cancelled) return cancelledObservation(job, mark.cancelled.at);
    if (isLagging || !this.#hasSettled(job)) return undefined;
    const isOurs = await this.#isSourceOurs(job, mark, signal);
    return this.#ended(job, withoutJob(job, sight, mark, isOurs) ?? 'left-out');
  }

  #ended(job: ObsJob, told: JobObservation | 'left-out', ended?: EndedJob): JobObservation | 'left-out' {
    this.#ends.set(idOf(job), { told, ended });
    return told;
  }

  #open(job: ObsJob, sight: Sight, mark: StartedMark): JobObservation {
    const { deadlines, time } = this.#parts;
    const seen = openObservation(job, sight, mark, deadlines, time.now(), this.#runningSince.get(idOf(job)));
    // Once told it stays told, whatever comes later.
    if (seen.state === 'finished') {
      this.#ended(job, seen);
      const overdue = this.#overdue.get(targetKey(job)) ?? new Set();
      this.#overdue.set(targetKey(job), overdue.add(job.serverName));
    }
    return seen;
  }

  #hasSettled(job: ObsJob): boolean {
    const settling = this.#settling.get(idOf(job));
    if (!settling || settling.looks < 2) return false;
    const settleMs = this.#parts.settleMs * (settling.isAtRest ? 1 : RESTLESS);
    return this.#parts.time.monotonicMs() - settling.sinceMs >= settleMs;
  }

  async #isSourceOurs(job: ObsJob, mark: StartedMark, signal: AbortSignal): Promise<boolean> {
    const path = ['source', this.place.project, job.serverName.split(':', 1)[0]!];
    const text = await ifThere(this.#parts.client.text({ path, signal }));
    return text !== undefined && parseDirectory(text).srcmd5 === mark.started.packages[job.package]!.srcmd5;
  }

  /** One request for a repository and architecture; in a project that others use as well, one for a job. */
  async #readHistory(job: ObsJob, mark: StartedMark, signal: AbortSignal): Promise<void> {
    const { repository, arch, serverName } = job;
    const isShared = this.place.filter(mark) !== undefined;
    const count = isShared ? 20 : 20 + 4 * Object.keys(mark.started.packages).length;
    const text = await this.#parts.client.text({
      path: ['build', this.place.project, repository, arch, '_jobhistory'],
      query: { limit: String(count), package: isShared ? serverName : undefined },
      signal,
    });
    const read = parseJobHistory(text);
    const others = isShared
      ? (this.#histories.get(targetKey(job)) ?? []).filter((each) => each.package !== serverName)
      : [];
    this.#histories.set(targetKey(job), [...others, ...read]);
  }

  async #ask(oldState: string | undefined, waitMs: number, signal: AbortSignal): Promise<Asked> {
    // OBS answers a long poll when it likes: the deadline is ours.
    const deadline = oldState === undefined ? undefined : AbortSignal.timeout(waitMs);
    try {
      const text = await ifThere(
        this.#parts.client.text({
          path: ['build', this.place.project, '_result'],
          query: { package: this.#mark && this.place.filter(this.#mark), oldstate: oldState },
          deadlineMs: waitMs + 30_000,
          signal: deadline ? AbortSignal.any([signal, deadline]) : signal,
        }),
      );
      return text === undefined ? 'gone' : parseResultList(text);
    } catch (error) {
      if (deadline?.aborted && !signal.aborted && error instanceof BackendError && error.kind === 'busy') return 'same';
      throw error;
    }
  }
}

const MOST_LOGS_AT_ONCE = 2;
/** Where others are being built the scheduler may not have come to ours yet. */
const RESTLESS = 30;

const idOf = ({ name, attempt }: ObsJob): string => `${name}#${attempt}`;
