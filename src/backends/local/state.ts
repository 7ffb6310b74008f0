import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readlink, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import {
  codeOf,
  createOnce,
  isThere,
  namesIn,
  readIfThere,
  removeTree,
  sizeOf,
  syncDirectory,
  unlessMissing,
  writeAndClose,
} from './files.ts';
import { isAlive, type ProcessIdentity } from './processes.ts';
import {
  claimFile,
  commandFile,
  type ExitFile,
  exitFile,
  type OrderFile,
  orderFile,
  parseFile,
  type ReleasedFile,
  releasedFile,
  type SupervisorFile,
  supervisorFile,
} from './schema.ts';

/** What the files and the living processes say about a build, at one moment. */
export type BuildStatus =
  | { is: 'unknown' }
  | { is: 'released'; released: ReleasedFile }
  /** `claims`: how many processes died preparing it. */
  | { is: 'queued'; order: OrderFile; claims: number; isCancelled: boolean }
  | { is: 'preparing'; order: OrderFile }
  | { is: 'running'; order: OrderFile; supervisor: SupervisorFile }
  | { is: 'finished'; order: OrderFile; exit: ExitFile; supervisor?: SupervisorFile }
  | LostBuild;

export interface LostBuild {
  is: 'lost';
  why: string;
  isCancelled: boolean;
  /** What ran it, as far as that is known. */
  supervisor?: SupervisorFile;
  command?: ProcessIdentity;
}

/** The state directory (see schema.ts). Several processes may use it at once: every step that only one may make is the
 *  creation of a file. */
export class State {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  async prepare(): Promise<void> {
    for (const name of ['builds', 'released', 'trash'])
      await mkdir(join(this.dir, name), { recursive: true, mode: 0o700 });
    for (const name of await namesIn(this.#trash())) await removeTree(join(this.#trash(), name));
  }

  directoryOf(externalId: string): string {
    return join(this.dir, 'builds', externalId);
  }

  /** The ids of all builds that are not released. */
  async ids(): Promise<string[]> {
    return (await namesIn(join(this.dir, 'builds'))).filter(isExternalId);
  }

  /** False: it was ordered before. The directory appears with the order in it, or not at all. */
  async createBuild(externalId: string, order: OrderFile): Promise<boolean> {
    if (await isThere(this.#released(externalId))) return false;
    const aside = join(this.#trash(), `${externalId}-${randomUUID()}`);
    await mkdir(aside, { mode: 0o700 });
    try {
      await createOnce(join(aside, 'order.json'), JSON.stringify(order));
      await rename(aside, this.directoryOf(externalId));
    } catch (error) {
      await removeTree(aside);
      if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false;
      throw error;
    }
    await syncDirectory(join(this.dir, 'builds'));
    return true;
  }

  /** Become the one that prepares a build. `claims` died before. False: somebody else was first. */
  async claim(externalId: string, claims: number, me: ProcessIdentity): Promise<boolean> {
    return await createOnce(join(this.directoryOf(externalId), `claim-${claims + 1}.json`), JSON.stringify(me));
  }

  async statusOf(externalId: string): Promise<BuildStatus> {
    const names = await namesIn(this.directoryOf(externalId));
    if (names.length === 0) return await this.#statusOfAbsent(externalId);
    const order = await this.#read(externalId, 'order.json', orderFile);
    if (names.includes('exit.json')) return await this.#statusOfEnded(externalId, order);
    const isCancelled = names.includes('cancel');
    if (!order) return await this.#lost(externalId, isCancelled, 'its order file cannot be read');
    if (names.includes('supervisor.json')) return await this.#statusOfSupervised(externalId, order, isCancelled);
    return await this.#statusOfWaiting(externalId, order, names, isCancelled);
  }

  async isCancelled(externalId: string): Promise<boolean> {
    return await isThere(join(this.directoryOf(externalId), 'cancel'));
  }

  async isSupervised(externalId: string): Promise<boolean> {
    return await isThere(join(this.directoryOf(externalId), 'supervisor.json'));
  }

  async markCancelled(externalId: string): Promise<void> {
    // A build that is being released meanwhile has no directory any more, and nothing to stop.
    await unlessMissing(createOnce(join(this.directoryOf(externalId), 'cancel'), ''));
  }

  /** The first word counts: a supervisor may have been quicker. */
  async finish(externalId: string, exit: ExitFile): Promise<void> {
    await createOnce(join(this.directoryOf(externalId), 'exit.json'), JSON.stringify(exit));
  }

  async logSize(externalId: string): Promise<number> {
    return await sizeOf(this.logOf(externalId));
  }

  logOf(externalId: string): string {
    return join(this.directoryOf(externalId), 'log');
  }

  /** First what is big: a disk that is full has no room for the tombstone. While its few small files are there the build
   *  is still known; once the tombstone is, they may go. */
  async release(externalId: string, released: ReleasedFile): Promise<void> {
    for (const name of await namesIn(this.directoryOf(externalId))) {
      if (/^w\d+$/.test(name)) await removeWork(join(this.directoryOf(externalId), name));
      if (name === 'log') await removeTree(join(this.directoryOf(externalId), name));
    }
    await createOnce(this.#released(externalId), JSON.stringify(released));
    const trash = join(this.#trash(), `${externalId}-${randomUUID()}`);
    try {
      await rename(this.directoryOf(externalId), trash);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error; // Another release of it was quicker.
      return;
    }
    await removeTree(trash);
  }

  async forgetReleasedBefore(time: Date): Promise<void> {
    for (const name of await namesIn(join(this.dir, 'released'))) {
      const path = join(this.dir, 'released', name);
      const released = parseFile(releasedFile, (await readIfThere(path)) ?? '');
      if (released && new Date(released.releasedAt) < time) await unlink(path);
    }
  }

  /** Throws what goes wrong when something is written. */
  async checkWritable(): Promise<void> {
    const path = join(this.#trash(), `probe-${randomUUID()}`);
    await writeAndClose(await open(path, 'wx', 0o600), 'x');
    await unlink(path);
  }

  async #statusOfAbsent(externalId: string): Promise<BuildStatus> {
    const text = await readIfThere(this.#released(externalId));
    if (text === undefined) return { is: 'unknown' };
    const released = parseFile(releasedFile, text) ?? { key: '', releasedAt: new Date(0).toISOString() };
    return { is: 'released', released };
  }

  async #statusOfEnded(externalId: string, order: OrderFile | undefined): Promise<BuildStatus> {
    const exit = await this.#read(externalId, 'exit.json', exitFile);
    if (!exit || !order) return await this.#lost(externalId, false, 'its exit file cannot be read');
    const supervisor = await this.#read(externalId, 'supervisor.json', supervisorFile);
    return { is: 'finished', order, exit, supervisor };
  }

  async #statusOfSupervised(externalId: string, order: OrderFile, isCancelled: boolean): Promise<BuildStatus> {
    const supervisor = await this.#read(externalId, 'supervisor.json', supervisorFile);
    if (supervisor && isAlive(supervisor)) return { is: 'running', order, supervisor };
    // It may have ended since the directory was listed; then there is an exit file now.
    if (await isThere(join(this.directoryOf(externalId), 'exit.json'))) return this.#statusOfEnded(externalId, order);
    return await this.#lost(externalId, isCancelled, 'its supervisor died without saying how the build ended');
  }

  async #statusOfWaiting(
    externalId: string,
    order: OrderFile,
    names: string[],
    isCancelled: boolean,
  ): Promise<BuildStatus> {
    const claims = Math.max(0, ...names.map((name) => Number(/^claim-(\d+)\.json$/.exec(name)?.[1] ?? 0)));
    const claim = claims > 0 ? await this.#read(externalId, `claim-${claims}.json`, claimFile) : undefined;
    if (claim && isAlive(claim)) return { is: 'preparing', order };
    return { is: 'queued', order, claims, isCancelled };
  }

  async #lost(externalId: string, isCancelled: boolean, why: string): Promise<LostBuild> {
    const supervisor = await this.#read(externalId, 'supervisor.json', supervisorFile);
    const command = await this.#read(externalId, 'command.json', commandFile);
    return { is: 'lost', why, isCancelled, supervisor, command };
  }

  async #read<T>(externalId: string, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const text = await readIfThere(join(this.directoryOf(externalId), name));
    return text === undefined ? undefined : parseFile(schema, text);
  }

  #released(externalId: string): string {
    return join(this.dir, 'released', `${externalId}.json`);
  }

  #trash(): string {
    return join(this.dir, 'trash');
  }
}

/** In `w<n>`: where its scratch is, if that is not `w<n>` itself. */
export const scratchLink = 'scratch';

/** A claim's directory, and its scratch wherever that is. */
export async function removeWork(work: string): Promise<void> {
  const scratch = await unlessMissing(readlink(join(work, scratchLink)));
  if (scratch !== undefined) {
    await removeTree(scratch);
    await rmdir(dirname(scratch)).catch(() => undefined); // Other builds have theirs there.
  }
  await removeTree(work);
}

/** Short, because Unix sockets below TMPDIR have to fit into 108 bytes; and the same for the same key, for ever. */
export function externalIdOf(key: string): string {
  return `local-${createHash('sha256').update(key).digest('hex').slice(0, 20)}`;
}

export function isExternalId(text: string): boolean {
  return /^local-[0-9a-f]{20}$/.test(text);
}
