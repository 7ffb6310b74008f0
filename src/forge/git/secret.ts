import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export const secretFile = (dataDir: string): string => join(dataDir, 'git-hook-secret');

/** What hooks on this machine sign with: made at the first need, readable by the bot's user only. */
export async function ensureSecret(path: string): Promise<string> {
  const found = await readSecret(path);
  if (found !== undefined) return found;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Complete or not there: the bot and `rcb hook install` may want it at the same time, and the first one's counts.
  const aside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(aside, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    await link(aside, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(aside, { force: true });
  }
  const made = await readSecret(path);
  if (made === undefined) throw new Error(`${path} was removed while it was made`);
  return made;
}

/** undefined: there is none. Throws when it cannot be read, or holds no secret. */
export async function readSecret(path: string): Promise<string | undefined> {
  try {
    const secret = (await readFile(path, 'utf8')).trim();
    if (secret.length >= 32) return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  throw new Error(`${path} holds no secret: remove it, start RCB, and it makes a new one`);
}
