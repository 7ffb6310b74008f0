import { createReadStream } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Archive } from '../../archive/archive.ts';
import type { Clock } from '../../clock.ts';
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
} from '../backend.ts';
import { type ArtifactLimits, listArtifacts, readArtifact } from './artifacts.ts';
import { codeOf, wordsFor } from './files.ts';
import { type Isolated, isolate, scratchRootOf } from './isolation.ts';
import type { BuildLimits, Isolation } from './job.ts';
import { observationOf } from './observation.ts';
import { type BuildSettings, sourcePath } from './prepare.ts';
import { identify } from './processes.ts';
import { Slots } from './slots.ts';
import { type BuildStatus, externalIdOf, isExternalId, State } from './state.ts';
import type { UnpackLimits } from './unpack.ts';
import { planWorkspace } from './workspace.ts';

export interface LocalOptions {
  name: string;
  /** State and scratch, absolute. May be given to several processes at once; then each fills its own `slots`. */
  dir: string;
  archive: Pick<Archive, 'get'>;
  /** A path in the changed source, or a line for /bin/sh. Default: an executable `.ci/run`, `ci/run` or `.ci`. */
  command?: string;
  slots: number;
  timeoutS: number;
  silenceS: number;
  /** Default 1 GiB. */
  outputLimitBytes?: number;
  /** From SIGTERM to SIGKILL; default 5000. */
  killGraceMs?: number;
  artifacts?: ArtifactLimits;
  /** Variables for builds, beside and instead of the usual ones; changes from outside get none of them. */
  environment?: Record<string, string>;
  /** `auto` (default): the strongest that works here. Another one is taken, or the backend is not opened. */
  sandbox?: 'auto' | Isolation;
  /** For changes of the repository's own people, default `on`. Changes from outside never have any. */
  network?: 'on' | 'off';
  /** Of each build, its processes together. Default 4 GiB of memory, 1024 processes, 16 GiB of disk. */
  limits?: Partial<BuildLimits>;
  /** Absolute paths that builds must not see, beside `dir`: the bot's data, its checkout, its keys. */
  hidden?: string[];
  /** Of each unpacked source archive; default 500 000 files, 8 GiB. */
  sourceLimits?: UnpackLimits;
  clock: Clock;
  /** The node that runs the supervisors; default: the one that runs this. */
  node?: string;
}

export interface LocalBackend extends Backend {
  /** Start nothing any more. Running builds go on, and queued ones wait: for the next process that opens the directory. */
  close(): Promise<void>;
}

/** Builds are children of detached supervisors, on this machine. Throws BackendError `misconfigured` or `unreachable`. */
export async function openLocalBackend(options: LocalOptions): Promise<LocalBackend> {
  const me = identify(process.pid);
  if (!me) throw new BackendError('misconfigured', `backend '${options.name}': kind 'local' needs Linux (its /proc)`);
  if (!isAbsolute(options.dir)) {
    throw new BackendError('misconfigured', `backend '${options.name}': '${options.dir}' is not an absolute path`);
  }
  return await spoken(`open its directory ${options.dir}`, options.name, async () => {
    const state = new State(options.dir);
    await state.prepare();
    await state.forgetReleasedBefore(tombstoneLimit(options.clock));
    const isolated = await isolateFor(options);
    const settings = settingsOf(options, isolated);
    const slots = new Slots(state, settings, options.slots, me);
    const backend = new Local(options, state, slots, isolated, await lastPlace(state));
    void slots.round();
    return backend;
  });
}

class Local implements LocalBackend {
  readonly kind = 'local';
  readonly name: string;
  readonly #options: LocalOptions;
  readonly #state: State;
  readonly #slots: Slots;
  readonly #isolated: Isolated;
  #place: number;
  #sweptAt: Date;

  constructor(options: LocalOptions, state: State, slots: Slots, isolated: Isolated, place: number) {
    this.name = options.name;
    this.#options = options;
    this.#state = state;
    this.#slots = slots;
    this.#isolated = isolated;
    this.#place = place;
    this.#sweptAt = options.clock.now();
  }

  /** In a plain process group every build is the bot's own user, who reads mirrors, archive and scratch directories. */
  get keepsApart(): boolean {
    return this.#isolated.trusted.isolation !== 'plain';
  }

  async ensureStarted(order: BuildOrder, signal: AbortSignal): Promise<StartedBuild> {
    if (order.untrusted && !this.#isolated.untrusted) {
      throw new BackendError('refused', this.#sentence(this.#isolated.whyNotUntrusted));
    }
    if (!planWorkspace(order)) {
      throw new BackendError(
        'refused',
        this.#sentence(`the order ${order.key} names no changed source, or a strange name`),
      );
    }
    return await this.#spoken(`start ${order.key}`, async () => {
      signal.throwIfAborted();
      const externalId = externalIdOf(order.key);
      const { key, runId, repository, sources, untrusted } = order;
      const queuedAt = this.#options.clock.now().toISOString();
      const place = ++this.#place;
      await this.#state.createBuild(externalId, { key, runId, repository, sources, untrusted, place, queuedAt });
      void this.#slots.round();
      return { externalId };
    });
  }

  /** The digest covers states only. While the log grows, a wait is cut to a second, so that who follows it reads on. */
  async observe(externalId: string, options: ObserveOptions, signal: AbortSignal): Promise<BuildObservation> {
    return await this.#spoken(`observe ${externalId}`, async () => {
      const logAtFirst = await this.#state.logSize(externalId);
      for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
        signal.throwIfAborted();
        const logBytes = await this.#state.logSize(externalId);
        const seen = await this.#look(externalId, logBytes);
        if (seen.state === 'lost' || seen.digest !== options.seen || waitedMs >= options.waitMs) return seen;
        if (waitedMs >= liveLogEveryMs && logBytes > logAtFirst) return seen;
        await sleep(Math.min(lookEveryMs, options.waitMs - waitedMs), undefined, { signal });
      }
    });
  }

  async readLog(externalId: string, job: JobRef, from: number, signal: AbortSignal): Promise<Readable> {
    return await this.#spoken(`read the log of ${externalId}`, async () => {
      const status = await this.#statusWithJob(externalId, job);
      const size = await this.#state.logSize(externalId);
      // What a running build has printed beyond the limit will be cut off.
      const end = status.is === 'running' ? Math.min(size, this.#outputLimit()) : size;
      if (from >= end) return Readable.from([]);
      return createReadStream(this.#state.logOf(externalId), { start: from, end: end - 1, signal });
    });
  }

  async listArtifacts(externalId: string, job: JobRef, signal: AbortSignal): Promise<ArtifactRef[]> {
    return await this.#spoken(`list the artifacts of ${externalId}`, async () => {
      signal.throwIfAborted();
      const top = topOf(this.#state, externalId, await this.#statusWithJob(externalId, job));
      const limits = this.#options.artifacts;
      return limits && top !== undefined ? await listArtifacts(top, limits) : [];
    });
  }

  async readArtifact(externalId: string, job: JobRef, name: string, signal: AbortSignal): Promise<Readable> {
    return await this.#spoken(`read the artifact '${name}' of ${externalId}`, async () => {
      signal.throwIfAborted();
      const top = topOf(this.#state, externalId, await this.#statusWithJob(externalId, job));
      const limits = this.#options.artifacts;
      if (!limits || top === undefined) throw new BackendError('refused', `the build left no artifact '${name}'`);
      return await readArtifact(top, name, limits);
    });
  }

  async ensureCancelled(externalId: string, _signal: AbortSignal): Promise<void> {
    await this.#spoken(`stop ${externalId}`, async () => {
      const status = await this.#statusOf(externalId);
      if (status.is === 'unknown' || status.is === 'released' || status.is === 'finished') return;
      await this.#state.markCancelled(externalId);
      if (status.is === 'lost') return await this.#slots.reap(externalId, { ...status, isCancelled: true });
      await this.#slots.abort(externalId); // Being unpacked.
      await this.#slots.round(); // Queued. A running one's supervisor sees the mark by itself.
    });
  }

  async release(externalId: string): Promise<void> {
    await this.#spoken(`release ${externalId}`, async () => {
      const status = await this.#statusOf(externalId);
      if (status.is === 'unknown' || status.is === 'released') return;
      if (status.is !== 'finished' && status.is !== 'lost') {
        throw new BackendError('busy', this.#sentence(`${externalId} has not ended yet: stop it first`));
      }
      if (status.is === 'lost') await this.#slots.reap(externalId, status);
      const [key, exit] = status.is === 'finished' ? [status.order.key, status.exit] : ['', undefined];
      await this.#state.release(externalId, { key, exit, releasedAt: this.#options.clock.now().toISOString() });
      await this.#sweepSometimes();
    });
  }

  async health(): Promise<BackendHealth> {
    return await this.#spoken('look at its directory', async () => {
      const { inUse, queued } = await this.#slots.usage();
      const trouble = this.#slots.trouble ?? (await this.#whyNotWritable());
      const waiting = queued > 0 ? `, ${queued} waiting` : '';
      const note = `${this.#options.slots} slots, ${inUse} in use${waiting}; ${this.#isolated.note}`;
      return { ok: trouble === undefined, note: trouble === undefined ? note : `${trouble}; ${note}` };
    });
  }

  async close(): Promise<void> {
    await this.#slots.close();
  }

  async #look(externalId: string, logBytes: number): Promise<BuildObservation> {
    const status = await this.#statusOf(externalId);
    if (status.is === 'queued') this.#slots.expectWork();
    return observationOf(status, this.#options.command, Math.min(logBytes, this.#outputLimit()));
  }

  async #statusOf(externalId: string): Promise<BuildStatus> {
    // It becomes part of a path.
    return isExternalId(externalId) ? await this.#state.statusOf(externalId) : { is: 'unknown' };
  }

  async #statusWithJob(externalId: string, job: JobRef): Promise<BuildStatus> {
    const status = await this.#statusOf(externalId);
    if (status.is === 'released') throw new BackendError('refused', this.#sentence(`${externalId} was released`));
    if (jobNameOf(status) === job.name && job.attempt === 1) return status;
    throw new BackendError('refused', this.#sentence(`${externalId} has no job '${job.name}', attempt ${job.attempt}`));
  }

  async #whyNotWritable(): Promise<string | undefined> {
    const { bavail, bsize } = await statfs(this.#state.dir);
    if (bavail * bsize < littleSpaceBytes) return `only ${Math.floor((bavail * bsize) / 2 ** 20)} MiB free for scratch`;
    return await this.#state.checkWritable().then(() => undefined, wordsFor);
  }

  async #sweepSometimes(): Promise<void> {
    const now = this.#options.clock.now();
    if (now.getTime() - this.#sweptAt.getTime() < dayMs) return;
    this.#sweptAt = now;
    await this.#state.forgetReleasedBefore(tombstoneLimit(this.#options.clock));
  }

  #outputLimit(): number {
    return this.#options.outputLimitBytes ?? defaultOutputLimitBytes;
  }

  #sentence(text: string): string {
    return `backend '${this.name}': ${text}`;
  }

  async #spoken<T>(what: string, act: () => Promise<T>): Promise<T> {
    return await spoken(what, this.name, act);
  }
}

const lookEveryMs = 80;
const liveLogEveryMs = 1000;
const dayMs = 24 * 3600 * 1000;
/** A key is not ordered again after that long; effects are forgotten long before. */
const tombstonesMs = 30 * dayMs;
const littleSpaceBytes = 64 * 2 ** 20;
const defaultOutputLimitBytes = 2 ** 30;
const defaultLimits: BuildLimits = { memoryBytes: 4 * 2 ** 30, processes: 1024, diskBytes: 16 * 2 ** 30 };

async function isolateFor({
  name,
  dir,
  sandbox = 'auto',
  network = 'on',
  hidden = [],
}: LocalOptions): Promise<Isolated> {
  return await isolate({ sandbox, network, hidden: [dir, ...hidden] }).catch((error) => {
    throw new BackendError('misconfigured', `backend '${name}': ${wordsFor(error)}`, { cause: error });
  });
}

function tombstoneLimit(clock: Clock): Date {
  return new Date(clock.now().getTime() - tombstonesMs);
}

function settingsOf(options: LocalOptions, { trusted, untrusted }: Isolated): BuildSettings {
  return {
    archive: options.archive,
    command: options.command,
    timeoutS: options.timeoutS,
    silenceS: options.silenceS,
    outputLimitBytes: options.outputLimitBytes ?? defaultOutputLimitBytes,
    killGraceMs: options.killGraceMs ?? 5000,
    environment: options.environment ?? {},
    sandboxes: { trusted, untrusted },
    scratchRoot: scratchRootOf(options.dir),
    limits: { ...defaultLimits, ...options.limits },
    sourceLimits: options.sourceLimits ?? { maxFiles: 500_000, maxBytes: 8 * 2 ** 30 },
    clock: options.clock,
    node: options.node ?? process.execPath,
  };
}

/** Who comes after a restart queues behind those who waited before it. */
async function lastPlace(state: State): Promise<number> {
  const statuses = await Promise.all((await state.ids()).map((id) => state.statusOf(id)));
  return Math.max(0, ...statuses.map((status) => ('order' in status ? status.order.place : 0)));
}

function jobNameOf(status: BuildStatus): string | undefined {
  if (status.is === 'finished') return status.exit.job;
  return status.is === 'running' || status.is === 'lost' ? status.supervisor?.job : undefined;
}

/** Where a finished command ran. Undefined: it did not, or not to its end. */
function topOf(state: State, externalId: string, status: BuildStatus): string | undefined {
  if (status.is !== 'finished' || !status.supervisor) return undefined;
  const directory = planWorkspace(status.order)?.changed.directory;
  return directory && sourcePath(state, externalId, status.supervisor.claim, directory);
}

/** The verbs of the port throw BackendError and nothing else. */
async function spoken<T>(what: string, name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof BackendError) throw error;
    const isBusy = error instanceof Error && (error.name === 'AbortError' || codeOf(error) === 'ENOSPC');
    const message = `backend '${name}' could not ${what}: ${wordsFor(error)}`;
    throw new BackendError(isBusy ? 'busy' : 'unreachable', message, { cause: error });
  }
}
