import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Backend, BuildObservation, BuildOrder, JobObservation, JobRef } from '../../../src/backends/backend.ts';
import { basicAuth } from '../../../src/backends/obs/auth.ts';
import { openHttp } from '../../../src/backends/obs/http.ts';
import { type ObsBackend, type ObsOptions, openObsBackend } from '../../../src/backends/obs/obs.ts';
import { Pace } from '../../../src/backends/obs/pace.ts';
import type { PackageTemplate, Template } from '../../../src/backends/obs/template.ts';
import { systemTime } from '../../../src/backends/obs/time.ts';
import { Unavailable } from './debs.ts';
import type { ObsServer } from './server.ts';

export const PROJECT = 'home:rcb';
export const SOURCE = 'raku/main';
export const never: AbortSignal = new AbortController().signal;
/** On a busy machine a build takes a minute. */
const END_DEADLINE_MS = 180_000;

/** What needs Debian's packages: its tests are skipped with the reason where it cannot run, and fail there under CI. */
export async function openOrWhy<T>(open: () => Promise<T>, environment: NodeJS.ProcessEnv): Promise<[T?, string?]> {
  try {
    return [await open(), undefined];
  } catch (error) {
    if (!(error instanceof Unavailable) || environment['CI']) throw error;
    return [undefined, error.message];
  }
}

/**
 * A package whose build runs `ci/<name>` of the source archive, in a chroot; what that leaves is the binary, so what is
 * of no use in it is removed.
 */
export function packageOf(
  name: string,
  more: { head?: string; mayBeLeftOut?: boolean; source?: string } = {},
): PackageTemplate {
  const source = more.source ?? SOURCE;
  const text = `Name: {{ package ${name} }}
Version: {{ version ${source} }}
${more.head ?? ''}
%build
mkdir /source
cd /source
tar -xzf /usr/src/packages/SOURCES/{{ archive ${source} }}
sh */ci/${name} || exit 1
cd /
rm -rf source usr/share usr/lib/locale usr/lib/x86_64-linux-gnu/perl-base var/lib/dpkg/info
`;
  const files = [{ name: 'simpleimage', text }];
  return { name, sources: [source], needs: [], mayBeLeftOut: more.mayBeLeftOut ?? false, files };
}

export const templateOf = (packages: PackageTemplate[]): Template => ({
  repositories: [{ name: 'standard', paths: [{ project: 'Base', repository: 'standard' }], architectures: ['x86_64'] }],
  packages,
});

/** Back-ends on a real OBS, and an archive beside it. */
export class RealBench {
  readonly server: ObsServer;
  readonly #archive = new Map<string, Buffer>();
  readonly #opened: ObsBackend[] = [];
  #orders = 0;

  constructor(server: ObsServer) {
    this.server = server;
  }

  open(template: Template, more: Partial<ObsOptions> = {}): ObsBackend {
    const { user, password } = this.server;
    const { url } = this.server.front;
    const backend = openObsBackend({
      name: 'obs',
      url,
      project: PROJECT,
      template,
      auth: basicAuth(user, password),
      archive: { get: async (sha256) => Readable.from([this.#archive.get(sha256)!]) },
      http: openHttp(),
      pace: new Pace(100, systemTime, Math.random),
      time: systemTime,
      pollMs: 5_000,
      changeMs: 100,
      settleMs: 2_000,
      liveLogMs: 500,
      ...more,
    });
    this.#opened.push(backend);
    return backend;
  }

  /** `scripts`: what `ci/<name>` says, by package. */
  async orderThat(scripts: Record<string, string>): Promise<BuildOrder> {
    this.#orders += 1;
    const word = `order-${this.#orders}`;
    const tar = pack();
    for (const [name, text] of Object.entries(scripts)) tar.entry({ name: `main/ci/${name}` }, `set -e\n${text}\n`);
    tar.entry({ name: 'main/order' }, word);
    tar.finalize();
    const bytes = gzipSync(await buffer(tar));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.#archive.set(sha256, bytes);
    const source = { repository: SOURCE, changed: true, sha: sha256.slice(0, 40), sha256, size: bytes.length };
    return { key: word, runId: word, repository: SOURCE, sources: [source], untrusted: false };
  }

  /** As the server itself gives it. */
  async logAtServer(project: string, name: string): Promise<Buffer> {
    const answer = await this.server.behind(`/build/${project}/standard/x86_64/${name}/_log?nostream=1`);
    return Buffer.from(await answer.arrayBuffer());
  }

  async binaryAtServer(project: string, name: string, file: string): Promise<Buffer> {
    const path = `/build/${project}/standard/x86_64/${name}/${encodeURIComponent(file)}`;
    const answer = await this.server.behind(path);
    return Buffer.from(await answer.arrayBuffer());
  }

  async resultAtServer(project: string): Promise<string> {
    return await (await this.server.behind(`/build/${project}/_result`)).text();
  }

  async close(): Promise<void> {
    for (const backend of this.#opened) await backend.close();
    await this.server.close();
  }
}

type Seen = Exclude<BuildObservation, { state: 'lost' }>;

export async function observeUntil(backend: Backend, id: string, isSo: (seen: Seen) => boolean): Promise<Seen> {
  const deadline = performance.now() + END_DEADLINE_MS;
  let digest: string | undefined;
  for (;;) {
    const seen = await backend.observe(id, { seen: digest, waitMs: 2_000 }, never);
    if (seen.state === 'lost') throw new Error(`lost: ${seen.why}`);
    if (isSo(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`not in ${END_DEADLINE_MS} ms; it is ${JSON.stringify(seen)}`);
    digest = seen.digest;
  }
}

export async function jobsAtEnd(backend: Backend, id: string): Promise<Map<string, JobObservation>> {
  const { jobs } = await observeUntil(backend, id, ({ state }) => state === 'finished');
  return new Map(jobs.map((job) => [job.name.split(' ', 1)[0]!, job]));
}

export const logOf = async (backend: Backend, id: string, { name, attempt }: JobRef, from = 0): Promise<Buffer> =>
  await buffer(await backend.readLog(id, { name, attempt }, from, never));
