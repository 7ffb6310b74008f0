import type { Clock } from '../../clock.ts';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { BackendError, type BuildOrder } from '../backend.ts';
import type { AzureApi, ListQuery } from './api.ts';
import { RefusedError } from './client.ts';
import type { AzureBuild } from './schema.ts';

/**
 * Azure has no idempotency key, and an answer that never came may have started a build. So the order's key goes into the
 * template parameters, which every list of builds shows, and it is looked for there before each start.
 */
export const KEY_PARAMETER = 'rcbKey';

/** What azure-pipelines.rcb.yml takes. Every value is text; none is secret, everybody who sees the build sees them. */
export function templateParameters(order: BuildOrder): Record<string, string> {
  const parameters: Record<string, string> = { [KEY_PARAMETER]: order.key, rcbRun: order.runId };
  const changed = order.sources.find((source) => source.changed);
  if (changed) parameters['rcbChanged'] = parameterPrefix(changed.repository);
  for (const { repository, sha, sha256, url, version } of order.sources) {
    const prefix = parameterPrefix(repository);
    if (`${prefix}Url` in parameters) throw new BackendError('refused', words.sameName(prefix));
    if (!url) throw new BackendError('refused', words.noUrl(repository));
    parameters[`${prefix}Url`] = url;
    parameters[`${prefix}Sha256`] = sha256;
    parameters[`${prefix}Version`] = version ?? sha;
  }
  return parameters;
}

/** `MoarVM/MoarVM` → `moarvm`: its parameters are `moarvmUrl`, `moarvmSha256` and `moarvmVersion`. */
export function parameterPrefix(repository: string): string {
  const prefix = repository
    .slice(repository.lastIndexOf('/') + 1)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/^\d+/, '');
  if (!prefix) throw new BackendError('misconfigured', words.strangeName(repository));
  return prefix;
}

export interface Dispatch {
  api: AzureApi;
  pipeline: number;
  project: string;
  /** The branch whose YAML is run: `refs/heads/main`. Absent: the pipeline's default. */
  branch?: string;
  /** How long after an order it may still be asked for. */
  lookBackMs: number;
  clock: Clock;
}

/** After a doubtful answer: time for a request that Azure holds back to arrive, and to show in lists. */
const SETTLE_MS = 60_000;

export async function ensureQueued(dispatch: Dispatch, order: BuildOrder, signal: AbortSignal): Promise<AzureBuild> {
  const parameters = templateParameters(order);
  const found = await findQueued(dispatch, order.key, signal);
  if (found) return found;
  const { api, pipeline, project, branch } = dispatch;
  const body = { definition: { id: pipeline }, sourceBranch: branch, templateParameters: parameters, reason: 'manual' };
  try {
    const queued = await api.queue(body, signal);
    if (queued) return queued;
  } catch (error) {
    if (error instanceof RefusedError && error.status === 400) {
      throw new BackendError('refused', words.invalid(error.said), { cause: error });
    }
    if (!isDoubtful(error)) throw error;
    signal.throwIfAborted();
    const started = await findQueued(dispatch, order.key, signal).catch(() => undefined);
    if (started) return started;
    const message = words.doubtful((error as Error).message);
    throw new BackendError('unreachable', message, { cause: error, retryAfterMs: SETTLE_MS });
  }
  const missing = await api.whatIsMissing(pipeline, project, signal);
  throw missing ?? new BackendError('unreachable', words.notThere('start the build'));
}

/** Broken off, timed out, 5xx, or an answer that is not understood: the build may have been started all the same. */
const isDoubtful = (error: unknown): boolean =>
  error instanceof BackendError && (error.kind === 'unreachable' || error.kind === 'unparsable');

/** The first build that was started under this key. Others, if a doubtful request came through twice, are stopped. */
async function findQueued(dispatch: Dispatch, key: string, signal: AbortSignal): Promise<AzureBuild | undefined> {
  const { api, pipeline, clock, lookBackMs } = dispatch;
  const minTime = new Date(clock.now().getTime() - lookBackMs);
  const found: AzureBuild[] = [];
  const query: ListQuery = { definitions: [pipeline], queryOrder: 'queueTimeDescending', minTime };
  try {
    for await (const build of api.builds(query, signal)) {
      if (build.templateParameters?.[KEY_PARAMETER] === key && !build.deleted) found.push(build);
    }
  } catch (error) {
    const isMisnamed = error instanceof BackendError && error.kind === 'misconfigured' && !error.retry;
    throw (isMisnamed && (await api.whatIsMissing(pipeline, dispatch.project, signal))) || error;
  }
  const [first, ...others] = found.sort((one, other) => one.id - other.id);
  for (const { id } of others) await api.cancel(String(id), signal);
  return first;
}
