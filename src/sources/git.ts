/**
 * Running git, and nothing else about it: an own small environment, a clean configuration, bounded output, a time-out,
 * an abort signal. Always asynchronous: a test serves git over HTTP from the same process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

export interface Git {
  /** Run to the end. A non-zero exit code is a result; only a time-out, an abort and a git that cannot be started throw. */
  run(args: string[], options: RunOptions): Promise<GitResult>;
  /** Start for streaming. The caller reads `stdout` to its end, or calls `stop`. */
  start(args: string[], options: GitOptions): GitProcess;
}

export interface GitOptions {
  signal: AbortSignal;
  /** Configuration for this command. It travels in the environment, so a secret is neither on disk nor in `ps`. */
  config?: Record<string, string>;
  /** More variables for this command. */
  environment?: Record<string, string>;
}

export interface RunOptions extends GitOptions {
  timeoutMs: number;
  /** What is beyond is read and thrown away. Default 1 MiB. */
  maxOutput?: number;
  /** What it gets on its standard input. */
  input?: string | Uint8Array;
}

export interface GitResult {
  /** 128 plus the signal's number is not imitated: a git that was killed has code -1. */
  code: number;
  stdout: Buffer;
  /** The last 16 KiB. Not scrubbed. */
  stderr: string;
}

export interface GitProcess {
  stdin: Writable;
  stdout: Readable;
  /** Resolves when git is gone, whatever the reason; rejects only when git could not be started. */
  ended: Promise<{ code: number; stderr: string }>;
  stop(): void;
}

/** Git was stopped because it took longer than it was given. */
export class GitTimeout extends Error {
  constructor(timeoutMs: number) {
    super(`git did not finish within ${Math.round(timeoutMs / 1000)} s`);
    this.name = 'GitTimeout';
  }
}

const MAX_STDERR = 16 * 1024;
const MAX_OUTPUT = 1024 * 1024;
/** After SIGTERM git removes its lock files and half-written packs; after this it is killed. */
const GRACE_MS = 2000;

/** What is taken over from the environment of the service. HOME is not: there may be a `.netrc` in it. */
const INHERITED =
  /^(PATH|TMPDIR|SSL_CERT_FILE|SSL_CERT_DIR|GIT_SSL_CAINFO|GIT_SSL_CAPATH|https?_proxy|all_proxy|no_proxy)$/i;

const ENVIRONMENT: Record<string, string> = {
  HOME: '/nonexistent',
  LC_ALL: 'C', // Its messages are read.
  TZ: 'UTC',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '',
  SSH_ASKPASS: '',
  GIT_NO_REPLACE_OBJECTS: '1', // A replaced object would not be the one its sha names.
  GIT_ALLOW_PROTOCOL: 'none', // No transport, unless a fetch names the one that its URL needs.
};

const CONFIGURATION: Record<string, string> = {
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.askPass': '',
  'credential.helper': '',
  'i18n.logOutputEncoding': 'UTF-8',
};

/** `environment` is the service's own; only what git needs of it is passed on. */
export function openGit(program: string, environment: Record<string, string | undefined>): Git {
  const base: Record<string, string> = { PATH: '/usr/local/bin:/usr/bin:/bin' };
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && INHERITED.test(name)) base[name] = value;
  }
  const start = (args: string[], options: GitOptions) => startGit(program, args, base, options);
  return { start, run: (args, options) => runGit(start, args, options) };
}

async function runGit(start: Git['start'], args: string[], options: RunOptions): Promise<GitResult> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const git = start(args, { ...options, signal: AbortSignal.any([options.signal, timeout]) });
  git.stdin.end(options.input);
  const [stdout, { code, stderr }] = await Promise.all([
    collect(git.stdout, options.maxOutput ?? MAX_OUTPUT),
    git.ended,
  ]);
  options.signal.throwIfAborted();
  if (timeout.aborted && code !== 0) throw new GitTimeout(options.timeoutMs);
  return { code, stdout, stderr };
}

function startGit(program: string, args: string[], base: Record<string, string>, options: GitOptions): GitProcess {
  options.signal.throwIfAborted();
  const environment = { ...base, ...ENVIRONMENT, ...options.environment };
  const child = spawn(program, args, {
    cwd: '/',
    env: { ...environment, ...configurationVariables({ ...CONFIGURATION, ...options.config }) },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true, // Its own process group: the transport's helpers are stopped with it.
  });
  child.stdin.on('error', () => {}); // A git that ended early says why on stderr and by its exit code.
  const stop = () => stopGroup(child);
  options.signal.addEventListener('abort', stop, { once: true });
  const ended = endOf(child).finally(() => options.signal.removeEventListener('abort', stop));
  ended.catch(() => {}); // Whoever awaits it sees the error; whoever has failed before that need not.
  return { stdin: child.stdin, stdout: child.stdout, ended, stop };
}

function endOf(child: ChildProcess): Promise<{ code: number; stderr: string }> {
  let stderr = Buffer.alloc(0);
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-MAX_STDERR);
  });
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new Error(`git cannot be started: ${cause.message}. Is git installed?`, { cause }));
    });
    child.once('close', (code) => resolve({ code: code ?? -1, stderr: stderr.toString() }));
  });
}

function stopGroup(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.stdout?.resume(); // Unread output would keep `close` from coming.
  signalGroup(child, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
  child.once('close', () => clearTimeout(timer));
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // ESRCH: it is gone already.
  }
}

async function collect(stream: Readable, max: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (size < max) chunks.push(chunk.subarray(0, max - size));
    size += chunk.length;
  }
  return Buffer.concat(chunks);
}

function configurationVariables(config: Record<string, string>): Record<string, string> {
  const entries = Object.entries(config);
  const variables: Record<string, string> = { GIT_CONFIG_COUNT: String(entries.length) };
  for (const [index, [key, value]] of entries.entries()) {
    variables[`GIT_CONFIG_KEY_${index}`] = key;
    variables[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return variables;
}
