import type { Client } from 'pg';
import type { DatabaseLog } from './database.ts';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;
const HEARTBEAT_MS = 30_000;

/**
 * One connection that only listens, for all channels of a PostgreSQL database. It is opened with the first channel;
 * when it is lost it comes back by itself, with growing pauses, and tells every subscriber '' then, because
 * notifications may have been missed.
 */
export class Listener {
  readonly #connect: () => Client;
  readonly #log: DatabaseLog;
  readonly #subscribers = new Map<string, Set<(payload: string) => void>>();
  #opening: Promise<Client> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(connect: () => Client, log: DatabaseLog) {
    this.#connect = connect;
    this.#log = log;
  }

  async listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>> {
    const subscribers = this.#subscribers.get(channel) ?? new Set();
    this.#subscribers.set(channel, subscribers.add(onNotify));
    try {
      // When the connection was lost just now, the reconnection listens to the new channel as well.
      this.#opening ??= this.#open();
      const client = await this.#opening;
      await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      subscribers.delete(onNotify);
      throw error;
    }
    return async () => {
      subscribers.delete(onNotify);
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const client = await this.#opening?.catch(() => undefined);
    await client?.end();
  }

  async #open(): Promise<Client> {
    const client = this.#connect();
    let isOpen = false;
    let why: Error | undefined;
    const heartbeat = setInterval(() => beat(client), HEARTBEAT_MS).unref();
    client.on('error', (error) => {
      why = error; // The end of the connection follows, and is what counts.
    });
    client.on('end', () => {
      clearInterval(heartbeat);
      if (!isOpen || this.#isClosed) return;
      this.#opening = undefined;
      this.#reopenLater(why, FIRST_RETRY_MS);
    });
    client.on('notification', ({ channel, payload }) => this.#tell(channel, payload ?? ''));
    try {
      await client.connect();
      for (const channel of this.#subscribers.keys()) await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
      isOpen = true;
      return client;
    } catch (error) {
      clearInterval(heartbeat);
      this.#opening = undefined;
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  #reopenLater(error: unknown, delayMs: number): void {
    this.#log.warn({ err: error, delayMs }, 'The listening database connection was lost; it will be opened again');
    this.#retry = setTimeout(async () => {
      this.#opening ??= this.#open();
      try {
        await this.#opening;
      } catch (again) {
        if (!this.#isClosed) this.#reopenLater(again, Math.min(delayMs * 2, LONGEST_RETRY_MS));
        return;
      }
      for (const channel of this.#subscribers.keys()) this.#tell(channel, '');
    }, delayMs);
  }

  #tell(channel: string, payload: string): void {
    for (const onNotify of this.#subscribers.get(channel) ?? []) onNotify(payload);
  }
}

/** A peer that vanished without a word is noticed only by asking. The client has a `query_timeout`. */
function beat(client: Client): void {
  client.query('SELECT 1').catch(() => client.end().catch(() => undefined));
}
