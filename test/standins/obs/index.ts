import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from './build.ts';
import { type Answer, type Asked, notFound, readRequest, refusal, send, xmlAnswer } from './http.ts';
import { type JobContext, type JobScript, Scheduler } from './scheduler.ts';
import { source } from './source.ts';
import { type Job, jobKey, type Project } from './state.ts';

/**
 * A stand-in for an Open Build Service: its API as RCB uses it, with a scheduler that plays scripts. What it says was
 * seen on a real server, the oddities first: stale verdicts, a commit that answers 200 and commits nothing, aborts that
 * look like failures, files of the last success after a failure.
 */
export type { JobContext, JobScript } from './scheduler.ts';

export interface ObsStandInOptions {
  decide(context: JobContext): JobScript;
  /** From one code of a job to its next; default 3. */
  stepMs?: number;
  /** The server's clock minus ours; default 0. */
  skewSeconds?: number;
  user?: string;
  password?: string;
  /** Default Basic. With `signature` who asks signs: this says whether it is right. */
  signature?: (header: string) => boolean | Promise<boolean>;
  /** Give sessions, as a cookie that is enough to be known by. */
  sessions?: boolean;
  /** A proxy says 401 before the server can, with a page. */
  pages?: boolean;
  longPoll?: boolean;
  wantsSha256?: boolean;
}

export interface Fault {
  method?: string;
  path: RegExp;
  status: number;
  headers?: Record<string, string>;
  body?: string;
  /** Default 1. */
  times?: number;
}

export interface RequestSeen {
  method: string;
  /** Decoded. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  atMs: number;
}

export async function startObs(options: ObsStandInOptions): Promise<ObsStandIn> {
  const obs = new ObsStandIn(options);
  await obs.listen();
  return obs;
}

const SESSION = 'openSUSE_session';

export class ObsStandIn {
  readonly projects = new Map<string, Project>();
  readonly requests: RequestSeen[] = [];
  readonly scheduler: Scheduler;
  readonly user: string;
  readonly password: string;
  readonly #options: ObsStandInOptions;
  readonly #server: Server;
  readonly #faults: (Fault & { times: number })[] = [];
  readonly #waiting = new Map<Project, (() => void)[]>();
  readonly #sessions = new Set<string>();

  constructor(options: ObsStandInOptions) {
    this.#options = options;
    this.user = options.user ?? 'rcb';
    this.password = options.password ?? 'päss word';
    this.scheduler = new Scheduler({
      decide: options.decide,
      stepMs: options.stepMs ?? 3,
      now: () => Math.floor(Date.now() / 1_000) + (options.skewSeconds ?? 0),
      changed: (project) => this.#changed(project),
    });
    this.#server = createServer((req, res) => {
      void this.#answer(req).then(
        (answer) => send(res, answer),
        (error) => send(res, refusal(500, '500', String(error))),
      );
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.scheduler.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The next requests that fit are answered so. */
  fail(fault: Fault): void {
    this.#faults.push({ times: 1, ...fault });
  }

  /** A project as somebody made it by hand. */
  addProject(name: string, contents: string): Project {
    const meta = `<project name="${name}"><title/><description/>${contents}</project>`;
    const project: Project = { name, meta, config: '', packages: new Map(), jobs: new Map() };
    this.projects.set(name, project);
    return project;
  }

  /** As somebody deletes it by hand. */
  deleteProject(name: string): void {
    const project = this.projects.get(name)!;
    this.projects.delete(name);
    this.#changed(project);
  }

  job(project: string, name: string, repository = 'standard', arch = 'x86_64'): Job | undefined {
    return this.projects.get(project)?.jobs.get(jobKey({ repository, arch }, name));
  }

  /** Tell those who wait: something was changed by hand. */
  touch(project: string): void {
    this.#changed(this.projects.get(project)!);
  }

  count(path: RegExp, method = 'GET'): number {
    return this.requests.filter((seen) => seen.method === method && path.test(seen.path)).length;
  }

  async #answer(req: IncomingMessage): Promise<Answer> {
    const asked = await readRequest(req);
    const path = `/${asked.path.join('/')}`;
    const { method, query } = asked;
    this.requests.push({ method, path, query, headers: req.headers, atMs: performance.now() });
    const fault = this.#faults.find(
      (each) => each.times > 0 && (each.method ?? method) === method && each.path.test(path),
    );
    if (fault) {
      fault.times -= 1;
      return { status: fault.status, body: fault.body ?? '', type: 'text/html', headers: fault.headers };
    }
    if (asked.path[0] === 'about') return xmlAnswer('<about><title>Open Build Service API</title></about>');
    const known = await this.#isKnown(req);
    if (!known) return this.#stranger();
    const answer = await this.#route(asked);
    if (this.#options.sessions && known === 'anew') {
      const session = `s${this.#sessions.size + 1}`;
      this.#sessions.add(session);
      return { ...answer, headers: { ...answer.headers, 'set-cookie': `${SESSION}=${session}; path=/; HttpOnly` } };
    }
    return answer;
  }

  /** Sessions end: the next request has to say again who asks. */
  endSessions(): void {
    this.#sessions.clear();
  }

  async #isKnown({ headers }: IncomingMessage): Promise<'anew' | 'session' | undefined> {
    const session = new RegExp(`${SESSION}=(\\w+)`).exec(headers.cookie ?? '')?.[1];
    if (session !== undefined && this.#sessions.has(session)) return 'session';
    const { authorization = '' } = headers;
    const { signature } = this.#options;
    if (signature)
      return authorization.startsWith('Signature ') && (await signature(authorization)) ? 'anew' : undefined;
    const wanted = `Basic ${Buffer.from(`${this.user}:${this.password}`).toString('base64')}`;
    return authorization === wanted ? 'anew' : undefined;
  }

  #stranger(): Answer {
    const signature = 'Signature realm="Use your developer account",headers="(created)"';
    const basic = 'Basic realm="Use your login"';
    const headers = { 'www-authenticate': this.#options.signature ? `${basic}, ${signature}` : basic };
    if (this.#options.pages) {
      return { status: 401, body: '<html><body>Please <b>log in</b></body></html>', type: 'text/html', headers };
    }
    return { ...refusal(401, 'authentication_required', 'Authentication required'), headers };
  }

  async #route(asked: Asked): Promise<Answer> {
    const parts = {
      projects: this.projects,
      scheduler: this.scheduler,
      longPoll: this.#options.longPoll ?? true,
      wantsSha256: this.#options.wantsSha256 ?? false,
      change: (project: Project) => this.#change(project),
      gone: (project: Project) => this.#changed(project),
    };
    if (asked.path[0] === 'source') return source(asked, parts);
    if (asked.path[0] === 'build') return await build(asked, parts);
    if (asked.path.join('/') === 'search/project/id') return this.#search(asked);
    return notFound('no route');
  }

  #search({ query }: Asked): Answer {
    const prefix = /^starts-with\(@name,'([^']*)'\)$/.exec(query.get('match') ?? '')?.[1];
    if (prefix === undefined) return refusal(400, 'illegal_xpath_error', 'no such expression');
    const names = [...this.projects.keys()].filter((name) => name.startsWith(prefix));
    return xmlAnswer(
      `<collection matches="${names.length}">${names.map((name) => `<project name="${name}"/>`).join('')}</collection>`,
    );
  }

  #change(project: Project): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(project, [...(this.#waiting.get(project) ?? []), resolve]);
    });
  }

  #changed(project: Project): void {
    const waiting = this.#waiting.get(project) ?? [];
    this.#waiting.delete(project);
    for (const each of waiting) each();
  }
}
