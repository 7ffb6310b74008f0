import { connect, type Socket } from 'node:net';

/**
 * A keep-alive HTTP client that costs next to nothing beside what it measures: requests are ready-made bytes, and of an
 * answer only its status and its end are looked for. One request at a time on each connection.
 */
export class Connection {
  readonly #socket: Socket;
  #answer = '';
  #waiting: { resolve(status: number): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('The server closed the connection.')));
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Connection(socket);
  }

  /** Answers the status. */
  send(request: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#answer += text;
    const end = this.#answer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = /^content-length: *(\d+)/im.exec(this.#answer.slice(0, end))?.[1];
    const isWhole =
      length === undefined ? this.#answer.endsWith('\r\n0\r\n\r\n') : this.#answer.length >= end + 4 + Number(length);
    if (!isWhole) return;
    const status = Number(this.#answer.slice(9, 12));
    this.#answer = '';
    this.#waiting?.resolve(status);
  }
}

export interface Load {
  perSecond: number;
  /** Of each answer, in milliseconds. */
  times: number[];
}

/** As fast as `connections` go for `ms`; any answer but 200 ends it all. */
export async function fullSpeed(port: number, next: () => Buffer, connections: number, ms: number): Promise<Load> {
  const opened = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  const times: number[] = [];
  const begun = performance.now();
  try {
    const one = async (connection: Connection) => {
      while (performance.now() - begun < ms) times.push(await timed(connection, next()));
    };
    await Promise.all(opened.map(one));
    return { perSecond: times.length / ((performance.now() - begun) / 1_000), times };
  } finally {
    for (const each of opened) each.close();
  }
}

/** So many per second, each when it is due, whether or not those before it were answered: a slow answer is not hidden by
 *  sending less. Times count from when a request was due. */
export async function steady(port: number, next: () => Buffer, perSecond: number, ms: number): Promise<Load> {
  const idle = await Promise.all(Array.from({ length: 16 }, () => Connection.open(port)));
  const all = [...idle];
  const another = async () => {
    const opened = await Connection.open(port);
    all.push(opened);
    return opened;
  };
  const times: number[] = [];
  const answers: Promise<void>[] = [];
  const begun = performance.now();
  const sendOne = async (dueAt: number) => {
    const connection = idle.pop() ?? (await another());
    await timed(connection, next());
    times.push(performance.now() - dueAt);
    idle.push(connection);
  };
  try {
    const count = Math.floor((perSecond * ms) / 1_000);
    for (let sent = 0; sent < count; sent += 1) {
      const dueAt = begun + (sent * 1_000) / perSecond;
      const early = dueAt - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      answers.push(sendOne(dueAt));
    }
    await Promise.all(answers);
    return { perSecond: times.length / ((performance.now() - begun) / 1_000), times };
  } finally {
    for (const each of all) each.close();
  }
}

async function timed(connection: Connection, request: Buffer): Promise<number> {
  const begun = performance.now();
  const status = await connection.send(request);
  if (status !== 200) throw new Error(`A request was answered ${status}.`);
  return performance.now() - begun;
}
