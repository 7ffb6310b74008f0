/**
 * Preloaded into a bot (`node --import`): counts the statements that go to its database, embedded or not, and tells them
 * on the pipe that its parent gave it. Both kinds are spoken to through `pg`, so that is the place to count.
 */
import { writeSync } from 'node:fs';
import pg from 'pg';

const PIPE = 3;
let count = 0;
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function counted(this: pg.Client, ...args: never[]) {
  count += 1;
  return (query as (...args: unknown[]) => unknown).apply(this, args);
} as typeof query;

setInterval(() => writeSync(PIPE, `${count}\n`), 250).unref();
