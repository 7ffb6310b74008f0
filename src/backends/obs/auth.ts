import { execFile } from 'node:child_process';
import { BackendError } from '../backend.ts';
import type { ObsTime } from './time.ts';

/** How requests say who asks. */
export interface ObsAuth {
  readonly user: string;
  /** Whether a session's cookie is enough, and saves the work of a header. */
  readonly prefersSession: boolean;
  /** The Authorization header. `challenge`: what a 401 asked for; without it undefined means: ask and be challenged.
   *  With it undefined means: there is nothing better to say. */
  header(challenge?: string): Promise<string | undefined>;
}

export function basicAuth(user: string, password: string): ObsAuth {
  const header = `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
  return { user, prefersSession: false, header: async (challenge) => (challenge === undefined ? header : undefined) };
}

/** Signs a text under a namespace; answers the armored signature of `ssh-keygen -Y sign`. */
export type SshSign = (text: string, namespace: string) => Promise<string>;

/**
 * OBS's own use of the Signature scheme: signed is `(created): <unix seconds>`, under the realm that the server names.
 * (Source: osc, connection.py.)
 */
export function signatureAuth(user: string, sign: SshSign, time: ObsTime): ObsAuth {
  let realm: string | undefined;
  let made: { header: string; at: number } | undefined;
  return {
    user,
    prefersSession: true,
    async header(challenge) {
      if (challenge !== undefined) {
        realm = /\bSignature\s+(?:[^,]*,\s*)??realm="([^"]{1,200})"/i.exec(challenge)?.[1];
        made = undefined;
      }
      if (realm === undefined) return undefined;
      if (made && time.monotonicMs() - made.at < SIGNATURE_LASTS_MS) return made.header;
      const created = Math.floor(time.now().getTime() / 1_000);
      const signature = bare(await sign(`(created): ${created}`, realm));
      const header = `Signature keyId="${user}",algorithm="ssh",headers="(created)",created=${created},signature="${signature}"`;
      made = { header, at: time.monotonicMs() };
      return header;
    },
  };
}

const SIGNATURE_LASTS_MS = 30_000;
const SIGN_DEADLINE_MS = 10_000;

const bare = (armored: string): string => armored.replace(/-----[^-\n]+-----/g, '').replace(/\s+/g, '');

/** Signs with a key in a file that needs no passphrase. */
export function sshKeygen(keyFile: string): SshSign {
  return (text, namespace) =>
    new Promise((resolve, reject) => {
      const options = { timeout: SIGN_DEADLINE_MS, maxBuffer: 64 * 1024 };
      const child = execFile(
        'ssh-keygen',
        ['-Y', 'sign', '-f', keyFile, '-n', namespace, '-q'],
        options,
        (error, out) => {
          if (!error) resolve(out);
          else reject(new BackendError('misconfigured', `ssh-keygen could not sign with ${keyFile}`, { cause: error }));
        },
      );
      // It may be gone before it has read: the exit status says why.
      child.stdin?.on('error', () => {}).end(text);
    });
}
