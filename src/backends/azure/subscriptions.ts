import { azureMessages as words } from '../../core/messages-azure.ts';
import type { AzureApi } from './api.ts';
import type { AzureSubscription } from './schema.ts';
import { oneLine } from './text.ts';

/** Azure's service hooks: what RCB wants to be told of a project, and how the subscriptions are (facts, 12). */
export interface HookTarget {
  /** `https://rcb.example.org/hooks/azure` */
  url: string;
  password: string;
}

export interface HookStatus {
  eventType: string;
  ok: boolean;
  /** For people. */
  note: string;
}

interface WantedHook {
  publisherId: string;
  eventType: string;
  resourceVersion: string;
}

/** Of jobs Azure tells in its cloud only; where it does not, polling does. */
const wanted: WantedHook[] = [
  { publisherId: 'tfs', eventType: 'build.complete', resourceVersion: '2.0' },
  {
    publisherId: 'pipelines',
    eventType: 'ms.vss-pipelines.run-state-changed-event',
    resourceVersion: '5.1-preview.1',
  },
  {
    publisherId: 'pipelines',
    eventType: 'ms.vss-pipelines.job-state-changed-event',
    resourceVersion: '5.1-preview.1',
  },
];

export async function hookStatus(
  api: AzureApi,
  project: string,
  url: string,
  signal: AbortSignal,
): Promise<HookStatus[]> {
  const projectId = await api.projectId(project, signal);
  const ours = (await api.subscriptions(signal)).filter(isFor(projectId, url));
  return wanted.map(({ eventType }) => statusOf(eventType, ours));
}

/** Azure shows no password again, so what is there cannot be checked or kept by a change: it is not touched. */
export async function ensureHooks(
  api: AzureApi,
  project: string,
  { url, password }: HookTarget,
  signal: AbortSignal,
): Promise<HookStatus[]> {
  const projectId = await api.projectId(project, signal);
  const ours = (await api.subscriptions(signal)).filter(isFor(projectId, url));
  for (const hook of wanted) {
    if (ours.some(({ eventType }) => eventType === hook.eventType)) continue;
    await api.subscribe(subscriptionTo(hook, projectId, url, password), signal);
  }
  return await hookStatus(api, project, url, signal);
}

/** `resourceDetailsToSend: minimal`: a hook is a hint, and the build is read anyway. */
const subscriptionTo = (hook: WantedHook, projectId: string, url: string, password: string) => ({
  ...hook,
  consumerId: 'webHooks',
  consumerActionId: 'httpRequest',
  publisherInputs: { projectId },
  consumerInputs: {
    url,
    basicAuthUsername: 'azure',
    basicAuthPassword: password,
    resourceDetailsToSend: 'minimal',
    messagesToSend: 'none',
    detailedMessagesToSend: 'none',
  },
});

const isFor =
  (projectId: string, url: string) =>
  ({ publisherInputs, consumerInputs }: AzureSubscription): boolean =>
    consumerInputs?.url === url && (publisherInputs?.projectId ?? projectId) === projectId;

/** Of several for one event the one that works counts. */
function statusOf(eventType: string, subscriptions: AzureSubscription[]): HookStatus {
  const states = subscriptions
    .filter((each) => each.eventType === eventType)
    .map(({ status }) => String(status).toLowerCase());
  const state = states.includes('enabled') ? 'enabled' : states[0];
  if (state === undefined) return { eventType, ok: false, note: words.hookMissing };
  const note = Object.hasOwn(words.hookStates, state) ? words.hookStates[state]! : oneLine(state);
  return { eventType, ok: state === 'enabled', note };
}
