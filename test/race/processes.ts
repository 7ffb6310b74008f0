/** The worker processes of the race, and their violent ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PrismaClient } from '../../src/generated/prisma/client.ts';
import { until } from '../support/until.ts';
import { LEASE_MS } from './plan.ts';

const STOP_DEADLINE_MS = 30_000;

export interface Takeover {
  /** Rows that ran in the killed process. */
  rows: number;
  /** From the kill until the last of them was in other hands. */
  ms: number;
}

/** A place in the race: one process at a time, replaced when it is killed. */
export class WorkerSlot {
  readonly name: string;
  readonly takeovers: Promise<Takeover>[] = [];
  readonly #url: string;
  readonly #skewMs: number;
  #child: ChildProcess | undefined;
  #incarnation = 0;
  #log = '';

  constructor(name: string, url: string, skewMs: number) {
    this.name = name;
    this.#url = url;
    this.#skewMs = skewMs;
  }

  get #fullName(): string {
    return `${this.name}.${this.#incarnation}`;
  }

  async start(): Promise<void> {
    this.#incarnation += 1;
    const here = (file: string) => join(import.meta.dirname, file);
    const child = spawn(process.execPath, ['--import', here('skewed-clock.ts'), here('worker.ts'), this.#fullName], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, RCB_RACE_DATABASE_URL: this.#url, RCB_RACE_SKEW_MS: String(this.#skewMs) },
    });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#log = `${this.#log}${text}`.slice(-20_000);
    });
    const first = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line').then(([line]) => line),
      once(child, 'exit').then(() => 'ended'),
    ]);
    if (first !== 'ready') throw new Error(`The worker ${this.#fullName} did not start:\n${this.#log}`);
  }

  /** kill -9 in the middle of its work; a successor starts at once, under another name. */
  async kill(prisma: PrismaClient): Promise<void> {
    const killed = this.#fullName;
    await until(async () => (await runningOf(prisma, killed)) > 0, 10_000).catch(() => undefined); // Nearly idle.
    const exited = once(this.#child!, 'exit');
    this.#child!.kill('SIGKILL');
    const at = performance.now();
    await exited;
    this.takeovers.push(untilTakenOver(prisma, killed, at));
    await this.start();
  }

  /** A graceful end; throws when it was not. */
  async stop(): Promise<void> {
    const child = this.#child!;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${this.name} had ended:\n${this.#log}`);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    const [code, signal] = await exited;
    clearTimeout(impatience);
    if (code !== 0) throw new Error(`${this.name} ended with ${code ?? signal}:\n${this.#log}`);
  }

  async abandon(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  get log(): string {
    return this.#log;
  }
}

async function untilTakenOver(prisma: PrismaClient, worker: string, at: number): Promise<Takeover> {
  const rows = await runningOf(prisma, worker);
  await until(async () => (await runningOf(prisma, worker)) === 0, 10 * LEASE_MS);
  return { rows, ms: rows > 0 ? performance.now() - at : 0 };
}

async function runningOf(prisma: PrismaClient, worker: string): Promise<number> {
  const where = { state: 'running', worker };
  return (await prisma.event.count({ where })) + (await prisma.effect.count({ where }));
}
