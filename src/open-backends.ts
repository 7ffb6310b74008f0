import { join, resolve } from 'node:path';
import type { NodeHandler } from './app.ts';
import type { Archive } from './archive/archive.ts';
import type { Backend } from './backends/backend.ts';
import { openLocalBackend } from './backends/local/local.ts';
import type { Clock } from './clock.ts';
import type { AzureBackendConfig, BackendConfig, Config, LocalBackendConfig, ObsBackendConfig } from './config/config.ts';
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
      return await openObs(backend, config, parts);
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

/** What is said of a build is at most that old; the requests behind it are spaced by `poll: obs:`. */
const OBS_LOOK_MS = 5_000;
/** OBS names no limit; osc's own users ask as often. */
const OBS_REQUESTS_PER_SECOND = 3;

async function openObs(
  config: ObsBackendConfig,
  { credentials, poll }: Pick<Config, 'credentials' | 'poll'>,
  { archive, random, obsHosts }: BackendParts & { obsHosts: ObsHosts },
): Promise<OpenBackend> {
  const [{ openObsBackend }, { loadTemplate }, { basicAuth, signatureAuth, sshKeygen }, { systemTime }] =
    await Promise.all([
      import('./backends/obs/obs.ts'),
      import('./backends/obs/template.ts'),
      import('./backends/obs/auth.ts'),
      import('./backends/obs/time.ts'),
    ]);
  const { user, password, keyFile } = credentials.obs;
  if (!user || !(password || keyFile)) throw new Error(`Backend ${config.name}: OBS_USER is not set, or its password`);
  const { name, url, webUrl, project, mode, artifacts, timeout, jobTimeout, logLimit } = config;
  return openObsBackend({
    ...{ name, url, webUrl, project, mode, artifacts, archive },
    template: await loadTemplate(resolve(config.template)),
    auth: keyFile ? signatureAuth(user, sshKeygen(keyFile), systemTime) : basicAuth(user, password!),
    ...(await obsHosts.at(url)),
    time: systemTime,
    pollMs: poll.obs,
    followEveryMs: Math.min(OBS_LOOK_MS, poll.obs),
    deadlines: { buildMs: timeout, jobMs: jobTimeout },
    logLimitBytes: logLimit,
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
