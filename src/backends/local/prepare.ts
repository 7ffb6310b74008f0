import { mkdir, mkdtemp, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Archive } from '../../archive/archive.ts';
import type { Clock } from '../../clock.ts';
import { findCommand, nameOf } from './command.ts';
import { shownAt } from './confine.ts';
import { environmentEntryOf, environmentFor, type WorkPaths } from './environment.ts';
import { wordsFor } from './files.ts';
import { ensureScratchRoot } from './isolation.ts';
import type { BuildLimits, Sandbox } from './job.ts';
import { launchSupervisor } from './launch.ts';
import { outcomeOf } from './outcome.ts';
import type { ExitFile, OrderFile } from './schema.ts';
import { type State, scratchLink } from './state.ts';
import { type UnpackLimits, unpack } from './unpack.ts';
import { planWorkspace, type Workspace } from './workspace.ts';

/** What a build is made with; see LocalOptions. */
export interface BuildSettings {
  archive: Pick<Archive, 'get'>;
  command?: string;
  timeoutS: number;
  silenceS: number;
  outputLimitBytes: number;
  killGraceMs: number;
  environment: Record<string, string>;
  /** By whom the change is from. */
  sandboxes: { trusted: Sandbox; untrusted: Sandbox | undefined };
  /** Where scratch directories are made for users that have no way into the state directory. */
  scratchRoot: string;
  limits: BuildLimits;
  sourceLimits: UnpackLimits;
  clock: Clock;
  node: string;
}

export interface Claimed {
  externalId: string;
  order: OrderFile;
  claim: number;
}

/** From a claimed order to a supervised command: undefined; or to an end without one, that is still to be written down.
 *  `signal`: the build was cancelled, or has been at it for too long. */
export async function prepareBuild(
  state: State,
  settings: BuildSettings,
  build: Claimed,
  signal: AbortSignal,
): Promise<ExitFile | undefined> {
  const exit = await supervise(state, settings, build, signal).catch((error) => failure(error, settings.command));
  // A supervisor that a bot started before its death may come late, and counts.
  if (exit === undefined || (await state.isSupervised(build.externalId))) return undefined;
  const isCancelled = await state.isCancelled(build.externalId);
  return {
    ...(isCancelled ? cancelledBeforeStart(settings.command) : exit),
    finishedAt: settings.clock.now().toISOString(),
  };
}

/** Where claim n unpacked the source with that directory name. */
export function sourcePath(state: State, externalId: string, claim: number, directory: string): string {
  return join(workPath(state, externalId, claim), 'source', directory);
}

export function workPath(state: State, externalId: string, claim: number): string {
  return join(state.directoryOf(externalId), `w${claim}`);
}

export function cancelledBeforeStart(command: string | undefined): Omit<ExitFile, 'finishedAt'> {
  return { ...jobOf(command), verdict: 'cancelled', why: 'cancelled before it started' };
}

/** Undefined: a supervisor has it now. */
async function supervise(
  state: State,
  settings: BuildSettings,
  build: Claimed,
  signal: AbortSignal,
): Promise<Omit<ExitFile, 'finishedAt'> | undefined> {
  const { externalId, order, claim } = build;
  const workspace = planWorkspace(order);
  if (!workspace) throw new Error('its order names no changed source');
  const sandbox = order.untrusted ? settings.sandboxes.untrusted : settings.sandboxes.trusted;
  // Ordered from a bot that had one.
  if (!sandbox) throw new Error('this change comes from outside, and there is no sandbox for it any more');
  const scratch = await makeScratch(state, settings, build, sandbox);
  await unpackSources(state, settings, build, workspace, signal);
  signal.throwIfAborted();

  const top = sourcePath(state, externalId, claim, workspace.changed.directory);
  const found = await findCommand(settings.command, top, workspace.changed.source.repository);
  if (found.kind === 'nothing') return { why: found.why };
  if (found.kind === 'broken') return { job: found.name, ...outcomeOf({ how: 'not-started', why: found.why }) };
  await launchSupervisor(settings.node, state.directoryOf(externalId), {
    name: found.name,
    claim,
    argv: found.argv,
    directory: join(pathsIn(scratch, sandbox).sources, workspace.changed.directory),
    environment: environmentOf(state, settings, build, workspace, pathsIn(scratch, sandbox)),
    environmentEntry: environmentEntryOf(state.directoryOf(externalId)),
    timeoutS: settings.timeoutS,
    silenceS: settings.silenceS,
    outputLimitBytes: settings.outputLimitBytes,
    killGraceMs: settings.killGraceMs,
    scratch,
    sandbox,
    limits: settings.limits,
  }).catch((error) => {
    throw new Error(`its supervisor could not be started: ${wordsFor(error)}`, { cause: error });
  });
  return undefined;
}

async function unpackSources(
  state: State,
  settings: BuildSettings,
  { externalId, claim }: Claimed,
  workspace: Workspace,
  signal: AbortSignal,
): Promise<void> {
  for (const { source, directory } of workspace.sources) {
    try {
      const bytes = await getSource(settings.archive, source.sha256, signal);
      const into = sourcePath(state, externalId, claim, directory);
      await unpack(bytes, source.sha256, into, settings.sourceLimits, signal);
    } catch (error) {
      const what = `the source archive of ${source.repository} at ${source.sha}`;
      throw new Error(`${what} could not be unpacked: ${wordsFor(error)}`, { cause: error });
    }
  }
}

/** An archive that does not answer must not keep a slot for ever. */
async function getSource(archive: Pick<Archive, 'get'>, sha256: string, signal: AbortSignal): Promise<Readable> {
  signal.throwIfAborted();
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const bytes = archive.get(sha256);
  try {
    return await Promise.race([bytes, stopped.promise]);
  } catch (error) {
    void bytes.then((late) => late.destroy()).catch(() => undefined); // Its own error, if any, is the one thrown.
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** The directory that a build may write to. `w<n>` itself; or, where its user has no way into the state directory, one that
 *  `w<n>` links to. */
async function makeScratch(state: State, settings: BuildSettings, build: Claimed, sandbox: Sandbox): Promise<string> {
  const work = workPath(state, build.externalId, build.claim);
  await mkdir(work, { mode: 0o700 });
  if (sandbox.isolation !== 'user') return work;
  await ensureScratchRoot(settings.scratchRoot);
  const scratch = await mkdtemp(join(settings.scratchRoot, `${build.externalId}-`));
  await symlink(scratch, join(work, scratchLink));
  await symlink(join(scratch, 'source'), join(work, 'source'));
  await mkdir(join(scratch, 'source'));
  return scratch;
}

/** As the command sees them. */
function pathsIn(scratch: string, sandbox: Sandbox): WorkPaths {
  if (sandbox.isolation === 'bubblewrap') return shownAt;
  return { sources: join(scratch, 'source'), home: join(scratch, 'home'), tmp: join(scratch, 'tmp') };
}

function environmentOf(
  state: State,
  settings: BuildSettings,
  { externalId, order }: Claimed,
  workspace: Workspace,
  paths: WorkPaths,
): Record<string, string> {
  // The operator's variables may be secrets.
  const extra = order.untrusted ? {} : settings.environment;
  return environmentFor(order, workspace, paths, state.directoryOf(externalId), extra);
}

function failure(error: unknown, command: string | undefined): Omit<ExitFile, 'finishedAt'> {
  return { ...jobOf(command), verdict: 'error', why: wordsFor(error) };
}

/** The job that would have been, where its name is known without the source. */
function jobOf(command: string | undefined): { job?: string } {
  return command === undefined ? {} : { job: nameOf(command) };
}
