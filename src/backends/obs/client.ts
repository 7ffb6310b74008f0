import { Readable } from 'node:stream';
import type { RequestInit, Response } from 'undici';
import { BackendError, type BackendErrorKind } from '../backend.ts';
import type { ObsAuth } from './auth.ts';
import { Cookies } from './cookies.ts';
import type { ObsFetch } from './http.ts';
import type { Pace } from './pace.ts';
import { parseXml, textOf } from './xml.ts';

/** Errors tell how OBS answered: `status` of HTTP, and its own `code`, a symbolic word or a number. */
export class ObsError extends BackendError {
  readonly status: number;
  readonly code: string;
  readonly summary: string;
  constructor(kind: BackendErrorKind, message: string, said: ErrorSaid & { status: number; retryAfterMs?: number }) {
    super(kind, message, { retryAfterMs: said.retryAfterMs });
    this.name = 'ObsError';
    this.status = said.status;
    this.code = said.code;
    this.summary = said.summary;
  }
}

/** A running job's log is its worker's: `remote error: connect to 10.0.0.1 5252: Connection refused`, with status 400. */
export const isWorkerAway = (error: unknown): boolean => error instanceof ObsError && isAway(error);

export const isGone = (error: unknown): boolean => error instanceof ObsError && error.status === 404;

interface ErrorSaid {
  code: string;
  summary: string;
}

export interface ObsClientOptions {
  /** Of the API, without a slash at its end. */
  url: string;
  auth: ObsAuth;
  fetch: ObsFetch;
  pace: Pace;
}

export interface ObsRequest {
  method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Each is one segment, and escaped. */
  path: string[];
  query?: Record<string, string | string[] | undefined>;
  body?: ObsBody;
  /** For the answer as a whole; default 30 s. */
  deadlineMs?: number;
  /** Of the answer; default 8 MiB. */
  maxBytes?: number;
  signal: AbortSignal;
}

/** Made anew when the request has to be repeated. */
export interface ObsBody {
  type: 'application/xml' | 'application/octet-stream';
  size: number;
  open: () => Promise<Readable> | string;
}

export const xmlBody = (text: string): ObsBody => ({
  type: 'application/xml',
  size: Buffer.byteLength(text),
  open: () => text,
});

/** OBS's HTTP API: one request at a time, politely; every failure is a BackendError. */
export class ObsClient {
  readonly host: string;
  readonly #options: ObsClientOptions;
  readonly #cookies = new Cookies();

  constructor(options: ObsClientOptions) {
    this.#options = options;
    this.host = new URL(options.url).host;
  }

  /** The whole answer as text. */
  async text(request: ObsRequest): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of await this.stream(request)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  }

  /** The answer as it comes. Breaks with BackendError `refused` where it exceeds `maxBytes`. */
  async stream(request: ObsRequest): Promise<Readable> {
    const what = wordsOf(request);
    const deadline = AbortSignal.timeout(request.deadlineMs ?? DEADLINE_MS);
    const signal = AbortSignal.any([request.signal, deadline]);
    const failed = (error: unknown): BackendError => this.#failure(error, what, request.signal);
    try {
      const response = await this.#answer(request, signal);
      if (!response.ok) throw await this.#refusal(response, what);
      this.#options.pace.answered();
      return Readable.from(bounded(response, request.maxBytes ?? MOST_BYTES, what, failed), { objectMode: false });
    } catch (error) {
      throw failed(error);
    }
  }

  /** Signed in again, once, when the session or the signature has run out. */
  async #answer(request: ObsRequest, signal: AbortSignal): Promise<Response> {
    const { auth } = this.#options;
    const isInSession = auth.prefersSession && this.#cookies.header !== undefined;
    const first = await this.#ask(request, isInSession ? undefined : await auth.header(), signal);
    if (first.status !== 401) return first;
    this.#cookies.clear();
    const better = await auth.header(first.headers.get('www-authenticate') ?? '');
    if (better === undefined) return first;
    await first.body?.cancel();
    return await this.#ask(request, better, signal);
  }

  async #ask(request: ObsRequest, authorization: string | undefined, signal: AbortSignal): Promise<Response> {
    await this.#options.pace.turn(signal);
    const { body } = request;
    const cookie = this.#cookies.header;
    const response = await this.#options.fetch(this.#urlOf(request), {
      method: request.method ?? 'GET',
      headers: {
        accept: 'application/xml, */*',
        'user-agent': 'rcb',
        ...(authorization && { authorization }),
        ...(cookie && { cookie }),
        // A form's type would make OBS read the body as parameters; length spares servers that know no chunks.
        ...(body && { 'content-type': body.type, 'content-length': String(body.size) }),
      },
      // Nobody else gets the credentials.
      redirect: 'manual',
      signal,
      ...(body && (await bodyOf(body))),
    });
    this.#cookies.take(response.headers.getSetCookie());
    return response;
  }

  #urlOf({ path, query = {} }: ObsRequest): string {
    if (path.some((segment) => segment === '' || segment === '.' || segment === '..')) {
      throw new BackendError('refused', `'${path.join('/')}' is no path at OBS`);
    }
    const pairs = Object.entries(query).flatMap(([key, value]) =>
      value === undefined ? [] : [value].flat().map((each): [string, string] => [key, each]),
    );
    const search = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
    return `${this.#options.url}/${path.map(encodeURIComponent).join('/')}${search}`;
  }

  async #refusal(response: Response, what: string): Promise<BackendError> {
    const { status } = response;
    const said = errorIn(await startOf(response), response.statusText);
    const asked = retryAfterOf(response.headers.get('retry-after'));
    const isTooMuch = status === 429 || status === 503;
    const retryAfterMs = isTooMuch ? this.#options.pace.refused(asked) : undefined;
    const words = [said.code === String(status) ? '' : said.code, said.summary && `(${said.summary})`].filter(Boolean);
    const message = `${this.host} answered ${[status, ...words].join(' ')} to ${what}${adviceFor(status, this.#options.auth.user)}`;
    return new ObsError(kindOf(status, said), message, { ...said, status, retryAfterMs });
  }

  #failure(error: unknown, what: string, asker: AbortSignal): BackendError {
    if (error instanceof BackendError) return error;
    if (asker.aborted) return new BackendError('busy', `${what} was given up`, { cause: error });
    const why = error instanceof Error && error.name === 'TimeoutError' ? 'in time' : `(${reasonOf(error)})`;
    return new BackendError('unreachable', `${this.host} did not answer ${what} ${why}`, { cause: error });
  }
}

const DEADLINE_MS = 30_000;
const MOST_BYTES = 8 * 2 ** 20;
const MOST_ERROR_BYTES = 64 * 1024;

const wordsOf = ({ method = 'GET', path, query }: ObsRequest): string =>
  `${method} /${path.join('/')}${typeof query?.['cmd'] === 'string' ? `?cmd=${query['cmd']}` : ''}`;

async function bodyOf(body: ObsBody): Promise<RequestInit> {
  const opened = await body.open();
  if (typeof opened === 'string') return { body: opened };
  return { body: opened, duplex: 'half' };
}

async function* bounded(
  response: Response,
  maxBytes: number,
  what: string,
  failed: (error: unknown) => BackendError,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw new BackendError('refused', `the answer to ${what} is larger than ${maxBytes} bytes`);
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  } catch (error) {
    throw failed(error);
  }
}

async function startOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= MOST_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `<status code="unknown_project"><summary>…`, or whatever a proxy before OBS says instead. */
function errorIn(body: string, reason: string): ErrorSaid {
  try {
    const root = parseXml(body);
    if (root.name === 'status') {
      return { code: oneLine(root.attributes.get('code') ?? ''), summary: oneLine(textOf(root, 'summary') ?? reason) };
    }
  } catch {
    // Not OBS's own words: the status of HTTP has to do.
  }
  return { code: '', summary: /<html|<!doctype/i.test(body) ? 'a web page, not an answer of OBS' : oneLine(reason) };
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 300);

/** One of OBS's own servers could not reach another one. */
const isAway = ({ summary }: Pick<ErrorSaid, 'summary'>): boolean =>
  /\bconnect to \S+.*(refused|timed out|timeout|no route|unreachable)/i.test(summary);

/** OBS's status decides; its codes are symbolic words at the front and numbers behind it. */
function kindOf(status: number, { summary }: ErrorSaid): BackendErrorKind {
  if (status === 401) return 'misconfigured';
  if (status === 429 || status === 503 || status === 408) return 'busy';
  if (status >= 500) return 'unreachable';
  if (isAway({ summary })) return 'unreachable';
  return status === 400 && summary.includes('service in progress') ? 'busy' : 'refused';
}

function adviceFor(status: number, user: string): string {
  if (status === 401) return `: are OBS_USER (${user}) and its password or key right?`;
  if (status === 403) return `: the user ${user} may not do that there`;
  return status >= 300 && status < 400 ? ': the url in rcb.yaml has to be the API itself' : '';
}

function retryAfterOf(header: string | null): number | undefined {
  const seconds = header === null || !/^\d{1,6}$/.test(header.trim()) ? undefined : Number(header);
  return seconds === undefined ? undefined : Math.max(1, seconds) * 1_000;
}

function reasonOf(error: unknown): string {
  // `fetch failed` says nothing; its cause does.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return oneLine(cause instanceof Error ? cause.message || cause.name : String(cause));
}
