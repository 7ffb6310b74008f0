import type { RunRow } from './reader.ts';
import type { RunsReader } from './reader-runs.ts';

/**
 * Follows the runs for all readers of a process: one poll of the store, however many read, and none while nobody does.
 *
 * Nothing is lost. A reader says up to when it knows the runs (the page that it was given, or the last thing that it
 * heard: `Last-Event-ID`), and is told first what was saved since then. A save becomes visible at its commit, which may be
 * later than its stamp by as much as a transaction may last: so every look goes back by OVERLAP_MS, and what was told is
 * remembered for so long. To be told a row twice does no harm.
 */
export interface Live {
  /** An event stream; undefined when there are too many readers already. */
  open(since: Date): ReadableStream<Uint8Array> | undefined;
  readers(): number;
}

export interface LiveOptions {
  reader: Pick<RunsReader, 'lastChange' | 'changesSince' | 'runRows'>;
  render(row: RunRow): string;
  onError(error: unknown): void;
  pollMs?: number;
  /** Proxies cut connections that say nothing. */
  heartbeatMs?: number;
  /** Then a stream ends, and its reader comes back and is asked anew who he is: what he may see can have changed. */
  lifeMs?: number;
  maxReaders?: number;
}

/** Transactions end after 30 s (src/database). */
const OVERLAP_MS = 60_000;
/** Who missed more is told to read the page again: one reader that comes back, and all of them. */
const MOST_MISSED = 200;
const MOST_CHANGES = 1_000;
/** A reader that does not take what it is told; it will come again. */
const MOST_BYTES = 4_000_000;
const RETRY_MS = 3_000;

const encoder = new TextEncoder();

/** `known`: up to when a reader who has heard it knows the runs. */
export const eventText = (event: 'run' | 'reset', told: object, known: Date): string =>
  `event: ${event}\nid: ${known.getTime()}\ndata: ${JSON.stringify(told)}\n\n`;

interface Told {
  text: string;
  known: Date;
  isWhole: boolean;
}

export function createLive(options: LiveOptions): Live {
  const { reader, pollMs = 1_000, heartbeatMs = 20_000, lifeMs = 120_000, maxReaders = 200 } = options;
  const clients = new Set<Client>();
  let follow: { stop(): void; started: Promise<void> } | undefined;

  async function changes(since: Date, most: number): Promise<Told & { stamps: Map<string, number> }> {
    const found = await reader.changesSince(new Date(since.getTime() - OVERLAP_MS), most + 1);
    const stamps = new Map(found.map(({ id, changedAt }) => [id, changedAt.getTime()]));
    if (found.length > most) {
      const known = (await reader.lastChange()) ?? since;
      return { text: eventText('reset', {}, known), known, isWhole: false, stamps };
    }
    const known = new Date(Math.max(since.getTime(), ...stamps.values()));
    return { text: '', known, isWhole: true, stamps };
  }

  async function tell(ids: string[], known: Date): Promise<string> {
    const rows = ids.length > 0 ? await reader.runRows(ids) : [];
    // Oldest first: a page puts each above the one before.
    return rows
      .toSorted((one, other) => (one.id < other.id ? -1 : 1))
      .map((row) => eventText('run', { id: row.id, html: options.render(row) }, known))
      .join('');
  }

  function startFollowing() {
    let isStopped = false;
    let isFailing = false;
    let known = new Date(0);
    let told = new Map<string, number>();
    let timer: NodeJS.Timeout | undefined;

    async function begin(): Promise<void> {
      known = (await reader.lastChange()) ?? new Date(0);
      told = (await changes(known, MOST_CHANGES)).stamps;
    }

    async function look(): Promise<void> {
      const seen = await changes(known, MOST_CHANGES);
      const fresh = [...seen.stamps].filter(([id, stamp]) => told.get(id) !== stamp).map(([id]) => id);
      const text = seen.isWhole ? await tell(fresh, seen.known) : seen.text;
      if (!seen.isWhole) seen.stamps = (await changes(seen.known, MOST_CHANGES)).stamps;
      ({ known, stamps: told } = seen);
      if (text) for (const client of clients) client.hear(text);
    }

    async function step(work: () => Promise<void>): Promise<void> {
      try {
        await work();
        isFailing = false;
      } catch (error) {
        // Readers stay: when the store is back they are told what they missed. Said once, not every second.
        if (!isFailing) options.onError(error);
        isFailing = true;
      }
      if (!isStopped) timer = setTimeout(() => void step(work === begin && isFailing ? begin : look), pollMs).unref();
    }

    const heartbeat = setInterval(() => {
      for (const client of clients) client.hear(': still here\n\n');
    }, heartbeatMs).unref();
    return {
      started: step(begin),
      stop() {
        isStopped = true;
        clearTimeout(timer);
        clearInterval(heartbeat);
      },
    };
  }

  function leave(client: Client): void {
    clients.delete(client);
    if (clients.size > 0) return;
    follow?.stop();
    follow = undefined;
  }

  /** What it missed comes first; what is told meanwhile waits behind it, so that no older row follows a newer one. */
  async function catchUp(client: Client, since: Date): Promise<void> {
    try {
      follow ??= startFollowing();
      await follow.started;
      const missed = await changes(since, MOST_MISSED);
      client.begin(missed.isWhole ? await tell([...missed.stamps.keys()], missed.known) : missed.text);
    } catch (error) {
      options.onError(error);
      client.end();
    }
  }

  return {
    readers: () => clients.size,
    open(since) {
      if (clients.size >= maxReaders) return undefined;
      const client = newClient(() => leave(client), lifeMs);
      clients.add(client);
      void catchUp(client, since);
      return client.stream;
    },
  };
}

interface Client {
  stream: ReadableStream<Uint8Array>;
  begin(text: string): void;
  hear(text: string): void;
  end(): void;
}

function newClient(onGone: () => void, lifeMs: number): Client {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let waiting: string[] | undefined = [];
  let hasLeft = false;
  const life = setTimeout(() => end(), lifeMs).unref();
  const onLeft = () => {
    clearTimeout(life);
    onGone();
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      cancel() {
        hasLeft = true;
        onLeft();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MOST_BYTES }),
  );
  const end = () => {
    if (hasLeft) return;
    hasLeft = true;
    controller.close();
    onLeft();
  };
  const write = (text: string) => {
    if (hasLeft) return;
    if ((controller.desiredSize ?? 0) <= 0) return end();
    if (text) controller.enqueue(encoder.encode(text));
  };
  write(`retry: ${RETRY_MS}\n\n`);
  return {
    stream,
    end,
    begin(text) {
      write(text);
      for (const told of waiting ?? []) write(told);
      waiting = undefined;
    },
    hear(text) {
      if (waiting) waiting.push(text);
      else write(text);
    },
  };
}
