import { createHmac, randomUUID } from 'node:crypto';
import type { Faults } from './faults.ts';
import type { AppRecord, Clock } from './state.ts';
import { isoSeconds } from './state.ts';

/** One attempt to deliver, as `GET /app/hook/deliveries` lists it. */
export interface Delivery {
  id: number;
  guid: string;
  event: string;
  action: string | null;
  installationId: number | null;
  repositoryId: number | null;
  redelivery: boolean;
  deliveredAt: string;
  /** Seconds. */
  duration: number;
  status: string;
  statusCode: number;
  url: string;
  requestHeaders: Record<string, string>;
  payload: Record<string, unknown>;
  responseHeaders: Record<string, string>;
  responseBody: string;
}

interface Waiting {
  guid: string;
  event: string;
  payload: Record<string, unknown>;
  redelivery: boolean;
}

/** GitHub waits so long for an answer. */
const PATIENCE = 10_000;
const KEPT_FOR = 3 * 24 * 3600_000;
const HOOK_ID = 12345678;
const BODY_KEPT = 10_000;
const MOST_EMITTED = 20_000;

/** Sends webhooks, one at a time and in order, and remembers each attempt. The API never waits for a receiver. */
export class Hooks {
  url: string | undefined;
  /** The latest of what was emitted, even what was dropped or had nobody to go to; for assertions. */
  readonly emitted: { event: string; payload: Record<string, unknown> }[] = [];
  readonly #clock: Clock;
  readonly #secret: string;
  readonly #app: AppRecord;
  readonly #waiting: Waiting[] = [];
  readonly #deliveries: Delivery[] = [];
  readonly #settled: (() => void)[] = [];
  readonly #stopping = new AbortController();
  faults: Faults | undefined;
  #busy = false;
  #lastId = 0;

  constructor(clock: Clock, secret: string, app: AppRecord, url: string | undefined) {
    this.#clock = clock;
    this.#secret = secret;
    this.#app = app;
    this.url = url;
  }

  emit(event: string, payload: Record<string, unknown>): void {
    this.emitted.push({ event, payload });
    if (this.emitted.length > MOST_EMITTED) this.emitted.shift();
    // Without an address GitHub sends nothing and lists nothing.
    if (!this.url || this.#isDropped(event, payload)) return;
    const guid = randomUUID();
    const copies = 1 + (this.faults?.forHooks.duplicate ?? 0);
    for (let copy = 0; copy < copies; copy += 1) this.#waiting.push({ guid, event, payload, redelivery: false });
    this.wake();
  }

  /** Newest first, three days back. */
  deliveries(): Delivery[] {
    const oldest = isoSeconds(new Date(this.#clock.now().getTime() - KEPT_FOR));
    const kept = this.#deliveries.findIndex((delivery) => delivery.deliveredAt >= oldest);
    this.#deliveries.splice(0, kept < 0 ? this.#deliveries.length : kept);
    return this.#deliveries.toReversed();
  }

  redeliver(delivery: Delivery): void {
    this.#waiting.push({ ...delivery, redelivery: true });
    this.wake();
  }

  /** Resolves when nothing is under way and nothing waits (except what is held back). */
  settled(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  stop(): void {
    this.#waiting.length = 0;
    this.#stopping.abort();
  }

  wake(): void {
    if (!this.#busy && !this.#isIdle()) void this.#work();
  }

  #isIdle(): boolean {
    return !this.#busy && (this.#waiting.length === 0 || Boolean(this.faults?.forHooks.hold));
  }

  #chance(): number {
    return (this.faults?.forHooks.random ?? Math.random)();
  }

  #isDropped(event: string, payload: Record<string, unknown>): boolean {
    const drop = this.faults?.forHooks.drop;
    if (drop === undefined) return false;
    if (typeof drop === 'number') return this.#chance() < drop;
    return drop({ event, action: actionOf(payload), payload });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    await new Promise(setImmediate); // Never inside the request that caused it.
    while (this.#waiting.length > 0 && !this.faults?.forHooks.hold) {
      const { shuffle, delayMs } = this.faults?.forHooks ?? {};
      if (delayMs) await new Promise((resolve) => setTimeout(resolve, delayMs));
      const at = shuffle ? Math.floor(this.#chance() * this.#waiting.length) : 0;
      const [next] = this.#waiting.splice(at, 1);
      if (next) await this.#deliver(next);
    }
    this.#busy = false;
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  async #deliver(waiting: Waiting): Promise<void> {
    const url = this.url;
    if (!url) return;
    const body = JSON.stringify(waiting.payload);
    const requestHeaders = this.#headers(waiting, body);
    const started = performance.now();
    const answer = await this.#post(url, body, requestHeaders);
    this.#lastId += 1;
    this.#deliveries.push({
      ...waiting,
      ...answer,
      id: this.#lastId,
      action: actionOf(waiting.payload),
      installationId: idOf(waiting.payload['installation']),
      repositoryId: idOf(waiting.payload['repository']),
      deliveredAt: isoSeconds(this.#clock.now()),
      duration: Math.round(performance.now() - started) / 1000,
      url,
      requestHeaders,
    });
  }

  #headers(waiting: Waiting, body: string): Record<string, string> {
    return {
      'Content-Type': 'application/json',
      'User-Agent': 'GitHub-Hookshot/stand-in',
      'X-GitHub-Delivery': waiting.guid,
      'X-GitHub-Event': waiting.event,
      'X-GitHub-Hook-ID': String(HOOK_ID),
      'X-GitHub-Hook-Installation-Target-ID': String(this.#app.id),
      'X-GitHub-Hook-Installation-Target-Type': 'integration',
      'X-Hub-Signature-256': `sha256=${createHmac('sha256', this.#secret).update(body).digest('hex')}`,
    };
  }

  async #post(url: string, body: string, headers: Record<string, string>) {
    const fail = this.faults?.forHooks.fail;
    if (fail !== undefined && this.#chance() < fail) return unanswered('failed to connect');
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE), this.#stopping.signal]);
      const answer = await fetch(url, { method: 'POST', body, headers, signal, redirect: 'manual' });
      const responseBody = (await answer.text()).slice(0, BODY_KEPT);
      const status = answer.ok ? 'OK' : `Invalid HTTP Response: ${answer.status}`;
      const responseHeaders = Object.fromEntries(answer.headers);
      return { status, statusCode: answer.status, responseHeaders, responseBody };
    } catch (error) {
      // The attempt is listed with what happened, as GitHub lists it.
      return unanswered(error instanceof DOMException ? 'timed out' : 'failed to connect');
    }
  }
}

function unanswered(status: string) {
  return { status, statusCode: 502, responseHeaders: {}, responseBody: '' };
}

function actionOf(payload: Record<string, unknown>): string | null {
  return typeof payload['action'] === 'string' ? payload['action'] : null;
}

function idOf(value: unknown): number | null {
  return (value as { id?: number } | undefined)?.id ?? null;
}
