import { test } from 'node:test';
import { type AzureBackend, type AzureOptions, openAzureBackend } from '../../../src/backends/azure/azure.ts';
import type { BuildOrder } from '../../../src/backends/backend.ts';
import { systemClock } from '../../../src/clock.ts';
import { observeUntil } from '../../contracts/backend.ts';
import type { BuildDriver } from '../../standins/azure/driver.ts';
import { StandInAzure } from '../../standins/azure/index.ts';

/** An Azure of its own, and backends that talk to it. */
export class AzureBench {
  readonly azure: StandInAzure;
  readonly #backends: AzureBackend[] = [];
  #keys = 0;

  constructor(azure: StandInAzure) {
    this.azure = azure;
  }

  static async make(): Promise<AzureBench> {
    return new AzureBench(await StandInAzure.start());
  }

  open(options: Partial<AzureOptions> = {}): AzureBackend {
    const backend = openAzureBackend({
      name: 'azure',
      url: this.azure.url,
      project: 'raku',
      pipeline: 7,
      credentials: { kind: 'pat', token: 'a-pat-that-is-good' },
      credentialHosts: ['localhost:*'],
      intervalsMs: { queued: 10, running: 10, finished: 10 },
      timeoutMs: 10_000,
      clock: systemClock,
      random: () => 0.5,
      ...options,
    });
    this.#backends.push(backend);
    return backend;
  }

  order(more: Partial<BuildOrder> = {}): BuildOrder {
    this.#keys += 1;
    const source = (repository: string, changed: boolean) => ({
      repository,
      changed,
      sha: 'a'.repeat(40),
      sha256: 'b'.repeat(64),
      size: 1000,
      url: `https://rcb.example/archive/${'b'.repeat(64)}`,
    });
    return {
      key: `build-${this.#keys}-1`,
      runId: `run-${this.#keys}`,
      repository: 'rakudo/rakudo',
      untrusted: false,
      sources: [source('rakudo/rakudo', true), source('Raku/nqp', false), source('MoarVM/MoarVM', false)],
      ...more,
    };
  }

  /** A build of that order, running, with nothing in it. */
  async started(backend: AzureBackend, order = this.order()): Promise<BuildDriver> {
    const { externalId } = await backend.ensureStarted(order, new AbortController().signal);
    const driver = this.azure.driver(externalId).start();
    return driver;
  }

  async close(): Promise<void> {
    for (const backend of this.#backends) backend.close();
    await this.azure.close();
  }
}

export const atEnd = (backend: AzureBackend, id: string) =>
  observeUntil(backend, id, ({ state }) => state === 'finished' || state === 'lost');

/** A story with an Azure of its own, which ends with it. */
export function azureStory(title: string, tell: (bench: AzureBench) => Promise<void>): void {
  test(title, { timeout: 40_000 }, async () => {
    const bench = await AzureBench.make();
    try {
      await tell(bench);
    } finally {
      await bench.close();
    }
  });
}

/** Of the requests that Azure saw, those that fit: `POST /raku/_apis/build/builds`. */
export const seen = ({ azure }: AzureBench, pattern: RegExp): string[] =>
  azure.requests.map(({ method, url }) => `${method} ${url}`).filter((request) => pattern.test(request));

export const posts = (bench: AzureBench): number => seen(bench, /^POST .*\/build\/builds\?/).length;
