import { setTimeout as sleep } from 'node:timers/promises';
import { tidyUp } from './confinement.ts';
import { environmentEntryOf } from './environment.ts';
import { wordsFor } from './files.ts';
import { type BuildSettings, type Claimed, cancelledBeforeStart, prepareBuild, workPath } from './prepare.ts';
import { isAlive, type ProcessIdentity } from './processes.ts';
import type { ExitFile, OrderFile } from './schema.ts';
import { type BuildStatus, type LostBuild, removeWork, type State } from './state.ts';
import { endProcesses } from './stop.ts';
import { holdThis } from './users.ts';

/**
 * At most `slots` builds at a time, first come, first served. Nothing is counted in memory: each round surveys the state
 * directory and the living processes, so that builds that another process started before its death count, too.
 *
 * A round is made when a build is ordered or cancelled, and every quarter of a second while any is waiting.
 */
export class Slots {
  readonly #state: State;
  readonly #settings: BuildSettings;
  readonly #count: number;
  readonly #me: ProcessIdentity;
  readonly #preparing = new Map<string, { abort: AbortController; done: Promise<void> }>();
  readonly #timer: NodeJS.Timeout;
  /** Ends are final: not looked at again. */
  #ended = new Set<string>();
  /** Lost builds whose processes were ended. */
  readonly #reaped = new Set<string>();
  #isAnyWaiting = true;
  #isClosed = false;
  #round: Promise<void> = Promise.resolve();
  #roundTrouble: string | undefined;
  #endTrouble: string | undefined;

  constructor(state: State, settings: BuildSettings, count: number, me: ProcessIdentity) {
    this.#state = state;
    this.#settings = settings;
    this.#count = count;
    this.#me = me;
    this.#timer = setInterval(() => {
      if (this.#isAnyWaiting) void this.round();
    }, roundEveryMs).unref();
  }

  /** What hinders it now, in words for people. */
  get trouble(): string | undefined {
    return this.#roundTrouble ?? this.#endTrouble;
  }

  /** Fill the slots that are free. One round after the other; what goes wrong is `trouble`, and is tried again. */
  round(): Promise<void> {
    this.#isAnyWaiting = false; // Whoever finds a waiting build from here on says so again.
    this.#round = this.#round.then(async () => {
      if (this.#isClosed) return;
      try {
        await this.#fill();
        this.#roundTrouble = undefined;
      } catch (error) {
        this.#roundTrouble = wordsFor(error);
        this.#isAnyWaiting = true;
      }
    });
    return this.#round;
  }

  /** Stop unpacking a build that was cancelled, if this process is at it. */
  async abort(externalId: string): Promise<void> {
    const preparing = this.#preparing.get(externalId);
    preparing?.abort.abort();
    await preparing?.done;
  }

  /** Somebody saw a waiting build: look into it soon. */
  expectWork(): void {
    this.#isAnyWaiting = true;
  }

  async usage(): Promise<{ inUse: number; queued: number }> {
    const statuses = (await this.#survey()).map(({ status }) => status);
    return { inUse: statuses.filter(usesSlot).length, queued: statuses.filter(({ is }) => is === 'queued').length };
  }

  /** A lost build's processes are ended, if there are any; one that was to be stopped counts as stopped. */
  async reap(externalId: string, lost: LostBuild): Promise<void> {
    const session = lost.command && isAlive(lost.command) ? lost.command.pid : undefined;
    const environmentEntry = environmentEntryOf(this.#state.directoryOf(externalId));
    const { uid, cgroups = [] } = lost.supervisor ?? {};
    // Not held: it runs another build by now, so this one had none left.
    const user = uid === undefined ? undefined : await holdThis(uid);
    await endProcesses({ session, environmentEntry, uid: user?.uid, cgroups }, 0);
    await tidyUp({ isolation: user ? 'user' : 'plain' }, user?.uid, cgroups);
    user?.release();
    if (!lost.isCancelled) return;
    const finishedAt = this.#settings.clock.now().toISOString();
    const job = lost.supervisor?.job;
    await this.#state.finish(externalId, { job, verdict: 'cancelled', why: 'cancelled', finishedAt });
  }

  /** Start nothing any more. Resolves when what was being unpacked has its supervisor. Running builds go on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#round;
    await Promise.all([...this.#preparing.values()].map(({ done }) => done));
  }

  async #fill(): Promise<void> {
    const survey = await this.#survey();
    let free = this.#count - survey.filter(({ status }) => usesSlot(status)).length;
    for (const { externalId, status } of survey) {
      if (status.is !== 'lost' || this.#reaped.has(externalId)) continue;
      await this.reap(externalId, status);
      this.#reaped.add(externalId);
    }
    for (const { externalId, order, claims, isCancelled } of queueOf(survey)) {
      if (isCancelled) await this.#dropQueued(externalId, claims);
      else if (free > 0 && (await this.#start(externalId, order, claims))) free--;
      else this.#isAnyWaiting = true;
    }
  }

  async #survey(): Promise<{ externalId: string; status: BuildStatus }[]> {
    const ids = await this.#state.ids();
    this.#ended = new Set(ids.filter((id) => this.#ended.has(id)));
    const survey: { externalId: string; status: BuildStatus }[] = [];
    for (const externalId of ids.filter((id) => !this.#ended.has(id))) {
      const status = await this.#state.statusOf(externalId);
      if (status.is === 'finished') this.#ended.add(externalId);
      survey.push({ externalId, status });
    }
    return survey;
  }

  async #dropQueued(externalId: string, claims: number): Promise<void> {
    if (!(await this.#state.claim(externalId, claims, this.#me))) return;
    const finishedAt = this.#settings.clock.now().toISOString();
    await this.#state.finish(externalId, { ...cancelledBeforeStart(this.#settings.command), finishedAt });
  }

  /** False: another process is at it. */
  async #start(externalId: string, order: OrderFile, claims: number): Promise<boolean> {
    if (!(await this.#state.claim(externalId, claims, this.#me))) return false;
    const abort = new AbortController();
    const done = this.#prepare({ externalId, order, claim: claims + 1 }, abort.signal).finally(() =>
      this.#preparing.delete(externalId),
    );
    this.#preparing.set(externalId, { abort, done });
    return true;
  }

  async #prepare(build: Claimed, cancelled: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([cancelled, AbortSignal.timeout(prepareWithinMs)]);
    const settings = build.claim > maxClaims ? { ...this.#settings, archive: givesUp } : this.#settings;
    const exit = await prepareBuild(this.#state, settings, build, signal);
    if (exit) await this.#finishSurely(build, exit);
  }

  /** First remove what was unpacked: it is of no use, and may be what fills the disk that the exit file needs. */
  async #finishSurely(build: Claimed, exit: ExitFile): Promise<void> {
    while (!this.#isClosed) {
      try {
        await removeWork(workPath(this.#state, build.externalId, build.claim));
        await this.#state.finish(build.externalId, exit);
        this.#endTrouble = undefined;
        return;
      } catch (error) {
        this.#endTrouble = wordsFor(error);
        await sleep(roundEveryMs, undefined, { ref: false });
      }
    }
  }
}

const roundEveryMs = 250;
const prepareWithinMs = 15 * 60_000;
/** A build that the bot dies from each time it is prepared must not go on for ever. */
const maxClaims = 5;

const givesUp: BuildSettings['archive'] = {
  get: () => Promise.reject(new Error(`the bot ended ${maxClaims} times while it prepared this build`)),
};

function usesSlot(status: BuildStatus): boolean {
  return status.is === 'preparing' || status.is === 'running';
}

type Queued = Extract<BuildStatus, { is: 'queued' }> & { externalId: string };

function queueOf(survey: { externalId: string; status: BuildStatus }[]): Queued[] {
  const queue = survey.flatMap(({ externalId, status }) => (status.is === 'queued' ? [{ ...status, externalId }] : []));
  return queue.sort((a, b) => a.order.place - b.order.place || (a.externalId < b.externalId ? -1 : 1));
}
