import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { azureMessages as words } from '../../core/messages-azure.ts';
import {
  type ArtifactRef,
  type Backend,
  BackendError,
  type BackendHealth,
  type BuildObservation,
  type BuildOrder,
  type ChangedBuild,
  type JobObservation,
  type JobRef,
  type ObserveOptions,
  type StartedBuild,
  type WantedBuild,
} from '../backend.ts';
import { AzureApi } from './api.ts';
import { artifactsOf, fetchArtifacts, type KeptFiles } from './artifacts.ts';
import { AzureClient, RefusedError } from './client.ts';
import { type AzureCredentials, tokenSource } from './credentials.ts';
import { type Dispatch, ensureQueued } from './dispatch.ts';
import { buildSubject, organisationIn } from './hooks.ts';
import type { AzureJob, IssuesPolicy } from './jobs.ts';
import { bytesOf, partsOf, readParts } from './logs.ts';
import { isBuildId, type Look, type LookIntervals, Looks } from './looks.ts';
import type { AzureBuild } from './schema.ts';
import { ensureHooks, type HookStatus, type HookTarget, hookStatus } from './subscriptions.ts';
import { oneLine } from './text.ts';
import { type IntegrationBuild, integrationBuilds, recentlyChanged, type Watch } from './watched.ts';
import type { ZipLimits } from './zip.ts';

export interface AzureOptions {
  name: string;
  /** `https://dev.azure.com/ORG`, no slash at the end. */
  url: string;
  project: string;
  /** The number of the pipeline's definition. */
  pipeline: number;
  credentials: AzureCredentials;
  /** Whose YAML runs: `refs/heads/main`. Default: the pipeline's own default branch. */
  branch?: string;
  /** `none`: nothing secret can be reached from the pipeline, so changes from outside may go there. Default `some`. */
  secrets?: 'none' | 'some';
  /** Globs of hosts beside `url`'s that may see the credentials. Default: where dev.azure.com keeps pipeline artifacts. */
  credentialHosts?: string[];
  /** Of one job. Default: 2000 files, 1 GiB unpacked, 512 MiB per zip. */
  artifacts?: Partial<ZipLimits>;
  /** Of one job; default 256 MiB. */
  logLimitBytes?: number;
  /** Whether lines keep the times that Azure puts before them; default `keep`. */
  timestamps?: 'keep' | 'strip';
  /** What a job that `succeededWithIssues` is; default `passed`. */
  issues?: IssuesPolicy;
  /** `observe`: nothing is queued, cancelled or retried; what Azure's own GitHub integration builds is found and shown. */
  mode?: 'build' | 'observe';
  /** How often a build is looked at, unless a hook says that it changed; default 30, 10 and 60 seconds. */
  intervalsMs?: Partial<LookIntervals>;
  /** For one answer, default 100 s: Azure holds answers back for up to 30 s. */
  timeoutMs?: number;
  /** Orders are not repeated after that long; default 24 hours. */
  lookBackMs?: number;
  /** Default 7.1. */
  apiVersion?: string;
  clock: Clock;
  random: () => number;
}

export interface AzureBackend extends Backend {
  ensureRetried(externalId: string, after: JobRef[], signal: AbortSignal): Promise<void>;
  /** A hook or a poll says so: who follows the build looks at once. */
  expectNews(externalId: string): void;
  /** Builds of the pipeline that are alive, or ended since: for those whose hooks were lost. */
  listChanged(since: Date, signal: AbortSignal): Promise<ChangedBuild[]>;
  /** Observe mode: what Azure's own GitHub integration started for these commits. To be followed by `observe`. */
  integrationBuilds(watch: Watch, signal: AbortSignal): Promise<IntegrationBuild[]>;
  /** How Azure's service hooks to this address are; for `rcb azure hook status`. */
  hooks(url: string, signal: AbortSignal): Promise<HookStatus[]>;
  /** Subscribes to what is missing. What is there is left alone, whatever its state: a person has to look. */
  ensureHooks(to: HookTarget, signal: AbortSignal): Promise<HookStatus[]>;
  /** Ends its connections. Builds go on. */
  close(): void;
}

export function openAzureBackend(options: AzureOptions): AzureBackend {
  return new Azure(options);
}

const SLICE_MS = 250;
const HEALTH_MS = 60_000;
/** Somebody is waiting for the page. */
const TROUBLE_MS = 10_000;
const HEALTH_ANSWER_MS = 15_000;
const MOST_OPEN_FILES = 4;
const defaultIntervals: LookIntervals = { queued: 30_000, running: 10_000, finished: 60_000 };
const defaultLimits: ZipLimits = { maxFiles: 2_000, maxBytes: 2 ** 30, maxZipBytes: 512 * 2 ** 20 };

class Azure implements AzureBackend {
  readonly kind = 'azure';
  readonly name: string;
  readonly host: string;
  readonly followEveryMs: number;
  readonly findObserved?: NonNullable<Backend['findObserved']>;
  readonly #options: AzureOptions;
  readonly #client: AzureClient;
  readonly #api: AzureApi;
  readonly #looks: Looks;
  readonly #dispatch: Dispatch;
  readonly #starting = new Map<string, Promise<AzureBuild>>();
  #health: { until: number; health: Promise<BackendHealth> } | undefined;

  constructor(options: AzureOptions) {
    const { name, url, project, pipeline, branch, clock, random } = options;
    this.name = name;
    this.host = url;
    this.#options = options;
    const isMicrosofts = new URL(url).hostname === 'dev.azure.com';
    this.#client = new AzureClient({
      url,
      tokens: tokenSource(options.credentials, clock),
      credentialHosts: options.credentialHosts ?? (isMicrosofts ? ['*.artifacts.visualstudio.com'] : []),
      timeoutMs: options.timeoutMs ?? 100_000,
      clock,
      random,
    });
    this.#api = new AzureApi(this.#client, project, options.apiVersion ?? '7.1');
    const api = this.#api;
    const intervalsMs = { ...defaultIntervals, ...options.intervalsMs };
    this.#looks = new Looks({
      api,
      pipeline,
      project,
      issues: options.issues ?? 'passed',
      intervalsMs,
      isShort: () => this.#client.rest.isShort,
      clock,
    });
    this.followEveryMs = Math.min(intervalsMs.queued, intervalsMs.running);
    if (options.mode === 'observe') this.findObserved = (wanted, signal) => this.#findObserved(wanted, signal);
    const lookBackMs = options.lookBackMs ?? 24 * 3600 * 1000;
    this.#dispatch = { api, pipeline, project, branch, lookBackMs, clock };
  }

  async ensureStarted(order: BuildOrder, signal: AbortSignal): Promise<StartedBuild> {
    this.#requireBuilding();
    if (order.untrusted && this.#options.secrets !== 'none') {
      throw new BackendError('refused', words.backend(this.name, words.untrusted));
    }
    return await this.#spoken(async () => {
      // Whoever asks for the same at once gets the same; other instances are kept apart by the effect's lane.
      const started = this.#starting.get(order.key) ?? this.#start(order, signal);
      const build = await started;
      return { externalId: String(build.id), url: pageOf(build) };
    });
  }

  async #start(order: BuildOrder, signal: AbortSignal): Promise<AzureBuild> {
    const starting = ensureQueued(this.#dispatch, order, signal).finally(() => this.#starting.delete(order.key));
    this.#starting.set(order.key, starting);
    return await starting;
  }

  async observe(externalId: string, options: ObserveOptions, signal: AbortSignal): Promise<BuildObservation> {
    return await this.#spoken(async () => {
      const end = performance.now() + options.waitMs;
      for (;;) {
        const look = await this.#looks.look(externalId, signal);
        const { observation } = look;
        const leftMs = end - performance.now();
        if (observation.state === 'lost') return observation;
        if (observation.digest !== options.seen || leftMs <= 0) return this.#withLogs(externalId, look, observation);
        await sleep(Math.min(SLICE_MS, leftMs, Math.max(1, this.#looks.restMs(look))), undefined, { signal });
      }
    });
  }

  async readLog(externalId: string, ref: JobRef, from: number, signal: AbortSignal): Promise<Readable> {
    return await this.#spoken(async () => {
      const { job, known, look } = await this.#looks.job(externalId, ref, signal);
      const { logLimitBytes: mostBytes = 256 * 2 ** 20, timestamps = 'keep' } = this.#options;
      const open = (logId: number, startLine: number) => this.#api.log(externalId, logId, startLine, signal);
      return readParts(partsOf(job), known.book, from, { open, lineCounts: look.lines, mostBytes, timestamps });
    });
  }

  async listArtifacts(externalId: string, ref: JobRef, signal: AbortSignal): Promise<ArtifactRef[]> {
    return await this.#spoken(async () => (await this.#files(externalId, ref, signal)).list());
  }

  async readArtifact(externalId: string, ref: JobRef, name: string, signal: AbortSignal): Promise<Readable> {
    return await this.#spoken(async () => await (await this.#files(externalId, ref, signal)).read(name));
  }

  async ensureCancelled(externalId: string, signal: AbortSignal): Promise<void> {
    // Whoever started it may want to know how it ends.
    if (!isBuildId(externalId) || this.findObserved) return;
    await this.#spoken(async () => {
      try {
        await this.#api.cancel(externalId, signal);
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        const { observation } = await this.#freshLook(externalId, signal);
        if (observation.state !== 'finished' && observation.state !== 'lost') throw error;
      }
      this.#looks.expectNews(externalId);
    });
  }

  async ensureRetried(externalId: string, after: JobRef[], signal: AbortSignal): Promise<void> {
    this.#requireBuilding();
    await this.#spoken(async () => {
      const { observation } = await this.#freshLook(externalId, signal);
      if (observation.state === 'lost') throw new BackendError('refused', observation.why);
      const isNewer = (seen: JobObservation) =>
        after.some(({ name, attempt }) => name === seen.name && attempt < seen.attempt);
      if (observation.state !== 'finished' || observation.jobs.some(isNewer)) return;
      const retried = await this.#api.retry(externalId, signal);
      if (!retried) throw new BackendError('refused', words.gone);
      this.#looks.expectNews(externalId);
    });
  }

  /** Nothing on Azure is ours to remove: its retention does that. */
  async release(externalId: string): Promise<void> {
    this.#looks.forget(externalId);
  }

  async health(): Promise<BackendHealth> {
    const now = this.#options.clock.now().getTime();
    if (!this.#health || now >= this.#health.until)
      this.#health = { until: now + HEALTH_MS, health: this.#askHealth() };
    const asked = this.#health;
    const health = await asked.health;
    if (!health.ok) asked.until = Math.min(asked.until, now + TROUBLE_MS);
    const restMs = this.#client.rest.leftMs;
    return restMs > 0 ? { ...health, note: `${health.note}; ${words.resting(Math.ceil(restMs / 1000))}` } : health;
  }

  expectNews(externalId: string): void {
    this.#looks.expectNews(externalId);
  }

  async listChanged(since: Date, signal: AbortSignal): Promise<ChangedBuild[]> {
    const { pipeline, url } = this.#options;
    const organisation = organisationIn(url) ?? '';
    const changed = await this.#spoken(() => recentlyChanged(this.#api, pipeline, since, signal));
    return changed.map(({ id, version }) => ({ externalId: id, subject: buildSubject(organisation, id), version }));
  }

  async integrationBuilds(watch: Watch, signal: AbortSignal): Promise<IntegrationBuild[]> {
    return await this.#spoken(() => integrationBuilds(this.#api, watch, signal));
  }

  async hooks(url: string, signal: AbortSignal): Promise<HookStatus[]> {
    return await this.#spoken(() => hookStatus(this.#api, this.#options.project, url, signal));
  }

  async ensureHooks(to: HookTarget, signal: AbortSignal): Promise<HookStatus[]> {
    // The other end must not be told the password in the clear.
    if (!this.#client.isFetchable(to.url)) {
      throw new BackendError('refused', words.backend(this.name, words.hookNeedsTls));
    }
    return await this.#spoken(() => ensureHooks(this.#api, this.#options.project, to, signal));
  }

  close(): void {
    this.#looks.forgetAll();
    this.#client.close();
  }

  #withLogs(id: string, { jobs, lines }: Look, observation: BuildObservation): BuildObservation {
    if (observation.state === 'lost') return observation;
    const { book } = this.#looks.of(id);
    const told = jobs.map((job) =>
      job.seen.state === 'running' ? { ...job.seen, logBytes: bytesOf(partsOf(job), book, lines) } : job.seen,
    );
    return { ...observation, jobs: told };
  }

  #requireBuilding(): void {
    if (this.findObserved) throw new BackendError('refused', words.backend(this.name, words.observesOnly));
  }

  /** The build of this very pull request or branch before others of the same commit; the newest first. */
  async #findObserved(wanted: WantedBuild, signal: AbortSignal): Promise<StartedBuild[]> {
    const { sha, since, repository, ref, pullRequest } = wanted;
    const found = await this.integrationBuilds(
      { shas: [sha], since, repository, pipeline: this.#options.pipeline },
      signal,
    );
    const isExact = (build: IntegrationBuild) =>
      pullRequest === undefined ? build.ref === ref : build.pullRequest === pullRequest;
    const others = pullRequest === undefined ? [] : found.filter((build) => !isExact(build));
    return [...found.filter(isExact), ...others].map(({ externalId, url }) => ({ externalId, url }));
  }

  async #freshLook(externalId: string, signal: AbortSignal): Promise<Look> {
    this.#looks.expectNews(externalId);
    const look = await this.#looks.look(externalId, signal);
    // It may have been under way before we asked.
    return this.#looks.isExpectingNews(externalId) ? await this.#looks.look(externalId, signal) : look;
  }

  async #files(externalId: string, ref: JobRef, signal: AbortSignal): Promise<KeptFiles> {
    const { job, look, known } = await this.#looks.job(externalId, ref, signal);
    const key = JSON.stringify([ref.name, ref.attempt]);
    const open = known.files.get(key) ?? this.#fetch(externalId, job, look, signal);
    // The one used last stays longest: a job's files are read right after they were listed.
    known.files.delete(key);
    known.files.set(key, open);
    open.catch(() => known.files.delete(key));
    for (const [old, files] of [...known.files].slice(0, -MOST_OPEN_FILES)) {
      known.files.delete(old);
      files.then((kept) => kept.close()).catch(() => {}); // It failed for who asked for it, and he was told.
    }
    return await open;
  }

  async #fetch(buildId: string, job: AzureJob, look: Look, signal: AbortSignal): Promise<KeptFiles> {
    const limits = { ...defaultLimits, ...this.#options.artifacts };
    const published = artifactsOf(job, look.jobs, await this.#api.artifacts(buildId, signal));
    return await fetchArtifacts({ api: this.#api, client: this.#client, buildId, limits }, published, signal);
  }

  async #askHealth(): Promise<BackendHealth> {
    const { pipeline, project } = this.#options;
    const signal = AbortSignal.timeout(HEALTH_ANSWER_MS);
    try {
      const missing = await this.#api.whatIsMissing(pipeline, project, signal);
      if (missing) return { ok: false, note: missing.message };
      const definition = await this.#api.definition(pipeline, signal);
      const state = String(definition?.queueStatus ?? 'enabled').toLowerCase();
      if (state !== 'enabled' && state !== '0') return { ok: false, note: words.disabled(oneLine(state)) };
      return { ok: true, note: words.pipeline(oneLine(definition?.name ?? ''), pipeline, project) };
    } catch (error) {
      const said = signal.aborted ? words.slow(HEALTH_ANSWER_MS / 1000) : (error as Error).message;
      return { ok: false, note: this.#client.shown(said) };
    }
  }

  /** The verbs of the port throw BackendError and nothing else, and say which backend it was. */
  async #spoken<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      const message = words.backend(this.name, this.#client.shown((error as Error).message));
      if (!(error instanceof BackendError)) throw new BackendError('busy', message, { cause: error });
      const { kind, retry, retryAfterMs } = error;
      throw new BackendError(kind, message, { cause: error, retry, retryAfterMs });
    }
  }
}

/** Only what a browser may be sent to. */
function pageOf({ _links }: AzureBuild): string | undefined {
  const href = _links?.web?.href;
  return href && /^https?:$/.test(URL.parse(href)?.protocol ?? '') ? href : undefined;
}
