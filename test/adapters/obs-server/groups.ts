import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/** Kills the process groups that it was told, and removes the directory, when nobody can tell it more. */
const REAPER = `
groups=
while read -r group; do groups="$groups $group"; done
for group in $groups; do kill -s KILL -- "-$group"; done
tries=0
for group in $groups; do
  while kill -s 0 -- "-$group" && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
done 2>/dev/null
exec rm -rf --one-file-system -- "$1"`;

/**
 * Daemons, each a process group of its own. They end with us, however we end: their reaper reads from us, and a process
 * that was killed has stopped writing.
 */
export class Groups {
  readonly #reaper: ChildProcess;

  /** `directory` is removed at the end. */
  constructor(directory: string) {
    this.#reaper = spawn('/bin/sh', ['-c', REAPER, 'reaper', directory], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
    });
  }

  /** Answers the group's id. */
  start(command: string, args: string[], options: { env: NodeJS.ProcessEnv; cwd: string; logFile: string }): number {
    const log = openSync(options.logFile, 'a');
    try {
      const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', log, log] });
      child.on('error', () => {});
      if (child.pid === undefined) throw new Error(`${command} could not be started`);
      child.unref();
      this.#reaper.stdin!.write(`${child.pid}\n`);
      return child.pid;
    } finally {
      closeSync(log);
    }
  }

  kill(group: number): void {
    process.kill(-group, 'SIGKILL');
  }

  async close(): Promise<void> {
    const ended = once(this.#reaper, 'exit');
    this.#reaper.stdin!.end();
    await ended;
  }
}
