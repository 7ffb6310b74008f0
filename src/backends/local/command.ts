import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { codeOf, unlessMissing } from './files.ts';

/** `runs`: ready to be started. `broken`: it is named, but cannot be started. `nothing`: no command, no file for one. */
export type FoundCommand =
  | { kind: 'runs'; name: string; argv: string[] }
  | { kind: 'broken'; name: string; why: string }
  | { kind: 'nothing'; why: string };

/** Looked for in this order in the changed source when no command is configured. */
const usualPlaces = ['.ci/run', 'ci/run', '.ci'];
const maxNameLength = 60;

/** Decide what to run in `directory`, the changed source's top; `repository` is for messages. */
export async function findCommand(
  configured: string | undefined,
  directory: string,
  repository: string,
): Promise<FoundCommand> {
  if (configured === undefined) return await findInUsualPlaces(directory, repository);
  const name = nameOf(configured);
  if (!isPath(configured)) return { kind: 'runs', name, argv: ['/bin/sh', '-c', configured] };
  const why = await whyNotStartable(configured, directory, repository);
  return why === undefined ? runsFile(name, configured) : { kind: 'broken', name, why };
}

/** The job's name, as far as it is known before the source is unpacked. */
export function nameOf(command: string): string {
  const line = command.trim().replace(/^\.\//, '').replaceAll(/\s+/g, ' ');
  return line.length <= maxNameLength ? line : `${line.slice(0, maxNameLength - 1)}…`;
}

async function findInUsualPlaces(directory: string, repository: string): Promise<FoundCommand> {
  const unusable: string[] = [];
  for (const place of usualPlaces) {
    const found = await unlessMissing(stat(join(directory, place)));
    if (!found?.isFile()) continue;
    if (!(await isExecutable(join(directory, place)))) {
      unusable.push(`${place} is there but not executable`);
      continue;
    }
    const why = await whyNotStartable(place, directory, repository);
    return why === undefined ? runsFile(place, place) : { kind: 'broken', name: place, why };
  }
  const hint = unusable.length > 0 ? ` (${unusable.join(', ')})` : '';
  return { kind: 'nothing', why: `nothing to run: ${repository} has no executable ${usualPlaces.join(', ')}${hint}` };
}

/** The shell only to start it: a script without a first line `#!…` is a shell script, says POSIX; `exec`, so that the
 *  command's own status and signal are seen. */
function runsFile(name: string, path: string): FoundCommand {
  return { kind: 'runs', name, argv: ['/bin/sh', '-c', 'exec "$0"', isAbsolute(path) ? path : `./${path}`] };
}

/** One word with a slash in it is a file; anything else is a line for the shell. */
function isPath(command: string): boolean {
  return /^[\w.+@%,-]*(\/[\w.+@%,-]+)+$/.test(command);
}

async function whyNotStartable(path: string, directory: string, repository: string): Promise<string | undefined> {
  const file = isAbsolute(path) ? path : join(directory, path);
  const found = await unlessMissing(stat(file));
  if (!found) return `there is no ${path} in the source archive of ${repository}`;
  if (!found.isFile()) return `${path} is not a file`;
  if (!(await isExecutable(file))) return `${path} is not executable (chmod +x, and commit that)`;
  const interpreter = await interpreterOf(file);
  if (interpreter === undefined || (await isExecutable(interpreter))) return undefined;
  return `${path} wants ${interpreter} (its first line says so), which is not on this machine`;
}

/** The program that a script's first line names, if it is absolute (execve(2)). */
async function interpreterOf(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
    return /^#![ \t]*(\/[^\s]*)/.exec(buffer.toString('latin1', 0, bytesRead))?.[1];
  } finally {
    await handle.close();
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EACCES' || codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}
