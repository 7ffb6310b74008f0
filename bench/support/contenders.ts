import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { createServerDatabase } from '../../test/support/database.ts';
import { serverUrl } from './server.ts';

export type Kind = 'empty' | 'insert' | 'rcb' | 'loop';

/** A contender of bench/intake.ts (see contender.ts), with a database of its own. */
export interface Contender {
  port: number;
  /** For `loop`: let it insert for so long. */
  run<T>(task: object): Promise<T>;
  /** Empties its tables, so that every round begins alike; answers how many events its worker had handled. */
  clear(): Promise<{ stored: number; handled: number }>;
  stop(): Promise<void>;
}

const START_MS = 30_000;

export async function startContender(kind: Kind): Promise<Contender> {
  const database = await createServerDatabase(serverUrl());
  const child = fork(join(import.meta.dirname, 'contender.ts'), [kind, database.url], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  const stop = async () => {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    if (child.connected) child.disconnect();
    await ended;
    await database.drop();
  };
  try {
    const { port } = await nextMessage<{ port: number }>(child, START_MS);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    return {
      port,
      run: (task) => {
        child.send(task);
        return nextMessage(child, START_MS);
      },
      clear: () => clear(client),
      stop: async () => {
        await client.end();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function clear(client: pg.Client): Promise<{ stored: number; handled: number }> {
  const { rows } = await client.query(
    `SELECT count(*)::int AS stored, (count(*) FILTER (WHERE state = 'done'))::int AS handled FROM event`,
  );
  await client.query('TRUNCATE event, sighting');
  return rows[0];
}

async function nextMessage<T>(child: ChildProcess, deadlineMs: number): Promise<T> {
  const signal = AbortSignal.timeout(deadlineMs);
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`The contender ended with ${code}.`);
  });
  const message = once(child, 'message', { signal }).then(([value]) => value as T);
  ended.catch(() => undefined); // The message won the race; its signal ends this one later.
  return await Promise.race([message, ended]);
}
