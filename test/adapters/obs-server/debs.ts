import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Debian's packages as test peers: downloaded once, into a folder outside the clone, and unpacked; never installed. */

const run = promisify(execFile);
const DOWNLOAD_DEADLINE_MS = 300_000;
const UNPACK_DEADLINE_MS = 120_000;

/** Something real cannot run on this machine; the message says what is missing. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

export async function requireDebian(environment: NodeJS.ProcessEnv): Promise<void> {
  const said = await run('dpkg', ['--print-architecture'], { env: environment }).catch(() => undefined);
  const architecture = said?.stdout.trim();
  if (architecture !== 'amd64') {
    throw new Unavailable(`it needs Debian's packages for amd64, and this is ${architecture ?? 'no Debian'}`);
  }
}

/** The files of the packages, by name. */
export async function cachedDebs(names: string[], environment: NodeJS.ProcessEnv): Promise<Map<string, string>> {
  const cache = join(environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'rcb-obs', 'debs');
  await mkdir(cache, { recursive: true });
  const missing = namesWithout(await readdir(cache), names);
  if (missing.length > 0) await download(missing, cache, environment);
  const files = await readdir(cache);
  return new Map(names.map((name) => [name, join(cache, fileOf(files, name)!)]));
}

const fileOf = (files: string[], name: string): string | undefined =>
  files.find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'));

const namesWithout = (files: string[], names: string[]): string[] => names.filter((name) => !fileOf(files, name));

/** Aside, and then moved: a download that broke off is no package. */
async function download(names: string[], cache: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const aside = await mkdtemp(join(cache, 'download-'));
  try {
    const options = { cwd: aside, env: environment, timeout: DOWNLOAD_DEADLINE_MS };
    await run('apt-get', ['download', '-qq', ...names], options).catch((error) => {
      const why = String(error.stderr || error.message).trim();
      throw new Unavailable(`apt-get could not download Debian's packages (is "apt-get update" needed?): ${why}`);
    });
    const files = await readdir(aside);
    const lacking = namesWithout(files, names);
    if (lacking.length > 0) throw new Unavailable(`apt-get downloaded no ${lacking.join(', ')}`);
    for (const file of files) await rename(join(aside, file), join(cache, file));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

export async function unpackDebs(files: Iterable<string>, root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  for (const file of files) await run('dpkg', ['-x', file, root], { timeout: UNPACK_DEADLINE_MS });
}
