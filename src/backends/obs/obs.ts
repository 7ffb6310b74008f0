import { Readable } from 'node:stream';
import { obsMessages } from '../../core/messages-obs.ts';
import {
  type ArtifactRef,
  type Backend,
  BackendError,
  type BackendHealth,
  type BuildObservation,
  type BuildOrder,
  type JobRef,
  type ObserveOptions,
  type StartedBuild,
  type SweepOptions,
} from '../backend.ts';
import { listBinaries, readBinary } from './binaries.ts';
import { ObsClient } from './client.ts';
import { ifThere, Md5s } from './commit.ts';
import { Following } from './follow.ts';
import { KeyedLock } from './lock.ts';
import { readObsLog } from './log.ts';
import { isStarted, type StartedMark } from './mark.ts';
import { externalIdOf, parseExternalId } from './names.ts';
import { type CompleteOptions, complete, type ObsOptions } from './options.ts';
import { type Place, ProjectPlace, StandingPlace } from './place.ts';
import { buildAgain, type Rebuild, type RebuildParts, retryKey } from './rebuild.ts';
import { makeBuild } from './start.ts';
import { sweepLeftovers } from './sweep.ts';
import { packagesFor } from './template.ts';

export type { ObsOptions } from './options.ts';

export interface ObsBackend extends Backend {
  /** Build jobs of a started build again: all, or those that did not pass. The same key asks once. Their observations
   *  count the next attempt. OBS overwrites their logs and files: archive them before. */
  ensureRebuilt(externalId: string, key: string, which: 'all' | 'failed', signal: AbortSignal): Promise<void>;
  ensureRetried(externalId: string, after: JobRef[], signal: AbortSignal): Promise<void>;
  rest(externalId: string): Promise<void>;
  /** A hook says that this build may have changed: it is asked soon, if anybody looks. */
  expectNews(externalId: string): void;
  sweep(options: SweepOptions, signal: AbortSignal): Promise<string[]>;
  /** Give up what is asked in the background. */
  close(): Promise<void>;
}

/** Builds on an Open Build Service. What it knows of them it keeps there; a process that dies loses nothing. */
export function openObsBackend(options: ObsOptions): ObsBackend {
  return new Obs(complete(options));
}

class Obs implements ObsBackend {
  readonly kind = 'obs';
  readonly name: string;
  readonly host: string;
  readonly followEveryMs: number | undefined;
  readonly keepFailedMs: number;
  readonly #options: CompleteOptions;
  readonly #client: ObsClient;
  readonly #digests = new Md5s();
  readonly #locks = new KeyedLock();
  readonly #followings = new Map<string, Following>();
  /** Deleted builds leave nothing at OBS that could tell: a start that comes late must not make them anew. */
  readonly #released = new Set<string>();
  #health: { at: number; told: BackendHealth } | undefined;

  constructor(options: CompleteOptions) {
    this.name = options.name;
    this.host = options.url;
    this.followEveryMs = options.followEveryMs;
    this.keepFailedMs = options.keepFailedMs;
    this.#options = options;
    this.#client = new ObsClient({ ...options, fetch: options.http.fetch });
  }

  async ensureStarted(order: BuildOrder, signal: AbortSignal): Promise<StartedBuild> {
    const { project, mode, template } = this.#options;
    const externalId = externalIdOf(order.key, project, mode);
    const started = { externalId, url: this.#urlOf(externalId) };
    if (this.#released.has(externalId)) return started;
    const packages = packagesFor(template, order);
    const changed = order.sources.find((source) => source.changed)?.repository;
    if (!packages.some(({ sources }) => sources.some((source) => source === changed))) {
      const why = `its template builds nothing of ${changed ?? 'no changed source'} with what this run has`;
      throw new BackendError('refused', `backend '${this.name}': ${why}`);
    }
    return await this.#alone(`start ${order.key}`, externalId, async () => {
      const place = this.#placeOf(externalId)!;
      const parts = { client: this.#client, archive: this.#options.archive, digests: this.#digests };
      const mark = await makeBuild({ ...parts, place, order, packages, time: this.#options.time }, signal);
      if (isStarted(mark)) this.#following(externalId)?.marked(mark);
      return started;
    });
  }

  async observe(externalId: string, { seen, waitMs }: ObserveOptions, signal: AbortSignal): Promise<BuildObservation> {
    const following = this.#following(externalId);
    if (!following) return { state: 'lost', why: `'${externalId}' is no build of backend '${this.name}'` };
    return await this.#spoken(`observe ${externalId}`, async () => {
      const { time } = this.#options;
      const until = time.monotonicMs() + waitMs;
      for (;;) {
        signal.throwIfAborted();
        const observation = await following.look(signal);
        const leftMs = until - time.monotonicMs();
        if (observation.state === 'lost') return observation;
        if (observation.digest !== seen || leftMs <= 0) return following.withLogCounts(observation);
        await following.news(leftMs, signal);
      }
    });
  }

  async readLog(externalId: string, job: JobRef, from: number, signal: AbortSignal): Promise<Readable> {
    return await this.#spoken(`read the log of ${job.name} of ${externalId}`, async () => {
      const found = await this.#job(externalId, job, signal);
      // No worker has begun a log of it, and the one that is there is that of the attempt before.
      if (job.attempt > 1 && !found.ended && found.code === 'dispatching') return Readable.from([]);
      if (found.told?.state === 'running') found.following.readsLog(found.job);
      return await readObsLog({
        client: this.#client,
        project: found.following.place.project,
        job: found.job,
        srcmd5: found.mark.started.packages[found.job.package]!.srcmd5,
        hasEnded: found.ended !== undefined,
        heads: found.following.heads,
        from,
        mostBytes: this.#options.logLimitBytes,
        signal,
      });
    });
  }

  async listArtifacts(externalId: string, job: JobRef, signal: AbortSignal): Promise<ArtifactRef[]> {
    return await this.#spoken(`list what ${job.name} of ${externalId} left`, async () => {
      const { following, job: own, ended } = await this.#job(externalId, job, signal);
      return await listBinaries(this.#client, following.place.project, own, ended, this.#options.artifacts, signal);
    });
  }

  async readArtifact(externalId: string, job: JobRef, name: string, signal: AbortSignal): Promise<Readable> {
    return await this.#spoken(`read ${name.slice(0, 200)} of ${job.name} of ${externalId}`, async () => {
      const { following, job: own, ended } = await this.#job(externalId, job, signal);
      const { project } = following.place;
      const listed = await listBinaries(this.#client, project, own, ended, this.#options.artifacts, signal);
      return await readBinary(this.#client, project, own, listed, name, signal);
    });
  }

  /** The project stays until it is released: the logs so far are in it. */
  async ensureCancelled(externalId: string, signal: AbortSignal): Promise<void> {
    const following = this.#following(externalId);
    if (!following) return;
    await this.#alone(`cancel ${externalId}`, externalId, async () => {
      const { place } = following;
      const mark = await place.read(signal);
      if (!mark) return;
      if (!isStarted(mark)) return await place.remove(signal);
      const seen = await following.look(signal);
      if (seen.state === 'lost' || (seen.state === 'finished' && !mark.cancelled)) return;
      const cancelled = mark.cancelled ? mark : this.#cancelled(mark, seen);
      // First what looks like a failure is explained, then the workers are stopped, and then nothing starts any more:
      // a job that is taken from the scheduler before it is aborted goes on at its worker.
      if (!mark.cancelled) await place.write(cancelled, undefined, signal);
      following.marked(cancelled);
      // Once: a worker that was aborted in a job's first moments kills what it then starts two minutes later, whatever
      // else it is told (source: bs_worker).
      await this.#command(place, { cmd: 'abortbuild', package: place.filter(mark) }, signal);
      await place.write(cancelled, false, signal);
    });
  }

  async ensureRebuilt(externalId: string, key: string, which: 'all' | 'failed', signal: AbortSignal): Promise<void> {
    const isWanted: Rebuild['isWanted'] = (_, told) =>
      told !== undefined && (which === 'all' || told.verdict !== 'passed');
    await this.#buildAgain(externalId, { key, isWanted, hasEnded: false }, signal);
  }

  async ensureRetried(externalId: string, after: JobRef[], signal: AbortSignal): Promise<void> {
    const isWanted: Rebuild['isWanted'] = ({ name, attempt }) =>
      after.some((each) => each.name === name && each.attempt === attempt);
    await this.#buildAgain(externalId, { key: retryKey(after), isWanted, hasEnded: true }, signal);
  }

  /** Disabled, it keeps what was built, and is not built again whenever something below it changes. */
  async rest(externalId: string): Promise<void> {
    const place = this.#placeOf(externalId);
    if (!place) return;
    await this.#alone(`let ${externalId} rest`, externalId, async () => {
      const mark = await place.read(patient);
      if (mark && isStarted(mark) && !mark.cancelled) await place.write(mark, false, patient);
      this.#forget(externalId);
    });
  }

  async release(externalId: string): Promise<void> {
    const place = this.#placeOf(externalId);
    if (!place) return;
    await this.#alone(`delete ${externalId}`, externalId, async () => {
      // By its name it is ours; it has to say so, too.
      if (await place.read(patient)) await place.remove(patient);
      this.#forget(externalId);
      this.#released.add(externalId);
      if (this.#released.size > MOST_RELEASED) this.#released.delete(this.#released.values().next().value!);
    });
  }

  async health(): Promise<BackendHealth> {
    const now = this.#options.time.monotonicMs();
    if (!this.#health || now - this.#health.at > HEALTH_LASTS_MS) this.#health = { at: now, told: await this.#ask() };
    return this.#health.told;
  }

  expectNews(externalId: string): void {
    this.#followings.get(externalId)?.hint();
  }

  async sweep(options: SweepOptions, signal: AbortSignal): Promise<string[]> {
    const parts = { ...this.#options, client: this.#client, placeOf: (id: string) => this.#placeOf(id) };
    return await this.#spoken('look for leftovers', () => sweepLeftovers(parts, options, signal));
  }

  async close(): Promise<void> {
    for (const following of this.#followings.values()) following.close();
    this.#followings.clear();
    await this.#options.http.close();
  }

  #cancelled(mark: StartedMark, seen: BuildObservation): StartedMark {
    const jobs = seen.state === 'lost' ? [] : seen.jobs;
    const ended = jobs.filter(({ state }) => state === 'finished').map(({ name }) => name);
    return { ...mark, cancelled: { at: this.#options.time.now().toISOString(), ended } };
  }

  async #buildAgain(externalId: string, rebuild: Rebuild, signal: AbortSignal): Promise<void> {
    await this.#alone(`build ${externalId} again`, externalId, async () => {
      const following = this.#following(externalId);
      if (!following) throw new BackendError('refused', obsMessages.notThere(externalId));
      const command: RebuildParts['command'] = (cmd, { serverName, repository, arch }, asked) =>
        this.#command(following.place, { cmd, package: serverName, repository, arch }, asked);
      await buildAgain({ externalId, following, time: this.#options.time, command }, rebuild, signal);
    });
  }

  #forget(externalId: string): void {
    this.#followings.get(externalId)?.close();
    this.#followings.delete(externalId);
  }

  /** The job as it is now. OBS keeps the newest attempt's output only. */
  async #job(externalId: string, { name, attempt }: JobRef, signal: AbortSignal) {
    const following = this.#following(externalId);
    const found = (await following?.jobs(signal))?.find(({ job }) => job.name === name && job.attempt === attempt);
    const mark = await following?.mark(signal);
    if (!following || !found || !mark) {
      throw new BackendError('refused', `${externalId} has no job '${name}', attempt ${attempt} (any more)`);
    }
    return { following, mark, ...found };
  }

  async #command(
    place: Place,
    query: Record<string, string | string[] | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    // In the query: a form's body would have to be a form.
    await ifThere(this.#client.text({ method: 'POST', path: ['build', place.project], query, signal }));
  }

  #placeOf(externalId: string): Place | undefined {
    const { project, mode, template, auth } = this.#options;
    const there = parseExternalId(externalId, project, mode);
    if (!there) return undefined;
    const parts = { client: this.#client, user: auth.user, ...there, ...template };
    return mode === 'standing' ? new StandingPlace(parts, template.packages[0]!.name) : new ProjectPlace(parts);
  }

  #following(externalId: string): Following | undefined {
    const known = this.#followings.get(externalId);
    const place = known ? undefined : this.#placeOf(externalId);
    const following = known ?? (place && new Following({ ...this.#options, client: this.#client, place }));
    if (!following) return undefined;
    // The one that nobody looked at for longest goes first.
    this.#followings.delete(externalId);
    this.#followings.set(externalId, following);
    if (this.#followings.size > MOST_FOLLOWED) {
      const [oldest, forgotten] = this.#followings.entries().next().value!;
      forgotten.close();
      this.#followings.delete(oldest);
    }
    return following;
  }

  #urlOf(externalId: string): string | undefined {
    const { webUrl } = this.#options;
    return webUrl && `${webUrl}/project/show/${encodeURIComponent(externalId.split('/', 1)[0]!)}`;
  }

  async #ask(): Promise<BackendHealth> {
    const { auth, project, mode } = this.#options;
    const where = mode === 'standing' ? `packages in ${project}` : `projects below ${project}`;
    const note = `${this.#client.host} as ${auth.user}, ${where}`;
    try {
      const signal = AbortSignal.timeout(HEALTH_DEADLINE_MS);
      const meta = await ifThere(this.#client.text({ path: ['source', project, '_meta'], signal }));
      if (meta === undefined) return { ok: mode !== 'standing', note: `${note}; ${project} is not there` };
      return { ok: true, note };
    } catch (error) {
      return { ok: false, note: `${note}; ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  async #alone<T>(what: string, externalId: string, act: () => Promise<T>): Promise<T> {
    return await this.#spoken(what, () => this.#locks.run(externalId, act));
  }

  /** The verbs of the port throw BackendError and nothing else. */
  async #spoken<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const isGivenUp = error instanceof Error && error.name === 'AbortError';
      const kind = error instanceof BackendError ? error.kind : isGivenUp ? 'busy' : 'unreachable';
      const retryAfterMs = error instanceof BackendError ? error.retryAfterMs : undefined;
      throw new BackendError(kind, `backend '${this.name}' could not ${what}: ${why}`, { cause: error, retryAfterMs });
    }
  }
}

/** `release` has no signal: each request has its own deadline. */
const patient: AbortSignal = new AbortController().signal;
const MOST_RELEASED = 10_000;
const MOST_FOLLOWED = 500;
const HEALTH_LASTS_MS = 60_000;
const HEALTH_DEADLINE_MS = 10_000;
