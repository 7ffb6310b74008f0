import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BuildOrder, OrderedSource } from '../../../src/backends/backend.ts';
import { basicAuth } from '../../../src/backends/obs/auth.ts';
import { openHttp } from '../../../src/backends/obs/http.ts';
import { type ObsBackend, type ObsOptions, openObsBackend } from '../../../src/backends/obs/obs.ts';
import { Pace } from '../../../src/backends/obs/pace.ts';
import type { PackageTemplate, Template } from '../../../src/backends/obs/template.ts';
import { systemTime } from '../../../src/backends/obs/time.ts';
import {
  type JobContext,
  type JobScript,
  type ObsStandIn,
  type ObsStandInOptions,
  startObs,
} from '../../standins/obs/index.ts';

/** What is committed tells the stand-in how its jobs go: by package, or one script for all. */
export type Scripts = JobScript | Record<string, JobScript | JobScript[]>;

export const PROJECT = 'home:rcb';

export function packageOf(name: string, more: Partial<PackageTemplate> = {}): PackageTemplate {
  const text = `Name: {{ package ${name} }}\nVersion: {{ version raku/main }}\nSource0: {{ archive raku/main }}\n`;
  return {
    name,
    sources: ['raku/main'],
    needs: [],
    mayBeLeftOut: false,
    files: [{ name: `${name}.spec`, text }],
    ...more,
  };
}

export function templateOf(
  packages: PackageTemplate[],
  architectures = ['x86_64'],
  repositories = ['standard'],
): Template {
  return {
    repositories: repositories.map((name) => ({
      name,
      paths: [{ project: 'Base', repository: 'standard' }],
      architectures,
    })),
    packages,
  };
}

function scriptFor({ package: server, builds, files }: JobContext): JobScript {
  const archive = [...files].find(([name]) => name.endsWith('.tar.gz'))![1];
  const scripts = JSON.parse(archive.toString('utf8')) as Scripts;
  if (typeof scripts.ends === 'string') return scripts as JobScript;
  const name = server.replace(/-r[0-9a-f]{16}$/, '');
  const script = (scripts as Record<string, JobScript | JobScript[]>)[name] ?? { ends: 'passes' };
  return Array.isArray(script) ? script[Math.min(builds, script.length - 1)]! : script;
}

/** A stand-in OBS, an archive beside it, and the back-ends that were opened on them. */
export class ObsBench {
  readonly obs: ObsStandIn;
  readonly archive = new Map<string, Buffer>();
  readonly #opened: ObsBackend[] = [];
  #orders = 0;

  constructor(obs: ObsStandIn) {
    this.obs = obs;
  }

  static async make(options: Partial<ObsStandInOptions> = {}): Promise<ObsBench> {
    return new ObsBench(await startObs({ decide: scriptFor, ...options }));
  }

  options(more: Partial<ObsOptions> = {}): ObsOptions {
    return {
      name: 'obs',
      url: this.obs.url,
      project: PROJECT,
      template: templateOf([packageOf('main')]),
      auth: basicAuth(this.obs.user, this.obs.password),
      archive: { get: async (sha256) => Readable.from([this.archive.get(sha256)!]) },
      http: openHttp(),
      pace: new Pace(1_000, systemTime, () => 0.5),
      time: systemTime,
      pollMs: 300,
      changeMs: 5,
      settleMs: 30,
      liveLogMs: 20,
      ...more,
    };
  }

  open(more: Partial<ObsOptions> = {}): ObsBackend {
    const backend = openObsBackend(this.options(more));
    this.#opened.push(backend);
    return backend;
  }

  source(repository: string, scripts: Scripts, changed = true): OrderedSource {
    this.#orders += 1;
    const bytes = Buffer.from(JSON.stringify({ ...scripts, order: this.#orders }));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.archive.set(sha256, bytes);
    return { repository, changed, sha: sha256.slice(0, 40), sha256, size: bytes.length };
  }

  orderOf(scripts: Scripts, more: Partial<BuildOrder> = {}): BuildOrder {
    const source = this.source('raku/main', scripts);
    const number = this.#orders;
    return {
      key: `order-${number}`,
      runId: `run-${number}`,
      repository: 'raku/main',
      sources: [source],
      untrusted: false,
      ...more,
    };
  }

  async close(): Promise<void> {
    for (const backend of this.#opened) await backend.close();
    await this.obs.close();
  }
}
