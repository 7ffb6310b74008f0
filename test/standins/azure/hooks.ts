import { randomUUID } from 'node:crypto';
import type { StandInAzure } from './index.ts';
import type { BuildState } from './state.ts';

export interface Subscription {
  url: string;
  user: string;
  password: string;
  eventType: 'build.complete' | 'ms.vss-pipelines.run-state-changed-event' | 'ms.vss-pipelines.job-state-changed-event';
  resourceVersion: '1.0' | '2.0' | '5.1-preview.1';
  /** What Azure makes of our answers (facts, 12). */
  status: 'enabled' | 'onProbation' | 'disabledBySystem';
  answers: number[];
}

export interface Notification {
  subscription: Subscription;
  payload: Record<string, unknown>;
}

/**
 * Notifications wait until a story delivers them: in whichever order, as often as it likes, or never. Nothing is sent by
 * itself, so nothing depends on time.
 */
export class Hooks {
  readonly subscriptions: Subscription[] = [];
  readonly waiting: Notification[] = [];
  /** Something waits: the demo has it delivered at once. */
  onWaiting: () => void = () => {};
  readonly #azure: StandInAzure;

  constructor(azure: StandInAzure) {
    this.#azure = azure;
  }

  subscribe(given: Pick<Subscription, 'url' | 'password' | 'eventType' | 'resourceVersion'>): Subscription {
    const subscription: Subscription = { user: 'azure', status: 'enabled', answers: [], ...given };
    this.subscriptions.push(subscription);
    return subscription;
  }

  /** `build.complete` is not told when a run starts. */
  runChanged(build: BuildState): void {
    for (const subscription of this.subscriptions) {
      const isOfRuns = subscription.eventType === 'ms.vss-pipelines.run-state-changed-event';
      const isWanted = isOfRuns || (subscription.eventType === 'build.complete' && build.status === 'completed');
      // On probation all new events are lost.
      if (isWanted && subscription.status === 'enabled') {
        this.waiting.push({ subscription, payload: payloadOf(this.#azure, build, subscription) });
      }
    }
    if (this.waiting.length > 0) this.onWaiting();
  }

  /** Sends what waits, in this order, and learns from the answers. */
  async deliver(notifications: Notification[] = this.waiting.splice(0)): Promise<number[]> {
    const answers: number[] = [];
    for (const { subscription, payload } of notifications) {
      const pair = Buffer.from(`${subscription.user}:${subscription.password}`).toString('base64');
      const { status } = await fetch(subscription.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8', authorization: `Basic ${pair}` },
        body: JSON.stringify(payload),
      });
      answers.push(status);
      subscription.answers.push(status);
      subscription.status = after(subscription.status, status);
    }
    return answers;
  }
}

function after(before: Subscription['status'], answer: number): Subscription['status'] {
  if (answer >= 200 && answer < 300) return 'enabled';
  if (answer === 410) return 'disabledBySystem';
  return [408, 502, 503, 504].includes(answer) ? before : 'onProbation';
}

/** The documentation's samples, with this build's facts. */
export function payloadOf(
  azure: StandInAzure,
  build: BuildState,
  { eventType, resourceVersion }: Pick<Subscription, 'eventType' | 'resourceVersion'>,
): Record<string, unknown> {
  const isRun = eventType !== 'build.complete';
  const resource = isRun
    ? runResource(azure, build)
    : resourceVersion === '1.0'
      ? build10(azure, build)
      : azure.show(build);
  const container = (id: string) => ({ id, baseUrl: `${azure.url}/` });
  return {
    subscriptionId: randomUUID(),
    notificationId: 3,
    id: randomUUID(),
    eventType,
    publisherId: isRun ? 'pipelines' : 'tfs',
    message: { text: `Build ${build.id} ${build.result}`, html: '', markdown: '' },
    detailedMessage: null,
    resource,
    resourceVersion,
    resourceContainers: {
      collection: container('c12d0eb8-e382-443b-9f9c-c52cba5014c2'),
      account: container('f844ec47-a9db-4511-8281-8b63f4eaf94e'),
      project: container('be9b3917-87e6-42a4-a549-2bc06a7a878f'),
    },
    createdDate: azure.time(),
  };
}

/** The old shape: the verdict is in `status`. */
function build10(azure: StandInAzure, build: BuildState): Record<string, unknown> {
  return {
    uri: `vstfs:///Build/Build/${build.id}`,
    id: build.id,
    buildNumber: `rcb_${build.id}.1`,
    url: `${azure.url}/71777fbc-1cf2-4bd1-9540-128c1c71f766/_apis/build/Builds/${build.id}`,
    startTime: build.startTime,
    finishTime: build.finishTime,
    reason: build.reason,
    status: build.result === 'canceled' ? 'stopped' : build.result,
    drop: {},
    log: {},
    sourceGetVersion: `LG:refs/heads/main:${build.sourceVersion}`,
    definition: { id: build.definition, name: 'rcb', url: '' },
    requests: [],
  };
}

function runResource(azure: StandInAzure, build: BuildState): Record<string, unknown> {
  const state = { completed: 'completed', cancelling: 'canceling' }[build.status] ?? 'inProgress';
  const url = `${azure.url}/71777fbc-1cf2-4bd1-9540-128c1c71f766/_apis/pipelines/${build.definition}/runs/${build.id}`;
  const pipeline = { url: '', id: build.definition, revision: 1, name: 'rcb', folder: '\\' };
  return {
    run: {
      id: build.id,
      name: `rcb_${build.id}.1`,
      state,
      result: build.result,
      createdDate: build.queueTime,
      url,
      pipeline,
    },
    pipeline,
  };
}
