import { join, resolve } from 'node:path';
import type { NodeHandler } from './app.ts';
import type { Archive } from './archive/archive.ts';
import type { Backend } from './backends/backend.ts';
import { openLocalBackend } from './backends/local/local.ts';
import type { Pace } from './backends/obs/pace.ts';
import type { Clock } from './clock.ts';
import type {
  AzureBackendConfig,
  BackendConfig,
  Config,
  LocalBackendConfig,
  ObsBackendConfig,
} from './config/config.ts';
import { localSettings } from './config/local.ts';
import type { ServingBackend } from './core/serving.ts';
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
  const manners = new Manners(parts.random);
  for (const each of config.backends) backends.set(each.name, await openBackend(each, config, { ...parts, manners }));
  return backends;
}

async function openBackend(
  backend: BackendConfig,
  config: Pick<Config, 'credentials' | 'poll'>,
  parts: BackendParts & { manners: Manners },
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
  const { kind: _, logLimit, repositories: __, branches: ___, private: ____, ...options } = config;
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
const OBS_REQUESTS_PER_SECOND = 5;

/** One pace towards each host, however many back-ends it serves. */
class Manners {
  readonly #paces = new Map<string, Pace>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  async at(url: string): Promise<Pace> {
    const { host } = new URL(url);
    const [{ Pace }, { systemTime }] = await Promise.all([
      import('./backends/obs/pace.ts'),
      import('./backends/obs/time.ts'),
    ]);
    const pace = this.#paces.get(host) ?? new Pace(OBS_REQUESTS_PER_SECOND, systemTime, this.#random);
    this.#paces.set(host, pace);
    return pace;
  }
}

async function openObs(
  config: ObsBackendConfig,
  { credentials, poll }: Pick<Config, 'credentials' | 'poll'>,
  { archive, manners }: BackendParts & { manners: Manners },
): Promise<OpenBackend> {
  const [{ openObsBackend }, { loadTemplate }, { basicAuth, signatureAuth, sshKeygen }, { openHttp }, { systemTime }] =
    await Promise.all([
      import('./backends/obs/obs.ts'),
      import('./backends/obs/template.ts'),
      import('./backends/obs/auth.ts'),
      import('./backends/obs/http.ts'),
      import('./backends/obs/time.ts'),
    ]);
  const { user, password, keyFile } = credentials.obs;
  if (!user || !(password || keyFile)) throw new Error(`Backend ${config.name}: OBS_USER is not set, or its password`);
  const { name, url, webUrl, project, mode, artifacts, timeout, jobTimeout, keepFailed, logLimit } = config;
  return openObsBackend({
    ...{ name, url, webUrl, project, mode, artifacts, archive },
    template: await loadTemplate(resolve(config.template)),
    auth: keyFile ? signatureAuth(user, sshKeygen(keyFile), systemTime) : basicAuth(user, password!),
    http: openHttp(),
    pace: await manners.at(url),
    time: systemTime,
    pollMs: poll.obs,
    followEveryMs: Math.min(OBS_LOOK_MS, poll.obs),
    keepFailedMs: keepFailed,
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
  const [azure, obs] = [
    await openAzureHook(backends, credentials, parts),
    await openObsHook(backends, credentials, parts),
  ];
  return async (req, res) => (await azure(req, res)) || obs(req, res);
}

const noHook: NodeHandler = async () => false;

async function openAzureHook(
  backends: BackendConfig[],
  credentials: Config['credentials'],
  parts: HookParts,
): Promise<NodeHandler> {
  const azure = backends.filter((each) => each.kind === 'azure');
  if (azure.length === 0) return noHook;
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

async function openObsHook(
  backends: BackendConfig[],
  credentials: Config['credentials'],
  parts: HookParts,
): Promise<NodeHandler> {
  const obs = backends.filter((each) => each.kind === 'obs');
  if (obs.length === 0) return noHook;
  const { obsHookHandler } = await import('./backends/obs/intake.ts');
  return obsHookHandler({ ...parts, secret: credentials.obs.hookSecret, backends: obs });
}

/** What decisions need to know of them. */
export const servingBackends = (config: Pick<Config, 'backends'>, opened: Map<string, Backend>) =>
  config.backends.map(({ name, kind, repositories, branches, private: seesPrivate }): ServingBackend => {
    const backend = opened.get(name);
    const observes = backend?.findObserved !== undefined;
    const retries = !observes && backend?.ensureRetried !== undefined;
    const isTrusted = seesPrivate ?? backend?.keepsApart === true;
    return { name, kind, repositories, branches, private: isTrusted, observes, retries };
  });
