/**
 * Preloaded (`node --import`) into the bot that is to die: names what it does to the world, step by step, and ends it with
 * SIGKILL at the RCB_DIE_AT-th step named RCB_DIE_ON. Without these it only counts. SIGUSR2 makes it tell its steps so
 * far; SIGUSR1 makes it die at its next one, whatever that is.
 *
 * A step is a moment between two changes of the world, because between reads a crash is the same crash: a statement has
 * changed rows, or a transaction is about to be committed, and has been; a request that writes is about to be sent, and
 * its answer has arrived; a process is about to be spawned, and was; a file is about to be renamed, linked or synced, and
 * was. Of what has just been done nobody here has learnt yet.
 */
import { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { readlinkSync, writeSync } from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import pg from 'pg';

const STDERR = 2;
const dieOn = process.env.RCB_DIE_ON;
const dieAt = Number(process.env.RCB_DIE_AT ?? 1);
const taken = new Map<string, number>();
let isNextTheLast = false;

if (isMainThread) {
  process.on('SIGUSR2', () => writeSync(STDERR, `STEPS ${JSON.stringify(Object.fromEntries(taken))}\n`));
  process.on('SIGUSR1', () => {
    isNextTheLast = true;
  });
  watchStatements();
  watchRequests();
  watchProcesses();
  await watchFiles();
}

function step(name: string): void {
  const times = (taken.get(name) ?? 0) + 1;
  taken.set(name, times);
  if (!isNextTheLast && (name !== dieOn || times !== dieAt)) return;
  writeSync(STDERR, `DIED AT ${name}, time ${times}\n`);
  process.kill(process.pid, 'SIGKILL');
}

interface Hidden {
  query(...asked: unknown[]): unknown;
  _handleCommandComplete(message: { text: string }): void;
  _handleReadyForQuery(message: unknown): void;
}

function watchStatements(): void {
  const client = pg.Client.prototype as unknown as Hidden;
  const { query, _handleCommandComplete: complete, _handleReadyForQuery: ready } = client;
  const asked = new WeakMap<object, string>();
  const changed = new WeakSet<object>();
  /** What each connection has changed in its transaction. */
  const inside = new WeakMap<object, Set<string>>();
  client.query = function (this: Hidden, ...given: unknown[]) {
    const [first] = given;
    const text = typeof first === 'string' ? first : String((first as { text?: unknown }).text ?? '');
    const name = statementName(text);
    if (name === 'BEGIN') inside.set(this, new Set());
    const whole =
      name === 'COMMIT' ? `COMMIT of ${[...(inside.get(this) ?? [])].sort().join(', ') || 'nothing'}` : name;
    asked.set(this, whole);
    if (name === 'COMMIT') step(`before ${whole}`);
    return query.apply(this, given);
  };
  client._handleCommandComplete = function (this: Hidden, message) {
    if (hasChanged(asked.get(this) ?? '', message.text)) changed.add(this);
    return complete.call(this, message);
  };
  // Only now is what was asked outside a transaction committed.
  client._handleReadyForQuery = function (this: Hidden, message) {
    const name = asked.get(this)!;
    if (changed.delete(this)) {
      inside.get(this)?.add(name);
      step(`after ${name}`);
    }
    return ready.call(this, message);
  };
}

/** `INSERT run`; of others how they begin. */
function statementName(text: string): string {
  const [, verb, table] = /^\s*(INSERT|UPDATE|DELETE)(?: INTO| FROM)? "public"\."(\w+)"/.exec(text) ?? [];
  return verb ? `${verb} ${table}` : text.trim().replace(/\s+/g, ' ').slice(0, 29);
}

/** `tag`: PostgreSQL's command tag, `UPDATE 3`. What claims rows answers as a SELECT does. */
function hasChanged(text: string, tag: string): boolean {
  if (tag === 'COMMIT') return true;
  const mayChange = /^(INSERT|UPDATE|DELETE|MERGE)/.test(tag) || /^WITH\b/i.test(text);
  return mayChange && !tag.endsWith(' 0');
}

interface Requested {
  request: { method: string; path: string };
}

function watchRequests(): void {
  const watch = (moment: 'before' | 'after', channel: string) =>
    subscribe(channel, (message) => {
      const { method, path } = (message as Requested).request;
      if (method !== 'GET') step(`${moment} ${method} ${path.replace(/\?.*/, '').replace(/\d+/g, 'N')}`);
    });
  // What asks by fetch, and what asks by node's own client (Azure's library).
  watch('before', 'undici:request:create');
  watch('after', 'undici:request:headers');
  watch('before', 'http.client.request.created');
  watch('after', 'http.client.response.finish');
}

function watchProcesses(): void {
  const prototype = ChildProcess.prototype as unknown as { spawn(options: { args?: string[] }): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const [program = '', ...rest] = options.args ?? [];
    const what = rest.find((word) => !word.startsWith('-')) ?? '';
    const name = `spawning ${basename(program)} ${basename(what)}`;
    step(`before ${name}`);
    const answer = spawn.call(this, options);
    step(`after ${name}`);
    return answer;
  };
}

async function watchFiles(): Promise<void> {
  const handle = await files.open(process.execPath, 'r');
  const prototype = Object.getPrototypeOf(handle) as Record<
    'sync' | 'datasync',
    (this: { fd: number }) => Promise<void>
  >;
  await handle.close();
  for (const name of ['sync', 'datasync'] as const) {
    prototype[name] = around(prototype[name], ({ fd }) => `sync of ${fileName(readlinkSync(`/proc/self/fd/${fd}`))}`);
  }
  const named = files as unknown as Record<'rename' | 'link', (from: string, to: string) => Promise<void>>;
  for (const name of ['rename', 'link'] as const) {
    named[name] = around(named[name], (_, _from, to) => `${name} to ${fileName(to)}`);
  }
  syncBuiltinESMExports();
}

/** Where it is, without what is another each time: ids, digests, temporary names. */
function fileName(path: string): string {
  const [, inside = path] = /\/(data(?:\/.*)?)$/.exec(path) ?? [];
  return inside
    .replace(/(blobs)\/[0-9a-f]{2}\b/, '$1/N')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-z]{26}|[0-9a-f]{7,}|\d+/g, 'N')
    .replace(/N(\W?N)+/g, 'N');
}

/** A step before and a step after. */
function around<This, T extends unknown[]>(
  act: (this: This, ...given: T) => Promise<void>,
  nameOf: (self: This, ...given: T) => string,
) {
  return async function (this: This, ...given: T): Promise<void> {
    const name = nameOf(this, ...given);
    step(`before ${name}`);
    await act.apply(this, given);
    step(`after ${name}`);
  };
}
