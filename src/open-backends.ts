import { join, resolve } from 'node:path';
import type { NodeHandler } from './app.ts';
import type { Archive } from './archive/archive.ts';
import type { Backend } from './backends/backend.ts';
import { openLocalBackend } from './backends/local/local.ts';
import type { Clock } from './clock.ts';
import type { AzureBackendConfig, BackendConfig, Config, LocalBackendConfig } from './config/config.ts';
import { localSettings } from './config/local.ts';
import type { Log } from './log.ts';
import type { Queue } from './queue/queue.ts';

/** The composition of back-ends: one of each that rcb.yaml names, and what listens to their hooks. An adapter with large
 *  libraries is loaded where it is configured. */
export type OpenBackend = Backend & { close(): Promise<void> | void };

export interface BackendParts {
  dataDir: string;
  archive: Archive;
  clock: Clock;
  random(): number;
  killGraceMs?: number;
}

export async function openBackends(
  config: Pick<Config, 'backends' | 'credentials' | 'poll'>,
  parts: BackendParts,
): Promise<Map<string, OpenBackend>> {
  const backends = new Map<string, OpenBackend>();
  for (const each of config.backends) backends.set(each.name, await openBackend(each, config, parts));
  return backends;
}

async function openBackend(
  backend: BackendConfig,
  config: Pick<Config, 'credentials' | 'poll'>,
  parts: BackendParts,
): Promise<OpenBackend> {
  switch (backend.kind) {
    case 'local':
      return await openLocal(backend, parts);
    case 'azure':
      return await openAzure(backend, config, parts);
    case 'obs':
      throw new Error(`Backend ${backend.name}: this version of RCB has no backend of kind ${backend.kind} yet`);
  }
}

const openLocal = (config: LocalBackendConfig, { dataDir, archive, clock, killGraceMs }: BackendParts) =>
  openLocalBackend({
    name: config.name,
    dir: join(dataDir, 'local', config.name),
    archive,
    ...localSettings(config),
    hidden: [dataDir, process.cwd(), resolve(import.meta.dirname, '..')],
    killGraceMs,
    clock,
  });

/** A running build is looked at three times as often as `poll: azure:` says, a finished one half as often. */
export async function openAzure(
  config: AzureBackendConfig,
  { credentials, poll }: Pick<Config, 'credentials' | 'poll'>,
  { clock, random }: Pick<BackendParts, 'clock' | 'random'>,
) {
  const { openAzureBackend } = await import('./backends/azure/azure.ts');
  const { token, servicePrincipal } = credentials.azure;
  if (!servicePrincipal && !token) throw new Error(`Backend ${config.name}: AZURE_DEVOPS_TOKEN is not set`);
  const { kind: _, logLimit, repositories: __, branches: ___, ...options } = config;
  return openAzureBackend({
    ...options,
    credentials: servicePrincipal ? { kind: 'entra', ...servicePrincipal } : { kind: 'pat', token: token! },
    logLimitBytes: logLimit,
    intervalsMs: { queued: poll.azure, running: Math.ceil(poll.azure / 3), finished: 2 * poll.azure },
    clock,
    random,
  });
}

export interface HookParts {
  queue: Queue;
  archive: Archive;
  now(): Date;
  log: Log;
}

/** Answers hooks of back-ends; what is no such hook is not for it. */
export async function openBackendHooks(
  { backends, credentials }: Pick<Config, 'backends' | 'credentials'>,
  parts: HookParts,
): Promise<NodeHandler> {
  const azure = backends.filter((each) => each.kind === 'azure');
  if (azure.length === 0) return async () => false;
  const [{ azureHookHandler }, { organisationIn }] = await Promise.all([
    import('./backends/azure/intake.ts'),
    import('./backends/azure/hooks.ts'),
  ]);
  return azureHookHandler({
    ...parts,
    password: credentials.azure.hookPassword ?? '',
    backends: azure.map(({ name, url }) => ({ name, organisation: organisationIn(url) ?? '' })),
  });
}

/** What decisions need to know of them. */
export const servingBackends = (config: Pick<Config, 'backends'>, opened: Map<string, Backend>) =>
  config.backends.map(({ name, kind, repositories, branches }) => {
    const backend = opened.get(name);
    const observes = backend?.findObserved !== undefined;
    return { name, kind, repositories, branches, observes, retries: !observes && backend?.ensureRetried !== undefined };
  });
