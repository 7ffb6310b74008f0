import { type Channel, type ChannelModel, type ConsumeMessage, connect, type Options } from 'amqplib';
import { z } from 'zod';
import { MOST_HOOK_BYTES, OBS_HOOK_PATH, OBS_SIGNATURE_HEADER, signObsHook } from '../backends/obs/hook.ts';
import type { Config } from '../config/config.ts';
import { backOffMs } from '../core/back-off.ts';

/**
 * `rcb obs relay`: hears what an Open Build Service publishes on its message bus, and tells the bot, signed. The bus keeps
 * nothing for those who are away, and the bot polls anyway: what is lost here costs time, and nothing else.
 */
export interface ObsRelay {
  /** `amqps://user:password@host/vhost` */
  bus: string;
  /** Where OBS publishes: its `amqp_exchange_name`, and the `amqp_namespace` before each event's name. */
  exchange: string;
  namespace: string;
  /** Only what happens in this project or below it. */
  project: string;
  /** Of the bot. */
  url: string;
  /** OBS_HOOK_SECRET, as the bot has it. */
  secret: string;
  fetch: typeof fetch;
  say(line: string): void;
  /** In [0, 1). */
  random(): number;
  /** Waits before it connects, or posts, again: the first, and the longest. */
  waits?: { firstMs: number; mostMs: number };
  signal: AbortSignal;
}

/** openSUSE's, which everybody may hear. */
const OPENSUSE = {
  api: 'https://api.opensuse.org',
  bus: 'amqps://opensuse:opensuse@rabbit.opensuse.org',
  namespace: 'opensuse.obs',
};

export interface RelayOptions {
  exchange?: string;
  namespace?: string;
  project?: string;
  url?: string;
}

export type RelaySettings = Pick<ObsRelay, 'bus' | 'exchange' | 'namespace' | 'project' | 'url' | 'secret'>;

/** What the command line, rcb.yaml and the environment say. Throws, in words for people, what is missing. */
export function relaySettings(
  { backends, credentials, server }: Pick<Config, 'backends' | 'credentials' | 'server'>,
  given: RelayOptions,
): RelaySettings {
  const backend = backends.find((each) => each.kind === 'obs');
  const isOpenSuse = backend?.url === OPENSUSE.api;
  const project = given.project ?? backend?.project;
  const bus = credentials.obs.bus ?? (isOpenSuse ? OPENSUSE.bus : undefined);
  const secret = credentials.obs.hookSecret;
  if (!project) throw new Error('rcb.yaml names no backend of kind obs: say which --project to tell of.');
  if (!bus) throw new Error("OBS_BUS_URL is not set: amqps://user:password@host of the server's message bus.");
  if (!secret) throw new Error('OBS_HOOK_SECRET is not set: choose a long random one, the same for the bot and here.');
  return {
    bus,
    project,
    secret,
    exchange: given.exchange ?? 'pubsub',
    namespace: given.namespace ?? (isOpenSuse ? OPENSUSE.namespace : ''),
    url: given.url ?? server.publicUrl,
  };
}

/** Events after which a build may look different. (Source: OBS's administrator's guide, message bus.) */
const EVENTS = [
  ...['success', 'fail', 'unchanged', 'broken', 'unresolvable'].map((end) => `package.build_${end}`),
  'repo.build_started',
  'repo.build_finished',
  'repo.publish_state',
  'project.delete',
];
const WAITS = { firstMs: 1_000, mostMs: 60_000 };
/** Told together; the rest waits at the bus. */
const MOST_TOGETHER = 100;
/** Longer ones wait for nobody: the oldest go first, polling finds them. */
const MOST_WAITING = 10_000;
const MOST_MESSAGE_BYTES = 64 * 1024;
const CONNECT_DEADLINE_MS = 20_000;
const POST_DEADLINE_MS = 30_000;
const HEARTBEAT_SECONDS = 30;

/** Ends when the signal aborts. Throws for what no waiting helps: an address that is none. */
export async function relayObs(options: ObsRelay): Promise<void> {
  const { signal, say, random } = options;
  const { firstMs, mostMs } = options.waits ?? WAITS;
  if (signal.aborted) return;
  const where = addressOf(options.bus);
  const bus = await connect(where, {
    timeout: CONNECT_DEADLINE_MS,
    servername: where.hostname,
    recovery: {
      waitForConnect: false,
      calculateDelay: (attempt) => backOffMs(attempt, random(), firstMs, mostMs),
      setup: (model: ChannelModel) => listen(model, options),
    },
  });
  bus.on('connect', () =>
    say(`Connected to ${where.hostname}: ${options.project} and below is told to ${options.url}.`),
  );
  bus.on('reconnect-scheduled', ({ delay, error }) => {
    say(`${where.hostname}: ${error.message}. Connecting again in ${Math.ceil(delay / 1_000)} s.`);
  });
  // Said by the one before; without a listener it would end the process.
  bus.on('error', () => {});
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await bus.close().catch(() => {});
}

function addressOf(bus: string): Options.Connect & { hostname: string } {
  const url = URL.canParse(bus) ? new URL(bus) : undefined;
  if (!url || !/^amqps?:$/.test(url.protocol) || url.hostname === '') {
    throw new Error('The bus is no address like amqps://user:password@host.');
  }
  const isSecure = url.protocol === 'amqps:';
  return {
    protocol: isSecure ? 'amqps' : 'amqp',
    hostname: url.hostname,
    port: Number(url.port) || (isSecure ? 5671 : 5672),
    username: decodeURIComponent(url.username) || 'guest',
    password: decodeURIComponent(url.password) || 'guest',
    vhost: decodeURIComponent(url.pathname.slice(1)) || '/',
    heartbeat: HEARTBEAT_SECONDS,
  };
}

/** A queue of our own, which the bus forgets with us. */
async function listen(model: ChannelModel, options: ObsRelay): Promise<void> {
  const channel = await model.createChannel();
  // A connection whose channel the server closed is of no use: it is made anew.
  channel.on('error', (error) => options.say(`The bus: ${error.message}`));
  const outbox = new Outbox(channel, options);
  channel.on('close', () => {
    outbox.close();
    model.close().catch(() => {});
  });
  await channel.checkExchange(options.exchange);
  const { queue } = await channel.assertQueue('', {
    exclusive: true,
    autoDelete: true,
    durable: false,
    maxLength: MOST_WAITING,
  });
  for (const event of EVENTS) await channel.bindQueue(queue, options.exchange, keyOf(options.namespace, event));
  await channel.prefetch(MOST_TOGETHER);
  await channel.consume(queue, (message) => {
    // Null: the bus took the queue away.
    if (message) outbox.take(message);
    else channel.close().catch(() => {});
  });
}

const keyOf = (namespace: string, event: string): string => (namespace === '' ? event : `${namespace}.${event}`);

/** What was heard and not told yet. While the bot is away the bus holds back what comes. */
class Outbox {
  readonly #channel: Channel;
  readonly #options: ObsRelay;
  readonly #end = new AbortController();
  #waiting: ConsumeMessage[] = [];
  #isTelling = false;

  constructor(channel: Channel, options: ObsRelay) {
    this.#channel = channel;
    this.#options = options;
  }

  take(message: ConsumeMessage): void {
    this.#waiting.push(message);
    if (this.#isTelling) return;
    this.#isTelling = true;
    // What comes at the same time goes together.
    setImmediate(() => void this.#tellAll().catch((error) => this.#options.say(`The bus: ${error.message}`)));
  }

  close(): void {
    this.#end.abort();
    this.#waiting = [];
  }

  async #tellAll(): Promise<void> {
    const over = AbortSignal.any([this.#options.signal, this.#end.signal]);
    while (this.#waiting.length > 0 && !over.aborted) {
      const together = this.#waiting.splice(0, MOST_TOGETHER);
      const told = together.flatMap((message) => tellingOf(message, this.#options) ?? []);
      for (const body of bodiesOf(told)) await this.#tell(body, over);
      // Where the connection is gone, so are they.
      if (!over.aborted) this.#channel.ack(together.at(-1)!, true);
    }
    this.#isTelling = false;
  }

  /** Again and again, until the bot has it, or says that it never will. */
  async #tell(body: Buffer, over: AbortSignal): Promise<void> {
    const { waits = WAITS, random, say } = this.#options;
    for (let tries = 1; !over.aborted; tries += 1) {
      const failure = await post(body, this.#options, over);
      if (failure === undefined || over.aborted) return;
      if (failure.isFinal) return say(`${failure.why}: that is not told again.`);
      const ms = backOffMs(tries, random(), waits.firstMs, waits.mostMs);
      say(`${failure.why}. Trying again in ${Math.ceil(ms / 1_000)} s.`);
      await pause(ms, over);
    }
  }
}

/** As its payload names them; absent ones are absent. */
const payload = z.object({
  project: z.string(),
  package: z.string().optional(),
  repository: z.string().optional(),
  repo: z.string().optional(),
  arch: z.string().optional(),
  srcmd5: z.string().optional(),
});

/** What the bot wants to know of a message; undefined: nothing. */
function tellingOf({ content, fields }: ConsumeMessage, { project }: ObsRelay): string | undefined {
  if (content.length > MOST_MESSAGE_BYTES) return undefined;
  const parsed = payload.safeParse(jsonOf(content));
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const isOurs = data.project === project || data.project.startsWith(`${project}:`);
  return isOurs ? JSON.stringify({ event: fields.routingKey, ...data }) : undefined;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Lists, none longer than the bot takes. */
function bodiesOf(told: string[]): Buffer[] {
  const bodies: Buffer[] = [];
  let list: string[] = [];
  let bytes = 2;
  for (const each of told) {
    const size = Buffer.byteLength(each) + 1;
    if (bytes + size > MOST_HOOK_BYTES) {
      bodies.push(Buffer.from(`[${list}]`));
      list = [];
      bytes = 2;
    }
    list.push(each);
    bytes += size;
  }
  return list.length === 0 ? bodies : [...bodies, Buffer.from(`[${list}]`)];
}

interface Failure {
  why: string;
  isFinal: boolean;
}

async function post(body: Buffer, options: ObsRelay, signal: AbortSignal): Promise<Failure | undefined> {
  const url = new URL(OBS_HOOK_PATH, options.url);
  try {
    const response = await options.fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [OBS_SIGNATURE_HEADER]: signObsHook(body, options.secret) },
      body: new Uint8Array(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(POST_DEADLINE_MS)]),
    });
    await response.body?.cancel();
    if (response.ok) return undefined;
    const { status } = response;
    const advice = status === 401 ? ' (is OBS_HOOK_SECRET the same here and there?)' : '';
    // A wrong secret, or a bot without one, is something that a person is about to put right.
    const isFinal = status === 400 || status === 413;
    return { why: `${url.origin} answered ${status}${advice}`, isFinal };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message || cause.name : String(cause);
    return { why: `${url.origin} does not answer (${why})`, isFinal: false };
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
