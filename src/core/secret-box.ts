import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';

/**
 * Secrets at rest: sealed with AES-256-GCM, so that whoever reads a row learns nothing, and whoever changes one, or moves
 * it to another place, makes it unreadable. A box names its key; the first key of a ring seals, all of them open, so that
 * a key is replaced without a moment at which nothing can be read.
 */
export interface Keyring {
  /** Newest first; at least one. */
  keys: readonly Key[];
}

interface Key {
  id: string;
  bytes: Buffer;
}

/** The texts should be random: they are stretched to a key's length, not made harder to guess. */
export function keyringOf(texts: readonly string[]): Keyring {
  if (texts.length === 0) throw new Error('a keyring needs a key');
  return { keys: texts.map(keyOf) };
}

function keyOf(text: string): Key {
  const bytes = Buffer.from(hkdfSync('sha256', text, '', 'rcb sessions', KEY_BYTES));
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 8), bytes };
}

const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 'v1';

/** `context`: where the box belongs; it opens nowhere else. `nonce`: random, 12 bytes, never used twice. */
export function seal(text: string, { keys }: Keyring, context: string, nonce: Buffer): string {
  const key = keys[0]!;
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return [VERSION, key.id, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
}

/** undefined: it was changed, belongs elsewhere, or its key is not in the ring any more. Takes any text. */
export function open(box: string, { keys }: Keyring, context: string): string | undefined {
  const [version, id, nonce = '', sealed = '', ...rest] = box.split('.');
  const key = keys.find((each) => each.id === id);
  if (version !== VERSION || !key || rest.length > 0) return undefined;
  const bytes = Buffer.from(sealed, 'base64url');
  const iv = Buffer.from(nonce, 'base64url');
  if (iv.length !== NONCE_BYTES || bytes.length < TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    // The one thing that `final` throws for: the tag does not fit.
    return undefined;
  }
}
