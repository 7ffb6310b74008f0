import { StandInAzure } from '../standins/azure/index.ts';
import { playAgents } from '../standins/azure/play.ts';
import type { Playground } from './playground.ts';

/** The demo's Azure: a pipeline with agents of three systems, which find what the change does to the tests. */

export const AZURE_DEVOPS_TOKEN = 'a-pat-that-is-good';
export const AZURE_HOOK_PASSWORD = 'the-demo-tells-nobody';
const STEP_MS = 250;

export interface DemoAzure {
  url: string;
  /** Tell the bot what builds do. */
  deliverTo(url: string): void;
  stop(): Promise<void>;
}

export async function startAzure(playground: Playground): Promise<DemoAzure> {
  const azure = await StandInAzure.start();
  // The sources have no version of their own here: their sha stands for it.
  const kindOf = (parameters: Record<string, string>) => playground.kindOf(parameters['rocketVersion'] ?? '');
  const sendHome = playAgents(azure, {
    stepMs: STEP_MS,
    fails: ({ parameters, system }) => kindOf(parameters) === 'failing' && system !== 'macOS',
    isEmpty: (parameters) => kindOf(parameters) === 'nothing',
  });
  return {
    url: azure.url,
    deliverTo(url) {
      const eventType = 'ms.vss-pipelines.run-state-changed-event';
      azure.hooks.subscribe({ url, password: AZURE_HOOK_PASSWORD, eventType, resourceVersion: '5.1-preview.1' });
      // A bot that is gone or being stopped misses hooks, as in life; polling finds the builds.
      azure.hooks.onWaiting = () => void azure.hooks.deliver().catch(() => {});
    },
    async stop() {
      sendHome();
      await azure.close();
    },
  };
}
