import { createHmac, hkdfSync } from 'node:crypto';
import type { Keyring } from './secret-box.ts';
import { isSameText } from './session.ts';

/**
 * Addresses under which those who cannot log in (the agents of a back-end) download a private source archive: signed, for
 * just these bytes, and good for a while only. Whoever has such an address can download what is there; nothing else
 * follows from it. It need not be masked in logs: who may read the log of a private run may read its sources.
 */

/** What an address says beside the sha256, as it came: nobody has looked at it yet. */
export interface ArchiveQuery {
  /** Seconds since 1970. */
  until?: string | undefined;
  key?: string | undefined;
}

/** The first key of the ring signs. `sha256`: of the .tar.gz, as in its address. */
export function archiveQuery(sha256: string, until: Date, { keys }: Keyring): string {
  const seconds = String(Math.floor(until.getTime() / 1_000));
  return `?until=${seconds}&key=${signature(sha256, seconds, keys[0]!.bytes)}`;
}

/** Any key of the ring is good, so that one can be replaced while addresses are under way. Takes any text. */
export function isArchiveKey(
  sha256: string,
  { until = '', key = '' }: ArchiveQuery,
  { keys }: Keyring,
  now: Date,
): boolean {
  if (!SECONDS.test(until) || Number(until) * 1_000 <= now.getTime()) return false;
  return keys.some(({ bytes }) => isSameText(key, signature(sha256, until, bytes)));
}

/** As `archiveQuery` writes them: another spelling of the same number is none. */
const SECONDS = /^[1-9]\d{0,11}$/;

/** With a key of its own: what signs addresses opens no sealed box. */
function signature(sha256: string, seconds: string, key: Buffer): string {
  const own = Buffer.from(hkdfSync('sha256', key, '', 'rcb archive addresses', 32));
  return createHmac('sha256', own).update(`${sha256} ${seconds}`).digest('base64url');
}
