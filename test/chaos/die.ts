/**
 * Preloaded (`node --import`) into the bot that is to die: counts what it does to the world, and ends it with SIGKILL at
 * step RCB_DIE_AT. Without that variable it only counts; SIGUSR2 makes it say how far it is.
 *
 * A step is a moment between two changes of the world, because between reads a crash is the same crash: a statement has
 * changed rows or a transaction is about to be committed, and has been; a request that writes is about to be sent, and
 * its answer has arrived; a process is about to be spawned, and was; a file is about to be renamed, linked or synced, and
 * was. Of what has just been done nobody here has learnt yet.
 */
import { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import pg from 'pg';

const STDERR = 2;
const dieAt = Number(process.env.RCB_DIE_AT ?? 0);
let taken = 0;

if (isMainThread) {
  process.on('SIGUSR2', () => writeSync(STDERR, `STEPS ${taken}\n`));
  watchStatements();
  watchRequests();
  watchProcesses();
  await watchFiles();
}

function step(what: string): void {
  taken += 1;
  if (taken !== dieAt) return;
  writeSync(STDERR, `DIED AT ${taken}: ${what.replace(/\s+/g, ' ').slice(0, 160)}\n`);
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
  client.query = function (this: Hidden, ...given: unknown[]) {
    const [first] = given;
    const text = (typeof first === 'string' ? first : String((first as { text?: unknown }).text ?? '')).trim();
    asked.set(this, text);
    if (/^COMMIT\b/i.test(text)) step('before COMMIT');
    return query.apply(this, given);
  };
  client._handleCommandComplete = function (this: Hidden, message) {
    if (hasChanged(asked.get(this) ?? '', message.text)) changed.add(this);
    return complete.call(this, message);
  };
  // Only now is what was asked outside a transaction committed.
  client._handleReadyForQuery = function (this: Hidden, message) {
    if (changed.delete(this)) step(`after ${asked.get(this)}`);
    return ready.call(this, message);
  };
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
      if (method !== 'GET') step(`${moment} ${method} ${path}`);
    });
  watch('before', 'undici:request:create');
  watch('after', 'undici:request:headers');
}

function watchProcesses(): void {
  const prototype = ChildProcess.prototype as unknown as { spawn(options: { args?: string[] }): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const words = (options.args ?? []).join(' ');
    step(`before spawning ${words}`);
    const answer = spawn.call(this, options);
    step(`after spawning ${words}`);
    return answer;
  };
}

async function watchFiles(): Promise<void> {
  const handle = await files.open(process.execPath, 'r');
  const prototype = Object.getPrototypeOf(handle) as Record<'sync' | 'datasync', () => Promise<void>>;
  await handle.close();
  for (const name of ['sync', 'datasync'] as const) prototype[name] = around(prototype[name], () => 'a file’s sync');
  const named = files as unknown as Record<'rename' | 'link', (from: string, to: string) => Promise<void>>;
  for (const name of ['rename', 'link'] as const) named[name] = around(named[name], (_, to) => `${name} to ${to}`);
  syncBuiltinESMExports();
}

/** A step before and a step after. */
function around<T extends unknown[]>(act: (...given: T) => Promise<void>, wordsOf: (...given: T) => string) {
  return async function (this: unknown, ...given: T): Promise<void> {
    step(`before ${wordsOf(...given)}`);
    await act.apply(this, given);
    step(`after ${wordsOf(...given)}`);
  };
}
