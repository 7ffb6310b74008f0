import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { getBearerHandler, getPersonalAccessTokenHandler, WebApi } from 'azure-devops-node-api';
import type { Clock } from '../../clock.ts';
import { matchesAny } from '../../core/globs.ts';
import { azureMessages as words } from '../../core/messages-azure.ts';
import { BackendError } from '../backend.ts';
import type { Token, TokenSource } from './credentials.ts';
import { oneLine } from './text.ts';
import { type Headers, one, Rest } from './throttle.ts';

/**
 * HTTP with Azure, through azure-devops-node-api's own connections and credential handlers. Its typed methods are not
 * used: they answer `null` alike for 404 and for the sign-in page of an expired token, turn a result that they do not know
 * into number 0, which is "succeeded", drop the token of the next page, read answers of any size, and cannot be given up
 * (test/standins/azure/library.test.ts shows it).
 */
export interface ClientOptions {
  /** `https://dev.azure.com/ORG`, no slash at the end. */
  url: string;
  tokens: TokenSource;
  /** Globs of other hosts that may see the credentials: where pipeline artifacts are. */
  credentialHosts: string[];
  /** For one answer. Azure holds answers back for up to 30 s when it is asked too much, so well above that. */
  timeoutMs: number;
  clock: Clock;
  random: () => number;
}

export interface Call {
  method?: 'GET' | 'POST' | 'PATCH';
  /** Below the organisation (`/raku/_apis/…`), or an absolute URL. */
  url: string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  accept?: string;
  /** For people: `read build 7`. */
  what: string;
  signal: AbortSignal;
}

export interface JsonAnswer {
  status: number;
  /** Undefined: there was no body. */
  value: unknown;
  headers: Headers;
}

const MOST_JSON_BYTES = 32 * 2 ** 20;
const MOST_REDIRECTS = 5;
/** A pause up to that long is waited out; a longer one is told to the queue. */
const MOST_REST_MS = 40_000;
const MOST_SOCKETS = 16;
const MOST_SHOWN = 600;

export class AzureClient {
  readonly rest: Rest;
  readonly #options: ClientOptions;
  readonly #home: URL;
  readonly #connections = new Map<string, WebApi>();
  #connectionsOf: Token | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#home = new URL(options.url);
    this.rest = new Rest(options.clock, options.random);
  }

  /** 2xx and 404 are answers; all else throws BackendError. */
  async json(call: Call): Promise<JsonAnswer> {
    const url = this.#urlOf(call);
    const message = await this.#ask(url, call);
    const headers = message.headers;
    const type = typeOf(headers);
    const status = message.statusCode ?? 0;
    if (isSignIn(status, type, headers)) throw this.#drop(message, signInError());
    if (status >= 300 && status < 400) throw this.#drop(message, redirectError(call.what, headers));
    const text = await this.#text(message, call);
    const value = parseJson(text);
    if ((status >= 200 && status < 300) || status === 404) {
      if (text !== '' && value === undefined) throw unreadable(call.what, `not JSON but ${type || 'nothing named'}`);
      return { status, value, headers };
    }
    throw this.#refusal(call.what, status, value, headers);
  }

  /** A body to be read as it comes, of one of these types and no other. It errors with BackendError. */
  async stream(call: Call, types: readonly string[]): Promise<{ body: Readable; headers: Headers }> {
    let url = this.#urlOf(call);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const message = await this.#ask(url, call);
      const status = message.statusCode ?? 0;
      const type = typeOf(message.headers);
      if (status >= 300 && status < 400 && message.headers.location) {
        const isRefused = isSignIn(status, type, message.headers);
        if (isRefused) throw this.#drop(message, this.#mayKnow(url) ? signInError() : strangerError(call.what, url));
        const next = URL.parse(message.headers.location, url.href);
        if (!next || !this.#isFetchable(next)) throw this.#drop(message, redirectError(call.what, message.headers));
        this.#drop(message);
        url = next;
        continue;
      }
      if (!this.#mayKnow(url) && (status === 401 || isSignIn(status, type, message.headers))) {
        throw this.#drop(message, strangerError(call.what, url));
      }
      if (isSignIn(status, type, message.headers)) throw this.#drop(message, signInError());
      if (status !== 200) {
        throw this.#refusal(call.what, status, parseJson(await this.#text(message, call)), message.headers);
      }
      if (!types.includes(type)) throw this.#drop(message, notThat(call.what, type));
      return { body: this.#body(message, call), headers: message.headers };
    }
    throw new BackendError('misconfigured', words.redirected(call.what, `${url.host}, again and again`));
  }

  /** May this address be asked for what Azure says is there? Without credentials, unless its host is named. */
  isFetchable(text: string): boolean {
    const url = URL.parse(text);
    return url !== null && this.#isFetchable(url);
  }

  /** Text from outside or from a failure, fit for a message: one line, short, no secrets. */
  shown(text: string): string {
    let shown = text;
    for (const secret of this.#options.tokens.secrets()) shown = shown.replaceAll(secret, '***');
    return oneLine(shown, MOST_SHOWN);
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.rest.client.dispose();
    this.#connections.clear();
  }

  #urlOf({ url, query = {} }: Call): URL {
    const whole = new URL(url.startsWith('/') ? `${this.#options.url}${url}` : url);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) whole.searchParams.set(name, String(value));
    }
    return whole;
  }

  #isFetchable(url: URL): boolean {
    if (url.username || url.password) return false;
    // What runs without TLS at home (a test, a server behind a proxy) may be so elsewhere; never the other way.
    return url.protocol === 'https:' || (url.protocol === 'http:' && this.#home.protocol === 'http:');
  }

  #mayKnow(url: URL): boolean {
    if (url.origin === this.#home.origin) return true;
    return url.protocol === this.#home.protocol && matchesAny(this.#options.credentialHosts, url.host);
  }

  /** One exchange up to the answer's headers; a second one when a token was refused and another can be had. */
  async #ask(url: URL, call: Call): Promise<IncomingMessage> {
    const { tokens } = this.#options;
    for (let isLast = false; ; isLast = true) {
      const token = this.#mayKnow(url) ? await this.#token(call.signal) : undefined;
      const message = await this.#exchange(url, call, token);
      const isRefused =
        message.statusCode === 401 || isSignIn(message.statusCode, typeOf(message.headers), message.headers);
      if (!token || !isRefused || isLast || !tokens.refused(token)) return message;
      this.#drop(message);
    }
  }

  async #token(signal: AbortSignal): Promise<Token> {
    try {
      return await this.#options.tokens.current(signal);
    } catch (error) {
      if (error instanceof BackendError || signal.aborted) throw error;
      throw new BackendError('unreachable', words.noToken(this.shown(reasonOf(error))), { cause: error });
    }
  }

  async #exchange(
    url: URL,
    { method = 'GET', body, accept, what, signal }: Call,
    token?: Token,
  ): Promise<IncomingMessage> {
    signal.throwIfAborted();
    if (!(await this.rest.over(MOST_REST_MS, signal))) {
      const retryAfterMs = this.rest.leftMs;
      throw new BackendError('busy', words.resting(Math.ceil(retryAfterMs / 1000)), { retryAfterMs });
    }
    const headers = { accept: accept ?? 'application/json', ...(body !== undefined && jsonBody) };
    const text = body === undefined ? '' : JSON.stringify(body);
    const asked = this.#connection(url, token).rest.client.request(method, url.href, text, headers);
    try {
      const { message } = await this.#inTime(asked, signal);
      this.rest.note(message.statusCode ?? 0, message.headers);
      return message;
    } catch (error) {
      if (signal.aborted) throw error;
      const why = error instanceof SlowError ? words.slow(this.#options.timeoutMs / 1000) : this.shown(reasonOf(error));
      throw new BackendError('unreachable', words.unreachable(what, why), { cause: error });
    }
  }

  /** The library's request cannot be given up: what comes after its time is thrown away. */
  async #inTime<T extends { message: IncomingMessage }>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
    const either = AbortSignal.any([signal, timeout]);
    const { promise: givenUp, reject } = Promise.withResolvers<never>();
    const giveUp = () => {
      reject(signal.aborted ? signal.reason : new SlowError());
      asked.then(({ message }) => this.#drop(message), ignored);
    };
    either.addEventListener('abort', giveUp, { once: true });
    try {
      return await Promise.race([asked, givenUp]);
    } finally {
      either.removeEventListener('abort', giveUp);
    }
  }

  /** A connection knows one origin and one token: what it is redirected to, nothing is told. */
  #connection(url: URL, token: Token | undefined): WebApi {
    if (token && token !== this.#connectionsOf) {
      this.close();
      this.#connectionsOf = token;
    }
    const key = token ? url.origin : 'anonymous';
    const known = this.#connections.get(key);
    if (known) return known;
    const { timeoutMs } = this.#options;
    const made = new WebApi(
      this.#options.url,
      handlerOf(token),
      {
        allowRedirects: false,
        allowRetries: false,
        keepAlive: true,
        maxSockets: MOST_SOCKETS,
        socketTimeout: timeoutMs,
      },
      { productName: 'rcb', productVersion: '1' },
    );
    this.#connections.set(key, made);
    return made;
  }

  async #text(message: IncomingMessage, { what, signal }: Call): Promise<string> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const deadline = AbortSignal.timeout(this.#options.timeoutMs);
    for await (const chunk of this.#body(message, { what, signal: AbortSignal.any([signal, deadline]) })) {
      bytes += (chunk as Buffer).length;
      if (bytes > MOST_JSON_BYTES) {
        throw new BackendError('refused', words.tooLarge(what, MOST_JSON_BYTES / 2 ** 20));
      }
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks)
      .toString('utf8')
      .replace(/^\uFEFF/, '');
  }

  /** The bytes of an answer, whole or with an error: an answer that breaks off is not a short one. */
  #body(message: IncomingMessage, { what, signal }: Pick<Call, 'what' | 'signal'>): Readable {
    const broken = (error: unknown) => {
      const why = this.shown(reasonOf(error));
      return new BackendError('unreachable', words.unreachable(what, why), { cause: error });
    };
    const tooSlow = words.slow(this.#options.timeoutMs / 1000);
    async function* bytes(): AsyncGenerator<Buffer> {
      const stop = () => message.destroy(new Error(tooSlow));
      signal.addEventListener('abort', stop, { once: true });
      try {
        signal.throwIfAborted();
        for await (const chunk of message) yield chunk as Buffer;
      } catch (error) {
        throw signal.aborted && signal.reason?.name !== 'TimeoutError' ? signal.reason : broken(error);
      } finally {
        signal.removeEventListener('abort', stop);
        message.destroy();
      }
    }
    return Readable.from(bytes(), { objectMode: false });
  }

  #drop<T>(message: IncomingMessage, error?: T): T {
    message.on('error', ignored);
    void finished(message).catch(ignored);
    message.destroy();
    return error as T;
  }

  #refusal(what: string, status: number, value: unknown, headers: Headers): BackendError {
    const said = this.shown(saidIn(value) || one(headers['content-type']) || 'no reason was given');
    if (status === 401) return signInError();
    if (status === 403) return new BackendError('misconfigured', words.forbidden(what, said), { retry: true });
    const message = words.answered(what, status, said);
    const retryAfterMs = this.rest.leftMs || undefined;
    if (status === 429) return new BackendError('busy', message, { retryAfterMs });
    if (status >= 500 || status === 408) return new BackendError('unreachable', message, { retryAfterMs });
    return new RefusedError(message, status, said);
  }
}

/** Azure understood and said no: 400, 404 of a stream, 409, … */
export class RefusedError extends BackendError {
  readonly status: number;
  readonly said: string;
  constructor(message: string, status: number, said: string) {
    super('refused', message);
    this.status = status;
    this.said = said;
  }
}

class SlowError extends Error {}

const jsonBody = { 'content-type': 'application/json; charset=utf-8' };
const anonymous = {
  prepareRequest: () => {},
  canHandleAuthentication: () => false,
  handleAuthentication: () => Promise.reject(new Error('there are no credentials')),
};

function handlerOf(token: Token | undefined) {
  if (!token) return anonymous;
  return token.scheme === 'pat'
    ? getPersonalAccessTokenHandler(token.value, false)
    : getBearerHandler(token.value, false);
}

/** 203, or HTML where none belongs, or the way to a sign-in page: all three are how Azure refuses a token [facts W]. */
function isSignIn(status: number | undefined, type: string, headers: Headers): boolean {
  if (status === 203 || (status === 200 && type === 'text/html')) return true;
  const location = one(headers['location']) ?? '';
  return (
    status === 302 &&
    /\/_signin\b|^https:\/\/(login|sps\w*|app)\.(vssps\.)?(microsoftonline|visualstudio|dev\.azure)\.com\//i.test(
      location,
    )
  );
}

const signInError = () => new BackendError('misconfigured', words.signIn, { retry: true, retryAfterMs: 10_000 });
/** It wants credentials, and may not have ours. */
const strangerError = (what: string, url: URL) => new RefusedError(words.stranger(what, url.host), 401, '');
const notThat = (what: string, type: string) =>
  new BackendError('unparsable', words.notThat(what, oneLine(type || 'something unnamed')));
const unreadable = (what: string, why: string) => new BackendError('unparsable', words.unreadable(what, oneLine(why)));

function redirectError(what: string, headers: Headers): BackendError {
  const host = URL.parse(one(headers['location']) ?? '')?.host ?? 'another place';
  return new BackendError('misconfigured', words.redirected(what, oneLine(host)));
}

const typeOf = (headers: Headers): string => (one(headers['content-type']) ?? '').split(';')[0]!.trim().toLowerCase();

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function saidIn(value: unknown): string {
  const said = (value as { message?: unknown } | undefined)?.message;
  return typeof said === 'string' ? said : '';
}

/** A code like ECONNREFUSED says more, and shows less, than the message. */
function reasonOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message ?? error);
}

function ignored(): void {}
