import type { LoginConfig } from './config.ts';
import type { Reader, Variable } from './environment.ts';
import { readFailure } from './files.ts';
import { shown } from './mistake.ts';

/** What people need to log in on the site: the App's client, and a key under which their sessions are kept. */
export function parseLogin(reader: Reader): LoginConfig {
  const clientId = parseClientId(reader);
  const clientSecret = secretOrFile(reader, 'GITHUB_CLIENT_SECRET', 'GITHUB_CLIENT_SECRET_FILE');
  const sessionKeys = parseSessionKeys(reader);
  if (clientSecret && !clientId) reader.wrong('GITHUB_CLIENT_ID', 'nothing', 'the client ID of the GitHub App');
  if (clientId && !clientSecret && !reader.get('GITHUB_CLIENT_SECRET_FILE')) {
    reader.wrong('GITHUB_CLIENT_SECRET', 'nothing', 'a client secret of the GitHub App beside its client ID');
  }
  if (!clientId || !clientSecret) return { off: 'GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are not set' };
  return sessionKeys.length > 0 ? { clientId, clientSecret, sessionKeys } : { off: 'RCB_SESSION_KEY is not set' };
}

/** `Iv1.…` of older Apps, `Iv23…` of newer ones. */
function parseClientId(reader: Reader): string | undefined {
  const given = reader.get('GITHUB_CLIENT_ID');
  if (given && !/^[\w.-]{1,100}$/.test(given)) {
    reader.wrong('GITHUB_CLIENT_ID', shown(given), 'the client ID of the GitHub App, like Iv23liAbCdEf');
  }
  return given;
}

const SHORTEST_KEY = 32;

function parseSessionKeys(reader: Reader): string[] {
  const current = secretOrFile(reader, 'RCB_SESSION_KEY', 'RCB_SESSION_KEY_FILE');
  const previous = reader.secret('RCB_SESSION_KEY_PREVIOUS');
  const keys = { RCB_SESSION_KEY: current, RCB_SESSION_KEY_PREVIOUS: previous };
  for (const [name, key] of Object.entries(keys)) {
    if (key && key.length < SHORTEST_KEY) {
      const hint = 'openssl rand -hex 32 makes one.';
      reader.wrong(name as Variable, `${key.length} characters`, `at least ${SHORTEST_KEY} random ones`, hint);
    }
  }
  if (previous && !current) reader.wrong('RCB_SESSION_KEY', 'nothing', 'the key that replaces the previous one');
  return current ? [...new Set([current, ...(previous ? [previous] : [])])] : [];
}

const LARGEST_SECRET = 10_000;

/** A secret of one line, given itself or by the name of a file that holds it. */
function secretOrFile(reader: Reader, name: Variable, fileName: Variable): string | undefined {
  const given = reader.secret(name);
  const path = reader.get(fileName);
  if (!path) return given;
  if (given) {
    reader.wrong(fileName, `it beside ${name}`, 'one of the two');
    return given;
  }
  const expected = 'a file that holds a secret of one line';
  try {
    const bytes = reader.files.read(path, LARGEST_SECRET);
    const text = bytes && Buffer.from(bytes).toString('utf8').trim();
    if (text && !/\s/.test(text)) return text;
    const found = !bytes ? 'which does not exist' : text ? 'which holds more than one word' : 'an empty file';
    reader.wrong(fileName, `${shown(path)}, ${found}`, expected);
  } catch (error) {
    reader.wrong(fileName, `${shown(path)}, ${readFailure(error)}`, expected);
  }
  return undefined;
}

/** To be masked in logs. */
export const secretsOfLogin = (login: LoginConfig | undefined): string[] =>
  login && !('off' in login) ? [login.clientSecret, ...login.sessionKeys] : [];
