/** An instance of the bot: the real command line in a process of its own, and its violent ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '..', '..');
const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 30_000;
const LOG_KEPT = 60_000;

/** At which step it shall die (see die.ts). */
export interface Death {
  step: string;
  /** 1: the first time. */
  time: number;
}

export interface InstanceOptions {
  /** Its working directory, with an rcb.yaml. */
  dir: string;
  env: Record<string, string>;
  /** Absent: it lives. */
  death?: Death;
}

/** How often each step was taken. */
export type Steps = Record<string, number>;

export class Instance {
  /** Where it listens; undefined until it is ready, and when it died before that. */
  port: number | undefined;
  /** The step it died at, in words; undefined while it lives, and when it ended otherwise. */
  diedAt: string | undefined;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #counted: ((steps: Steps) => void)[] = [];
  #log = '';

  constructor({ dir, env, death }: InstanceOptions) {
    const preload = join(import.meta.dirname, 'die.ts');
    this.#child = spawn(process.execPath, ['--import', preload, join(root, 'src', 'cli.ts'), 'start'], {
      cwd: dir,
      // A group of its own: Ctrl-C ends the judge, and the judge ends what it started.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, ...(death ? { RCB_DIE_ON: death.step, RCB_DIE_AT: String(death.time) } : {}) },
    });
    this.#ended = once(this.#child, 'exit');
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#read(line));
    createInterface({ input: this.#child.stderr! }).on('line', (line) => this.#readError(line));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of what it said. */
  get log(): string {
    return this.#log;
  }

  /** False: it died at its step before it was ready. Throws when it ended otherwise, or does not get ready. */
  async ready(): Promise<boolean> {
    const deadline = Date.now() + READY_DEADLINE_MS;
    while (this.port === undefined && this.isAlive) {
      if (Date.now() > deadline) throw new Error(`An instance does not get ready:\n${this.#log}`);
      await pause(10);
    }
    if (!this.isAlive) await this.died();
    return this.isAlive;
  }

  /** Resolves when it died at its step; throws when it ended otherwise. */
  async died(): Promise<void> {
    await this.#ended;
    await pause(20); // Its last words are on their way.
    if (this.diedAt === undefined) {
      throw new Error(`An instance ended by itself (${this.#child.exitCode ?? this.#child.signalCode}):\n${this.#log}`);
    }
  }

  /** What it has done so far. */
  async steps(): Promise<Steps> {
    return new Promise((resolve) => {
      this.#counted.push(resolve);
      this.#child.kill('SIGUSR2');
    });
  }

  /** It shall die at whatever it does next. */
  hurry(): void {
    this.#child.kill('SIGUSR1');
  }

  async kill(): Promise<void> {
    if (this.isAlive) this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** A graceful end; throws when it was not. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await this.#ended;
    clearTimeout(impatience);
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== 0) throw new Error(`An instance ended with ${exitCode ?? signalCode}:\n${this.#log}`);
  }

  #read(line: string): void {
    this.#keep(line);
    if (this.port !== undefined || !line.includes('is ready')) return;
    this.port = (JSON.parse(line) as { port: number }).port;
  }

  #readError(line: string): void {
    this.#keep(line);
    const [, death] = /^DIED AT (.*)$/.exec(line) ?? [];
    if (death !== undefined) this.diedAt = death;
    const [, steps] = /^STEPS (.*)$/.exec(line) ?? [];
    if (steps !== undefined) this.#counted.shift()?.(JSON.parse(steps) as Steps);
  }

  #keep(line: string): void {
    if (line.includes('"name":"http"')) return; // The judge's own questions.
    this.#log = `${this.#log}${line}\n`.slice(-LOG_KEPT);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
