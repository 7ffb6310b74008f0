import { createPrivateKey, type KeyObject } from 'node:crypto';

/**
 * The key of a GitHub App from what people paste into an environment variable: PEM, PEM with `\n` or blanks for line
 * ends, or base64 of the PEM (as Probot accepts them). A wrong one is told in words that hold nothing of it.
 */
export function parsePrivateKey(given: string): { pem: string } | { found: string } {
  const pem = rewrapped(decoded(given).replaceAll('\\n', '\n'));
  const key = pem && parsed(pem);
  if (!pem || !key) return { found: `${given.length} characters that are no private key` };
  if (key.asymmetricKeyType !== 'rsa') return { found: `a private key of type ${key.asymmetricKeyType}` };
  return { pem };
}

function decoded(given: string): string {
  if (given.includes('-----BEGIN')) return given;
  return Buffer.from(given, 'base64').toString('utf8');
}

/** The first private key in the text, in lines of 64 characters. */
function rewrapped(text: string): string | undefined {
  const begin = /-----BEGIN ([A-Z ]{0,20}PRIVATE KEY)-----/.exec(text);
  if (!begin) return undefined;
  const start = begin.index + begin[0].length;
  const end = text.indexOf(`-----END ${begin[1]}-----`, start);
  if (end === -1) return undefined;
  const body = text.slice(start, end).replace(/\s+/g, '');
  return [begin[0], ...(body.match(/.{1,64}/g) ?? []), `-----END ${begin[1]}-----`, ''].join('\n');
}

function parsed(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's reason ("DECODER routines::unsupported") helps nobody.
    return undefined;
  }
}
