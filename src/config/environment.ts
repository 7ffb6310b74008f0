import { parseEnv } from 'node:util';
import {
  type AzureServicePrincipal,
  type Credentials,
  type GitHubConfig,
  type LogLevel,
  logLevels,
  type ServerConfig,
} from './config.ts';
import { diskFiles, type Files, readFailure } from './files.ts';
import { parseLogin, secretsOfLogin } from './login.ts';
import { didYouMean, type Mistake, oneOf, shown } from './mistake.ts';
import { parsePrivateKey } from './private-key.ts';

export type Environment = Record<string, string | undefined>;

/** The settings that come from the environment: secrets, and what differs from machine to machine. */
export interface EnvironmentSettings {
  github?: GitHubConfig;
  server: ServerConfig;
  log: { level: LogLevel };
  dataDir: string;
  databaseUrl?: string;
  /** `RCB_CONFIG`, if it was given. */
  configFile?: string;
  credentials: Credentials;
  secrets: string[];
}

/** Every variable that the bot reads. */
export const variables = [
  'APP_ID',
  'PRIVATE_KEY',
  'PRIVATE_KEY_PATH',
  'WEBHOOK_SECRET',
  'WEBHOOK_SECRET_PREVIOUS',
  'GHE_HOST',
  'GHE_PROTOCOL',
  'GITHUB_CLIENT_ID',
  'GITHUB_CLIENT_SECRET',
  'GITHUB_CLIENT_SECRET_FILE',
  'HOST',
  'PORT',
  'LOG_LEVEL',
  'DATABASE_URL',
  'RCB_CONFIG',
  'RCB_DATA_DIR',
  'RCB_PUBLIC_URL',
  'RCB_SESSION_KEY',
  'RCB_SESSION_KEY_FILE',
  'RCB_SESSION_KEY_PREVIOUS',
  'AZURE_DEVOPS_TOKEN',
  'AZURE_TENANT_ID',
  'AZURE_CLIENT_ID',
  'AZURE_CLIENT_SECRET',
  'AZURE_HOOK_PASSWORD',
  'OBS_USER',
  'OBS_PASSWORD',
  'OBS_KEY_FILE',
  'OBS_HOOK_SECRET',
  'OBS_BUS_URL',
] as const;

export type Variable = (typeof variables)[number];

/** The one place where the project reads the process's environment. What a file `.env` in the working directory says
 *  counts where the environment says nothing. */
export function environment(): Environment {
  const file = dotEnv(diskFiles(process.cwd()));
  return { ...file, ...process.env };
}

function dotEnv(files: Files): Environment {
  let bytes: Uint8Array | undefined;
  try {
    bytes = files.read('.env', 1_000_000);
  } catch (error) {
    throw new Error(`.env: found ${readFailure(error)}, expected a readable file or none`, { cause: error });
  }
  return bytes ? parseEnv(Buffer.from(bytes).toString('utf8')) : {};
}

/** Parse the environment; empty variables count as absent, as compose files write them. */
export function parseEnvironment(
  env: Environment,
  files: Files,
): { settings: EnvironmentSettings; mistakes: Mistake[] } {
  const reader = new Reader(env, files);
  const port = parsePort(reader);
  const settings: EnvironmentSettings = {
    github: parseGitHub(reader),
    server: { host: parseHost(reader), port, ...parsePublicUrl(reader, port) },
    log: { level: reader.word('LOG_LEVEL', logLevels) ?? 'info' },
    dataDir: reader.get('RCB_DATA_DIR') ?? './data',
    databaseUrl: parseDatabaseUrl(reader),
    configFile: reader.get('RCB_CONFIG'),
    credentials: parseCredentials(reader),
    secrets: [],
  };
  settings.secrets = secretsOf(settings, env);
  reader.mistakes.push(...misspeltVariables(env));
  return { settings, mistakes: reader.mistakes };
}

/** Reads variables and collects what is wrong with them. */
export class Reader {
  readonly mistakes: Mistake[] = [];
  readonly files: Files;
  readonly #env: Environment;

  constructor(env: Environment, files: Files) {
    this.#env = env;
    this.files = files;
  }

  get(key: Variable): string | undefined {
    return this.#env[key] || undefined;
  }

  wrong(key: Variable, found: string, expected: string, hint?: string): void {
    this.mistakes.push({ file: 'environment', key, found, expected, ...(hint && { hint }) });
  }

  word<Word extends string>(key: Variable, words: readonly Word[]): Word | undefined {
    const given = this.get(key);
    const word = words.find((candidate) => candidate === given);
    if (given && !word) this.wrong(key, shown(given), oneOf(words), didYouMean(given, words));
    return word;
  }

  /** A value that messages never show. */
  secret(key: Variable): string | undefined {
    const given = this.get(key);
    if (given && given !== given.trim()) this.wrong(key, 'blanks around the value', 'the bare value');
    return given;
  }
}

function parsePort(reader: Reader): number {
  const given = reader.get('PORT');
  if (given === undefined) return 3000;
  if (/^\d{1,5}$/.test(given) && Number(given) <= 65_535) return Number(given);
  reader.wrong('PORT', shown(given), 'a port from 0 to 65535');
  return 3000;
}

function parseHost(reader: Reader): string {
  const given = reader.get('HOST') ?? 'localhost';
  if (!/^[\w.:%-]{1,255}$/.test(given)) reader.wrong('HOST', shown(given), 'a host name or address to listen on');
  return given;
}

function parsePublicUrl(reader: Reader, port: number): Pick<ServerConfig, 'publicUrl' | 'isPublicUrlGuessed'> {
  const given = reader.get('RCB_PUBLIC_URL');
  if (given === undefined) return { publicUrl: `http://localhost:${port}`, isPublicUrlGuessed: true };
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  if (!isPlain) reader.wrong('RCB_PUBLIC_URL', shown(given), 'an http or https URL like https://rcb.example.org');
  return { publicUrl: given.replace(/\/+$/, ''), isPublicUrlGuessed: false };
}

function parseDatabaseUrl(reader: Reader): string | undefined {
  const given = reader.get('DATABASE_URL');
  // Never shown: most hold a password.
  if (given && !postgresUrl(given)) {
    reader.wrong('DATABASE_URL', 'something else', 'a URL like postgresql://user:password@host:5432/database');
  }
  return given;
}

/** pg allows for an empty host behind a user (a Unix socket), URL does not. */
function postgresUrl(given: string): URL | undefined {
  const url = given.replace('@/', '@localhost/');
  return /^postgres(ql)?:\/\//.test(url) && URL.canParse(url) ? new URL(url) : undefined;
}

function parseGitHub(reader: Reader): GitHubConfig | undefined {
  const host = parseGheHost(reader);
  const protocol = reader.word('GHE_PROTOCOL', ['https', 'http']) ?? 'https';
  const previous = parseWebhookSecret(reader, 'WEBHOOK_SECRET_PREVIOUS');
  const names = ['APP_ID', 'PRIVATE_KEY', 'PRIVATE_KEY_PATH', 'WEBHOOK_SECRET', 'GITHUB_CLIENT_ID'] as const;
  const isWanted = names.some((key) => reader.get(key));
  if (!isWanted) return undefined;

  const current = parseWebhookSecret(reader, 'WEBHOOK_SECRET');
  if (!current) {
    reader.wrong('WEBHOOK_SECRET', 'nothing', 'the secret of the GitHub App', 'Without one anybody could send events.');
  }
  return {
    appId: parseAppId(reader),
    privateKey: readPrivateKey(reader),
    webhookSecrets: [...new Set([current, previous])].filter((secret) => secret !== undefined),
    ...(host && { host }),
    protocol,
    apiUrl: host ? `${protocol}://${host}/api/v3` : 'https://api.github.com',
    htmlUrl: host ? `${protocol}://${host}` : 'https://github.com',
    login: parseLogin(reader),
  };
}

function parseAppId(reader: Reader): number {
  const given = reader.get('APP_ID');
  if (given && /^[1-9]\d{0,14}$/.test(given)) return Number(given);
  reader.wrong('APP_ID', shown(given), 'the number of the GitHub App');
  return 0;
}

function parseGheHost(reader: Reader): string | undefined {
  const given = reader.get('GHE_HOST');
  const isHost = given === undefined || (/^[\w.:[\]-]{1,255}$/.test(given) && URL.canParse(`https://${given}`));
  if (!isHost) reader.wrong('GHE_HOST', shown(given), 'a bare host name like github.example.org');
  return given;
}

function parseWebhookSecret(reader: Reader, key: 'WEBHOOK_SECRET' | 'WEBHOOK_SECRET_PREVIOUS'): string | undefined {
  const given = reader.secret(key);
  if (given?.trim() === 'development') {
    reader.wrong(key, 'the word development', 'a secret', 'Probot falls back to this word: everybody knows it.');
  }
  return given;
}

function readPrivateKey(reader: Reader): string {
  const inline = reader.get('PRIVATE_KEY');
  const path = reader.get('PRIVATE_KEY_PATH');
  const expected = 'the RSA private key of the GitHub App, as PEM or as base64 of it';
  if (inline && path) reader.wrong('PRIVATE_KEY_PATH', 'it beside PRIVATE_KEY', 'one of the two');
  if (!inline && !path) reader.wrong('PRIVATE_KEY', 'nothing', expected, 'PRIVATE_KEY_PATH may name a file instead.');
  const key = inline ? 'PRIVATE_KEY' : 'PRIVATE_KEY_PATH';
  const text = inline ?? (path && readKeyFile(reader, path));
  if (text === undefined || text === '') return '';
  const result = parsePrivateKey(text);
  if ('pem' in result) return result.pem;
  reader.wrong(key, inline ? result.found : `${shown(path)}, which holds ${result.found}`, expected);
  return '';
}

function readKeyFile(reader: Reader, path: string): string | undefined {
  const expected = 'a file that holds the private key of the GitHub App';
  try {
    const bytes = reader.files.read(path, 65_536);
    if (!bytes) reader.wrong('PRIVATE_KEY_PATH', `${shown(path)}, which does not exist`, expected);
    else if (bytes.length === 0) reader.wrong('PRIVATE_KEY_PATH', `${shown(path)}, an empty file`, expected);
    return bytes && Buffer.from(bytes).toString('utf8');
  } catch (error) {
    reader.wrong('PRIVATE_KEY_PATH', `${shown(path)}, ${readFailure(error)}`, expected);
    return undefined;
  }
}

function parseCredentials(reader: Reader): Credentials {
  const user = reader.get('OBS_USER');
  const password = reader.secret('OBS_PASSWORD');
  const keyFile = reader.get('OBS_KEY_FILE');
  if (user && !password && !keyFile) {
    reader.wrong('OBS_PASSWORD', 'nothing', 'the password of OBS_USER', 'OBS_KEY_FILE may name an SSH key instead.');
  }
  if (password && !user) reader.wrong('OBS_USER', 'nothing', 'the user whose password OBS_PASSWORD is');
  else if (keyFile && !user) reader.wrong('OBS_USER', 'nothing', 'the user whose key OBS_KEY_FILE is');
  return {
    azure: {
      token: reader.secret('AZURE_DEVOPS_TOKEN'),
      servicePrincipal: parseServicePrincipal(reader),
      hookPassword: reader.secret('AZURE_HOOK_PASSWORD'),
    },
    obs: { user, password, keyFile, hookSecret: reader.secret('OBS_HOOK_SECRET'), bus: reader.secret('OBS_BUS_URL') },
  };
}

/** All three or none. */
function parseServicePrincipal(reader: Reader): AzureServicePrincipal | undefined {
  const names = ['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET'] as const;
  const [tenant, clientId, clientSecret] = names.map((name) => reader.secret(name));
  if (tenant && clientId && clientSecret) return { tenant, clientId, clientSecret };
  const missing = names.filter((name) => !reader.get(name));
  // Other tools read the first two as well: a token is enough.
  if (missing.length === names.length || reader.get('AZURE_DEVOPS_TOKEN')) return undefined;
  for (const name of missing) reader.wrong(name, 'nothing', 'it beside the others of the service principal');
  return undefined;
}

/** Only near misses of our own names: a build that runs the bot has RCB_SOURCE_… and the like. */
function misspeltVariables(env: Environment): Mistake[] {
  const ours = variables.filter((variable) => variable.startsWith('RCB_'));
  return Object.keys(env)
    .filter((key) => /^RCB_/i.test(key) && !(ours as string[]).includes(key) && !key.startsWith('RCB_SOURCE_'))
    .flatMap((key) => {
      const hint = didYouMean(key, ours);
      return hint ? [{ file: 'environment', key, found: 'an unknown variable', expected: oneOf(ours), hint }] : [];
    });
}

/** In every form in which a log could show them: as given, decoded, and a key's lines one by one. */
function secretsOf({ github, databaseUrl, credentials }: EnvironmentSettings, env: Environment): string[] {
  const { azure, obs } = credentials;
  const key = github?.privateKey ?? '';
  const keyLines = key.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
  const url = databaseUrl ? postgresUrl(databaseUrl) : undefined;
  const given = [
    env['PRIVATE_KEY'],
    key,
    ...keyLines,
    ...(github?.webhookSecrets ?? []),
    env['WEBHOOK_SECRET_PREVIOUS'],
    ...secretsOfLogin(github?.login),
  ];
  const others = [
    azure.token,
    azure.servicePrincipal?.clientSecret,
    azure.hookPassword,
    obs.password,
    obs.hookSecret,
    obs.bus,
    url?.password,
    unescaped(url?.password),
  ];
  return [...new Set([...given, ...others])].filter((secret): secret is string => Boolean(secret));
}

function unescaped(text: string | undefined): string | undefined {
  try {
    return text && decodeURIComponent(text);
  } catch {
    // A stray % is no escape: then the text as it was given is all there is to mask.
    return undefined;
  }
}
