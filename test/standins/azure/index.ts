import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BuildDriver } from './driver.ts';
import { Faults } from './faults.ts';
import { Hooks } from './hooks.ts';
import { createArtifactServer, createAzureServer } from './server.ts';
import type { BuildState, ProjectState, RecordState } from './state.ts';

export interface RequestSeen {
  method: string;
  /** Below the organisation, with the query. */
  url: string;
  authorization?: string;
  host: 'home' | 'artifacts';
  status: number;
}

/**
 * A stand-in for Azure Pipelines: one organisation with one project, stateful, over HTTP on free ports of its own. What is
 * known of the real one, and how well, is in the facts that the tests of it cite; the client that Microsoft publishes
 * works with it (test/standins/azure/library.test.ts).
 */
export class StandInAzure {
  readonly organisation = 'rcb-org';
  readonly project: ProjectState = {
    name: 'raku',
    definitions: [{ id: 7, name: 'rcb', queueStatus: 'enabled', parameters: undefined }],
  };
  readonly builds: BuildState[] = [];
  readonly faults = new Faults();
  readonly hooks = new Hooks(this);
  readonly requests: RequestSeen[] = [];
  /** Tokens that are good now. A PAT comes as the password of Basic, Entra's as Bearer. */
  readonly tokens = new Set(['a-pat-that-is-good']);
  /** Entra: client secret → how many tokens were given. */
  readonly clients = new Map<string, number>();
  tokenLifeS = 3600;
  /** How a bad token is refused: as 203, or by a redirect to the sign-in page. */
  signIn: 'page' | 'redirect' = 'page';
  /** Answers enums as numbers, as some clients are used to. */
  numbers = false;
  /** Does cancelling end by itself? */
  endsCancelling = true;
  mostPerPage = 1000;
  /** Called for each build that is queued: lets a story play agents. */
  onQueued: (build: BuildDriver) => void = () => {};
  /** What else an order may be refused for. */
  refuse: ((parameters: Record<string, string>) => string | undefined) | undefined;
  url = '';
  artifactsUrl = '';
  #ids = 100;
  #now = Date.now();
  #servers: Server[] = [];
  readonly #drivers = new Map<number, BuildDriver>();

  static async start(): Promise<StandInAzure> {
    const azure = new StandInAzure();
    const [home, artifacts] = [createAzureServer(azure), createArtifactServer(azure)];
    azure.#servers = [home, artifacts];
    azure.url = `http://127.0.0.1:${await listen(home)}/${azure.organisation}`;
    azure.artifactsUrl = `http://localhost:${await listen(artifacts)}`;
    return azure;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Time passes with each thing that happens: a millisecond. */
  now(): Date {
    this.#now += 1;
    return new Date(this.#now);
  }

  time(): string {
    return this.now().toISOString();
  }

  queue(given: Partial<BuildState> = {}): BuildDriver {
    const build: BuildState = {
      id: ++this.#ids,
      definition: 7,
      status: 'notStarted',
      result: null,
      reason: 'manual',
      queueTime: this.now(),
      startTime: null,
      finishTime: null,
      sourceBranch: 'refs/heads/main',
      sourceVersion: 'f'.repeat(40),
      templateParameters: {},
      triggerInfo: {},
      validationResults: [],
      timelineId: randomUUID(),
      records: [],
      earlier: new Map(),
      logs: new Map(),
      artifacts: [],
      isDeleted: false,
      ...given,
    };
    this.builds.push(build);
    const driver = new BuildDriver(this, build);
    this.#drivers.set(build.id, driver);
    this.onQueued(driver);
    return driver;
  }

  driver(id: string | number): BuildDriver {
    const driver = this.#drivers.get(Number(id));
    if (!driver) throw new Error(`The stand-in has no build ${id}`);
    return driver;
  }

  newLog(build: BuildState): NonNullable<RecordState['log']> {
    const id = build.logs.size + 1;
    build.logs.set(id, []);
    return { id, type: 'Container', url: `${this.url}/${this.project.name}/_apis/build/builds/${build.id}/logs/${id}` };
  }

  /** A build as its JSON. */
  show(build: BuildState): Record<string, unknown> {
    const page = `${this.url}/${this.project.name}/_build/results?buildId=${build.id}`;
    const { id, reason, queueTime, startTime, finishTime, sourceBranch, sourceVersion, templateParameters } = build;
    return {
      _links: { self: { href: page }, web: { href: page } },
      id,
      buildNumber: `rcb_${id}.1`,
      status: this.numbers ? numbers[build.status] : build.status,
      ...(build.result !== null && { result: this.numbers ? numbers[build.result] : build.result }),
      queueTime,
      ...(startTime && { startTime }),
      ...(finishTime && { finishTime }),
      url: `${this.url}/${this.project.name}/_apis/build/Builds/${id}`,
      definition: { id: build.definition, name: 'rcb', type: 'build' },
      project: { id: 'be9b3917-87e6-42a4-a549-2bc06a7a878f', name: this.project.name },
      reason,
      sourceBranch,
      sourceVersion,
      templateParameters,
      triggerInfo: build.triggerInfo,
      validationResults: build.validationResults,
      repository: { id: 'rakudo/rakudo', type: 'GitHub' },
      orchestrationPlan: { planId: build.timelineId },
      tags: [],
    };
  }
}

const numbers: Record<string, number> = {
  inProgress: 1,
  completed: 2,
  cancelling: 4,
  notStarted: 32,
  succeeded: 2,
  partiallySucceeded: 4,
  failed: 8,
  canceled: 32,
};

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}
