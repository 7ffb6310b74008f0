import type { Mistake } from './mistake.ts';

type Misplaced = Pick<Mistake, 'found' | 'expected' | 'hint'>;

const byName: Record<string, string> = {
  appid: 'APP_ID',
  privatekey: 'PRIVATE_KEY',
  privatekeypath: 'PRIVATE_KEY_PATH',
  webhooksecret: 'WEBHOOK_SECRET',
  secret: 'WEBHOOK_SECRET',
  ghehost: 'GHE_HOST',
  gheprotocol: 'GHE_PROTOCOL',
  port: 'PORT',
  host: 'HOST',
  loglevel: 'LOG_LEVEL',
  database: 'DATABASE_URL',
  databaseurl: 'DATABASE_URL',
  datadir: 'RCB_DATA_DIR',
  publicurl: 'RCB_PUBLIC_URL',
};

const byBackend: Record<string, Record<string, string>> = {
  azure: {
    token: 'AZURE_DEVOPS_TOKEN',
    pat: 'AZURE_DEVOPS_TOKEN',
    accesstoken: 'AZURE_DEVOPS_TOKEN',
    password: 'AZURE_DEVOPS_TOKEN',
    tenant: 'AZURE_TENANT_ID',
    tenantid: 'AZURE_TENANT_ID',
    clientid: 'AZURE_CLIENT_ID',
    clientsecret: 'AZURE_CLIENT_SECRET',
    secret: 'AZURE_HOOK_PASSWORD',
    hookpassword: 'AZURE_HOOK_PASSWORD',
    hooksecret: 'AZURE_HOOK_PASSWORD',
  },
  obs: {
    user: 'OBS_USER',
    username: 'OBS_USER',
    password: 'OBS_PASSWORD',
    token: 'OBS_PASSWORD',
    keyfile: 'OBS_KEY_FILE',
    sshkey: 'OBS_KEY_FILE',
    secret: 'OBS_HOOK_SECRET',
    hooksecret: 'OBS_HOOK_SECRET',
    hooktoken: 'OBS_HOOK_SECRET',
    bus: 'OBS_BUS_URL',
    busurl: 'OBS_BUS_URL',
  },
};

const secretName = /token|passw(or)?d|passphrase|secret|privatekey|apikey|accesskey|credential|^pat$/;

/** What to say of an unknown key that is a setting of the environment, or a secret, which must not stand in a file. */
export function misplaced(key: string, backendKind: unknown): Misplaced | undefined {
  const name = key.toLowerCase().replace(/[^a-z0-9]/g, '');
  const table = { ...byName, ...(typeof backendKind === 'string' ? own(byBackend, backendKind) : undefined) };
  const variable = own(table, name) ?? Object.values(allVariables()).find((known) => plain(known) === name);
  const isSecret = secretName.test(name);
  if (!variable && !isSecret) return undefined;
  return {
    found: isSecret ? 'a secret' : 'an unknown key',
    expected: isSecret ? 'no secret in this file' : 'it elsewhere',
    hint: `It belongs into the environment${variable ? ` variable ${variable}` : ''}.`,
  };
}

function allVariables(): string[] {
  return [byName, ...Object.values(byBackend)].flatMap((table) => Object.values(table));
}

function plain(variable: string): string {
  return variable.toLowerCase().replaceAll('_', '');
}

function own<Value>(table: Record<string, Value>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
