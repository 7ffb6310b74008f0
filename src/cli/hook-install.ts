import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '../config/config.ts';
import { gitDirectoryOf, identityOf } from '../forge/git/repositories.ts';
import { ensureSecret, secretFile } from '../forge/git/secret.ts';

/** `rcb hook install PATH`: a `post-receive` hook that tells a bot on this machine what was pushed. */
export interface HookInstall {
  path: string;
  /** Where the bot listens; default: as the configuration says. */
  url?: string;
  /** Where a copy of the secret goes, for pushers who may not read the data directory. */
  secretFile?: string;
  /** Pushers wait for the verdict, at most so long: `30m`. */
  wait?: string;
  force?: boolean;
  config: Pick<Config, 'git' | 'dataDir' | 'server' | 'configFile'>;
  /** The program and the script that the hook calls. */
  node: string;
  cli: string;
}

/** What was done, for people; throws an Error in their words. */
export async function installHook(options: HookInstall): Promise<string[]> {
  const identity = await identityOf(options.path);
  const directory = await gitDirectoryOf(identity);
  if (directory === undefined) throw new Error(`There is no git repository in ${identity}.`);
  const secretPath = await placeSecret(options);
  const hooks = await hooksDirectory(identity, directory);
  const command = hookCommand(options, secretPath);
  const backup = await makeWay(join(hooks, 'post-receive'), command, options.force ?? false);
  await writeExecutable(join(hooks, 'post-receive'), hookScript(options.node, command));
  return [
    `${join(hooks, 'post-receive')} tells ${urlOf(options)} what is pushed${options.wait ? ', and waits for the verdict' : ''}.`,
    ...(backup ? [`The hook that was there is now ${backup}.`] : []),
    ...(hooks.startsWith(`${directory}/`)
      ? []
      : [`core.hooksPath says so: it is every repository's that uses ${hooks}.`]),
    `Who pushes must be able to read ${secretPath}.`,
    ...(await howToAdd(identity, options.config)),
  ];
}

/** A copy keeps the mode and the owner that its file has; a new one is its writer's only. */
async function placeSecret({ secretFile: copy, config }: HookInstall): Promise<string> {
  const own = resolve(secretFile(config.dataDir));
  const secret = await ensureSecret(own);
  if (copy === undefined || resolve(copy) === own) return own;
  await writeFile(resolve(copy), `${secret}\n`, { mode: 0o600 });
  return resolve(copy);
}

/** As git finds it: core.hooksPath moves it, in the repository's configuration or in the user's. */
async function hooksDirectory(identity: string, directory: string): Promise<string> {
  const args = [`--git-dir=${directory}`, 'rev-parse', '--path-format=absolute', '--git-path', 'hooks'];
  const { stdout } = await promisify(execFile)('git', args, { cwd: identity });
  const hooks = stdout.replace(/\n$/, '');
  await mkdir(hooks, { recursive: true });
  return hooks;
}

const MARK = '# Written by `rcb hook install`; run that again to change it.';

/** Our own hook is replaced; somebody else's only when that is asked for, and it is kept beside. */
async function makeWay(path: string, command: string, force: boolean): Promise<string | undefined> {
  const found = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined || found.includes(MARK)) return undefined;
  if (!force) {
    throw new Error(
      `${path} is there already, and not RCB's. Let it call RCB, with what it is given on standard input:\n` +
        `  ${command}\nor replace it by --force; it is kept beside as post-receive.before-rcb.`,
    );
  }
  let backup = `${path}.before-rcb`;
  for (let number = 2; await isThere(backup); number += 1) backup = `${path}.before-rcb.${number}`;
  await rename(path, backup);
  return backup;
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

function hookCommand(options: HookInstall, secretPath: string): string {
  const words = [
    options.node,
    options.cli,
    'hook',
    'post-receive',
    '--url',
    urlOf(options),
    '--secret-file',
    secretPath,
  ];
  return [...words, ...(options.wait ? ['--wait', options.wait] : [])].map(quoted).join(' ');
}

/** A push must never fail, or look as if it had, because of RCB: the hook's own exit status is always 0. */
const hookScript = (node: string, command: string): string => `#!/bin/sh
${MARK}
if [ ! -x ${quoted(node)} ]; then
  echo ${quoted(`RCB: ${node} is gone: run "rcb hook install" again. The push is found by polling.`)}
  exit 0
fi
${command} || :
`;

/** Whole or not at all: somebody may be pushing now. */
async function writeExecutable(path: string, text: string): Promise<void> {
  const aside = `${path}.rcb-${process.pid}`;
  try {
    await writeFile(aside, text, { flag: 'wx' });
    await chmod(aside, 0o755);
    await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
}

/** The hook runs on the bot's machine: what listens everywhere is reached on loopback. */
function urlOf({ url, config: { server } }: HookInstall): string {
  if (url !== undefined) return url.replace(/\/+$/, '');
  if (/^(0\.0\.0\.0|::|\*)$/.test(server.host)) return `http://127.0.0.1:${server.port}`;
  const host = server.host.includes(':') ? `[${server.host}]` : server.host;
  return `http://${host}:${server.port}`;
}

async function howToAdd(identity: string, config: HookInstall['config']): Promise<string[]> {
  const configured = await Promise.all(config.git.map(identityOf));
  if (configured.includes(identity)) return [];
  const paths = [...config.git, identity].map((path) => JSON.stringify(path)).join(', ');
  return [
    `RCB does not watch it yet. Write into ${config.configFile ?? 'rcb.yaml'}, and start RCB again:`,
    `  git: [ ${paths} ]`,
  ];
}

const quoted = (word: string): string => (/^[\w/.:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
